//! One workspace as the dispatcher holds it: its agents, and every ticket tree that is not over.
//!
//! Invariants:
//! - A tree is here wholly or not at all; it leaves when all its tickets are over.
//! - A ticket is on at most one desk: in its assignee's queue, or among what the assignee works on.
//! - Everything here can be made again from what is stored: the indexes are derived.

use crate::{
    Activity, Agent, AgentId, ChannelId, Limits, Member, Run, RunId, RunStatus, Status, Ticket,
    TicketId, Timestamp, Tracking, Wait, WaitKind, Workspace,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// One workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its settings.
    pub workspace: Workspace,
    pub(crate) agents: HashMap<AgentId, Agent>,
    pub(crate) activity: HashMap<AgentId, Activity>,
    pub(crate) tickets: HashMap<TicketId, Ticket>,
    pub(crate) runs: HashMap<RunId, Run>,
    /// The next index of each channel in use.
    pub(crate) channels: HashMap<ChannelId, u64>,
    /// Agents' memories, those in use.
    pub(crate) memory: HashMap<AgentId, BTreeMap<String, Vec<u8>>>,
    pub(crate) names: HashMap<String, AgentId>,
    pub(crate) desks: HashMap<AgentId, Desk>,
    /// Tickets that are not over, by root.
    pub(crate) live: HashMap<TicketId, u32>,
    /// Tickets that are here, by root.
    pub(crate) trees: HashMap<TicketId, usize>,
    pub(crate) timers: BTreeSet<(Timestamp, Timer)>,
}

/// An agent's tickets that are not over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Desk {
    pub(crate) queue: VecDeque<TicketId>,
    pub(crate) active: Vec<TicketId>,
}

/// What a point in time is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Ticket(TicketId),
    Run(RunId),
}

impl State {
    /// A workspace with nothing in it.
    pub fn new(workspace: Workspace) -> State {
        State {
            workspace,
            agents: HashMap::new(),
            activity: HashMap::new(),
            tickets: HashMap::new(),
            runs: HashMap::new(),
            channels: HashMap::new(),
            memory: HashMap::new(),
            names: HashMap::new(),
            desks: HashMap::new(),
            live: HashMap::new(),
            trees: HashMap::new(),
            timers: BTreeSet::new(),
        }
    }

    /// Takes in a stored agent.
    pub fn load_agent(&mut self, agent: Agent, activity: Activity) {
        self.activity.insert(agent.id, activity);
        self.put_agent(agent);
    }

    /// Takes in a stored tree: its tickets, their live runs, and how long their channels are.
    ///
    /// Queues keep the order of the tickets' ids, which is that of their making.
    pub fn load_tree(
        &mut self,
        tickets: Vec<Ticket>,
        runs: Vec<Run>,
        channels: impl IntoIterator<Item = (ChannelId, u64)>,
    ) {
        self.channels.extend(channels);
        let ended: HashMap<TicketId, Option<Timestamp>> = tickets
            .iter()
            .filter(|ticket| ticket.status.is_over())
            .map(|ticket| (ticket.id, ticket.ended_at))
            .collect();
        for mut run in runs {
            if let Some(Wait {
                kind: WaitKind::Reports { tickets, over, .. },
                ..
            }) = &mut run.wait
            {
                let waited = tickets.iter().filter(|id| ended.contains_key(id));
                over.clear();
                over.extend(waited);
                over.sort_by_key(|id| (ended[id], *id));
            }
            if let Some(until) = run.wait.as_ref().and_then(|wait| wait.until) {
                self.timers.insert((until, Timer::Run(run.id)));
            }
            self.runs.insert(run.id, run);
        }
        for ticket in tickets {
            if !ticket.status.is_over() {
                *self.live.entry(ticket.root).or_default() += 1;
                if let Some(deadline) = ticket.deadline {
                    self.timers.insert((deadline, Timer::Ticket(ticket.id)));
                }
                if let Some(agent) = ticket.assignee {
                    let desk = self.desks.entry(agent).or_default();
                    let running = ticket
                        .run
                        .is_some_and(|run| self.runs.get(&run).is_some_and(|run| !run.is_over()));
                    if running {
                        desk.active.push(ticket.id);
                    } else if ticket.status == Status::Open {
                        let at = desk.queue.partition_point(|queued| *queued < ticket.id);
                        desk.queue.insert(at, ticket.id);
                    }
                }
            }
            *self.trees.entry(ticket.root).or_default() += 1;
            self.tickets.insert(ticket.id, ticket);
        }
    }

