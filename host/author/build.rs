//! Writes the list that embeds the contract, and each language's SDK and examples.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// The folders below `plugins/` that have an SDK and examples, with those of their own that hold examples.
const LANGUAGES: [(&str, &[&str]); 5] = [
    ("rust", &[""]),
    ("javascript", &["", "typescript/"]),
    ("python", &[""]),
    ("c", &["", "cpp/"]),
    ("go", &[""]),
];
/// Where the repository has Rust's SDK, which its own plugins share: its files, and their folders below
/// `plugins/rust/sdk` in the list.
const RUST_SDK: [&str; 4] = ["Cargo.toml", "sdk", "sdk-selector", "sdk-text"];
const EXAMPLES: [&str; 3] = ["selector", "subordinate", "boss"];
/// What tools leave behind in a project.
const PRODUCTS: [&str; 5] = [
    "target",
    "node_modules",
    "__pycache__",
    "componentize-py.toml",
    "snap.new",
];

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The languages' SDKs and examples could not be embedded. {error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for (language, examples) in LANGUAGES {
        let language = format!("plugins/{language}");
        folders.push(format!("{language}/sdk"));
        for prefix in examples {
            folders.extend(EXAMPLES.map(|example| format!("{language}/{prefix}{example}")));
        }
    }
    for folder in folders {
        let folder = root.join(folder);
        if folder.is_dir() {
            adjutant_build::emit_rerun_if_changed(&folder);
            gather(&folder, &mut files)?;
        } else if let Some(parent) = folder.parent().filter(|parent| parent.is_dir()) {
            println!("cargo::rerun-if-changed={}", parent.display());
        }
    }
    // The frozen versions below it are for the host's own tests.
    for entry in fs::read_dir(root.join("wit"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "wit") {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    let plugins = root.join("plugins");
    let mut named = Vec::new();
    for file in files {
        named.push((name_of(&file, &root)?, file));
    }
    for part in RUST_SDK {
        let path = plugins.join(part);
        println!("cargo::rerun-if-changed={}", path.display());
        let mut files = Vec::new();
        if path.is_dir() {
            gather(&path, &mut files)?;
        } else {
            files.push(path);
        }
        for file in files {
            let name = format!("plugins/rust/sdk/{}", name_of(&file, &plugins)?);
            named.push((name, file));
        }
    }
    named.sort();
    let mut list = String::from("&[\n");
    for (name, file) in named {
        writeln!(list, "    ({name:?}, include_bytes!({file:?})),")?;
    }
    list.push_str("]\n");
    let path = PathBuf::from(env::var("OUT_DIR")?).join("embedded.rs");
    // An unchanged file keeps its time, and what includes it is not compiled again.
    if fs::read_to_string(&path).ok().as_ref() != Some(&list) {
        fs::write(path, list)?;
    }
    Ok(())
}

fn name_of(file: &Path, root: &Path) -> Result<String, Box<dyn Error>> {
    let name = file.strip_prefix(root)?.to_str();
    Ok(name.ok_or("a name is not UTF-8")?.to_owned())
}

/// All files below a folder but products and hidden ones; `.gitignore` is part of a project.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let hidden = name.starts_with('.') && name != ".gitignore";
        if hidden || PRODUCTS.iter().any(|product| name.ends_with(product)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
