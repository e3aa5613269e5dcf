//! Why what stands in a queue does not start: for people.
//!
//! Invariant: it says what [`State::next_of`](State) goes by, and decides nothing.

use crate::{Agent, AgentId, State, Status, Ticket, TicketId, Timestamp, Wip};

/// Tickets that a reason names.
const NAMED: usize = 3;

impl State {
    /// Why nothing of an agent's queue starts now: a sentence. None where nothing waits.
    pub fn held(&self, agent: AgentId, now: Timestamp) -> Option<String> {
        if let Some(reason) = self.held.get(&agent) {
            return Some(reason.clone());
        }
        let first = *self.desks.get(&agent)?.queue.front()?;
        self.held_ticket(first, now)
    }

    /// Why a ticket that waits in its agent's queue does not start now: a sentence. None where it waits in
    /// none.
    pub fn held_ticket(&self, id: TicketId, now: Timestamp) -> Option<String> {
        let ticket = self.tickets.get(&id)?;
        let agent = self.agents.get(&ticket.assignee?)?;
        let desk = self.desks.get(&agent.id)?;
        // An open ticket that somebody has stands in their queue.
        if ticket.status != Status::Open {
            return None;
        }
        if let Some(reason) = self.held.get(&agent.id) {
            return Some(reason.clone());
        }
        self.own_reason(ticket, now)
            .or_else(|| busy(agent, desk.active.len()))
            .or_else(|| self.scarce(agent))
    }

    /// What of the ticket itself keeps it.
    fn own_reason(&self, ticket: &Ticket, now: Timestamp) -> Option<String> {
        if ticket.not_before.is_some_and(|at| at > now) {
            return Some("its last try failed, and it pauses before the next one".to_owned());
        }
        let terms = ticket.terms.as_ref()?;
        let before = terms.blocked_by.iter().filter(|id| !self.is_past(**id));
        let before: Vec<String> = before.map(ToString::to_string).collect();
        if !before.is_empty() {
            let more = match before.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = before[..before.len().min(NAMED)].join(", ");
            return Some(format!("it comes after {named}{more} (`blocked_by`)"));
        }
        let name = terms.group.as_ref()?;
        let holder = self.groups.get(name)?.holder?;
        Some(format!(
            "ticket {holder} of its group {name:?} is worked on, and one of a group is at a time"
        ))
    }

    /// What of the workspace keeps an agent's tickets.
    fn scarce(&self, agent: &Agent) -> Option<String> {
        let (wip, plugin) = (&self.workspace.wip, &agent.plugin.name);
        if *wip == Wip::default() {
            return None;
        }
        let (all, of_plugin) = self.busy(plugin);
        if let Some(most) = wip.runs.filter(|most| all >= *most) {
            return Some(format!(
                "the workspace works on {}, and {most} at a time is its limit (`wip.runs`)",
                tickets(all)
            ));
        }
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
