//! Blockers: tickets that must be over before another starts.
//!
//! Who waits for whom is derived from the tickets that are not over ([`State::dependents`]). A blocker
//! that is in no tree that is here is over: trees are here as long as one of their tickets is not.
//!
//! Invariants:
//! - A ticket that waits has a blocker that is not over, so something will end the wait: no ticket waits
//!   for itself, for one above it, or for one that waits for it.
//! - When a blocker ends, the transition that ends it also releases those that wait for it, or fails
//!   them, as far as one batch can take it.

use super::Tx;
use crate::{
    BlockerPolicy, EventKind, Refusal, State, Status, Ticket, TicketId, state::Timer, text,
};
use std::collections::HashSet;

/// Tickets that one transition fails at most: one batch holds only so much. The rest follows a moment
/// later, and does not start meanwhile. (A crash in that moment releases them instead.)
pub(super) const AT_ONCE: usize = 100;
/// Bytes of a blocker's title that are told.
const TITLE: usize = 200;

/// What an assignment comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// An assignment before it in the same call.
    Earlier(usize),
    /// A ticket.
    Ticket(TicketId),
}

fn blockers(ticket: &Ticket) -> &[TicketId] {
    ticket.terms.as_ref().map_or(&[], |terms| &terms.blocked_by)
}

impl State {
    /// Takes note of what a ticket that is not over waits for.
    pub(crate) fn note_blockers(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else {
            return;
        };
        for blocker in blockers(ticket) {
            self.dependents.entry(*blocker).or_default().insert(id);
        }
    }

    /// A ticket that is over waits for nothing.
    pub(crate) fn forget_blockers(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else {
            return;
        };
        for blocker in blockers(ticket) {
            if let Some(waiting) = self.dependents.get_mut(blocker) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.dependents.remove(blocker);
                }
            }
        }
    }

    /// Whether a ticket needs one of these to be over, by way of what it waits for, of what is below it,
    /// and of who has its group before it.
    pub(crate) fn needs(&self, id: TicketId, any: &[TicketId]) -> bool {
        let mut seen = HashSet::from([id]);
        let mut rest = vec![id];
        while let Some(id) = rest.pop() {
            if any.contains(&id) {
                return true;
            }
            let Some(ticket) = self.tickets.get(&id) else {
                continue;
            };
            if ticket.status.is_over() {
                continue;
            }
            let rivals = self
                .group_of(id)
                .map_or_else(Vec::new, |group| self.rivals(group));
            let next = blockers(ticket).iter().chain(&ticket.children);
            rest.extend(next.chain(&rivals).filter(|id| seen.insert(**id)));
        }
        false
    }
}

