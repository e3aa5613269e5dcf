//! Go projects from nothing to a component that does what it should, with the real compiler. Its
//! first use installs it.

use adjutant_author::build::{Built, build};
use adjutant_author::progress::Silent;
use adjutant_author::testing::{self, Tested};
use adjutant_author::{Language, Project, template};
use adjutant_component::custom_section;
use adjutant_model::{MANIFEST_SECTION, Manifest, World};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder for projects, away from the system's small one.
fn folder() -> tempfile::TempDir {
    let scratch = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(scratch).expect("a folder")
}

fn new(dir: &Path, world: World) -> Project {
    let name = format!("go-{}", world.as_str());
    template::new(Language::Go, world, &name, &dir.join(&name)).expect("a project")
}

fn built(project: &Project) -> Built {
    build(project, &Silent).unwrap_or_else(|error| panic!("{}: {error}", project.name()))
}

fn refused(project: &Project) -> String {
    build(project, &Silent)
        .expect_err("it is wrong")
        .to_string()
}

/// Replaces what the project's source is.
fn write(project: &Project, text: &str) {
    fs::write(project.root().join("main.go"), text).expect("it is writable");
}

async fn tested(project: &Project, built: &Built, selector: Option<Vec<u8>>) -> Vec<Tested> {
    let options = testing::Options {
        selector,
        update: updating(),
        cache: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("components")),
        ..testing::Options::default()
    };
    let bytes = fs::read(&built.path).expect("the component");
    testing::run(project, &bytes, &options, |_| {})
        .await
        .expect("the tests can be run")
}

/// `ADJUTANT_SNAPSHOTS=write` brings the examples' snapshots up to date.
fn updating() -> bool {
    std::env::var_os("ADJUTANT_SNAPSHOTS").is_some()
}

fn keep_snapshots(project: &Project) {
    let there = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../plugins")
        .join("go")
        .join(project.world().as_str())
        .join("tests");
    for entry in fs::read_dir(project.root().join("tests")).expect("tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "snap") {
            fs::copy(&path, there.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

#[tokio::test]
async fn the_examples_build_carry_their_manifests_and_pass_their_own_tests() {
    let dir = folder();
    let mut selector = None;
    for world in [World::Selector, World::Subordinate, World::Boss] {
        let project = new(dir.path(), world);
        let built = built(&project);
        let bytes = fs::read(&built.path).expect("the component");
        println!("{}: {} bytes", project.name(), bytes.len());
        assert!(bytes.len() < 8 << 20, "{} bytes", bytes.len());
        let section = custom_section(&bytes, MANIFEST_SECTION).expect("a component");
        let manifest = Manifest::parse(section.expect("it has one")).expect("a manifest");
        assert_eq!(&manifest, project.manifest());
        assert_eq!(manifest.world, world);
        let tested = tested(&project, &built, selector.clone()).await;
        assert!(!tested.is_empty());
        selector = selector.or(Some(bytes));
        if updating() {
            keep_snapshots(&project);
        }
        for one in tested {
            assert!(
                one.passed,
                "{}: {:?}\n{}",
                one.name, one.failures, one.story
            );
        }
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

/// A project with this source and one test that fails; gives back what the test tells.
async fn story_of(project: &Project, source: &str) -> String {
    write(project, source);
    fs::remove_dir_all(project.root().join("tests")).expect("the example's");
    fs::create_dir(project.root().join("tests")).expect("writable");
    let test = "[task]\ntitle = \"Paint it\"\n\n[expect]\noutcome = \"failed\"\n";
    fs::write(project.root().join("tests/trap.toml"), test).expect("writable");
    let tested = tested(project, &built(project), None).await;
    format!("{}\n{:?}", tested[0].story, tested[0].failures)
}

#[tokio::test]
async fn a_panic_reaches_the_ticket_with_its_message_and_where_it_was() {
    let dir = folder();
    let project = new(dir.path(), World::Subordinate);
    let source = "package main\n\nimport \"adjutant\"\n\nfunc init() { adjutant.Subordinate(work) }\n\n\
                  func main() {}\n\nfunc work(task adjutant.Task) (adjutant.Report, error) {\n\t\
                  panic(\"no such colour: \" + task.Ticket.Title)\n}\n";
    let story = story_of(&project, source).await;
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
    let source = include_str!("garbage.go.txt");
    write(&project, source);
    fs::remove_dir_all(project.root().join("tests")).expect("the example's");
    fs::create_dir(project.root().join("tests")).expect("writable");
    let test = "[task]\ntitle = \"Churn\"\n\n[expect]\nsummary = \"16 rounds, nothing lost\"\n";
    fs::write(project.root().join("tests/garbage.toml"), test).expect("writable");
    let mut options = testing::Options {
        update: true,
        ..testing::Options::default()
    };
    options.cache = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("components"));
    let bytes = fs::read(&built(&project).path).expect("the component");
    let tested = testing::run(&project, &bytes, &options, |_| {})
        .await
        .expect("it can be run");
    assert!(
        tested[0].passed,
        "{:?}\n{}",
        tested[0].failures, tested[0].story
    );
}
