//! Whether a component fits its world: every fault, not just the first.
//!
//! wasmtime would refuse a misfit too, but stops at the first fault and names no remedy. The types
//! are compared as the contract's own binary form has them, which the generated bindings carry.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use wit_parser::decoding::{DecodedWasm, decode, decode_world};
use wit_parser::{
    Function, InterfaceId, PackageName, Resolve, TypeDefKind, WorldId, WorldItem, WorldKey,
};

use crate::bindings;
use crate::component::World;
use crate::typediff;

/// One thing that keeps a component from fitting its world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It lacks an export that the world asks for.
    #[error("it does not export the function `{name}` (it exports: {})", list(.exports))]
    MissingExport {
        /// The export that is wanted.
        name: String,
        /// What it exports.
        exports: Vec<String>,
    },
    /// An export has another type than the world's.
    #[error("its export `{name}` does not fit: {difference}")]
    MistypedExport {
        /// The export's name.
        name: String,
        /// Where the two types differ; "there" is the component, "here" is this host.
        difference: String,
    },
    /// It imports what a component of its world is not offered.
    #[error(
        "it imports `{interface}`{}, which this host does not offer to a {world}; offered: {}",
        wanted(.functions), list(.offered)
    )]
    UnknownImport {
        /// The world that it was checked against.
        world: World,
        /// The interface, or the function where it is imported by itself.
        interface: String,
        /// What it wants of it.
        functions: Vec<String>,
        /// What it could import.
        offered: Vec<String>,
    },
    /// It imports an interface in a version that does not go with this host's.
    #[error("it imports `{interface}`, and this host offers version {offered}")]
    WrongVersion {
        /// The interface with its version.
        interface: String,
        /// The version that this host has.
        offered: String,
    },
    /// It imports a function that its interface does not have.
    #[error(
        "it imports the function `{function}` of `{interface}`, and this host offers version \
         {version}, which has no such function; it has: {}", list(.offered)
    )]
    UnknownFunction {
        /// The interface with its version.
        interface: String,
        /// The version of the interface that this host has.
        version: String,
        /// The function's name.
        function: String,
        /// The interface's functions.
        offered: Vec<String>,
    },
    /// It imports a function with another type than this host's.
    #[error(
        "it imports the function `{function}` of `{interface}` with another type: {difference}"
    )]
    MistypedImport {
        /// The interface with its version.
        interface: String,
        /// The function's name.
        function: String,
        /// Where the two types differ; "there" is the component, "here" is this host.
        difference: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

fn wanted(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!(" (function {one})"),
        many => format!(" (functions {})", many.join(", ")),
    }
}

/// A component's imports and exports, or a world's.
pub(crate) struct Shape {
    resolve: Resolve,
    world: WorldId,
}

static AGENT: LazyLock<Shape> =
    LazyLock::new(|| Shape::of_contract(bindings::agent::COMPONENT_TYPE));
static SELECTOR: LazyLock<Shape> =
    LazyLock::new(|| Shape::of_contract(bindings::selector::COMPONENT_TYPE));

/// The versions of the contract that this host offers: one of each line that it offers, the oldest first.
/// A component that was made for an older version of such a line fits.
pub fn contract_versions() -> Vec<String> {
    let ours = |shape: &'static Shape| {
        let packages = shape.resolve.packages.iter();
        packages
            .filter(|(_, package)| is_ours(&package.name))
            .filter_map(|(_, package)| package.name.version.clone())
    };
    let versions: BTreeSet<_> = ours(&AGENT).chain(ours(&SELECTOR)).collect();
    versions.iter().map(ToString::to_string).collect()
}

