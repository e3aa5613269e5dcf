//! Workspaces.

use crate::{Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};

/// Linked repositories and settings; tickets and agents belong to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name, unique in the host.
    pub name: String,
    /// The git repositories that each ticket gets a clone of.
    #[serde(default)]
    pub repos: Vec<Repo>,
    /// How many of its runs may be busy at a time.
    #[serde(default)]
    pub wip: crate::Wip,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A linked git repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repo {
    /// The folder that it has in a worktree of several repositories.
    pub name: String,
    /// An absolute path on the host.
    pub path: String,
    /// The ref that tickets start from; HEAD where none is given.
    #[serde(default)]
    pub base: Option<String>,
}
