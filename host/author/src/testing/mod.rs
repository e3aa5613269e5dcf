//! Tests of a strategy without a host: a script plays everybody else, the strategy is the real component.
//!
//! A test is a file `tests/NAME.toml` ([`script::Script`]). Its run goes the way that every run goes: the
//! host's own decisions, journal and replay, with a wait that drops the instance each time. What it asked
//! and what it answered is its story, which is held against `tests/NAME.snap`.
//!
//! Then the same run is replayed from its journal, cut off after each call: a strategy that is brought
//! back after a crash has to ask the same again.
//!
//! Invariants: nothing outside is touched; the same component and script give the same story.

mod cuts;
mod files;
mod ports;
mod run;
pub mod script;
mod selecting;
mod sense;
mod story;
mod world;

use crate::Project;
use adjutant_component::{
    Component, Engine, EngineOptions, LoadError, SectionError, custom_section,
};
use adjutant_model::{ConfigSchema, Described, Limits, MANIFEST_SECTION, Manifest, World};
use adjutant_run::{Runner, RunnerOptions};
use script::Script;
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tests that one project may have.
const MOST_TESTS: usize = 10_000;
/// The unchanged lines that a difference shows around what has changed.
const AROUND: usize = 3;
/// Instances that are there at a time: the strategy, and its selector.
const INSTANCES: u32 = 4;

/// How tests are run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where compiled components are kept.
    pub cache: Option<PathBuf>,
    /// The selector of bosses whose test names none, with a word for it.
    pub selector: Option<Vec<u8>>,
    /// Whether what comes out is the new snapshot.
    pub update: bool,
    /// A part of the names of the tests to run; all unless given.
    pub filter: Option<String>,
}

/// What came of a test.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// The test's name: its file's, without the ending.
    pub name: String,
    /// Whether all is as it should be.
    pub passed: bool,
    /// What is not, a sentence each.
    pub failures: Vec<String>,
    /// Where the story differs from its snapshot, as a diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// Whether the snapshot was written.
    pub updated: bool,
    /// The story.
    pub story: String,
    /// Host calls that it made.
    pub calls: u32,
    /// Places at which its journal was cut off and replayed.
    pub cuts: u32,
    /// How long all that took.
    pub ms: u64,
}

/// Why tests could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// There are none.
    #[error(
        "{} has no tests: none of `tests/*.toml` is there{why}.", .dir.display()
    )]
    None {
        /// The project's folder.
        dir: PathBuf,
        /// More about it.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be used: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The component cannot be run.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The component carries a manifest that no host takes.
    #[error(
        "The component's manifest is wrong: {0}. `adjutant plugin build` makes it of plugin.toml."
    )]
    Manifest(String),
    /// No engine.
    #[error("{0}")]
    Engine(#[from] adjutant_component::EngineError),
}

/// What tests run with.
pub(crate) struct Tester<'a> {
    project: &'a Project,
    runner: Runner,
    engine: Engine,
    component: Arc<Component>,
    /// What the component says of itself, where it has a manifest.
    described: Option<Arc<Described>>,
    selector: Option<Arc<Component>>,
}

/// What came of a strategy, before it is held against a snapshot.
#[derive(Default)]
pub(crate) struct Played {
    story: String,
    failures: Vec<String>,
    calls: u32,
    cuts: u32,
}

/// Runs a project's tests with its component, and shows each when it is over.
///
/// # Errors
/// Nothing can be run. What is wrong with a test is told by that test.
pub async fn run(
    project: &Project,
    component: &[u8],
    options: &Options,
    mut each: impl FnMut(&Tested),
) -> Result<Vec<Tested>, TestError> {
    let files = tests_of(project, options)?;
    let tester = Tester::new(project, component, options).await?;
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let tested = tester.test(&file, options).await?;
        each(&tested);
        all.push(tested);
    }
    Ok(all)
}

