//! Queues: whose turn it is, and what keeps a ticket from starting.
//!
//! A ticket starts when its agent is free, what it waits for is over, its pause is over, nobody works on
//! its group, and the workspace has room. An agent's queue has urgent tickets first, then those that
//! came first; one that cannot start holds up none behind it.
//!
//! Invariant: what cannot start is started by the transition that takes away the last reason, or by a
//! timer. So whoever frees something makes the agents ready that may have waited for it.

use super::Tx;
use crate::{
    AgentId, EventKind, Lot, NoPlugin, Priority, Refusal, Run, RunStatus, State, Status, TicketId,
    Timestamp, WaitKind, Wip,
};
use std::collections::{BTreeSet, HashSet};

/// The span in which delegations and questions between two agents are counted, in milliseconds.
const PAIR_SPAN: u64 = 60_000;
/// Tickets that the search for a standstill looks at, at most.
const MOST_SEARCHED: usize = 10_000;

/// A group of tickets of which one at a time is worked on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    /// The one that is worked on.
    pub(crate) holder: Option<TicketId>,
    /// Those in queues.
    pub(crate) waiting: BTreeSet<(Priority, TicketId)>,
}

/// How much one agent has asked of another lately, within one tree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pair {
    since: Timestamp,
    count: u32,
}

/// Pairs of agents: who asks, and who is asked. Few, and most trees have one: a list, and no map.
pub(crate) type Pairs = Vec<((AgentId, AgentId), Pair)>;

impl State {
    pub(crate) fn priority(&self, id: TicketId) -> Priority {
        self.tickets
            .get(&id)
            .map_or(Priority::Medium, |ticket| ticket.priority())
    }

    pub(crate) fn group_of(&self, id: TicketId) -> Option<&String> {
        self.tickets.get(&id)?.terms.as_ref()?.group.as_ref()
    }

    /// Puts a ticket into an agent's queue: behind those that are as urgent.
    pub(crate) fn enqueue(&mut self, agent: AgentId, id: TicketId) {
        let priority = self.priority(id);
        let queue = self.desks.get(&agent).map(|desk| &desk.queue);
        let at = queue.map_or(0, |queue| {
            queue.partition_point(|queued| self.priority(*queued) <= priority)
        });
        self.queue_at(agent, at, id);
    }

    /// Puts a stored ticket into an agent's queue, in the order of their making.
    pub(crate) fn enqueue_loaded(&mut self, agent: AgentId, id: TicketId) {
        let own = (self.priority(id), id);
        let queue = self.desks.get(&agent).map(|desk| &desk.queue);
        let at = queue.map_or(0, |queue| {
            queue.partition_point(|queued| (self.priority(*queued), *queued) < own)
        });
        self.queue_at(agent, at, id);
    }

    fn queue_at(&mut self, agent: AgentId, at: usize, id: TicketId) {
        self.desks.entry(agent).or_default().queue.insert(at, id);
        let priority = self.priority(id);
        if let Some(group) = self.group_of(id).cloned() {
            let group = self.groups.entry(group).or_default();
            group.waiting.insert((priority, id));
        }
    }

    /// Takes a ticket out of an agent's queue, if it is there.
    pub(crate) fn dequeue(&mut self, agent: AgentId, id: TicketId) {
        let Some(desk) = self.desks.get_mut(&agent) else {
            return;
        };
        desk.queue.retain(|queued| *queued != id);
        let priority = self.priority(id);
        if let Some(name) = self.group_of(id).cloned()
            && let Some(group) = self.groups.get_mut(&name)
        {
            group.waiting.remove(&(priority, id));
            if group.holder.is_none() && group.waiting.is_empty() {
                self.groups.remove(&name);
            }
        }
    }

    /// Puts a ticket among those that its agent works on.
    pub(crate) fn take_up(&mut self, agent: AgentId, id: TicketId) {
        self.desks.entry(agent).or_default().active.push(id);
        if let Some(name) = self.group_of(id).cloned() {
            self.groups.entry(name).or_default().holder = Some(id);
        }
    }

    /// Runs that are busy. Those that wait for somebody are not.
    pub(super) fn busy_runs(&self) -> impl Iterator<Item = &Run> {
        let active = self.desks.values().flat_map(|desk| &desk.active);
        let runs = active.filter_map(|id| self.runs.get(&self.tickets.get(id)?.run?));
        let runs = runs.map(|run| &**run);
        runs.filter(|run| !run.is_over() && run.status != RunStatus::Waiting)
    }

