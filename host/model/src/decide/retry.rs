//! Trying again: what follows when an attempt at a ticket has failed.
//!
//! The same agent tries again after a pause, as often as the ticket's terms say. Then the boss's selector
//! chooses another of the boss's subordinates that has not tried it, as often as they say. Then the
//! ticket fails, with the history. A ticket that is tried again keeps its worktree and its channel.
//!
//! Invariants:
//! - A ticket that pauses is open, in its agent's queue, and has a timer at the end of its pause.
//! - A ticket for which another agent is being chosen is open, in no queue, and has been asked for by an
//!   [`Effect::Choose`], which is made again at every start.
//! - What an earlier attempt has delegated and was not over is cancelled: the next attempt delegates anew.

use super::Tx;
use crate::{
    AgentId, Choice, Dimension, Effect, EventKind, Left, Outcome, PastAttempt, Refusal, Retry,
    RunId, State, Status, Terms, Ticket, TicketId, Timestamp, state::Timer, text,
};

/// Bytes of a reason that the history keeps.
const REASON: usize = 2_000;

/// An attempt that has failed.
pub(super) struct Attempt<'a> {
    /// Its run; none where it could not even start.
    pub(super) run: Option<RunId>,
    /// Why.
    pub(super) why: &'a str,
    /// Whether its output was refused: the next run of the same agent is told what was wrong with it.
    pub(super) refused: bool,
}

/// Whether a ticket whose attempt fails now is tried again, as far as its terms say.
pub fn has_tries(ticket: &Ticket) -> bool {
    let Some(retry) = retry_of(ticket) else {
        return false;
    };
    let (failed, reassigned) = ticket
        .tries
        .as_ref()
        .map_or((0, 0), |tries| (tries.failed, tries.reassigned));
    failed + 1 < retry.attempts || reassigned < retry.reassign
}

fn retry_of(ticket: &Ticket) -> Option<&Retry> {
    ticket.terms.as_ref()?.retry.as_ref()
}

/// The pause after so many failed attempts of one agent.
fn pause_ms(retry: &Retry, failed: u32) -> u64 {
    let doublings = failed.saturating_sub(1);
    let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    let pause = retry.backoff_ms.saturating_mul(factor);
    pause.min(retry.max_backoff_ms.max(retry.backoff_ms))
}

impl State {
    /// Whose team may be given a ticket: that of the boss which delegated it, or of its assignee's boss.
    pub fn boss_of(&self, ticket: &Ticket) -> Option<AgentId> {
        let of_assignee = || self.agents.get(&ticket.assignee?)?.boss;
        ticket.delegated_by.or_else(of_assignee)
    }

    /// Those of a boss's team that may still be given a ticket: they have not tried it, and work on
    /// nothing above it.
    pub fn untried(&self, ticket: &Ticket) -> Vec<&crate::Agent> {
        let Some(boss) = self.boss_of(ticket) else {
            return Vec::new();
        };
        let tried = ticket.tries.as_ref().map_or(&[][..], |tries| &tries.by);
        let mut team = self.team(boss);
        team.retain(|agent| !tried.contains(&agent.id) && !self.is_above(ticket, agent.id));
        team
    }

    /// Whether an agent works on a ticket above this one.
    fn is_above(&self, ticket: &Ticket, agent: AgentId) -> bool {
        let mut above = ticket.parent;
        while let Some(ticket) = above.and_then(|id| self.tickets.get(&id)) {
            if ticket.assignee == Some(agent) {
                return true;
            }
            above = ticket.parent;
        }
        false
    }
}

