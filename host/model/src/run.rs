//! Runs: attempts at tickets, and the plugins that they are pinned to.

use crate::{AgentId, Author, Join, MessageId, RunId, Source, TicketId, Timestamp, Token};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One durable execution of a strategy on a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The ticket that it works on.
    pub ticket: TicketId,
    /// The agent that it works as.
    pub agent: AgentId,
    /// 1 for the ticket's first run.
    pub attempt: u32,
    /// The plugin, pinned. Runs of one agent share it.
    pub plugin: Arc<Plugin>,
    /// Its fencing token. A secret: never shown but in the reporting footer.
    pub token: Token,
    /// What its task says of the agent and of earlier outputs. Kept, for a replay begins with the same
    /// task, whatever has changed since. Runs of one agent share it.
    #[serde(default)]
    pub given: Arc<Given>,
    /// Where it stands.
    pub status: RunStatus,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// Host calls journaled so far.
    #[serde(default)]
    pub calls: u32,
    /// Records in its journal so far: the stream's next index.
    #[serde(default)]
    pub journal_len: u64,
    /// Messages posted so far.
    #[serde(default)]
    pub messages: u32,
    /// Bytes in its log so far.
    #[serde(default)]
    pub log_bytes: u64,
    /// Records in its log so far: the stream's next index.
    #[serde(default)]
    pub log_len: u64,
    /// Microseconds that its guest has computed: its longest start so far, for a replay computes again
    /// what was computed before.
    #[serde(default)]
    pub guest_us: u64,
    /// How many of them were computed after the ticket's guest time was used up.
    #[serde(default)]
    pub over_us: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it broke by itself: it trapped, hit a limit or diverged. Such a run can be resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broke: bool,
    /// The run that it goes on from, where it was resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<Resumed>>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Run {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.status.is_over()
    }

    /// The run whose start the guest sees. A run that was resumed is replayed as the one that it goes
    /// on from: the same attempt, clock and randomness, or the replay would ask something else.
    pub fn first(&self) -> First {
        self.resumed.as_ref().map_or(
            First {
                run: self.id,
                attempt: self.attempt,
                queued_at: self.queued_at,
            },
            |resumed| resumed.first,
        )
    }
}

/// What a resumed run goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The run that broke.
    pub from: RunId,
    /// How many of its calls were taken over.
    pub calls: u32,
    /// The run that began the journal: `from`, unless that one was resumed too.
    pub first: First,
}

/// What a guest sees of its run at the start of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// The run: its randomness comes from this id.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// When it was queued: its clock begins here.
    pub queued_at: Timestamp,
}

/// The parts of a run's task that may change while it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Given {
    /// The agent's label.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// The agent's description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The agent's skills.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// The agent's configuration, as JSON.
    pub config_json: String,
    /// What was wrong with the last run's output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<crate::Violation>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// About to start.
    Queued,
    /// Its worktree is being made.
    Provisioning,
    /// Busy.
    Running,
    /// Waits for reports, an answer or an outside report.
    Waiting,
    /// Over: the strategy answered.
    Completed,
    /// Over: the strategy gave up, was stopped, or broke.
    Failed,
    /// Over: no longer wanted.
    Cancelled,
}

impl RunStatus {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled
        )
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Provisioning => "provisioning",
            RunStatus::Running => "running",
            RunStatus::Waiting => "waiting",
            RunStatus::Completed => "completed",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a run waits for. Every wait has something that ends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// The journal index of the call that waits.
    pub index: u32,
    /// What for.
    pub kind: WaitKind,
    /// When it ends in any case.
    pub until: Option<Timestamp>,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// Reports of children.
    Reports {
        /// The children, at least one.
        tickets: Vec<TicketId>,
        /// When it is enough.
        join: Join,
        /// Those that are over, in the order they ended. Not stored: the tickets tell.
        #[serde(skip)]
        over: Vec<TicketId>,
    },
    /// An answer in the ticket's channel.
    Answer {
        /// The question.
        question: MessageId,
        /// Who is asked.
        member: Author,
    },
    /// A report through `report-task`.
    External,
}

/// A plugin at one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `sha256:` and 64 hexadecimal digits, of the component's bytes.
    pub digest: String,
    /// What it can be used as.
    pub world: World,
    /// Bytes of the component.
    pub size: u64,
    /// Whether it came with the host.
    pub builtin: bool,
    /// When it was registered.
    pub added_at: Timestamp,
    /// Where it came from, and who vouches for it.
    #[serde(default)]
    pub source: Source,
}

/// What a component can be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// Chooses assignees.
    Selector,
    /// Works.
    Subordinate,
    /// Works, and delegates.
    Boss,
}

impl World {
    /// The WIT world's name.
    pub fn as_str(self) -> &'static str {
        match self {
            World::Selector => "selector",
            World::Subordinate => "subordinate",
            World::Boss => "boss",
        }
    }
}
