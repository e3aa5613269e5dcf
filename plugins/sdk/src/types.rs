//! Small builders and questions on the contract's types.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reporting::ExternalReport;
use crate::{
    Assignment, BlockerPolicy, Budget, Confidence, Delegated, Error, Failure, Joined, Outcome,
    PlanPhase, PlanTask, Priority, Report, Retry, Task, TaskReport, TicketStatus, TrackingStatus,
    WorkPlan, delegation,
};

impl Report {
    /// A report with a summary for people, in Markdown.
    pub fn new(summary: impl Into<String>) -> Self {
        Report {
            summary: summary.into(),
            output_json: None,
        }
    }

    /// The same with a structured result, as JSON. A value that JSON cannot express (a map with keys
    /// that are no strings) leaves the report without an output, and says so on stderr, which is kept
    /// in the run's log.
    #[must_use]
    pub fn output<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.output_json = to_json(value);
        self
    }
}

impl Failure {
    /// A failure: what went wrong, and what could be done about it.
    pub fn new(summary: impl Into<String>) -> Self {
        Failure {
            summary: summary.into(),
            output_json: None,
        }
    }

    /// The same with whatever structured result there is all the same; see [`Report::output`].
    #[must_use]
    pub fn output<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.output_json = to_json(value);
        self
    }
}

/// Errors and texts end the work as a failure that says so: `?` is enough.
macro_rules! fails_by {
    ($($from:ty),* $(,)?) => {
        $(impl From<$from> for Failure {
            fn from(error: $from) -> Self {
                Failure::new(error.to_string())
            }
        })*
    };
}

fails_by!(
    Error,
    serde_json::Error,
    std::string::FromUtf8Error,
    std::num::ParseIntError,
    String,
    &str
);

fn to_json<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    serde_json::to_string(value)
        .inspect_err(|error| eprintln!("the output cannot be written as JSON: {error}"))
        .ok()
}

impl Task {
    /// The agent's configuration. `Err` is ready to be the answer of `work`.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text = if self.config_json.trim().is_empty() {
            "{}"
        } else {
            &self.config_json
        };
        serde_json::from_str(text).map_err(|error| {
            Failure::new(format!(
                "The configuration of agent \"{}\" does not fit its strategy: {error}.",
                self.agent.name
            ))
        })
    }

    /// What is to be done: the ticket's description, or its title where that is empty.
    pub fn text(&self) -> &str {
        let description = self.ticket.description.trim();
        if description.is_empty() {
            self.ticket.title.trim()
        } else {
            description
        }
    }
}

impl Assignment {
    /// A task for whoever fits best: the host asks the boss's selector.
    pub fn new(title: impl Into<String>) -> Self {
        Assignment {
            title: title.into(),
            description: String::new(),
            assignee: None,
            notes: String::new(),
            expected_output_schema_json: None,
            permissive: false,
            deadline_ms: None,
            key: None,
            priority: Priority::Medium,
            group: None,
            blocked_by: Vec::new(),
            on_blocker_failure: BlockerPolicy::Fail,
            retry: None,
            budget: None,
            silence_ms: None,
        }
    }

    /// A task for one subordinate, by its agent id.
    pub fn to(agent: impl Into<String>, title: impl Into<String>) -> Self {
        Assignment {
            assignee: Some(agent.into()),
            ..Assignment::new(title)
        }
    }

    /// All that the subordinate needs to know.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The boss's notes, shown beside the task.
    #[must_use]
    pub fn notes(mut self, text: impl Into<String>) -> Self {
        self.notes = text.into();
        self
    }

    /// A JSON Schema (draft 2020-12) that the output must fulfil.
    #[must_use]
    pub fn schema(mut self, schema: &serde_json::Value) -> Self {
        self.expected_output_schema_json = Some(schema.to_string());
        self
    }

    /// Keep an output that does not fulfil the schema, with warnings, instead of refusing it.
    #[must_use]
    pub fn permissive(mut self) -> Self {
        self.permissive = true;
        self
    }

    /// How long it may take, in milliseconds; then the ticket fails.
    #[must_use]
    pub fn deadline_ms(mut self, deadline: u64) -> Self {
        self.deadline_ms = Some(deadline);
        self
    }

    /// How urgent it is: an agent's queue has the urgent ones first.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Tickets of a workspace with the same word here are never worked on at the same time.
    #[must_use]
    pub fn group(mut self, word: impl Into<String>) -> Self {
        self.group = Some(word.into());
        self
    }

    /// It starts when another is over: the key of an assignment before it, or a ticket's id.
    #[must_use]
    pub fn blocked_by(mut self, other: impl Into<String>) -> Self {
        self.blocked_by.push(other.into());
        self
    }

    /// It starts also where one that it waits for failed, instead of failing too.
    #[must_use]
    pub fn released_by_failure(mut self) -> Self {
        self.on_blocker_failure = BlockerPolicy::Release;
        self
    }

