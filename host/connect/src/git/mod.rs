//! Worktrees by the git command line: for each ticket and repository a shared clone.
//!
//! A ticket's folder:
//!
//! ```text
//! <root>/<ticket>/ticket.json   what was made, and from what
//!                 tree/<repo>/  the files; all that the file operations reach
//!                 git/<repo>/   the clone's git directory, outside of the tree
//!                 home/         HOME of the agent's commands, with tmp/ in it
//! ```
//!
//! It is made as `<ticket>.making` and renamed when it is complete, and renamed to `<ticket>.gone`
//! before it is removed, so that what is half there is never taken for whole.
//!
//! Shared clones, not linked worktrees: those share hooks, configuration and refs with the user's
//! repository. A shared clone borrows the user's objects, so a branch is fetched back before its
//! clone is removed, and a clone is broken once the user's repository is gone.
//!
//! What is defended: nothing of the user's (checkout, index, configuration, hooks) is touched or
//! run. File operations reach neither a git directory nor anything outside. What an agent's commands
//! write into the clone's configuration, hooks, attributes or `.git` pointer is not followed by the
//! host. Objects are checked before they enter the user's repository.
//!
//! What is not: granted commands have the rights of the host's user; one that means harm, or that
//! races with the host's git from a process which hides, needs a sandbox around it. Large-file
//! filters are not run, so such files stay pointers; submodules stay empty; nested repositories that
//! an agent makes are not brought back.

mod clone;
mod invoke;
mod source;
mod worktree;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, Semaphore, SemaphorePermit};
use uuid::Uuid;

use self::clone::{CloneRecord, TicketClone};
use self::invoke::Git;
use self::source::Source;
use self::worktree::GitWorktree;
use crate::command::{root_mark, ticket_mark};
use crate::files::{FileLimits, is_git};
use crate::leftovers;
use crate::ports::{Branch, OutsideError, Provision, RepoError, Worktree, Worktrees};

/// Worktrees below one folder of this machine.
#[derive(Debug)]
pub struct GitWorktrees {
    root: PathBuf,
    git: Git,
    options: Arc<GitOptions>,
    path: OsString,
    /// Keeps the end of a large tree from starting thousands of git processes.
    gate: Semaphore,
}

/// Whose name the host's commits bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// Limits and preferences of [`GitWorktrees`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOptions {
    /// Author and committer of the host's commits, and the default for an agent's own.
    pub author: Author,
    /// How long cloning, checking out and fetching back may take.
    pub clone_timeout: Duration,
    /// How long any other git command may take.
    pub git_timeout: Duration,
    /// The longest diff, in bytes.
    pub max_diff: usize,
    /// Limits of the file operations.
    pub files: FileLimits,
    /// Worktrees that are made or ended at the same time, at most; others wait.
    pub at_once: usize,
    /// `PATH` of git and of commands; the host's own if none.
    pub path: Option<OsString>,
    /// Added to the environment of agents' commands. Never put a secret here.
    pub command_env: Vec<(String, String)>,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            author: Author {
                name: "Adjutant".into(),
                email: "adjutant@localhost".into(),
            },
            clone_timeout: Duration::from_secs(600),
            git_timeout: Duration::from_secs(60),
            max_diff: 4 * 1024 * 1024,
            files: FileLimits::default(),
            at_once: 16,
            path: None,
            command_env: Vec::new(),
        }
    }
}

/// What `ticket.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    ticket: Uuid,
    branch: String,
    repos: Vec<CloneRecord>,
}

const MANIFEST: &str = "ticket.json";
const MANIFEST_VERSION: u32 = 1;

