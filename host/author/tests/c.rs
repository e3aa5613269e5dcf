//! C and C++ projects from nothing to a component that does what it should, with the real compiler. Its
//! first use installs it.

use adjutant_author::build::{Built, build};
use adjutant_author::progress::Silent;
use adjutant_author::testing::{self, Tested};
use adjutant_author::{Language, Project, template};
use adjutant_component::custom_section;
use adjutant_model::{MANIFEST_SECTION, Manifest, World};
use std::fs;
use std::path::{Path, PathBuf};

const LANGUAGES: [Language; 2] = [Language::C, Language::Cpp];

/// A folder for projects, away from the system's small one.
fn folder() -> tempfile::TempDir {
    let scratch = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(scratch).expect("a folder")
}

fn new(dir: &Path, language: Language, world: World) -> Project {
    let name = format!("{language}-{}", world.as_str());
    template::new(language, world, &name, &dir.join(&name)).expect("a project")
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
    let file = match project.language() {
        Language::Cpp => "src/main.cpp",
        _ => "src/main.c",
    };
    fs::write(project.root().join(file), text).expect("it is writable");
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
        .join(match project.language() {
            Language::Cpp => "c/cpp",
            _ => "c",
        })
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
    for language in LANGUAGES {
        let mut selector = None;
        for world in [World::Selector, World::Subordinate, World::Boss] {
            let project = new(dir.path(), language, world);
            let built = built(&project);
            let bytes = fs::read(&built.path).expect("the component");
            println!("{}: {} bytes", project.name(), bytes.len());
            assert!(bytes.len() < 3 << 20, "{} bytes", bytes.len());
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
}

#[test]
fn a_mistake_is_told_in_the_compilers_words_with_file_and_line() {
    let dir = folder();
    let cases = [
        (
            Language::C,
            "#include <adjutant.h>\n\nbool adj_work(const adj_task_t *task) { return task->nothing; }\n",
            "src/main.c:3:",
        ),
        (
            Language::Cpp,
            "#include <adjutant.hpp>\n\nint main() { return adjutant::nothing(); }\n",
            "src/main.cpp:3:",
        ),
    ];
    for (language, source, told) in cases {
        let project = new(dir.path(), language, World::Subordinate);
        write(&project, source);
        let error = refused(&project);
        assert!(error.contains(told) && error.contains("error: "), "{error}");
        assert!(error.contains("nothing"), "{error}");
        assert!(!project.component().exists());
    }
}

#[test]
fn a_missing_export_is_named() {
    let dir = folder();
    for (world, told) in [
        (World::Subordinate, "`bool adj_work(const adj_task_t *task,"),
        (
            World::Selector,
            "`bool adj_choose(const adj_question_t *task,",
        ),
    ] {
        let project = new(dir.path(), Language::C, world);
        write(&project, "#include <adjutant.h>\n");
        let error = refused(&project);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_project_without_sources_says_where_they_are_expected() {
    let dir = folder();
    let project = new(dir.path(), Language::C, World::Boss);
    fs::remove_dir_all(project.root().join("src")).expect("it is there");
    let error = refused(&project);
    assert!(
        error.contains("a file that ends in .c is expected there"),
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
async fn an_assertion_that_fails_reaches_the_ticket_with_file_and_line() {
    let dir = folder();
    let c = "#include <adjutant.h>\n#include <assert.h>\n\n\
             bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure) {\n    \
             (void)report, (void)failure;\n    assert(task->attempt == 7);\n    return true;\n}\n";
    let cpp = "#include <adjutant.hpp>\n#include <cassert>\n\n\
               static adjutant::Done work(const adjutant::Task& task) {\n    \
               assert(task.attempt == 7);\n    return adjutant::report(\"\");\n}\n\n\
               ADJUTANT_SUBORDINATE(work)\n";
    for (language, source, function, place) in [
        (Language::C, c, "adj_work", "src/main.c"),
        (Language::Cpp, cpp, "work", "src/main.cpp"),
    ] {
        let project = new(dir.path(), language, World::Subordinate);
        let story = story_of(&project, source).await;
        assert!(story.contains("attempt == 7"), "{story}");
        assert!(story.contains(function) && story.contains(place), "{story}");
    }
}