    /// So many runs by one subordinate, then as many by each of so many others. The pause before a
    /// second run is one second, doubled each time, a minute at most.
    #[must_use]
    pub fn retry(mut self, attempts: u32, reassign: u32) -> Self {
        self.retry = Some(Retry {
            attempts,
            backoff_ms: 1_000,
            max_backoff_ms: 60_000,
            reassign,
        });
        self
    }

    /// What it and all below it may spend.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// How long its run may be silent before it fails, in milliseconds.
    #[must_use]
    pub fn silence_ms(mut self, silence: u64) -> Self {
        self.silence_ms = Some(silence);
        self
    }

    /// Two assignments of one ticket with the same key are the same delegation.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl WorkPlan {
    /// A plan without phases yet.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        WorkPlan {
            name: name.into(),
            description: description.into(),
            phases: Vec::new(),
        }
    }

    /// The same with one more phase, which begins when those before it are over. Its tasks run at the
    /// same time. Ids are made up: `phase-1`, `task-1-1` and so on.
    #[must_use]
    pub fn phase<T: Into<String>>(
        mut self,
        name: impl Into<String>,
        tasks: impl IntoIterator<Item = T>,
    ) -> Self {
        let number = self.phases.len() + 1;
        let tasks = tasks
            .into_iter()
            .enumerate()
            .map(|(i, description)| PlanTask {
                id: format!("task-{number}-{}", i + 1),
                description: description.into(),
                suggested_class: String::new(),
                assign_to_agent: None,
                priority: Priority::Medium,
                blocked_by: Vec::new(),
            });
        self.phases.push(PlanPhase {
            id: format!("phase-{number}"),
            name: name.into(),
            parallel: true,
            depends_on: self
                .phases
                .last()
                .map(|phase| phase.id.clone())
                .into_iter()
                .collect(),
            tasks: tasks.collect(),
        });
        self
    }
}

impl TaskReport {
    /// Whether the task was completed.
    pub fn completed(&self) -> bool {
        matches!(self.outcome, Outcome::Completed)
    }

    /// The structured result, where there is one.
    pub fn output(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.output_json.as_deref()?).ok()
    }
}

impl ExternalReport {
    /// The structured result, where there is one.
    pub fn output(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.output_json.as_deref()?).ok()
    }
}

/// Wait until all of these delegations are over, for as long as it takes.
pub fn await_all(delegated: &[Delegated]) -> Result<Joined, Error> {
    // No tickets would mean all that were ever delegated.
    if delegated.is_empty() {
        return Ok(Joined {
            met: true,
            reports: Vec::new(),
            pending: Vec::new(),
        });
    }
    let tickets: Vec<String> = delegated.iter().map(|one| one.ticket.clone()).collect();
    delegation::await_reports(&tickets, &delegation::Join::All, None)
}

/// Enumerations display as the contract spells them; an unknown case as whatever the host calls it.
macro_rules! spelled {
    ($type:ident { $($case:ident = $text:literal),* $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($type::$case => $text,)*
                    $type::Other(text) => text,
                })
            }
        }
    };
}

spelled!(TicketStatus {
    Backlog = "backlog",
    Open = "open",
    InProgress = "in-progress",
    Blocked = "blocked",
    InReview = "in-review",
    Done = "done",
    Failed = "failed",
    Cancelled = "cancelled",
});
spelled!(TrackingStatus {
    Idle = "idle",
    Working = "working",
    WaitingSubordinates = "waiting-subordinates",
    NeedsReview = "needs-review",
    Blocked = "blocked",
    Error = "error",
});
spelled!(Outcome { Completed = "completed", Failed = "failed", Cancelled = "cancelled" });
spelled!(Confidence { High = "high", Medium = "medium", Low = "low" });
spelled!(Priority { High = "high", Medium = "medium", Low = "low" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_failure_with_its_text() {
        fn work() -> Result<Report, Failure> {
            Err(Error::Deadline("No answer within 5 s.".into()))?
        }
        assert_eq!(work(), Err(Failure::new("No answer within 5 s.")));
    }

    #[test]
    fn a_later_phase_depends_on_the_one_before() {
        let plan = WorkPlan::new("p", "")
            .phase("first", ["a", "b"])
            .phase("second", ["c"]);
        assert_eq!(plan.phases[0].tasks[1].id, "task-1-2");
        assert!(plan.phases[0].depends_on.is_empty());
        assert_eq!(plan.phases[1].depends_on, ["phase-1"]);
    }

    #[test]
    fn an_assignment_is_built_up() {
        let assignment = Assignment::to("a1", "Count")
            .schema(&serde_json::json!({"type": "object"}))
            .deadline_ms(5)
            .key("k");
        assert_eq!(assignment.assignee.as_deref(), Some("a1"));
        assert_eq!(
            assignment.expected_output_schema_json.as_deref(),
            Some(r#"{"type":"object"}"#)
        );
        assert_eq!(
            (assignment.deadline_ms, assignment.permissive),
            (Some(5), false)
        );
    }
}
