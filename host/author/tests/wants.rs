//! A test of a strategy bounds it as a host does: by what is granted, and by what its manifest wants. The
//! host's own test of the same is `e2e manifests::what_is_granted_and_not_wanted_is_denied_and_the_other_way_round`.

use crate::common::{self, folder};
use adjutant_author::Project;
use adjutant_author::section::embed;
use adjutant_author::testing::{self, TestError};
use serde_json::Value;
use std::fs;
use std::path::Path;

const PLUGIN: &str = r#"
name = "modest"
version = "1.0.0"
world = "subordinate"
language = "other"

[build]
command = ["true"]
output = "modest.wasm"

[[wants.commands]]
run = ["git", "*"]
why = "to read the history"

[[wants.assign_to]]
agent = "friend"
"#;

const TEST: &str = r#"
[task]
title = "Try it"

[grants]
commands = [["git", "status", "*"], ["echo", "*"]]
assign_to = ["friend", "stranger"]

[[others]]
name = "friend"

[[others]]
name = "stranger"

[[commands]]
run = ["git", "*"]

[[commands]]
run = ["echo", "*"]

[config]
steps = [
    { run = ["git", "status"] },
    { run = ["echo", "hello"] },
    { run = ["git", "push"] },
    { create = { title = "For the friend" } },
    { assign = { ticket = 0, agent = "friend" } },
    { create = { title = "For the stranger" } },
    { assign = { ticket = 1, agent = "stranger" } },
    { report = { summary = "Tried.", with_steps = true } },
]
"#;

/// A subordinate that does what its configuration's steps say; it has no manifest.
fn scripted() -> Vec<u8> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/Cargo.toml");
    let target = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let guests = adjutant_build::build_guests(&manifest, &target, &["scripted-sub"]);
    let guests = guests.expect("the guest builds");
    fs::read(&guests[0].path).expect("the component")
}

fn project(dir: &Path) -> Project {
    fs::write(dir.join("plugin.toml"), PLUGIN).expect("writable");
    let project = Project::open(dir).expect("a project");
    common::only_test(&project, "bounds", TEST);
    project
}

/// The story of the only test.
async fn story(project: &Project, component: &[u8]) -> String {
    let tested = common::tested_anew(project, component).await;
    common::all_passed(&tested);
    // Long texts are told over several lines.
    let words: Vec<&str> = tested[0].story.split_whitespace().collect();
    words.join(" ").replace("\\\"", "\"")
}

#[tokio::test]
async fn what_is_granted_and_not_wanted_is_denied_in_the_hosts_words() {
    let dir = folder();
    let project = project(dir.path());
    let component = embed(&scripted(), &project.manifest().to_json()).expect("a component");
    let story = story(&project, &component).await;
    for told in [
        "`echo hello` is granted to modest, but the manifest of modest@1.0.0 does not want it (it wants git *): \
         its author adds it to `wants.commands`",
        "no grant of modest covers the command `git push`",
        "Its plugin wants it (to read the history): an operator may grant it",
        "stranger is granted under `assign_to`, but the manifest of modest@1.0.0 does not want it (it wants \
         friend): its author adds it to `wants.assign_to`",
    ] {
        assert!(story.contains(told), "{told}\n{story}");
    }
    assert_eq!(story.matches("refused, denied: ").count(), 3, "{story}");
}

#[tokio::test]
async fn a_component_without_a_manifest_is_bounded_by_the_grants_alone() {
    let dir = folder();
    let project = project(dir.path());
    let story = story(&project, &scripted()).await;
    let told = "no grant of modest covers the command `git push`; granted under `commands`: git status * | echo *";
    assert!(story.contains(told), "{story}");
    assert_eq!(story.matches("refused, denied: ").count(), 1, "{story}");
}

#[tokio::test]
async fn a_manifest_that_no_host_takes_is_refused_here_too() {
    let dir = folder();
    let project = project(dir.path());
    let mut manifest: Value =
        serde_json::from_slice(&project.manifest().to_json()).expect("a manifest");
    manifest["colour"] = "red".into();
    let component = embed(&scripted(), manifest.to_string().as_bytes()).expect("a component");
    let tested = testing::run(&project, &component, &common::options(None), |_| {}).await;
    let error = tested.expect_err("it is wrong");
    assert!(matches!(error, TestError::Manifest(_)), "{error}");
    assert!(error.to_string().contains("colour"), "{error}");
}
