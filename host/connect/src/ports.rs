//! The ports: what the layers above may ask of the world outside, and the failures they may meet.
//!
//! Everything here is plain data and traits. A test above can stand in for git with a few lines.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Makes, finds and ends the worktrees of tickets.
#[async_trait]
pub trait Worktrees: Send + Sync {
    /// Whether worktrees can be made of a repository as it is now.
    ///
    /// Errors: what of it is wrong, where they cannot; `Unknown` where git fails.
    async fn check_repo(&self, repo: &Repo) -> Result<(), RepoError>;

    /// Make the worktree of a ticket: for each repository a copy on a branch of its own.
    ///
    /// A complete one that is there already is given back as it is; a half-made one is made anew.
    /// Dropping the future ends whatever runs; [`Worktrees::discard`] then removes what is left.
    ///
    /// Errors: `Invalid` where the request cannot be fulfilled (no repository, no such base, a bad
    /// name); `Deadline` where git takes too long; `Unavailable` where git fails.
    async fn provision(&self, request: &Provision) -> Result<Arc<dyn Worktree>, OutsideError>;

    /// The worktree that was provisioned before, for use after a restart. Ends processes that a
    /// host which died may have left running in it. A half-made one is removed and `None` given.
    ///
    /// What was recorded when the worktree was made holds, even where `request` says otherwise now.
    async fn open(&self, request: &Provision) -> Result<Option<Arc<dyn Worktree>>, OutsideError>;

    /// End a ticket's worktree: commit what is left uncommitted (only if `keep_changes`), bring the
    /// branch into the user's repository if it has commits beyond its base, remove the folder.
    ///
    /// Answers the branches that now stand in the users' repositories. Safe to repeat after a crash
    /// at any point. Where bringing back fails, the folder stays and the error says why.
    async fn finish(
        &self,
        request: &Provision,
        keep_changes: bool,
        message: &str,
    ) -> Result<Vec<Branch>, OutsideError>;

    /// Remove a ticket's worktree and whatever runs in it; nothing is brought back. No error where
    /// there is none.
    async fn discard(&self, ticket: Uuid) -> Result<(), OutsideError>;

    /// End every process that an earlier host, which died, left running in any of these worktrees or
    /// on their behalf. Call it at the start, before anything runs: it would end that too.
    async fn end_orphans(&self) -> Result<(), OutsideError> {
        Ok(())
    }

    /// The tickets of which any folder exists, complete or not, in ascending order.
    async fn known(&self) -> Result<Vec<Uuid>, OutsideError>;
}

/// A ticket's own copy of its repositories. The calls are those of the contract's `worktree`.
///
/// Paths are relative, with `/` between segments. With exactly one repository they start inside it,
/// otherwise with the repository's name. `.` segments are ignored.
#[async_trait]
pub trait Worktree: Send + Sync {
    /// A file's bytes.
    ///
    /// Errors: `NotFound`; `Denied` where the path leads out; `Invalid` where it is no file;
    /// `Limit` where it is too large.
    async fn read(&self, path: &str) -> Result<Vec<u8>, OutsideError>;

    /// Write a file and the folders above it; replaces what was there.
    ///
    /// Errors: `Denied` where the path leads out; `Invalid` where it is a folder; `Limit` where the
    /// content is too large.
    async fn write(&self, path: &str, content: Vec<u8>) -> Result<(), OutsideError>;

    /// Remove a file, a link or an empty folder.
    ///
    /// Errors: `NotFound`; `Denied` where the path leads out; `Invalid` where a folder is not empty.
    async fn remove(&self, path: &str) -> Result<(), OutsideError>;

    /// What is in a folder (`""` for the topmost), by name, without `.git`.
    ///
    /// Errors: `NotFound`; `Denied` where the path leads out; `Invalid` where it is no folder;
    /// `Limit` where there are too many entries.
    async fn list(&self, path: &str) -> Result<Vec<Entry>, OutsideError>;

    /// What has changed against the base commit, new files included, as a unified diff.
    ///
    /// Errors: `Limit` where it is too long; `Unavailable` where git fails.
    async fn diff(&self) -> Result<String, OutsideError>;

