//! The contract's functions, from the WIT itself: what `SCRIPT.md` has to name, and what the scenarios
//! have to call.

use crate::languages::root;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use wit_parser::{Resolve, WorldItem};

/// A function that a boss may call.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Its interface and itself, as scripts name it: `channels.post`.
    pub(crate) name: String,
    /// Its parameters' names.
    pub(crate) parameters: Vec<String>,
}

/// All functions that the widest world imports.
pub(crate) fn functions() -> Vec<Function> {
    functions_in(&root().join("wit"))
}

/// The same of the contract in a folder.
pub(crate) fn functions_in(folder: &Path) -> Vec<Function> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(folder)
        .unwrap_or_else(|error| panic!("the contract: {error:#}"));
    let boss = resolve.packages[package].worlds["boss"];
    let mut functions = Vec::new();
    for item in resolve.worlds[boss].imports.values() {
        let WorldItem::Interface { id, .. } = item else {
            continue;
        };
        let interface = &resolve.interfaces[*id];
        let name = interface.name.as_deref().expect("it has a name");
        functions.extend(interface.functions.values().map(|function| Function {
            name: format!("{name}.{}", function.name),
            parameters: function.params.iter().map(|one| one.name.clone()).collect(),
        }));
    }
    assert!(functions.len() > 30, "the contract is found: {functions:?}");
    functions
}

static PLAYED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes what a script calls.
pub(crate) fn played(script: &str) {
    let quoted = |part: &str| {
        let looks_so = part.contains('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b".-".contains(&b));
        looks_so.then(|| part.to_owned())
    };
    let names = script.split(['"', '\\']).filter_map(quoted);
    PLAYED.lock().expect("no panic holds it").extend(names);
}

/// The functions that no script has called.
pub(crate) fn never_played() -> Vec<String> {
    let played = PLAYED.lock().expect("no panic holds it");
    let mut names: Vec<String> = functions().into_iter().map(|one| one.name).collect();
    names.retain(|name| !played.contains(name));
    names
}

#[test]
fn the_specification_names_every_function_and_its_parameters() {
    let text =
        std::fs::read_to_string(root().join("tests/conformance/SCRIPT.md")).expect("it is there");
    for Function { name, parameters } in functions() {
        let parameters: Vec<String> = parameters.iter().map(|one| format!("`{one}`")).collect();
        let row = format!("| `{name}` | {} |", parameters.join(", ")).replace("|  |", "| |");
        assert!(text.contains(&row), "SCRIPT.md lacks the row {row}");
    }
}
