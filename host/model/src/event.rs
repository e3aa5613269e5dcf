//! Events: what the one append-only log of a workspace says. Dashboards, clients and waits follow it.

use crate::{
    AgentId, Author, ChannelId, Confidence, MessageId, MessageKind, RunId, Status, TicketId,
    Timestamp,
};
use serde::{Deserialize, Serialize};

/// An entry of the log. Its sequence number is given by the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[expect(
    missing_docs,
    reason = "the names say it; fields are ids of what the event is about"
)]
pub enum EventKind {
    WorkspaceSaved {
        name: String,
    },
    AgentSaved {
        agent: AgentId,
        name: String,
    },
    TicketCreated {
        ticket: TicketId,
        title: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<TicketId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignee: Option<AgentId>,
    },
    TicketAssigned {
        ticket: TicketId,
        assignee: AgentId,
    },
    TicketReassigned {
        ticket: TicketId,
        from: AgentId,
        assignee: AgentId,
        reason: String,
    },
    TicketDelegated {
        ticket: TicketId,
        parent: TicketId,
        delegated_by: AgentId,
        assignee: AgentId,
        reason: String,
        confidence: Confidence,
    },
    TicketStarted {
        ticket: TicketId,
        agent: AgentId,
        run: RunId,
        attempt: u32,
    },
    TicketRetried {
        ticket: TicketId,
        attempt: u32,
        reason: String,
        not_before: Timestamp,
    },
    AssigneeWanted {
        ticket: TicketId,
        attempt: u32,
        from: AgentId,
        reason: String,
    },
    TicketReleased {
        ticket: TicketId,
    },
    TicketStatusChanged {
        ticket: TicketId,
        from: Status,
        to: Status,
        forced: bool,
    },
    TicketDetailsUpdated {
        ticket: TicketId,
    },
    TicketCollaboratorAdded {
        ticket: TicketId,
        agent: AgentId,
    },
    TicketLinked {
        ticket: TicketId,
        other: TicketId,
        kind: String,
    },
    TicketCompleted {
        ticket: TicketId,
        summary: String,
    },
    TicketFailed {
        ticket: TicketId,
        reason: String,
    },
    TicketCancelled {
        ticket: TicketId,
        reason: String,
    },
    OutputRefused {
        ticket: TicketId,
        run: RunId,
        rejections: u32,
        violations: Vec<crate::Violation>,
    },
    WorkPlanProposed {
        ticket: TicketId,
        run: RunId,
    },
    MessagePosted {
        ticket: TicketId,
        channel: ChannelId,
        message: MessageId,
        author: Author,
        kind: MessageKind,
        text: String,
    },
    RunProvisioning {
        ticket: TicketId,
        run: RunId,
    },
    RunWaiting {
        ticket: TicketId,
        run: RunId,
        what: String,
    },
    RunResumed {
        ticket: TicketId,
        run: RunId,
    },
    RunOutput {
        ticket: TicketId,
        run: RunId,
        stream: String,
        text: String,
    },
    RunEnded {
        ticket: TicketId,
        run: RunId,
        status: crate::RunStatus,
    },
    BranchReady {
        ticket: TicketId,
        repo: String,
        branch: String,
        commit: String,
    },
    AgentHeld {
        agent: AgentId,
        name: String,
        reason: String,
    },
    PluginAdded {
        plugin: String,
        version: String,
    },
    PluginActivated {
        plugin: String,
        version: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        reason: String,
    },
    PluginRolledBack {
        plugin: String,
        version: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        reason: String,
    },
    PluginTakenBack {
        plugin: String,
        version: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        reason: String,
    },
    PluginCanaryStarted {
        plugin: String,
        version: String,
        reason: String,
    },
    PluginCanaryPromoted {
        plugin: String,
        version: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        reason: String,
    },
    PluginCanaryStopped {
        plugin: String,
        version: String,
        reason: String,
    },
    PluginPinned {
        plugin: String,
        version: String,
    },
    PluginUnpinned {
        plugin: String,
        version: String,
    },
    PluginDraining {
        plugin: String,
        version: String,
        reason: String,
    },
    PluginDrained {
        plugin: String,
        version: String,
    },
    PluginRemoved {
        plugin: String,
        version: String,
    },
}

impl EventKind {
    /// The ticket that it is about.
    pub fn ticket(&self) -> Option<TicketId> {
        use EventKind as E;
        match self {
            E::WorkspaceSaved { .. }
            | E::AgentSaved { .. }
            | E::AgentHeld { .. }
            | E::PluginAdded { .. }
            | E::PluginActivated { .. }
            | E::PluginRolledBack { .. }
            | E::PluginTakenBack { .. }
            | E::PluginCanaryStarted { .. }
            | E::PluginCanaryPromoted { .. }
            | E::PluginCanaryStopped { .. }
            | E::PluginPinned { .. }
            | E::PluginUnpinned { .. }
            | E::PluginDraining { .. }
            | E::PluginDrained { .. }
            | E::PluginRemoved { .. } => None,
            E::TicketCreated { ticket, .. }
            | E::TicketAssigned { ticket, .. }
            | E::TicketReassigned { ticket, .. }
            | E::TicketDelegated { ticket, .. }
            | E::TicketStarted { ticket, .. }
            | E::TicketRetried { ticket, .. }
            | E::AssigneeWanted { ticket, .. }
            | E::TicketReleased { ticket }
            | E::TicketStatusChanged { ticket, .. }
            | E::TicketDetailsUpdated { ticket }
            | E::TicketCollaboratorAdded { ticket, .. }
            | E::TicketLinked { ticket, .. }
            | E::TicketCompleted { ticket, .. }
            | E::TicketFailed { ticket, .. }
            | E::TicketCancelled { ticket, .. }
            | E::OutputRefused { ticket, .. }
            | E::WorkPlanProposed { ticket, .. }
            | E::MessagePosted { ticket, .. }
            | E::RunProvisioning { ticket, .. }
            | E::RunWaiting { ticket, .. }
            | E::RunResumed { ticket, .. }
            | E::RunOutput { ticket, .. }
            | E::RunEnded { ticket, .. }
            | E::BranchReady { ticket, .. } => Some(*ticket),
        }
    }
}
