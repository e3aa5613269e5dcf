//! What the stories share: a host as a child process, a client of its API, repositories and teams.
//!
//! Invariants:
//! - Nothing waits by sleeping for a guessed time: waits end with an event of the host's, or fail at
//!   [`DEADLINE`].
//! - A host, and all that it started, is gone when its [`Server`] is dropped.

#[allow(dead_code, reason = "other tests use all of it")]
#[path = "../../../host/component/tests/common/assemble.rs"]
mod assemble;
#[path = "../../../host/component/tests/common/bombs.rs"]
pub(crate) mod bombs;
mod client;
mod events;
mod guests;
#[path = "../../../host/component/tests/common/hostile.rs"]
pub(crate) mod hostile_kinds;
pub(crate) mod plugins;
mod process;
#[path = "../../../host/connect/tests/support/registry.rs"]
pub(crate) mod registry;
mod repo;
mod server;
mod team;

pub(crate) use assemble::{component as assembled, module as core_module};
pub(crate) use client::{Client, Reply};
pub(crate) use events::{Events, all_events, of_kind};
pub(crate) use guests::guest;
pub(crate) use process::{Ran, adjutant, command, processes_of, processes_with, shell};
pub(crate) use repo::Repo;
pub(crate) use server::{Server, Setup, share_cache};
pub(crate) use team::{agent, boss, hand, steps, team};

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a future from a test, which is plain blocking code.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// Where tests keep files. Not `/tmp`: a host keeps no worktrees there.
pub(crate) fn base() -> &'static Path {
    static BASE: std::sync::LazyLock<std::path::PathBuf> =
        std::sync::LazyLock::new(|| adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR")));
    &BASE
}

/// A folder that goes with the test.
pub(crate) fn folder() -> TempDir {
    std::fs::create_dir_all(base()).expect("the folder for tests");
    tempfile::Builder::new()
        .prefix("e2e-")
        .tempdir_in(base())
        .expect("a folder")
}

/// Waits for something outside of the host, which no event tells of: a file, a process.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for a file.
pub(crate) fn until_there(path: &Path) {
    until(&path.display().to_string(), || path.exists().then_some(()));
}

/// The names in a folder, sorted; none where there is no folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A path as text.
pub(crate) fn text(path: impl Into<PathBuf>) -> String {
    path.into()
        .to_str()
        .expect("tests' paths are text")
        .to_owned()
}
