//! Budgets: what a ticket and all below it may spend, and what they have spent.
//!
//! Invariants:
//! - What is spent on a ticket is spent on each ticket above it, in the same transition.
//! - A budget is a cap and reserves nothing: children share what is left, whatever each was given.
//! - What has been spent is recorded even where it is too much; what comes after is refused.

use super::Tx;
use crate::{
    Agent, Assignment, Budget, Dimension, Left, Refusal, RunId, Spend, TicketId, Timestamp,
    state::Timer,
};

impl Tx<'_> {
    /// Refuses a delegation for which the budgets from the parent up have no room.
    pub(super) fn check_shares(
        &self,
        parent: TicketId,
        assignments: &[Assignment],
    ) -> Result<(), Refusal> {
        let new = self.new_of(parent, assignments).into_iter();
        let new: Vec<(String, Option<Budget>)> = new
            .map(|at| (format!("/{at}/budget"), assignments[at].terms.budget))
            .collect();
        self.check_budget(parent, &new)
    }

    /// Refuses tickets, each with the path and the value of the budget that it asks for, for which the
    /// budgets from the parent up have no room.
    pub(super) fn check_budget(
        &self,
        parent: TicketId,
        new: &[(String, Option<Budget>)],
    ) -> Result<(), Refusal> {
        if new.is_empty() {
            return Ok(());
        }
        for what in [Dimension::GuestTime, Dimension::Tokens, Dimension::Cost] {
            if let Some(left) = self.state.left(parent, what)
                && left.is_used_up()
            {
                return Err(Refusal::Limit(left.to_string()));
            }
        }
        let count = new.len() as u64;
        for (what, needed) in [(Dimension::Children, count), (Dimension::Depth, 1)] {
            if let Some(left) = self.state.left(parent, what)
                && left.amount() < needed
            {
                return Err(Refusal::Limit(no_room(what, needed, parent, &left)));
            }
        }
        for (path, budget) in new {
            if let Some(budget) = budget {
                self.check_share(parent, path, budget, count)?;
            }
        }
        Ok(())
    }

    /// Refuses a budget that is larger than what the parent has left for the ticket.
    fn check_share(
        &self,
        parent: TicketId,
        path: &str,
        budget: &Budget,
        new: u64,
    ) -> Result<(), Refusal> {
        for what in Dimension::ALL {
            let (Some(asked), Some(left)) = (what.of(budget), self.state.left(parent, what)) else {
                continue;
            };
            let room = left.amount().saturating_sub(match what {
                Dimension::Children => new,
                Dimension::Depth => 1,
                Dimension::GuestTime | Dimension::Tokens | Dimension::Cost => 0,
            });
            if asked > room {
                return Err(Refusal::Limit(format!(
                    "{path}/{}: {asked} asked, ticket {parent} has {room} left (budget of {})",
                    what.name(),
                    left.ticket
                )));
            }
        }
        let until = self.state.tickets[&parent].deadline;
        if let (Some(asked), Some(until)) = (budget.wall_ms, until) {
            let room = until.saturating_sub(self.context.now);
            if asked > room {
                return Err(Refusal::Limit(format!(
                    "{path}/wall_ms: {asked} asked, ticket {parent} has {room} left until its deadline"
                )));
            }
        }
        Ok(())
    }

    /// When a new ticket has to be over: as asked, as its budget says, and never after its parent.
    pub(super) fn deadline_of(
        &self,
        parent: Option<TicketId>,
        asked: Option<Timestamp>,
        budget: Option<&Budget>,
    ) -> Option<Timestamp> {
        let wall = budget
            .and_then(|budget| budget.wall_ms)
            .map(|ms| self.context.now.saturating_add(ms));
        let above = parent.and_then(|parent| self.state.tickets[&parent].deadline);
        [asked, wall, above].into_iter().flatten().min()
    }

    /// A ticket that was over is not any more: its own deadline has passed, or was an earlier attempt's,
    /// and that of the ticket above holds as ever.
    pub(super) fn renew_deadline(&mut self, id: TicketId) {
        let deadline = self.deadline_of(self.state.tickets[&id].parent, None, None);
        self.change_ticket(id).deadline = deadline;
        if let Some(deadline) = deadline {
            self.state.timers.insert((deadline, Timer::Ticket(id)));
        }
    }

    /// Why a ticket whose deadline has passed fails.
    pub(super) fn why_too_late(&self, id: TicketId) -> String {
        let deadline = self.state.tickets[&id].deadline;
        let budgets = self.state.line(id).filter_map(|ticket| {
            let ms = ticket.terms.as_ref()?.budget?.wall_ms?;
            (deadline == Some(ticket.created_at.saturating_add(ms))).then_some((ticket.id, ms))
        });
        budgets.last().map_or_else(
            || "its deadline has passed".to_owned(),
            |(ticket, ms)| {
                format!(
                    "the budget of ticket {ticket} is used up: it had {ms} ms of wall time \
                     (`wall_ms`)"
                )
            },
        )
    }

    /// Adds to what a ticket and all above it have spent. That is no change that somebody who is about
    /// to edit one of them has to know of, so it keeps its `updated_at`.
    pub(super) fn spend(&mut self, id: TicketId, spent: Spend) {
        let mut next = (!spent.is_nothing()).then_some(id);
        while let Some(id) = next {
            let Some(ticket) = self.state.tickets.get(&id) else {
                return;
            };
            let updated_at = ticket.updated_at;
            let ticket = self.change_ticket(id);
            ticket.updated_at = updated_at;
            ticket.spent.add(spent);
            next = ticket.parent;
        }
    }

    /// Charges what a run has computed. `guest_us` is the time of its current start; what a replay
    /// computes again is in it, and only what goes beyond the longest start so far is new.
    ///
    /// Tickets are charged whole milliseconds of a run, so that one which is over at once changes none.
    pub(super) fn computed(&mut self, run: RunId, guest_us: u64) {
        let record = &self.state.runs[&run];
        let (ticket, before) = (record.ticket, record.guest_us);
        if guest_us <= before {
            return;
        }
        let gone = self
            .state
            .left(ticket, Dimension::GuestTime)
            .is_some_and(|left| left.amount() == 0);
        let record = self.change_run(run);
        record.guest_us = guest_us;
        if gone {
            record.over_us += guest_us - before;
        }
        let spent = Spend {
            guest_ms: guest_us / 1_000 - before / 1_000,
            ..Spend::default()
        };
        self.spend(ticket, spent);
    }

    /// Why a run has to end that goes on computing although the guest time of its ticket is used up:
    /// it had as much again as it takes to answer.
    pub(super) fn out_of_guest_time(&self, run: RunId) -> Option<String> {
        let record = &self.state.runs[&run];
        if record.over_us <= self.context.limits.budget_grace_ms.saturating_mul(1_000) {
            return None;
        }
        let left = self.state.left(record.ticket, Dimension::GuestTime)?;
        (left.amount() == 0).then(|| left.to_string())
    }

    /// Refuses to assign to an agent that `by`, or one that delegated the ticket it works on, may not
    /// assign to.
    pub(super) fn check_assign_to(
        &self,
        by: &Agent,
        ticket: TicketId,
        target: &Agent,
    ) -> Result<(), Refusal> {
        if target.boss == Some(by.id) {
            return Ok(());
        }
        if !by.grants.assign_to.contains(&target.name) {
            return Err(Refusal::Denied(format!(
                "{} is no subordinate of {}, and no grant `assign_to` names it",
                target.name, by.name
            )));
        }
        self.check_wants(ticket, target)?;
        let above = self.state.authority(ticket).bosses;
        let boss = target.boss.and_then(|boss| self.state.agents.get(&boss));
        let lacking = above.iter().find(|one| {
            boss.is_none_or(|boss| boss.name != one.name)
                && !one.grants.assign_to.contains(&target.name)
        });
        lacking.map_or(Ok(()), |one| {
            Err(Refusal::Denied(one.lacks("assign_to", &target.name)))
        })
    }

    /// Refuses to assign outside the team to an agent that the run's own plugin does not want to.
    fn check_wants(&self, ticket: TicketId, target: &Agent) -> Result<(), Refusal> {
        let run = self.state.tickets[&ticket].run;
        let run = run.and_then(|run| self.state.runs.get(&run));
        let described = run.and_then(|run| {
            let described = self.context.plugins.described(&run.plugin.digest)?;
            Some((&run.plugin, described))
        });
        match described {
            Some((plugin, described)) if !described.manifest.wants.covers_agent(&target.name) => {
                Err(Refusal::Denied(format!(
                    "{} is granted under `assign_to`, but the manifest of {}@{} does not want it (it wants \
                     {}): its author adds it to `wants.assign_to`",
                    target.name,
                    plugin.name,
                    plugin.version,
                    described.manifest.wants.shown_agents()
                )))
            }
            _ => Ok(()),
        }
    }
}

fn no_room(what: Dimension, needed: u64, parent: TicketId, left: &Left) -> String {
    let asked = match what {
        Dimension::Depth => "tickets below it are asked for".to_owned(),
        _ => format!("{needed} more tickets are asked for"),
    };
    format!(
        "{asked}, and ticket {parent} has {} {} left (`{}`, budget of {}: {})",
        left.amount(),
        what.unit(),
        what.name(),
        left.ticket,
        left.budget
    )
}
