//! Rust projects from nothing to components that do what they should, with the real cargo.
//!
//! `ADJUTANT_SNAPSHOTS=1` writes the examples' snapshots anew.

use adjutant_author::build::{Built, build};
use adjutant_author::progress::Silent;
use adjutant_author::testing::{self, Options, Tested};
use adjutant_author::{Language, Project, check, template};
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
    let name = format!("my-{}", world.as_str());
    template::new(Language::Rust, world, &name, &dir.join(&name)).expect("a project")
}

fn read(built: &Built) -> Vec<u8> {
    fs::read(&built.path).expect("the component")
}

async fn tested(project: &Project, component: &[u8], options: &Options) -> Vec<Tested> {
    let tested = testing::run(project, component, options, |_| ()).await;
    tested.expect("the tests run")
}

/// The selector that `adjutant plugin test` brings along.
fn skills() -> Vec<u8> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let guests = adjutant_build::build_guests(&manifest, &target, &["skills"]);
    let guests = guests.expect("the built-in selector builds");
    fs::read(&guests[0].path).expect("the component")
}

/// One story for all three, for what one has compiled the next one uses too.
#[tokio::test]
async fn the_examples_build_as_they_are_and_pass_their_tests() {
    let dir = folder();
    let update = std::env::var_os("ADJUTANT_SNAPSHOTS").is_some();
    let options = Options {
        cache: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
        update,
        selector: Some(skills()),
        ..Options::default()
    };
    let mut before: Option<PathBuf> = None;
    for world in [World::Selector, World::Subordinate, World::Boss] {
        let project = new(dir.path(), world);
        let target = project.root().join("target");
        if let Some(before) = before.replace(target.clone()) {
            fs::rename(before, target).expect("it moves");
        }
        let built = build(&project, &Silent).expect("it builds");
        let bytes = read(&built);
        let section = custom_section(&bytes, MANIFEST_SECTION).expect("a component");
        let manifest = Manifest::parse(section.expect("it has one")).expect("a manifest");
        assert_eq!(&manifest, project.manifest());

        let checked = check::check(&bytes, None);
        assert!(
            checked.fits && checked.names && checked.lines,
            "{checked:#?}"
        );
        assert_eq!(checked.warnings, [""; 0]);
        assert_eq!(checked.world.as_deref(), Some(world.as_str()));
        let delegates = |import: &check::Import| import.interface.contains("delegation");
        assert_eq!(checked.imports.iter().any(delegates), world == World::Boss);

        for tested in tested(&project, &bytes, &options).await {
            assert!(tested.passed, "{world:?}: {tested:#?}");
            if world != World::Selector {
                assert_eq!(tested.cuts, tested.calls, "each place was tried");
            }
        }
        if update {
            keep_snapshots(&project, world);
        }
        if world == World::Subordinate {
            what_goes_wrong_is_told(&project, &built, &options).await;
        }
    }
}

/// Takes the snapshots back into the repository, under the example's own name.
fn keep_snapshots(project: &Project, world: World) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/rust");
    let tests = root.join(world.as_str()).join("tests");
    for entry in project
        .root()
        .join("tests")
        .read_dir()
        .expect("tests")
        .flatten()
    {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "snap") {
            let text = fs::read_to_string(&path).expect("a text");
            let example = format!("rust-{}", world.as_str());
            let text = text.replace(project.name(), &example);
            fs::write(tests.join(entry.file_name()), text).expect("it is writable");
        }
    }
}

async fn what_goes_wrong_is_told(project: &Project, built: &Built, options: &Options) {
    let bytes = read(built);
    // The same sources give the same bytes.
    let again = build(project, &Silent).expect("it builds");
    assert_eq!(again.digest, built.digest);

    let source = project.root().join("src/lib.rs");
    let good = fs::read_to_string(&source).expect("it is there");
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        fs::write(&source, good.replace(from, to)).expect("it is writable");
    };

    // The compiler's own words; the component from before stays.
    change(".text()", ".txt()");
    let error = build(project, &Silent)
        .expect_err("it is wrong")
        .to_string();
    assert!(
        error.contains("src/lib.rs:") && error.contains("no method named `txt`"),
        "{error}"
    );
    assert_eq!(read(built), bytes);

    // A call that its world does not offer.
    let note = "reporting::progress(\"counting words\")?;";
    change(note, "adjutant_sdk::delegation::team()?;");
    let error = build(project, &Silent)
        .expect_err("it does not fit")
        .to_string();
    assert!(
        error.contains("`adjutant:agent/delegation@0.1.0`"),
        "{error}"
    );

    // Another behaviour is shown as a difference.
    change(note, "reporting::progress(\"counting letters\")?;");
    let other = build(project, &Silent).expect("it builds");
    let one = Options {
        filter: Some("counts".to_owned()),
        update: false,
        ..options.clone()
    };
    let tested = &self::tested(project, &read(&other), &one).await[0];
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
    let trap = build(project, &Silent).expect("it builds");
    let tested = &self::tested(project, &read(&trap), &one).await[0];
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
