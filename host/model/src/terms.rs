//! The terms on which a ticket is worked on: how urgent it is, what it waits for, how often it is
//! tried, and what it may spend. And what became of it so far: attempts that failed, and what was spent.

use crate::{AgentId, Priority, RunId, TicketId, Timestamp};
use serde::{Deserialize, Serialize};

/// On what terms a ticket is worked on. The default is: as it comes, once, without a budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// How urgent it is: an agent's queue has the urgent ones first.
    #[serde(skip_serializing_if = "Priority::is_medium")]
    pub priority: Priority,
    /// Tickets of a workspace with the same word here are never worked on at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Tickets that must be over before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<TicketId>,
    /// What happens when one of those fails or is cancelled.
    #[serde(skip_serializing_if = "BlockerPolicy::is_fail")]
    pub on_blocker_failure: BlockerPolicy,
    /// How often it is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What it and all below it may spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Milliseconds that its run may be silent (no host call, no output, no report) before it fails,
    /// waits for reports and answers not counted. Where none is given, the agent's limit holds; where a
    /// boss gives it, the shorter of the two does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
}

impl Terms {
    /// Whether they are the default.
    pub fn is_plain(&self) -> bool {
        *self == Terms::default()
    }
}

/// What happens to a ticket when one that it waits for fails or is cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockerPolicy {
    /// It fails too.
    #[default]
    Fail,
    /// It starts all the same.
    Release,
}

impl BlockerPolicy {
    fn is_fail(&self) -> bool {
        *self == BlockerPolicy::Fail
    }
}

/// How often a ticket is tried, and by whom. After the last failure it fails, with the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Runs that one assignee gets, the first included; at least 1.
    pub attempts: u32,
    /// Milliseconds before the second run; each further pause is twice as long, up to
    /// [`max_backoff_ms`](Retry::max_backoff_ms).
    pub backoff_ms: u64,
    /// The longest pause, in milliseconds.
    pub max_backoff_ms: u64,
    /// How often it is then given to another capable subordinate of the same boss, whom the boss's
    /// selector chooses among those that have not tried it.
    pub reassign: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 1,
            backoff_ms: 1_000,
            max_backoff_ms: 60_000,
            reassign: 0,
        }
    }
}

/// What a ticket and all below it may spend. What is not named is not limited here; what the ticket
/// above has left always holds too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Milliseconds from its making to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// Milliseconds that its guests compute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_ms: Option<u64>,
    /// Tokens of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Cost of models and the like, in millionths of a US dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
    /// Tickets below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<u32>,
    /// Steps down from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
}

/// What a ticket and all below it have spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spend {
    /// Milliseconds that guests computed.
    pub guest_ms: u64,
    /// Tokens of models.
    pub tokens: u64,
    /// Cost, in millionths of a US dollar.
    pub cost_microusd: u64,
    /// Tickets below.
    pub children: u32,
}

impl Spend {
    /// Whether nothing was spent.
    pub fn is_nothing(&self) -> bool {
        *self == Spend::default()
    }
}

/// An attempt that failed, as the ticket's history has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// The run; none where it could not even start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The agent.
    pub agent: AgentId,
    /// That agent's name.
    #[serde(default)]
    pub agent_name: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: String,
}

/// How far the trying of a ticket has come, once an attempt at it has failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tries {
    /// Attempts that failed, of all agents.
    pub total: u32,
    /// Attempts that failed, of the agent that has it now.
    pub failed: u32,
    /// How often it was given to another agent because of that.
    pub reassigned: u32,
    /// Agents whose attempts failed, each once.
    pub by: Vec<AgentId>,
    /// The boss's selector is asked for another agent. Meanwhile it is in no queue.
    pub choosing: bool,
}

/// How many runs of a workspace may be busy at a time; those that wait for somebody do not count.
/// Further tickets queue; with none at all, nothing starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wip {
    /// All of its runs; no limit where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<u32>,
    /// Runs of a plugin, by the plugin's name.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub plugins: std::collections::BTreeMap<String, u32>,
}
