//! How work ends, and how several ends are joined.

use crate::{AgentId, PastAttempt, Spend, TicketId, Violation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a delegated task ended, as its boss gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// The child ticket.
    pub ticket: TicketId,
    /// Its title.
    pub title: String,
    /// Who did it; none where it never had an assignee.
    pub agent: Option<AgentId>,
    /// That agent's name.
    pub agent_name: String,
    /// How it ended.
    pub outcome: ReportOutcome,
    /// For people.
    pub summary: String,
    /// The output.
    pub output: Option<Value>,
    /// What is wrong with the output.
    pub violations: Vec<Violation>,
    /// Its last run's number, from 1; 0 where it never ran.
    #[serde(default)]
    pub attempt: u32,
    /// Its runs that failed, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastAttempt>,
    /// What it and all below it have spent.
    #[serde(default, skip_serializing_if = "Spend::is_nothing")]
    pub spent: Spend,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportOutcome {
    /// It was done.
    Completed,
    /// It was not.
    Failed,
    /// It is no longer wanted.
    Cancelled,
}

impl ReportOutcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ReportOutcome::Completed => "completed",
            ReportOutcome::Failed => "failed",
            ReportOutcome::Cancelled => "cancelled",
        }
    }
}

/// What a strategy gave back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkResult {
    /// Whether the task was done.
    pub completed: bool,
    /// For people.
    pub summary: String,
    /// The structured result.
    pub output: Option<Value>,
}

/// When a wait for reports is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// When all are over.
    All,
    /// When one has completed, or all are over.
    Any,
    /// When so many have completed, or so many no longer can.
    Quorum(u32),
    /// After so many milliseconds, or earlier when all are over.
    Deadline(u64),
}

/// What a wait for reports answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// Whether the join was met.
    pub met: bool,
    /// Reports that are in, in the order they came.
    pub reports: Vec<TaskReport>,
    /// Tickets that are not over.
    pub pending: Vec<TicketId>,
}

impl Join {
    /// Whether the wait is over, and if so whether the join was met.
    ///
    /// `total` tickets are waited for; `completed` of them are done and `over` are over in any way.
    pub fn evaluate(self, total: usize, completed: usize, over: usize) -> Option<bool> {
        let all_over = over == total;
        match self {
            Join::All | Join::Deadline(_) => all_over.then_some(true),
            Join::Any if completed > 0 => Some(true),
            Join::Any => all_over.then_some(false),
            Join::Quorum(wanted) => {
                let wanted = wanted as usize;
                if completed >= wanted {
                    Some(true)
                } else {
                    (completed + (total - over) < wanted).then_some(false)
                }
            }
        }
    }
}

/// How sure a choice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Sure.
    High,
    /// Likely.
    Medium,
    /// A guess.
    Low,
}

/// A branch with a ticket's work, in a linked repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// The repository's name.
    pub repo: String,
    /// The branch.
    pub branch: String,
    /// Its newest commit.
    pub commit: String,
}

#[cfg(test)]
mod tests {
    use super::Join;

    #[test]
    fn joins() {
        let table = [
            // join, total, completed, over, answer
            (Join::All, 0, 0, 0, Some(true)),
            (Join::All, 2, 1, 1, None),
            (Join::All, 2, 1, 2, Some(true)),
            (Join::Any, 2, 0, 0, None),
            (Join::Any, 2, 0, 1, None),
            (Join::Any, 2, 1, 1, Some(true)),
            (Join::Any, 2, 0, 2, Some(false)),
            (Join::Quorum(2), 3, 1, 1, None),
            (Join::Quorum(2), 3, 2, 2, Some(true)),
            (Join::Quorum(2), 3, 1, 2, None),
            (Join::Quorum(2), 3, 0, 2, Some(false)),
            (Join::Quorum(2), 3, 1, 3, Some(false)),
            (Join::Deadline(5), 2, 1, 1, None),
            (Join::Deadline(5), 2, 0, 2, Some(true)),
        ];
        for (join, total, completed, over, answer) in table {
            assert_eq!(
                join.evaluate(total, completed, over),
                answer,
                "{join:?} {total} {completed} {over}"
            );
        }
    }
}
