//! Tickets: the one noun for work, whoever asked for it.

use crate::{
    AgentId, Author, Branch, ChannelId, Confidence, PastAttempt, Priority, RunId, Spend, Terms,
    TicketId, Timestamp, Tries, Violation, WorkPlan, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A piece of work. A message to a boss, a delegation and a pipeline step are all tickets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The workspace that it belongs to.
    pub workspace: WorkspaceId,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the boss added for the subordinate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Where it stands.
    pub status: Status,
    /// Who is to do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<AgentId>,
    /// The ticket above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TicketId>,
    /// The topmost ticket of its tree, itself where it has no parent.
    pub root: TicketId,
    /// 0 for a root, one more for each step down.
    #[serde(default)]
    pub depth: u32,
    /// The tickets below, in the order of their making.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<TicketId>,
    /// The agent that delegated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<AgentId>,
    /// Why its assignee was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// JSON Schema (draft 2020-12) for the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output_schema: Option<Value>,
    /// What happens when the output does not fulfil the schema.
    #[serde(default)]
    pub validation: Validation,
    /// The output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The last report's summary, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What is wrong with the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Outputs refused so far.
    #[serde(default)]
    pub rejections: u32,
    /// Runs so far.
    #[serde(default)]
    pub attempts: u32,
    /// The live run, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// All its runs, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunId>,
    /// Its conversation.
    pub channel: ChannelId,
    /// How people talk in it; `chat` unless told otherwise.
    pub conversation_mode: String,
    /// Agents that may read and write the channel besides the assignee.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collaborators: Vec<AgentId>,
    /// Tickets that it has to do with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// When it fails if it is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// On what terms it is worked on; none where they are the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<Terms>>,
    /// Runs that failed, the oldest first, as many as are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastAttempt>,
    /// It does not start before: its last run failed, and it is tried again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// How far the trying has come; none where no attempt has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<Box<Tries>>,
    /// What it and all below it have spent.
    #[serde(default, skip_serializing_if = "Spend::is_nothing")]
    pub spent: Spend,
    /// What makes a delegation the same as an earlier one of the same parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What its boss means to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<WorkPlan>>,
    /// Branches with its work, in the linked repositories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
    /// Who made it.
    pub created_by: Author,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its first run was queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Ticket {
    /// How urgent it is.
    pub fn priority(&self) -> Priority {
        self.terms
            .as_ref()
            .map_or(Priority::Medium, |terms| terms.priority)
    }

    /// Whether the boss's selector is asked who is to have it next.
    pub fn is_choosing(&self) -> bool {
        self.tries.as_ref().is_some_and(|tries| tries.choosing)
    }
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Noted, not yet to be done.
    Backlog,
    /// To be done.
    Open,
    /// Being done.
    InProgress,
    /// Cannot go on for now.
    Blocked,
    /// Done, and someone looks at it.
    InReview,
    /// Over: done.
    Done,
    /// Over: not done.
    Failed,
    /// Over: no longer wanted.
    Cancelled,
}

impl Status {
    /// All of them, in the order of the board's columns.
    pub const ALL: [Status; 8] = [
        Status::Backlog,
        Status::Open,
        Status::InProgress,
        Status::Blocked,
        Status::InReview,
        Status::Done,
        Status::Failed,
        Status::Cancelled,
    ];

    /// Whether nothing more happens to it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Status::Done | Status::Failed | Status::Cancelled)
    }

    /// Whether the graph has an arrow from here to there.
    pub fn may_become(self, next: Status) -> bool {
        use Status::{Backlog, Blocked, Cancelled, Done, Failed, InProgress, InReview, Open};
        match self {
            Backlog => matches!(next, Open | Cancelled),
            Open => matches!(next, InProgress | Blocked | Cancelled),
            InProgress => matches!(next, Blocked | InReview | Done | Failed | Cancelled),
            Blocked => matches!(next, InProgress | Cancelled),
            InReview => matches!(next, InProgress | Done | Failed | Cancelled),
            Done | Failed | Cancelled => false,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Backlog => "backlog",
            Status::Open => "open",
            Status::InProgress => "in_progress",
            Status::Blocked => "blocked",
            Status::InReview => "in_review",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// Reads the word for it.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What happens when an output does not fulfil its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// The violations go back to the agent; after too many refusals the ticket fails.
    #[default]
    Strict,
    /// The output is stored, with the violations as warnings.
    Permissive,
}

/// Why an assignee was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// A sentence.
    pub reason: String,
    /// How sure the selector was.
    pub confidence: Confidence,
}

/// A ticket that another has to do with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// A word such as `relates`.
    pub kind: String,
    /// The other ticket.
    pub ticket: TicketId,
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn nothing_leaves_an_end_and_every_other_status_can_be_cancelled() {
        for from in Status::ALL {
            assert_eq!(
                from.is_over(),
                Status::ALL.iter().all(|to| !from.may_become(*to)),
                "{from}"
            );
            assert_eq!(
                from.may_become(Status::Cancelled),
                !from.is_over(),
                "{from}"
            );
        }
    }

    #[test]
    fn the_graph_is_the_documented_one() {
        let arrows: Vec<String> = Status::ALL
            .into_iter()
            .flat_map(|from| {
                Status::ALL
                    .into_iter()
                    .filter(move |to| from.may_become(*to))
                    .map(move |to| format!("{from} -> {to}"))
            })
            .collect();
        assert_eq!(
            arrows,
            [
                "backlog -> open",
                "backlog -> cancelled",
                "open -> in_progress",
                "open -> blocked",
                "open -> cancelled",
                "in_progress -> blocked",
                "in_progress -> in_review",
                "in_progress -> done",
                "in_progress -> failed",
                "in_progress -> cancelled",
                "blocked -> in_progress",
                "blocked -> cancelled",
                "in_review -> in_progress",
                "in_review -> done",
                "in_review -> failed",
                "in_review -> cancelled",
            ]
        );
    }

    #[test]
    fn words_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("finished"), None);
    }
}
