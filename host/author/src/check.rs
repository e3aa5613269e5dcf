//! What can be said of a component without running it: what it is for, what it asks for, what keeps it from
//! fitting.

use crate::build::MOST_COMPONENT;
use crate::embedded;
use adjutant_component::{Fault, LoadError, World, custom_section};
use adjutant_model::{MANIFEST_SECTION, Manifest};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use wit_component::DecodedWasm;
use wit_parser::{Resolve, SourceMap, WorldId, WorldItem};

/// What is known of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Whether a host would take it.
    pub fits: bool,
    /// The world that it fits or was meant for.
    pub world: Option<String>,
    /// All that keeps it from fitting, a sentence each.
    pub faults: Vec<String>,
    /// What is odd about it, though a host would take it.
    pub warnings: Vec<String>,
    /// Its size in bytes.
    pub bytes: usize,
    /// `sha256:` and its hash.
    pub digest: String,
    /// The version of the contract that it was made for, where it uses any of it.
    pub contract: Option<String>,
    /// The version that this program offers.
    pub offered: String,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// Whether its functions have names: a trap's backtrace shows them.
    pub names: bool,
    /// Whether its code has line tables: a trap's backtrace shows files and lines.
    pub lines: bool,
}

/// An interface that a component imports.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// Its name with its version.
    pub interface: String,
    /// The functions of it that it uses.
    pub functions: Vec<String>,
    /// How many functions the interface has, where it is one of the contract's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// Why the host does not offer it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Looks at a component. What is no component at all has no imports, and a fault that says so.
pub fn check(bytes: &[u8], wanted: Option<adjutant_model::World>) -> Checked {
    let mut checked = Checked {
        fits: false,
        world: None,
        faults: Vec::new(),
        warnings: Vec::new(),
        bytes: bytes.len(),
        digest: digest(bytes),
        contract: None,
        offered: contract_version(),
        imports: Vec::new(),
        exports: Vec::new(),
        manifest: None,
        names: false,
        lines: false,
    };
    manifest(bytes, &mut checked);
    let wanted = wanted.or(checked.manifest.as_ref().map(|manifest| manifest.world));
    let wanted = wanted.map(|world| match world {
        adjutant_model::World::Selector => World::Selector,
        adjutant_model::World::Subordinate => World::Subordinate,
        adjutant_model::World::Boss => World::Boss,
    });
    let mut faults = Vec::new();
    match adjutant_component::check(bytes, MOST_COMPONENT, wanted) {
        Ok(world) => checked.world = Some(world.to_string()),
        Err(LoadError::Unfit { world, faults: all }) => {
            checked.world = Some(world.to_string());
            checked.faults.extend(all.iter().map(sentence));
            faults = all;
        }
        Err(other) => {
            checked.world = wanted.map(|world| world.to_string());
            checked.faults.push(other.to_string());
        }
    }
    if let Ok(DecodedWasm::Component(resolve, world)) = wit_component::decode(bytes) {
        shape(&resolve, world, &faults, &mut checked);
    }
    (checked.names, checked.lines) = debug_of(bytes);
    checked.fits = checked.faults.is_empty();
    warn(&mut checked);
    checked
}

fn sentence(fault: &Fault) -> String {
    format!("{fault}.")
        .replacen("it ", "It ", 1)
        .replacen("its ", "Its ", 1)
}

fn manifest(bytes: &[u8], checked: &mut Checked) {
    match custom_section(bytes, MANIFEST_SECTION) {
        Ok(Some(section)) => match Manifest::parse(section) {
            Ok(manifest) => checked.manifest = Some(manifest),
            Err(error) => checked
                .faults
                .push(format!("Its manifest cannot be used: {error}.")),
        },
        Ok(None) => {}
        // What is no component is told by its own check.
        Err(error) if bytes.starts_with(b"\0asm") => checked.faults.push(error.to_string()),
        Err(_) => {}
    }
}

/// The imports with their functions, the exports, and the contract's version.
fn shape(resolve: &Resolve, world: WorldId, faults: &[Fault], checked: &mut Checked) {
    let world = &resolve.worlds[world];
    let offered = contract();
    for (key, item) in &world.imports {
        let name = resolve.name_world_key(key);
        let functions: Vec<String> = match item {
            WorldItem::Type { .. } => continue,
            WorldItem::Function(_) => Vec::new(),
            WorldItem::Interface { id, .. } => {
                let interface = &resolve.interfaces[*id];
                if let Some(package) = interface.package {
                    let package = &resolve.packages[package].name;
                    if package.namespace == "adjutant" && package.name == "agent" {
                        checked.contract = package.version.as_ref().map(ToString::to_string);
                    }
                }
                // One that has types only asks for nothing.
                if interface.functions.is_empty() && name.starts_with("adjutant:") {
                    continue;
                }
                interface.functions.keys().cloned().collect()
            }
        };
        let bare = name.split('@').next().unwrap_or(&name);
        let of = offered
            .iter()
            .find(|(known, _)| known == bare)
            .map(|(_, functions)| *functions);
        checked.imports.push(Import {
            fault: faults
                .iter()
                .find(|fault| is_about(fault, &name))
                .map(sentence),
            interface: name,
            functions,
            of,
        });
    }
    let exports = world.exports.iter();
    let exports = exports.filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    checked.exports = exports
        .map(|(key, _)| resolve.name_world_key(key))
        .collect();
}

