//! Giving tickets to agents, and moving them by hand.

use super::{Tx, check_len};
use crate::{
    Agent, AgentId, Effect, EventKind, Outcome, Refusal, RunStatus, Status, TicketId, Timestamp,
};

impl Tx<'_> {
    pub(super) fn assign_ticket(
        &mut self,
        id: TicketId,
        agent: &str,
        reason: &str,
        unchanged_since: Option<Timestamp>,
    ) -> Result<Outcome, Refusal> {
        let ticket = self.ticket(id)?;
        let agent = self.find_agent(agent)?.id;
        if unchanged_since.is_some_and(|seen| seen != ticket.updated_at) {
            return Err(Refusal::Conflict(format!(
                "ticket {id} has changed meanwhile; read it again"
            )));
        }
        if ticket.assignee == Some(agent) && !ticket.status.is_over() {
            return Err(Refusal::Conflict(format!(
                "ticket {id} is already assigned to that agent"
            )));
        }
        if ticket.assignee.is_some() && reason.is_empty() && ticket.status == Status::InProgress {
            let name = ticket
                .assignee
                .and_then(|id| self.state.agents.get(&id))
                .map_or("another agent", |agent| &agent.name);
            return Err(Refusal::Conflict(format!(
                "ticket {id} is in progress with {name}; give a reason to take it away"
            )));
        }
        if let Some(parent) = ticket.parent {
            self.check_chain(parent, agent)?;
        }
        self.check_queue(agent, 1)?;
        self.hand_over(id, agent, reason)?;
        Ok(self.ticket_outcome(id))
    }

    /// A guest's `tickets.assign`: to a subordinate, or to one that it is granted.
    pub(super) fn assign_by_agent(
        &mut self,
        by: &Agent,
        parent: TicketId,
        id: TicketId,
        agent: &str,
    ) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.parent != Some(parent) {
            return Err(Refusal::NotFound(format!(
                "ticket {id} is not a child of this run's ticket"
            )));
        }
        if ticket.assignee.is_some() || ticket.status != Status::Open {
            return Err(Refusal::Conflict(format!(
                "ticket {id} is {} and assigned",
                ticket.status
            )));
        }
        let target = self.find_agent(agent)?;
        self.check_chain(parent, target.id)?;
        self.check_assign_to(by, parent, target)?;
        let target = target.id;
        self.check_queue(target, 1)?;
        let (from, root) = (by.id, self.state.tickets[&parent].root);
        self.check_pair(root, from, target, 1)?;
        self.change_ticket(id).delegated_by = Some(from);
        self.hand_over(id, target, "")?;
        self.count_pair(root, from, target);
        self.event(EventKind::TicketDelegated {
            ticket: id,
            parent,
            delegated_by: from,
            assignee: target,
            reason: String::new(),
            confidence: crate::Confidence::High,
        });
        Ok(())
    }

    /// Takes a ticket from whoever has it and puts it into an agent's queue.
    pub(super) fn hand_over(
        &mut self,
        id: TicketId,
        agent: AgentId,
        reason: &str,
    ) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.status.is_over() {
            return Err(Refusal::Conflict(format!(
                "ticket {id} is {}",
                ticket.status
            )));
        }
        check_len("/reason", reason, self.context.limits.title_bytes)?;
        let from = ticket.assignee;
        self.try_anew(id);
        self.take_from_desk(id);
        self.stop_run(
            id,
            RunStatus::Cancelled,
            "the ticket was given to another agent",
        );
        self.end_delegated(id, "its boss's ticket was given to another agent");
        let ticket = self.change_ticket(id);
        ticket.assignee = Some(agent);
        ticket.status = Status::Open;
        self.state.enqueue(agent, id);
        match from {
            Some(from) => self.event(EventKind::TicketReassigned {
                ticket: id,
                from,
                assignee: agent,
                reason: reason.to_owned(),
            }),
            None => self.event(EventKind::TicketAssigned {
                ticket: id,
                assignee: agent,
            }),
        }
        if let Some(from) = from {
            self.ready.push(from);
        }
        self.ready.push(agent);
        Ok(())
    }

    /// Ends a ticket's live run, if it has one, without ending the ticket.
    pub(super) fn stop_run(&mut self, id: TicketId, status: RunStatus, why: &str) {
        let live = self.state.tickets[&id]
            .run
            .filter(|run| self.state.runs.get(run).is_some_and(|run| !run.is_over()));
        let Some(run) = live else { return };
        self.run_over(id, run, status, Some(why), None);
        self.changes.effects.push(Effect::Stop(run));
    }

    /// Cancels what an agent has delegated on a ticket that is taken from it: nobody waits for that any
    /// more, and whoever has the ticket next delegates anew. What people made below it stays.
    fn end_delegated(&mut self, id: TicketId, why: &str) {
        let children = self.state.tickets[&id].children.clone();
        for child in children {
            let ticket = self.state.tickets.get(&child);
            if ticket.is_some_and(|t| t.delegated_by.is_some() && !t.status.is_over()) {
                self.end_ticket(child, Status::Cancelled, why);
            }
        }
    }

    pub(super) fn set_status(
        &mut self,
        id: TicketId,
        status: Status,
        force: bool,
    ) -> Result<Outcome, Refusal> {
        let from = self.ticket(id)?.status;
        if from == status {
            return Ok(self.ticket_outcome(id));
        }
        if !force && !from.may_become(status) {
            let to: Vec<&str> = Status::ALL
                .into_iter()
                .filter(|to| from.may_become(*to))
                .map(Status::as_str)
                .collect();
            return Err(Refusal::Conflict(format!(
                "a ticket that is {from} cannot become {status}; it can become {}",
                if to.is_empty() {
                    "nothing else".to_owned()
                } else {
                    to.join(", ")
                }
            )));
        }
        let has_run = self.state.tickets[&id]
            .run
            .is_some_and(|run| self.state.runs.get(&run).is_some_and(|run| !run.is_over()));
        let waits = matches!(from, Status::Blocked | Status::InReview)
            && self.state.tickets[&id].assignee.is_some();
        match status {
            Status::Done | Status::Failed | Status::Cancelled if !from.is_over() => {
                self.end_by_hand(id, status);
            }
            Status::InProgress if !has_run && waits && !from.is_over() => {
                // It goes on when its agent is free.
                self.change_ticket(id).status = Status::Open;
                self.requeue(id);
            }
            Status::InProgress if !has_run && !from.is_over() => {
                return Err(Refusal::Conflict(
                    "a ticket becomes in_progress when it is assigned and its agent is free"
                        .to_owned(),
                ));
            }
            _ if from.is_over() => self.reopen(id, status)?,
            _ => {
                if has_run && matches!(status, Status::Open | Status::Backlog) {
                    self.put_back(id);
                }
                self.change_ticket(id).status = status;
                self.requeue(id);
            }
        }
        let to = self.state.tickets[&id].status;
        self.event(EventKind::TicketStatusChanged {
            ticket: id,
            from,
            to,
            forced: force,
        });
        Ok(self.ticket_outcome(id))
    }

    /// A person takes a ticket out of work: what is only to be done has no run.
    fn put_back(&mut self, id: TicketId) {
        self.stop_run(
            id,
            RunStatus::Cancelled,
            "the ticket was taken out of work by hand",
        );
        self.end_delegated(id, "its boss's ticket was taken out of work by hand");
        self.take_from_desk(id);
        self.ready.extend(self.state.tickets[&id].assignee);
    }

    /// A person brings a ticket back that was over.
    fn reopen(&mut self, id: TicketId, status: Status) -> Result<(), Refusal> {
        if status.is_over() {
            let ticket = self.change_ticket(id);
            ticket.status = status;
            let (parent, children) = (ticket.parent, ticket.children.clone());
            // What was left to itself below a ticket that was done goes along with it now.
            self.end_children(status, &children);
            // Who waits counts what is done.
            if let Some(parent) = parent {
                self.child_is_over(parent, id);
            }
            return Ok(());
        }
        if status != Status::Open && status != Status::Backlog {
            return Err(Refusal::Conflict(
                "a ticket that was over can be reopened as open or backlog".to_owned(),
            ));
        }
        if let Some(parent) = self.state.tickets[&id].parent
            && self.ticket(parent)?.status.is_over()
        {
            return Err(Refusal::Conflict(format!(
                "its parent {parent} is over; reopen that one first"
            )));
        }
        if let Some(parent) = self.state.tickets[&id].parent {
            self.child_is_back(parent, id);
        }
        let root = self.state.tickets[&id].root;
        let ticket = self.change_ticket(id);
        ticket.status = status;
        ticket.ended_at = None;
        ticket.rejections = 0;
        ticket.violations.clear();
        ticket.tries = None;
        self.renew_deadline(id);
        let live = self.state.live.entry(root).or_default();
        *live += 1;
        if *live == 1 {
            self.changes.roots.push((root, true));
        }
        self.state.note_blockers(id);
        self.requeue(id);
        Ok(())
    }

    /// Puts an open ticket with an assignee where it belongs; takes others out of the queue.
    fn requeue(&mut self, id: TicketId) {
        if self.state.tickets[&id].status != Status::Open {
            self.stop_retrying(id);
        }
        let ticket = &self.state.tickets[&id];
        let Some(agent) = ticket.assignee else { return };
        let open = ticket.status == Status::Open && !ticket.is_choosing();
        self.state.dequeue(agent, id);
        let active = self.state.desks.get(&agent).map(|desk| &desk.active);
        if open && active.is_none_or(|active| !active.contains(&id)) {
            self.state.enqueue(agent, id);
            self.ready.push(agent);
        }
    }
}