    /// Takes in an agent's stored memory.
    pub fn load_memory(&mut self, agent: AgentId, memory: BTreeMap<String, Vec<u8>>) {
        self.memory.entry(agent).or_insert(memory);
    }

    /// Whether an agent's memory is here.
    pub fn has_memory(&self, agent: AgentId) -> bool {
        self.memory.contains_key(&agent)
    }

    /// A ticket that is here.
    pub fn ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.get(&id)
    }

    /// All tickets that are here.
    pub fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.values()
    }

    /// A run that is here.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// Runs that are here and not over.
    pub fn live_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| !run.is_over())
    }

    /// What is remembered of an agent between its tickets.
    pub fn activity(&self, id: AgentId) -> Activity {
        self.activity.get(&id).copied().unwrap_or_default()
    }

    /// An agent by id.
    pub fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.agents.get(&id)
    }

    /// All agents.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// An agent by id or name.
    pub fn find_agent(&self, key: &str) -> Option<&Agent> {
        let id = self.names.get(key).copied().or_else(|| key.parse().ok())?;
        self.agents.get(&id)
    }

    /// An agent's direct subordinates, in the order of their making.
    pub fn team(&self, boss: AgentId) -> Vec<&Agent> {
        let mut team: Vec<&Agent> = self
            .agents
            .values()
            .filter(|agent| agent.boss == Some(boss))
            .collect();
        team.sort_by_key(|agent| agent.id);
        team
    }

    /// An agent with its live status.
    pub fn member(&self, agent: &Agent) -> Member {
        let desk = self.desks.get(&agent.id);
        Member {
            status: self.tracking(agent.id),
            current: desk.map(|desk| desk.active.clone()).unwrap_or_default(),
            queued: desk.map_or(0, |desk| desk.queue.len() as u32),
            last_report_at: self.activity.get(&agent.id).and_then(|a| a.last_report_at),
            ..Member::of(agent)
        }
    }

    /// What an agent is doing.
    pub fn tracking(&self, agent: AgentId) -> Tracking {
        let active = self.desks.get(&agent).map_or(&[][..], |desk| &desk.active);
        if active.is_empty() {
            let failed = self
                .activity
                .get(&agent)
                .is_some_and(|activity| activity.last_failed);
            return if failed {
                Tracking::Error
            } else {
                Tracking::Idle
            };
        }
        let mut tracking = None;
        for ticket in active.iter().filter_map(|id| self.tickets.get(id)) {
            let run = ticket.run.and_then(|run| self.runs.get(&run));
            let one = match (ticket.status, run) {
                (Status::InReview, _) => Tracking::NeedsReview,
                (Status::Blocked, _) => Tracking::Blocked,
                (_, Some(run)) if run.status == RunStatus::Waiting => match run.wait.as_ref() {
                    Some(wait) if matches!(wait.kind, WaitKind::Reports { .. }) => {
                        Tracking::WaitingSubordinates
                    }
                    _ => Tracking::Blocked,
                },
                _ => return Tracking::Working,
            };
            tracking = tracking.or(Some(one));
        }
        tracking.unwrap_or(Tracking::Idle)
    }

    /// When something is due next.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many tickets are not over.
    pub fn live_tickets(&self) -> usize {
        self.live.values().map(|count| *count as usize).sum()
    }

    /// Whether a new ticket has room.
    pub(crate) fn has_room(&self, more: usize, limits: &Limits) -> bool {
        // A tree has at least one live ticket, so the cheap bound is looked at first.
        self.tickets.len() + more <= limits.live_tickets
            || self.live_tickets() + more <= limits.live_tickets
    }

    /// Forgets a tree of which every ticket is over; one that is not stays. `forgotten` gets the ids
    /// of the tickets and runs that are here no more.
    pub fn forget_tree(&mut self, root: TicketId, mut forgotten: impl FnMut(uuid::Uuid)) {
        if self.live.contains_key(&root) {
            return;
        }
        self.trees.remove(&root);
        let mut rest = vec![root];
        while let Some(id) = rest.pop() {
            if let Some(ticket) = self.tickets.remove(&id) {
                forgotten(id.0);
                self.channels.remove(&ticket.channel);
                rest.extend(ticket.children);
                for run in ticket.runs {
                    forgotten(run.0);
                    self.runs.remove(&run);
                }
            }
        }
    }

    pub(crate) fn put_agent(&mut self, agent: Agent) {
        self.names.insert(agent.name.clone(), agent.id);
        self.agents.insert(agent.id, agent);
    }
}
