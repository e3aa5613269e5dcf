//! Where private hosts keep their data.
//!
//! Invariants:
//! - A folder belongs to the process that holds its lock; a folder in use is never removed.
//! - What a crash left behind is removed by a later run, a week after.

use crate::exit::{Error, Result};
use etcetera::BaseStrategy as _;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// How long what a crash left behind is kept.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The lock's name, in a folder.
const LOCK: &str = "ask.lock";
/// The most folders that are looked at in one sweep.
const MOST_SWEPT: usize = 1_000;

/// A private host's folder, locked.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Where everything of this user's is kept.
pub(crate) fn home() -> Result<PathBuf> {
    let named = std::env::var_os("ADJUTANT_DATA").filter(|named| !named.is_empty());
    let home = match named {
        Some(named) => std::path::absolute(named).ok(),
        None => etcetera::choose_base_strategy()
            .ok()
            .map(|dirs| dirs.data_dir()),
    };
    home.map(|home| home.join("adjutant")).ok_or_else(|| {
        Error::Failed(
            "there is no folder for this user's data; name one in ADJUTANT_DATA".to_owned(),
        )
    })
}

impl Folder {
    /// Makes and locks a new folder below `asks`, and removes what is old there.
    pub(crate) fn make(asks: &Path, now: SystemTime) -> Result<Folder> {
        sweep(asks, now);
        let path = asks.join(Uuid::now_v7().to_string());
        let made = private(&path).and_then(|()| {
            let lock = File::create(path.join(LOCK))?;
            lock.lock()?;
            Ok(lock)
        });
        match made {
            Ok(lock) => Ok(Folder { path, _lock: lock }),
            Err(error) => Err(Error::Failed(format!(
                "{} cannot be made: {error}; name another place in ADJUTANT_DATA",
                path.display()
            ))),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all in it.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes folders that nobody holds and that are old. What fails is left for the next time.
fn sweep(asks: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(asks) else {
        return;
    };
    for entry in entries.flatten().take(MOST_SWEPT) {
        let path = entry.path();
        let ours = entry.file_type().is_ok_and(|kind| kind.is_dir())
            && entry
                .file_name()
                .to_str()
                .is_some_and(|name| Uuid::try_parse(name).is_ok());
        if ours && is_old(&path, now) && is_free(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_old(path: &Path, now: SystemTime) -> bool {
    fs::metadata(path)
        .and_then(|data| data.modified())
        .is_ok_and(|changed| now.duration_since(changed).unwrap_or_default() > KEPT_FOR)
}

fn is_free(path: &Path) -> bool {
    match File::open(path.join(LOCK)) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_folders_that_nobody_holds_are_swept() {
        let root = tempfile::tempdir().expect("a folder");
        let asks = root.path().join("asks");
        let now = SystemTime::now();
        let crashed = Folder::make(&asks, now).expect("a folder");
        fs::write(crashed.path().join("data"), "x").expect("written");
        let path = crashed.path().to_owned();
        // What is left when its process is gone.
        drop(crashed);
        let crashed = path;
        let held = Folder::make(&asks, now).expect("a folder");
        let other = asks.join("mine");
        fs::create_dir(&other).expect("made");

        let soon = now + KEPT_FOR - Duration::from_secs(60);
        let next = Folder::make(&asks, soon).expect("a folder");
        assert!(crashed.exists(), "it is not old yet");

        let late = now + KEPT_FOR + Duration::from_secs(60);
        Folder::make(&asks, late).expect("a folder");
        assert!(!crashed.exists(), "old and free");
        assert!(held.path().exists() && next.path().exists(), "held");
        assert!(other.exists(), "not ours");

        let path = held.path().to_owned();
        held.remove().expect("removed");
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_is_for_its_user_only() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::make(&root.path().join("asks"), SystemTime::now()).expect("made");
        let mode = fs::metadata(folder.path())
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
