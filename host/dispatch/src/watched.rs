//! The watched folder: a component that is dropped into it is registered when it is whole.
//!
//! Invariants:
//! - A file that cannot be used changes nothing; why it cannot stands in the log and in
//!   [`Host::watched`] until the file changes.
//! - What may be otherwise in a moment (a disk without room, a full queue, a file that cannot be read just
//!   now) is tried again, ever later and [`MOST_TRIES`] times in all.
//! - A file that goes takes nothing with it, and what an operator has removed does not come back because its
//!   file still lies there when the host starts.

mod retries;

use crate::host::{Host, HostError, Inner};
use crate::plugins::NewPlugin;
use crate::sources::{Found, SIGNATURE_EXTENSION, digest_of, read_component};
use adjutant_connect::{Folder, MOST_FILES};
use adjutant_model::{MANIFEST_SECTION, Manifest, Origin, PluginRef, Plugins, Refusal, Timestamp};
use retries::{FIRST_PAUSE, LONGEST_PAUSE, MOST_TRIES, Retries};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How long [`Host::first_look`] waits where the folder cannot be read.
const PATIENCE: Duration = Duration::from_secs(15);

/// What has become of the folder's files.
#[derive(Clone, Debug)]
pub struct WatchedFolder {
    /// Where it is.
    pub path: PathBuf,
    /// The files that are there and were looked at, by name.
    pub files: Vec<WatchedFile>,
    /// Files that are left alone, for there are more than the host looks at: the last ones by name.
    pub left_alone: usize,
}

/// What has become of a file.
#[derive(Clone, Debug)]
pub struct WatchedFile {
    /// Its name.
    pub file: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// What it is.
    pub became: Became,
}

/// What a file of the watched folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// This plugin, as `name@version`.
    Plugin(String),
    /// This version, `name@version`, which an operator has removed since. It comes back when the file is
    /// copied here once more, or installed.
    Removed(String),
    /// Nothing that the host takes; why, as a sentence.
    Refused(String),
}

/// What the host keeps of it.
pub(crate) struct Watched {
    path: PathBuf,
    files: Mutex<BTreeMap<String, WatchedFile>>,
    left_alone: Arc<AtomicUsize>,
    /// Taken by the task that watches.
    folder: Mutex<Option<Folder>>,
    /// Whether what was there at the start has been looked at.
    looked: watch::Sender<bool>,
}

/// Why a file is no plugin.
enum Unfit {
    /// The version, `name@version`, was removed.
    Removed(String),
    /// Something is wrong.
    Wrong {
        /// A sentence.
        why: String,
        /// Whether it may be otherwise in a moment, though the file stays as it is.
        passes: bool,
    },
}

impl Watched {
    /// Begins to look at a folder. Blocks for a moment.
    pub(crate) fn new(path: &Path) -> io::Result<Watched> {
        let folder = Folder::watch(path, "wasm", SIGNATURE_EXTENSION).map_err(|error| {
            let why = format!("the folder {} cannot be watched: {error}", path.display());
            io::Error::new(error.kind(), why)
        })?;
        Ok(Watched {
            path: folder.path().to_owned(),
            files: Mutex::default(),
            left_alone: folder.left_alone(),
            folder: Mutex::new(Some(folder)),
            looked: watch::channel(false).0,
        })
    }

    /// Which of these files lie in the folder. One of which that cannot be told just now does.
    async fn there(&self, names: Vec<String>) -> HashSet<String> {
        let path = self.path.clone();
        let look = move || {
            let is_there = |name: &String| path.join(name).try_exists().unwrap_or(true);
            names.into_iter().filter(is_there).collect()
        };
        // An error says that looking panicked; then nothing is known to be there.
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.keys().cloned().collect()
    }

    async fn note(&self, looked_at: WatchedFile) {
        if self.names().len() >= MOST_FILES {
            let there = self.there(self.names()).await;
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.retain(|file, _| there.contains(file));
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() < MOST_FILES || files.contains_key(&looked_at.file) {
            files.insert(looked_at.file.clone(), looked_at);
        }
    }
}

impl Host {
    /// The watched folder, where there is one.
    pub async fn watched(&self) -> Option<WatchedFolder> {
        let watched = self.inner.sources.watched.as_ref()?;
        let there = watched.there(watched.names()).await;
        let files = watched.files.lock().unwrap_or_else(PoisonError::into_inner);
        let files = files.values().filter(|file| there.contains(&file.file));
        let table = self.inner.shelf.table();
        let now = |file: &WatchedFile| WatchedFile {
            became: file.became.clone().now(&table),
            ..file.clone()
        };
        Some(WatchedFolder {
            path: watched.path.clone(),
            files: files.map(now).collect(),
            left_alone: watched.left_alone.load(Ordering::Relaxed),
        })
    }