impl GitWorktrees {
    /// Keep worktrees below `root`, which is made if it is not there; `git` is the program.
    ///
    /// Errors: `Invalid` where `root` is in a folder for temporary files, which agents' sandboxes
    /// leave open to everybody; `Unavailable` where it cannot be made.
    pub fn new(
        root: impl AsRef<Path>,
        git: impl Into<PathBuf>,
        options: GitOptions,
    ) -> Result<Self, OutsideError> {
        let root = root.as_ref();
        let failed = |error: io::Error| {
            let root = root.display();
            OutsideError::Unavailable(format!("{root} cannot hold worktrees: {error}."))
        };
        let absolute = std::path::absolute(root).map_err(failed)?;
        // Looked at before anything is made, and by where it really is.
        let there = absolute
            .ancestors()
            .find(|above| above.exists())
            .unwrap_or(&absolute);
        let real = there.canonicalize().map_err(failed)?;
        for temporary in ["/tmp", "/var/tmp", "/dev/shm"] {
            let linked = Path::new(temporary).canonicalize();
            let is_in = |path: &Path| linked.as_ref().is_ok_and(|linked| path.starts_with(linked));
            if absolute.starts_with(temporary) || is_in(&real) {
                return Err(OutsideError::Invalid(format!(
                    "Worktrees cannot be kept in {}: it is below {temporary}, where every process \
                     may write. Choose another data folder.",
                    absolute.display()
                )));
            }
        }
        let home = absolute.join(".home");
        make_private(&home).map_err(failed)?;
        let root = absolute.canonicalize().map_err(failed)?;
        let config = root.join(".gitconfig");
        let inner = root.join(format!(".gitconfig.{}", Uuid::now_v7()));
        fs::write(&inner, invoke::global_config(&options.author))
            .and_then(|()| fs::rename(&inner, &config))
            .map_err(failed)?;
        let path = options
            .path
            .clone()
            .or_else(|| std::env::var_os("PATH"))
            .unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let git = Git {
            program: git.into(),
            path: path.clone(),
            root: root.clone(),
            home: root.join(".home"),
            config,
            author: options.author.clone(),
            timeout: options.git_timeout,
            ticket: None,
        };
        Ok(Self {
            gate: Semaphore::new(options.at_once.clamp(1, Semaphore::MAX_PERMITS)),
            root,
            git,
            options: Arc::new(options),
            path,
        })
    }

    /// A place among those that may work at the same time.
    async fn place(&self) -> Result<SemaphorePermit<'_>, OutsideError> {
        let closed = |_| OutsideError::Unavailable("The host is stopping.".into());
        self.gate.acquire().await.map_err(closed)
    }

    fn folder(&self, ticket: Uuid) -> PathBuf {
        self.root.join(ticket.to_string())
    }

    fn making(&self, ticket: Uuid) -> PathBuf {
        self.root.join(format!("{ticket}.making"))
    }

    fn gone(&self, ticket: Uuid) -> PathBuf {
        self.root.join(format!("{ticket}.gone"))
    }

    /// The record of a complete worktree; whatever is incomplete is removed. Ends what still runs
    /// on the ticket's behalf.
    async fn take_up(&self, ticket: Uuid) -> Result<Option<Manifest>, OutsideError> {
        let (folder, making, gone) = (self.folder(ticket), self.making(ticket), self.gone(ticket));
        blocking(move || {
            leftovers::end(ticket_mark(ticket));
            remove_by_way_of(&making, &gone)?;
            let manifest = fs::read(folder.join(MANIFEST))
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok())
                .filter(|manifest| {
                    manifest.version == MANIFEST_VERSION
                        && manifest.ticket == ticket
                        && manifest
                            .repos
                            .iter()
                            .all(|repo| clone::git_dir(&folder, &repo.name).is_dir())
                });
            if manifest.is_none() {
                remove_by_way_of(&folder, &gone)?;
            }
            Ok(manifest)
        })
        .await
    }

    fn worktree(&self, ticket: Uuid, manifest: Manifest) -> Arc<dyn Worktree> {
        Arc::new(GitWorktree {
            folder: self.folder(ticket),
            manifest: Arc::new(manifest),
            git: self.git.on_behalf_of(ticket),
            options: Arc::clone(&self.options),
            root: self.root.clone(),
            path: self.path.clone(),
            quiet: RwLock::new(()),
        })
    }

    /// The branches that an earlier `finish` brought back.
    async fn brought_back(&self, request: &Provision) -> Result<Vec<Branch>, OutsideError> {
        let mut branches = Vec::new();
        for repo in &request.repos {
            // A repository that is gone has no branches; that is no reason to fail again and again.
            let Ok((git_dir, _)) = source::locate(&self.git, &repo.path).await else {
                continue;
            };
            if let Some(commit) = source::tip(&self.git, &git_dir, &request.branch).await? {
                let (repo, branch) = (repo.name.clone(), request.branch.clone());
                branches.push(Branch {
                    repo,
                    branch,
                    commit,
                });
            }
        }
        Ok(branches)
    }
}

