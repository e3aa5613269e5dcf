//! Tickets, and what is done to them.

use super::{
    AgentRef, Author, BlockerPolicy, Budget, Confidence, PastAttempt, Priority, Retry, Spend,
    Status, Validation, WorkPlan, time,
};
use crate::names::Names;
use adjutant_dispatch::{self as dispatch, Versioned};
use adjutant_model::{self as model, AgentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A piece of work. A message to a boss, a delegation and a pipeline step are all tickets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ticket {
    /// Its id.
    pub id: Uuid,
    /// The workspace that it belongs to.
    pub workspace: Uuid,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    pub description: String,
    /// What the boss added for the subordinate.
    pub notes: String,
    /// Where it stands.
    pub status: Status,
    /// Who is to do it.
    pub assignee: Option<AgentRef>,
    /// The ticket above.
    pub parent: Option<Uuid>,
    /// The topmost ticket of its tree, itself where it has no parent.
    pub root: Uuid,
    /// 0 for a root, one more for each step down.
    pub depth: u32,
    /// The tickets below, in the order of their making.
    pub children: Vec<Uuid>,
    /// The agent that delegated it.
    pub delegated_by: Option<AgentRef>,
    /// Why its assignee was chosen.
    pub choice: Option<Choice>,
    /// JSON Schema (draft 2020-12) for the output.
    pub expected_output_schema: Option<Value>,
    /// What happens when the output does not fulfil the schema.
    pub validation: Validation,
    /// The output.
    pub output: Option<Value>,
    /// The last report's summary, or why it failed.
    pub summary: String,
    /// What is wrong with the output.
    pub violations: Vec<Violation>,
    /// Outputs refused so far.
    pub rejections: u32,
    /// Runs so far.
    pub attempts: u32,
    /// The live run, or the last one.
    pub run: Option<Uuid>,
    /// How people talk in its channel.
    pub conversation_mode: String,
    /// Agents that may read and write the channel besides the assignee.
    pub collaborators: Vec<AgentRef>,
    /// Tickets that it has to do with.
    pub links: Vec<Link>,
    /// When it fails if it is not over.
    pub deadline: Option<Timestamp>,
    /// How urgent it is.
    pub priority: Priority,
    /// Tickets of the workspace with the same word here are never worked on at the same time.
    pub group: Option<String>,
    /// Tickets that must be over before it starts.
    pub blocked_by: Vec<Uuid>,
    /// What happens when one of those fails or is cancelled.
    pub on_blocker_failure: BlockerPolicy,
    /// How often it is tried.
    pub retry: Option<Retry>,
    /// What it and all below it may spend.
    pub budget: Option<Budget>,
    /// Milliseconds that its run may be silent before it fails; where none is given, the agent's limit
    /// holds.
    pub silence_ms: Option<u64>,
    /// Why it does not start yet, where it waits in its agent's queue or for another agent: a sentence. It is
    /// no part of the version. Missing where it does not wait. One answer says it of the first 1,000 tickets
    /// that are open and assigned, which only a tree has more of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// It does not start before: its last run failed, and it is tried again then.
    pub not_before: Option<Timestamp>,
    /// Its runs that failed, the oldest first.
    pub history: Vec<PastAttempt>,
    /// What it and all below it have spent.
    pub spent: Spend,
    /// What its boss means to do.
    pub plan: Option<WorkPlan>,
    /// Branches with its work, in the linked repositories.
    pub branches: Vec<Branch>,
    /// Who made it.
    pub created_by: Author,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its first run was queued.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Its version, which is also its ETag.
    pub version: u64,
}

/// Why an assignee was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// A sentence.
    pub reason: String,
    /// How sure the selector was.
    pub confidence: Confidence,
}

/// A ticket that another has to do with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// A word such as `relates`.
    pub kind: String,
    /// The other ticket.
    pub ticket: Uuid,
}

/// A branch with a ticket's work, in a linked repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Branch {
    /// The repository's name.
    pub repo: String,
    /// The branch.
    pub branch: String,
    /// Its newest commit.
    pub commit: String,
}

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// Where, as a JSON pointer; empty for the whole.
    pub path: String,
    /// What, as a sentence.
    pub message: String,
}

