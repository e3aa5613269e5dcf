//! Watching a project's sources.
//!
//! Invariants: what builds write never counts as a change of the sources; no change is lost, whenever
//! whoever waits for it looks away.

use crate::Project;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How long it has to be quiet before a change counts as whole: an editor saves in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// How long it may go on to change before that counts as whole all the same.
const AT_MOST: Duration = Duration::from_secs(2);
/// Changes that wait to be looked at; more than that are one change all the same.
const WAITING: usize = 64;
/// Folders that tools write into.
const PRODUCTS: [&str; 5] = ["target", "node_modules", "__pycache__", "dist", "build"];

/// Tells when a project's sources change.
pub struct Watch {
    changes: Changes,
    /// Ends with this.
    _watcher: RecommendedWatcher,
}

/// Why sources cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("The sources in {} cannot be watched: {source}", .root.display())]
pub struct WatchError {
    root: PathBuf,
    source: notify::Error,
}

impl Watch {
    /// Watches a project's folder from now on.
    ///
    /// # Errors
    /// The system refuses, for instance because too much is watched already.
    pub fn of(project: &Project) -> Result<Watch, WatchError> {
        let root = project.root().to_path_buf();
        let (tell, changes) = mpsc::channel(WAITING);
        let below = root.clone();
        let seen = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            for path in sources_of(&below, event) {
                // Where it is full, a change is known of already.
                let _ = tell.try_send(path);
            }
        };
        let failed = |source| WatchError {
            root: root.clone(),
            source,
        };
        let mut watcher = notify::recommended_watcher(seen).map_err(failed)?;
        // Not as a whole: what builds write would be watched too, and there may be much of it.
        watcher
            .watch(&root, RecursiveMode::NonRecursive)
            .map_err(failed)?;
        for entry in root.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && is_source(&root, &path) {
                watcher
                    .watch(&path, RecursiveMode::Recursive)
                    .map_err(failed)?;
            }
        }
        Ok(Watch {
            changes: Changes {
                seen: changes,
                begun: None,
            },
            _watcher: watcher,
        })
    }

    /// Waits for the next change of the sources, and until it is whole. Gives back a path that changed.
    /// May be dropped while it waits; nothing is lost.
    pub async fn changed(&mut self) -> PathBuf {
        self.changes.next().await
    }
}

/// Single changes, which are put together to whole ones.
struct Changes {
    seen: mpsc::Receiver<PathBuf>,
    /// A change that may go on. It is kept here, for whoever waits may look away meanwhile.
    begun: Option<Begun>,
}

/// A change that may go on.
struct Begun {
    path: PathBuf,
    /// When it counts as whole if nothing more comes.
    quiet_at: Instant,
    /// When it counts as whole whatever comes.
    whole_at: Instant,
}

impl Changes {
    /// Waits for the next change, and until it is whole. May be dropped while it waits.
    async fn next(&mut self) -> PathBuf {
        loop {
            let Some(begun) = &mut self.begun else {
                let Some(path) = self.seen.recv().await else {
                    // The watcher lives as long as this.
                    return std::future::pending().await;
                };
                let now = Instant::now();
                self.begun = Some(Begun {
                    path,
                    quiet_at: now + QUIET,
                    whole_at: now + AT_MOST,
                });
                continue;
            };
            if let Ok(Some(_)) = timeout_at(begun.quiet_at, self.seen.recv()).await {
                begun.quiet_at = begun.whole_at.min(Instant::now() + QUIET);
            } else if let Some(whole) = self.begun.take() {
                return whole.path;
            }
        }
    }
}

/// The sources that an event of the system is about.
fn sources_of(root: &Path, event: notify::Event) -> Vec<PathBuf> {
    if event.need_rescan() {
        // The system has lost count, so anything may have changed.
        return vec![root.to_path_buf()];
    }
    if matches!(event.kind, EventKind::Access(_)) {
        return Vec::new();
    }
    let mut paths = event.paths;
    paths.retain(|path| is_source(root, path));
    paths
}

fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(root) else {
        return false;
    };
    let names = path.iter().map(|name| name.to_string_lossy());
    let mut names = names.peekable();
    names.peek().is_some()
        && names.all(|name| {
            !name.starts_with('.')
                && !name.ends_with('~')
                && !name.ends_with(".snap")
                && !PRODUCTS.contains(&&*name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_write_is_no_source() {
        let is_source = |path: &str| is_source(Path::new("/p"), &Path::new("/p").join(path));
        for path in ["src/lib.rs", "plugin.toml", "app.py", "tests/a.toml"] {
            assert!(is_source(path), "{path}");
        }
        for path in [
            "target/x.wasm",
            ".adjutant/wit/a",
            "src/.x.swp",
            "",
            "tests/a.snap",
            "a~",
        ] {
            assert!(!is_source(path), "{path}");
        }
    }

    fn changes() -> (mpsc::Sender<PathBuf>, Changes) {
        let (tell, seen) = mpsc::channel(WAITING);
        (tell, Changes { seen, begun: None })
    }

    /// A save and an event of a run at the same time: the event is shown, and then there is the save.
    #[tokio::test]
    async fn a_change_is_not_lost_where_something_else_is_looked_at_before_it_is_whole() {
        let (tell, mut changes) = changes();
        tell.try_send("src/lib.rs".into()).expect("there is room");
        tokio::select! {
            biased;
            _ = changes.next() => panic!("it is not quiet yet"),
            () = std::future::ready(()) => {}
        }
        assert!(changes.begun.is_some(), "it has been seen");
        assert_eq!(changes.next().await, Path::new("src/lib.rs"));
        assert!(changes.begun.is_none());
    }

    /// The clock is the test's: it moves on to the next pause as soon as all wait.
    #[tokio::test(start_paused = true)]
    async fn what_goes_on_to_change_is_whole_after_a_while() {
        let (tell, mut changes) = changes();
        let writer = tokio::spawn(async move {
            while tell.send("src/data.json".into()).await.is_ok() {
                tokio::time::sleep(QUIET / 3).await;
            }
        });
        let begun = Instant::now();
        changes.next().await;
        let took = begun.elapsed();
        assert!(took >= AT_MOST && took < AT_MOST + QUIET, "{took:?}");
        writer.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_changed_in_several_steps_is_one_change_once_it_is_quiet() {
        let (tell, mut changes) = changes();
        let writer = tokio::spawn(async move {
            for _ in 0..4 {
                tell.send("src/lib.rs".into()).await.expect("it is awaited");
                tokio::time::sleep(QUIET / 3).await;
            }
            tell
        });
        let begun = Instant::now();
        changes.next().await;
        assert!(begun.elapsed() >= QUIET * 2, "{:?}", begun.elapsed());
        let _open = writer.await.expect("it ends");
        assert!(changes.seen.is_empty() && changes.begun.is_none());
    }

    #[test]
    fn where_the_system_has_lost_count_anything_may_have_changed() {
        let root = Path::new("/p");
        let lost = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(sources_of(root, lost), [root]);
        let written = notify::EventKind::Modify(notify::event::ModifyKind::Any);
        let event = notify::Event::new(written)
            .add_path("/p/target/x".into())
            .add_path("/p/src/a".into());
        assert_eq!(sources_of(root, event), [Path::new("/p/src/a")]);
    }
}
