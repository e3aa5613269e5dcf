//! What a client asks about plugins: lists, components, and which version new runs take.

use super::{ANSWER_WITHIN, COMPILED_WITHIN, Client, http, path};
use crate::exit::Result;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a component is registered.
#[derive(Clone, Debug)]
pub(crate) struct NewPlugin {
    /// Its name, where it has no manifest that says it.
    pub(crate) name: Option<String>,
    /// Its version, likewise.
    pub(crate) version: Option<String>,
    /// Whether new runs take it.
    pub(crate) activate: bool,
    /// The share of the new runs that it is tried on.
    pub(crate) canary: Option<u8>,
    /// Whether configurations may not fit it.
    pub(crate) force: bool,
    /// The digest that it has to have.
    pub(crate) digest: Option<String>,
    /// Its signature, as one line.
    pub(crate) signature: Option<String>,
}

/// What is registered.
#[derive(Clone, Debug)]
pub(crate) enum Component {
    /// The bytes themselves.
    Bytes(Vec<u8>),
    /// A file on the host's machine.
    Path(String),
    /// In a registry, from which the host gets it.
    Oci(String),
}

impl NewPlugin {
    /// One that new runs take at once.
    pub(crate) fn named(name: &str, version: &str) -> NewPlugin {
        NewPlugin {
            name: Some(name.to_owned()),
            version: Some(version.to_owned()),
            activate: true,
            canary: None,
            force: false,
            digest: None,
            signature: None,
        }
    }
}

/// One step of a rollout.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step<'a> {
    /// The version that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<&'a str>,
    /// Its share of the new runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) percent: Option<u8>,
    /// Why.
    pub(crate) reason: &'a str,
    /// Whether configurations may not fit.
    pub(crate) force: bool,
}

/// Which version of a plugin new runs take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RolloutView {
    /// The plugin's name.
    pub(crate) name: String,
    /// The version that new runs take.
    pub(crate) active: Option<String>,
    /// Since when it is held.
    pub(crate) pinned: Option<String>,
    /// A version that is tried.
    pub(crate) canary: Option<CanaryView>,
    /// Versions on which nothing starts any more.
    pub(crate) draining: Vec<DrainView>,
    /// All versions.
    pub(crate) versions: Vec<super::PluginView>,
    /// What has changed.
    pub(crate) history: Vec<TurnView>,
}

/// A version that is tried.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CanaryView {
    /// The version.
    pub(crate) version: String,
    /// Its share of the new runs.
    pub(crate) percent: u8,
    /// Runs of it that have ended.
    pub(crate) ended: u32,
    /// Those of them that failed by their own fault.
    pub(crate) faulted: u32,
}

/// A version on which nothing starts any more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DrainView {
    /// The version.
    pub(crate) version: String,
    /// Runs that are left.
    pub(crate) runs: u64,
    /// When the last one had ended.
    pub(crate) drained_at: Option<String>,
}

/// A change.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TurnView {
    /// When.
    pub(crate) at: String,
    /// What happened.
    pub(crate) change: String,
    /// To which version.
    pub(crate) version: String,
    /// Why.
    pub(crate) reason: String,
}

impl Client {
    /// The host's plugins.
    pub(crate) async fn plugins(&self) -> Result<Vec<Value>> {
        self.list("/v1/plugins", &[]).await
    }

    /// A plugin with its manifest, as JSON.
    pub(crate) async fn plugin(&self, plugin: &str) -> Result<Value> {
        self.get(&["plugins", plugin], &[]).await
    }

    /// Which version of a plugin new runs take, as JSON.
    pub(crate) async fn rollout(&self, name: &str) -> Result<Value> {
        self.get(&["plugins", name, "rollout"], &[]).await
    }

    /// Takes one step of a rollout; gives back how it stands then.
    pub(crate) async fn step_plugin(
        &self,
        name: &str,
        verb: &str,
        step: &Step<'_>,
    ) -> Result<Value> {
        let path = path(&["plugins", name, verb]);
        self.send(Method::POST, &path, &[], Some(step)).await
    }

    /// Registers a component.
    pub(crate) async fn add_plugin(&self, new: &NewPlugin, component: Vec<u8>) -> Result<Value> {
        self.install(new, Component::Bytes(component)).await
    }

    /// Registers a component from wherever it is.
    pub(crate) async fn install(&self, new: &NewPlugin, component: Component) -> Result<Value> {
        let mut query = Vec::new();
        query.extend(new.name.clone().map(|name| ("name", name)));
        query.extend(new.version.clone().map(|version| ("version", version)));
        if !new.activate {
            query.push(("activate", "false".to_owned()));
        }
        query.extend(new.canary.map(|percent| ("canary", percent.to_string())));
        if new.force {
            query.push(("force", "true".to_owned()));
        }
        query.extend(new.digest.clone().map(|digest| ("digest", digest)));
        // It is silent while it compiles.
        let http = http(COMPILED_WITHIN)?;
        let mut request = http.post(format!("{}/v1/plugins", self.base)).query(&query);
        if let Some(signature) = &new.signature {
            request = request.header("X-Adjutant-Signature", signature);
        }
        let request = match component {
            Component::Bytes(bytes) => request
                .header(reqwest::header::CONTENT_TYPE, "application/wasm")
                .body(bytes),
            Component::Path(path) => request.json(&json!({ "path": path })),
            Component::Oci(reference) => request.json(&json!({ "oci": reference })),
        };
        self.answer_within(COMPILED_WITHIN, request).await
    }

    /// What the watched folder has, as JSON; null where none is watched.
    pub(crate) async fn watched(&self) -> Result<Value> {
        self.get(&["watched"], &[]).await
    }

    /// Takes a plugin's version away; by force also where tickets need it that have not started.
    pub(crate) async fn remove_plugin(&self, plugin: &str, force: bool) -> Result<()> {
        let query = [("force", force.to_string())];
        let response = self
            .request(Method::DELETE, &path(&["plugins", plugin]), &query)
            .timeout(ANSWER_WITHIN)
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.succeeded(response).await.map(|_| ())
    }
}
