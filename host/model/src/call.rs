//! Host calls as data: what a guest may ask, and what it may be answered.
//!
//! The same values are decided on, journaled, compared on replay and shown to people, so they hold no
//! secret and nothing that changes between two replays. Large contents are named by their digest.

use crate::{
    Agent, AgentId, Budget, Confidence, Join, Joined, Message, MessageId, Refusal, ReportOutcome,
    Status, Terms, Ticket, TicketId, Timestamp, Tracking, Validation, Violation, WorkPlan,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A host call of the contract, one case for each function of the WIT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each case and field is documented in the WIT")]
pub enum Call {
    Team,
    BudgetLeft,
    ProposePlan {
        plan: WorkPlan,
    },
    Delegate {
        assignments: Vec<Assignment>,
    },
    AwaitReports {
        tickets: Vec<TicketId>,
        join: Join,
        timeout_ms: Option<u64>,
    },
    CancelDelegated {
        ticket: TicketId,
        reason: String,
    },
    Reassign {
        ticket: TicketId,
        assignee: AgentId,
        reason: String,
    },
    Progress {
        note: String,
    },
    SubmitOutput {
        output: Value,
    },
    CallForReport {
        message: String,
        timeout_ms: Option<u64>,
    },
    Post {
        ticket: Option<TicketId>,
        text: String,
        reply_to: Option<MessageId>,
    },
    Mention {
        members: Vec<String>,
        text: String,
    },
    ReadChannel {
        ticket: Option<TicketId>,
        after: u64,
        limit: u32,
    },
    Ask {
        member: String,
        text: String,
        timeout_ms: Option<u64>,
    },
    CreateTicket {
        draft: Draft,
    },
    AssignTicket {
        ticket: TicketId,
        agent: String,
    },
    GetTicket {
        ticket: TicketId,
    },
    ListTickets {
        filter: Filter,
    },
    Comment {
        ticket: TicketId,
        text: String,
    },
    AddCollaborator {
        agent: String,
    },
    LinkTicket {
        ticket: TicketId,
        kind: String,
    },
    MemoryGet {
        key: String,
    },
    MemoryPut {
        key: String,
        bytes: u64,
        digest: String,
    },
    MemoryRemove {
        key: String,
    },
    MemoryKeys {
        prefix: String,
    },
    WorktreeRead {
        path: String,
    },
    WorktreeWrite {
        path: String,
        bytes: u64,
        digest: String,
    },
    WorktreeRemove {
        path: String,
    },
    WorktreeList {
        path: String,
    },
    WorktreeDiff,
    WorktreeCommit {
        message: String,
    },
    WorktreeRun {
        command: Vec<String>,
        timeout_ms: Option<u64>,
    },
}

impl Call {
    /// The WIT function, as `interface.function`.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Team => "delegation.team",
            Call::BudgetLeft => "delegation.budget-left",
            Call::ProposePlan { .. } => "delegation.propose-plan",
            Call::Delegate { .. } => "delegation.delegate",
            Call::AwaitReports { .. } => "delegation.await-reports",
            Call::CancelDelegated { .. } => "delegation.cancel",
            Call::Reassign { .. } => "delegation.reassign",
            Call::Progress { .. } => "reporting.progress",
            Call::SubmitOutput { .. } => "reporting.submit-output",
            Call::CallForReport { .. } => "reporting.call-for-report",
            Call::Post { .. } => "channels.post",
            Call::Mention { .. } => "channels.mention",
            Call::ReadChannel { .. } => "channels.read",
            Call::Ask { .. } => "channels.ask",
            Call::CreateTicket { .. } => "tickets.create",
            Call::AssignTicket { .. } => "tickets.assign",
            Call::GetTicket { .. } => "tickets.get",
            Call::ListTickets { .. } => "tickets.list",
            Call::Comment { .. } => "tickets.comment",
            Call::AddCollaborator { .. } => "tickets.add-collaborator",
            Call::LinkTicket { .. } => "tickets.link",
            Call::MemoryGet { .. } => "memory.get",
            Call::MemoryPut { .. } => "memory.put",
            Call::MemoryRemove { .. } => "memory.remove",
            Call::MemoryKeys { .. } => "memory.keys",
            Call::WorktreeRead { .. } => "worktree.read",
            Call::WorktreeWrite { .. } => "worktree.write",
            Call::WorktreeRemove { .. } => "worktree.remove",
            Call::WorktreeList { .. } => "worktree.list",
            Call::WorktreeDiff => "worktree.diff",
            Call::WorktreeCommit { .. } => "worktree.commit",
            Call::WorktreeRun { .. } => "worktree.run",
        }
    }
}

