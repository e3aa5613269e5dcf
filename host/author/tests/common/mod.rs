//! What the languages' tests share: projects in a folder that goes with the test, built with the real
//! tools, and tested against their scripts.

use adjutant_author::Project;
use adjutant_author::build::{Built, build};
use adjutant_author::check::{Checked, check};
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

/// Writes a file of a project, with the folders that it is in.
pub(crate) fn write(project: &Project, file: &str, text: &str) {
    let path = project.root().join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("it is writable");
    fs::write(path, text).expect("it is writable");
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

/// What is said of a component of an example: it fits, and nothing is odd about it.
#[track_caller]
pub(crate) fn nothing_is_odd(component: &[u8]) -> Checked {
    let checked = check(component, None);
    assert!(checked.fits && checked.names, "{checked:#?}");
    assert_eq!(checked.warnings, [""; 0]);
    checked
}

/// The selector that `adjutant plugin test` brings along.
pub(crate) fn skills() -> Vec<u8> {
    builtin("skills")
}

/// A built-in plugin; it has no manifest.
pub(crate) fn builtin(name: &str) -> Vec<u8> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let guests = adjutant_build::build_guests(&manifest, &target, &[name]);
    let guests = guests.expect("the built-in plugin builds");
    fs::read(&guests[0].path).expect("the component")
}

/// A subordinate that does what its configuration's steps say; it has no manifest.
pub(crate) fn scripted() -> Vec<u8> {
    guest("scripted-sub")
}

/// A component of those that only tests have; it has no manifest.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/Cargo.toml");
    let target = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let guests = adjutant_build::build_guests(&manifest, &target, &[name]);
    let guests = guests.expect("the guest builds");
    fs::read(&guests[0].path).expect("the component")
}

/// A project whose component is made elsewhere.
pub(crate) fn foreign(dir: &Path, name: &str, world: &str, more: &str) -> Project {
    let text = format!(
        "name = \"{name}\"\nversion = \"1.0.0\"\nworld = \"{world}\"\nlanguage = \"other\"\n\n[build]\n\
         command = [\"true\"]\noutput = \"{name}.wasm\"\n\n{more}"
    );
    fs::write(dir.join("plugin.toml"), text).expect("writable");
    Project::open(dir).expect("a project")
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

/// What comes of a project's tests, where an example's story is held against its snapshot.
pub(crate) async fn tested(
    project: &Project,
    component: &[u8],
    selector: Option<Vec<u8>>,
) -> Vec<Tested> {
    tested_with(project, component, &options(selector)).await
}

/// What comes of tests whose story is new.
pub(crate) async fn tested_anew(project: &Project, component: &[u8]) -> Vec<Tested> {
    let options = Options {
        update: true,
        ..options(None)
    };
    tested_with(project, component, &options).await
}

/// What comes of a project's tests under these options.
pub(crate) async fn tested_with(
    project: &Project,
    component: &[u8],
    options: &Options,
) -> Vec<Tested> {
    testing::run(project, component, options, |_| {})
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

/// Whether the examples' snapshots are written anew, which `ADJUTANT_SNAPSHOTS=write` asks for.
pub(crate) fn updating() -> bool {
    std::env::var_os("ADJUTANT_SNAPSHOTS").is_some()
}

/// Takes a project's snapshots back to the example that it was made of, under the example's own name,
/// where they are [updated](updating).
pub(crate) fn keep_snapshots(project: &Project) {
    if !updating() {
        return;
    }
    let language = project.language();
    let world = project.world().as_str();
    let example = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../plugins")
        .join(language.examples().expect("it has examples"))
        .join(world)
        .join("tests");
    for entry in fs::read_dir(project.root().join("tests")).expect("tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "snap") {
            let text = fs::read_to_string(&path).expect("a snapshot");
            let text = text.replace(project.name(), &format!("{language}-{world}"));
            let file = path.file_name().expect("a name");
            fs::write(example.join(file), text).expect("it is writable");
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
