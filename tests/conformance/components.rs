//! The components of all languages, each built from its project by `adjutant plugin build`, but for those
//! that are kept.
//!
//! What was built is kept by a hash of all that it is made of, so that a second run builds nothing.

use crate::kept;
use crate::languages::{Interpreters, Language, WORLDS, root};
use crate::support::{base, command};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A component, and what it is registered as.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Its name, from its project.
    pub(crate) name: String,
    /// Its version, from its project.
    pub(crate) version: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// What is left behind by tools, and never a source.
const PRODUCTS: [&str; 4] = ["target", "node_modules", "__pycache__", ".adjutant"];

/// A language's script interpreters.
pub(crate) fn interpreters(language: &Language) -> Vec<Component> {
    let folder = match language.interpreters {
        Interpreters::Built(folder) => root().join("plugins").join(folder),
        Interpreters::Kept(version) => return kept::components(version),
    };
    // What the three share may lie beside them, or beside those of the language next to it.
    let beside = sdk(language).with_file_name("conformance");
    let shared = common(language) + &hash(&[&folder, &beside]);
    WORLDS
        .map(|world| component(&folder.join(world), &shared))
        .into()
}

/// A language's three examples; none where it has none.
pub(crate) fn examples(language: &Language) -> Option<Vec<Component>> {
    let folder = root().join("plugins").join(language.examples?);
    let shared = common(language);
    let of = |world: &str| {
        let project = folder.join(world);
        component(&project, &(shared.clone() + &hash(&[&project])))
    };
    Some(WORLDS.map(of).into())
}

/// The folder of a language's SDK.
fn sdk(language: &Language) -> PathBuf {
    let built = match language.interpreters {
        Interpreters::Built(folder) => Some(folder),
        Interpreters::Kept(_) => None,
    };
    let projects = built.or(language.examples).expect("it has projects");
    let folder = projects.split('/').next().expect("a folder");
    root().join("plugins").join(folder).join("sdk")
}

/// A hash of what all projects of a language are built with: its SDK, the contract, the builder.
fn common(language: &Language) -> String {
    let (sdk, plugins) = (sdk(language), root().join("plugins"));
    let mut folders = vec![sdk, root().join("wit"), root().join("host/author/src")];
    // The built-in plugins use Rust's SDK too, so it lies with them.
    if language.key == "rust" {
        folders.extend(["sdk", "sdk-selector", "sdk-text"].map(|name| plugins.join(name)));
    }
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    hash(&folders)
}

/// Builds a project, unless it was built already.
fn component(project: &Path, sources: &str) -> Component {
    let text = std::fs::read_to_string(project.join("plugin.toml"));
    let text = text.unwrap_or_else(|error| panic!("{}/plugin.toml: {error}", project.display()));
    let toml: toml::Table = toml::from_str(&text).expect("a plugin.toml");
    let field = |name: &str| toml[name].as_str().expect("a text").to_owned();
    let (name, version) = (field("name"), field("version"));
    let kept = base().join("conformance");
    std::fs::create_dir_all(&kept).expect("a folder");
    let path = kept.join(format!("{name}-{}.wasm", &digest(sources.as_bytes())[..16]));
    if !path.is_file() {
        build(project, &name, &path);
    }
    Component {
        name,
        version,
        path,
    }
}

fn build(project: &Path, name: &str, to: &Path) {
    let told = project.display();
    println!("building {told}");
    let output = command(base())
        .args(["plugin", "build"])
        .current_dir(project)
        .output()
        .expect("the binary starts");
    assert!(
        output.status.success(),
        "{told} cannot be built:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let from = project.join("target").join(format!("{name}.wasm"));
    // In two steps: a run that is cut off leaves nothing half written under the name.
    let part = to.with_extension("part");
    std::fs::copy(&from, &part).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    std::fs::rename(&part, to).expect("renamed");
}

/// A hash of all sources in folders: names and contents.
fn hash(folders: &[&Path]) -> String {
    let mut all = Vec::new();
    for folder in folders {
        gather(folder, &mut all);
    }
    all.sort();
    let mut hash = Sha256::new();
    for path in all {
        hash.update(path.to_str().unwrap_or_default().as_bytes());
        hash.update(std::fs::read(&path).unwrap_or_default());
    }
    hex(&hash.finalize())
}

/// A SHA-256 in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    crate::steps::hex(bytes)
}

fn gather(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if PRODUCTS
            .iter()
            .any(|product| name.to_str() == Some(product))
        {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            gather(&path, all);
        } else {
            all.push(path);
        }
    }
}
