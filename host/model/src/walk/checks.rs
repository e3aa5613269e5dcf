//! What must hold after every command.

use super::Walk;
use crate::state::Timer;
use crate::{
    AgentId, Changes, ChannelId, Command, Dimension, Effect, Journal, RunId, RunStatus, Spend, State,
    Status, TicketId, WaitKind,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
                Effect::Choose { ticket, tried } => {
                    let ticket = &after.tickets[ticket];
                    assert!(ticket.is_choosing() && !ticket.status.is_over(), "{ticket:?}");
                    assert_eq!(ticket.tries.as_ref().map(|tries| tries.total), Some(*tried));
                }
            }
        }
    }

    /// Of a group one at a time is worked on, and those that wait are known.
    fn check_groups(&self) {
        let state = &self.story.state;
        let mut groups: HashMap<&String, (Vec<TicketId>, BTreeSet<TicketId>)> = HashMap::new();
        for desk in state.desks.values() {
            let group = |id: &TicketId| state.tickets[id].terms.as_ref()?.group.as_ref();
            for id in &desk.active {
                if let Some(name) = group(id) {
                    groups.entry(name).or_default().0.push(*id);
                }
            }
            for id in &desk.queue {
                if let Some(name) = group(id) {
                    groups.entry(name).or_default().1.insert(*id);
                }
            }
        }
        let known: HashMap<&String, (Vec<TicketId>, BTreeSet<TicketId>)> = state
            .groups
            .iter()
            .map(|(name, group)| {
                let waiting = group.waiting.iter().map(|(_, id)| *id).collect();
                (name, (group.holder.into_iter().collect(), waiting))
            })
            .collect();
        assert_eq!(known, groups, "groups are what desks say");
    }

    /// Whatever stands in a queue has a reason, and the reason will be taken away by something.
    fn check_reasons(&self) {
        let state = &self.story.state;
        let mut dependents: HashMap<TicketId, BTreeSet<TicketId>> = HashMap::new();
        for ticket in state.tickets.values().filter(|one| !one.status.is_over()) {
            for blocker in ticket.terms.iter().flat_map(|terms| &terms.blocked_by) {
                dependents.entry(*blocker).or_default().insert(ticket.id);
            }
        }
        assert_eq!(dependents, state.dependents, "who waits for whom is what tickets say");
        for (agent, desk) in &state.desks {
            let full = desk.active.len() >= state.agents[agent].limits.max_concurrent as usize;
            let scarce = state.workspace.wip != crate::Wip::default();
            for id in &desk.queue {
                let ticket = &state.tickets[id];
                let terms = ticket.terms.as_deref().cloned().unwrap_or_default();
                let pauses = ticket.not_before.is_some();
                let held = terms.group.as_ref().and_then(|name| state.groups.get(name));
                let held = held.is_some_and(|group| group.holder.is_some());
                let blocked = terms.blocked_by.iter().any(|id| !state.is_past(*id));
                assert!(
                    full || scarce || pauses || held || blocked,
                    "it waits for nothing: {ticket:?}"
                );
            }
        }
        // Nobody waits for itself, by way of whomever.
        for start in state.dependents.keys() {
            let mut seen = HashSet::new();
            let mut rest: Vec<TicketId> = vec![*start];
            while let Some(id) = rest.pop() {
                for next in state.dependents.get(&id).into_iter().flatten() {
                    assert_ne!(next, start, "a circle of blockers");
                    if seen.insert(*next) {
                        rest.push(*next);
                    }
                }
            }
        }
    }

    /// All runs whose silence counts are watched, and no other.
    fn check_silence(&self, timers: &mut BTreeSet<(u64, Timer)>) {
        let state = &self.story.state;
        for run in state.runs.values() {
            let limit = state.silence_limit(run.id);
            let heard = state.heard.get(&run.id);
            assert_eq!(limit.is_some(), heard.is_some(), "{run:?}");
            let (Some(limit), Some(heard)) = (limit, heard) else {
                continue;
            };
            assert!(heard.timer <= heard.at.saturating_add(limit), "it is found out in time");
            assert!(heard.timer > self.story.now, "it is due: {run:?}");
            timers.insert((heard.timer, Timer::Silence(run.id)));
        }
        assert!(state.heard.keys().all(|run| state.runs.contains_key(run)));
    }

    /// What is spent is spent on all above, nothing has more left than what is above it, and no run
    /// goes on for long when its guest time is used up.
    pub(super) fn check_budgets(&self) {
        let state = &self.story.state;
        let now = self.story.now;
        for ticket in state.tickets.values() {
            let children = ticket.children.iter().map(|id| &state.tickets[id]);
            let mut below = Spend::default();
            for child in children {
                below.add(child.spent);
                below.children += 1;
            }
            assert_eq!(ticket.spent.children, below.children, "{ticket:?}");
            assert!(
                ticket.spent.guest_ms >= below.guest_ms
                    && ticket.spent.tokens >= below.tokens
                    && ticket.spent.cost_microusd >= below.cost_microusd,
                "what was spent below is spent here: {ticket:?}"
            );
            let Some(parent) = ticket.parent else {
                continue;
            };
            for what in Dimension::ALL {
                let here = state.left(ticket.id, what).map(|left| left.amount());
                let above = state.left(parent, what).map(|left| left.amount());
                assert!(
                    above.is_none_or(|above| here.is_some_and(|here| here <= above)),
                    "{what:?}: {here:?} of {above:?} above: {ticket:?}"
                );
            }
            let left = state.budget_left(ticket.id, now);
            assert_eq!(left.guest_ms.is_some(), state.authority(ticket.id).guest_time.is_some());
        }
        let grace = self.story.limits.budget_grace_ms * 1_000;
        for run in state.runs.values() {
            assert!(run.is_over() || run.over_us <= grace, "{run:?}");
            assert!(run.over_us <= run.guest_us, "{run:?}");
        }
    }

    pub(super) fn check_state(&self) {
        let state = &self.story.state;
        let mut live: HashMap<TicketId, u32> = HashMap::new();
        let mut trees: HashMap<TicketId, usize> = HashMap::new();
        let mut timers = BTreeSet::new();
        let mut places: BTreeMap<TicketId, Vec<(&'static str, AgentId)>> = BTreeMap::new();
        for (agent, desk) in &state.desks {
            for id in &desk.queue {
                places.entry(*id).or_default().push(("queue", *agent));
            }
            for id in &desk.active {
                places.entry(*id).or_default().push(("active", *agent));
            }
            let urgency: Vec<_> = desk.queue.iter().map(|id| state.priority(*id)).collect();
            assert!(urgency.is_sorted(), "a queue has the urgent ones first");
            assert_eq!(
                state.next_of(*agent, self.story.now),
                None,
                "what may start has started"
            );
        }
        self.check_groups();
        self.check_reasons();
        self.check_silence(&mut timers);
        for ticket in state.tickets.values() {
            *trees.entry(ticket.root).or_default() += 1;
            let run = ticket.run.map(|run| &state.runs[&run]);
            let runs: Vec<&RunId> = state
                .runs
                .values()
                .filter(|run| run.ticket == ticket.id && !run.is_over())
                .map(|run| &run.id)
                .collect();
            assert!(runs.len() <= 1, "one live run: {ticket:?}");
            assert!(
                runs.iter().all(|run| ticket.run == Some(**run)),
                "the live run is the ticket's"
            );
            let has_run = run.is_some_and(|run| !run.is_over());
            let place = places.remove(&ticket.id).unwrap_or_default();
            if ticket.status.is_over() {
                assert!(
                    !has_run && place.is_empty(),
                    "what is over is nowhere: {ticket:?}"
                );
                assert!(ticket.ended_at.is_some());
                continue;
            }
            *live.entry(ticket.root).or_default() += 1;
            if let Some(deadline) = ticket.deadline {
                timers.insert((deadline, Timer::Ticket(ticket.id)));
            }
            if let Some(at) = ticket.not_before {
                assert!(at > self.story.now, "a pause that is over is forgotten: {ticket:?}");
                timers.insert((at, Timer::Retry(ticket.id)));
            }
            let wanted = match (ticket.assignee, has_run, ticket.status) {
                (Some(agent), true, _) => vec![("active", agent)],
                (Some(_), false, Status::Open) if ticket.is_choosing() => Vec::new(),
                (Some(agent), false, Status::Open) => vec![("queue", agent)],
                _ => Vec::new(),
            };
            assert_eq!(place, wanted, "{ticket:?}");
            let waits = ticket.status == Status::Open && ticket.assignee.is_some();
            assert!(waits || ticket.not_before.is_none() && !ticket.is_choosing(), "{ticket:?}");
            if has_run {
                assert!(
                    !matches!(ticket.status, Status::Open | Status::Backlog),
                    "a run is at work: {ticket:?}"
                );
                assert_eq!(
                    run.map(|run| run.agent),
                    ticket.assignee,
                    "the run works as the assignee"
                );
            } else {
                assert_ne!(
                    ticket.status,
                    Status::InProgress,
                    "someone is at it: {ticket:?}"
                );
            }
        }
        assert!(
            places.is_empty(),
            "desks hold tickets that are here: {places:?}"
        );
        assert_eq!(live, state.live);
        assert_eq!(trees, state.trees);
        for run in state.runs.values() {
            assert_eq!(
                run.wait.is_some(),
                run.status == RunStatus::Waiting,
                "{run:?}"
            );
            assert_eq!(run.ended_at.is_some(), run.is_over());
            let Some(wait) = &run.wait else { continue };
            if let Some(until) = wait.until {
                timers.insert((until, Timer::Run(run.id)));
            }
            let WaitKind::Reports {
                tickets,
                join,
                over,
            } = &wait.kind
            else {
                assert!(wait.until.is_some(), "an answer may never come: {run:?}");
                continue;
            };
            let really: HashSet<&TicketId> = tickets
                .iter()
                .filter(|id| state.tickets[id].status.is_over())
                .collect();
            assert_eq!(
                really,
                over.iter().collect(),
                "it knows who is over: {run:?}"
            );
            assert_eq!(really.len(), over.len(), "each once");
            let done = over
                .iter()
                .filter(|id| state.tickets[id].status == Status::Done)
                .count();
            assert_eq!(
                join.evaluate(tickets.len(), done, over.len()),
                None,
                "a met join is answered: {run:?}"
            );
        }
        assert_eq!(
            timers, state.timers,
            "a timer for each thing that will be due, and no other"
        );
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
