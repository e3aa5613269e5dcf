//! What the host shows of itself: answers to questions, in the model's own types.

use adjutant_model::{
    Agent, AgentId, Choice, Member, Message, Plugin, Run, Status, Ticket, TicketId, Timestamp,
};

/// A part of a list, with what to ask for next.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Pass it as `after` or `from` to get what comes next; none at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

/// A stored value with its version, which changes whenever the value does.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Its version, from 1.
    pub version: u64,
}

/// An agent with its live status.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// The agent as saved.
    pub agent: Agent,
    /// What it is doing: tracking status, current tickets, queue, last report.
    pub member: Member,
    /// Its boss: id and name.
    pub boss: Option<(AgentId, String)>,
    /// Its direct subordinates: ids and names.
    pub team: Vec<(AgentId, String)>,
    /// Why nothing of its queue starts now, where something waits: a sentence.
    pub held: Option<String>,
}

/// A ticket with all below it.
#[derive(Clone, Debug)]
pub struct TicketNode {
    /// The ticket.
    pub ticket: Versioned<Ticket>,
    /// The tickets below, in the order of their making.
    pub children: Vec<TicketNode>,
}

/// Which tickets to list; all that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct TicketFilter {
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only an agent's.
    pub assignee: Option<AgentId>,
    /// Only a ticket's direct children.
    pub parent: Option<TicketId>,
    /// Only those without a parent.
    pub roots: bool,
    /// Only those whose title or description contains this, whatever the case.
    pub text: Option<String>,
}

/// A message with its place in its channel.
#[derive(Clone, Debug)]
pub struct MessageView {
    /// Its place, from 0.
    pub index: u64,
    /// The message.
    pub message: Message,
}

/// Something that a run's guest or command printed.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Its place in the log, from 0.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// `stdout`, `stderr`, or a command's.
    pub stream: String,
    /// The text; not always whole lines.
    pub text: String,
}

/// All that a run's strategy was given.
#[derive(Clone, Debug)]
pub struct RunRecording {
    /// The run, without its token.
    pub run: Run,
    /// Its ticket.
    pub ticket: Ticket,
    /// Its agent.
    pub agent: Agent,
    /// The agent that delegated the ticket.
    pub boss: Option<Agent>,
    /// What the person who started it all asked for.
    pub request: String,
}

/// Who may be chosen.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// The boss.
    pub boss: Agent,
    /// Its direct subordinates with their live status.
    pub team: Vec<Member>,
}

/// Whom a boss would pick.
#[derive(Clone, Debug)]
pub struct Picks {
    /// The selector's choices, the best first: a delegation takes the first.
    pub choices: Vec<(AgentId, Choice)>,
    /// The selector that was asked.
    pub selector: Plugin,
    /// Whom it could choose from.
    pub candidates: Candidates,
}
