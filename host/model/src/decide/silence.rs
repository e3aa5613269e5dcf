//! Silence: a run that nobody has heard of for as long as its ticket's terms or its agent's limits say
//! has failed.
//!
//! A host call, something printed, a report: each is a sign of life. Waits for reports and answers do not
//! count. A wait for a report from outside does: there, what anybody says in the ticket's channel is a
//! sign of life.
//!
//! Only runs that are watched are known here, and nothing of it is stored: a start begins to count
//! afresh. A sign of life costs one write to memory; the timer finds out when it is due.

use super::Tx;
use super::retry::Attempt;
use crate::{
    AgentId, Author, RunId, RunStatus, State, TicketId, Timestamp, WaitKind, state::Timer,
};

/// A run that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// When it was last heard of.
    pub(crate) at: Timestamp,
    /// When its timer is.
    pub(crate) timer: Timestamp,
}

impl State {
    /// Milliseconds that a run may be silent now; none where its silence does not count.
    pub(crate) fn silence_limit(&self, id: RunId) -> Option<u64> {
        let run = self.runs.get(&id)?;
        let counts = match (run.status, &run.wait) {
            (RunStatus::Running, _) => true,
            (RunStatus::Waiting, Some(wait)) => wait.kind == WaitKind::External,
            _ => false,
        };
        if !counts {
            return None;
        }
        let ticket = self.tickets.get(&run.ticket)?;
        let own = ticket.terms.as_ref().and_then(|terms| terms.silence_ms);
        let agent = self.agents.get(&run.agent);
        let agent = agent.map(|agent| agent.limits.silence_ms);
        // A person may give an agent more time than its limit says; a boss may not.
        let limit = match own {
            Some(_) if ticket.delegated_by.is_some() => [own, agent]
                .into_iter()
                .flatten()
                .filter(|ms| *ms > 0)
                .min(),
            _ => own.or(agent),
        };
        limit.filter(|ms| *ms > 0)
    }

    /// Lets go of a run.
    pub(crate) fn unwatch(&mut self, id: RunId) {
        if let Some(heard) = self.heard.remove(&id) {
            self.timers.remove(&(heard.timer, Timer::Silence(id)));
        }
    }
}

impl Tx<'_> {
    /// Counts a run's silence from now on, or no more, as it stands now.
    pub(super) fn watch(&mut self, id: RunId) {
        self.state.unwatch(id);
        let Some(limit) = self.state.silence_limit(id) else {
            return;
        };
        let at = self.context.now;
        let timer = at.saturating_add(limit);
        self.state.heard.insert(id, Heard { at, timer });
        self.state.timers.insert((timer, Timer::Silence(id)));
    }

    /// Counts the silence of all live runs from now on.
    pub(super) fn watch_all(&mut self) {
        let mut live: Vec<RunId> = self.state.live_runs().map(|run| run.id).collect();
        live.sort_unstable();
        for run in live {
            self.watch(run);
        }
    }

    /// An agent's limits may have changed.
    pub(super) fn watch_agent(&mut self, agent: AgentId) {
        let desk = self.state.desks.get(&agent);
        let active = desk.map_or(&[][..], |desk| &desk.active);
        let runs = active.iter().filter_map(|id| self.state.tickets[id].run);
        for run in runs.collect::<Vec<_>>() {
            self.watch(run);
        }
    }

    /// A run gives a sign of life.
    pub(super) fn heard_of(&mut self, id: RunId) {
        if let Some(heard) = self.state.heard.get_mut(&id) {
            heard.at = self.context.now;
        }
    }

    /// Something was said in a ticket's channel: a sign of life where its run waits for someone outside.
    pub(super) fn heard_in(&mut self, id: TicketId, author: &Author) {
        if *author == Author::Host {
            return;
        }
        let Some(run) = self.state.tickets[&id].run else {
            return;
        };
        let waits = self
            .state
            .runs
            .get(&run)
            .is_some_and(|run| run.wait.is_some());
        if waits {
            self.heard_of(run);
        }
    }

    /// A run may have been silent for too long.
    pub(super) fn silence_is_due(&mut self, id: RunId) {
        let Some(heard) = self.state.heard.remove(&id) else {
            return;
        };
        let Some(limit) = self.state.silence_limit(id) else {
            return;
        };
        let timer = heard.at.saturating_add(limit);
        if timer > self.context.now {
            self.state.heard.insert(id, Heard { timer, ..heard });
            self.state.timers.insert((timer, Timer::Silence(id)));
            return;
        }
        let why = format!("it was silent for {limit} ms, its limit (`silence_ms`)");
        let run = self.change_run(id);
        run.broke = true;
        let ticket = run.ticket;
        self.stop_run(ticket, RunStatus::Failed, &why);
        let attempt = Attempt {
            run: Some(id),
            why: &why,
            refused: false,
        };
        self.attempt_failed(ticket, &attempt);
    }
}
