//! JavaScript and TypeScript from nothing to a component that does what it should, with the real tools;
//! their first use installs them. The SDK is in step with the contract, and what is wrong in a project is
//! told with file and line.

mod sdk;

use crate::common::{self, all_passed, built, folder, refused, write};
use adjutant_author::{Language, Project, template};
use adjutant_model::World;
use std::path::{Path, PathBuf};
use std::{env, fs};

const LANGUAGES: [Language; 2] = [Language::JavaScript, Language::TypeScript];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn new(dir: &Path, language: Language, world: World, name: &str) -> Project {
    template::new(language, world, name, &dir.join(name)).expect("a project")
}

/// `ADJUTANT_GENERATE=1 cargo test -p adjutant-author --test author javascript` writes the SDK's generated
/// files anew.
fn generating() -> bool {
    env::var_os("ADJUTANT_GENERATE").is_some()
}

#[test]
fn the_sdk_is_in_step_with_the_contract() {
    let folder = repository().join("plugins/javascript/sdk/generated");
    let files = sdk::generate(&repository().join("wit"));
    if generating() {
        for (name, text) in &files {
            fs::write(folder.join(name), text).expect("the SDK can be written");
        }
    }
    for (name, text) in &files {
        let there = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            there == *text,
            "{name} is not what the contract says: run this test with ADJUTANT_GENERATE=1"
        );
    }
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let name = entry.expect("an entry").file_name();
        let known = files.contains_key(&*name.to_string_lossy());
        assert!(known, "{name:?} is left over");
    }
}

/// The examples of both languages have the same tests.
#[tokio::test]
async fn the_examples_build_carry_their_manifest_and_pass_their_tests() {
    let dir = folder();
    for language in LANGUAGES {
        for world in [World::Selector, World::Subordinate, World::Boss] {
            let name = format!("my-{language}-{}", world.as_str());
            let project = new(dir.path(), language, world, &name);
            let built = built(&project);
            let bytes = common::carries_its_manifest(&project, &built);
            assert!(bytes.len() < 3 << 20, "{name}: {} bytes", bytes.len());
            // Its compiler brings every import of the world along: that means no use.
            let checked = common::nothing_is_odd(&bytes);
            assert_eq!(checked.whole_world, world != World::Selector);
            let manifest = project.manifest();
            assert_eq!((&manifest.name, manifest.world), (&name, world));
            let selector = (world == World::Boss).then(common::skills);
            let tested = common::tested(&project, &bytes, selector).await;
            common::keep_snapshots(&project);
            all_passed(&tested);
        }
    }
}

#[test]
fn a_syntax_error_is_told_with_file_and_line() {
    let dir = folder();
    let project = new(dir.path(), Language::JavaScript, World::Boss, "broken");
    write(&project, "src/main.js", "const a = 1;\nconst b = ;\n");
    let text = refused(&project);
    assert!(text.contains("Unexpected \";\""), "{text}");
    assert!(text.contains("src/main.js:2:10"), "{text}");
}

#[test]
fn a_type_error_is_told_with_file_and_line() {
    let dir = folder();
    let project = new(
        dir.path(),
        Language::TypeScript,
        World::Subordinate,
        "typed",
    );
    let main = "import { reporting, subordinate } from \"adjutant/subordinate\";\n\
                export default subordinate({\n  work(task) {\n    reporting.progress(task.attempt);\n\
                \x20   setTimeout(() => {}, 5);\n    return \"done\";\n  },\n});\n";
    write(&project, "src/main.ts", main);
    let text = refused(&project);
    assert!(text.contains("src/main.ts(4,24): error TS2345"), "{text}");
    assert!(text.contains("'setTimeout'"), "{text}");
}

#[test]
fn an_import_that_is_not_there_is_told_with_file_and_line() {
    let dir = folder();
    let project = new(
        dir.path(),
        Language::JavaScript,
        World::Subordinate,
        "lonely",
    );
    let wrong = [
        ("import _ from \"lodash\";", "Could not resolve \"lodash\""),
        (
            "import { delegation } from \"adjutant/subordinate\";",
            "No matching export in \".adjutant/sdk/subordinate.js\" for import \"delegation\"",
        ),
        (
            "import { delegation } from \"adjutant/boss\";",
            "so it is \"adjutant/subordinate\" that there is to import",
        ),
        (
            "import delegation from \"adjutant:agent/delegation@0.1.0\";",
            "a subordinate cannot import \"adjutant:agent/delegation@0.1.0\"",
        ),
    ];
    for (import, said) in wrong {
        let name = import.split(' ').nth(1).unwrap_or_default();
        let used = if name == "_" { "_" } else { "delegation" };
        let main = format!(
            "import {{ subordinate }} from \"adjutant/subordinate\";\n{import}\n\
             export default subordinate({{ work: () => String({used}) }});\n"
        );
        write(&project, "src/main.js", &main);
        let text = refused(&project);
        assert!(text.contains(said), "{text}");
        assert!(text.contains("src/main.js:2:"), "{text}");
    }
}

