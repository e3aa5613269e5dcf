//! What the languages' tests share: projects in a folder that goes with the test, built with the real
//! tools, and tested against their scripts.
#![allow(dead_code, reason = "no test uses all of it")]

use adjutant_author::Project;
use adjutant_author::build::{Built, build};
use adjutant_author::progress::Silent;
use adjutant_author::testing::{self, Options, Tested};
use adjutant_component::custom_section;
use adjutant_model::{MANIFEST_SECTION, Manifest};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder for projects, away from the system's small one.
pub(crate) fn folder() -> tempfile::TempDir {
    let scratch = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(scratch).expect("a folder")
}

/// What a build makes.
#[track_caller]
pub(crate) fn built(project: &Project) -> Built {
    build(project, &Silent).unwrap_or_else(|error| panic!("{}: {error}", project.name()))
}

/// Why a build makes nothing.
#[track_caller]
pub(crate) fn refused(project: &Project) -> String {
    build(project, &Silent)
        .expect_err("it is wrong")
        .to_string()
}

/// The component that was built, with the manifest of its project.
#[track_caller]
pub(crate) fn carries_its_manifest(project: &Project, built: &Built) -> Vec<u8> {
    let bytes = fs::read(&built.path).expect("the component");
    let section = custom_section(&bytes, MANIFEST_SECTION).expect("a component");
    let manifest = Manifest::parse(section.expect("it has one")).expect("a manifest");
    assert_eq!(&manifest, project.manifest());
    bytes
}

/// How tests are run here: what was compiled is kept.
pub(crate) fn options(selector: Option<Vec<u8>>) -> Options {
    Options {
        selector,
        update: updating(),
        cache: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("components")),
        ..Options::default()
    }
}

/// What comes of a project's tests.
pub(crate) async fn tested(
    project: &Project,
    component: &[u8],
    selector: Option<Vec<u8>>,
) -> Vec<Tested> {
    testing::run(project, component, &options(selector), |_| {})
        .await
        .expect("the tests can be run")
}

/// Fails where one of them has failed.
#[track_caller]
pub(crate) fn all_passed(tested: &[Tested]) {
    assert!(!tested.is_empty());
    for one in tested {
        let difference = one.difference.as_deref().unwrap_or_default();
        assert!(
            one.passed,
            "{}: {:?}\n{difference}\n{}",
            one.name, one.failures, one.story
        );
    }
}

/// `ADJUTANT_SNAPSHOTS=write` brings the examples' snapshots up to date.
pub(crate) fn updating() -> bool {
    std::env::var_os("ADJUTANT_SNAPSHOTS").is_some()
}

/// Takes a project's snapshots back to its example, below `plugins/` in the folder of that name.
pub(crate) fn keep_snapshots(project: &Project, examples: &str) {
    let there = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../plugins")
        .join(examples)
        .join(project.world().as_str())
        .join("tests");
    for entry in fs::read_dir(project.root().join("tests")).expect("tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "snap") {
            fs::copy(&path, there.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

/// Makes this the only test that a project has.
pub(crate) fn only_test(project: &Project, name: &str, test: &str) {
    let tests = project.root().join("tests");
    if tests.exists() {
        fs::remove_dir_all(&tests).expect("the example's");
    }
    fs::create_dir(&tests).expect("writable");
    fs::write(tests.join(format!("{name}.toml")), test).expect("writable");
}

/// What the only test of a project tells, whose strategy is expected to fail.
pub(crate) async fn story_of_a_failure(project: &Project) -> String {
    let test = "[task]\ntitle = \"Paint it\"\n\n[expect]\noutcome = \"failed\"\n";
    only_test(project, "trap", test);
    let component = fs::read(built(project).path).expect("the component");
    let tested = tested(project, &component, None).await;
    format!("{}\n{:?}", tested[0].story, tested[0].failures)
}
