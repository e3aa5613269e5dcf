//! Going on where a run broke: a new run of the same ticket that begins with the old one's journal.
//!
//! Invariants:
//! - The new run has a token of its own; the old one stays over.
//! - What the old run did is in the journal that is taken over, so none of it happens again.
//! - Only the last run of a ticket can be gone on from, so a ticket has at most one live run.

use super::Tx;
use crate::{
    Dimension, Effect, EventKind, Outcome, Plugin, PluginRef, Record, Refusal, Resumed, Run, RunId,
    RunStatus, Status, TicketId, Token, weight,
};
use std::sync::Arc;

impl Tx<'_> {
    pub(super) fn resume_run(
        &mut self,
        id: TicketId,
        run: RunId,
        plugin: Option<&str>,
        mut journal: Vec<Vec<Record>>,
    ) -> Result<Outcome, Refusal> {
        let old = self.broken_run(id, run)?.clone();
        let plugin = self.fixed_plugin(&old, plugin)?;
        if calls_of(&journal) != old.calls {
            return Err(Refusal::Conflict(format!(
                "the journal of run {run} has {} calls and not the {} at hand; read it again",
                old.calls,
                calls_of(&journal)
            )));
        }
        self.check_free(id, &old)?;
        if let Some(left) = self.state.left(id, Dimension::GuestTime)
            && left.amount() == 0
        {
            let why = format!("{left}; run {run} would have no time to go on");
            return Err(Refusal::Limit(why));
        }
        self.check_room(1)?;
        self.check_tree_bytes(id, weight::of_run(&old))?;
        // A wait that nobody answered is not a good step: the call is asked again.
        if let Some(Record::Begun { .. }) = journal.last().and_then(|records| records.last()) {
            journal.last_mut().map(Vec::pop);
            journal.retain(|records| !records.is_empty());
        }
        self.bring_back(id);
        self.go_on(old, plugin, journal);
        Ok(self.ticket_outcome(id))
    }

    /// The run, if it can be gone on from.
    fn broken_run(&self, id: TicketId, run: RunId) -> Result<&Run, Refusal> {
        let conflict = |why: String| Err(Refusal::Conflict(why));
        let ticket = self.ticket(id)?;
        if ticket.runs.last() != Some(&run) {
            return conflict(format!(
                "run {run} is not the last one of ticket {id}; the ticket has gone on without it"
            ));
        }
        let Some(old) = self.state.runs.get(&run) else {
            return Err(Refusal::NotFound(format!("there is no run {run}")));
        };
        if !old.is_over() {
            return conflict(format!("run {run} is {} and goes on by itself", old.status));
        }
        if !old.broke {
            let why = old
                .error
                .as_deref()
                .unwrap_or("its strategy gave an answer");
            return conflict(format!(
                "run {run} did not break, it is {}: {why}. Only a run that trapped, hit a limit or \
                 diverged can be resumed",
                old.status
            ));
        }
        if ticket.status != Status::Failed {
            return conflict(format!(
                "ticket {id} is {}; only a ticket that has failed is resumed",
                ticket.status
            ));
        }
        if ticket.assignee != Some(old.agent) {
            return conflict(format!(
                "ticket {id} was given to another agent than that of run {run}"
            ));
        }
        if let Some(parent) = ticket.parent {
            let status = self.ticket(parent)?.status;
            if status.is_over() {
                return conflict(format!(
                    "the ticket above, {parent}, is {status}: nobody would take the report. Resume or \
                     reopen that one first"
                ));
            }
        }
        Ok(old)
    }

    /// The version to go on with: of the same plugin, for the journal is that plugin's.
    fn fixed_plugin(&self, old: &Run, wanted: Option<&str>) -> Result<Arc<Plugin>, Refusal> {
        let name = &old.plugin.name;
        let wanted = PluginRef::parse(wanted.unwrap_or(name));
        if wanted.name != *name {
            return Err(Refusal::invalid(
                "/plugin",
                format!(
                    "run {} is one of {name}, and goes on with a version of {name}",
                    old.id
                ),
            ));
        }
        let plugins = self.context.plugins;
        let found = plugins.resolve(&wanted, false)?;
        plugins.check_startable(found)?;
        Ok(found.clone())
    }

    /// Refuses where it would have to queue: a ticket that is resumed starts at once or not at all.
    fn check_free(&self, id: TicketId, old: &Run) -> Result<(), Refusal> {
        let agent = self.state.agents.get(&old.agent).ok_or_else(|| {
            Refusal::NotFound(format!("the agent of run {} is not there any more", old.id))
        })?;
        let busy = |what: String| {
            Err(Refusal::Busy(format!(
                "{what}, so ticket {id} cannot be resumed now; try again when one is over"
            )))
        };
        let active = self.state.desks.get(&agent.id);
        if active.map_or(0, |desk| desk.active.len()) >= agent.limits.max_concurrent as usize {
            return busy(format!(
                "{} works on as many tickets as it may (limit `max_concurrent`)",
                agent.name
            ));
        }
        if !self.state.has_wip(agent.id) {
            return busy("the workspace has as many busy runs as it may (`wip`)".to_owned());
        }
        if !self.state.is_free(id, self.context.now) {
            return busy("it waits for another ticket, or for its group".to_owned());
        }
        Ok(())
    }

    /// The ticket is in progress again, and whoever waits for it has its report still to come.
    fn bring_back(&mut self, id: TicketId) {
        if let Some(parent) = self.state.tickets[&id].parent {
            self.child_is_back(parent, id);
        }
        let ticket = self.change_ticket(id);
        let (from, root, agent) = (ticket.status, ticket.root, ticket.assignee);
        ticket.status = Status::InProgress;
        ticket.ended_at = None;
        ticket.summary = String::new();
        ticket.tries = None;
        self.renew_deadline(id);
        let live = self.state.live.entry(root).or_default();
        *live += 1;
        if *live == 1 {
            self.changes.roots.push((root, true));
        }
        self.state.note_blockers(id);
        if let Some(agent) = agent {
            self.state.take_up(agent, id);
        }
        self.event(EventKind::TicketStatusChanged {
            ticket: id,
            from,
            to: Status::InProgress,
            forced: true,
        });
    }

    /// Makes the run that goes on.
    fn go_on(&mut self, old: Run, plugin: Arc<Plugin>, journal: Vec<Vec<Record>>) {
        let run = RunId(self.id());
        let token = Token((self.context.tokens)());
        let now = self.context.now;
        let provision = !self.state.workspace.repos.is_empty();
        let calls = calls_of(&journal);
        let ticket = self.change_ticket(old.ticket);
        ticket.run = Some(run);
        ticket.runs.push(run);
        ticket.attempts += 1;
        let attempt = ticket.attempts;
        let (id, agent) = (old.ticket, old.agent);
        let mut new = Run {
            id: run,
            attempt,
            plugin,
            token,
            status: if provision {
                RunStatus::Provisioning
            } else {
                RunStatus::Running
            },
            wait: None,
            calls,
            journal_len: journal.len() as u64,
            log_bytes: 0,
            log_len: 0,
            error: None,
            broke: false,
            resumed: Some(Box::new(Resumed {
                from: old.id,
                calls,
                first: old.first(),
            })),
            queued_at: now,
            ended_at: None,
            ..old
        };
        self.state.shared.share(&mut new);
        let root = self.state.tickets[&id].root;
        self.state.weights.made(root, run.0, weight::of_run(&new));
        self.state.runs.insert(run, Box::new(new));
        self.changes.runs.push(run);
        let records = journal.into_iter().enumerate();
        self.changes
            .journal
            .extend(records.map(|(at, records)| (run, at as u64, records)));
        self.event(EventKind::TicketStarted {
            ticket: id,
            agent,
            run,
            attempt,
        });
        if provision {
            self.event(EventKind::RunProvisioning { ticket: id, run });
        }
        self.watch(run);
        self.changes.effects.push(Effect::Start(run));
    }
}

/// Calls in stored records.
fn calls_of(journal: &[Vec<Record>]) -> u32 {
    let calls = journal.iter().flatten();
    calls
        .filter(|record| !matches!(record, Record::Answered { .. }))
        .count() as u32
}
