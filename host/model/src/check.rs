//! What must hold of a whole state between two commands, whoever made it: the random walk of this
//! crate's tests asks after each command, and a simulation of the whole host whenever it looks.

use crate::state::Timer;
use crate::{
    AgentId, Dimension, Limits, RunId, RunStatus, Spend, State, Status, TicketId, Timestamp,
    WaitKind,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Checks everything. `now` is the time up to which everything that was due has happened: 0 where that
/// is not known.
///
/// # Panics
/// Where something does not hold, with what it is.
pub fn state(state: &State, now: Timestamp, limits: &Limits) {
    desks_and_waits(state, now);
    budgets(state, now, limits);
}

/// Of a group one at a time is worked on, and those that wait are known.
fn groups(state: &State) {
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
fn reasons(state: &State) {
    let mut dependents: HashMap<TicketId, BTreeSet<TicketId>> = HashMap::new();
    for ticket in state.tickets.values().filter(|one| !one.status.is_over()) {
        for blocker in ticket.terms.iter().flat_map(|terms| &terms.blocked_by) {
            dependents.entry(*blocker).or_default().insert(ticket.id);
        }
    }
    assert_eq!(
        dependents, state.dependents,
        "who waits for whom is what tickets say"
    );
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
                full || scarce || pauses || held || blocked || state.held.contains_key(agent),
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
fn silence(state: &State, now: Timestamp, timers: &mut BTreeSet<(u64, Timer)>) {
    for run in state.runs.values() {
        let limit = state.silence_limit(run.id);
        let heard = state.heard.get(&run.id);
        assert_eq!(limit.is_some(), heard.is_some(), "{run:?}");
        let (Some(limit), Some(heard)) = (limit, heard) else {
            continue;
        };
        assert!(
            heard.timer <= heard.at.saturating_add(limit),
            "it is found out in time"
        );
        assert!(heard.timer > now, "it is due: {run:?}");
        timers.insert((heard.timer, Timer::Silence(run.id)));
    }
    assert!(state.heard.keys().all(|run| state.runs.contains_key(run)));
}

/// What is spent is spent on all above, nothing has more left than what is above it, and no run
/// goes on for long when its guest time is used up.
fn budgets(state: &State, now: Timestamp, limits: &Limits) {
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
        assert_eq!(
            left.guest_ms.is_some(),
            state.authority(ticket.id).guest_time.is_some()
        );
    }
    let grace = limits.budget_grace_ms * 1_000;
    for run in state.runs.values() {
        assert!(run.is_over() || run.over_us <= grace, "{run:?}");
        assert!(run.over_us <= run.guest_us, "{run:?}");
    }
}

fn desks_and_waits(state: &State, now: Timestamp) {
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
            state.next_of(*agent, now),
            None,
            "what may start has started"
        );
    }
    groups(state);
    reasons(state);
    silence(state, now, &mut timers);
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
            assert!(at > now, "a pause that is over is forgotten: {ticket:?}");
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
        assert!(
            waits || ticket.not_before.is_none() && !ticket.is_choosing(),
            "{ticket:?}"
        );
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
