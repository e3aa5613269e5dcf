//! Between the contract's generated types and the model's. Pure, and the same on every replay.

use adjutant_component::bindings::{channels, delegation, reporting, tickets, types, worktree};
use adjutant_model::{
    Agent, AgentId, Answer, Assignment, Author, BlockerPolicy, Budget, CallError, Confidence,
    Delegated, FileKind, Filter, Join, Joined, Member, Message, MessageKind, PastAttempt,
    PlanPhase, PlanTask, Priority, ReportOutcome, Retry, Spend, Status, Terms, TicketId,
    TicketView, Tracking, Validation, Violation, WorkPlan,
};
use serde_json::Value;
use std::str::FromStr;

/// What a conversion from the guest's words may fail with.
pub(crate) type Converted<T> = Result<T, CallError>;

pub(crate) fn error(error: CallError) -> types::Error {
    match error {
        CallError::Denied(text) => types::Error::Denied(text),
        CallError::NotFound(text) => types::Error::NotFound(text),
        CallError::Invalid(list) => types::Error::Invalid(violations(list)),
        CallError::Limit(text) => types::Error::Limit(text),
        CallError::Cancelled(text) => types::Error::Cancelled(text),
        CallError::Deadline(text) => types::Error::Deadline(text),
        CallError::Unavailable(text) => types::Error::Unavailable(text),
        CallError::Other(text) => types::Error::Other(text),
    }
}

pub(crate) fn violations(list: Vec<Violation>) -> Vec<types::Violation> {
    list.into_iter()
        .map(|violation| types::Violation {
            path: violation.path,
            message: violation.message,
        })
        .collect()
}

/// An answer of another kind than its call's: the journal was written by something else.
pub(crate) fn unexpected(answer: &Answer) -> types::Error {
    types::Error::Other(format!(
        "the host gave an answer of the wrong kind: {answer:?}"
    ))
}

/// An id that the guest names. What is no id names nothing.
pub(crate) fn id<T: FromStr>(what: &str, text: &str) -> Converted<T> {
    text.parse()
        .map_err(|_| CallError::NotFound(format!("there is no {what} {text:?}")))
}

pub(crate) fn json(path: &str, text: &str) -> Converted<Value> {
    serde_json::from_str(text).map_err(|error| {
        CallError::Invalid(vec![Violation::new(
            path,
            format!("this is not JSON: {error}"),
        )])
    })
}

fn text(value: Value) -> String {
    value.to_string()
}

pub(crate) fn agent(agent: &Agent) -> types::Agent {
    types::Agent {
        id: agent.id.to_string(),
        name: agent.name.clone(),
        class: agent.class.clone(),
        skills: agent.skills.clone(),
        description: agent.description.clone(),
    }
}

pub(crate) fn member_agent(member: &Member) -> types::Agent {
    types::Agent {
        id: member.id.to_string(),
        name: member.name.clone(),
        class: member.class.clone(),
        skills: member.skills.clone(),
        description: member.description.clone(),
    }
}

pub(crate) fn tracking(tracking: Tracking) -> types::TrackingStatus {
    match tracking {
        Tracking::Idle => types::TrackingStatus::Idle,
        Tracking::Working => types::TrackingStatus::Working,
        Tracking::WaitingSubordinates => types::TrackingStatus::WaitingSubordinates,
        Tracking::NeedsReview => types::TrackingStatus::NeedsReview,
        Tracking::Blocked => types::TrackingStatus::Blocked,
        Tracking::Error => types::TrackingStatus::Error,
    }
}

fn status(status: Status) -> types::TicketStatus {
    match status {
        Status::Backlog => types::TicketStatus::Backlog,
        Status::Open => types::TicketStatus::Open,
        Status::InProgress => types::TicketStatus::InProgress,
        Status::Blocked => types::TicketStatus::Blocked,
        Status::InReview => types::TicketStatus::InReview,
        Status::Done => types::TicketStatus::Done,
        Status::Failed => types::TicketStatus::Failed,
        Status::Cancelled => types::TicketStatus::Cancelled,
    }
}

pub(crate) fn ticket(view: TicketView) -> types::Ticket {
    types::Ticket {
        id: view.id.to_string(),
        title: view.title,
        description: view.description,
        status: status(view.status),
        assignee: view.assignee.map(|id| id.to_string()),
        parent: view.parent.map(|id| id.to_string()),
        delegated_by: view.delegated_by.map(|id| id.to_string()),
        expected_output_schema_json: view.expected_output_schema.map(text),
        output_json: view.output.map(text),
        summary: view.summary,
    }
}

