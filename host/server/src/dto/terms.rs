//! The terms on which tickets are worked on, and what became of them so far.

use super::{AgentRef, time};
use crate::names::Names;
use adjutant_model as model;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// How often a ticket is tried, and by whom. After the last failure it fails, with the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Runs that one assignee gets, the first included; at least 1.
    pub attempts: u32,
    /// Milliseconds before the second run; each further pause is twice as long.
    pub backoff_ms: u64,
    /// The longest pause, in milliseconds.
    pub max_backoff_ms: u64,
    /// How often it is then given to another subordinate of the same boss, whom the boss's selector
    /// chooses among those that have not tried it.
    pub reassign: u32,
}

impl Default for Retry {
    fn default() -> Self {
        (&model::Retry::default()).into()
    }
}

impl From<&model::Retry> for Retry {
    fn from(retry: &model::Retry) -> Self {
        Retry {
            attempts: retry.attempts,
            backoff_ms: retry.backoff_ms,
            max_backoff_ms: retry.max_backoff_ms,
            reassign: retry.reassign,
        }
    }
}

impl From<Retry> for model::Retry {
    fn from(retry: Retry) -> Self {
        model::Retry {
            attempts: retry.attempts,
            backoff_ms: retry.backoff_ms,
            max_backoff_ms: retry.max_backoff_ms,
            reassign: retry.reassign,
        }
    }
}

/// What a ticket and all below it may spend. What is not named is not limited here; what the ticket
/// above has left always holds too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Milliseconds from its making to its end.
    pub wall_ms: Option<u64>,
    /// Milliseconds that its guests compute.
    pub guest_ms: Option<u64>,
    /// Tokens of models.
    pub tokens: Option<u64>,
    /// Cost of models and the like, in millionths of a US dollar.
    pub cost_microusd: Option<u64>,
    /// Tickets below it.
    pub children: Option<u32>,
    /// Steps down from it.
    pub depth: Option<u32>,
}

impl From<model::Budget> for Budget {
    fn from(budget: model::Budget) -> Self {
        Budget {
            wall_ms: budget.wall_ms,
            guest_ms: budget.guest_ms,
            tokens: budget.tokens,
            cost_microusd: budget.cost_microusd,
            children: budget.children,
            depth: budget.depth,
        }
    }
}

impl From<Budget> for model::Budget {
    fn from(budget: Budget) -> Self {
        model::Budget {
            wall_ms: budget.wall_ms,
            guest_ms: budget.guest_ms,
            tokens: budget.tokens,
            cost_microusd: budget.cost_microusd,
            children: budget.children,
            depth: budget.depth,
        }
    }
}

/// What a ticket and all below it have spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

impl From<model::Spend> for Spend {
    fn from(spent: model::Spend) -> Self {
        Spend {
            guest_ms: spent.guest_ms,
            tokens: spent.tokens,
            cost_microusd: spent.cost_microusd,
            children: spent.children,
        }
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PastAttempt {
    /// The run; none where it could not even start.
    pub run: Option<Uuid>,
    /// The agent.
    pub agent: AgentRef,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed.
    pub reason: String,
}

impl PastAttempt {
    /// Shows an attempt. `names` knows its agent.
    pub(crate) fn new(past: &model::PastAttempt, names: &Names) -> PastAttempt {
        PastAttempt {
            run: past.run.map(|run| run.0),
            agent: names.agent(past.agent),
            attempt: past.attempt,
            at: time(past.at),
            reason: past.reason.clone(),
        }
    }
}

/// How many runs of a workspace may be busy at a time; those that wait for somebody do not count.
/// Further tickets queue; with none at all, nothing starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wip {
    /// All of its runs; no limit where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<u32>,
    /// Runs of a plugin, by the plugin's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, u32>,
}

impl From<&model::Wip> for Wip {
    fn from(wip: &model::Wip) -> Self {
        Wip {
            runs: wip.runs,
            plugins: wip.plugins.clone(),
        }
    }
}

impl From<Wip> for model::Wip {
    fn from(wip: Wip) -> Self {
        model::Wip {
            runs: wip.runs,
            plugins: wip.plugins,
        }
    }
}
