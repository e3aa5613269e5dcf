//! Rust: cargo, for `wasm32-wasip2`.

use super::{BuildError, Context};
use serde_json::Value;
use std::path::PathBuf;

/// Compiles the project's own package in release mode. Gives back the component.
pub(super) fn build(context: &Context<'_>) -> Result<PathBuf, BuildError> {
    let root = context.project.root();
    let manifest = root.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(BuildError::Refused(format!(
            "{} has no Cargo.toml.",
            root.display()
        )));
    }
    let mut cargo = adjutant_build::cargo()?;
    cargo
        // The SDK holds it against the strategy that is exported; cargo knows that it does.
        .env("ADJUTANT_WORLD", context.world())
        .args([
            "build",
            "--release",
            "--lib",
            "--target",
            adjutant_build::TARGET,
        ])
        .args([
            "--color",
            "never",
            "--message-format",
            "json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(root.join("target"));
    let said = context.compile("compiling with cargo", &mut cargo)?;
    said.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            let kinds = message["target"]["kind"].as_array();
            message["reason"] == "compiler-artifact"
                && message["manifest_path"].as_str() == manifest.to_str()
                && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
        })
        .filter_map(|message| {
            let files = message["filenames"].as_array()?;
            files.last()?.as_str().map(PathBuf::from)
        })
        .next_back()
        .ok_or_else(|| {
            BuildError::Refused(format!(
                "cargo made no component: {} needs `crate-type = [\"cdylib\"]` below `[lib]`.",
                manifest.display()
            ))
        })
}

/// The SDK's file as it is in a project. There its crates are a workspace of their own, and what the
/// repository's workspace has beside them is left out.
pub(super) fn sdk_file(name: &str, bytes: &'static [u8]) -> Vec<u8> {
    if name != "Cargo.toml" {
        return bytes.to_vec();
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut table: toml::Table = toml::from_str(text).unwrap_or_default();
    if let Some(workspace) = table.get_mut("workspace").and_then(|it| it.as_table_mut()) {
        let crates = ["sdk", "sdk-selector", "sdk-text"].map(toml::Value::from);
        workspace.insert("members".to_owned(), toml::Value::Array(crates.to_vec()));
    }
    table.remove("profile");
    table.to_string().into_bytes()
}
