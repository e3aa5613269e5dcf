//! A component as registries keep it: a configuration, one layer, and the manifest that names both.

use super::{Pushed, SIGNATURE_ANNOTATION};
use crate::signing::encode_signature;
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use olpc_cjson::CanonicalFormatter;
use serde::Serialize;
use std::collections::BTreeMap;

/// The type of a layer that is a component.
pub(super) const LAYER: &str = "application/wasm";
/// The type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// The configuration of a component, as the ecosystem has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    /// Always the same, so that the same component has the same digest whenever it is pushed.
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: Interface,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Interface {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

/// What is sent of a component.
pub(super) fn artifact(pushed: Pushed) -> (ImageLayer, Config, OciImageManifest) {
    let layer = ImageLayer::new(pushed.component, LAYER.to_owned(), None);
    let config = WasmConfig {
        created: "1970-01-01T00:00:00Z",
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![layer.sha256_digest()],
        component: Interface {
            exports: pushed.exports,
            imports: pushed.imports,
            target: None,
        },
    };
    let config = serde_json::to_vec(&config).unwrap_or_default();
    let config = Config::new(config, CONFIG.to_owned(), None);
    let about = pushed.about.into_iter();
    // Manifests are sent as canonical JSON, which has no way to write a line break.
    let in_a_line = |value: String| value.replace(char::is_control, " ");
    let mut annotations: BTreeMap<String, String> = about
        .map(|(name, value)| (format!("org.opencontainers.image.{name}"), in_a_line(value)))
        .collect();
    if let Some(signature) = pushed.signature {
        annotations.insert(
            SIGNATURE_ANNOTATION.to_owned(),
            encode_signature(&signature),
        );
    }
    let annotations = Some(annotations).filter(|all| !all.is_empty());
    let mut manifest = OciImageManifest::build(std::slice::from_ref(&layer), &config, annotations);
    manifest.media_type = Some(MANIFEST.to_owned());
    (layer, config, manifest)
}

/// A manifest's bytes: canonical JSON, so that the same manifest has the same digest everywhere.
pub(super) fn encode(manifest: &OciImageManifest) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, CanonicalFormatter::new());
    manifest.serialize(&mut serializer)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_component_makes_the_same_artifact() {
        let pushed = || Pushed {
            component: b"wasm".to_vec(),
            signature: Some("signed".to_owned()),
            about: BTreeMap::from([("title".to_owned(), "mine\nall".to_owned())]),
            ..Pushed::default()
        };
        let text = |pushed| encode(&artifact(pushed).2).expect("JSON");
        assert_eq!(text(pushed()), text(pushed()));
        let (_, config, manifest) = artifact(pushed());
        assert_eq!(
            manifest.config.media_type,
            "application/vnd.wasm.config.v0+json"
        );
        assert_eq!(manifest.layers[0].media_type, "application/wasm");
        let annotations = manifest.annotations.expect("some");
        assert_eq!(annotations["org.opencontainers.image.title"], "mine all");
        assert_eq!(annotations[SIGNATURE_ANNOTATION], "c2lnbmVk");
        let config: serde_json::Value = serde_json::from_slice(&config.data).expect("JSON");
        assert_eq!(config["os"], "wasip2");
        assert_eq!(config["layerDigests"][0], manifest.layers[0].digest);
    }
}
