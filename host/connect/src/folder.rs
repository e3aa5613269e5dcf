//! A folder that people drop files into.
//!
//! Invariants:
//! - A file is handed out when it has stayed the same for a moment, and again each time that it has
//!   changed and settled again. So one that is copied slowly is at worst handed out too early, and
//!   then once more.
//! - Nothing is missed for good: what the system tells only makes the next look come sooner, and a folder
//!   that cannot be read for a while is not taken for an empty one.
//! - No look holds up a thread that others' tasks run on.

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How long a file must have stayed the same.
const SETTLED: Duration = Duration::from_millis(300);
/// How often the folder is looked at where the system tells of no change, as on some network disks.
const LOOK: Duration = Duration::from_secs(10);
/// Files of the kind that are looked at, the first ones by name; more are left alone. What else lies in the
/// folder does not count.
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
    /// Files of the kind that the last look left alone.
    left_alone: Arc<AtomicUsize>,
    /// Whether the last look found that the folder cannot be read.
    unreadable: bool,
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
        let told = move |event| {
            if is_change(&event) {
                let _ = tell.try_send(());
            }
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
            left_alone: Arc::default(),
            unreadable: false,
        })
    }

    /// How many files of the kind the last look left alone, for there are more than [`MOST_FILES`]. It
    /// goes on counting with each look.
    pub fn left_alone(&self) -> Arc<AtomicUsize> {
        self.left_alone.clone()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files that are there now, as they are.
    ///
    /// # Errors
    /// Where the folder cannot be read, or not all of it. Nothing has changed then.
    pub async fn present(&mut self) -> io::Result<Vec<PathBuf>> {
        let files = self.files().await?;
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.seen.clear();
        for (path, look) in &files {
            let seen = Seen {
                last: *look,
                handed_out: Some(*look),
            };
            self.seen.insert(path.clone(), seen);
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// Waits for the next file that is new or changed, and has settled. Can be dropped at any time.
    pub async fn next(&mut self) -> PathBuf {
        loop {
            if self.looked {
                if self.is_settling() {
                    tokio::time::sleep(SETTLED).await;
                } else {
                    // Where nobody tells, time does.
                    let _ = tokio::time::timeout(LOOK, told(&mut self.changed)).await;
                }
            }
            self.looked = true;
            if let Some(path) = self.look().await {
                // There may be more that have settled.
                self.looked = false;
                return path;
            }
        }
    }

    /// Whether the next look is to come soon, for a file may have settled by then. In a folder that cannot
    /// be read none does.
    fn is_settling(&self) -> bool {
        let mut seen = self.seen.values();
        !self.unreadable && seen.any(|seen| seen.handed_out != Some(seen.last))
    }

    /// Looks at all files; gives back one that is the same as at the last look.
    async fn look(&mut self) -> Option<PathBuf> {
        let files = match self.files().await {
            Ok(files) => files,
            Err(error) => {
                // Told once, however often it is looked at meanwhile.
                if !std::mem::replace(&mut self.unreadable, true) {
                    tracing::warn!(path = %self.path.display(), %error, every = ?LOOK,
                        "the folder cannot be read; it is looked at again until it can");
                }
                return None;
            }
        };
        if std::mem::take(&mut self.unreadable) {
            tracing::info!(path = %self.path.display(), "the folder can be read again");
        }
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

    async fn files(&self) -> io::Result<HashMap<PathBuf, Look>> {
        let (path, extension, beside) = (self.path.clone(), self.extension, self.beside);
        let listed = tokio::task::spawn_blocking(move || list(&path, extension, beside)).await;
        let (files, left_alone) = listed.map_err(io::Error::other)??;
        if self.left_alone.swap(left_alone, Ordering::Relaxed) == 0 && left_alone > 0 {
            tracing::warn!(path = %self.path.display(), left_alone, most = MOST_FILES,
                "the folder has more files than are looked at: the last ones by name are left alone");
        }
        Ok(files)
    }
}

/// The files of the kind with what they look like, and how many more there are than are looked at.
fn list(path: &Path, extension: &str, beside: &str) -> io::Result<(HashMap<PathBuf, Look>, usize)> {
    let mut names = BinaryHeap::new();
    let mut left_alone = 0;
    for entry in std::fs::read_dir(path)? {
        // What is left out now would be new later.
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        let kind = Path::new(&name).extension();
        let is_folder = || entry.file_type().is_ok_and(|kind| kind.is_dir());
        if hidden || kind.is_none_or(|found| found != extension) || is_folder() {
            continue;
        }
        names.push(name);
        if names.len() > MOST_FILES {
            names.pop();
            left_alone += 1;
        }
    }
    let files = names.into_iter().filter_map(|name| {
        let path = path.join(name);
        let of_file = look(&path)?;
        let mut belongs = path.clone().into_os_string();
        belongs.push(".");
        belongs.push(beside);
        Some((path, [Some(of_file), look(Path::new(&belongs))]))
    });
    Ok((files.collect(), left_alone))
}

/// Whether something may have changed. Looking at the folder is an event, too, and would lead to the next look.
fn is_change(event: &notify::Result<Event>) -> bool {
    !matches!(event, Ok(event) if event.kind.is_access())
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
        assert_eq!(present(&mut folder).await, [at("before.wasm")]);
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
            assert_eq!(folder.look().await, None);
            text.push('1');
            std::fs::write(&path, &text).expect("written");
        }
        assert_eq!(folder.look().await, None);
        assert_eq!(folder.look().await, Some(path));
        assert_eq!(folder.look().await, None);
    }

    #[tokio::test]
    async fn other_files_do_not_count_and_files_beyond_the_limit_are_told() {
        let (root, mut folder) = folder();
        for number in 0..MOST_FILES + 50 {
            std::fs::write(root.path().join(format!("a{number}.txt")), "").expect("written");
        }
        let last = folder_path(root.path()).join("z.wasm");
        std::fs::write(&last, "1").expect("written");
        let left_alone = folder.left_alone();
        assert_eq!(present(&mut folder).await, std::slice::from_ref(&last));
        assert_eq!(left_alone.load(Ordering::Relaxed), 0);
        for number in 0..MOST_FILES {
            std::fs::write(root.path().join(format!("m{number}.wasm")), "").expect("written");
        }
        let present = present(&mut folder).await;
        assert_eq!(present.len(), MOST_FILES);
        assert!(!present.contains(&last), "the last one by name");
        assert_eq!(left_alone.load(Ordering::Relaxed), 1);
        std::fs::remove_file(root.path().join("m0.wasm")).expect("removed");
        assert_eq!(folder.next().await, last);
        assert_eq!(left_alone.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn looking_is_no_change_so_a_quiet_folder_is_left_in_peace() {
        let (root, mut folder) = folder();
        for number in 0..3 {
            std::fs::write(root.path().join(format!("{number}.wasm")), "1").expect("written");
            // Of that the system tells.
            told(&mut folder.changed).await;
        }
        present(&mut folder).await;
        let quiet = Duration::from_millis(200);
        while tokio::time::timeout(quiet, folder.changed.recv())
            .await
            .is_ok()
        {}
        for _ in 0..3 {
            assert_eq!(folder.look().await, None);
            let event = tokio::time::timeout(quiet, folder.changed.recv()).await;
            assert!(event.is_err(), "nobody has touched it");
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_read_for_a_while_is_not_an_empty_one() {
        let root = tempfile::tempdir().expect("a folder");
        let (path, away) = (root.path().join("watched"), root.path().join("away"));
        std::fs::create_dir(&path).expect("made");
        let mut folder = Folder::watch(&path, "wasm", "minisig").expect("it is there");
        let file = folder_path(&path).join("a.wasm");
        std::fs::write(&file, "1").expect("written");
        std::fs::rename(&path, &away).expect("moved");
        assert!(
            folder.present().await.is_err(),
            "nobody knows what is there"
        );
        std::fs::rename(&away, &path).expect("moved back");
        assert_eq!(present(&mut folder).await, std::slice::from_ref(&file));

        // A file that settles does not make it be looked at, and told of, again and again.
        std::fs::write(&file, "22").expect("written");
        assert_eq!(folder.look().await, None);
        assert!(folder.is_settling());
        std::fs::rename(&path, &away).expect("moved");
        assert_eq!(folder.look().await, None);
        assert!(folder.unreadable && !folder.is_settling());
        std::fs::rename(&away, &path).expect("moved back");
        assert_eq!(folder.look().await, Some(file));
        assert!(!folder.unreadable);
    }

    #[test]
    fn no_folder_is_an_error() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(Folder::watch(&root.path().join("none"), "wasm", "minisig").is_err());
    }

    async fn present(folder: &mut Folder) -> Vec<PathBuf> {
        folder.present().await.expect("it can be read")
    }

    fn folder_path(path: &Path) -> PathBuf {
        path.canonicalize().expect("it is there")
    }
}
