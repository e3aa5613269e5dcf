//! A folder that people drop files into.
//!
//! Invariants:
//! - A file is handed out when it has stayed the same for a moment, and again each time that it has
//!   changed and settled again. So one that is copied slowly is at worst handed out too early, and
//!   then once more.
//! - Nothing is missed for good: what the system tells only makes the next look come sooner.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How long a file must have stayed the same.
const SETTLED: Duration = Duration::from_millis(300);
/// How often the folder is looked at where the system tells of no change, as on some network disks.
const LOOK: Duration = Duration::from_secs(10);
/// Files that are looked at; more are left alone.
pub const MOST_FILES: usize = 1_000;

/// A folder whose files of one kind are handed out as they come.
pub struct Folder {
    path: PathBuf,
    extension: &'static str,
    /// A file beside each that belongs to it: its name with this extension added.
    beside: &'static str,
    changed: mpsc::Receiver<()>,
    /// Stops telling when it is dropped. None where the system cannot tell.
    _watcher: Option<RecommendedWatcher>,
    seen: HashMap<PathBuf, Seen>,
    /// The first look comes at once.
    looked: bool,
}

/// What a file looked like, and what the one beside it did.
type Look = [Option<(u64, SystemTime)>; 2];

#[derive(Clone, Copy)]
struct Seen {
    last: Look,
    handed_out: Option<Look>,
}

impl Folder {
    /// Watches the files of a folder that end in `.extension`, each with the one beside it that ends in
    /// `.extension.beside`.
    ///
    /// # Errors
    /// Where there is no such folder.
    pub fn watch(path: &Path, extension: &'static str, beside: &'static str) -> io::Result<Folder> {
        let path = path.canonicalize()?;
        std::fs::read_dir(&path)?;
        // One note is as good as many.
        let (tell, changed) = mpsc::channel(1);
        let told = move |_| {
            let _ = tell.try_send(());
        };
        let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(&path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, every = ?LOOK,
                    "the system does not tell of changes in this folder; it is looked at now and then");
            })
            .ok();
        Ok(Folder {
            path,
            extension,
            beside,
            changed,
            _watcher: watcher,
            seen: HashMap::new(),
            looked: false,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files that are there now, as they are.
    pub fn present(&mut self) -> Vec<PathBuf> {
        let mut files: Vec<_> = self.files().unwrap_or_default().into_iter().collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (path, look) in &files {
            let seen = Seen {
                last: *look,
                handed_out: Some(*look),
            };
            self.seen.insert(path.clone(), seen);
        }
        files.into_iter().map(|(path, _)| path).collect()
    }

    /// Waits for the next file that is new or changed, and has settled. Can be dropped at any time.
    pub async fn next(&mut self) -> PathBuf {
        loop {
            if self.looked {
                let settling = self
                    .seen
                    .values()
                    .any(|seen| seen.handed_out != Some(seen.last));
                let pause = if settling { SETTLED } else { LOOK };
                if settling {
                    tokio::time::sleep(pause).await;
                } else {
                    // Where nobody tells, time does.
                    let _ = tokio::time::timeout(pause, told(&mut self.changed)).await;
                }
            }
            self.looked = true;
            if let Some(path) = self.look() {
                // There may be more that have settled.
                self.looked = false;
                return path;
            }
        }
    }

    /// Looks at all files; gives back one that is the same as at the last look.
    fn look(&mut self) -> Option<PathBuf> {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the folder cannot be read");
                return None;
            }
        };
        self.seen.retain(|path, _| files.contains_key(path));
        let mut settled = None;
        for (path, look) in files {
            let seen = self.seen.entry(path.clone()).or_insert(Seen {
                last: [None; 2],
                handed_out: None,
            });
            let same = seen.last == look;
            if same && settled.is_none() && seen.handed_out != Some(look) {
                seen.handed_out = Some(look);
                settled = Some(path);
            } else {
                seen.last = look;
            }
        }
        settled
    }

    fn files(&self) -> io::Result<HashMap<PathBuf, Look>> {
        let mut files = HashMap::new();
        for entry in std::fs::read_dir(&self.path)?.flatten().take(MOST_FILES) {
            let path = entry.path();
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if hidden || path.extension().is_none_or(|found| found != self.extension) {
                continue;
            }
            let Some(of_file) = look(&path) else {
                continue;
            };
            let mut beside = path.clone().into_os_string();
            beside.push(".");
            beside.push(self.beside);
            files.insert(path, [Some(of_file), look(Path::new(&beside))]);
        }
        Ok(files)
    }
}

async fn told(changed: &mut mpsc::Receiver<()>) {
    if changed.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

fn look(path: &Path) -> Option<(u64, SystemTime)> {
    let found = std::fs::metadata(path).ok()?;
    let changed = found.modified().ok()?;
    found.is_file().then_some((found.len(), changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::watch(root.path(), "wasm", "minisig").expect("it is there");
        (root, folder)
    }

    #[tokio::test]
    async fn files_are_handed_out_once_and_again_when_they_change() {
        let (root, mut folder) = folder();
        let at = |name: &str| folder_path(root.path()).join(name);
        std::fs::write(at("before.wasm"), "1").expect("written");
        assert_eq!(folder.present(), [at("before.wasm")]);
        std::fs::write(at("early.wasm"), "1").expect("written");
        assert_eq!(folder.next().await, at("early.wasm"));
        for other in ["notes.txt", ".hidden.wasm", "x.wasm.part", "wasm"] {
            std::fs::write(at(other), "1").expect("written");
        }
        std::fs::create_dir(at("folder.wasm")).expect("made");
        std::fs::write(at("late.wasm"), "1").expect("written");
        assert_eq!(folder.next().await, at("late.wasm"));
        std::fs::write(at("early.wasm"), "22").expect("written");
        assert_eq!(folder.next().await, at("early.wasm"));
        // What belongs to a file changes it.
        std::fs::write(at("late.wasm.minisig"), "signed").expect("written");
        assert_eq!(folder.next().await, at("late.wasm"));
        std::fs::remove_file(at("late.wasm")).expect("removed");
        std::fs::write(at("early.wasm"), "333").expect("written");
        assert_eq!(
            folder.next().await,
            at("early.wasm"),
            "a removed one is nothing new"
        );
    }

    #[tokio::test]
    async fn a_file_that_grows_is_not_handed_out_while_it_does() {
        let (root, mut folder) = folder();
        let path = folder_path(root.path()).join("slow.wasm");
        let mut text = String::from("1");
        std::fs::write(&path, &text).expect("written");
        // Each look finds more than the one before.
        for _ in 0..3 {
            assert_eq!(folder.look(), None);
            text.push('1');
            std::fs::write(&path, &text).expect("written");
        }
        assert_eq!(folder.look(), None);
        assert_eq!(folder.look(), Some(path));
        assert_eq!(folder.look(), None);
    }

    #[test]
    fn no_folder_is_an_error() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(Folder::watch(&root.path().join("none"), "wasm", "minisig").is_err());
    }

    fn folder_path(path: &Path) -> PathBuf {
        path.canonicalize().expect("it is there")
    }
}