impl From<&model::Violation> for Violation {
    fn from(violation: &model::Violation) -> Self {
        Violation {
            path: violation.path.clone(),
            message: violation.message.clone(),
        }
    }
}

impl Ticket {
    /// The agents that a ticket names.
    pub(crate) fn agents(ticket: &model::Ticket) -> impl Iterator<Item = AgentId> {
        ticket
            .assignee
            .into_iter()
            .chain(ticket.delegated_by)
            .chain(Author::agent(&ticket.created_by))
            .chain(ticket.collaborators.iter().copied())
            .chain(ticket.history.iter().map(|past| past.agent))
            .chain(ticket.plan.iter().flat_map(|plan| WorkPlan::agents(plan)))
    }

    /// Shows a ticket. `names` knows its agents.
    pub(crate) fn new(found: &Versioned<model::Ticket>, names: &Names) -> Ticket {
        let ticket = &found.value;
        let terms = ticket.terms.as_deref().cloned().unwrap_or_default();
        Ticket {
            id: ticket.id.0,
            workspace: ticket.workspace.0,
            title: ticket.title.clone(),
            description: ticket.description.clone(),
            notes: ticket.notes.clone(),
            status: ticket.status.into(),
            assignee: ticket.assignee.map(|id| names.agent(id)),
            parent: ticket.parent.map(|id| id.0),
            root: ticket.root.0,
            depth: ticket.depth,
            children: ticket.children.iter().map(|id| id.0).collect(),
            delegated_by: ticket.delegated_by.map(|id| names.agent(id)),
            choice: ticket.choice.as_ref().map(|choice| Choice {
                reason: choice.reason.clone(),
                confidence: choice.confidence.into(),
            }),
            expected_output_schema: ticket.expected_output_schema.clone(),
            validation: ticket.validation.into(),
            output: ticket.output.clone(),
            summary: ticket.summary.clone(),
            violations: ticket.violations.iter().map(Violation::from).collect(),
            rejections: ticket.rejections,
            attempts: ticket.attempts,
            run: ticket.run.map(|id| id.0),
            conversation_mode: ticket.conversation_mode.clone(),
            collaborators: ticket
                .collaborators
                .iter()
                .map(|id| names.agent(*id))
                .collect(),
            links: ticket
                .links
                .iter()
                .map(|link| Link {
                    kind: link.kind.clone(),
                    ticket: link.ticket.0,
                })
                .collect(),
            deadline: ticket.deadline.map(time),
            priority: terms.priority.into(),
            group: terms.group,
            blocked_by: terms.blocked_by.iter().map(|id| id.0).collect(),
            on_blocker_failure: terms.on_blocker_failure.into(),
            retry: terms.retry.as_ref().map(Retry::from),
            budget: terms.budget.map(Budget::from),
            silence_ms: terms.silence_ms,
            held: names.held(ticket.id),
            not_before: ticket.not_before.map(time),
            history: ticket
                .history
                .iter()
                .map(|past| PastAttempt::new(past, names))
                .collect(),
            spent: ticket.spent.into(),
            plan: ticket.plan.as_ref().map(|plan| WorkPlan::new(plan, names)),
            branches: ticket
                .branches
                .iter()
                .map(|branch| Branch {
                    repo: branch.repo.clone(),
                    branch: branch.branch.clone(),
                    commit: branch.commit.clone(),
                })
                .collect(),
            created_by: Author::new(&ticket.created_by, names),
            created_at: time(ticket.created_at),
            updated_at: time(ticket.updated_at),
            started_at: ticket.started_at.map(time),
            ended_at: ticket.ended_at.map(time),
            version: found.version,
        }
    }
}

/// A ticket with all below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TicketNode {
    /// The ticket.
    pub ticket: Ticket,
    /// The tickets below, in the order of their making.
    #[schema(no_recursion)]
    pub children: Vec<TicketNode>,
}

impl TicketNode {
    /// All tickets of a tree.
    pub(crate) fn tickets(node: &dispatch::TicketNode) -> Vec<&model::Ticket> {
        let mut tickets = Vec::new();
        let mut rest = vec![node];
        while let Some(node) = rest.pop() {
            tickets.push(&node.ticket.value);
            rest.extend(&node.children);
        }
        tickets
    }