pub(crate) fn filter(filter: tickets::Filter) -> Converted<Filter> {
    let status = match filter.status {
        None => None,
        Some(types::TicketStatus::Backlog) => Some(Status::Backlog),
        Some(types::TicketStatus::Open) => Some(Status::Open),
        Some(types::TicketStatus::InProgress) => Some(Status::InProgress),
        Some(types::TicketStatus::Blocked) => Some(Status::Blocked),
        Some(types::TicketStatus::InReview) => Some(Status::InReview),
        Some(types::TicketStatus::Done) => Some(Status::Done),
        Some(types::TicketStatus::Failed) => Some(Status::Failed),
        Some(types::TicketStatus::Cancelled) => Some(Status::Cancelled),
        Some(types::TicketStatus::Other(text)) => {
            return Err(unknown("/status", "ticket status", &text));
        }
    };
    Ok(Filter {
        status,
        assignee: filter.assignee.map(|text| id("agent", &text)).transpose()?,
        parent: filter.parent.map(|text| id("ticket", &text)).transpose()?,
    })
}

fn unknown(path: &str, what: &str, text: &str) -> CallError {
    CallError::Invalid(vec![Violation::new(
        path,
        format!("this host knows no {what} {text:?}"),
    )])
}

pub(crate) fn member(member: Member) -> delegation::Member {
    delegation::Member {
        agent: member_agent(&member),
        status: tracking(member.status),
        current: member
            .current
            .into_iter()
            .map(|id| id.to_string())
            .collect(),
        queued: member.queued,
        last_report_at: member.last_report_at,
    }
}

pub(crate) fn assignment(at: usize, given: delegation::Assignment) -> Converted<Assignment> {
    let path = format!("/{at}/expected-output-schema-json");
    Ok(Assignment {
        title: given.title,
        description: given.description,
        assignee: given
            .assignee
            .map(|text| id::<AgentId>("agent", &text))
            .transpose()?,
        notes: given.notes,
        expected_output_schema: given
            .expected_output_schema_json
            .map(|text| json(&path, &text))
            .transpose()?,
        validation: if given.permissive {
            Validation::Permissive
        } else {
            Validation::Strict
        },
        deadline_ms: given.deadline_ms,
        key: given.key,
        terms: Terms {
            priority: priority(given.priority),
            group: given.group,
            blocked_by: Vec::new(),
            on_blocker_failure: match given.on_blocker_failure {
                delegation::BlockerPolicy::Fail => BlockerPolicy::Fail,
                delegation::BlockerPolicy::Release => BlockerPolicy::Release,
                delegation::BlockerPolicy::Other(text) => {
                    let path = format!("/{at}/on-blocker-failure");
                    return Err(unknown(&path, "policy", &text));
                }
            },
            retry: given.retry.map(|retry| Retry {
                attempts: retry.attempts,
                backoff_ms: retry.backoff_ms,
                max_backoff_ms: retry.max_backoff_ms,
                reassign: retry.reassign,
            }),
            budget: given.budget.map(|given| budget(&given)),
            silence_ms: given.silence_ms,
        },
        blocked_by: given.blocked_by,
    })
}

pub(crate) fn delegated(delegated: Delegated) -> delegation::Delegated {
    delegation::Delegated {
        ticket: delegated.ticket.to_string(),
        assignee: delegated.assignee.to_string(),
        assignee_name: delegated.assignee_name,
        reason: delegated.reason,
        confidence: match delegated.confidence {
            Confidence::High => types::Confidence::High,
            Confidence::Medium => types::Confidence::Medium,
            Confidence::Low => types::Confidence::Low,
        },
    }
}

pub(crate) fn join(join: delegation::Join) -> Converted<Join> {
    Ok(match join {
        delegation::Join::All => Join::All,
        delegation::Join::Any => Join::Any,
        delegation::Join::Quorum(wanted) => Join::Quorum(wanted),
        delegation::Join::Deadline(ms) => Join::Deadline(ms),
        delegation::Join::Other(text) => return Err(unknown("/join", "join", &text)),
    })
}

pub(crate) fn joined(joined: Joined) -> delegation::Joined {
    let reports = joined.reports.into_iter().map(|report| {
        let text = adjutant_model::text::task_report(&report);
        delegation::TaskReport {
            ticket: report.ticket.to_string(),
            title: report.title,
            agent: report.agent.map(|id| id.to_string()).unwrap_or_default(),
            agent_name: report.agent_name,
            outcome: outcome(report.outcome),
            summary: report.summary,
            output_json: report.output.map(self::text),
            violations: violations(report.violations),
            text,
            attempt: report.attempt,
            history: report.history.into_iter().map(past_attempt).collect(),
            spent: spend(report.spent),
        }
    });
    delegation::Joined {
        met: joined.met,
        reports: reports.collect(),
        pending: joined
            .pending
            .into_iter()
            .map(|id| id.to_string())
            .collect(),
    }
}

