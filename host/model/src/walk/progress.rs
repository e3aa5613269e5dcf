//! What must hold in the end: nothing is left for ever. When people do nothing more and every strategy
//! answers, all that is not over waits for a person.

use super::Walk;
use crate::{Command, Ending, RunId, Status, TeamSpec, TicketId, Wip, WorkResult, WorkspaceSpec};
use crate::{Ticket, WaitKind};

/// How far the clock is moved for what is due at some time.
const SOON: u64 = 1_000_000;

impl Walk {
    pub(super) fn check_progress(&mut self) {
        let settings = TeamSpec {
            workspace: WorkspaceSpec {
                wip: Some(Wip::default()),
                ..WorkspaceSpec::default()
            },
            agents: Vec::new(),
        };
        self.story
            .run(Command::SaveTeam(settings))
            .expect("no limit on busy runs");
        let until = self.story.now + SOON;
        loop {
            let next = self.story.state.next_timer();
            if let Some(command) = self.next_end() {
                self.story.run(command).expect("it can end");
            } else if let Some(at) = next.filter(|at| *at < until) {
                self.story.now = self.story.now.max(at);
                self.story.run(Command::Tick).expect("time passes");
            } else {
                break;
            }
            crate::check::state(&self.story.state, self.story.now, &self.story.limits);
        }
        let state = &self.story.state;
        for ticket in state.tickets.values().filter(|one| !one.status.is_over()) {
            let needed = state.needed_by(&[ticket.id]);
            assert!(
                needed
                    .iter()
                    .any(|id| self.is_for_people(&state.tickets[id])),
                "it waits for ever: {ticket:#?}\nfor {:#?}",
                needed
                    .iter()
                    .map(|id| &state.tickets[id])
                    .collect::<Vec<_>>()
            );
        }
    }

    /// A run that can answer, or a choice that can be made.
    fn next_end(&self) -> Option<Command> {
        let state = &self.story.state;
        let runs = state.runs.values();
        let busy = runs.filter(|run| !run.is_over() && run.wait.is_none());
        let busy: Option<RunId> = busy.map(|run| run.id).min();
        if let Some(run) = busy {
            return Some(Command::EndRun {
                run,
                pending: Vec::new(),
                guest_us: 0,
                ending: Ending::Worked {
                    result: WorkResult {
                        completed: true,
                        summary: "done".to_owned(),
                        output: None,
                    },
                    violations: Vec::new(),
                    branches: Vec::new(),
                },
            });
        }
        let choosing = state.tickets.values().filter(|ticket| ticket.is_choosing());
        let ticket: TicketId = choosing.map(|ticket| ticket.id).min()?;
        let tries = state.tickets[&ticket].tries.as_ref();
        Some(Command::Chosen {
            ticket,
            tried: tries.map_or(0, |tries| tries.total),
            choice: Err("nobody fits".to_owned()),
        })
    }

    /// Whether a ticket waits for somebody to decide, to answer, or to report from outside.
    fn is_for_people(&self, ticket: &Ticket) -> bool {
        let run = ticket.run.and_then(|run| self.story.state.run(run));
        let wait = run.and_then(|run| run.wait.as_ref());
        match wait.map(|wait| &wait.kind) {
            Some(WaitKind::Answer { .. } | WaitKind::External) => true,
            Some(WaitKind::Reports { .. }) => false,
            None => {
                let aside = matches!(
                    ticket.status,
                    Status::Backlog | Status::Blocked | Status::InReview
                );
                aside || ticket.assignee.is_none()
            }
        }
    }
}