#[async_trait]
impl Worktrees for GitWorktrees {
    async fn check_repo(&self, repo: &crate::ports::Repo) -> Result<(), RepoError> {
        let _place = self.place().await.map_err(RepoError::Unknown)?;
        Source::check(&self.git, repo, &self.root).await
    }

    async fn provision(&self, request: &Provision) -> Result<Arc<dyn Worktree>, OutsideError> {
        check(request)?;
        let _place = self.place().await?;
        let ticket = request.ticket;
        if let Some(manifest) = self.take_up(ticket).await? {
            return Ok(self.worktree(ticket, manifest));
        }
        let git = self.git.on_behalf_of(ticket);
        let mut sources = Vec::new();
        for repo in &request.repos {
            let source = Source::find(&git, repo).await?;
            source.check_apart(&self.root)?;
            sources.push(source);
        }
        let making = self.making(ticket);
        // Done at once, not on another thread: were this future dropped meanwhile, the folder could
        // appear after it was discarded. Nothing later makes a folder outside of this one.
        lay_out(&making, &self.git.config)?;
        let limit = self.options.clone_timeout;
        let mut repos = Vec::new();
        for (repo, source) in request.repos.iter().zip(&sources) {
            let branch = &request.branch;
            repos.push(clone::make(&git, &making, &repo.name, source, branch, limit).await?);
        }
        let branch = request.branch.clone();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            ticket,
            branch,
            repos,
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|error| {
            OutsideError::Invalid(format!("A repository's path cannot be recorded: {error}."))
        })?;
        let folder = self.folder(ticket);
        blocking(move || {
            fs::write(making.join(MANIFEST), bytes)
                .and_then(|()| fs::rename(&making, &folder))
                .map_err(|error| unusable(&making, &error))
        })
        .await?;
        Ok(self.worktree(ticket, manifest))
    }

    async fn open(&self, request: &Provision) -> Result<Option<Arc<dyn Worktree>>, OutsideError> {
        let manifest = self.take_up(request.ticket).await?;
        Ok(manifest.map(|manifest| self.worktree(request.ticket, manifest)))
    }

    async fn finish(
        &self,
        request: &Provision,
        keep_changes: bool,
        message: &str,
    ) -> Result<Vec<Branch>, OutsideError> {
        check(request)?;
        let _place = self.place().await?;
        let ticket = request.ticket;
        let Some(manifest) = self.take_up(ticket).await? else {
            return self.brought_back(request).await;
        };
        let git = self.git.on_behalf_of(ticket);
        let folder = self.folder(ticket);
        let message = finishing(message);
        let mut branches = Vec::new();
        for record in &manifest.repos {
            let clone = TicketClone::guard(&git, &folder, record, &manifest.branch).await?;
            clone.settle().await?;
            if keep_changes {
                clone.commit(message).await?;
            }
            let Some(commit) = clone.ahead().await? else {
                continue;
            };
            let limit = self.options.clone_timeout;
            source::bring_back(
                &git,
                &record.source,
                &clone.git_dir,
                &manifest.branch,
                limit,
            )
            .await?;
            let (repo, branch) = (record.name.clone(), manifest.branch.clone());
            branches.push(Branch {
                repo,
                branch,
                commit,
            });
        }
        self.discard(ticket).await?;
        Ok(branches)
    }

    async fn discard(&self, ticket: Uuid) -> Result<(), OutsideError> {
        let (folder, making, gone) = (self.folder(ticket), self.making(ticket), self.gone(ticket));
        blocking(move || {
            leftovers::end(ticket_mark(ticket));
            remove_by_way_of(&making, &gone)?;
            remove_by_way_of(&folder, &gone)
        })
        .await
    }

    async fn end_orphans(&self) -> Result<(), OutsideError> {
        let mark = root_mark(&self.root);
        blocking(move || {
            leftovers::end(mark);
            Ok(())
        })
        .await
    }

    async fn known(&self) -> Result<Vec<Uuid>, OutsideError> {
        let root = self.root.clone();
        blocking(move || {
            let mut tickets = BTreeSet::new();
            for entry in fs::read_dir(&root).map_err(|error| unusable(&root, &error))? {
                let name = entry.map_err(|error| unusable(&root, &error))?.file_name();
                let name = name.to_string_lossy();
                let id = name.split_once('.').map_or(&*name, |(id, _)| id);
                tickets.extend(Uuid::try_parse(id).ok());
            }
            Ok(tickets.into_iter().collect())
        })
        .await
    }
}

