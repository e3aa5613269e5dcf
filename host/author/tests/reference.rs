//! `wit/REFERENCE.md` is the contract's own comments as a page to read, and in step with them.
//! `ADJUTANT_REFERENCE=write cargo test -p adjutant-author --test author reference` writes it anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_bindgen_core::{Files, wit_parser::Resolve};

const HEAD: &str = "\
<!-- Made from the comments in wit/*.wit; see README.md. Change them, not this. -->

# The contract, function by function

A selector imports nothing and exports `choose`; a subordinate imports all interfaces but `delegation`; a boss imports
all. Rules and versions are in [README.md](README.md).

";

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// A world's page, as the generator has it.
fn page(
    resolve: &Resolve,
    package: wit_bindgen_core::wit_parser::PackageId,
    world: &str,
) -> String {
    let mut resolve = resolve.clone();
    let id = resolve
        .select_world(&[package], Some(world))
        .expect("the contract has this world");
    let mut files = Files::default();
    wit_bindgen_markdown::Opts::default()
        .build()
        .generate(&mut resolve, id, &mut files)
        .expect("the contract can be told as Markdown");
    let markdown = files
        .iter()
        .find(|(name, _)| name.ends_with(".md"))
        .map(|(_, text)| text.to_vec())
        .expect("one file is Markdown");
    String::from_utf8(markdown).expect("Markdown is text")
}

fn reference() -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit()).expect("wit/ is WIT");
    let mut text = HEAD.to_owned();
    // A boss has all that a subordinate has.
    for world in ["boss", "selector"] {
        text.push_str(page(&resolve, package, world).trim());
        text.push_str("\n\n");
    }
    // One blank at the end of a line would be a line break; none is meant.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_says_what_the_contract_says() {
    let path = wit().join("REFERENCE.md");
    let now = reference();
    if std::env::var_os("ADJUTANT_REFERENCE").is_some_and(|what| what == "write") {
        std::fs::write(&path, &now).expect("the reference can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "wit/REFERENCE.md is not what wit/*.wit say now. Run \
         `ADJUTANT_REFERENCE=write cargo test -p adjutant-author --test author reference` and look at the change."
    );
}

#[test]
fn every_function_says_what_it_does_what_it_persists_and_how_it_fails() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit()).expect("wit/ is WIT");
    let mut lacking: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, id) in &resolve.packages[package].interfaces {
        for (function, its) in &resolve.interfaces[*id].functions {
            let told = its.docs.contents.as_deref().unwrap_or_default();
            for what in ["Persists:", "Errors:"] {
                if !told.contains(what) {
                    lacking
                        .entry(format!("{name}.{function}"))
                        .or_default()
                        .push(what);
                }
            }
        }
    }
    assert!(lacking.is_empty(), "these do not say it: {lacking:?}");
}
