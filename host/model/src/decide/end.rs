//! Ends: of runs, and of tickets with all that follows.

use super::retry::Attempt;
use super::{Tx, check_len};
use crate::{
    Agent, Author, Branch, Effect, Ending, EventKind, MessageKind, Outcome, Pending, Refusal,
    RunId, RunStatus, Status, Ticket, TicketId, Validation, Violation, WorkResult, state::Timer,
    text,
};
use serde_json::Value;

/// Whether an output that was refused goes back to the agent once more.
pub fn will_retry(ticket: &Ticket, agent: &Agent, violations: &[Violation]) -> bool {
    ticket.validation == Validation::Strict
        && !violations.is_empty()
        && ticket.rejections + 1 < agent.limits.max_rejections
}

impl Tx<'_> {
    pub(super) fn end_run(
        &mut self,
        id: RunId,
        pending: Vec<Pending>,
        guest_us: u64,
        ending: Ending,
    ) -> Result<Outcome, Refusal> {
        let run = self.live_run(id)?;
        let ticket = run.ticket;
        self.check_pending(id, &pending)?;
        let records = self.post_pending(ticket, id, pending);
        self.journal(id, records);
        self.computed(id, guest_us);
        match ending {
            Ending::Worked {
                result,
                violations,
                branches,
            } => {
                self.set_branches(ticket, branches);
                self.worked(ticket, id, result, violations);
            }
            Ending::Broke(why) => self.broke(ticket, id, &why, None),
            Ending::Faulted(why) => self.broke(ticket, id, &why, Some(true)),
        }
        Ok(Outcome::Done)
    }

    fn broke(&mut self, ticket: TicketId, id: RunId, why: &str, fault: Option<bool>) {
        let why = text::cut(why, self.context.limits.text_bytes);
        self.change_run(id).broke = true;
        self.run_over(ticket, id, RunStatus::Failed, Some(&why), fault);
        self.run_failed(ticket, id, &why, false);
    }

    fn worked(
        &mut self,
        id: TicketId,
        run: RunId,
        mut result: WorkResult,
        violations: Vec<Violation>,
    ) {
        let limits = self.context.limits;
        let too_long = result.output.as_ref().map_or(Ok(()), |output| {
            check_len("/output", &output.to_string(), limits.output_bytes)?;
            self.check_tree_bytes(id, crate::call::json_bytes(output))
        });
        result.summary = text::cut(&result.summary, limits.text_bytes);
        if let Err(refusal) = too_long {
            let why = format!("its output is too large: {refusal}");
            self.run_over(id, run, RunStatus::Failed, Some(&why), Some(false));
            return self.run_failed(id, run, &why, false);
        }
        if !result.completed {
            self.run_over(id, run, RunStatus::Completed, None, Some(false));
            self.change_ticket(id).output = result.output;
            return self.run_failed(id, run, &result.summary, false);
        }
        let ticket = &self.state.tickets[&id];
        let strict = ticket.validation == Validation::Strict;
        if strict && !violations.is_empty() {
            let agent = ticket
                .assignee
                .and_then(|agent| self.state.agents.get(&agent))
                .cloned();
            let retry = agent.filter(|agent| will_retry(ticket, agent, &violations));
            self.run_over(id, run, RunStatus::Completed, None, Some(false));
            self.output_refused(id, run, violations);
            return match retry {
                // Back into the queue: there is nothing to start on.
                Some(agent) if self.is_held(agent.id) => {
                    let attempt = Attempt {
                        run: Some(run),
                        why: "its output was refused",
                        refused: true,
                    };
                    self.pause(id, &attempt, self.context.now);
                }
                Some(agent) => self.start_run(id, agent.id),
                None => self.fail_for_output(id, run),
            };
        }
        self.run_over(id, run, RunStatus::Completed, None, Some(false));
        let ticket = self.change_ticket(id);
        ticket.output = result.output;
        ticket.violations = violations;
        self.end_ticket(id, Status::Done, &result.summary);
    }

    /// A guest's `reporting.submit-output`: accepted, or refused with the violations, which were found
    /// before: checking may take long.
    pub(super) fn submit_output(
        &mut self,
        run: RunId,
        output: Value,
        violations: Vec<Violation>,
    ) -> Result<(), Refusal> {
        check_len("", &output.to_string(), self.context.limits.output_bytes)?;
        let id = self.state.runs[&run].ticket;
        self.check_tree_bytes(id, crate::call::json_bytes(&output))?;
        let ticket = &self.state.tickets[&id];
        if violations.is_empty() || ticket.validation == Validation::Permissive {
            let ticket = self.change_ticket(id);
            ticket.output = Some(output);
            ticket.violations = violations;
            return Ok(());
        }
        let most = ticket
            .assignee
            .and_then(|agent| self.state.agents.get(&agent))
            .map_or(0, |agent| agent.limits.max_rejections);
        self.output_refused(id, run, violations.clone());
        if self.state.tickets[&id].rejections < most {
            return Err(Refusal::Invalid(violations));
        }
        self.stop_run(id, RunStatus::Failed, "its output was refused too often");
        self.fail_for_output(id, run);
        Err(Refusal::Limit(format!(
            "the output was refused {most} times; this run has failed"
        )))
    }

    fn output_refused(&mut self, id: TicketId, run: RunId, violations: Vec<Violation>) {
        let ticket = self.change_ticket(id);
        ticket.rejections += 1;
        ticket.violations.clone_from(&violations);
        let rejections = ticket.rejections;
        self.event(EventKind::OutputRefused {
            ticket: id,
            run,
            rejections,
            violations,
        });
    }

    fn fail_for_output(&mut self, id: TicketId, run: RunId) {
        let ticket = &self.state.tickets[&id];
        let list: Vec<String> = ticket
            .violations
            .iter()
            .take(5)
            .map(ToString::to_string)
            .collect();
        let why = format!(
            "its output was refused {} times for not fulfilling the expected schema: {}",
            ticket.rejections,
            list.join("; ")
        );
        self.run_failed(id, run, &why, true);
    }

    /// A run that is over has failed: its ticket is tried again, or fails.
    fn run_failed(&mut self, id: TicketId, run: RunId, why: &str, refused: bool) {
        let attempt = Attempt {
            run: Some(run),
            why,
            refused,
        };
        self.attempt_failed(id, &attempt);
    }

    /// Ends a run's record; its ticket goes on, or ends next. `fault` is what it says of its plugin: see
    /// [`Effect::Count`].
    pub(super) fn run_over(
        &mut self,
        ticket: TicketId,
        id: RunId,
        status: RunStatus,
        error: Option<&str>,
        fault: Option<bool>,
    ) {
        let now = self.context.now;
        let run = self.change_run(id);
        run.status = status;
        let until = run.wait.take().and_then(|wait| wait.until);
        run.ended_at = Some(now);
        let plugin = run.plugin.clone();
        // A resumed run replays what another version may have done: that it breaks says nothing of its own.
        let fault = fault.filter(|_| run.resumed.is_none());
        run.error = error.map(ToOwned::to_owned);
        if let Some(until) = until {
            self.state.timers.remove(&(until, Timer::Run(id)));
        }
        self.state.unwatch(id);
        self.changes.effects.push(Effect::Count { plugin, fault });
        self.event(EventKind::RunEnded {
            ticket,
            run: id,
            status,
        });
    }

    pub(super) fn cancel_ticket(&mut self, id: TicketId, reason: &str) -> Result<Outcome, Refusal> {
        let ticket = self.ticket(id)?;
        if ticket.status == Status::Cancelled {
            return Ok(self.ticket_outcome(id));
        }
        if ticket.status.is_over() {
            return Err(Refusal::Conflict(format!(
                "ticket {id} is {} already and cannot be cancelled",
                ticket.status
            )));
        }
        let reason = if reason.is_empty() {
            "cancelled"
        } else {
            reason
        };
        check_len("/reason", reason, self.context.limits.text_bytes)?;
        self.end_ticket(id, Status::Cancelled, reason);
        Ok(self.ticket_outcome(id))
    }

    /// A person says that a ticket is over.
    pub(super) fn end_by_hand(&mut self, id: TicketId, status: Status) {
        let summary = match status {
            Status::Done => "closed by hand",
            Status::Failed => "failed by hand",
            _ => "cancelled by hand",
        };
        self.end_ticket(id, status, summary);
    }

    /// Ends a ticket: its run, its place on the desk, its children, its report to the boss.
    pub(super) fn end_ticket(&mut self, id: TicketId, status: Status, summary: &str) {
        // Whoever says by hand that it is done wants the run no more; the run itself has not failed.
        let run_status = if status == Status::Failed {
            RunStatus::Failed
        } else {
            RunStatus::Cancelled
        };
        self.stop_run(id, run_status, summary);
        self.stop_retrying(id);
        self.take_from_desk(id);
        let now = self.context.now;
        let ticket = self.change_ticket(id);
        let from = ticket.status;
        ticket.status = status;
        ticket.summary = summary.to_owned();
        ticket.ended_at = Some(now);
        let deadline = ticket.deadline;
        let (assignee, root, children) = (ticket.assignee, ticket.root, ticket.children.clone());
        debug_assert!(!from.is_over(), "a ticket ends once");
        if let Some(deadline) = deadline {
            self.state.timers.remove(&(deadline, Timer::Ticket(id)));
        }
        self.event(match status {
            Status::Done => EventKind::TicketCompleted {
                ticket: id,
                summary: text::cut(summary, EVENT_TEXT),
            },
            Status::Cancelled => EventKind::TicketCancelled {
                ticket: id,
                reason: text::cut(summary, EVENT_TEXT),
            },
            _ => EventKind::TicketFailed {
                ticket: id,
                reason: text::cut(summary, EVENT_TEXT),
            },
        });
        self.blocker_is_over(id);
        self.not_live(root);
        self.end_children(status, &children);
        if !self.state.workspace.repos.is_empty() {
            let keep_changes = status != Status::Cancelled;
            self.changes.effects.push(Effect::Clean {
                ticket: id,
                keep_changes,
            });
        }
        self.report_to_boss(id);
        if let Some(agent) = assignee {
            if status != Status::Cancelled {
                let activity = self.state.activity.entry(agent).or_default();
                activity.last_report_at = Some(now);
                activity.last_failed = status == Status::Failed;
                if !self.changes.activity.contains(&agent) {
                    self.changes.activity.push(agent);
                }
            }
            self.ready.push(agent);
        }
    }

    fn not_live(&mut self, root: TicketId) {
        if let Some(live) = self.state.live.get_mut(&root) {
            *live -= 1;
            if *live == 0 {
                self.state.live.remove(&root);
                self.changes.roots.push((root, false));
            }
        }
    }

    /// A ticket that is over takes along what only it waited for: everything below where it failed or
    /// was cancelled, what it has delegated and no longer waits for where it is done.
    pub(super) fn end_children(&mut self, status: Status, children: &[TicketId]) {
        for child in children {
            let Some(ticket) = self.state.tickets.get(child) else {
                continue;
            };
            let (over, delegated) = (ticket.status.is_over(), ticket.choice.is_some());
            let below = ticket.children.clone();
            if over {
                self.end_children(status, &below);
            } else if delegated || status != Status::Done {
                let why = match status {
                    Status::Done => "its boss has finished without waiting for it",
                    Status::Cancelled => "the ticket above it was cancelled",
                    _ => "the ticket above it has failed",
                };
                self.end_ticket(*child, Status::Cancelled, why);
            }
        }
    }

    fn report_to_boss(&mut self, id: TicketId) {
        let ticket = &self.state.tickets[&id];
        let (Some(parent), delegated) = (ticket.parent, ticket.delegated_by.is_some()) else {
            return;
        };
        if self
            .state
            .tickets
            .get(&parent)
            .is_none_or(|parent| parent.status.is_over())
        {
            return;
        }
        if delegated {
            let author = ticket.assignee.map_or(Author::Host, Author::Agent);
            let report = text::task_report(&self.report_of(id));
            let report = text::cut(&report, self.context.limits.message_bytes);
            match self.state.tickets[&id].run {
                Some(run) => {
                    self.post_by(run, parent, MessageKind::Report, report, Vec::new(), None);
                }
                None => {
                    self.post(
                        parent,
                        author,
                        MessageKind::Report,
                        report,
                        Vec::new(),
                        None,
                    );
                }
            }
        }
        // A child that nobody delegated may be waited for too, where it is named.
        self.child_is_over(parent, id);
    }

    pub(super) fn branches(
        &mut self,
        id: TicketId,
        branches: Vec<Branch>,
    ) -> Result<Outcome, Refusal> {
        self.ticket(id)?;
        self.set_branches(id, branches);
        Ok(Outcome::Done)
    }

    fn set_branches(&mut self, id: TicketId, branches: Vec<Branch>) {
        if branches.is_empty() || self.state.tickets[&id].branches == branches {
            return;
        }
        for branch in &branches {
            self.event(EventKind::BranchReady {
                ticket: id,
                repo: branch.repo.clone(),
                branch: branch.branch.clone(),
                commit: branch.commit.clone(),
            });
        }
        self.change_ticket(id).branches = branches;
    }
}

/// Bytes of a text that an event holds; the whole stands on the ticket or in the channel.
pub(super) const EVENT_TEXT: usize = 2_000;
