//! What must hold after every command.

use super::Walk;
use crate::state::Timer;
use crate::{
    AgentId, Changes, ChannelId, Command, Effect, Journal, RunId, State, TicketId, WaitKind,
};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

impl Walk {
    /// All that differs is named, and streams have no gap.
    pub(super) fn check_changes(&mut self, before: &State, changes: &Changes, command: &Command) {
        let after = &self.story.state;
        fn differs<K: Eq + std::hash::Hash + Copy, V: PartialEq>(
            before: &HashMap<K, V>,
            after: &HashMap<K, V>,
        ) -> HashSet<K> {
            after
                .iter()
                .filter(|(id, value)| before.get(id) != Some(value))
                .map(|(id, _)| *id)
                .collect()
        }
        let named = |ids: &HashSet<Uuid>, named: Vec<Uuid>, what: &str| {
            let set: HashSet<Uuid> = named.iter().copied().collect();
            assert_eq!(
                set.len(),
                named.len(),
                "a {what} is named twice: {command:?}"
            );
            let missing: Vec<&Uuid> = ids.difference(&set).collect();
            assert!(
                missing.is_empty(),
                "a changed {what} is not named: {missing:?} {command:?} {changes:#?}"
            );
        };
        let ids = |set: HashSet<TicketId>| set.into_iter().map(|id| id.0).collect();
        named(
            &ids(differs(&before.tickets, &after.tickets)),
            changes.tickets.iter().map(|id| id.0).collect(),
            "ticket",
        );
        // Which awaited children are over is derived, and not stored with the run.
        let stored = |state: &State| -> HashMap<RunId, Box<crate::Run>> {
            let mut runs = state.runs.clone();
            for run in runs.values_mut() {
                if let Some(WaitKind::Reports { over, .. }) =
                    run.wait.as_mut().map(|wait| &mut wait.kind)
                {
                    over.clear();
                }
            }
            runs
        };
        let runs = differs(&stored(before), &stored(after))
            .into_iter()
            .map(|id| id.0)
            .collect();
        named(&runs, changes.runs.iter().map(|id| id.0).collect(), "run");
        let agents = differs(&before.agents, &after.agents)
            .into_iter()
            .map(|id| id.0)
            .collect();
        named(
            &agents,
            changes.agents.iter().map(|id| id.0).collect(),
            "agent",
        );
        let active = differs(&before.activity, &after.activity)
            .into_iter()
            .map(|id| id.0)
            .collect();
        named(
            &active,
            changes.activity.iter().map(|id| id.0).collect(),
            "activity",
        );
        assert_eq!(before.workspace != after.workspace, changes.workspace);
        let mut memory = before.memory.clone();
        for (agent, key, value) in &changes.memory {
            let space = memory.entry(*agent).or_default();
            match value {
                Some(value) => space.insert(key.clone(), value.clone()),
                None => space.remove(key),
            };
        }
        memory.retain(|_, space| !space.is_empty());
        let mut now = after.memory.clone();
        now.retain(|_, space| !space.is_empty());
        assert_eq!(memory, now, "the memory is what the changes say");

        let mut roots: HashSet<TicketId> = before.live.keys().copied().collect();
        for (root, live) in &changes.roots {
            assert!(
                if *live {
                    roots.insert(*root)
                } else {
                    roots.remove(root)
                },
                "roots alternate"
            );
        }
        assert_eq!(
            roots,
            after.live.keys().copied().collect(),
            "live roots are what the changes say"
        );

        for (channel, index, message) in &changes.messages {
            let next = self.channels.entry(*channel).or_default();
            assert_eq!(index, next, "a channel is dense");
            *next += 1;
            self.messages.push(message.id);
        }
        for (run, index, records) in &changes.journal {
            let next = self.journal_len.entry(*run).or_default();
            assert_eq!(index, next, "a journal is dense");
            *next += 1;
            self.journals
                .entry(*run)
                .or_default()
                .extend(records.iter().cloned());
        }
        for (run, index, _) in &changes.logs {
            let next = self.logs.entry(*run).or_default();
            assert_eq!(index, next, "a log is dense");
            *next += 1;
        }
        for (run, ..) in &changes.journal {
            let record = &after.runs[run];
            let journal =
                Journal::from_records(self.journals[run].clone()).expect("a whole journal");
            assert_eq!(journal.entries.len(), record.calls as usize);
            assert_eq!(self.journal_len[run], record.journal_len);
            let open = journal
                .entries
                .last()
                .is_some_and(|entry| entry.reply.is_none());
            assert!(
                record.is_over() || open == record.wait.is_some(),
                "a wait is an open call: {record:?}"
            );
        }
        for event in &changes.events {
            let text = serde_json::to_value(&event.kind).expect("an event is JSON");
            for (field, value) in text.as_object().expect("an object") {
                let Some(id) = value.as_str().and_then(|text| Uuid::parse_str(text).ok()) else {
                    continue;
                };
                let known = match field.as_str() {
                    "ticket" | "parent" | "other" => after.tickets.contains_key(&TicketId(id)),
                    "run" => after.runs.contains_key(&RunId(id)),
                    "agent" | "assignee" | "from" | "delegated_by" => {
                        after.agents.contains_key(&AgentId(id))
                    }
                    "channel" => after.channels.contains_key(&ChannelId(id)),
                    _ => true,
                };
                assert!(known, "{field} of {:?} is unknown", event.kind);
            }
        }
        for effect in &changes.effects {
            match effect {
                Effect::Start(run) => assert!(after.runs.contains_key(run)),
                Effect::Wake { run, .. } => {
                    assert!(before.runs[run].wait.is_some(), "only a waiter is woken");
                }
                Effect::Stop(run) => assert!(after.runs[run].is_over()),
                Effect::Clean { ticket, .. } => assert!(after.tickets[ticket].status.is_over()),
                Effect::Choose { ticket, .. } => assert!(after.tickets.contains_key(ticket)),
                Effect::Count { .. } => {}
            }
        }
        for ticket in after.tickets.values().filter(|one| one.is_choosing()) {
            let known = before.tickets.get(&ticket.id);
            let tried = ticket.tries.as_ref().map_or(0, |tries| tries.total);
            let asking = Effect::Choose {
                ticket: ticket.id,
                tried,
            };
            assert!(
                known.is_some_and(|known| known.is_choosing()) || changes.effects.contains(&asking),
                "its boss's selector is asked: {ticket:?}"
            );
        }
    }

