//! Plugins that are made for a test: with a manifest, and signed.

use minisign::KeyPair;
use serde_json::Value;
use std::borrow::Cow;
use std::io::Cursor;
use wasm_encoder::{ComponentSection, CustomSection};

/// A component with a custom section `adjutant:manifest` more.
pub(crate) fn with_manifest(component: &[u8], manifest: &[u8]) -> Vec<u8> {
    let mut whole = component.to_vec();
    let section = CustomSection {
        name: Cow::Borrowed("adjutant:manifest"),
        data: Cow::Borrowed(manifest),
    };
    section.append_to_component(&mut whole);
    whole
}

/// A component that says its name and version.
pub(crate) fn named(component: &[u8], name: &str, version: &str, world: &str) -> Vec<u8> {
    let manifest = serde_json::json!({
        "manifest": 1, "name": name, "version": version, "world": world,
    });
    with_manifest(component, manifest.to_string().as_bytes())
}

/// Somebody who signs.
pub(crate) struct Signer(KeyPair);

impl Signer {
    pub(crate) fn new() -> Signer {
        Signer(KeyPair::generate_unencrypted_keypair().expect("a key pair"))
    }

    /// The public key, as a host trusts it.
    pub(crate) fn public(&self) -> String {
        self.0.pk.to_base64()
    }

    /// The content of a `.minisig` file.
    pub(crate) fn sign(&self, component: &[u8]) -> String {
        let signed = minisign::sign(None, &self.0.sk, Cursor::new(component), None, None);
        signed.expect("signed").to_string()
    }
}

/// A list of plugins without what changes by itself.
pub(crate) fn essence(plugins: &Value) -> Vec<String> {
    let items = plugins["items"].as_array().expect("a list").iter();
    items
        .map(|plugin| {
            format!(
                "{}@{} {} {}",
                plugin["name"], plugin["version"], plugin["digest"], plugin["state"]
            )
        })
        .collect()
}
