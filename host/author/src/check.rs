//! What can be said of a component without running it: what it is for, what it asks for, what keeps it from
//! fitting.

use crate::build::MOST_COMPONENT;
use crate::contract;
use adjutant_component::{Fault, LoadError, SectionError, World, custom_section};
use adjutant_model::{MANIFEST_SECTION, Manifest};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wit_component::DecodedWasm;
use wit_parser::{PackageName, Resolve, WorldId, WorldItem};

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
    /// What its author may want to know, though it is not odd.
    pub hints: Vec<String>,
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
    /// Whether it imports all that its world offers, as the toolchains of interpreted languages do it: then
    /// its imports do not tell what it uses.
    pub whole_world: bool,
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
        hints: Vec::new(),
        bytes: bytes.len(),
        digest: digest(bytes),
        contract: None,
        offered: contract::version().to_owned(),
        imports: Vec::new(),
        whole_world: false,
        exports: Vec::new(),
        manifest: None,
        names: false,
        lines: false,
    };
    let cut_off = manifest(bytes, &mut checked);
    let said = checked.manifest.as_ref().map(|manifest| manifest.world);
    if let (Some(said), Some(wanted)) = (said, wanted)
        && said != wanted
    {
        checked.faults.push(format!(
            "Its manifest says world = \"{}\", and not \"{}\": a host takes it for what its manifest says.",
            said.as_str(),
            wanted.as_str()
        ));
    }
    let wanted = wanted.or(said);
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
    if checked.faults.is_empty() {
        checked.faults.extend(cut_off);
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

/// Reads the manifest. Gives back why there is none to find in what is cut off or overwritten: its own check
/// says so too.
fn manifest(bytes: &[u8], checked: &mut Checked) -> Option<String> {
    match custom_section(bytes, MANIFEST_SECTION) {
        Ok(Some(section)) => match Manifest::parse(section) {
            Ok(manifest) => checked.manifest = Some(manifest),
            Err(error) => checked
                .faults
                .push(format!("Its manifest cannot be used: {error}.")),
        },
        Ok(None) => {}
        Err(error @ SectionError::Damaged(_)) => return Some(error.to_string()),
        Err(error) => checked.faults.push(error.to_string()),
    }
    None
}

/// The imports with their functions, the exports, and the contract's version.
fn shape(resolve: &Resolve, world: WorldId, faults: &[Fault], checked: &mut Checked) {
    let world = &resolve.worlds[world];
    let mut made_for = None;
    for (key, item) in &world.imports {
        let name = resolve.name_world_key(key);
        let functions: Vec<String> = match item {
            WorldItem::Type { .. } => continue,
            WorldItem::Function(_) => Vec::new(),
            WorldItem::Interface { id, .. } => {
                let interface = &resolve.interfaces[*id];
                if let Some(package) = interface.package {
                    let package = &resolve.packages[package].name;
                    if contract::is_it(package) {
                        made_for = Some(package);
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
        let of = contract::functions_of(bare(&name));
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
    checked.whole_world = made_for.is_some_and(|package| is_whole(checked, package));
    let exports = world.exports.iter();
    let exports = exports.filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    checked.exports = exports
        .map(|(key, _)| resolve.name_world_key(key))
        .collect();
}

/// Whether the imports are all that there was in the version of the contract that it was made for.
fn is_whole(checked: &Checked, made_for: &PackageName) -> bool {
    let Some(world) = &checked.world else {
        return false;
    };
    let mut offered = contract::offered(world, made_for.version.as_ref()).peekable();
    let imported = |(interface, function): (&str, &str)| {
        let mut imports = checked.imports.iter();
        imports.any(|import| {
            bare(&import.interface) == interface
                && import.functions.iter().any(|one| one == function)
        })
    };
    offered.peek().is_some() && offered.all(imported)
}

/// An interface's name without its version.
fn bare(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
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
    let mut warnings = match &checked.manifest {
        Some(manifest) => of_manifest(manifest, checked),
        None if checked.fits => vec![
            "It carries no manifest: its name and version have to be given when it is added, and its \
             operator does not see what it wants. `adjutant plugin build` gives it one."
                .to_owned(),
        ],
        None => Vec::new(),
    };
    if checked.fits && !checked.names {
        warnings.push(
            "Its functions have no names: a trap's backtrace will not tell where it happened."
                .to_owned(),
        );
    }
    checked.warnings = warnings;
    // A selector gets the configuration of the boss that it chooses for: it has to take the boss's keys.
    let reads_own = |manifest: &Manifest| manifest.world != adjutant_model::World::Selector;
    let manifest = checked.manifest.as_ref().filter(|one| reads_own(one));
    if manifest.is_some_and(|manifest| manifest.config_schema.is_none()) {
        checked.hints.push(
            "It describes no configuration, so an agent's may have any key, and none is told to be misspelt: \
             `[config]` with `unevaluatedProperties = false` in plugin.toml takes none."
                .to_owned(),
        );
    }
}

/// What of a manifest goes ill with what the component imports, or with its author's mistakes to come.
fn of_manifest(manifest: &Manifest, checked: &Checked) -> Vec<String> {
    // An import means a use, unless all is imported whatever is used.
    let uses = |interface: &str, function: Option<&str>| {
        let mut imports = checked.imports.iter();
        !checked.whole_world
            && imports.any(|import| {
                bare(&import.interface).strip_prefix("adjutant:agent/") == Some(interface)
                    && function.is_none_or(|name| import.functions.iter().any(|one| one == name))
            })
    };
    let mut warnings = Vec::new();
    if manifest.wants.commands.is_empty() && uses("worktree", Some("run")) {
        warnings.push(
            "It can run commands, and its manifest wants none: each will be denied. See \
             [[wants.commands]] in plugin.toml."
                .to_owned(),
        );
    }
    if manifest.wants.assign_to.is_empty() && uses("tickets", Some("assign")) {
        warnings.push(
            "It can assign tickets, and its manifest wants nobody outside its team: each such \
             call will be denied. See [[wants.assign_to]] in plugin.toml."
                .to_owned(),
        );
    }
    let boss = manifest.world == adjutant_model::World::Boss;
    if checked.fits && boss && !checked.whole_world && !uses("delegation", None) {
        warnings.push(
            "Its manifest says world = \"boss\", and it imports nothing of `delegation`, so it never has \
             others work: a strategy that works by itself is world = \"subordinate\" in plugin.toml."
                .to_owned(),
        );
    }
    if manifest.config_schema.as_ref().is_some_and(takes_any_key) {
        warnings.push(
            "Its configuration takes keys that nothing describes, so a misspelt one does nothing and is \
             not told: write `additionalProperties = false` below [config] in plugin.toml, or `true` \
             where that is meant."
                .to_owned(),
        );
    }
    warnings
}

/// Whether a schema has properties and does not say what of others.
fn takes_any_key(schema: &Value) -> bool {
    schema["properties"].is_object()
        && ["additionalProperties", "unevaluatedProperties"]
            .iter()
            .all(|keyword| schema.get(keyword).is_none())
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

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_component_is_told_as_one_fault() {
        for (bytes, told) in [
            (&b"hello"[..], "This is not WebAssembly"),
            (&b"\0asm\x01\0\0\0"[..], "This is a core WebAssembly module"),
            (&b""[..], "It is empty: there is no WebAssembly in it."),
            (&b" \n"[..], "It is blank"),
        ] {
            let checked = check(bytes, None);
            assert!(!checked.fits && checked.faults.len() == 1, "{checked:?}");
            assert!(checked.faults[0].contains(told), "{checked:?}");
        }
    }

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    /// A component that does nothing, with a manifest.
    fn saying(manifest: &Manifest) -> Vec<u8> {
        crate::section::embed(EMPTY, &manifest.to_json()).expect("a component")
    }

    #[test]
    fn a_component_that_is_cut_off_is_told_as_one_fault() {
        let manifest = Manifest::new("a", "1.0.0", adjutant_model::World::Boss);
        let whole = saying(&manifest);
        let checked = check(&whole[..whole.len() - 1], None);
        assert_eq!(checked.faults.len(), 1, "{checked:?}");
        assert!(!checked.fits, "{checked:?}");
    }

    #[test]
    fn a_default_that_breaks_its_schema_is_a_fault() {
        let depth = json!({"type": "integer", "default": 0, "minimum": 1});
        let manifest = Manifest {
            config_schema: Some(json!({"properties": {"depth": depth}})),
            ..Manifest::new("a", "1.0.0", adjutant_model::World::Boss)
        };
        let told = check(&saying(&manifest), None).faults.remove(0);
        assert!(
            told.contains("/config_schema/properties/depth/default")
                && told.contains("minimum of 1"),
            "{told}"
        );
    }

    #[test]
    fn another_world_than_the_manifests_is_a_fault() {
        use adjutant_model::World;
        let component = saying(&Manifest::new("a", "1.0.0", World::Boss));
        let told = |wanted| check(&component, wanted).faults.join(" ");
        let differs = "Its manifest says world = \"boss\", and not \"subordinate\"";
        assert!(told(Some(World::Subordinate)).contains(differs));
        for wanted in [None, Some(World::Boss)] {
            assert!(!told(wanted).contains("Its manifest says"));
        }
    }

    #[test]
    fn who_describes_no_configuration_hears_that_it_takes_any_key() {
        use adjutant_model::World;
        let hints = |world, config_schema| {
            let manifest = Manifest {
                config_schema,
                ..Manifest::new("a", "1.0.0", world)
            };
            check(&saying(&manifest), None).hints.len()
        };
        assert_eq!(hints(World::Boss, None), 1);
        assert_eq!(hints(World::Subordinate, None), 1);
        assert_eq!(hints(World::Selector, None), 0, "it gets its boss's");
        let closed = json!({"additionalProperties": false});
        assert_eq!(hints(World::Boss, Some(closed)), 0);
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

    #[test]
    fn a_schema_that_says_nothing_of_other_keys_takes_any() {
        let table = [
            (json!({"properties": {"a": {}}}), true),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                false,
            ),
            (
                json!({"properties": {"a": {}}, "additionalProperties": true}),
                false,
            ),
            (
                json!({"properties": {}, "unevaluatedProperties": false}),
                false,
            ),
            (json!({"type": "object"}), false),
            (json!({"allOf": []}), false),
        ];
        for (schema, any) in table {
            assert_eq!(takes_any_key(&schema), any, "{schema}");
        }
    }
}