/// The message of the last commit: never empty, never too long.
fn finishing(message: &str) -> &str {
    let message = if message.trim().is_empty() {
        "Keep what was left"
    } else {
        message
    };
    &message[..message.floor_char_boundary(worktree::MAX_MESSAGE)]
}

/// Whether a request can be fulfilled at all.
fn check(request: &Provision) -> Result<(), OutsideError> {
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 100
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if !request.branch.strip_prefix("adjutant/").is_some_and(plain) {
        return Err(OutsideError::Invalid(format!(
            "`{}` is no branch for a ticket: it must be `adjutant/` and letters, digits, `-` or `_`.",
            request.branch
        )));
    }
    if request.repos.is_empty() {
        return Err(OutsideError::Invalid("No repository is linked.".into()));
    }
    let mut names = HashSet::new();
    for repo in &request.repos {
        let name = &repo.name;
        let bad = name.is_empty()
            || name.len() > 100
            || name.contains(['/', '\\', '\0', '\n', '\r'])
            || matches!(name.as_str(), "." | "..")
            || name.starts_with('-')
            || is_git(name);
        if bad {
            return Err(OutsideError::Invalid(format!(
                "A repository cannot be called {name:?}."
            )));
        }
        if !names.insert(name.to_lowercase()) {
            return Err(OutsideError::Invalid(format!(
                "Two repositories are called `{name}`."
            )));
        }
    }
    Ok(())
}

/// The empty folders of a ticket.
fn lay_out(folder: &Path, config: &Path) -> Result<(), OutsideError> {
    let home = folder.join("home");
    make_private(folder)
        .and_then(|()| fs::create_dir(folder.join("tree")))
        .and_then(|()| fs::create_dir(folder.join("git")))
        .and_then(|()| fs::create_dir_all(home.join("tmp")))
        .and_then(|()| fs::copy(config, home.join(".gitconfig")))
        .map(|_| ())
        .map_err(|error| unusable(folder, &error))
}

fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Rename, then remove, so that a crash between leaves nothing that looks whole.
fn remove_by_way_of(path: &Path, gone: &Path) -> Result<(), OutsideError> {
    let removed = remove_all(gone).and_then(|()| match fs::rename(path, gone) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => remove_all(gone),
    });
    removed.map_err(|error| unusable(path, &error))
}

fn remove_all(path: &Path) -> io::Result<()> {
    // A process that is just being killed may still add a file, and tools make folders read-only.
    const ATTEMPTS: usize = 5;
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        last = match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => Err(error),
            Ok(()) => return Ok(()),
        };
        make_writable(path);
    }
    last
}

/// As far as possible; the removal that follows says what was not.
fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        // `file_type` does not follow links, so this never leaves the folder.
        let inner = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(inner.map(|entry| entry.path()));
    }
}

fn unusable(path: &Path, error: &io::Error) -> OutsideError {
    OutsideError::Unavailable(format!("{} cannot be used: {error}.", path.display()))
}

/// Run what blocks off the runtime's threads.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, OutsideError> + Send + 'static,
) -> Result<T, OutsideError> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| {
            Err(OutsideError::Other(format!(
                "A task of the host failed: {error}."
            )))
        })
}
