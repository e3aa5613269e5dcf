//! Plugins: those there are, and new ones.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Page, Plugin, WatchedFolder};
use crate::extract::{ComponentBody, Params, Segment};
use crate::keyed::Keyed;
use crate::openapi::{PlainErrors, ReadErrors, WriteErrors};
use crate::problem::{Problem, Result};
use adjutant_dispatch::{Activation, NewPlugin};
use adjutant_model::PluginRef;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use utoipa::{IntoParams, ToSchema};

/// List all plugins, by name, each name's newest version last
#[utoipa::path(
    get,
    path = "/v1/plugins",
    operation_id = "list_plugins",
    tag = "plugins",
    responses((status = 200, description = "All of them", body = Page<Plugin>), PlainErrors)
)]
pub(crate) async fn list(State(app): State<App>, _: Params<NoQuery>) -> Result<Json<Page<Plugin>>> {
    let plugins = app.host.plugin_views();
    Ok(Json(Page {
        items: plugins.iter().map(Plugin::from).collect(),
        next: None,
    }))
}

/// Get a plugin, with its manifest
#[utoipa::path(
    get,
    path = "/v1/plugins/{name}",
    operation_id = "get_plugin",
    tag = "plugins",
    params((
        "name" = String,
        Path,
        description = "Its name, for the version that is active; or `name@version`, or \
                       `name@sha256:…`"
    )),
    responses((status = 200, description = "The plugin", body = Plugin), ReadErrors)
)]
pub(crate) async fn get(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
) -> Result<Json<Plugin>> {
    let view = app.host.plugin(&name.0)?;
    Ok(Json(Plugin::with_manifest(&view)))
}

/// The query of a removal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveQuery {
    /// Whether it goes though agents are pinned to it or need it, do not fit what they would take then, or no
    /// version is active then: their tickets that have not started yet may wait or fail for it.
    #[serde(default)]
    force: bool,
}

/// Remove a plugin's version; runs that have started stay on it, and no other component comes in its place
#[utoipa::path(
    delete,
    path = "/v1/plugins/{name}",
    operation_id = "remove_plugin",
    tag = "plugins",
    params(
        ("name" = String, Path, description = "`name@version`"),
        RemoveQuery,
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    responses((status = 204, description = "Nothing starts with it any more"), WriteErrors)
)]
pub(crate) async fn remove(
    Keyed(app): Keyed,
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

/// The query of a new plugin.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AddQuery {
    /// Its name. Its manifest says it; where it has none, this has to.
    name: Option<String>,
    /// Its version, likewise. A version names one component for ever.
    version: Option<String>,
    /// Whether new runs take it at once; they do where nothing is given. A version that was there before
    /// becomes active only where this is `true`. Under a name that is pinned to another version it is kept, new
    /// or not, and does not become active: `pinned_to` says so.
    activate: Option<bool>,
    /// The share of the new runs that it is tried on, in percent, whether it was there before or not.
    #[param(minimum = 1, maximum = 99)]
    canary: Option<u8>,
    /// The digest that it has to have: `sha256:` and 64 hexadecimal digits. Another component is refused.
    digest: Option<String>,
    /// Whether it may become active though agents' configurations do not fit it.
    #[serde(default)]
    force: bool,
}

/// Where a component is that the host is to get.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PluginSource {
    /// In a registry: `registry/name:tag`, `registry/name@sha256:…` or both.
    Oci(String),
    /// In a file on the host's machine: an absolute path. A file of that name with `.minisig` added is its
    /// signature.
    Path(String),
}

/// The signature of the body: the content of a `.minisig` file in base64.
const SIGNATURE: HeaderName = HeaderName::from_static("x-adjutant-signature");

/// Register a component; it is compiled and verified first, then new runs take it
#[utoipa::path(
    post,
    path = "/v1/plugins",
    operation_id = "add_plugin",
    tag = "plugins",
    params(
        AddQuery,
        ("X-Adjutant-Signature" = Option<String>, Header,
            description = "The content of the component's `.minisig` file, in base64")
    ),
    request_body(
        content(
            (Vec<u8> = "application/wasm"),
            (PluginSource = "application/json"),
        ),
        description = "The component's bytes, or where the host gets them"
    ),
    responses(
        (status = 201, description = "It can be used", body = Plugin,
            headers(("Location" = String))),
        (status = 200, description = "It was there before, and stands as asked for: see `known`",
            body = Plugin, headers(("Location" = String))),
        WriteErrors
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    Params(query): Params<AddQuery>,
    headers: HeaderMap,
    body: ComponentBody<PluginSource>,
) -> Result<Response> {
    let activation = match (query.activate, query.canary) {
        (None, None) => Activation::Switch,
        (Some(true), None) => Activation::Activate,
        (Some(false), None) => Activation::Keep,
        (None | Some(false), Some(percent)) => Activation::Canary(percent),
        (Some(true), Some(_)) => {
            return Err(Problem::invalid(
                "/canary",
                "a version that becomes active takes all new runs: say `activate` or `canary`",
            ));
        }
    };
    let new = NewPlugin {
        signature: signature(&headers)?,
        digest: query.digest,
        name: query.name,
        version: query.version,
        activation,
        force: query.force,
        ..NewPlugin::default()
    };
    let added = match body {
        ComponentBody::Wasm(component) => {
            let component = component.into();
            app.host.add_plugin(NewPlugin { component, ..new }).await?
        }
        ComponentBody::Json(PluginSource::Oci(reference)) => {
            app.host.add_plugin_from_registry(&reference, new).await?
        }
        ComponentBody::Json(PluginSource::Path(path)) => {
            app.host.add_plugin_at(Path::new(&path), new).await?
        }
    };
    let plugin = &added.plugin;
    let location = format!(
        "/v1/plugins/{}@{}",
        encode(&plugin.name),
        encode(&plugin.version)
    );
    let key = format!("{}@{}", plugin.name, plugin.version);
    let shown = Json(Plugin {
        known: added.known,
        ..Plugin::with_manifest(&app.host.plugin(&key)?)
    });
    let status = match added.known {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok((status, [(LOCATION, location)], shown).into_response())
}

fn signature(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(SIGNATURE) else {
        return Ok(None);
    };
    let line = value.to_str().ok();
    let text = line.and_then(adjutant_dispatch::decode_signature);
    text.map(Some).ok_or_else(|| {
        Problem::malformed(
            "The header X-Adjutant-Signature is the content of a .minisig file in base64, in one line",
        )
    })
}

/// List what the watched folder has, and what became of each file
#[utoipa::path(
    get,
    path = "/v1/watched",
    operation_id = "watched_plugins",
    tag = "plugins",
    responses((status = 200, description = "The folder; null where none is watched",
        body = Option<WatchedFolder>), PlainErrors)
)]
pub(crate) async fn watched(
    State(app): State<App>,
    _: Params<NoQuery>,
) -> Result<Json<Option<WatchedFolder>>> {
    Ok(Json(app.host.watched().await.map(WatchedFolder::from)))
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

    #[test]
    fn any_name_fits_a_location() {
        assert_eq!(encode("my-plugin_1.0+a"), "my-plugin_1.0+a");
        assert_eq!(encode("é /"), "%C3%A9%20%2F");
    }
}
