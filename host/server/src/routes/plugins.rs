//! Plugins: those there are, and new ones.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Page, Plugin};
use crate::extract::{Params, Segment, WasmBody};
use crate::openapi::{PlainErrors, ReadErrors, WriteErrors};
use crate::problem::{Problem, Result};
use adjutant_model::PluginRef;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::fmt::Write as _;
use utoipa::IntoParams;

/// List all plugins, by name, each name's newest version last
#[utoipa::path(
    get,
    path = "/v1/plugins",
    operation_id = "list_plugins",
    tag = "plugins",
    responses((status = 200, description = "All of them", body = Page<Plugin>), PlainErrors)
)]
pub(crate) async fn list(State(app): State<App>, _: Params<NoQuery>) -> Result<Json<Page<Plugin>>> {
    let plugins = app.host.plugins();
    Ok(Json(Page {
        items: plugins.iter().map(Plugin::from).collect(),
        next: None,
    }))
}

/// Get a plugin
#[utoipa::path(
    get,
    path = "/v1/plugins/{name}",
    operation_id = "get_plugin",
    tag = "plugins",
    params((
        "name" = String,
        Path,
        description = "Its name, for the version registered last, or `name@version`"
    )),
    responses((status = 200, description = "The plugin", body = Plugin), ReadErrors)
)]
pub(crate) async fn get(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
) -> Result<Json<Plugin>> {
    let plugins = app.host.plugins();
    find(&plugins, &PluginRef::parse(&name.0))
        .map(|plugin| Json(plugin.into()))
        .ok_or_else(|| {
            Problem::not_found(format!(
                "There is no plugin {:?}; /v1/plugins lists those there are",
                adjutant_model::text::cut(&name.0, 200)
            ))
        })
}

/// The query of a removal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveQuery {
    /// Whether tickets may fail for it that have not started yet.
    #[serde(default)]
    force: bool,
}

/// Remove a plugin's version; runs that have started stay on it
#[utoipa::path(
    delete,
    path = "/v1/plugins/{name}",
    operation_id = "remove_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "`name@version`"), RemoveQuery),
    responses((status = 204, description = "Nothing starts with it any more"), WriteErrors)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    name: Segment,
    Params(query): Params<RemoveQuery>,
) -> Result<StatusCode> {
    let plugin = PluginRef::parse(&name.0);
    let Some(version) = &plugin.version else {
        return Err(Problem::invalid(
            "/name",
            "say which version is to be removed: `name@version`",
        ));
    };
    app.host
        .remove_plugin(&plugin.name, version, query.force)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get a component's bytes
#[utoipa::path(
    get,
    path = "/v1/plugins/{name}/component",
    operation_id = "plugin_component",
    tag = "plugins",
    params((
        "name" = String,
        Path,
        description = "A digest, as a run is pinned to one: `sha256:` and 64 hexadecimal digits; or a \
                       name, or `name@version`"
    )),
    responses(
        (status = 200, description = "The bytes", body = Vec<u8>,
            content_type = "application/wasm"),
        ReadErrors
    )
)]
pub(crate) async fn component(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
) -> Result<Response> {
    let bytes = app.host.component_bytes(&name.0).await?;
    Ok(([(CONTENT_TYPE, "application/wasm")], bytes).into_response())
}

fn find<'a>(
    plugins: &'a [adjutant_model::Plugin],
    wanted: &PluginRef,
) -> Option<&'a adjutant_model::Plugin> {
    plugins.iter().rev().find(|plugin| {
        plugin.name == wanted.name
            && wanted
                .version
                .as_ref()
                .is_none_or(|version| plugin.version == *version)
    })
}

/// The query of a new plugin.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AddQuery {
    /// Its name.
    name: String,
    /// Its version. A version names one component for ever.
    version: String,
}

/// Register a component; it is compiled and verified first
#[utoipa::path(
    post,
    path = "/v1/plugins",
    operation_id = "add_plugin",
    tag = "plugins",
    params(AddQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "The component's bytes"),
    responses(
        (status = 201, description = "It can be used", body = Plugin,
            headers(("Location" = String))),
        WriteErrors
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    Params(query): Params<AddQuery>,
    WasmBody(component): WasmBody,
) -> Result<Response> {
    let plugin = app
        .host
        .add_plugin(&query.name, &query.version, component.into())
        .await?;
    let location = format!(
        "/v1/plugins/{}@{}",
        encode(&plugin.name),
        encode(&plugin.version)
    );
    let shown = Json(Plugin::from(&plugin));
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown).into_response())
}

/// A text as a part of a URL's path.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~+".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_model::World;

    #[test]
    fn any_name_fits_a_location() {
        assert_eq!(encode("my-plugin_1.0+a"), "my-plugin_1.0+a");
        assert_eq!(encode("é /"), "%C3%A9%20%2F");
    }

    #[test]
    fn a_name_means_the_version_registered_last() {
        let plugin = |name: &str, version: &str| adjutant_model::Plugin {
            name: name.into(),
            version: version.into(),
            digest: String::new(),
            world: World::Boss,
            size: 0,
            builtin: false,
            added_at: 0,
        };
        let plugins = [
            plugin("a", "2.0.0"),
            plugin("a", "1.0.1"),
            plugin("b", "1.0.0"),
        ];
        let version = |wanted: &str| {
            find(&plugins, &PluginRef::parse(wanted)).map(|plugin| plugin.version.as_str())
        };
        assert_eq!(version("a"), Some("1.0.1"));
        assert_eq!(version("a@2.0.0"), Some("2.0.0"));
        assert_eq!(version("a@3.0.0"), None);
        assert_eq!(version("c"), None);
    }
}