    /// Commit all changes to the ticket's branch. Gives the commit's id, none where nothing has
    /// changed; with several repositories, the ids of those that changed, with spaces between.
    ///
    /// Errors: `Invalid` where the message is blank; `Limit` where it is too long; `Unavailable`
    /// where git fails.
    async fn commit(&self, message: &str) -> Result<Option<String>, OutsideError>;

    /// Run a program in the worktree, with no shell between. Whether it is granted was decided
    /// before, against what is granted.
    ///
    /// Ends with all that it started when it exits, when its time is over, when `cancel` fires and
    /// when the future is dropped. An exit status other than 0 is no error.
    ///
    /// Errors: `NotFound` where there is no such program; `Invalid` where `argv` is empty or cannot
    /// be passed on; `Deadline`; `Cancelled`; `Unavailable` where the system refuses.
    async fn run(
        &self,
        command: &Command,
        output: &dyn CommandOutput,
        cancel: CancellationToken,
    ) -> Result<Exit, OutsideError>;
}

/// A ticket's wish for a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provision {
    /// The ticket's id; names the folder.
    pub ticket: Uuid,
    /// The branch to work on, `adjutant/` followed by letters, digits, `-` and `_`.
    pub branch: String,
    /// At least one; names differ.
    pub repos: Vec<Repo>,
}

/// A user's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// What it is called in paths; one path segment.
    pub name: String,
    /// A folder in the repository: its top, a folder below, a linked worktree, or a bare one.
    pub path: PathBuf,
    /// The ref or commit to start from; `HEAD` if none.
    pub base: Option<String>,
}

/// Why no worktrees can be made of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RepoError {
    /// Its path: no folder, one that cannot be entered, no repository, not apart from the worktrees.
    #[error("{0}")]
    Path(String),
    /// Its base: no commit.
    #[error("{0}")]
    Base(String),
    /// It cannot be said: git fails.
    #[error(transparent)]
    Unknown(OutsideError),
}

/// A branch that came back into a user's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The repository's name in the request.
    pub repo: String,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The commit at its tip.
    pub commit: String,
}

/// What stands in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The last segment of its path; invalid UTF-8 is replaced.
    pub name: String,
    /// What it is; a link is not followed.
    pub kind: EntryKind,
    /// Bytes, for a file; otherwise 0.
    pub size: u64,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else: a socket, a pipe, a device.
    Other,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, then its arguments.
    pub argv: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// How many bytes of stdout, and as many of stderr, are kept.
    pub max_output: usize,
}

impl Command {
    /// A command with the usual limits: two minutes, 256 KiB of each stream.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            timeout: Duration::from_secs(120),
            max_output: 256 * 1024,
        }
    }
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Receives output as it comes.
pub trait CommandOutput: Send + Sync {
    /// One piece, at most 16 KiB; may end inside a UTF-8 character. Called for all output, also for
    /// what is past `max_output`. Must not block: no more is read, and no time limit is kept, until
    /// it returns.
    fn chunk(&self, stream: OutputStream, bytes: &[u8]);
}

/// A [`CommandOutput`] for which nobody cares.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl CommandOutput for Discard {
    fn chunk(&self, _stream: OutputStream, _bytes: &[u8]) {}
}

/// A command that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The exit status; none where a signal ended it.
    pub code: Option<i32>,
    /// What was kept of its standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// What was kept of its standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// Whether output was left out because there was too much.
    pub truncated: bool,
    /// From its start to its end.
    pub elapsed: Duration,
}

/// Why the world outside did not do as asked. Each holds a sentence for people, and each stands for
/// the variant of the same name in the contract's `error`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutsideError {
    /// Not allowed; asking again will not help.
    #[error("{0}")]
    Denied(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The arguments are wrong.
    #[error("{0}")]
    Invalid(String),
    /// A limit was reached; the text names it.
    #[error("{0}")]
    Limit(String),
    /// Time ran out.
    #[error("{0}")]
    Deadline(String),
    /// The caller's token fired.
    #[error("{0}")]
    Cancelled(String),
    /// Something outside failed; the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
