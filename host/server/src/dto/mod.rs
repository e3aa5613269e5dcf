//! The API's JSON: what it takes and what it gives.
//!
//! These types are the API's promise, so they are apart from the model's: the model may change, they
//! change only by additions. Names are snake_case, times are RFC 3339 in UTC, ids are UUIDs. What is
//! taken refuses unknown fields. Two forms are older than Adjutant and camelCase: work plans and
//! `report-task`.
//!
//! A run's token is in none of them.

mod agent;
mod event;
mod inspect;
mod message;
mod plan;
mod plugin;
mod run;
mod status;
mod terms;
mod ticket;
mod words;
mod workspace;

pub use agent::{Agent, AgentLimits, AgentNode, AgentRef, Grants};
pub use event::Event;
pub use inspect::{Candidate, ExactRecord, Pick, Picks, Recording, Resume, Resumed};
pub use message::{Author, Message, NewMessage};
pub use plan::{PlanPhase, PlanTask, WorkPlan};
pub use plugin::{
    Canary, Counted, Drain, Plugin, Rollout, RolloutStep, Turn, WatchedFile, WatchedFolder,
};
pub use run::{Join, JournalRecord, LogLine, Run, RunPlugin, Wait};
pub use status::{Contract, HostStatus, PluginBounds, RunCounts, Share, TicketCounts, Written};
pub use terms::{Budget, PastAttempt, Retry, Spend, Wip};
pub use ticket::{
    Assign, Branch, Cancel, Choice, Collaborator, Link, NewTicket, SetStatus, Ticket, TicketNode,
    Violation,
};
pub use words::{
    BlockerPolicy, CallState, Confidence, Execution, JoinKind, MessageKind, Priority, ReportStatus,
    RunStatus, Status, Tracking, UnknownWord, Validation, WaitKind, World,
};
pub use workspace::{Applied, AppliedAgent, ApplyTeam, NewAgent, NewWorkspace, Repo, Workspace};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the host answers while it is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The host's version.
    pub version: String,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// The cursor to ask on with; null at the end.
    pub next: Option<String>,
}

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind it is: a path of this server that explains it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, where, and what to do.
    pub detail: String,
    /// What is wrong with the request's values, where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// A report on a delegated task, from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TaskReport {
    /// What was done.
    pub summary: Option<String>,
    /// How it went: `completed` or `failed`; `completed` where none is given.
    #[schema(value_type = Option<ReportStatus>)]
    pub status: Option<String>,
    /// The structured result, any JSON. Where the ticket has a schema, this must fulfil it. At most as
    /// many bytes as the limit `output_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Value>,
    /// What it took. It is charged to the ticket's budget and to those above it, also where that is
    /// more than they had left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What work outside took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens of models.
    pub tokens: u64,
    /// Cost in US dollars.
    pub cost_usd: f64,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportReceipt {
    /// Whether the report was taken.
    pub success: bool,
    /// The agent whose report it is.
    pub subordinate_id: String,
    /// Its name.
    pub subordinate_name: String,
    /// Its boss; null where it has none.
    pub boss_id: Option<String>,
    /// Its boss's name; null where it has none.
    pub boss_name: Option<String>,
    /// The status that was reported.
    pub task_status: ReportStatus,
    /// Whether the report was taken.
    pub accepted: bool,
    /// Whether it went to a boss.
    pub forwarded: bool,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A time of the model. One that lies beyond what can be written is the last that can.
pub(crate) fn time(milliseconds: adjutant_model::Timestamp) -> Timestamp {
    i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(json!(time(0)), "1970-01-01T00:00:00Z");
        assert_eq!(json!(time(1_795_000_000_123)), "2026-11-18T11:06:40.123Z");
        assert_eq!(time(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn a_receipt_has_the_compatible_form() {
        let receipt = ReportReceipt {
            success: true,
            subordinate_id: "s".into(),
            subordinate_name: "Builder".into(),
            boss_id: Some("b".into()),
            boss_name: Some("Boss".into()),
            task_status: ReportStatus::Completed,
            accepted: true,
            forwarded: true,
            reason: None,
        };
        assert_eq!(
            json!(receipt),
            json!({
                "success": true,
                "subordinateId": "s",
                "subordinateName": "Builder",
                "bossId": "b",
                "bossName": "Boss",
                "taskStatus": "completed",
                "accepted": true,
                "forwarded": true,
            })
        );
    }
}
