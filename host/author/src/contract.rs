//! The contract that this program has, as the tools speak of it: what each world offers, and the host calls
//! by their names.

use crate::embedded;
use adjutant_component::World;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use wit_parser::{PackageName, Resolve, SourceMap, Stability, WorldItem};

/// A function of an interface, with who offers it.
#[derive(Debug)]
struct Function {
    /// The interface without its version, such as `adjutant:agent/memory`.
    interface: String,
    name: String,
    /// The worlds that have it as an import.
    worlds: Vec<String>,
    since: Stability,
}

struct Contract {
    version: String,
    functions: Vec<Function>,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let resolve = read().expect("the contract in this program is WIT: its build has read it");
    Contract {
        version: versions(&resolve).pop().unwrap_or_default(),
        functions: functions(&resolve),
    }
});

fn read() -> Result<Resolve, String> {
    let mut sources = SourceMap::new();
    for (name, bytes) in embedded::below("wit") {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        sources.push(name.as_ref(), text);
    }
    let mut resolve = Resolve::default();
    let group = sources.parse().map_err(|error| format!("{error:?}"))?;
    resolve
        .push_group(group)
        .map_err(|error| format!("{error:?}"))?;
    Ok(resolve)
}

fn versions(resolve: &Resolve) -> Vec<String> {
    let packages = resolve.packages.iter();
    let versions: BTreeSet<_> = packages
        .filter_map(|(_, package)| package.name.version.clone())
        .collect();
    versions.iter().map(ToString::to_string).collect()
}

fn functions(resolve: &Resolve) -> Vec<Function> {
    let mut all: Vec<Function> = Vec::new();
    for (_, world) in resolve.worlds.iter() {
        for item in world.imports.values() {
            let WorldItem::Interface { id, .. } = item else {
                continue;
            };
            let interface = &resolve.interfaces[*id];
            let (Some(package), Some(name)) = (interface.package, &interface.name) else {
                continue;
            };
            let package = &resolve.packages[package].name;
            let full = format!("{}:{}/{name}", package.namespace, package.name);
            for (name, function) in &interface.functions {
                let known = all
                    .iter_mut()
                    .find(|one| one.interface == full && one.name == *name);
                match known {
                    Some(known) => known.worlds.push(world.name.clone()),
                    None => all.push(Function {
                        interface: full.clone(),
                        name: name.clone(),
                        worlds: vec![world.name.clone()],
                        since: function.stability.clone(),
                    }),
                }
            }
        }
    }
    all
}

/// Its version.
pub(crate) fn version() -> &'static str {
    &CONTRACT.version
}

/// Whether a package is the contract, of whatever version.
pub(crate) fn is_it(package: &PackageName) -> bool {
    package.namespace == "adjutant" && package.name == "agent"
}

/// How many functions one of its interfaces has; nothing of an interface that is not the contract's.
pub(crate) fn functions_of(interface: &str) -> Option<usize> {
    let functions = CONTRACT.functions.iter();
    let count = functions.filter(|one| one.interface == interface).count();
    (count > 0).then_some(count)
}

/// What a world offers to a component that was made for a version of the contract, as interfaces without
/// their versions and functions.
pub(crate) fn offered<'a>(
    world: &'a str,
    made_for: Option<&'a semver::Version>,
) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    let of_world = move |one: &&Function| one.worlds.iter().any(|name| name == world);
    let there = move |one: &&Function| match (&one.since, made_for) {
        (Stability::Stable { since, .. }, Some(made_for)) => since <= made_for,
        _ => true,
    };
    let functions = CONTRACT.functions.iter();
    functions
        .filter(of_world)
        .filter(there)
        .map(|one| (one.interface.as_str(), one.name.as_str()))
}

/// The host calls of a world, as `interface.function`.
pub(crate) fn calls(world: World) -> Vec<String> {
    let world = world.to_string();
    let name = |(interface, function): (&str, &str)| {
        let interface = interface.rsplit('/').next().unwrap_or(interface);
        format!("{interface}.{function}")
    };
    offered(&world, None).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_known_by_its_version_and_functions() {
        assert_eq!(version(), "0.1.0");
        assert!(functions_of("adjutant:agent/delegation").is_some_and(|count| count >= 7));
        assert_eq!(functions_of("wasi:cli/stdin"), None);
    }

    #[test]
    fn each_world_has_its_calls() {
        assert_eq!(calls(World::Selector), [""; 0]);
        let subordinate = calls(World::Subordinate);
        assert!(
            subordinate.contains(&"memory.get".to_owned()),
            "{subordinate:?}"
        );
        assert!(!subordinate.contains(&"delegation.team".to_owned()));
        let boss = calls(World::Boss);
        assert!(boss.contains(&"delegation.team".to_owned()), "{boss:?}");
        assert!(subordinate.iter().all(|call| boss.contains(call)));
    }

    #[test]
    fn a_component_for_an_older_version_is_offered_what_there_was() {
        let earlier = semver::Version::new(0, 0, 9);
        assert_eq!(offered("boss", Some(&earlier)).count(), 0);
        assert!(offered("boss", None).count() >= 30);
    }
}