fn tests_of(project: &Project, options: &Options) -> Result<Vec<PathBuf>, TestError> {
    let dir = project.root().join("tests");
    let none = |why: String| TestError::None {
        dir: project.root().to_path_buf(),
        why,
    };
    let entries = match dir.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(none(String::new()));
        }
        Err(source) => return Err(TestError::File { path: dir, source }),
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .take(MOST_TESTS)
        .collect();
    if let Some(filter) = &options.filter {
        files.retain(|path| name_of(path).contains(filter.as_str()));
        if files.is_empty() {
            return Err(none(format!(" with \"{filter}\" in its name")));
        }
    }
    if files.is_empty() {
        return Err(none(String::new()));
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

impl<'a> Tester<'a> {
    async fn new(
        project: &'a Project,
        component: &[u8],
        options: &Options,
    ) -> Result<Tester<'a>, TestError> {
        let engine = Engine::new(&EngineOptions {
            max_instances: INSTANCES,
            cache_dir: options.cache.clone(),
            max_component: crate::build::MOST_COMPONENT,
            pooling: false,
            ..EngineOptions::default()
        })?;
        let described = described(component)?;
        let world = crate::build::world(project);
        let component = engine.load_async(component.to_vec(), Some(world)).await?;
        let selector = match &options.selector {
            Some(bytes) if project.world() == World::Boss => {
                let world = adjutant_component::World::Selector;
                Some(engine.load_async(bytes.clone(), Some(world)).await?)
            }
            _ => None,
        };
        let runner_options = RunnerOptions {
            // A wait drops the instance, and what is said is handed in with calls only: time has no
            // part in it.
            park_after: Duration::ZERO,
            flush_every: Duration::from_secs(3_600),
        };
        Ok(Tester {
            project,
            runner: Runner::new(engine.clone(), runner_options, Arc::new(Limits::default())),
            engine,
            component,
            described,
            selector,
        })
    }

    async fn test(&self, file: &Path, options: &Options) -> Result<Tested, TestError> {
        let began = Instant::now();
        let played = match Script::read(file) {
            Err(why) => Played {
                failures: vec![why],
                ..Played::default()
            },
            Ok(script) => self.make_sense(&script).await,
        };
        let mut tested = Tested {
            name: name_of(file),
            passed: false,
            failures: played.failures,
            difference: None,
            updated: false,
            story: played.story,
            calls: played.calls,
            cuts: played.cuts,
            ms: 0,
        };
        if !tested.story.is_empty() {
            compare(&mut tested, &file.with_extension("snap"), options)?;
        }
        tested.passed = tested.failures.is_empty() && tested.difference.is_none();
        tested.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(tested)
    }
}

impl Tester<'_> {
    /// Plays a test, unless it says what cannot be.
    async fn make_sense(&self, script: &Script) -> Played {
        match sense::refused(script, crate::build::world(self.project)) {
            Some(why) => Played {
                failures: vec![why],
                ..Played::default()
            },
            None if self.project.world() == World::Selector => self.choose(script).await,
            None => self.play(script).await,
        }
    }

    /// The configuration as a host hands it over: with the manifest's defaults.
    fn config(&self, script: &Script) -> Result<Value, String> {
        let config = Value::Object(script.config.clone());
        let Some(schema) = &self.project.manifest().config_schema else {
            return Ok(config);
        };
        let schema = ConfigSchema::compile(schema).map_err(|refusal| refusal.to_string())?;
        schema.complete(&config).map_err(|wrong| {
            let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            format!("the test's [config] is wrong: {}", told.join("; "))
        })
    }
}

/// What a component says of itself.
fn described(component: &[u8]) -> Result<Option<Arc<Described>>, TestError> {
    let wrong = |why: String| TestError::Manifest(why.trim_end_matches('.').to_owned());
    let section = match custom_section(component, MANIFEST_SECTION) {
        Ok(Some(section)) => section,
        // What is no whole component is told when it is loaded.
        Ok(None) | Err(SectionError::Damaged(_)) => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let manifest = Manifest::parse(section).map_err(|error| wrong(error.to_string()))?;
    let described = Described::new(manifest).map_err(|refusal| wrong(refusal.to_string()))?;
    Ok(Some(Arc::new(described)))
}

/// Holds a story against its snapshot, or makes it the new one.
fn compare(tested: &mut Tested, snap: &Path, options: &Options) -> Result<(), TestError> {
    let file = |source| TestError::File {
        path: snap.to_path_buf(),
        source,
    };
    let kept = match fs::read_to_string(snap) {
        Ok(kept) => Some(kept.replace("\r\n", "\n")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(file(error)),
    };
    if kept.as_deref() == Some(tested.story.as_str()) {
        return Ok(());
    }
    if options.update {
        fs::write(snap, &tested.story).map_err(file)?;
        tested.updated = true;
        return Ok(());
    }
    if kept.is_none() {
        tested.failures.push(format!(
            "{} is not there yet: read the story below, and keep it with --update.",
            snap.display()
        ));
    }
    tested.difference = Some(difference(
        kept.as_deref().unwrap_or_default(),
        &tested.story,
    ));
    Ok(())
}

/// Both texts' differing lines, with a few others around.
fn difference(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut told = String::new();
    for (place, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if place > 0 {
            told.push_str("  …\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            told.push_str(match change.tag() {
                ChangeTag::Delete => "- ",
                ChangeTag::Insert => "+ ",
                ChangeTag::Equal => "  ",
            });
            told.push_str(change.value().trim_end_matches('\n'));
            told.push('\n');
        }
    }
    told
}