impl Call {
    /// At most how many bytes its encoding has, about: what is journaled is bounded by it.
    pub fn bytes(&self) -> usize {
        let text = |text: &String| text.len() + 8;
        32 + match self {
            Call::ProposePlan { plan } => {
                let tasks = plan.phases.iter().flat_map(|phase| &phase.tasks);
                let names = plan.phases.iter().map(|phase| {
                    let depends: usize = phase.depends_on.iter().map(text).sum();
                    phase.id.len() + phase.name.len() + depends + 64
                });
                let tasks = tasks.map(|task| {
                    let blocked: usize = task.blocked_by.iter().map(text).sum();
                    task.id.len()
                        + task.description.len()
                        + task.suggested_class.len()
                        + blocked
                        + 128
                });
                plan.name.len()
                    + plan.description.len()
                    + names.sum::<usize>()
                    + tasks.sum::<usize>()
            }
            Call::Delegate { assignments } => assignments
                .iter()
                .map(|one| {
                    let schema = one.expected_output_schema.as_ref().map_or(0, json_bytes);
                    let key = one.key.as_ref().map_or(0, text);
                    let after: usize = one.blocked_by.iter().map(text).sum();
                    let group = one.terms.group.as_ref().map_or(0, text);
                    let texts = one.title.len() + one.description.len() + one.notes.len();
                    texts + schema + key + after + group + 512
                })
                .sum(),
            Call::AwaitReports { tickets, .. } => tickets.len() * 20,
            Call::SubmitOutput { output } => json_bytes(output),
            Call::CreateTicket { draft } => {
                let schema = draft.expected_output_schema.as_ref().map_or(0, json_bytes);
                let key = draft.key.as_ref().map_or(0, text);
                draft.title.len() + draft.description.len() + schema + key + 64
            }
            Call::Mention {
                members,
                text: said,
            } => members.iter().map(text).sum::<usize>() + said.len(),
            Call::WorktreeRun { command, .. } => command.iter().map(text).sum(),
            Call::Ask {
                member, text: said, ..
            } => member.len() + said.len(),
            Call::CancelDelegated { reason: said, .. }
            | Call::Reassign { reason: said, .. }
            | Call::Progress { note: said }
            | Call::CallForReport { message: said, .. }
            | Call::Post { text: said, .. }
            | Call::Comment { text: said, .. }
            | Call::AssignTicket { agent: said, .. }
            | Call::AddCollaborator { agent: said }
            | Call::LinkTicket { kind: said, .. }
            | Call::MemoryGet { key: said }
            | Call::MemoryPut { key: said, .. }
            | Call::MemoryRemove { key: said }
            | Call::MemoryKeys { prefix: said }
            | Call::WorktreeRead { path: said }
            | Call::WorktreeWrite { path: said, .. }
            | Call::WorktreeRemove { path: said }
            | Call::WorktreeList { path: said }
            | Call::WorktreeCommit { message: said } => said.len() + 128,
            Call::Team
            | Call::BudgetLeft
            | Call::ReadChannel { .. }
            | Call::GetTicket { .. }
            | Call::ListTickets { .. }
            | Call::WorktreeDiff => 64,
        }
    }
}

/// At most how many bytes a JSON value has when it is encoded.
pub(crate) fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(_) => 9,
        Value::String(text) => text.len() + 5,
        Value::Array(items) => 5 + items.iter().map(json_bytes).sum::<usize>(),
        Value::Object(fields) => {
            5 + fields
                .iter()
                .map(|(name, value)| name.len() + 5 + json_bytes(value))
                .sum::<usize>()
        }
    }
}

/// What a call is answered.
pub type Reply = Result<Answer, CallError>;

