//! Agents: a name, a strategy, its configuration, and its place in a team.

use crate::{AgentId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Someone who works on tickets. A boss is an agent whose strategy may delegate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The workspace that it belongs to.
    pub workspace: WorkspaceId,
    /// Its name, unique in the workspace.
    pub name: String,
    /// A free label such as `builder`; empty if none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// A sentence for people and models.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it is good at, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// The strategy that it runs.
    pub plugin: PluginRef,
    /// Who chooses when this agent delegates without naming an assignee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<PluginRef>,
    /// The strategy's configuration, a JSON object.
    pub config: Value,
    /// Its boss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boss: Option<AgentId>,
    /// How much it may use.
    #[serde(default)]
    pub limits: AgentLimits,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A plugin by name: the version that is active, or one that is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PluginRef {
    /// The plugin's name.
    pub name: String,
    /// An exact version, or a digest (`sha256:…`); the active version where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl PluginRef {
    /// Reads `name`, `name@version` or `name@sha256:…`.
    pub fn parse(text: &str) -> PluginRef {
        match text.split_once('@') {
            Some((name, version)) => PluginRef {
                name: name.to_owned(),
                version: Some(version.to_owned()),
            },
            None => PluginRef {
                name: text.to_owned(),
                version: None,
            },
        }
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// How much an agent may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentLimits {
    /// Tickets that it works on at the same time; further ones queue.
    pub max_concurrent: u32,
    /// Tickets that may wait in its queue.
    pub max_queued: u32,
    /// Milliseconds that a run may be silent (no host call, no output, no report) before it fails,
    /// waits for reports and answers not counted; 0 is no limit.
    pub silence_ms: u64,
    /// Milliseconds that a run may compute, waiting in host calls not counted. A replay computes again what
    /// the run has computed before: that is in it once, however often the run is parked and brought back.
    pub guest_time_ms: u64,
    /// Bytes of linear memory of one run.
    pub memory_bytes: u64,
    /// Milliseconds that a run may be busy from one start to its end or its next parking, waits for
    /// reports and answers not counted.
    pub run_time_ms: u64,
    /// Outputs that may be refused for their schema before the ticket fails.
    pub max_rejections: u32,
    /// Host calls that one run may journal.
    pub max_calls: u32,
    /// Bytes that one run may journal, about.
    pub journal_bytes: u64,
}

impl Default for AgentLimits {
    fn default() -> Self {
        AgentLimits {
            max_concurrent: 1,
            max_queued: 10_000,
            silence_ms: 0,
            guest_time_ms: 10_000,
            memory_bytes: 256 << 20,
            run_time_ms: 3_600_000,
            max_rejections: 3,
            max_calls: 100_000,
            journal_bytes: 256 << 20,
        }
    }
}

/// What an operator lets an agent use. Nothing unless it is named here. On a ticket that was delegated, a
/// run needs the grants of the agents above too: see [`Authority`](crate::Authority).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Commands: each a list of arguments, `*` standing for one, a last `*` for any more.
    pub commands: Vec<Vec<String>>,
    /// Names of agents outside its team that it may assign tickets to.
    pub assign_to: Vec<String>,
}

/// What an agent is doing, derived from its tickets and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// Nothing to do.
    Idle,
    /// A run is busy.
    Working,
    /// All its runs wait for reports.
    WaitingSubordinates,
    /// A ticket of its is in review.
    NeedsReview,
    /// It waits for an answer or an outside report, or its ticket is blocked.
    Blocked,
    /// Its last ticket failed, and it has no other.
    Error,
}

impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tracking::Idle => "idle",
            Tracking::Working => "working",
            Tracking::WaitingSubordinates => "waiting_subordinates",
            Tracking::NeedsReview => "needs_review",
            Tracking::Blocked => "blocked",
            Tracking::Error => "error",
        })
    }
}

/// What is remembered of an agent between its tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When it last reported.
    pub last_report_at: Option<Timestamp>,
    /// Whether its last ticket failed.
    pub last_failed: bool,
}