    /// How many runs are busy: all of them, and those of a plugin.
    fn busy(&self, plugin: &str) -> (u32, u32) {
        let (mut all, mut of_plugin) = (0, 0);
        for run in self.busy_runs() {
            all += 1;
            of_plugin += u32::from(run.plugin.name == plugin);
        }
        (all, of_plugin)
    }

    /// Whether the workspace has room for one more busy run of an agent.
    pub(crate) fn has_wip(&self, agent: AgentId) -> bool {
        let wip = &self.workspace.wip;
        if *wip == Wip::default() {
            return true;
        }
        let Some(agent) = self.agents.get(&agent) else {
            return true;
        };
        let (all, of_plugin) = self.busy(&agent.plugin.name);
        wip.runs.is_none_or(|most| all < most)
            && wip
                .plugins
                .get(&agent.plugin.name)
                .is_none_or(|most| of_plugin < *most)
    }

    /// Whether nothing but its agent and the workspace keeps a queued ticket from starting.
    pub(crate) fn is_free(&self, id: TicketId, now: Timestamp) -> bool {
        let Some(ticket) = self.tickets.get(&id) else {
            return false;
        };
        if ticket.not_before.is_some_and(|at| at > now) || self.doomed.contains_key(&id) {
            return false;
        }
        let Some(terms) = &ticket.terms else {
            return true;
        };
        let held = terms.group.as_ref().and_then(|name| self.groups.get(name));
        held.is_none_or(|group| group.holder.is_none())
            && terms.blocked_by.iter().all(|id| self.is_past(*id))
    }

    /// Whether a ticket is over. What is in no tree that is here is over, or was never there.
    pub(crate) fn is_past(&self, id: TicketId) -> bool {
        self.tickets
            .get(&id)
            .is_none_or(|ticket| ticket.status.is_over())
    }

    /// The next ticket of an agent's queue that may start now.
    pub(crate) fn next_of(&self, agent: AgentId, now: Timestamp) -> Option<TicketId> {
        let (record, desk) = (self.agents.get(&agent)?, self.desks.get(&agent)?);
        if self.held.contains_key(&agent) {
            return None;
        }
        let mut queue = desk.queue.iter().copied();
        if desk.active.len() < record.limits.max_concurrent as usize {
            return queue
                .find(|id| self.is_free(*id, now))
                .filter(|_| self.has_wip(agent));
        }
        if desk.queue.is_empty() {
            return None;
        }
        // Where what it works on waits for a ticket in its own queue, by way of others that wait
        // likewise, none of them would ever go on without one more start.
        let mut needed = self.needed_by(&desk.active);
        needed.retain(|id| {
            let ticket = self.tickets.get(id);
            let own = ticket.filter(|ticket| ticket.assignee == Some(agent));
            own.is_some_and(|ticket| ticket.status == Status::Open) && self.is_free(*id, now)
        });
        if needed.is_empty() {
            return None;
        }
        queue.find(|id| needed.contains(id))
    }

    /// These tickets, and all that their end waits for: reports, the agents that are to work on what is
    /// queued, what comes before that, and who holds its group.
    pub(crate) fn needed_by(&self, tickets: &[TicketId]) -> HashSet<TicketId> {
        let mut seen: HashSet<TicketId> = tickets.iter().copied().collect();
        let mut rest = tickets.to_vec();
        while let Some(id) = rest.pop() {
            if seen.len() > MOST_SEARCHED {
                break;
            }
            let Some(ticket) = self.tickets.get(&id) else {
                continue;
            };
            let mut next: Vec<TicketId> = Vec::new();
            if ticket.status == Status::Open {
                let desk = ticket.assignee.and_then(|agent| self.desks.get(&agent));
                next.extend(desk.into_iter().flat_map(|desk| &desk.active));
                let blockers = ticket.terms.iter().flat_map(|terms| &terms.blocked_by);
                next.extend(blockers.filter(|id| !self.is_past(**id)));
                let group = self.group_of(id).and_then(|name| self.groups.get(name));
                next.extend(group.and_then(|group| group.holder));
            } else {
                let run = ticket.run.and_then(|run| self.runs.get(&run));
                let Some(WaitKind::Reports { tickets, .. }) =
                    run.and_then(|run| run.wait.as_ref()).map(|wait| &wait.kind)
                else {
                    continue;
                };
                next.extend(tickets.iter().filter(|id| !self.is_past(**id)));
            }
            rest.extend(next.into_iter().filter(|id| seen.insert(*id)));
        }
        seen
    }

