//! Rust projects from nothing to components that do what they should, with the real cargo.

use crate::common::{self, all_passed, built, folder, refused};
use adjutant_author::build::Built;
use adjutant_author::testing::Options;
use adjutant_author::{Language, Project, check, template};
use adjutant_model::World;
use std::fs;
use std::path::{Path, PathBuf};

fn new(dir: &Path, world: World) -> Project {
    let name = format!("my-{}", world.as_str());
    template::new(Language::Rust, world, &name, &dir.join(&name)).expect("a project")
}

fn read(built: &Built) -> Vec<u8> {
    fs::read(&built.path).expect("the component")
}

/// One story for all three, for what one has compiled the next one uses too.
#[tokio::test]
async fn the_examples_build_as_they_are_and_pass_their_tests() {
    let dir = folder();
    let options = common::options(Some(common::skills()));
    let mut before: Option<PathBuf> = None;
    for world in [World::Selector, World::Subordinate, World::Boss] {
        let project = new(dir.path(), world);
        let target = project.root().join("target");
        if let Some(before) = before.replace(target.clone()) {
            fs::rename(before, target).expect("it moves");
        }
        let built = built(&project);
        let bytes = common::carries_its_manifest(&project, &built);

        let checked = common::nothing_is_odd(&bytes);
        assert!(checked.lines && !checked.whole_world, "{checked:#?}");
        assert_eq!(checked.world.as_deref(), Some(world.as_str()));
        let delegates = |import: &check::Import| import.interface.contains("delegation");
        assert_eq!(checked.imports.iter().any(delegates), world == World::Boss);

        let tested = common::tested_with(&project, &bytes, &options).await;
        common::keep_snapshots(&project);
        all_passed(&tested);
        if world != World::Selector {
            for tested in &tested {
                assert_eq!(tested.cuts, tested.calls, "each place was tried");
            }
        }
        if world == World::Subordinate {
            what_goes_wrong_is_told(&project, &built, &options).await;
        }
    }
}

async fn what_goes_wrong_is_told(project: &Project, first: &Built, options: &Options) {
    let bytes = read(first);
    // The same sources give the same bytes.
    let again = built(project);
    assert_eq!(again.digest, first.digest);

    let source = project.root().join("src/lib.rs");
    let good = fs::read_to_string(&source).expect("it is there");
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        fs::write(&source, good.replace(from, to)).expect("it is writable");
    };

    // The compiler's own words; the component from before stays.
    change(".text()", ".txt()");
    let error = refused(project);
    assert!(
        error.contains("src/lib.rs:") && error.contains("no method named `txt`"),
        "{error}"
    );
    assert_eq!(read(first), bytes);

    // A strategy of another world, at the line that exports it.
    fs::write(&source, &good).expect("it is writable");
    let toml = project.root().join("plugin.toml");
    let said = fs::read_to_string(&toml).expect("it is there");
    fs::write(&toml, said.replace("\"subordinate\"", "\"boss\"")).expect("it is writable");
    let error = refused(&Project::open(project.root()).expect("a project"));
    let told = "plugin.toml says world = \"boss\", and this exports a subordinate: change the one or the other";
    assert!(
        error.contains(told) && error.contains("src/lib.rs:"),
        "{error}"
    );
    fs::write(&toml, said).expect("it is writable");

    // A call that its world does not offer.
    let note = "reporting::progress(\"counting words\")?;";
    change(note, "adjutant_sdk::delegation::team()?;");
    let error = refused(project);
    assert!(
        error.contains("`adjutant:agent/delegation@0.1.0`"),
        "{error}"
    );

    // Another behaviour is shown as a difference.
    change(note, "reporting::progress(\"counting letters\")?;");
    let other = built(project);
    let one = Options {
        filter: Some("counts".to_owned()),
        update: false,
        ..options.clone()
    };
    let tested = &common::tested_with(project, &read(&other), &one).await[0];
    let difference = tested.difference.as_deref().expect("a difference");
    assert!(!tested.passed);
    assert!(
        difference.contains("-    note: \"counting words\""),
        "{difference}"
    );
    assert!(
        difference.contains("+    note: \"counting letters\""),
        "{difference}"
    );

    // A trap is told where it happened.
    change(note, "panic!(\"out of paper\");");
    let trap = built(project);
    let tested = &common::tested_with(project, &read(&trap), &one).await[0];
    assert!(!tested.passed, "{tested:#?}");
    assert!(tested.story.contains("out of paper"), "{}", tested.story);
    let told = tested.failures.join("\n");
    assert!(
        told.contains("src/lib.rs") || told.contains("work"),
        "{told}"
    );
    fs::write(&source, good).expect("it is writable");
}

#[test]
fn an_occupied_folder_and_a_bad_name_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("mine"), "").expect("it is writable");
    let new = |name, dir| template::new(Language::Rust, World::Boss, name, dir);
    let error = new("lead", dir.path())
        .expect_err("it is occupied")
        .to_string();
    assert!(error.contains("not empty"), "{error}");
    let error = new("Lead!", &dir.path().join("x"))
        .expect_err("no name")
        .to_string();
    assert!(error.contains("cannot be a plugin's name"), "{error}");
    assert!(!dir.path().join("x").exists());
}