impl Tx<'_> {
    /// Refuses terms that would try a ticket more often than is allowed, or never.
    pub(super) fn check_retry(&self, path: &str, terms: &Terms) -> Result<(), Refusal> {
        let Some(retry) = &terms.retry else {
            return Ok(());
        };
        let path = format!("{path}/retry");
        if retry.attempts == 0 {
            return Err(Refusal::invalid(path, "`attempts` is at least 1"));
        }
        let longest = self.context.limits.retry_pause_ms;
        if retry.backoff_ms.max(retry.max_backoff_ms) > longest {
            return Err(Refusal::invalid(
                path,
                format!("a pause is at most {longest} ms (limit `retry_pause_ms`)"),
            ));
        }
        let most = self.context.limits.attempts;
        let all = retry
            .attempts
            .saturating_mul(retry.reassign.saturating_add(1));
        if all > most {
            return Err(Refusal::invalid(
                path,
                format!(
                    "these are up to {all} runs, and {most} are the most (limit `attempts`): each of \
                     {} assignees gets {}",
                    retry.reassign.saturating_add(1),
                    retry.attempts
                ),
            ));
        }
        Ok(())
    }

    /// An attempt at a ticket has failed, and its run is over: it is tried again, or it fails.
    pub(super) fn attempt_failed(&mut self, id: TicketId, attempt: &Attempt<'_>) {
        self.note_attempt(id, attempt);
        let now = self.context.now;
        let ticket = &self.state.tickets[&id];
        let tries = ticket.tries.as_deref().cloned().unwrap_or_default();
        let Some(retry) = retry_of(ticket).cloned() else {
            return self.fail_for_good(id, attempt.why);
        };
        if let Some(left) = self.used_up(id) {
            let why = format!("{}\n\n(It is not tried again: {left}.)", attempt.why);
            return self.fail_for_good(id, &why);
        }
        // Where it cannot even start, it cannot a moment later.
        if attempt.run.is_some() && tries.failed < retry.attempts {
            let at = now.saturating_add(pause_ms(&retry, tries.failed));
            if ticket.deadline.is_some_and(|deadline| deadline <= at) {
                let why = format!(
                    "{}\n\n(There is no time for another try before its deadline.)",
                    attempt.why
                );
                return self.fail_for_good(id, &why);
            }
            return self.pause(id, attempt, at);
        }
        if tries.reassigned < retry.reassign && self.state.boss_of(ticket).is_some() {
            if self.state.untried(ticket).is_empty() {
                let why = format!(
                    "{}\n\n(Nobody else in its boss's team is left to try it.)",
                    attempt.why
                );
                return self.fail_for_good(id, &why);
            }
            return self.want_another(id, attempt);
        }
        self.fail_for_good(id, attempt.why);
    }

    /// A budget that holds for the ticket and of which nothing is left.
    fn used_up(&self, id: TicketId) -> Option<Left> {
        [Dimension::GuestTime, Dimension::Tokens, Dimension::Cost]
            .into_iter()
            .find_map(|what| self.state.left(id, what).filter(Left::is_used_up))
    }

    fn note_attempt(&mut self, id: TicketId, attempt: &Attempt<'_>) {
        let most = self.context.limits.history;
        let at = self.context.now;
        let agent = self.state.tickets[&id].assignee;
        let name = agent.and_then(|agent| self.state.agents.get(&agent));
        let agent_name = name.map_or_else(String::new, |agent| agent.name.clone());
        let ticket = self.change_ticket(id);
        let tries = ticket.tries.get_or_insert_default();
        tries.total = tries.total.saturating_add(1);
        tries.failed = tries.failed.saturating_add(1);
        let Some(agent) = agent else { return };
        if !tries.by.contains(&agent) {
            tries.by.push(agent);
        }
        let number = ticket.attempts + u32::from(attempt.run.is_none());
        ticket.history.push(PastAttempt {
            run: attempt.run,
            agent,
            agent_name,
            attempt: number,
            at,
            reason: text::cut(attempt.why, REASON),
        });
        let over = ticket.history.len().saturating_sub(most);
        ticket.history.drain(..over);
    }

    /// Back into the queue, until its pause is over.
    pub(super) fn pause(&mut self, id: TicketId, attempt: &Attempt<'_>, at: Timestamp) {
        self.put_aside(id, attempt);
        let pauses = at > self.context.now;
        let ticket = self.change_ticket(id);
        ticket.not_before = pauses.then_some(at);
        let (number, agent) = (ticket.attempts, ticket.assignee);
        if pauses {
            self.state.timers.insert((at, Timer::Retry(id)));
        }
        if let Some(agent) = agent {
            self.state.enqueue(agent, id);
            self.ready.push(agent);
        }
        self.event(EventKind::TicketRetried {
            ticket: id,
            attempt: number,
            reason: text::cut(attempt.why, super::end::EVENT_TEXT),
            not_before: at,
        });
    }

    /// Out of all queues, until the boss's selector has chosen.
    fn want_another(&mut self, id: TicketId, attempt: &Attempt<'_>) {
        self.put_aside(id, attempt);
        let ticket = self.change_ticket(id);
        ticket.tries.get_or_insert_default().choosing = true;
        let (number, agent) = (ticket.attempts, ticket.assignee);
        self.ready.extend(agent);
        if let Some(from) = agent {
            self.event(EventKind::AssigneeWanted {
                ticket: id,
                attempt: number,
                from,
                reason: text::cut(attempt.why, super::end::EVENT_TEXT),
            });
        }
        self.choose(id);
    }

    /// Asks for another agent. The answer names how often the ticket was tried, so that one that comes
    /// too late is known.
    fn choose(&mut self, id: TicketId) {
        let tries = self.state.tickets[&id].tries.as_ref();
        let tried = tries.map_or(0, |tries| tries.total);
        self.changes
            .effects
            .push(Effect::Choose { ticket: id, tried });
    }

    /// The ticket is open again, as if nobody had worked on it; what stands in its channel and its
    /// worktree stays.
    fn put_aside(&mut self, id: TicketId, attempt: &Attempt<'_>) {
        self.take_from_desk(id);
        let ticket = self.change_ticket(id);
        ticket.status = Status::Open;
        ticket.output = None;
        ticket.rejections = 0;
        if !attempt.refused {
            ticket.violations.clear();
        }
        let children = ticket.children.clone();
        for child in children {
            let live = self.state.tickets.get(&child);
            let live = live.is_some_and(|child| !child.status.is_over() && child.choice.is_some());
            if live {
                let why = "the run that has delegated it has failed";
                self.end_ticket(child, Status::Cancelled, why);
            }
        }
    }

    fn fail_for_good(&mut self, id: TicketId, why: &str) {
        let tries = self.state.tickets[&id].tries.as_deref();
        let tries = tries.cloned().unwrap_or_default();
        let mut why = why.to_owned();
        if tries.total > 1 {
            let name = |id| self.state.agents.get(id).map(|agent| agent.name.as_str());
            let names: Vec<&str> = tries.by.iter().filter_map(name).collect();
            let by = names.join(", ");
            let note = format!("\n\n(It was tried {} times, by {by}.)", tries.total);
            let room = self.context.limits.text_bytes.saturating_sub(note.len());
            why = text::cut(&why, room) + &note;
        }
        self.end_ticket(id, Status::Failed, &why);
    }

    /// Whom the boss's selector has chosen, or why nobody.
    pub(super) fn chosen(
        &mut self,
        id: TicketId,
        tried: u32,
        choice: Result<(AgentId, Choice), String>,
    ) -> Result<Outcome, Refusal> {
        let ticket = self.ticket(id)?;
        let tries = ticket.tries.as_deref().cloned().unwrap_or_default();
        if !tries.choosing || tries.total != tried {
            return Err(Refusal::Conflict(format!(
                "ticket {id} does not wait for this choice any more"
            )));
        }
        let last = ticket.history.last();
        let last = last.map_or_else(String::new, |past| past.reason.clone());
        let give_up = |why: &str| format!("{last}\n\n(It could be given to nobody else: {why})");
        let (agent, choice) = match choice {
            Ok(chosen) => chosen,
            Err(why) => {
                self.fail_for_good(id, &give_up(&why));
                return Ok(Outcome::Done);
            }
        };
        // The team may have changed meanwhile, or the selector means somebody who has tried it.
        if !self.state.untried(ticket).iter().any(|one| one.id == agent) {
            let why = "the selector chose somebody who may not have it";
            self.fail_for_good(id, &give_up(why));
            return Ok(Outcome::Done);
        }
        if let Err(refusal) = self.check_queue(agent, 1) {
            self.fail_for_good(id, &give_up(&refusal.to_string()));
            return Ok(Outcome::Done);
        }
        self.give_to(id, agent, choice);
        Ok(Outcome::Done)
    }

    fn give_to(&mut self, id: TicketId, agent: AgentId, choice: Choice) {
        let reason = choice.reason.clone();
        let ticket = self.change_ticket(id);
        let from = ticket.assignee.replace(agent);
        ticket.choice = Some(choice);
        // It was another's output that was refused.
        ticket.violations.clear();
        let tries = ticket.tries.get_or_insert_default();
        tries.choosing = false;
        tries.failed = 0;
        tries.reassigned += 1;
        self.state.enqueue(agent, id);
        self.ready.push(agent);
        if let Some(from) = from {
            self.event(EventKind::TicketReassigned {
                ticket: id,
                from,
                assignee: agent,
                reason,
            });
        }
    }

    /// Somebody else decides what becomes of the ticket: no pause and no choice is waited for any more.
    pub(super) fn stop_retrying(&mut self, id: TicketId) {
        let ticket = &self.state.tickets[&id];
        if let Some(at) = ticket.not_before {
            self.state.timers.remove(&(at, Timer::Retry(id)));
            self.change_ticket(id).not_before = None;
        }
        if self.state.tickets[&id].is_choosing()
            && let Some(tries) = &mut self.change_ticket(id).tries
        {
            tries.choosing = false;
        }
    }

    /// Whoever gets the ticket now gets all attempts anew.
    pub(super) fn try_anew(&mut self, id: TicketId) {
        self.stop_retrying(id);
        if self.state.tickets[&id].tries.is_some() {
            let tries = self.change_ticket(id).tries.get_or_insert_default();
            tries.failed = 0;
        }
    }

    /// A ticket's pause is over.
    pub(super) fn pause_is_over(&mut self, id: TicketId) {
        let Some(ticket) = self.state.tickets.get(&id) else {
            return;
        };
        let due = ticket.not_before.is_some_and(|at| at <= self.context.now);
        if !due {
            return;
        }
        let ticket = self.change_ticket(id);
        ticket.not_before = None;
        let agent = ticket.assignee;
        self.ready.extend(agent);
    }

    /// Asks again for every ticket for which another agent was being chosen.
    pub(super) fn choose_again(&mut self) {
        let tickets = self.state.tickets.values();
        let choosing = tickets.filter(|ticket| !ticket.status.is_over() && ticket.is_choosing());
        let mut choosing: Vec<TicketId> = choosing.map(|ticket| ticket.id).collect();
        choosing.sort_unstable();
        for id in choosing {
            self.choose(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pause_ms;
    use crate::Retry;

    #[test]
    fn a_pause_doubles_up_to_the_longest() {
        let table = [
            // backoff, longest, failed attempts, pause
            (1_000, 60_000, 1, 1_000),
            (1_000, 60_000, 2, 2_000),
            (1_000, 60_000, 6, 32_000),
            (1_000, 60_000, 7, 60_000),
            (1_000, 60_000, 90, 60_000),
            (0, 60_000, 5, 0),
            (500, 100, 3, 500),
            (u64::MAX, u64::MAX, 3, u64::MAX),
        ];
        for (backoff_ms, max_backoff_ms, failed, pause) in table {
            let retry = Retry {
                backoff_ms,
                max_backoff_ms,
                ..Retry::default()
            };
            assert_eq!(pause_ms(&retry, failed), pause, "{retry:?} {failed}");
        }
    }
}