    /// Shows a tree. `names` knows all agents in it.
    pub(crate) fn new(node: &dispatch::TicketNode, names: &Names) -> TicketNode {
        TicketNode {
            ticket: Ticket::new(&node.ticket, names),
            children: node
                .children
                .iter()
                .map(|child| TicketNode::new(child, names))
                .collect(),
        }
    }
}

/// A ticket to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// What is to be done, in a line.
    pub title: String,
    /// In full.
    #[serde(default)]
    pub description: String,
    /// Who is to do it: an agent's id or name.
    #[serde(default)]
    pub assignee: Option<String>,
    /// The ticket above.
    #[serde(default)]
    pub parent: Option<Uuid>,
    /// `true` leaves it in the backlog.
    #[serde(default)]
    pub backlog: bool,
    /// JSON Schema (draft 2020-12) for the output.
    #[serde(default)]
    pub expected_output_schema: Option<Value>,
    /// What happens when the output does not fulfil it; `strict` where none is given.
    #[serde(default = "strict")]
    pub validation: Validation,
    /// How people talk in the channel; `chat` unless told otherwise.
    #[serde(default)]
    pub conversation_mode: Option<String>,
    /// Milliseconds from now until it fails if it is not over.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
    /// How urgent it is; `medium` where none is given.
    #[serde(default = "medium")]
    pub priority: Priority,
    /// Tickets of the workspace with the same word here are never worked on at the same time.
    #[serde(default)]
    pub group: Option<String>,
    /// Tickets that must be over before it starts.
    #[serde(default)]
    pub blocked_by: Vec<Uuid>,
    /// What happens when one of those fails or is cancelled; `fail` where none is given.
    #[serde(default = "fail")]
    pub on_blocker_failure: BlockerPolicy,
    /// How often it is tried; once where none is given.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// What it and all below it may spend.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Milliseconds that its run may be silent (no host call, no output, no report) before it fails,
    /// waits for reports and answers not counted. Where none is given, the agent's limit holds.
    #[serde(default)]
    pub silence_ms: Option<u64>,
    /// Other agents in its channel, ids or names.
    #[serde(default)]
    pub collaborators: Vec<String>,
    /// The name of the person who makes it; `operator` where none is given.
    #[serde(default)]
    pub created_by: Option<String>,
}

fn medium() -> Priority {
    Priority::Medium
}

fn fail() -> BlockerPolicy {
    BlockerPolicy::Fail
}

fn strict() -> Validation {
    Validation::Strict
}

impl From<NewTicket> for model::NewTicket {
    fn from(new: NewTicket) -> Self {
        model::NewTicket {
            title: new.title,
            description: new.description,
            assignee: new.assignee,
            parent: new.parent.map(model::TicketId),
            backlog: new.backlog,
            expected_output_schema: new.expected_output_schema,
            validation: new.validation.into(),
            conversation_mode: new.conversation_mode,
            deadline_ms: new.deadline_ms,
            terms: model::Terms {
                priority: new.priority.into(),
                group: new.group,
                blocked_by: new.blocked_by.into_iter().map(model::TicketId).collect(),
                on_blocker_failure: new.on_blocker_failure.into(),
                retry: new.retry.map(Into::into),
                budget: new.budget.map(Into::into),
                silence_ms: new.silence_ms,
            },
            collaborators: new.collaborators,
            created_by: new.created_by,
        }
    }
}

/// Whom to give a ticket to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The agent: an id or a name.
    pub agent: String,
    /// Why, for whoever had it before.
    #[serde(default)]
    pub reason: String,
}

/// Where to move a ticket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStatus {
    /// Where to.
    pub status: Status,
    /// Whether the graph of statuses does not matter.
    #[serde(default)]
    pub force: bool,
}

/// Why a ticket is cancelled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cancel {
    /// Why.
    pub reason: String,
}

