//! The contract's published versions hold for ever: what is in `wit/` now offers all that each of them
//! offered, and asks nothing more of a component. The rules are in `wit/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adjutant_component::{LoadError, World};
use wit_parser::{PackageId, Resolve};

const WORLDS: [&str; 3] = ["selector", "subordinate", "boss"];

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// The folders of `wit/published`, each named by its version.
fn published() -> Vec<PathBuf> {
    let folder = wit().join("published");
    let mut versions: Vec<PathBuf> = folder
        .read_dir()
        .expect("wit/published is there")
        .map(|entry| entry.expect("can be listed").path())
        .collect();
    versions.sort();
    versions
}

/// All of a folder's WIT, as one text, and the version that its `package` line names.
fn read(folder: &Path) -> (String, String) {
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .expect("a folder of WIT")
        .map(|entry| entry.expect("can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "wit"))
        .collect();
    files.sort();
    let mut text = String::new();
    let mut package = None;
    for file in files {
        for line in std::fs::read_to_string(&file).expect("UTF-8").lines() {
            match line.strip_prefix("package ") {
                Some(named) => package = Some(named.trim_end_matches(';').to_owned()),
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    let package = package.expect("one file has the `package` line");
    let (name, version) = package.split_once('@').expect("the package has a version");
    assert_eq!(name, "adjutant:agent");
    (version.to_owned(), text)
}

/// Whether a component made for `old` fits a host that offers `new`; where not, why not.
fn fits(old: &str, new: &str) -> Result<(), String> {
    // Their versions keep them apart, and are left out of the comparison.
    let mut resolve = Resolve::default();
    let mut push = |version: &str, text: &str| -> Result<PackageId, String> {
        resolve
            .push_source(
                "contract",
                &format!("package adjutant:agent@{version};\n{text}"),
            )
            .map_err(|error| format!("{error:#}"))
    };
    let (old, new) = (push("1000.0.0", old)?, push("1000.0.1", new)?);
    for world in WORLDS {
        let find = |package| {
            resolve
                .select_world(&[package], Some(world))
                .map_err(|error| format!("{error:#}"))
        };
        wit_component::semver_check(resolve.clone(), find(old)?, find(new)?)
            .map_err(|error| format!("world {world}: {error:#}"))?;
    }
    Ok(())
}

#[test]
fn nothing_that_was_published_is_broken() {
    let (_, now) = read(&wit());
    let versions = published();
    assert!(!versions.is_empty(), "0.1.0 is published");
    for folder in versions {
        let (version, then) = read(&folder);
        assert_eq!(
            folder.file_name().and_then(|name| name.to_str()),
            Some(version.as_str()),
            "a published version's folder is named by it"
        );
        if let Err(why) = fits(&then, &now) {
            panic!(
                "components made for adjutant:agent@{version} no longer fit wit/: {why}\n\
                 wit/README.md says what may change."
            );
        }
    }
}

/// What is published under a version is what that version says: the current one, once it is published,
/// changes only with a new version.
#[test]
fn the_current_version_is_the_published_one_or_newer() {
    let (now, text) = read(&wit());
    for folder in published() {
        let (version, then) = read(&folder);
        if version == now {
            assert_eq!(
                then, text,
                "wit/ has changed since {version} was published: give it a new version"
            );
        }
    }
}

/// What the host says that it offers is the newest of each line that was published, and what `wit/` is
/// becoming: no line is forgotten, and none is promised that is not there.
#[test]
fn the_host_offers_the_newest_of_each_line() {
    let numbers = |version: &str| -> Vec<u64> {
        let parts = version.split('.');
        parts
            .map(|part| part.parse().expect("a plain version"))
            .collect()
    };
    let mut lines: BTreeMap<Vec<u64>, (Vec<u64>, String)> = BTreeMap::new();
    let folders = published().into_iter().chain([wit()]);
    for (version, _) in folders.map(|folder| read(&folder)) {
        let numbers = numbers(&version);
        // Below 1.0 the minor number begins a new line.
        let line = numbers[..if numbers[0] == 0 { 2 } else { 1 }].to_vec();
        let newest = lines.entry(line).or_default();
        if numbers > newest.0 {
            *newest = (numbers, version);
        }
    }
    let newest: Vec<String> = lines.into_values().map(|(_, version)| version).collect();
    assert_eq!(adjutant_component::contract_versions(), newest);
}

/// A kept component as if it had been made for another version: the names of its imports changed.
fn made_for(version: &str) -> Vec<u8> {
    let path = wit().join("../tests/contract/0.1.0/boss.wasm");
    let mut bytes = std::fs::read(path).expect("it is kept");
    let (from, to) = (b"@0.1.0", format!("@{version}"));
    assert_eq!(from.len(), to.len(), "lengths stay as they are");
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(15)
        .position(|w| w == b"adjutant:agent/")
    {
        at += found + 15;
        let name = bytes[at..].iter();
        let end = at
            + name
                .take_while(|b| b.is_ascii_lowercase() || **b == b'-')
                .count();
        if bytes[end..].starts_with(from) {
            bytes[end..end + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[test]
fn a_newer_component_fits_unless_it_uses_what_is_new_or_another_line() {
    let check = |bytes: &[u8]| adjutant_component::check(bytes, usize::MAX, None);
    assert_eq!(check(&made_for("0.1.0")).ok(), Some(World::Boss));
    assert_eq!(check(&made_for("0.1.9")).ok(), Some(World::Boss));
    // What is new in 0.1.9 is missing here, and the newest version here is named: `load.rs`,
    // `every_fault_is_named_at_once`.
    let Err(LoadError::Unfit { faults, .. }) = check(&made_for("0.2.0")) else {
        panic!("another line does not fit");
    };
    assert_eq!(faults.len(), 6, "{faults:#?}");
    for fault in faults {
        let told = fault.to_string();
        assert!(
            told.contains("@0.2.0`, and this host offers version 0.1.0"),
            "{told}"
        );
    }
}

#[test]
fn what_may_change_and_what_may_not() {
    let (_, old) = read(&wit());
    let changed = |from: &str, to: &str| {
        assert!(old.contains(from), "the contract has {from:?}");
        old.replacen(from, to, 1)
    };
    let additive = [
        // A function more, an interface more, an import more, and more in a comment.
        changed(
            "    remove: func(key: string)",
            "    wipe: func() -> result<_, error>;\n    @since(version = 0.1.0)\n    remove: func(key: string)",
        ),
        changed(
            "    import memory;",
            "    import memory;\n    import weather;",
        ) + "interface weather { now: func() -> string; }",
        changed("    /// Forget a key.", "    /// Forget a key for good."),
    ];
    for new in additive {
        assert_eq!(fits(&old, &new), Ok(()), "this may change");
    }
    let breaking = [
        (
            "a function less, and another more",
            changed("    remove: func(key:", "    forget: func(key:"),
        ),
        (
            "a parameter more",
            changed(
                "remove: func(key: string)",
                "remove: func(key: string, now: bool)",
            ),
        ),
        (
            "another result",
            changed(
                "keys: func(prefix: string) -> result<list<string>, error>",
                "keys: func(prefix: string) -> list<string>",
            ),
        ),
        (
            "a field more",
            changed(
                "        path: string,",
                "        path: string,\n        line: u32,",
            ),
        ),
        ("a field less", changed("        path: string,\n", "")),
        (
            "a field renamed",
            changed("        path: string,", "        place: string,"),
        ),
        ("a type renamed", old.replace("question", "inquiry")),
        ("a case less", changed("        denied(string),\n", "")),
        (
            "a field's type",
            changed("        path: string,", "        path: list<string>,"),
        ),
        (
            "a case more",
            changed(
                "        denied(string),",
                "        denied(string),\n        tired(string),",
            ),
        ),
        (
            "a case renamed",
            changed("        denied(string),", "        refused(string),"),
        ),
        ("an interface less", changed("    import memory;\n", "")),
        (
            "an export more",
            changed(
                "    export work:",
                "    export rest: func();\n    export work:",
            ),
        ),
        (
            "what is exported",
            changed(
                "export choose: func(task: question",
                "export choose: func(what: question",
            ),
        ),
    ];
    for (what, new) in breaking {
        // It is WIT, and still no contract for old components.
        let why = fits(&old, &new).expect_err(what);
        assert!(why.starts_with("world "), "{what}: {why}");
    }
}
