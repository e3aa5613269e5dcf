//! A test of a strategy bounds it as a host does: by what is granted, and by what its manifest wants. The
//! host's own test of the same is `e2e manifests::what_is_granted_and_not_wanted_is_denied_and_the_other_way_round`.

use crate::common::{self, folder};
use adjutant_author::Project;
use adjutant_author::check::check;
use adjutant_author::section::embed;
use adjutant_author::testing::{self, TestError};
use serde_json::Value;
use std::path::Path;

const WANTS: &str = r#"
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

ECHO
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

/// `echoes` is whether a command is played that is not wanted.
fn project(dir: &Path, echoes: bool) -> Project {
    let project = common::foreign(dir, "modest", "subordinate", WANTS);
    let echo = "[[commands]]\nrun = [\"echo\", \"*\"]\n";
    common::only_test(
        &project,
        "bounds",
        &TEST.replace("ECHO", if echoes { echo } else { "" }),
    );
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
    let project = project(dir.path(), false);
    let component = embed(&common::scripted(), &project.manifest().to_json()).expect("a component");
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
    let project = project(dir.path(), true);
    let story = story(&project, &common::scripted()).await;
    let told = "no grant of modest covers the command `git push`; granted under `commands`: git status * | echo *";
    assert!(story.contains(told), "{story}");
    assert_eq!(story.matches("refused, denied: ").count(), 1, "{story}");
}

#[tokio::test]
async fn a_manifest_that_no_host_takes_is_refused_here_too() {
    let dir = folder();
    let project = project(dir.path(), false);
    let mut manifest: Value =
        serde_json::from_slice(&project.manifest().to_json()).expect("a manifest");
    manifest["colour"] = "red".into();
    let component =
        embed(&common::scripted(), manifest.to_string().as_bytes()).expect("a component");
    let tested = testing::run(&project, &component, &common::options(None), |_| {}).await;
    let error = tested.expect_err("it is wrong");
    assert!(matches!(error, TestError::Manifest(_)), "{error}");
    assert!(error.to_string().contains("colour"), "{error}");
}

/// What a component imports means something where its toolchain leaves out what is not used.
#[test]
fn what_is_used_and_not_wanted_is_warned_of_before_any_host_sees_it() {
    let dir = folder();
    let component = common::builtin("command");
    let warnings = |world: &str, wants: &str| {
        let project = common::foreign(dir.path(), "runner", world, wants);
        let embedded = embed(&component, &project.manifest().to_json()).expect("a component");
        let checked = check(&embedded, None);
        assert!(checked.fits && !checked.whole_world, "{checked:#?}");
        checked.warnings.join("\n")
    };
    let told = warnings("subordinate", "");
    assert!(
        told.contains("It can run commands, and its manifest wants none"),
        "{told}"
    );
    assert!(!told.contains("assign"), "{told}");
    assert_eq!(warnings("subordinate", WANTS), "");
    let told = warnings("boss", WANTS);
    assert!(
        told.contains("world = \"boss\", and it imports nothing of `delegation`"),
        "{told}"
    );
    let told = warnings(
        "subordinate",
        &format!("{WANTS}\n[config.properties.depth]\ntype = \"integer\"\n"),
    );
    assert!(
        told.contains("write `additionalProperties = false` below [config]"),
        "{told}"
    );
}