    /// Waits until all files have been looked at that were in the watched folder when the host started; no
    /// longer than some seconds for a folder that cannot be read.
    pub async fn first_look(&self) {
        if let Some(watched) = &self.inner.sources.watched {
            let mut looked = watched.looked.subscribe();
            // An error says that there is nobody left to look.
            let _ = looked.wait_for(|looked| *looked).await;
        }
    }

    /// Begins to watch, where a folder is given. Ends with the host.
    pub(crate) fn watch_plugins(&self) {
        let folder = self.inner.sources.watched.as_ref().and_then(|watched| {
            let mut folder = watched
                .folder
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            folder.take()
        });
        if let Some(folder) = folder {
            let watching = Watching {
                host: Arc::downgrade(&self.inner),
                retries: Retries::default(),
                forgets: false,
            };
            tokio::spawn(watching.run(self.inner.messages.clone(), folder));
        }
    }

    async fn add_watched(&self, path: &Path, file: &str, at_start: bool) -> Result<String, Unfit> {
        let max_bytes = self.inner.engine.bounds().max_bytes;
        let found = read_component(path, max_bytes).await;
        let found = found.map_err(|unreadable| Unfit::Wrong {
            why: unreadable.why,
            passes: unreadable.passes,
        })?;
        let (found, named, digest) = identify(found, file).await?;
        let shelf = &self.inner.shelf;
        if let Some(version) = &named.version
            && at_start
            && shelf.was_dropped(&digest, version)
            && !self.has_version(version, &digest)
        {
            // It may have another name now, under which it is known at the next start.
            shelf.note_dropped(&digest, version, file).await?;
            return Err(Unfit::Removed(version.clone()));
        }
        let new = NewPlugin {
            name: named.given.as_ref().map(|(name, _)| name.clone()),
            version: named.given.map(|(_, version)| version),
            ..NewPlugin::default()
        };
        let new = found.into_new(new, Origin::Watched(file.to_owned()));
        let added = self.add_plugin(new).await?.plugin;
        let version = format!("{}@{}", added.name, added.version);
        shelf.note_dropped(&digest, &version, file).await?;
        Ok(version)
    }

    /// Whether there is a version, `name@version`, with this digest.
    fn has_version(&self, version: &str, digest: &str) -> bool {
        let table = self.inner.shelf.table();
        let known = table.get(&PluginRef::parse(version));
        known.is_some_and(|known| known.digest == digest)
    }