fn is_about(fault: &Fault, import: &str) -> bool {
    match fault {
        Fault::UnknownImport { interface, .. }
        | Fault::WrongVersion { interface, .. }
        | Fault::UnknownFunction { interface, .. }
        | Fault::MistypedImport { interface, .. } => interface == import,
        Fault::MissingExport { .. } | Fault::MistypedExport { .. } => false,
    }
}

fn warn(checked: &mut Checked) {
    let uses = |interface: &str, function: &str| {
        let mut imports = checked.imports.iter();
        imports.any(|import| {
            import
                .interface
                .starts_with(&format!("adjutant:agent/{interface}"))
                && import.functions.iter().any(|one| one == function)
        })
    };
    let mut warnings = Vec::new();
    match &checked.manifest {
        None if checked.fits => warnings.push(
            "It carries no manifest: its name and version have to be given when it is added, and its \
             operator does not see what it wants. `adjutant plugin build` gives it one."
                .to_owned(),
        ),
        None => {}
        Some(manifest) => {
            if manifest.wants.commands.is_empty() && uses("worktree", "run") {
                warnings.push(
                    "It can run commands, and its manifest wants none: each will be denied. See \
                     [[wants.commands]] in plugin.toml."
                        .to_owned(),
                );
            }
            if manifest.wants.assign_to.is_empty() && uses("tickets", "assign") {
                warnings.push(
                    "It can assign tickets, and its manifest wants nobody outside its team: each such \
                     call will be denied. See [[wants.assign_to]] in plugin.toml."
                        .to_owned(),
                );
            }
        }
    }
    if checked.fits && !checked.names {
        warnings.push(
            "Its functions have no names: a trap's backtrace will not tell where it happened."
                .to_owned(),
        );
    }
    checked.warnings = warnings;
}

/// Whether the modules in a component have function names, and whether they have line tables.
fn debug_of(bytes: &[u8]) -> (bool, bool) {
    let (mut names, mut lines) = (false, false);
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(wasmparser::Payload::CustomSection(section)) => {
                names |= section.name() == "name";
                lines |= section.name() == ".debug_line";
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    (names, lines)
}

/// The contract's interfaces, with how many functions each has.
fn contract() -> Vec<(String, usize)> {
    let Some(resolve) = own_wit() else {
        return Vec::new();
    };
    let interfaces = resolve.interfaces.iter().filter_map(|(_, interface)| {
        let package = &resolve.packages[interface.package?].name;
        let name = format!(
            "{}:{}/{}",
            package.namespace,
            package.name,
            interface.name.as_ref()?
        );
        Some((name, interface.functions.len()))
    });
    interfaces.collect()
}

/// The version of the contract that this program has.
fn contract_version() -> String {
    let versions: BTreeSet<String> = own_wit()
        .into_iter()
        .flat_map(|resolve| {
            let packages: Vec<_> = resolve
                .packages
                .iter()
                .map(|(_, one)| one.name.clone())
                .collect();
            packages
        })
        .filter_map(|name| name.version.map(|version| version.to_string()))
        .collect();
    versions.into_iter().next_back().unwrap_or_default()
}

fn own_wit() -> Option<Resolve> {
    let mut sources = SourceMap::new();
    for (name, bytes) in embedded::below("wit") {
        sources.push(name.as_ref(), std::str::from_utf8(bytes).ok()?);
    }
    let mut resolve = Resolve::default();
    let group = sources.parse().ok()?;
    resolve.push_group(group).ok()?;
    Some(resolve)
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_known_by_its_version_and_interfaces() {
        assert_eq!(contract_version(), "0.1.0");
        let interfaces = contract();
        let delegation = interfaces
            .iter()
            .find(|(name, _)| name == "adjutant:agent/delegation");
        assert!(
            delegation.is_some_and(|(_, functions)| *functions >= 7),
            "{interfaces:?}"
        );
    }

    #[test]
    fn what_is_no_component_is_told_as_one_fault() {
        for (bytes, told) in [
            (&b"hello"[..], "This is not WebAssembly"),
            (&b"\0asm\x01\0\0\0"[..], "This is a core WebAssembly module"),
            (&b""[..], "It is empty"),
        ] {
            let checked = check(bytes, None);
            assert!(!checked.fits && checked.faults.len() == 1, "{checked:?}");
            assert!(checked.faults[0].contains(told), "{checked:?}");
        }
    }

    #[test]
    fn an_empty_component_is_for_no_world() {
        let checked = check(b"\0asm\x0d\0\x01\0", None);
        assert!(
            checked.faults[0].contains("none of Adjutant's worlds"),
            "{checked:?}"
        );
        let checked = check(b"\0asm\x0d\0\x01\0", Some(adjutant_model::World::Boss));
        assert!(
            checked.faults[0].contains("does not export the function `work`"),
            "{checked:?}"
        );
    }
}