/// What every world may import of WASI 0.2. `wasmtime_wasi::p2` links all of it.
const WASI: [(&str, &[&str]); 6] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("clocks", &["monotonic-clock", "wall-clock"]),
    ("filesystem", &["preopens", "types"]),
    ("io", &["error", "poll", "streams"]),
    ("random", &["insecure", "insecure-seed", "random"]),
    (
        "sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

impl Shape {
    fn of_contract(encoded: &[u8]) -> Self {
        let (resolve, world) = decode_world(encoded).expect("the bindings carry a valid world");
        Self { resolve, world }
    }

    /// Reads a component's own imports and exports.
    pub(crate) fn of_component(bytes: &[u8]) -> Result<Self, String> {
        match decode(bytes).map_err(|error| format!("{error:#}"))? {
            DecodedWasm::Component(resolve, world) => Ok(Self { resolve, world }),
            DecodedWasm::WitPackage(..) => {
                Err("it is a WIT package, which has types and no code".to_owned())
            }
        }
    }

    /// The names of all imports, such as `adjutant:agent/channels@0.1.0`, but for bare types.
    pub(crate) fn imports(&self) -> Vec<String> {
        self.names(&self.resolve.worlds[self.world].imports)
    }

    /// The names of all exports, such as `work`, but for bare types.
    pub(crate) fn exports(&self) -> Vec<String> {
        self.names(&self.resolve.worlds[self.world].exports)
    }

    fn names<'a>(
        &self,
        items: impl IntoIterator<Item = (&'a WorldKey, &'a WorldItem)>,
    ) -> Vec<String> {
        items
            .into_iter()
            .filter(|(_, item)| !matches!(item, WorldItem::Type { .. }))
            .map(|(key, _)| self.resolve.name_world_key(key))
            .collect()
    }

    /// The world that its exports and imports speak of, if any.
    pub(crate) fn detect(&self) -> Option<World> {
        if self.exported("choose").is_some() {
            Some(World::Selector)
        } else if self.exported("work").is_some() {
            let boss = self
                .interfaces()
                .any(|(package, name, _)| is_ours(package) && name == DELEGATION);
            Some(if boss {
                World::Boss
            } else {
                World::Subordinate
            })
        } else {
            None
        }
    }

    /// The imported functions of Adjutant's interfaces, as (interface, function).
    pub(crate) fn agent_functions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (package, _, id) in self.interfaces() {
            if is_ours(package) {
                let interface = self.interface_name(id);
                let functions = self.resolve.interfaces[id].functions.keys();
                found.extend(functions.map(|function| (interface.clone(), function.clone())));
            }
        }
        found
    }

    /// Everything that keeps this component from fitting `world`; empty where it fits.
    pub(crate) fn faults(&self, world: World) -> Vec<Fault> {
        let offer = match world {
            World::Selector => &*SELECTOR,
            World::Subordinate | World::Boss => &*AGENT,
        };
        let mut faults = Vec::new();
        for (key, item) in &offer.resolve.worlds[offer.world].exports {
            let (WorldKey::Name(name), WorldItem::Function(ours)) = (key, item) else {
                continue;
            };
            match self.exported(name) {
                None => faults.push(Fault::MissingExport {
                    name: name.clone(),
                    exports: self.exports(),
                }),
                Some(theirs) => {
                    let difference =
                        typediff::functions((&self.resolve, theirs), (&offer.resolve, ours));
                    faults.extend(difference.map(|difference| Fault::MistypedExport {
                        name: name.clone(),
                        difference,
                    }));
                }
            }
        }
        for (key, item) in &self.resolve.worlds[self.world].imports {
            match (key, item) {
                (_, WorldItem::Type { .. }) => {}
                (WorldKey::Interface(_), WorldItem::Interface { id, .. }) => {
                    self.import_faults(world, offer, *id, &mut faults);
                }
                (key, _) => faults.push(Fault::UnknownImport {
                    world,
                    interface: self.resolve.name_world_key(key),
                    functions: Vec::new(),
                    offered: offer.offered(world),
                }),
            }
        }
        faults
    }

    fn import_faults(
        &self,
        world: World,
        offer: &Shape,
        theirs: InterfaceId,
        faults: &mut Vec<Fault>,
    ) {
        let interface = &self.resolve.interfaces[theirs];
        let resources = interface
            .types
            .values()
            .any(|id| matches!(self.resolve.types[*id].kind, TypeDefKind::Resource));
        if interface.functions.is_empty() && !resources {
            // Nothing but types: there is nothing to link.
            return;
        }
        let package = interface.package.map(|id| &self.resolve.packages[id].name);
        let (Some(package), Some(name)) = (package, &interface.name) else {
            return;
        };
        if is_wasi(package, name) {
            return;
        }
        let mut other_version = None;
        for (our_package, our_name, ours) in offer.interfaces() {
            let same = our_package.namespace == package.namespace
                && our_package.name == package.name
                && our_name == name
                && offers(world, our_name);
            if !same {
                continue;
            }
            if compatible(package, our_package) {
                self.function_faults(offer, theirs, ours, faults);
                return;
            }
            other_version = our_package.version.as_ref().map(ToString::to_string);
        }
        let interface_name = self.interface_name(theirs);
        faults.push(match other_version {
            Some(offered) => Fault::WrongVersion {
                interface: interface_name,
                offered,
            },
            None => Fault::UnknownImport {
                world,
                interface: interface_name,
                functions: interface
                    .functions
                    .keys()
                    .map(|name| format!("`{name}`"))
                    .collect(),
                offered: offer.offered(world),
            },
        });
    }

    fn function_faults(
        &self,
        offer: &Shape,
        theirs: InterfaceId,
        ours: InterfaceId,
        faults: &mut Vec<Fault>,
    ) {
        let ours = &offer.resolve.interfaces[ours];
        let package = ours.package.map(|id| &offer.resolve.packages[id].name);
        let version = package.and_then(|name| name.version.as_ref());
        let version = version.map_or_else(|| "none".to_owned(), ToString::to_string);
        let ours = &ours.functions;
        for (name, their) in &self.resolve.interfaces[theirs].functions {
            let (interface, function) = (self.interface_name(theirs), name.clone());
            match ours.get(name) {
                None => faults.push(Fault::UnknownFunction {
                    interface,
                    version: version.clone(),
                    function,
                    offered: ours.keys().cloned().collect(),
                }),
                Some(our) => {
                    let difference =
                        typediff::functions((&self.resolve, their), (&offer.resolve, our));
                    faults.extend(difference.map(|difference| Fault::MistypedImport {
                        interface,
                        function,
                        difference,
                    }));
                }
            }
        }
    }

    fn exported(&self, name: &str) -> Option<&Function> {
        let key = WorldKey::Name(name.to_owned());
        match self.resolve.worlds[self.world].exports.get(&key) {
            Some(WorldItem::Function(function)) => Some(function),
            _ => None,
        }
    }

    /// The imported interfaces that have a package and a name.
    fn interfaces(&self) -> impl Iterator<Item = (&PackageName, &str, InterfaceId)> {
        self.resolve.worlds[self.world]
            .imports
            .values()
            .filter_map(|item| {
                let WorldItem::Interface { id, .. } = item else {
                    return None;
                };
                let interface = &self.resolve.interfaces[*id];
                let package = &self.resolve.packages[interface.package?].name;
                Some((package, interface.name.as_deref()?, *id))
            })
    }

    fn interface_name(&self, id: InterfaceId) -> String {
        self.resolve.name_world_key(&WorldKey::Interface(id))
    }

    /// What a component of this world could import, for messages.
    fn offered(&self, world: World) -> Vec<String> {
        self.interfaces()
            .filter(|(_, name, id)| {
                offers(world, name) && !self.resolve.interfaces[*id].functions.is_empty()
            })
            .map(|(_, _, id)| self.interface_name(id))
            .chain(["WASI 0.2".to_owned()])
            .collect()
    }
}

