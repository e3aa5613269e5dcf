//! The watched folder: a component that is dropped into it is registered when it is whole.
//!
//! Invariants:
//! - A file that cannot be used changes nothing; why it cannot stands in the log and in
//!   [`Host::watched`] until the file changes.
//! - A file that goes takes nothing with it.

use crate::host::{Host, Inner};
use crate::plugins::NewPlugin;
use crate::sources::{SIGNATURE_EXTENSION, read_component};
use adjutant_connect::{Folder, MOST_FILES};
use adjutant_model::{MANIFEST_SECTION, Origin, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{mpsc, watch};

/// What has become of the folder's files.
#[derive(Clone, Debug)]
pub struct WatchedFolder {
    /// Where it is.
    pub path: PathBuf,
    /// The files that are there and were looked at, by name.
    pub files: Vec<WatchedFile>,
}

/// What has become of a file.
#[derive(Clone, Debug)]
pub struct WatchedFile {
    /// Its name.
    pub file: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// The plugin that it is, as `name@version`; or why it is none, as a sentence.
    pub result: Result<String, String>,
}

/// What the host keeps of it.
pub(crate) struct Watched {
    path: PathBuf,
    files: Mutex<BTreeMap<String, WatchedFile>>,
    /// Taken by the task that watches.
    folder: Mutex<Option<Folder>>,
    /// Whether what was there at the start has been looked at.
    looked: watch::Sender<bool>,
}

impl Watched {
    pub(crate) fn new(path: &Path) -> io::Result<Watched> {
        let folder = Folder::watch(path, "wasm", SIGNATURE_EXTENSION).map_err(|error| {
            let why = format!("the folder {} cannot be watched: {error}", path.display());
            io::Error::new(error.kind(), why)
        })?;
        Ok(Watched {
            path: folder.path().to_owned(),
            files: Mutex::default(),
            folder: Mutex::new(Some(folder)),
            looked: watch::channel(false).0,
        })
    }

    fn note(&self, looked_at: WatchedFile) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file, _| self.path.join(file).exists());
        if files.len() < MOST_FILES {
            files.insert(looked_at.file.clone(), looked_at);
        }
    }
}

impl Host {
    /// The watched folder, where there is one.
    pub fn watched(&self) -> Option<WatchedFolder> {
        let watched = self.inner.sources.watched.as_ref()?;
        let files = watched.files.lock().unwrap_or_else(PoisonError::into_inner);
        let there = |file: &&WatchedFile| watched.path.join(&file.file).exists();
        Some(WatchedFolder {
            path: watched.path.clone(),
            files: files.values().filter(there).cloned().collect(),
        })
    }

    /// Waits until all files have been looked at that were in the watched folder when the host started.
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
            let host = Arc::downgrade(&self.inner);
            tokio::spawn(watch_folder(host, self.inner.messages.clone(), folder));
        }
    }

    async fn look_at(&self, watched: &Watched, path: &Path) {
        let file = match path.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => return,
        };
        let result = self.add_watched(path, &file).await;
        match &result {
            Ok(plugin) => tracing::info!(file, plugin, "a file of the watched folder is a plugin"),
            Err(why) => tracing::warn!(file, why, "a file of the watched folder changes nothing"),
        }
        watched.note(WatchedFile {
            file,
            at: self.inner.clock.now(),
            result,
        });
    }

    async fn add_watched(&self, path: &Path, file: &str) -> Result<String, String> {
        let found = read_component(path, self.inner.engine.bounds().max_bytes).await?;
        let section = adjutant_component::custom_section(&found.component, MANIFEST_SECTION);
        // What is wrong with it otherwise is told below.
        let has_manifest = !matches!(section, Ok(None));
        let named = match file.trim_end_matches(".wasm").split_once('@') {
            _ if has_manifest => None,
            Some((name, version)) => Some((name.to_owned(), version.to_owned())),
            None if section.is_ok() && found.component.starts_with(b"\0asm") => {
                return Err(format!(
                    "{file} has no manifest that says its name and version: give it one, or call the \
                     file NAME@VERSION.wasm"
                ));
            }
            None => None,
        };
        let (name, version) = named.unzip();
        let new = NewPlugin {
            name,
            version,
            ..NewPlugin::default()
        };
        let new = found.into_new(new, Origin::Watched(file.to_owned()));
        let added = self.add_plugin(new).await;
        let added = added.map_err(|error| error.to_string())?;
        Ok(format!("{}@{}", added.name, added.version))
    }
}

async fn watch_folder(
    host: Weak<Inner>,
    messages: mpsc::Sender<crate::event_loop::Msg>,
    mut folder: Folder,
) {
    for path in folder.present() {
        look(&host, &path).await;
    }
    if let Some(inner) = host.upgrade()
        && let Some(watched) = &inner.sources.watched
    {
        watched.looked.send_replace(true);
    }
    loop {
        let path = tokio::select! {
            path = folder.next() => path,
            () = messages.closed() => return,
        };
        look(&host, &path).await;
    }
}

async fn look(host: &Weak<Inner>, path: &Path) {
    let Some(inner) = host.upgrade() else {
        return;
    };
    let host = Host::of(inner.clone());
    if let Some(watched) = &inner.sources.watched {
        host.look_at(watched, path).await;
    }
}