    /// A state made again from what is stored is the same, but for the order in queues.
    pub(super) fn check_reload(&self) {
        let old = &self.story.state;
        let mut new = State::new(old.workspace.clone());
        for agent in old.agents.values() {
            new.load_agent(agent.clone(), old.activity(agent.id));
        }
        for root in old.trees.keys() {
            let tickets: Vec<_> = old
                .tickets
                .values()
                .filter(|ticket| ticket.root == *root)
                .map(|boxed| (**boxed).clone())
                .collect();
            let runs = old
                .runs
                .values()
                .filter(|run| tickets.iter().any(|ticket| ticket.id == run.ticket))
                .map(|boxed| (**boxed).clone())
                .collect();
            let channels: Vec<_> = tickets
                .iter()
                .map(|ticket| {
                    (
                        ticket.channel,
                        self.channels.get(&ticket.channel).copied().unwrap_or(0),
                    )
                })
                .collect();
            new.load_tree(tickets, runs, channels);
        }
        for (agent, memory) in &old.memory {
            new.load_memory(*agent, memory.clone());
        }
        let mut old = old.clone();
        old.pairs.clear();
        old.heard.clear();
        old.timers
            .retain(|(_, timer)| !matches!(timer, Timer::Silence(_)));
        for state in [&mut old, &mut new] {
            state
                .activity
                .retain(|_, activity| *activity != crate::Activity::default());
            state
                .desks
                .retain(|_, desk| !desk.queue.is_empty() || !desk.active.is_empty());
            // So for reports that came within one millisecond.
            for run in state.runs.values_mut() {
                if let Some(WaitKind::Reports { over, .. }) =
                    run.wait.as_mut().map(|wait| &mut wait.kind)
                {
                    over.sort_unstable();
                }
            }
            for desk in state.desks.values_mut() {
                desk.queue.make_contiguous().sort_unstable();
                desk.active.sort_unstable();
            }
        }
        assert_eq!(old.timers, new.timers);
        assert_eq!(old.desks, new.desks);
        assert_eq!(old.channels, new.channels);
        assert!(old == new, "reloaded:\n{new:#?}\nwas:\n{old:#?}");
    }
}
