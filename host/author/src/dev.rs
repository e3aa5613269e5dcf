//! Watching a project's sources.
//!
//! Invariant: what builds write never counts as a change of the sources.

use crate::Project;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long it has to be quiet before a change counts as whole: an editor saves in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// Changes that wait to be looked at; more than that are one change all the same.
const WAITING: usize = 64;
/// Folders that tools write into.
const PRODUCTS: [&str; 5] = ["target", "node_modules", "__pycache__", "dist", "build"];

/// Tells when a project's sources change.
pub struct Watch {
    changes: mpsc::Receiver<PathBuf>,
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
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                if is_source(&below, &path) {
                    // Where it is full, a change is known of already.
                    let _ = tell.try_send(path);
                }
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
            changes,
            _watcher: watcher,
        })
    }

    /// Waits for the next change of the sources, and until it is whole. Gives back a path that changed.
    /// May be dropped while it waits for a first one; nothing is lost.
    pub async fn changed(&mut self) -> PathBuf {
        let Some(first) = self.changes.recv().await else {
            // The watcher lives as long as this.
            return std::future::pending().await;
        };
        while let Ok(Some(_)) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
        first
    }
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
}
