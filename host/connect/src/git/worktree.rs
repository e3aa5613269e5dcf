//! A provisioned ticket folder behind the [`Worktree`] port.
//!
//! Invariants: no file handle is held between calls, so a run that waits for days costs nothing;
//! git commands of the host on one ticket never overlap.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::clone::{self, TicketClone};
use super::invoke::Git;
use super::{GitOptions, Manifest, blocking};
use crate::command::{self, Place};
use crate::files::{CleanPath, Confined};
use crate::ports::{Command, CommandOutput, Entry, EntryKind, Exit, OutsideError, Worktree};

/// Fits a pipe, so that handing it to git never blocks.
pub(super) const MAX_MESSAGE: usize = 16 * 1024;

/// A ticket's worktree on this machine.
pub(super) struct GitWorktree {
    pub(super) folder: PathBuf,
    /// The folder of all worktrees.
    pub(super) root: PathBuf,
    pub(super) manifest: Arc<Manifest>,
    pub(super) git: Git,
    pub(super) options: Arc<GitOptions>,
    pub(super) path: OsString,
    /// Commands hold it shared; the host's git holds it alone, for it removes stale locks.
    pub(super) quiet: RwLock<()>,
}

impl GitWorktree {
    /// Do something with files, in the one repository or in the one that the path begins with.
    async fn with_files<T: Send + 'static>(
        &self,
        path: &str,
        act: impl FnOnce(&Confined, &CleanPath) -> Result<T, OutsideError> + Send + 'static,
    ) -> Result<T, OutsideError> {
        let path = CleanPath::parse(path)?;
        let (folder, manifest) = (self.folder.clone(), Arc::clone(&self.manifest));
        let limits = self.options.files;
        blocking(move || {
            let (name, path) = match manifest.repos.as_slice() {
                [only] => (only.name.clone(), path),
                _ => path.split_first().ok_or_else(|| {
                    OutsideError::Invalid("The topmost folder holds the repositories.".into())
                })?,
            };
            if !manifest.repos.iter().any(|repo| repo.name == name) {
                return Err(OutsideError::NotFound(format!(
                    "There is no repository `{name}`."
                )));
            }
            act(&Confined::new(open_tree(&folder, &name)?, limits), &path)
        })
        .await
    }

    fn is_topmost_of_several(&self, path: &str) -> Result<bool, OutsideError> {
        Ok(self.manifest.repos.len() > 1 && CleanPath::parse(path)?.split_first().is_none())
    }

    /// The current folder of commands.
    fn dir(&self) -> PathBuf {
        match self.manifest.repos.as_slice() {
            [only] => clone::tree(&self.folder, &only.name),
            _ => self.folder.join("tree"),
        }
    }
}

/// Opens step by step and refuses links, for a command may have put one in the tree's place.
fn open_tree(folder: &Path, name: &str) -> Result<Dir, OutsideError> {
    let gone = |_| OutsideError::Unavailable("The worktree's folder is gone.".into());
    let ticket = Dir::open_ambient_dir(folder, ambient_authority()).map_err(gone)?;
    let mut dir = ticket;
    for step in ["tree", name] {
        if !dir.symlink_metadata(step).map_err(gone)?.is_dir() {
            return Err(OutsideError::Denied(format!(
                "The folder of the repository `{name}` was replaced by something else."
            )));
        }
        dir = dir.open_dir(step).map_err(gone)?;
    }
    Ok(dir)
}

#[async_trait]
impl Worktree for GitWorktree {
    async fn read(&self, path: &str) -> Result<Vec<u8>, OutsideError> {
        self.with_files(path, Confined::read).await
    }

    async fn write(&self, path: &str, content: Vec<u8>) -> Result<(), OutsideError> {
        self.with_files(path, move |files, path| files.write(path, &content))
            .await
    }

    async fn remove(&self, path: &str) -> Result<(), OutsideError> {
        self.with_files(path, Confined::remove).await
    }

    async fn list(&self, path: &str) -> Result<Vec<Entry>, OutsideError> {
        if self.is_topmost_of_several(path)? {
            let mut names: Vec<_> = self
                .manifest
                .repos
                .iter()
                .map(|repo| repo.name.clone())
                .collect();
            names.sort();
            let entry = |name| Entry {
                name,
                kind: EntryKind::Directory,
                size: 0,
            };
            return Ok(names.into_iter().map(entry).collect());
        }
        self.with_files(path, Confined::list).await
    }

    async fn diff(&self) -> Result<String, OutsideError> {
        let _quiet = self.quiet.write().await;
        let limit = self.options.max_diff;
        let several = self.manifest.repos.len() > 1;
        let mut all = Vec::new();
        for record in &self.manifest.repos {
            let clone =
                TicketClone::guard(&self.git, &self.folder, record, &self.manifest.branch).await?;
            let prefix = if several {
                format!("{}/", record.name)
            } else {
                String::new()
            };
            all.extend(clone.diff(&prefix, limit).await?);
            if all.len() > limit {
                return Err(OutsideError::Limit(format!(
                    "The diff is longer than {limit} bytes."
                )));
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    async fn commit(&self, message: &str) -> Result<Option<String>, OutsideError> {
        if message.trim().is_empty() {
            return Err(OutsideError::Invalid("The commit message is empty.".into()));
        }
        if message.len() > MAX_MESSAGE {
            return Err(OutsideError::Limit(format!(
                "The commit message is longer than {MAX_MESSAGE} bytes."
            )));
        }
        let _quiet = self.quiet.write().await;
        let mut ids = Vec::new();
        for record in &self.manifest.repos {
            let clone =
                TicketClone::guard(&self.git, &self.folder, record, &self.manifest.branch).await?;
            ids.extend(clone.commit(message).await?);
        }
        Ok((!ids.is_empty()).then(|| ids.join(" ")))
    }

    async fn run(
        &self,
        command: &Command,
        output: &dyn CommandOutput,
        cancel: CancellationToken,
    ) -> Result<Exit, OutsideError> {
        let _busy = self.quiet.read().await;
        let place = Place {
            root: &self.root,
            ticket: self.manifest.ticket,
            dir: &self.dir(),
            home: &self.folder.join("home"),
            ceiling: &self.folder,
            path: &self.path,
            extra: &self.options.command_env,
        };
        command::run(place, command, output, &cancel).await
    }
}
