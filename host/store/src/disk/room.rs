//! Free space: the floor below which work is refused, and the ballast.
//!
//! On a full disk redb cannot commit anything, not even a delete. The floor refuses work before
//! that. The ballast is for when something else filled the disk: giving it up makes the room that
//! opening the database needs.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::RedbOptions;
use super::opening::Opening;
use crate::error::Shortage;

/// The ballast's file in the store's folder.
const BALLAST: &str = "ballast";

/// One folder's free space.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
    floor: u64,
    ballast: u64,
    /// The ballast was given up and is to be made again when there is room.
    given_up: AtomicBool,
}

impl Room {
    pub(super) fn new(folder: PathBuf, options: &RedbOptions) -> Room {
        let (floor, ballast) = (options.floor_bytes, options.ballast_bytes);
        Room {
            folder,
            floor,
            ballast,
            given_up: AtomicBool::new(false),
        }
    }

    /// Whether the free space is above the floor. If the file system does not say, it is.
    pub(super) fn check(&self) -> Result<(), Shortage> {
        if self.floor == 0 {
            return Ok(());
        }
        match self.free() {
            Some(free) if free < self.floor => Err(Shortage::Disk {
                path: self.folder.clone(),
                free,
                floor: self.floor,
            }),
            _ => {
                if self.given_up.load(Ordering::Relaxed) {
                    self.restore_ballast();
                }
                Ok(())
            }
        }
    }

    /// Whether so many bytes more would leave the free space above the floor.
    pub(super) fn check_for(&self, bytes: u64) -> Result<(), Shortage> {
        match self.free() {
            Some(free) if free < self.floor.saturating_add(bytes) => Err(Shortage::Disk {
                path: self.folder.clone(),
                free,
                floor: self.floor,
            }),
            _ => Ok(()),
        }
    }

    /// Makes the ballast file if it is missing or of another size, and if there is room for it.
    pub(super) fn restore_ballast(&self) {
        let path = self.folder.join(BALLAST);
        if self.ballast == 0 {
            return;
        }
        let size = path.metadata().map(|meta| meta.len()).ok();
        if size == Some(self.ballast) {
            return;
        }
        let needed = self.floor.saturating_add(self.ballast.saturating_mul(2));
        if self.free().is_some_and(|free| free < needed) {
            self.given_up.store(true, Ordering::Relaxed);
            return;
        }
        match fill(&path, self.ballast) {
            Ok(()) => self.given_up.store(false, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no space could be held back");
                self.give_up_ballast();
                // Not asked for again: what failed now would fail for every group.
                self.given_up.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Removes the ballast file, for the database to be opened.
    pub(super) fn give_up_ballast(&self) {
        let path = self.folder.join(BALLAST);
        match std::fs::remove_file(&path) {
            Ok(()) => {
                tracing::warn!(path = %path.display(), "the disk is full: gave up the ballast");
                self.given_up.store(true, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), %error, "the ballast stays"),
        }
    }

    fn free(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.folder).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Makes a file that really takes `size` bytes: zeros are written where the file system cannot
/// reserve.
fn fill(path: &Path, size: u64) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size).is_ok() {
        return Ok(());
    }
    let chunk = vec![0; 64 * 1024];
    let mut left = size;
    while left > 0 {
        let part = left.min(chunk.len() as u64);
        file.write_all(&chunk[..usize::try_from(part).unwrap_or(chunk.len())])?;
        left -= part;
    }
    Ok(())
}

/// Brings memory and disk to agree before the database is opened. After a failed fsync the
/// system's page cache may hold bytes that never reached the disk but count as written: whatever
/// can be is written out, and the rest is dropped, so that what is read next is on the disk.
pub(super) fn settle_cache(path: &Path) -> Result<(), Opening> {
    let file = File::open(path)?;
    file.sync_all()?;
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(%error, "the file's cached pages could not be dropped");
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn room(folder: &Path, floor_bytes: u64) -> Room {
        let options = RedbOptions {
            floor_bytes,
            ballast_bytes: 100_000,
            ..Default::default()
        };
        Room::new(folder.to_owned(), &options)
    }

    #[test]
    fn the_ballast_is_made_given_up_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(BALLAST);
        let room = room(folder.path(), 1);
        room.restore_ballast();
        assert_eq!(path.metadata().unwrap().len(), 100_000);
        room.give_up_ballast();
        assert!(!path.exists());
        room.check().unwrap();
        assert_eq!(path.metadata().unwrap().len(), 100_000);
    }

    #[test]
    fn below_the_floor_the_check_names_folder_and_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let room = room(folder.path(), u64::MAX);
        let Err(Shortage::Disk { path, floor, .. }) = room.check() else {
            panic!("the check passed");
        };
        assert_eq!((path.as_path(), floor), (folder.path(), u64::MAX));
        room.restore_ballast();
        assert!(
            !folder.path().join(BALLAST).exists(),
            "no ballast without room for it"
        );
    }
}