    /// Forgets what the folder has brought in and does not hold any more. Whether that is stored.
    async fn forget_gone(&self, watched: &Watched) -> bool {
        let shelf = &self.inner.shelf;
        let there = watched.there(shelf.dropped_files()).await;
        let forgotten = shelf.forget_dropped(|file| !there.contains(file)).await;
        if let Err(error) = &forgotten {
            // It is tried again when there is more.
            tracing::debug!(%error, "gone files of the watched folder are still remembered");
        }
        forgotten.is_ok()
    }
}

impl Became {
    /// What it is now: what was a plugin may have been removed since.
    fn now(self, table: &Plugins) -> Became {
        match self {
            Became::Plugin(version) if table.get(&PluginRef::parse(&version)).is_none() => {
                Became::Removed(version)
            }
            // It was installed in another way meanwhile.
            Became::Removed(version) if table.get(&PluginRef::parse(&version)).is_some() => {
                Became::Plugin(version)
            }
            other => other,
        }
    }
}

/// What a file of the folder says it is.
struct Named {
    /// `name@version`, where that can be told.
    version: Option<String>,
    /// By the file's name, where there is no manifest.
    given: Option<(String, String)>,
}

/// Finds out which version a component is, and its digest.
async fn identify(found: Found, file: &str) -> Result<(Found, Named, String), Unfit> {
    let file = file.to_owned();
    let identify = move || {
        let named = named(&found.component, &file).map_err(Unfit::for_good)?;
        let digest = digest_of(&found.component);
        Ok((found, named, digest))
    };
    let identified = tokio::task::spawn_blocking(identify).await;
    identified.unwrap_or_else(|error| Err(Unfit::for_good(error.to_string())))
}

fn named(component: &[u8], file: &str) -> Result<Named, String> {
    let section = adjutant_component::custom_section(component, MANIFEST_SECTION);
    let in_manifest = match &section {
        Ok(Some(section)) => Manifest::parse(section).ok(),
        _ => None,
    };
    // What is wrong with it otherwise is told when it is registered.
    let given = match file.trim_end_matches(".wasm").split_once('@') {
        _ if !matches!(section, Ok(None)) => None,
        Some((name, version)) => Some((name.to_owned(), version.to_owned())),
        None if component.starts_with(b"\0asm") => {
            return Err(format!(
                "{file} has no manifest that says its name and version: give it one, or call the file \
                 NAME@VERSION.wasm"
            ));
        }
        None => None,
    };
    let both = in_manifest.map(|manifest| (manifest.name, manifest.version));
    let version = both.as_ref().or(given.as_ref());
    Ok(Named {
        version: version.map(|(name, version)| format!("{name}@{version}")),
        given,
    })
}

/// The task that watches.
struct Watching {
    host: Weak<Inner>,
    retries: Retries,
    /// Whether files that have gone are still to be forgotten. That waits for those that are looked at
    /// again: one of them may be a gone one under another name.
    forgets: bool,
}

impl Watching {
    async fn run(mut self, messages: mpsc::Sender<crate::event_loop::Msg>, mut folder: Folder) {
        let present = tokio::select! {
            present = present(&mut folder, || self.tell_looked()) => present,
            () = messages.closed() => return,
        };
        for path in present {
            self.look(&path, true).await;
        }
        self.forgets = true;
        self.forget_gone().await;
        self.tell_looked();
        loop {
            let again = self.retries.next();
            let due = again.as_ref().map(|again| again.at);
            tokio::select! {
                path = folder.next() => {
                    // It is another one now.
                    self.retries.forget(&path);
                    self.look(&path, false).await;
                }
                () = until(due) => {
                    if let Some(again) = again {
                        self.look(&again.path, again.at_start).await;
                    }
                }
                () = messages.closed() => return,
            }
        }
    }

    async fn look(&mut self, path: &Path, at_start: bool) {
        let Some(inner) = self.host.upgrade() else {
            return;
        };
        let host = Host::of(inner.clone());
        let (Some(watched), Some(name)) = (&inner.sources.watched, path.file_name()) else {
            return;
        };
        let file = name.to_string_lossy().into_owned();
        let result = host.add_watched(path, &file, at_start).await;
        let became = self.became(path, result, at_start);
        match &became {
            Became::Plugin(plugin) => {
                tracing::info!(file, plugin, "a file of the watched folder is a plugin");
            }
            Became::Removed(plugin) => tracing::warn!(
                file,
                plugin,
                "a file of the watched folder is a version that was removed, and does not bring it back: \
                 copy the file here once more, or install it, to have it again"
            ),
            Became::Refused(why) => {
                tracing::warn!(file, why, "a file of the watched folder changes nothing");
            }
        }
        let looked_at = WatchedFile {
            file,
            at: inner.clock.now(),
            became,
        };
        watched.note(looked_at).await;
        self.forget_gone().await;
    }

    /// Forgets what has gone, where it is time to.
    async fn forget_gone(&mut self) {
        let Some(inner) = self.host.upgrade() else {
            return;
        };
        let is_time = self.forgets && self.retries.is_empty();
        let are_many = inner.shelf.count_dropped() > 2 * MOST_FILES;
        if let Some(watched) = &inner.sources.watched
            && (is_time || are_many)
            && Host::of(inner.clone()).forget_gone(watched).await
        {
            self.forgets = false;
        }
    }

    /// Lets go of those who wait for the first look.
    fn tell_looked(&self) {
        if let Some(inner) = self.host.upgrade()
            && let Some(watched) = &inner.sources.watched
        {
            watched.looked.send_replace(true);
        }
    }

