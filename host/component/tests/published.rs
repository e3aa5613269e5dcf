//! The contract's published versions hold for ever: what is in `wit/` now offers all that each of them
//! offered, and asks nothing more of a component. The rules are in `wit/README.md`.

use std::path::{Path, PathBuf};

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

#[test]
fn what_may_change_and_what_may_not() {
    let (_, old) = read(&wit());
    let changed = |from: &str, to: &str| {
        assert!(old.contains(from), "the contract has {from:?}");
        old.replacen(from, to, 1)
    };
    let additive = [
        // A function more, an interface more, an import more.
        changed(
            "    remove: func(key: string)",
            "    wipe: func() -> result<_, error>;\n    remove: func(key: string)",
        ),
        changed(
            "    import memory;",
            "    import memory;\n    import weather;",
        ) + "interface weather { now: func() -> string; }",
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