#[test]
fn a_missing_export_is_told_with_what_to_write() {
    let dir = folder();
    let project = new(dir.path(), Language::JavaScript, World::Boss, "silent");
    write(&project, "src/main.js", "export function work() {}\n");
    let text = refused(&project);
    let wanted = "src/main.js must export its strategy: export default boss({ work(task) { … } })";
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains("src/main.js:1"), "{text}");
    write(&project, "src/main.js", "export default { work() {} };\n");
    let text = refused(&project);
    let wanted = "src/main.js must export its strategy by default: export default boss({";
    assert!(text.contains(wanted), "{text}");
}

/// QuickJS says "not a function" and nothing of which.
#[test]
fn an_export_that_is_no_strategy_is_told_with_its_name_and_file() {
    let dir = folder();
    let project = new(dir.path(), Language::JavaScript, World::Boss, "mistaken");
    let cases = [
        (
            "import { boss } from \"adjutant/boss\";\nexport default boss;\n",
            &["src/main.js must export its strategy by default: export default boss({ work(task)"]
                [..],
        ),
        (
            "export default { world: \"boss\" };\n",
            &["src/main.js must export its strategy by default: export default boss({ work(task)"],
        ),
        (
            "import { boss } from \"adjutant/boss\";\nexport default boss({ wrk() {} });\n",
            &[
                "src/main.js cannot be loaded",
                "boss(…) needs an object whose `work` is a function: boss({ work(task) { … } })",
                "It was given an object with `wrk`",
                "src/main.js:2:",
            ],
        ),
        (
            "import { boss } from \"adjutant/boss\";\nexport default boss({ work: 5 });\n",
            &["Its `work` is of the type number", "src/main.js:2:"],
        ),
        (
            "import * as adjutant from \"adjutant/boss\";\nexport default adjutant.bos({ work() {} });\n",
            &[
                "\"bos\"",
                "no matching export in \".adjutant/sdk/boss.js\"",
                "src/main.js:2:24",
            ],
        ),
        (
            "import { boss, memory } from \"adjutant/boss\";\nmemory.gett(\"a\");\nexport default boss({ work() {} });\n",
            &[
                "there is no memory.gett; memory has get, getJson, keys",
                "src/main.js:2:",
            ],
        ),
        (
            "import { boss } from \"adjutant/boss\";\nconst tools = {};\nconst seed = tools.seed();\nexport default boss({ work() {} });\n",
            &["src/main.js:3:", "const seed = tools.seed();"],
        ),
    ];
    for (main, told) in cases {
        write(&project, "src/main.js", main);
        let text = refused(&project);
        for part in told {
            assert!(text.contains(part), "{part}\n---\n{main}---\n{text}");
        }
    }
}

#[test]
fn a_strategy_of_another_world_is_told_with_both() {
    let dir = folder();
    let project = new(dir.path(), Language::JavaScript, World::Boss, "other");
    write(
        &project,
        "src/main.js",
        "import { subordinate } from \"adjutant/subordinate\";\nexport default subordinate({ work() {} });\n",
    );
    let text = refused(&project);
    let told =
        "plugin.toml says world = \"boss\", so it is \"adjutant/boss\" that there is to import";
    assert!(
        text.contains(told) && text.contains("src/main.js:1:"),
        "{text}"
    );
}

#[test]
fn what_is_thrown_while_a_module_is_loaded_is_told_with_the_authors_line() {
    let dir = folder();
    let project = new(dir.path(), Language::JavaScript, World::Boss, "early");
    let helper = "export function seed() {\n  return Math.random();\n}\n";
    write(&project, "src/seed.js", helper);
    let main = "import { boss } from \"adjutant/boss\";\nimport { seed } from \"./seed.js\";\n\
                const SEED = seed();\nexport default boss({ work: () => `${SEED}` });\n";
    write(&project, "src/main.js", main);
    let text = refused(&project);
    let wanted = "Math.random is called while the module is loaded";
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains("at seed (src/seed.js:2:"), "{text}");
    assert!(text.contains("src/main.js:3:"), "{text}");
}

#[test]
fn what_did_not_change_is_the_same_component() {
    let dir = folder();
    let project = new(dir.path(), Language::JavaScript, World::Selector, "same");
    let first = built(&project);
    assert_eq!(first.digest, built(&project).digest);
    let main = project.root().join("src/main.js");
    let text = fs::read_to_string(&main).expect("the example");
    write(&project, "src/main.js", &text.replace(" can ", " could "));
    assert_ne!(first.digest, built(&project).digest);
}

/// A package of npm that is in the project's own folder needs no registry.
#[test]
fn packages_of_npm_are_installed_and_bundled() {
    let dir = folder();
    let project = new(
        dir.path(),
        Language::JavaScript,
        World::Subordinate,
        "packed",
    );
    let package = "{ \"dependencies\": { \"shout\": \"file:./vendor/shout\" } }";
    write(&project, "package.json", package);
    let shout = "{ \"name\": \"shout\", \"version\": \"1.0.0\", \"main\": \"shout.cjs\" }";
    write(&project, "vendor/shout/package.json", shout);
    let code = "module.exports = (text) => text.toUpperCase() + '!';\n";
    write(&project, "vendor/shout/shout.cjs", code);
    let main = "import { subordinate } from \"adjutant/subordinate\";\nimport shout from \"shout\";\n\
                export default subordinate({ work: (task) => shout(task.text) });\n";
    write(&project, "src/main.js", main);
    built(&project);
    assert!(project.root().join("package-lock.json").is_file());
}
