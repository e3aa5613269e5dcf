//! The script interpreters that were made for each published version of the contract, as they were made
//! then: `tests/contract/VERSION`. To the suite each version is a language more, whose components are
//! never built, so all scenarios run on them.
//!
//! A new version's are made once, from Rust's, when it is published:
//!
//!     ADJUTANT_CONFORMANCE=keep cargo test -p adjutant --test conformance kept

use crate::components::{Component, digest};
use crate::contract::functions_in;
use crate::languages::{Interpreters, Language, WORLDS, root};
use crate::support::{base, command};
use adjutant_component::{contract_versions, custom_section};
use adjutant_model::{MANIFEST_SECTION, Manifest};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The digests of a version's components, as `sha256sum` writes them.
const SUMS: &str = "SHA256SUMS";

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let language = |version: String| {
        let version: &'static str = version.leak();
        Language {
            name: format!("contract {version}").leak(),
            key: format!("contract-{version}").leak(),
            interpreters: Interpreters::Kept(version),
            examples: None,
            // A scenario that calls what a version has not yet is named here for that version.
            exceptions: &[],
        }
    };
    versions(&kept()).into_iter().map(language).collect()
});

/// The versions that components are kept for, as languages of the suite.
pub(crate) fn languages() -> Vec<Language> {
    LANGUAGES.clone()
}

/// A version's script interpreters, just as they were recorded.
pub(crate) fn components(version: &str) -> Vec<Component> {
    let folder = kept().join(version);
    let sums = std::fs::read_to_string(folder.join(SUMS)).expect("their digests are recorded");
    let component = |world: &str| {
        let file = format!("{world}.wasm");
        let path = folder.join(&file);
        let bytes = read(&path);
        let line = format!("{}  {file}", digest(&bytes));
        assert!(
            sums.lines().any(|recorded| recorded == line),
            "{} is not what was recorded in {SUMS}: it is kept as it was made, and never built again",
            path.display()
        );
        let manifest = manifest(&bytes);
        Component {
            name: manifest.name,
            version: manifest.version,
            path,
        }
    };
    WORLDS.map(component).into()
}

fn kept() -> PathBuf {
    root().join("tests/contract")
}

fn published() -> PathBuf {
    root().join("wit/published")
}

/// The names of the folders in a folder, but for what is half made.
fn versions(folder: &Path) -> BTreeSet<String> {
    let entries = folder.read_dir().expect("it can be listed");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    let names = paths.filter(|path| path.is_dir()).filter_map(name);
    names.filter(|name| !name.starts_with('.')).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(component: &[u8]) -> Manifest {
    let section = custom_section(component, MANIFEST_SECTION).expect("a component");
    Manifest::parse(section.expect("it carries a manifest")).expect("a whole manifest")
}

/// Makes what is kept of a version that was just published: Rust's interpreters, under names of their own.
fn keep(version: &str) {
    let parts = kept().join(format!(".{version}"));
    std::fs::create_dir_all(&parts).expect("a folder");
    // They are for any machine: nothing of this one's paths goes into them.
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| {
        let home = std::env::var("HOME").expect("there is a home");
        format!("{home}/.cargo")
    });
    let flags = format!("--remap-path-prefix={cargo}=/cargo");
    let mut sums = String::new();
    for world in WORLDS {
        let project = root().join("plugins/rust/conformance").join(world);
        let output = command(base())
            .args(["plugin", "build"])
            .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", &flags)
            .current_dir(&project)
            .output()
            .expect("the binary starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", project.display());
        let bytes = read(&project.join(format!("target/conformance-rust-{world}.wasm")));
        let mut manifest = manifest(&bytes);
        manifest.name = format!("conformance-contract-{version}-{world}");
        manifest.description = format!("Made for version {version} of the contract.");
        let bytes = adjutant_author::section::embed(&bytes, &manifest.to_json());
        let bytes = bytes.expect("a component");
        let file = format!("{world}.wasm");
        let _ = writeln!(sums, "{}  {file}", digest(&bytes));
        std::fs::write(parts.join(file), bytes).expect("written");
    }
    std::fs::write(parts.join(SUMS), sums).expect("written");
    // All or nothing: what is there is never made again.
    std::fs::rename(&parts, kept().join(version)).expect("renamed");
}

#[test]
fn every_published_version_has_components_that_are_kept() {
    let published = versions(&published());
    if std::env::var("ADJUTANT_CONFORMANCE").is_ok_and(|mode| mode == "keep") {
        published
            .difference(&versions(&kept()))
            .for_each(|new| keep(new));
    }
    assert_eq!(
        versions(&kept()),
        published,
        "tests/contract has the components of every version in wit/published, and of no other; \
         ADJUTANT_CONFORMANCE=keep makes those of a version that was just published"
    );
}

#[test]
fn what_is_kept_was_made_for_its_version_uses_all_of_it_and_fits() {
    for version in versions(&kept()) {
        let all: BTreeSet<String> = functions_in(&published().join(&version))
            .into_iter()
            .map(|function| function.name)
            .collect();
        for (world, component) in WORLDS.into_iter().zip(components(&version)) {
            let told = component.path.display();
            let checked = adjutant_author::check::check(&read(&component.path), None);
            assert!(checked.fits, "{told}: {:?}", checked.faults);
            assert_eq!(checked.world.as_deref(), Some(world), "{told}");
            assert!(contract_versions().contains(&checked.offered));
            // The bare types of a selector's contract carry its version too.
            assert_eq!(checked.contract.as_deref(), Some(&*version), "{told}");
            let used: BTreeSet<String> = checked
                .imports
                .iter()
                .filter_map(|import| {
                    let name = import.interface.strip_prefix("adjutant:agent/")?;
                    assert_eq!(name.split_once('@')?.1, version, "{told}");
                    Some((name.split('@').next()?, &import.functions))
                })
                .flat_map(|(interface, functions)| {
                    functions
                        .iter()
                        .map(move |one| format!("{interface}.{one}"))
                })
                .collect();
            let expected = match world {
                "boss" => all.clone(),
                "subordinate" => all
                    .iter()
                    .filter(|name| !name.starts_with("delegation."))
                    .cloned()
                    .collect(),
                _ => BTreeSet::new(),
            };
            assert_eq!(used, expected, "{told} uses all that its world has");
        }
    }
}