impl Tx<'_> {
    /// Refuses blockers that do not exist, are too many, or would never be over.
    pub(super) fn check_blockers(
        &self,
        path: &str,
        parent: Option<TicketId>,
        blockers: &[TicketId],
    ) -> Result<(), Refusal> {
        let limits = self.context.limits;
        if blockers.len() > limits.blockers {
            return Err(Refusal::invalid(
                path,
                format!(
                    "a ticket waits for at most {} others (limit `blockers`)",
                    limits.blockers
                ),
            ));
        }
        let mut above = Vec::new();
        let mut next = parent;
        while let Some(ticket) = next.and_then(|id| self.state.tickets.get(&id)) {
            above.push(ticket.id);
            next = ticket.parent;
        }
        for (i, id) in blockers.iter().enumerate() {
            let path = format!("{path}/{i}");
            if !self.state.tickets.contains_key(id) {
                let message = format!("there is no ticket {id} in this workspace");
                return Err(Refusal::invalid(path, message));
            }
            if self.state.needs(*id, &above) {
                let message = format!(
                    "ticket {id} is above it, or waits for one that is: it would wait for this one, \
                     and this one for it"
                );
                return Err(Refusal::invalid(path, message));
            }
            let waiting = self.state.dependents.get(id).map_or(0, |all| all.len());
            if waiting >= limits.children {
                let message = format!(
                    "{waiting} tickets wait for ticket {id} already: no more may than a ticket may \
                     have children (limit `children`)"
                );
                return Err(Refusal::invalid(path, message));
            }
        }
        Ok(())
    }

    /// What an assignment's `blocked_by` means: keys of assignments before it, or tickets that the run of
    /// `parent` can see.
    pub(super) fn check_after(
        &self,
        at: usize,
        parent: TicketId,
        assignments: &[crate::Assignment],
    ) -> Result<Vec<After>, Refusal> {
        let run = self.state.tickets[&parent].run;
        let mut found = Vec::new();
        for (i, word) in assignments[at].blocked_by.iter().enumerate() {
            let earlier = assignments[..at]
                .iter()
                .position(|one| one.key.as_ref() == Some(word));
            let ticket = word.parse::<TicketId>().ok();
            let visible = |id: &TicketId| run.is_some_and(|run| self.visible(run, *id).is_ok());
            let after = match (earlier, ticket.filter(visible)) {
                (Some(earlier), _) => After::Earlier(earlier),
                (None, Some(id)) => After::Ticket(id),
                (None, None) => {
                    return Err(Refusal::invalid(
                        format!("/{at}/blocked_by/{i}"),
                        format!(
                            "{word:?} is neither the key of an assignment before this one nor the id \
                             of a ticket that this run can see"
                        ),
                    ));
                }
            };
            if !found.contains(&after) {
                found.push(after);
            }
        }
        let tickets: Vec<TicketId> = found
            .iter()
            .filter_map(|after| match after {
                After::Ticket(id) => Some(*id),
                After::Earlier(_) => None,
            })
            .collect();
        let path = format!("/{at}/blocked_by");
        if found.len() > self.context.limits.blockers {
            return Err(Refusal::invalid(
                path,
                format!(
                    "a task waits for at most {} others (limit `blockers`)",
                    self.context.limits.blockers
                ),
            ));
        }
        self.check_blockers(&path, Some(parent), &tickets)?;
        Ok(found)
    }

    /// A new ticket waits: one of those that it waits for may have failed already.
    pub(super) fn new_blockers(&mut self, id: TicketId) {
        self.state.note_blockers(id);
        let ticket = &self.state.tickets[&id];
        let failed = blockers(ticket).iter().filter(|id| {
            let blocker = self.state.tickets.get(id);
            let status = blocker.map(|blocker| blocker.status);
            matches!(status, Some(Status::Failed | Status::Cancelled))
        });
        self.ended.extend(failed);
    }

    /// A ticket is over: those that wait for it are looked at once all that ends with it is over.
    pub(super) fn blocker_is_over(&mut self, id: TicketId) {
        self.state.forget_blockers(id);
        if self.state.dependents.contains_key(&id) {
            self.ended.push(id);
        }
    }

    /// Releases those that waited for tickets which have ended, or fails them, and then those that
    /// waited for them.
    pub(super) fn settle_blockers(&mut self) {
        loop {
            while let Some(blocker) = self.ended.pop() {
                self.blocker_ended(blocker);
            }
            let Some((id, why)) = self.state.doomed.pop_first() else {
                return;
            };
            if self.may_fail == 0 {
                self.state.doomed.insert(id, why);
                let soon = self.context.now.saturating_add(1);
                self.state.timers.insert((soon, Timer::Doomed));
                return;
            }
            self.may_fail -= 1;
            if self
                .state
                .tickets
                .get(&id)
                .is_some_and(|one| has_not_begun(one))
            {
                self.end_ticket(id, Status::Failed, &why);
            }
        }
    }

    /// One that others waited for has ended: who is free now, and who will fail.
    fn blocker_ended(&mut self, blocker: TicketId) {
        let Some(ticket) = self.state.tickets.get(&blocker) else {
            return;
        };
        let how = match ticket.status {
            Status::Failed => Some("has failed"),
            Status::Cancelled => Some("was cancelled"),
            Status::Done => None,
            // It was brought back meanwhile.
            _ => return,
        };
        let title = text::cut(&ticket.title, TITLE);
        let why =
            how.map(|how| format!("ticket {blocker} ({title:?}), for which it waited, {how}"));
        let waiting = self.state.dependents.get(&blocker);
        let waiting: Vec<TicketId> = waiting.into_iter().flatten().copied().collect();
        for id in waiting {
            let ticket = &self.state.tickets[&id];
            if !has_not_begun(ticket) {
                continue;
            }
            let terms = ticket.terms.as_ref();
            let policy = terms.map_or(BlockerPolicy::Fail, |terms| terms.on_blocker_failure);
            let over = |id: &TicketId| self.state.is_past(*id);
            match &why {
                Some(why) if policy == BlockerPolicy::Fail => {
                    self.state.doomed.insert(id, why.clone());
                }
                _ if blockers(ticket).iter().all(over) => {
                    self.ready.extend(ticket.assignee);
                    self.event(EventKind::TicketReleased { ticket: id });
                }
                _ => {}
            }
        }
    }
}

/// Whether nobody works on a ticket that is not over.
fn has_not_begun(ticket: &Ticket) -> bool {
    let begun = matches!(ticket.status, Status::InProgress | Status::InReview);
    !ticket.status.is_over() && !begun
}