/// Whom to let into a ticket's channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Collaborator {
    /// The agent: an id or a name.
    pub agent: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::names::tests::names;
    use adjutant_model::{ChannelId, TicketId, WorkspaceId};
    use serde_json::json;

    /// A ticket for tests.
    pub(crate) fn ticket(number: u128) -> model::Ticket {
        let id = Uuid::from_u128(number);
        model::Ticket {
            id: TicketId(id),
            workspace: WorkspaceId(Uuid::from_u128(500)),
            title: "t".into(),
            description: String::new(),
            notes: String::new(),
            status: model::Status::InProgress,
            assignee: Some(AgentId(Uuid::from_u128(1))),
            parent: None,
            root: TicketId(id),
            depth: 0,
            children: vec![],
            delegated_by: Some(AgentId(Uuid::from_u128(2))),
            choice: Some(model::Choice {
                reason: "it knows rust".into(),
                confidence: model::Confidence::High,
            }),
            expected_output_schema: None,
            validation: model::Validation::Strict,
            output: None,
            summary: String::new(),
            violations: vec![],
            rejections: 0,
            attempts: 1,
            run: None,
            runs: vec![],
            channel: ChannelId(id),
            conversation_mode: "chat".into(),
            collaborators: vec![AgentId(Uuid::from_u128(3))],
            links: vec![],
            deadline: Some(60_000),
            key: None,
            terms: None,
            history: Vec::new(),
            not_before: None,
            tries: None,
            spent: Default::default(),
            plan: None,
            branches: vec![],
            created_by: model::Author::Person("operator".into()),
            created_at: 0,
            updated_at: 0,
            started_at: None,
            ended_at: None,
        }
    }

    #[test]
    fn a_ticket_names_its_agents_and_has_every_field() {
        let ticket = ticket(8);
        assert_eq!(Ticket::agents(&ticket).count(), 3);
        let found = Versioned {
            value: ticket,
            version: 3,
        };
        let json = json!(Ticket::new(&found, &names(&[1, 2, 3])));
        assert_eq!(json["assignee"]["name"], "agent-1");
        assert_eq!(json["delegated_by"]["name"], "agent-2");
        assert_eq!(json["collaborators"][0]["name"], "agent-3");
        assert_eq!(json["choice"]["confidence"], "high");
        assert_eq!(json["deadline"], "1970-01-01T00:01:00Z");
        assert_eq!(json["status"], "in_progress");
        let fields: Vec<&str> = json
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        for field in [
            "id",
            "workspace",
            "title",
            "description",
            "notes",
            "status",
            "assignee",
            "parent",
            "root",
            "depth",
            "children",
            "delegated_by",
            "choice",
            "expected_output_schema",
            "validation",
            "output",
            "summary",
            "violations",
            "rejections",
            "attempts",
            "run",
            "conversation_mode",
            "collaborators",
            "links",
            "deadline",
            "plan",
            "branches",
            "created_by",
            "created_at",
            "updated_at",
            "started_at",
            "ended_at",
            "version",
        ] {
            assert!(fields.contains(&field), "{field}");
        }
    }

    fn versioned(number: u128) -> Versioned<model::Ticket> {
        Versioned {
            value: ticket(number),
            version: 1,
        }
    }

    #[test]
    fn a_tree_is_walked_whole() {
        let node = dispatch::TicketNode {
            ticket: versioned(1),
            children: vec![
                dispatch::TicketNode {
                    ticket: versioned(2),
                    children: vec![dispatch::TicketNode {
                        ticket: versioned(3),
                        children: vec![],
                    }],
                },
                dispatch::TicketNode {
                    ticket: versioned(4),
                    children: vec![],
                },
            ],
        };
        assert_eq!(TicketNode::tickets(&node).len(), 4);
        let shown = TicketNode::new(&node, &names(&[]));
        assert_eq!(shown.children[0].children[0].ticket.id, Uuid::from_u128(3));
    }

    #[test]
    fn a_new_ticket_as_the_model_writes_it_reads_back_the_same() {
        let new = model::NewTicket {
            title: "t".into(),
            assignee: Some("ada".into()),
            parent: Some(TicketId(Uuid::from_u128(1))),
            expected_output_schema: Some(json!({"type": "object"})),
            validation: model::Validation::Permissive,
            deadline_ms: Some(5),
            ..model::NewTicket::default()
        };
        let written = json!(new);
        let read: NewTicket = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(json!(model::NewTicket::from(read)), written);
    }
}
