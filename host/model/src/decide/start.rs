//! Starting runs: one ticket's step from `open` to `in_progress`.

use super::Tx;
use super::retry::Attempt;
use crate::{
    AgentId, Effect, EventKind, Given, Lot, Outcome, Plugin, Refusal, Run, RunId, RunStatus,
    Status, TicketId, Token, weight,
};
use std::fmt::Display;
use std::sync::Arc;

impl Tx<'_> {
    /// Queues a run for a ticket that is on its assignee's desk; fails the ticket where it cannot be.
    pub(super) fn start_run(&mut self, id: TicketId, agent_id: AgentId) {
        let run = RunId(self.id());
        let (plugin, config_json) = match self.equipped(run, agent_id) {
            Ok(found) => found,
            Err(why) => {
                // Another may have a plugin that is there.
                let attempt = Attempt {
                    run: None,
                    why: &why,
                    refused: false,
                };
                return self.attempt_failed(id, &attempt);
            }
        };
        let agent = &self.state.agents[&agent_id];
        let given = Arc::new(Given {
            class: agent.class.clone(),
            description: agent.description.clone(),
            skills: agent.skills.clone(),
            config_json,
            violations: self.state.tickets[&id].violations.clone(),
        });
        let bytes = weight::of_given(&given);
        if let Err(refusal) = self.check_tree_bytes(id, bytes) {
            let why = format!(
                "{} cannot start: {refusal}",
                self.state.agents[&agent_id].name
            );
            return self.end_ticket(id, Status::Failed, &why);
        }
        self.stop_retrying(id);
        let token = Token((self.context.tokens)());
        let now = self.context.now;
        let provision = !self.state.workspace.repos.is_empty();
        let ticket = self.change_ticket(id);
        let from = ticket.status;
        ticket.status = Status::InProgress;
        ticket.run = Some(run);
        ticket.runs.push(run);
        ticket.attempts += 1;
        ticket.started_at.get_or_insert(now);
        let attempt = ticket.attempts;
        self.changes.runs.push(run);
        let mut new = Run {
            id: run,
            ticket: id,
            agent: agent_id,
            attempt,
            plugin,
            token,
            given,
            status: if provision {
                RunStatus::Provisioning
            } else {
                RunStatus::Running
            },
            wait: None,
            calls: 0,
            journal_len: 0,
            messages: 0,
            log_bytes: 0,
            log_len: 0,
            guest_us: 0,
            over_us: 0,
            error: None,
            broke: false,
            resumed: None,
            queued_at: now,
            ended_at: None,
        };
        self.state.shared.share(&mut new);
        let root = self.state.tickets[&id].root;
        self.state.weights.made(root, run.0, weight::of_run(&new));
        self.state.runs.insert(run, Box::new(new));
        debug_assert!(
            from == Status::InProgress || from.may_become(Status::InProgress),
            "{from}"
        );
        self.event(EventKind::TicketStarted {
            ticket: id,
            agent: agent_id,
            run,
            attempt,
        });
        if provision {
            self.event(EventKind::RunProvisioning { ticket: id, run });
        }
        self.watch(run);
        self.changes.effects.push(Effect::Start(run));
    }

    /// The plugin that a run takes, and its agent's configuration with that version's defaults. Whether it
    /// fits the plugin's schema is looked at before the run's first step: that may take long.
    fn equipped(&self, run: RunId, agent: AgentId) -> Result<(Arc<Plugin>, String), String> {
        let agent = &self.state.agents[&agent];
        let cannot = |why: &dyn Display| format!("{} cannot start: {why}", agent.name);
        let plugins = self.context.plugins;
        let plugin = match plugins.take(&agent.plugin, Lot::of_run(run), false) {
            Ok(plugin) => plugin.clone(),
            Err(why) => return Err(cannot(&why)),
        };
        let schema = plugins
            .described(&plugin.digest)
            .and_then(|described| described.config.as_ref());
        let config = match schema.map(|schema| schema.fill(&agent.config)) {
            None => agent.config.to_string(),
            Some(Ok(filled)) => filled.to_string(),
            Some(Err(violation)) => return Err(cannot(&violation)),
        };
        Ok((plugin, config))
    }

    /// The worktree is there: the ticket is looked at again, for much may have happened meanwhile.
    pub(super) fn provisioned(&mut self, run: RunId) -> Result<Outcome, Refusal> {
        self.live_run(run)?;
        if self.state.runs[&run].status == RunStatus::Provisioning {
            self.change_run(run).status = RunStatus::Running;
        }
        self.watch(run);
        Ok(Outcome::Done)
    }

    /// A run that may still write to its ticket.
    pub(super) fn live_run(&self, id: RunId) -> Result<&Run, Refusal> {
        let run =
            self.state.runs.get(&id).ok_or_else(|| {
                Refusal::Conflict(format!("run {id} is over, and so is its ticket"))
            })?;
        if run.is_over()
            || self
                .state
                .tickets
                .get(&run.ticket)
                .is_none_or(|t| t.run != Some(id))
        {
            let why = run.error.clone().unwrap_or_else(|| run.status.to_string());
            return Err(Refusal::Conflict(format!("run {id} is over: {why}")));
        }
        Ok(run)
    }
}
