//! Compiles the built-in plugins to components, gives them their manifests (`plugins/NAME/manifest.json`, where
//! there is one), and writes the list that embeds them.

use adjutant_build::Guest;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// The plugins that the binary carries, by package name.
const PLUGINS: [&str; 8] = [
    "skills",
    "coordinator",
    "command",
    "external",
    "bench-boss",
    "bench-worker",
    "bench-chain",
    "bench-hostile",
];

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The built-in plugins could not be embedded. {error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    for sources in ["plugins", "wit"] {
        adjutant_build::emit_rerun_if_changed(&root.join(sources));
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let manifest = root.join("plugins/Cargo.toml");
    let guests = adjutant_build::build_guests(&manifest, &out.join("guests"), &PLUGINS)?;

    let version = version(&manifest)?;
    let mut list = String::from(HEAD);
    for guest in guests {
        let described = described(&root.join("plugins"), &guest, &out)?;
        writeln!(
            list,
            "    Builtin {{ name: {:?}, version: {version:?}, wasm: include_bytes!({:?}) }},",
            guest.name, described
        )?;
    }
    list.push_str("];\n");
    let path = out.join("builtin.rs");
    // An unchanged file keeps its time, and what includes it is not compiled again.
    if fs::read_to_string(&path).ok().as_ref() != Some(&list) {
        fs::write(path, list)?;
    }
    Ok(())
}

/// The custom section that a component carries its manifest in: the model's `MANIFEST_SECTION`. The model is not
/// built once more for this script to share it; built-in plugins without their manifests fail the tests.
const SECTION: &str = "adjutant:manifest";

/// A component with its manifest: the file that is embedded.
fn described(plugins: &Path, guest: &Guest, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let manifest = plugins.join(&guest.name).join("manifest.json");
    if !manifest.exists() {
        return Ok(guest.path.clone());
    }
    let component = fs::read(&guest.path)?;
    let component = adjutant_build::with_section(&component, SECTION, &fs::read(manifest)?)?;
    let path = out.join(format!("{}.wasm", guest.name));
    if fs::read(&path).ok().as_ref() != Some(&component) {
        fs::write(&path, component)?;
    }
    Ok(path)
}

const HEAD: &str = "\
/// A plugin that the binary carries.
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

/// All plugins that the binary carries.
pub static BUILTIN: &[Builtin] = &[
";

/// The version that all plugins share, from their workspace's manifest.
fn version(manifest: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(manifest)?;
    let package = text
        .split("[workspace.package]")
        .nth(1)
        .ok_or("no [workspace.package]")?;
    let line = package
        .lines()
        .find(|line| line.starts_with("version"))
        .ok_or("no version")?;
    Ok(line.split('"').nth(1).ok_or("no version")?.to_string())
}
