//! What has changed of a rollout, as its history keeps it and as the logs of workspaces say it.

use crate::{EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A change of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
    /// The version that it happened to; that which is active now where it was rolled back or taken back.
    pub version: String,
    /// The version that was active before, where that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What may happen to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was registered, and did not become active.
    Added,
    /// It became active.
    Activated,
    /// It became active again, for an operator wanted the one before.
    RolledBack,
    /// It became active again, for the one after it kept failing.
    TakenBack,
    /// It takes a share of the new runs.
    CanaryStarted,
    /// It was tried, and became active.
    CanaryPromoted,
    /// It was tried, and takes no runs any more.
    CanaryStopped,
    /// It stays active whatever is registered.
    Pinned,
    /// It is held no longer.
    Unpinned,
    /// Nothing starts on it any more.
    Draining,
    /// Its last run has ended.
    Drained,
    /// It was removed.
    Removed,
}

impl Change {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Activated => "activated",
            Change::RolledBack => "rolled_back",
            Change::TakenBack => "taken_back",
            Change::CanaryStarted => "canary_started",
            Change::CanaryPromoted => "canary_promoted",
            Change::CanaryStopped => "canary_stopped",
            Change::Pinned => "pinned",
            Change::Unpinned => "unpinned",
            Change::Draining => "draining",
            Change::Drained => "drained",
            Change::Removed => "removed",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Turn {
    /// What the log of a workspace says of it.
    pub fn event(&self, plugin: &str) -> EventKind {
        let (plugin, version) = (plugin.to_owned(), self.version.clone());
        let (from, reason) = (self.from.clone(), self.reason.clone());
        match self.change {
            Change::Added => EventKind::PluginAdded { plugin, version },
            Change::Activated => EventKind::PluginActivated {
                plugin,
                version,
                from,
                reason,
            },
            Change::RolledBack => EventKind::PluginRolledBack {
                plugin,
                version,
                from,
                reason,
            },
            Change::TakenBack => EventKind::PluginTakenBack {
                plugin,
                version,
                from,
                reason,
            },
            Change::CanaryStarted => EventKind::PluginCanaryStarted {
                plugin,
                version,
                reason,
            },
            Change::CanaryPromoted => EventKind::PluginCanaryPromoted {
                plugin,
                version,
                from,
                reason,
            },
            Change::CanaryStopped => EventKind::PluginCanaryStopped {
                plugin,
                version,
                reason,
            },
            Change::Pinned => EventKind::PluginPinned { plugin, version },
            Change::Unpinned => EventKind::PluginUnpinned { plugin, version },
            Change::Draining => EventKind::PluginDraining {
                plugin,
                version,
                reason,
            },
            Change::Drained => EventKind::PluginDrained { plugin, version },
            Change::Removed => EventKind::PluginRemoved { plugin, version },
        }
    }
}
