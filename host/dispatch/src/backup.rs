//! Backups of a running host: the store at one moment, and all components.
//!
//! Components never change, are kept before the record that names them, and none is removed while a backup
//! is there: so those that are there after the store's moment include all that it names. Worktrees are not
//! in a backup.
//!
//! Invariants: one backup at a time; its snapshot is gone when the backup is dropped.

use crate::host::{Host, HostError, Result};
use adjutant_store::backup::{Archive, BackupError};
use adjutant_store::{EngineError, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::{OwnedRwLockReadGuard, OwnedSemaphorePermit};
use uuid::Uuid;

/// How the files of snapshots begin and end, in the components' folder.
const SNAPSHOT: (&str, &str) = ("backup-", ".snapshot");

/// A backup that is ready to be written somewhere.
pub struct Backup {
    archive: Archive,
    // Dropped in this order: the file is gone before another one is made.
    _snapshot: Snapshot,
    _files: OwnedRwLockReadGuard<()>,
    _turn: OwnedSemaphorePermit,
}

/// A snapshot's file, for as long as it is needed.
struct Snapshot(PathBuf);

impl Drop for Snapshot {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.0.display(), %error, "a backup's snapshot is left");
            }
            _ => {}
        }
    }
}

impl Backup {
    /// Bytes of the whole.
    pub fn size(&self) -> u64 {
        self.archive.size()
    }

    /// The moment that it shows, in Unix milliseconds.
    pub fn made_at(&self) -> u64 {
        self.archive.manifest().made_at
    }

    /// Writes it. Blocks the calling thread.
    pub fn write(&self, out: impl io::Write) -> io::Result<()> {
        self.archive.write(out)
    }
}

impl Host {
    /// Makes a backup of this moment. The host goes on meanwhile; a second backup is refused as busy.
    pub async fn backup(&self) -> Result<Backup> {
        // In a task of its own: whoever asked may leave in the middle, and what is being written then
        // can neither be stopped nor removed before it is whole.
        let host = self.clone();
        let made = tokio::spawn(async move { host.make_backup().await });
        made.await.map_err(|error| broke(&error))?
    }

    async fn make_backup(&self) -> Result<Backup> {
        let turn = self.inner.backups.clone().try_acquire_owned();
        let turn = turn.map_err(|_| HostError::Busy {
            what: "a backup is being made already".to_owned(),
            retry_after_s: 5,
        })?;
        let files = self.inner.shelf.hold_files().await;
        let folder = self.inner.shelf.folder().to_owned();
        let name = format!("{}{}{}", SNAPSHOT.0, Uuid::now_v7(), SNAPSHOT.1);
        let snapshot = Snapshot(folder.join(name));
        let made_at = self.inner.clock.now();
        let taken = self.inner.store.snapshot(snapshot.0.clone()).await;
        taken.map_err(not_taken)?;
        let path = snapshot.0.clone();
        let gather = move || {
            let made_by = format!("adjutant {}", env!("CARGO_PKG_VERSION"));
            Archive::gather(&path, &folder, made_by, made_at)
        };
        let gathered = tokio::task::spawn_blocking(gather).await;
        let archive = gathered.map_err(|error| broke(&error))?;
        Ok(Backup {
            archive: archive.map_err(|error: BackupError| broke(&error))?,
            _snapshot: snapshot,
            _files: files,
            _turn: turn,
        })
    }
}

/// Removes snapshots that a host which died has left.
pub(crate) fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(SNAPSHOT.0) && name.ends_with(SNAPSHOT.1) {
            drop(Snapshot(entry.path()));
        }
    }
}

fn not_taken(error: StoreError) -> HostError {
    match error {
        StoreError::Engine(error @ EngineError::Full { .. }) => HostError::Full {
            what: error.to_string(),
            retry_after_s: 5,
        },
        error => broke(&error),
    }
}

fn broke(error: &dyn std::error::Error) -> HostError {
    HostError::Unavailable(format!("no backup could be made: {error}"))
}