    /// Tickets of a group that may hold it before another one does: the one that holds it, and those in
    /// queues that wait for no blocker.
    pub(crate) fn rivals(&self, group: &str) -> Vec<TicketId> {
        let Some(group) = self.groups.get(group) else {
            return Vec::new();
        };
        let ready = |id: &TicketId| {
            let terms = self
                .tickets
                .get(id)
                .and_then(|ticket| ticket.terms.as_ref());
            terms.is_some_and(|terms| terms.blocked_by.iter().all(|id| self.is_past(*id)))
        };
        let waiting = group.waiting.iter().map(|(_, id)| *id).filter(ready);
        group.holder.into_iter().chain(waiting).collect()
    }
}

impl Tx<'_> {
    /// Starts what may start, the most urgent and oldest first where the workspace is what is scarce.
    pub(super) fn start_all(&mut self) {
        while let Some(agent) = self.ready.pop() {
            if self.state.workspace.wip == Wip::default() {
                self.start_ready(agent);
            } else {
                self.ready.clear();
                self.start_by_urgency();
            }
        }
    }

    fn start_by_urgency(&mut self) {
        let now = self.context.now;
        loop {
            let state = &*self.state;
            let next = state
                .desks
                .keys()
                .filter_map(|agent| Some((state.next_of(*agent, now)?, *agent)))
                .min_by_key(|(id, _)| (state.priority(*id), *id));
            match next {
                Some((id, agent)) => self.start_next(id, agent),
                None => return,
            }
        }
    }

    /// Starts queued tickets of an agent as far as it is free.
    fn start_ready(&mut self, agent: AgentId) {
        while let Some(id) = self.state.next_of(agent, self.context.now) {
            self.start_next(id, agent);
        }
    }

    fn start_next(&mut self, id: TicketId, agent: AgentId) {
        if self.is_held(agent) {
            return;
        }
        self.state.dequeue(agent, id);
        self.state.take_up(agent, id);
        self.start_run(id, agent);
    }

    /// Whether nothing of an agent can start, for its plugin has no active version. Its tickets wait until
    /// that changes: see [`Command::PluginsChanged`](crate::Command::PluginsChanged).
    pub(super) fn is_held(&mut self, agent: AgentId) -> bool {
        let record = &self.state.agents[&agent];
        let found = self
            .context
            .plugins
            .take(&record.plugin, Lot::ACTIVE, false);
        let Err(NoPlugin::Waits(reason)) = found else {
            return false;
        };
        let name = record.name.clone();
        self.state.held.insert(agent, reason.clone());
        self.event(EventKind::AgentHeld {
            agent,
            name,
            reason,
        });
        true
    }

    /// New runs take something else than before: what was held back is looked at again.
    pub(super) fn plugins_changed(&mut self, news: Vec<EventKind>) {
        for kind in news {
            self.event(kind);
        }
        let held = std::mem::take(&mut self.state.held);
        self.ready.extend(held.into_keys());
    }

    /// Takes a ticket out of its assignee's queue and from what the assignee works on. Who waited for
    /// its group may start.
    pub(super) fn take_from_desk(&mut self, id: TicketId) {
        let Some(agent) = self.state.tickets[&id].assignee else {
            return;
        };
        self.state.dequeue(agent, id);
        if let Some(desk) = self.state.desks.get_mut(&agent) {
            desk.active.retain(|active| *active != id);
        }
        let Some(name) = self.state.group_of(id).cloned() else {
            return;
        };
        let Some(group) = self.state.groups.get_mut(&name) else {
            return;
        };
        if group.holder != Some(id) {
            return;
        }
        group.holder = None;
        // The last that is made ready is looked at first.
        let waiting: Vec<TicketId> = group.waiting.iter().rev().map(|(_, id)| *id).collect();
        if waiting.is_empty() {
            self.state.groups.remove(&name);
        }
        let agents = waiting
            .iter()
            .filter_map(|id| self.state.tickets[id].assignee);
        self.ready.extend(agents);
    }

    /// Refuses more tickets for an agent than its queue may hold.
    pub(super) fn check_queue(&self, agent: AgentId, more: usize) -> Result<(), Refusal> {
        let Some(record) = self.state.agents.get(&agent) else {
            return Ok(());
        };
        let queued = self
            .state
            .desks
            .get(&agent)
            .map_or(0, |desk| desk.queue.len());
        // What starts at once waits in no queue.
        let active = self
            .state
            .desks
            .get(&agent)
            .map_or(0, |desk| desk.active.len());
        let starts = (record.limits.max_concurrent as usize).saturating_sub(active);
        if queued + more <= starts.saturating_add(record.limits.max_queued as usize) {
            return Ok(());
        }
        Err(Refusal::Busy(format!(
            "the queue of {} is full ({queued} in it, and `max_queued` is {}); try again when some have \
             started",
            record.name, record.limits.max_queued
        )))
    }

    /// Refuses a group that would wait for one of the tickets above it for ever.
    pub(super) fn check_group(
        &self,
        path: &str,
        parent: Option<TicketId>,
        group: Option<&String>,
    ) -> Result<(), Refusal> {
        let Some(group) = group else { return Ok(()) };
        super::check_len(
            &format!("{path}/group"),
            group,
            self.context.limits.memory_key_bytes,
        )?;
        let above = parent.into_iter().flat_map(|id| self.state.line(id));
        let above: Vec<TicketId> = above.map(|ticket| ticket.id).collect();
        let same = |id: &&TicketId| self.state.group_of(**id) == Some(group);
        if let Some(id) = above.iter().find(same) {
            return Err(Refusal::invalid(
                format!("{path}/group"),
                format!(
                    "ticket {id} above it is of group {group:?} too: it would wait for that one, and \
                     that one for it"
                ),
            ));
        }
        if above.is_empty() {
            return Ok(());
        }
        let mut rivals = self.state.rivals(group).into_iter();
        if let Some(id) = rivals.find(|id| self.state.needs(*id, &above)) {
            return Err(Refusal::invalid(
                format!("{path}/group"),
                format!(
                    "ticket {id} is of group {group:?} and waits for one above this one: this would \
                     wait for that, and that for this"
                ),
            ));
        }
        Ok(())
    }

    /// Refuses where one agent has asked another too often lately, within one tree.
    pub(super) fn check_pair(
        &self,
        root: TicketId,
        from: AgentId,
        to: AgentId,
        more: u32,
    ) -> Result<(), Refusal> {
        let most = self.context.limits.pair_per_minute;
        let pair = self
            .state
            .pairs
            .get(&root)
            .and_then(|of| of.iter().find(|(who, _)| *who == (from, to)));
        let pair = pair.map(|(_, pair)| *pair).unwrap_or_default();
        let passed = self.context.now.saturating_sub(pair.since);
        let count = if passed < PAIR_SPAN { pair.count } else { 0 };
        if count.saturating_add(more) <= most {
            return Ok(());
        }
        let name = |id| self.state.agents.get(&id).map_or("an agent", |a| &a.name);
        Err(Refusal::Busy(format!(
            "{} has given {} {count} tasks and questions of this tree within a minute, and {most} is \
             the limit (`pair_per_minute`); try again in {} s",
            name(from),
            name(to),
            PAIR_SPAN.saturating_sub(passed).div_ceil(1_000).max(1)
        )))
    }

    /// Counts what one agent asks of another.
    pub(super) fn count_pair(&mut self, root: TicketId, from: AgentId, to: AgentId) {
        let now = self.context.now;
        let pairs = self.state.pairs.entry(root).or_default();
        let place = pairs.iter().position(|(who, _)| *who == (from, to));
        let place = place.unwrap_or_else(|| {
            pairs.reserve_exact(1);
            pairs.push(((from, to), Pair::default()));
            pairs.len() - 1
        });
        let (_, pair) = &mut pairs[place];
        if pair.count == 0 || now.saturating_sub(pair.since) >= PAIR_SPAN {
            *pair = Pair {
                since: now,
                count: 0,
            };
        }
        pair.count = pair.count.saturating_add(1);
    }
}
