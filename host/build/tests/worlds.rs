//! Builds the built-in plugins and the tests' guests, and checks what each component asks of a host
//! and offers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use adjutant_build::{Guest, build_guests};
use wasmparser::{Parser, Payload};

/// What a component has at its surface: Adjutant's interfaces that it imports, other interfaces but
/// WASI's, and its exports. Imported types that its own exports use are no part of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Surface {
    imports: BTreeSet<String>,
    foreign: BTreeSet<String>,
    exports: BTreeSet<String>,
}

fn surface(path: &Path) -> Surface {
    let bytes = fs::read(path).expect("the component was built");
    let mut surface = Surface::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("a sound component") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.expect("a sound import").name.name;
                    if let Some(rest) = name.strip_prefix("adjutant:agent/") {
                        let interface = rest.split('@').next().unwrap_or(rest);
                        surface.imports.insert(interface.to_string());
                    } else if name.contains(':') && !name.starts_with("wasi:") {
                        surface.foreign.insert(name.to_string());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.expect("a sound export");
                    if matches!(export.kind, wasmparser::ComponentExternalKind::Func) {
                        surface.exports.insert(export.name.name.to_string());
                    }
                }
            }
            _ => {}
        }
    }
    surface
}

fn built(manifest: &str, packages: &[&str]) -> BTreeMap<String, Surface> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let guests = match build_guests(&root.join(manifest), &target, packages) {
        Ok(guests) => guests,
        Err(error) => panic!("{error}"),
    };
    guests
        .into_iter()
        .map(|Guest { name, path }| (name, surface(&path)))
        .collect()
}

fn check(built: &BTreeMap<String, Surface>, name: &str, export: &str, imports: &[&str]) {
    let surface = &built[name];
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_string())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(surface.imports, set(imports), "imports of {name}");
    assert_eq!(surface.exports, set(&[export]), "exports of {name}");
    assert_eq!(
        surface.foreign,
        set(&[]),
        "imports of {name} that nobody offers"
    );
}

#[test]
fn the_plugins_import_what_their_world_offers() {
    let names = [
        "skills",
        "coordinator",
        "command",
        "external",
        "bench-boss",
        "bench-worker",
        "bench-chain",
    ];
    let built = built("plugins/Cargo.toml", &names);
    // `types` holds no functions: every component that names a type of the contract imports it.
    check(&built, "skills", "choose", &["selection", "types"]);
    check(
        &built,
        "coordinator",
        "work",
        &["delegation", "reporting", "types"],
    );
    check(
        &built,
        "command",
        "work",
        &["reporting", "types", "worktree"],
    );
    check(&built, "external", "work", &["reporting", "types"]);
    check(
        &built,
        "bench-boss",
        "work",
        &["delegation", "memory", "types"],
    );
    check(&built, "bench-worker", "work", &["channels", "types"]);
    check(&built, "bench-chain", "work", &["delegation", "types"]);
}

#[test]
fn the_tests_guests_are_of_the_worlds_that_they_claim() {
    let names = [
        "scripted",
        "scripted-sub",
        "spin",
        "sleeper",
        "hoarder",
        "trapper",
        "wrong-world",
        "mender",
        "bad-output",
    ];
    let built = built("tests/guests/Cargo.toml", &names);
    let sub = [
        "channels",
        "memory",
        "reporting",
        "tickets",
        "types",
        "worktree",
    ];
    check(&built, "scripted-sub", "work", &sub);
    check(
        &built,
        "scripted",
        "work",
        &[&sub[..], &["delegation"]].concat(),
    );
    for quiet in ["spin", "hoarder", "trapper", "bad-output"] {
        check(&built, quiet, "work", &["types"]);
    }
    check(&built, "sleeper", "work", &["channels", "types"]);
    check(&built, "mender", "work", &["reporting", "types"]);
    check(&built, "wrong-world", "greet", &[]);
}
