//! Waiting for reports. Whatever satisfies a join also answers the wait, in the same transaction: no
//! wake-up can be lost.

use super::Tx;
use crate::text;
use crate::{
    Answer, CallError, Effect, EventKind, Join, Joined, Record, Refusal, Reply, ReportOutcome,
    RunId, RunStatus, Status, TaskReport, TicketId, Timestamp, Wait, WaitKind, state::Timer,
};

/// Bytes of a report's summary where all reports together are too large.
const SHORT_SUMMARY: usize = 1_000;

impl Tx<'_> {
    /// The answer, where there is one at once; otherwise what the run waits for.
    pub(super) fn await_reports(
        &self,
        parent: TicketId,
        mut tickets: Vec<TicketId>,
        join: Join,
        timeout_ms: Option<u64>,
    ) -> Result<Result<Joined, (WaitKind, Option<Timestamp>)>, Refusal> {
        if tickets.is_empty() {
            let children = &self.state.tickets[&parent].children;
            tickets = children
                .iter()
                .filter(|id| {
                    self.state
                        .tickets
                        .get(id)
                        .is_some_and(|t| t.delegated_by.is_some() && !self.is_of_old(parent, t))
                })
                .copied()
                .collect();
        } else {
            let mut seen = std::collections::HashSet::new();
            tickets.retain(|id| seen.insert(*id));
            for id in &tickets {
                self.check_child(parent, *id)?;
                if self.state.tickets[id].assignee.is_none() {
                    return Err(Refusal::Conflict(format!(
                        "ticket {id} is assigned to nobody, so nobody will report on it"
                    )));
                }
            }
        }
        if let Join::Quorum(wanted) = join
            && wanted as usize > tickets.len()
        {
            return Err(Refusal::invalid(
                "/join",
                format!(
                    "a quorum of {wanted} cannot come from {} tickets",
                    tickets.len()
                ),
            ));
        }
        let mut over: Vec<TicketId> = tickets
            .iter()
            .filter(|id| self.state.tickets[id].status.is_over())
            .copied()
            .collect();
        over.sort_by_key(|id| (self.state.tickets[id].ended_at, *id));
        if let Some(met) = self.evaluate(join, &tickets, &over) {
            return Ok(Ok(self.joined(met, &tickets, &over)));
        }
        let deadline = if let Join::Deadline(ms) = join {
            Some(ms)
        } else {
            None
        };
        let until = [deadline, timeout_ms].into_iter().flatten().min();
        let until = until.map(|ms| self.context.now.saturating_add(ms));
        Ok(Err((
            WaitKind::Reports {
                tickets,
                join,
                over,
            },
            until,
        )))
    }

    fn evaluate(&self, join: Join, tickets: &[TicketId], over: &[TicketId]) -> Option<bool> {
        let completed = over
            .iter()
            .filter(|id| self.state.tickets[id].status == Status::Done)
            .count();
        join.evaluate(tickets.len(), completed, over.len())
    }

    fn joined(&self, met: bool, tickets: &[TicketId], over: &[TicketId]) -> Joined {
        let mut room = self.context.limits.answer_bytes;
        let reports = over.iter().map(|id| {
            let mut report = self.report_of(*id);
            let output = report.output.as_ref().map_or(0, crate::call::json_bytes);
            let wrong = report.violations.iter();
            let wrong: usize = wrong
                .map(|one| one.path.len() + one.message.len() + 16)
                .sum();
            let past: usize = report.history.iter().map(|one| one.reason.len() + 64).sum();
            let size = report.title.len() + report.summary.len() + output + wrong + past + 512;
            if size > room {
                // The ticket has all of it.
                report.output = None;
                report.violations.clear();
                report.history.clear();
                report.summary = text::cut(&report.summary, SHORT_SUMMARY);
            }
            room = room.saturating_sub(size);
            report
        });
        Joined {
            met,
            reports: reports.collect(),
            pending: tickets
                .iter()
                .filter(|id| !over.contains(id))
                .copied()
                .collect(),
        }
    }

    /// A ticket's report.
    pub(super) fn report_of(&self, id: TicketId) -> TaskReport {
        let ticket = &self.state.tickets[&id];
        let agent = ticket.assignee.and_then(|id| self.state.agents.get(&id));
        TaskReport {
            ticket: id,
            title: ticket.title.clone(),
            agent: ticket.assignee,
            agent_name: agent.map_or_else(|| "nobody".to_owned(), |agent| agent.name.clone()),
            outcome: match ticket.status {
                Status::Done => ReportOutcome::Completed,
                Status::Cancelled => ReportOutcome::Cancelled,
                _ => ReportOutcome::Failed,
            },
            summary: ticket.summary.clone(),
            output: ticket.output.clone(),
            violations: ticket.violations.clone(),
            attempt: ticket.attempts,
            history: ticket.history.clone(),
            spent: ticket.spent,
        }
    }

    /// Makes a run wait.
    pub(super) fn wait(&mut self, run: RunId, wait: Wait) {
        let what = match &wait.kind {
            WaitKind::Reports { tickets, .. } if tickets.len() == 1 => "a report".to_owned(),
            WaitKind::Reports { tickets, .. } => format!("{} reports", tickets.len()),
            WaitKind::Answer { .. } => "an answer".to_owned(),
            WaitKind::External => "a report from outside".to_owned(),
        };
        if let Some(until) = wait.until {
            self.state.timers.insert((until, Timer::Run(run)));
        }
        let record = self.change_run(run);
        record.status = RunStatus::Waiting;
        record.wait = Some(wait);
        let ticket = record.ticket;
        // It may stay so for days.
        if let Some(ticket) = self.state.tickets.get_mut(&ticket) {
            ticket.children.shrink_to_fit();
            ticket.runs.shrink_to_fit();
        }
        self.go_round(ticket);
        if self.state.workspace.wip != crate::Wip::default() {
            // One that waits leaves room for another.
            self.ready.push(self.state.runs[&run].agent);
        }
        self.watch(run);
        self.event(EventKind::RunWaiting { ticket, run, what });
    }

    /// A ticket's run waits now. What it waits for, by way of whatever, may be in the queue of one who
    /// waits for it: see [`State::next_of`](crate::State).
    fn go_round(&mut self, ticket: TicketId) {
        let state = &*self.state;
        let needed = state.needed_by(&[ticket]);
        let open = needed.iter().filter_map(|id| state.tickets.get(id));
        let open = open.filter(|ticket| ticket.status == Status::Open);
        let mut agents: Vec<_> = open.filter_map(|ticket| ticket.assignee).collect();
        agents.sort_unstable();
        agents.dedup();
        self.ready.extend(agents);
    }

    /// Ends a run's wait with an answer.
    pub(super) fn answer(&mut self, run: RunId, reply: Reply) {
        let at = self.context.now;
        let record = self.change_run(run);
        let Some(wait) = record.wait.take() else {
            return;
        };
        record.status = RunStatus::Running;
        let ticket = record.ticket;
        self.journal(
            run,
            vec![Record::Answered {
                index: wait.index,
                at,
                reply: reply.clone(),
            }],
        );
        if let Some(until) = wait.until {
            self.state.timers.remove(&(until, Timer::Run(run)));
        }
        self.watch(run);
        self.event(EventKind::RunResumed { ticket, run });
        self.changes.effects.push(Effect::Wake { run, at, reply });
    }

    /// A child is over: its parent's run may wait for it.
    pub(super) fn child_is_over(&mut self, parent: TicketId, child: TicketId) {
        let Some(run) = self
            .state
            .tickets
            .get(&parent)
            .and_then(|parent| parent.run)
        else {
            return;
        };
        let Some(Wait {
            kind: WaitKind::Reports { tickets, .. },
            ..
        }) = self.state.runs.get(&run).and_then(|run| run.wait.as_ref())
        else {
            return;
        };
        if !tickets.contains(&child) {
            return;
        }
        // The record does not change: which are over is not stored with it. A fan-out would write its
        // boss's run once for each child otherwise.
        let wait = self
            .state
            .runs
            .get_mut(&run)
            .and_then(|run| run.wait.as_mut());
        let Some(Wait {
            kind:
                WaitKind::Reports {
                    tickets,
                    join,
                    over,
                },
            ..
        }) = wait
        else {
            return;
        };
        if !over.contains(&child) {
            over.push(child);
        }
        let (tickets, join, over) = (tickets.clone(), *join, over.clone());
        if let Some(met) = self.evaluate(join, &tickets, &over) {
            let joined = self.joined(met, &tickets, &over);
            self.answer(run, Ok(Answer::Joined(joined)));
        }
    }

    /// A child that was over is not any more: who waits for it has its report still to come.
    pub(super) fn child_is_back(&mut self, parent: TicketId, child: TicketId) {
        let run = self.state.tickets.get(&parent).and_then(|t| t.run);
        let wait = run.and_then(|run| self.state.runs.get_mut(&run)?.wait.as_mut());
        if let Some(WaitKind::Reports { over, .. }) = wait.map(|wait| &mut wait.kind) {
            over.retain(|id| *id != child);
        }
    }

    /// A run's wait has reached its end.
    pub(super) fn wait_is_up(&mut self, run: RunId) {
        let now = self.context.now;
        let Some(wait) = self.state.runs.get(&run).and_then(|run| run.wait.clone()) else {
            return;
        };
        if wait.until.is_none_or(|until| until > now) {
            return;
        }
        let reply = match wait.kind {
            WaitKind::Reports {
                tickets,
                join,
                over,
            } => {
                let met = matches!(join, Join::Deadline(_));
                Ok(Answer::Joined(self.joined(met, &tickets, &over)))
            }
            WaitKind::Answer { .. } => {
                Err(CallError::Deadline("nobody answered in time".to_owned()))
            }
            WaitKind::External => Err(CallError::Deadline(
                "no report came from outside in time".to_owned(),
            )),
        };
        self.answer(run, reply);
    }

    /// Appends records to a run's journal, as one stored record.
    pub(super) fn journal(&mut self, run: RunId, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let calls = records
            .iter()
            .filter(|record| !matches!(record, Record::Answered { .. }))
            .count();
        let record = self.change_run(run);
        record.calls += calls as u32;
        let at = record.journal_len;
        record.journal_len += 1;
        self.changes.journal.push((run, at, records));
    }
}