const DELEGATION: &str = "delegation";

/// Whether a world offers one of Adjutant's interfaces that its shape has. Subordinates and bosses
/// share a shape.
fn offers(world: World, interface: &str) -> bool {
    world != World::Subordinate || interface != DELEGATION
}

fn is_ours(package: &PackageName) -> bool {
    package.namespace == "adjutant" && package.name == "agent"
}

fn is_wasi(package: &PackageName, interface: &str) -> bool {
    package.namespace == "wasi"
        && package
            .version
            .as_ref()
            .is_none_or(|version| (version.major, version.minor) == (0, 2))
        && WASI
            .iter()
            .any(|(name, interfaces)| package.name == *name && interfaces.contains(&interface))
}

/// Whether a component that was made for one version can be linked against the other: the same
/// rule as wasmtime's.
fn compatible(theirs: &PackageName, ours: &PackageName) -> bool {
    match (&theirs.version, &ours.version) {
        (None, None) => true,
        (Some(a), Some(b)) if a.major == 0 && a.minor == 0 => a == b,
        (Some(a), Some(b)) if a.major == 0 => b.major == 0 && a.minor == b.minor,
        (Some(a), Some(b)) => a.major == b.major,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_fits_itself_and_a_subordinate_is_offered_no_delegation() {
        assert!(AGENT.faults(World::Boss).is_empty());
        assert!(SELECTOR.faults(World::Selector).is_empty());
        assert_eq!(AGENT.detect(), Some(World::Boss));
        assert_eq!(SELECTOR.detect(), Some(World::Selector));
        let faults = AGENT.faults(World::Subordinate);
        assert_eq!(faults.len(), 1, "{faults:?}");
        let text = faults[0].to_string();
        assert!(
            text.contains("`adjutant:agent/delegation@0.1.0`") && text.contains("`delegate`"),
            "{text}"
        );
        assert!(
            text.contains("offered: adjutant:agent/reporting@0.1.0"),
            "{text}"
        );
    }

    #[test]
    fn a_selector_is_offered_none_of_adjutants_functions() {
        let faults = AGENT.faults(World::Selector);
        let imports = faults
            .iter()
            .filter(|f| matches!(f, Fault::UnknownImport { .. }))
            .count();
        assert_eq!(imports, 6, "{faults:?}");
        assert!(matches!(&faults[0], Fault::MissingExport { name, .. } if name == "choose"));
    }

    #[test]
    fn versions_go_together_as_cargos_do() {
        let name = |version: &str| {
            let mut resolve = Resolve::default();
            let id = resolve
                .push_source("t", &format!("package a:b@{version};"))
                .expect("WIT");
            resolve.packages[id].name.clone()
        };
        for (a, b, expected) in [
            ("0.1.0", "0.1.9", true),
            ("0.2.0", "0.1.0", false),
            ("1.2.0", "1.0.0", true),
            ("1.0.0", "2.0.0", false),
            ("0.0.1", "0.0.2", false),
        ] {
            assert_eq!(compatible(&name(a), &name(b)), expected, "{a} {b}");
        }
    }
}
