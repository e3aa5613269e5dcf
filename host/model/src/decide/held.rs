//! Why what stands in a queue does not start: for people.
//!
//! Invariant: it says what [`State::next_of`](State) goes by, and decides nothing.

use crate::{Agent, AgentId, State, Status, Ticket, TicketId, Timestamp, Wip};
use std::collections::HashMap;

/// Tickets that a reason names.
const NAMED: usize = 3;

/// Why what stands in queues does not start, at one moment. What is busy is counted once, when it is made: make
/// one for all that an answer tells.
#[derive(Debug)]
pub struct Held<'a> {
    state: &'a State,
    now: Timestamp,
    /// Tickets that are worked on.
    all: u32,
    /// Those of a plugin.
    of_plugin: HashMap<&'a str, u32>,
}

impl State {
    /// Why what stands in queues does not start now.
    pub fn held(&self, now: Timestamp) -> Held<'_> {
        let mut held = Held {
            state: self,
            now,
            all: 0,
            of_plugin: HashMap::new(),
        };
        // Nobody asks for the counts where nothing bounds them.
        if self.workspace.wip != Wip::default() {
            for run in self.busy_runs() {
                held.all += 1;
                *held.of_plugin.entry(&run.plugin.name).or_default() += 1;
            }
        }
        held
    }
}

impl Held<'_> {
    /// Why nothing of an agent's queue starts now: a sentence. None where its queue is empty.
    pub fn agent(&self, id: AgentId) -> Option<String> {
        let agent = self.state.agents.get(&id)?;
        let desk = self.state.desks.get(&id)?;
        let first = desk.queue.front()?;
        if let Some(reason) = self.state.held.get(&id) {
            return Some(reason.clone());
        }
        // What keeps all of them comes first: the next in the queue may be free.
        busy(agent, desk.active.len())
            .or_else(|| self.scarce(agent))
            .or_else(|| {
                let reason = self.own_reason(self.state.tickets.get(first)?)?;
                Some(format!("ticket {first} is first in the queue: {reason}"))
            })
    }

    /// Why a ticket that somebody has does not start now: a sentence. None where it does not wait to start.
    pub fn ticket(&self, id: TicketId) -> Option<String> {
        let ticket = self.state.tickets.get(&id)?;
        let agent = self.state.agents.get(&ticket.assignee?)?;
        if ticket.status != Status::Open {
            return None;
        }
        if ticket.is_choosing() {
            return Some("another agent is being chosen for it".to_owned());
        }
        // Any other open ticket that somebody has stands in their queue.
        if let Some(reason) = self.state.held.get(&agent.id) {
            return Some(reason.clone());
        }
        let active = self.state.desks.get(&agent.id)?.active.len();
        self.own_reason(ticket)
            .or_else(|| busy(agent, active))
            .or_else(|| self.scarce(agent))
    }

    /// What of the ticket itself keeps it.
    fn own_reason(&self, ticket: &Ticket) -> Option<String> {
        if ticket.not_before.is_some_and(|at| at > self.now) {
            return Some("its last try failed, and it pauses before the next one".to_owned());
        }
        let terms = ticket.terms.as_ref()?;
        let before = terms.blocked_by.iter();
        let before: Vec<_> = before.filter(|id| !self.state.is_past(**id)).collect();
        if !before.is_empty() {
            let more = match before.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = before.iter().take(NAMED).map(ToString::to_string);
            let named = named.collect::<Vec<_>>().join(", ");
            return Some(format!("it comes after {named}{more} (`blocked_by`)"));
        }
        let name = terms.group.as_ref()?;
        let holder = self.state.groups.get(name)?.holder?;
        Some(format!(
            "ticket {holder} of its group {name:?} is worked on, and one of a group is at a time"
        ))
    }

    /// What of the workspace keeps an agent's tickets.
    fn scarce(&self, agent: &Agent) -> Option<String> {
        let (wip, plugin) = (&self.state.workspace.wip, &agent.plugin.name);
        if let Some(most) = wip.runs.filter(|most| self.all >= *most) {
            return Some(format!(
                "the workspace works on {}, and {most} at a time is its limit (`wip.runs`)",
                tickets(self.all)
            ));
        }
        let of_plugin = self.of_plugin.get(plugin.as_str()).copied();
        let of_plugin = of_plugin.unwrap_or_default();
        let most = wip.plugins.get(plugin).filter(|most| of_plugin >= **most)?;
        Some(format!(
            "the workspace works on {} with plugin {plugin}, and {most} at a time is its limit (`wip.plugins`)",
            tickets(of_plugin)
        ))
    }
}

/// Where an agent has as much to do as it may have.
fn busy(agent: &Agent, active: usize) -> Option<String> {
    let (name, most) = (&agent.name, agent.limits.max_concurrent);
    let active = u32::try_from(active).unwrap_or(u32::MAX);
    (active >= most).then(|| {
        format!(
            "{name} works on {}, and {most} at a time is its limit (`max_concurrent`)",
            tickets(active)
        )
    })
}

fn tickets(count: u32) -> String {
    match count {
        1 => "1 ticket".to_owned(),
        several => format!("{several} tickets"),
    }
}
