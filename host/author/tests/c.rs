//! C and C++ projects from nothing to a component that does what it should, with the real compiler. Its
//! first use installs it.

use crate::common::{self, all_passed, built, folder, refused};
use adjutant_author::{Language, Project, template};
use adjutant_model::World;
use std::fs;
use std::path::Path;

const LANGUAGES: [Language; 2] = [Language::C, Language::Cpp];

fn new(dir: &Path, language: Language, world: World) -> Project {
    let name = format!("{language}-{}", world.as_str());
    template::new(language, world, &name, &dir.join(&name)).expect("a project")
}

/// Replaces what the project's source is.
fn write(project: &Project, text: &str) {
    let file = match project.language() {
        Language::Cpp => "src/main.cpp",
        _ => "src/main.c",
    };
    fs::write(project.root().join(file), text).expect("it is writable");
}

#[tokio::test]
async fn the_examples_build_carry_their_manifests_and_pass_their_own_tests() {
    let dir = folder();
    for language in LANGUAGES {
        let mut selector = None;
        for world in [World::Selector, World::Subordinate, World::Boss] {
            let project = new(dir.path(), language, world);
            let built = built(&project);
            assert_eq!(built.warnings, [""; 0]);
            let bytes = common::carries_its_manifest(&project, &built);
            println!("{}: {} bytes", project.name(), bytes.len());
            assert!(bytes.len() < 3 << 20, "{} bytes", bytes.len());
            assert!(!common::nothing_is_odd(&bytes).whole_world);
            let tested = common::tested(&project, &bytes, selector.clone()).await;
            selector = selector.or(Some(bytes));
            common::keep_snapshots(&project);
            all_passed(&tested);
        }
    }
}

/// The compiler tells a warning once and then gives what it has kept; an author is told until it is gone.
#[test]
fn a_warning_is_told_with_file_and_line_until_it_is_gone() {
    let dir = folder();
    for (language, file) in [(Language::C, "main.c"), (Language::Cpp, "main.cpp")] {
        let project = new(dir.path(), language, World::Subordinate);
        let path = project.root().join("src").join(file);
        let good = fs::read_to_string(&path).expect("the example");
        write(
            &project,
            &format!("{good}\nstatic int forgotten(void) {{ return 1; }}\n"),
        );
        for _ in 0..2 {
            let warnings = built(&project).warnings;
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            let told = format!("src/{file}:{}:", good.lines().count() + 2);
            assert!(warnings[0].starts_with(&told), "{warnings:?}");
            assert!(
                warnings[0].contains("unused function 'forgotten'"),
                "{warnings:?}"
            );
        }
        write(&project, &good);
        assert_eq!(built(&project).warnings, [""; 0]);
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
fn a_strategy_of_another_world_is_told_with_both() {
    let dir = folder();
    let worlds = [World::Selector, World::Subordinate, World::Boss];
    for said in worlds {
        let project = new(dir.path(), Language::Cpp, said);
        for is in worlds.into_iter().filter(|is| *is != said) {
            let name = format!("ADJUTANT_{}", is.as_str().to_uppercase());
            write(
                &project,
                &format!("#include <adjutant.hpp>\n\n{name}(work)\n"),
            );
            let error = refused(&project);
            let told = format!(
                "plugin.toml says world = \"{}\", and this is {name}",
                said.as_str()
            );
            assert!(
                error.contains(&told) && error.contains("src/main.cpp:3:"),
                "{error}"
            );
        }
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
        write(&project, source);
        let story = common::story_of_a_failure(&project).await;
        assert!(story.contains("attempt == 7"), "{story}");
        assert!(story.contains(function) && story.contains(place), "{story}");
    }
}
