//! Go projects from nothing to a component that does what it should, with the real compiler. Its
//! first use installs it.

use crate::common::{self, all_passed, built, folder, refused};
use adjutant_author::{Language, Project, template};
use adjutant_model::World;
use std::fs;
use std::path::Path;

fn new(dir: &Path, world: World) -> Project {
    let name = format!("go-{}", world.as_str());
    template::new(Language::Go, world, &name, &dir.join(&name)).expect("a project")
}

/// Replaces what the project's source is.
fn write(project: &Project, text: &str) {
    fs::write(project.root().join("main.go"), text).expect("it is writable");
}

#[tokio::test]
async fn the_examples_build_carry_their_manifests_and_pass_their_own_tests() {
    let dir = folder();
    let mut selector = None;
    for world in [World::Selector, World::Subordinate, World::Boss] {
        let project = new(dir.path(), world);
        let bytes = common::carries_its_manifest(&project, &built(&project));
        println!("{}: {} bytes", project.name(), bytes.len());
        assert!(bytes.len() < 8 << 20, "{} bytes", bytes.len());
        assert!(!common::nothing_is_odd(&bytes).whole_world);
        let tested = common::tested(&project, &bytes, selector.clone()).await;
        selector = selector.or(Some(bytes));
        common::keep_snapshots(&project);
        all_passed(&tested);
    }
}

#[test]
fn a_mistake_is_told_in_the_compilers_words_with_file_and_line() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate);
    write(
        &project,
        "package main\n\nimport \"adjutant\"\n\nfunc main() { adjutant.Nothing() }\n",
    );
    let error = refused(&project);
    assert!(
        error.contains("./main.go:5:24: undefined: adjutant.Nothing"),
        "{error}"
    );
    assert!(!project.component().exists());
}

#[test]
fn a_subordinate_that_would_delegate_does_not_compile() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate);
    write(
        &project,
        "package main\n\nimport \"adjutant\"\n\nfunc main() { adjutant.Delegation.Team() }\n",
    );
    let error = refused(&project);
    assert!(error.contains("undefined: adjutant.Delegation"), "{error}");
}

#[test]
fn a_strategy_of_another_world_is_told_with_both() {
    let dir = folder();
    for (said, is) in [
        (World::Boss, "Subordinate"),
        (World::Subordinate, "Boss"),
        (World::Selector, "Boss"),
    ] {
        let project = new(dir.path(), said);
        let source = format!(
            "package main\n\nimport \"adjutant\"\n\nfunc main() {{ adjutant.{is}(nil) }}\n"
        );
        write(&project, &source);
        let error = refused(&project);
        let told = format!(
            "plugin.toml says world = \"{}\", and `adjutant.{is}` is for another world",
            said.as_str()
        );
        assert!(
            error.contains(&told) && error.contains("main.go:5:"),
            "{error}"
        );
    }
}

#[test]
fn a_module_that_does_not_lead_to_the_sdk_says_what_to_add() {
    let dir = folder();
    let project = new(dir.path(), World::Boss);
    fs::write(project.root().join("go.mod"), "module mine\n\ngo 1.24\n").expect("writable");
    let error = refused(&project);
    assert!(
        error.contains("replace adjutant => ./.adjutant/work/adjutant"),
        "{error}"
    );
}

#[tokio::test]
async fn a_panic_reaches_the_ticket_with_its_message_and_where_it_was() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate);
    let source = "package main\n\nimport \"adjutant\"\n\nfunc init() { adjutant.Subordinate(work) }\n\n\
                  func main() {}\n\nfunc work(task adjutant.Task) (adjutant.Report, error) {\n\t\
                  panic(\"no such colour: \" + task.Ticket.Title)\n}\n";
    write(&project, source);
    let story = common::story_of_a_failure(&project).await;
    assert!(story.contains("panic: no such colour: Paint it"), "{story}");
    assert!(
        story.contains("main.work") && story.contains("main.go:10"),
        "{story}"
    );
}

/// While the host answers, nothing may be asked of it, not even the time; Go's collector asks. So large
/// answers, garbage and timers together must not end a run.
#[tokio::test]
async fn garbage_and_large_answers_go_together() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate);
    write(&project, include_str!("garbage.go.txt"));
    let test = "[task]\ntitle = \"Churn\"\n\n[expect]\nsummary = \"16 rounds, nothing lost\"\n";
    common::only_test(&project, "garbage", test);
    let component = fs::read(built(&project).path).expect("the component");
    all_passed(&common::tested_anew(&project, &component).await);
}