/// What a call that went well is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each case is what one WIT function returns")]
pub enum Answer {
    Unit,
    Team(Vec<Member>),
    Budget(Budget),
    Delegated(Vec<Delegated>),
    Joined(Joined),
    External {
        outcome: ReportOutcome,
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
    },
    Message(MessageId),
    Page {
        messages: Vec<Message>,
        first: u64,
        more: bool,
    },
    Answer {
        message: Message,
        index: u64,
    },
    Ticket(TicketId),
    View(Box<TicketView>),
    Views(Vec<TicketView>),
    Bytes(#[serde(with = "serde_bytes")] Option<Vec<u8>>),
    Keys(Vec<String>),
    Files(Vec<FileEntry>),
    Text(String),
    Commit(Option<String>),
    Exit(ExitReply),
}

impl Answer {
    /// About how many bytes it holds, where that may be many.
    pub fn bytes(&self) -> usize {
        match self {
            Answer::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
            Answer::Text(text) => text.len(),
            Answer::Exit(exit) => exit.stdout.len() + exit.stderr.len(),
            Answer::Page { messages, .. } => {
                messages.iter().map(|message| message.text.len()).sum()
            }
            Answer::Files(files) => files.iter().map(|file| file.name.len() + 16).sum(),
            _ => 0,
        }
    }
}

/// Why a call failed, as the guest gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the cases of the WIT's error")]
pub enum CallError {
    Denied(String),
    NotFound(String),
    Invalid(Vec<Violation>),
    Limit(String),
    Cancelled(String),
    Deadline(String),
    Unavailable(String),
    Other(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Denied(text)
            | CallError::NotFound(text)
            | CallError::Limit(text)
            | CallError::Cancelled(text)
            | CallError::Deadline(text)
            | CallError::Unavailable(text)
            | CallError::Other(text) => f.write_str(text),
            CallError::Invalid(violations) => Refusal::Invalid(violations.clone()).fmt(f),
        }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(text) => CallError::NotFound(text),
            Refusal::Denied(text) => CallError::Denied(text),
            Refusal::Invalid(violations) => CallError::Invalid(violations),
            Refusal::Conflict(text) => CallError::Invalid(vec![Violation::new("", text)]),
            Refusal::Limit(text) => CallError::Limit(text),
            Refusal::Busy(text) => CallError::Unavailable(text),
        }
    }
}

/// One task to delegate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's assignment")]
pub struct Assignment {
    pub title: String,
    pub description: String,
    pub assignee: Option<AgentId>,
    pub notes: String,
    pub expected_output_schema: Option<Value>,
    pub validation: Validation,
    pub deadline_ms: Option<u64>,
    pub key: Option<String>,
    /// Its `blocked_by` is empty: the tickets are made from that beside it.
    #[serde(default, skip_serializing_if = "Terms::is_plain")]
    pub terms: Terms,
    /// Keys of assignments before it, or ids of tickets.
    #[serde(default, rename = "after", skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
}

/// A delegation that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's delegated")]
pub struct Delegated {
    pub ticket: TicketId,
    pub assignee: AgentId,
    pub assignee_name: String,
    pub reason: String,
    pub confidence: Confidence,
}

/// A direct subordinate, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's member and agent")]
pub struct Member {
    pub id: AgentId,
    pub name: String,
    pub class: String,
    pub skills: Vec<String>,
    pub description: String,
    pub status: Tracking,
    pub current: Vec<TicketId>,
    pub queued: u32,
    pub last_report_at: Option<Timestamp>,
}

impl Member {
    /// What others may know of an agent that has nothing to do.
    pub fn of(agent: &Agent) -> Member {
        Member {
            id: agent.id,
            name: agent.name.clone(),
            class: agent.class.clone(),
            skills: agent.skills.clone(),
            description: agent.description.clone(),
            status: Tracking::Idle,
            current: Vec::new(),
            queued: 0,
            last_report_at: None,
        }
    }
}

/// A new ticket as a guest drafts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's draft")]
pub struct Draft {
    pub title: String,
    pub description: String,
    pub expected_output_schema: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Which tickets to list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's filter")]
pub struct Filter {
    pub status: Option<Status>,
    pub assignee: Option<AgentId>,
    pub parent: Option<TicketId>,
}

impl Filter {
    /// Whether a ticket fits.
    pub fn fits(&self, ticket: &Ticket) -> bool {
        self.status.is_none_or(|status| ticket.status == status)
            && (self.assignee.is_none() || ticket.assignee == self.assignee)
            && (self.parent.is_none() || ticket.parent == self.parent)
    }
}

/// A ticket as a guest sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's ticket")]
pub struct TicketView {
    pub id: TicketId,
    pub title: String,
    pub description: String,
    pub status: Status,
    pub assignee: Option<AgentId>,
    pub parent: Option<TicketId>,
    pub delegated_by: Option<AgentId>,
    pub expected_output_schema: Option<Value>,
    pub output: Option<Value>,
    pub summary: String,
}

impl From<&Ticket> for TicketView {
    fn from(ticket: &Ticket) -> Self {
        TicketView {
            id: ticket.id,
            title: ticket.title.clone(),
            description: ticket.description.clone(),
            status: ticket.status,
            assignee: ticket.assignee,
            parent: ticket.parent,
            delegated_by: ticket.delegated_by,
            expected_output_schema: ticket.expected_output_schema.clone(),
            output: ticket.output.clone(),
            summary: ticket.summary.clone(),
        }
    }
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's entry")]
pub struct FileEntry {
    pub name: String,
    pub kind: FileKind,
    pub size: u64,
}

/// What something in a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the cases of the WIT's entry-kind")]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Other,
}

/// A command that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the WIT's exit")]
pub struct ExitReply {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub truncated: bool,
    pub elapsed_ms: u64,
}