    /// What a file is. One that may be otherwise in a moment is looked at again then.
    fn became(&mut self, path: &Path, found: Result<String, Unfit>, at_start: bool) -> Became {
        let became = match found {
            Ok(version) => Became::Plugin(version),
            Err(Unfit::Removed(version)) => Became::Removed(version),
            Err(Unfit::Wrong { why, passes: false }) => Became::Refused(why),
            Err(Unfit::Wrong { why, passes: true }) => return self.again(path, &why, at_start),
        };
        self.retries.forget(path);
        became
    }

    /// Why a file is no plugin at the moment, and when it is looked at again.
    fn again(&mut self, path: &Path, why: &str, at_start: bool) -> Became {
        Became::Refused(match self.retries.failed(path, at_start, Instant::now()) {
            Some(pause) => format!("{why}; the host looks again in {} s", pause.as_secs()),
            None => format!(
                "{why}; the host has looked {MOST_TRIES} times and does so no more until the file changes \
                 or the host starts again"
            ),
        })
    }
}

/// The files that the folder holds, as soon as it can be read. Says when nobody should wait for that any
/// longer.
async fn present(folder: &mut Folder, late: impl Fn()) -> Vec<PathBuf> {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let error = match folder.present().await {
            Ok(files) => return files,
            Err(error) => error,
        };
        tracing::warn!(path = %folder.path().display(), %error, next_look_in = ?pause,
            "the watched folder cannot be read");
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
        if begun.elapsed() >= PATIENCE {
            late();
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Unfit {
    fn for_good(why: String) -> Unfit {
        Unfit::Wrong { why, passes: false }
    }
}

impl From<HostError> for Unfit {
    fn from(error: HostError) -> Unfit {
        let passes = match &error {
            HostError::Busy { .. } | HostError::Full { .. } | HostError::Unavailable(_) => true,
            HostError::Refused(refusal) => matches!(refusal, Refusal::Busy(_)),
            HostError::Plugin(_) => false,
        };
        Unfit::Wrong {
            why: error.to_string(),
            passes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let text = || "x".to_owned();
        let passing = [
            HostError::Unavailable(text()),
            HostError::Refused(Refusal::Busy(text())),
            HostError::Full {
                what: text(),
                retry_after_s: 1,
            },
            HostError::Busy {
                what: text(),
                retry_after_s: 1,
            },
        ];
        let passes =
            |error: HostError| matches!(Unfit::from(error), Unfit::Wrong { passes: true, .. });
        assert!(passing.into_iter().all(passes));
        let staying = [
            HostError::Plugin(text()),
            HostError::Refused(Refusal::Conflict(text())),
        ];
        assert!(!staying.into_iter().any(passes));
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_cannot_be_read_at_the_start_is_read_as_soon_as_it_can() {
        let root = tempfile::tempdir().expect("a folder");
        let (path, away) = (root.path().join("watched"), root.path().join("away"));
        std::fs::create_dir(&path).expect("made");
        let file = path.canonicalize().expect("it is there").join("a.wasm");
        std::fs::write(&file, "1").expect("written");
        let mut folder = Folder::watch(&path, "wasm", "minisig").expect("it is there");
        std::fs::rename(&path, &away).expect("moved");
        let begun = Instant::now();
        let late = Mutex::new(None);
        let found = present(&mut folder, || {
            let mut late = late.lock().expect("no panic");
            if late.is_none() {
                *late = Some(begun.elapsed());
                std::fs::rename(&away, &path).expect("moved back");
            }
        });
        assert_eq!(found.await, [file], "as of the start");
        assert_eq!(*late.lock().expect("no panic"), Some(PATIENCE));
    }

    #[test]
    fn a_file_says_what_it_is_by_its_name_where_it_has_no_manifest() {
        let bare = b"\0asm\x0d\0\x01\0";
        let named_so = named(bare, "lead@0.1.0.wasm").expect("named");
        assert_eq!(named_so.version.as_deref(), Some("lead@0.1.0"));
        let error = named(bare, "lead.wasm").err().expect("no name");
        assert!(error.contains("NAME@VERSION.wasm"), "{error}");
        let no_wasm = named(b"PK\x03\x04", "bad.wasm").expect("told later");
        assert!(no_wasm.version.is_none() && no_wasm.given.is_none());
    }
}