fn priority(given: types::Priority) -> Priority {
    match given {
        types::Priority::High => Priority::High,
        types::Priority::Low => Priority::Low,
        types::Priority::Medium | types::Priority::Other(_) => Priority::Medium,
    }
}

fn budget(given: &types::Budget) -> Budget {
    Budget {
        wall_ms: given.wall_ms,
        guest_ms: given.guest_ms,
        tokens: given.tokens,
        cost_microusd: given.cost_microusd,
        children: given.children,
        depth: given.depth,
    }
}

pub(crate) fn budget_left(left: &Budget) -> types::Budget {
    types::Budget {
        wall_ms: left.wall_ms,
        guest_ms: left.guest_ms,
        tokens: left.tokens,
        cost_microusd: left.cost_microusd,
        children: left.children,
        depth: left.depth,
    }
}

fn spend(spent: Spend) -> types::Spend {
    types::Spend {
        guest_ms: spent.guest_ms,
        tokens: spent.tokens,
        cost_microusd: spent.cost_microusd,
        children: spent.children,
    }
}

fn past_attempt(past: PastAttempt) -> types::PastAttempt {
    types::PastAttempt {
        attempt: past.attempt,
        agent: past.agent.to_string(),
        at: past.at,
        reason: past.reason,
    }
}

fn outcome(outcome: ReportOutcome) -> types::Outcome {
    match outcome {
        ReportOutcome::Completed => types::Outcome::Completed,
        ReportOutcome::Failed => types::Outcome::Failed,
        ReportOutcome::Cancelled => types::Outcome::Cancelled,
    }
}

pub(crate) fn plan(plan: delegation::WorkPlan) -> Converted<WorkPlan> {
    let task = |task: delegation::PlanTask| -> Converted<PlanTask> {
        Ok(PlanTask {
            id: task.id,
            description: task.description,
            suggested_class: task.suggested_class,
            assign_to: task
                .assign_to_agent
                .map(|text| id("agent", &text))
                .transpose()?,
            priority: priority(task.priority),
            blocked_by: task.blocked_by,
        })
    };
    let phase = |phase: delegation::PlanPhase| -> Converted<PlanPhase> {
        Ok(PlanPhase {
            id: phase.id,
            name: phase.name,
            parallel: phase.parallel,
            depends_on: phase.depends_on,
            tasks: phase
                .tasks
                .into_iter()
                .map(task)
                .collect::<Converted<_>>()?,
        })
    };
    Ok(WorkPlan {
        name: plan.name,
        description: plan.description,
        phases: plan
            .phases
            .into_iter()
            .map(phase)
            .collect::<Converted<_>>()?,
    })
}

pub(crate) fn external(
    found: ReportOutcome,
    summary: String,
    output: Option<Value>,
) -> reporting::ExternalReport {
    reporting::ExternalReport {
        outcome: outcome(found),
        summary,
        output_json: output.map(text),
    }
}

pub(crate) fn message(index: u64, message: Message) -> channels::Message {
    channels::Message {
        id: message.id.to_string(),
        index,
        author: match message.author {
            Author::Agent(id) => channels::Author::Agent(id.to_string()),
            Author::Person(name) => channels::Author::Person(name),
            Author::Host => channels::Author::Host,
        },
        kind: match message.kind {
            MessageKind::Text => channels::MessageKind::Text,
            MessageKind::Progress => channels::MessageKind::Progress,
            MessageKind::Question => channels::MessageKind::Question,
            MessageKind::Task => channels::MessageKind::Task,
            MessageKind::Report => channels::MessageKind::Report,
        },
        text: message.text,
        mentions: message.mentions,
        reply_to: message.reply_to.map(|id| id.to_string()),
        at: message.at,
    }
}

pub(crate) fn entry_kind(kind: FileKind) -> worktree::EntryKind {
    match kind {
        FileKind::File => worktree::EntryKind::File,
        FileKind::Directory => worktree::EntryKind::Directory,
        FileKind::Symlink => worktree::EntryKind::Symlink,
        FileKind::Other => worktree::EntryKind::Other("neither file, folder nor link".to_owned()),
    }
}

pub(crate) fn tickets(list: &[String]) -> Converted<Vec<TicketId>> {
    list.iter().map(|text| id("ticket", text)).collect()
}
