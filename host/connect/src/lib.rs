//! The world outside the host: git worktrees, the files in them, and commands; and where plugins come
//! from: registries, folders, and whoever signs them.
//!
//! The layers above see only the traits of [`ports`]; they never meet git or a process. What
//! stands behind the ports today is [`GitWorktrees`].
//!
//! Invariants:
//! - The user's checkout, index, configuration and hooks are never touched. The only thing that is
//!   ever written into a user's repository is the ticket's own branch.
//! - No path that a guest names leads out of its worktree, or into a `.git`.
//! - No process outlives the call that started it, whether that call ends, times out, is cancelled
//!   or is dropped.
//! - Everything that can grow has a limit: output, file sizes, listings, diffs, messages, time.

mod command;
mod files;
mod folder;
pub mod git;
mod leftovers;
pub mod ports;
mod process;
pub mod registry;
mod signing;

pub use files::FileLimits;
pub use folder::{Folder, MOST_FILES};
pub use git::{Author, GitOptions, GitWorktrees};
pub use registry::use_tls;
pub use signing::{
    KeyError, KeyId, SIGNATURE_BYTES, SignatureError, Signatures, decode_signature,
    encode_signature,
};

pub use ports::{
    Branch, Command, CommandOutput, Discard, Entry, EntryKind, Exit, OutputStream, OutsideError,
    Provision, Repo, RepoError, Worktree, Worktrees,
};
