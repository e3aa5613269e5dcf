//! Terms of tickets, and what comes of them: tries, choices, blockers.

use super::Walk;
use super::common::chosen;
use crate::{AgentId, BlockerPolicy, Command, EventKind, Priority, Retry, RunId, Terms, TicketId};
use std::collections::BTreeSet;

/// What is to happen in enough walks.
pub(super) const ALL: [&str; 6] = [
    "a second try",
    "another agent wanted",
    "no more tries",
    "a blocker that is over",
    "a blocker that failed",
    "silence",
];

/// Which of these have happened.
pub(super) fn seen(events: &[EventKind]) -> BTreeSet<&'static str> {
    let seen = events.iter().flat_map(|event| {
        let (second, another, released, reason) = match event {
            EventKind::TicketRetried { reason, .. } => (true, false, false, reason.as_str()),
            EventKind::AssigneeWanted { reason, .. } => (false, true, false, reason.as_str()),
            EventKind::TicketReleased { .. } => (false, false, true, ""),
            EventKind::TicketFailed { reason, .. } => (false, false, false, reason.as_str()),
            _ => (false, false, false, ""),
        };
        let all = [
            second,
            another,
            reason.contains("(It was tried"),
            released,
            reason.contains("for which it waited"),
            reason.contains("silence_ms"),
        ];
        ALL.into_iter()
            .zip(all)
            .filter(|one| one.1)
            .map(|one| one.0)
    });
    seen.collect()
}

impl Walk {
    pub(super) fn a_terms(&mut self) -> Terms {
        Terms {
            priority: [Priority::High, Priority::Medium, Priority::Low][self.dice.roll(3)],
            group: self
                .dice
                .chance(20)
                .then(|| ["sea", "land"][self.dice.roll(2)].to_owned()),
            budget: self.a_budget(),
            blocked_by: self
                .dice
                .chance(25)
                .then(|| self.a_ticket())
                .into_iter()
                .collect(),
            on_blocker_failure: if self.dice.chance(70) {
                BlockerPolicy::Fail
            } else {
                BlockerPolicy::Release
            },
            retry: self.dice.chance(40).then(|| Retry {
                attempts: self.dice.roll(4) as u32,
                backoff_ms: [0, 1, 10][self.dice.roll(3)],
                max_backoff_ms: 20,
                reassign: self.dice.roll(3) as u32,
            }),
            silence_ms: self.some_ms(),
        }
    }

    fn a_budget(&mut self) -> Option<crate::Budget> {
        let mut some = |most: usize| self.dice.chance(30).then(|| self.dice.roll(most) as u64);
        let (wall_ms, guest_ms, tokens) = (some(80), some(30), some(100));
        let (cost_microusd, children, depth) = (some(100), some(8), some(3));
        self.dice.chance(40).then_some(crate::Budget {
            wall_ms,
            guest_ms,
            tokens,
            cost_microusd,
            children: children.map(|n| n as u32),
            depth: depth.map(|n| n as u32),
        })
    }

    pub(super) fn a_wip(&mut self) -> Option<crate::Wip> {
        self.dice.chance(60).then(|| crate::Wip {
            runs: self.dice.chance(50).then(|| self.dice.roll(4) as u32),
            plugins: match self.dice.roll(3) {
                0 => [("worker".to_owned(), 1)].into(),
                _ => std::collections::BTreeMap::new(),
            },
        })
    }

    /// Goes on from a run, most likely one that broke last.
    pub(super) fn resume(&mut self) -> Command {
        let runs = self.story.state.runs.values();
        let mut broken: Vec<(RunId, TicketId)> = runs
            .filter(|run| run.broke)
            .map(|run| (run.id, run.ticket))
            .collect();
        broken.sort_unstable();
        let known = self.dice.pick(&broken).filter(|_| self.dice.chance(90));
        let (run, ticket) = match known {
            Some(known) => known,
            None => (self.a_run(), self.a_ticket()),
        };
        let journal = self.journals.get(&run).cloned().unwrap_or_default();
        Command::ResumeRun {
            ticket,
            run,
            plugin: None,
            journal: vec![journal],
        }
    }

    /// What a run has computed by now: more than before, or, on a replay, less.
    pub(super) fn guest_us(&mut self, run: RunId) -> u64 {
        let before = self.story.state.run(run).map_or(0, |run| run.guest_us);
        match self.dice.roll(3) {
            0 => 0,
            1 => before / 2,
            _ => before + self.dice.roll(3_000) as u64,
        }
    }

    /// What a boss's selector says, or something that nobody asked.
    pub(super) fn chosen(&mut self) -> Command {
        let tickets = self.story.state.tickets.values();
        let mut choosing: Vec<TicketId> = tickets
            .filter(|ticket| ticket.is_choosing())
            .map(|ticket| ticket.id)
            .collect();
        choosing.sort_unstable();
        let ticket = self.dice.pick(&choosing);
        let ticket = ticket.unwrap_or_else(|| self.a_ticket());
        let known = self.story.state.ticket(ticket);
        let tried = known.and_then(|ticket| Some(ticket.tries.as_ref()?.total));
        let untried = known.map(|ticket| self.story.state.untried(ticket));
        let untried: Vec<AgentId> = untried.iter().flatten().map(|agent| agent.id).collect();
        let tried = tried.unwrap_or(1);
        let stale = self.dice.chance(10);
        let agent = match self.dice.roll(10) {
            0 => None,
            1 => Some(self.an_agent()),
            _ => self.dice.pick(&untried),
        };
        let choice = agent.map(|agent| chosen(agent).expect("a choice").expect("somebody"));
        Command::Chosen {
            ticket,
            tried: tried + u32::from(stale),
            choice: choice.ok_or_else(|| "nobody fits".to_owned()),
        }
    }
}
