//! One workspace as the dispatcher holds it: its agents, and every ticket tree that is not over.
//!
//! Invariants:
//! - A tree is here wholly or not at all; it leaves when all its tickets are over.
//! - A ticket is on at most one desk: in its assignee's queue, or among what the assignee works on.
//! - A tree that waits costs its records and little more: values are boxed, for a map has room for more
//!   than it holds, and what many runs have in common is kept once.
//! - Everything here can be made again from what is stored: the indexes are derived.

use crate::decide::{Group, Heard, Pairs};
use crate::shared::Shared;
use crate::weight::{self, Weights};
use crate::{
    Activity, Agent, AgentId, ChannelId, Limits, Member, Run, RunId, RunStatus, Status, Ticket,
    TicketId, Timestamp, Tracking, Wait, WaitKind, Workspace,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Tickets that a member is said to work on, at most: whoever asks for the team gets this for each.
pub(crate) const CURRENT: usize = 20;

/// One workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its settings.
    pub workspace: Workspace,
    pub(crate) agents: HashMap<AgentId, Agent>,
    pub(crate) activity: HashMap<AgentId, Activity>,
    pub(crate) tickets: HashMap<TicketId, Box<Ticket>>,
    pub(crate) runs: HashMap<RunId, Box<Run>>,
    pub(crate) shared: Shared,
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
    /// Groups that are worked on or waited for.
    pub(crate) groups: HashMap<String, Group>,
    /// What agents asked of each other lately, by root. Not stored: it starts afresh.
    pub(crate) pairs: HashMap<TicketId, Pairs>,
    /// Tickets that are not over, by what they wait for.
    pub(crate) dependents: HashMap<TicketId, BTreeSet<TicketId>>,
    /// Tickets that fail next, for what they waited for has failed; and why.
    pub(crate) doomed: BTreeMap<TicketId, String>,
    /// Runs whose silence is counted. Not stored: it is counted afresh.
    pub(crate) heard: HashMap<RunId, Heard>,
    /// How many bytes the trees have.
    pub(crate) weights: Weights,
    /// Agents of which nothing starts, for their plugin has no active version; and why. Not stored: it is
    /// found out anew.
    pub(crate) held: BTreeMap<AgentId, String>,
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
    /// A ticket's pause between two attempts is over.
    Retry(TicketId),
    /// A run may have been silent for too long.
    Silence(RunId),
    /// Tickets are left to be failed.
    Doomed,
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
            shared: Shared::default(),
            channels: HashMap::new(),
            memory: HashMap::new(),
            names: HashMap::new(),
            desks: HashMap::new(),
            live: HashMap::new(),
            trees: HashMap::new(),
            timers: BTreeSet::new(),
            groups: HashMap::new(),
            pairs: HashMap::new(),
            dependents: HashMap::new(),
            doomed: BTreeMap::new(),
            heard: HashMap::new(),
            weights: Weights::default(),
            held: BTreeMap::new(),
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
            self.shared.share(&mut run);
            self.runs.insert(run.id, Box::new(run));
        }
        for ticket in tickets {
            if !ticket.status.is_over() {
                *self.live.entry(ticket.root).or_default() += 1;
                if let Some(deadline) = ticket.deadline {
                    self.timers.insert((deadline, Timer::Ticket(ticket.id)));
                }
                if let Some(at) = ticket.not_before {
                    self.timers.insert((at, Timer::Retry(ticket.id)));
                }
            }
            let running = ticket
                .run
                .is_some_and(|run| self.runs.get(&run).is_some_and(|run| !run.is_over()));
            let desk = ticket.assignee.filter(|_| !ticket.status.is_over());
            let (id, live) = (ticket.id, !ticket.status.is_over());
            let open = ticket.status == Status::Open && !ticket.is_choosing();
            *self.trees.entry(ticket.root).or_default() += 1;
            let run = ticket.runs.last().and_then(|run| self.runs.get(run));
            let bytes = weight::of_ticket(&ticket) + run.map_or(0, |run| weight::of_run(run));
            self.weights.add(ticket.root, bytes);
            self.tickets.insert(ticket.id, Box::new(ticket));
            if live {
                self.note_blockers(id);
            }
            match desk {
                Some(agent) if running => self.take_up(agent, id),
                Some(agent) if open => self.enqueue_loaded(agent, id),
                _ => {}
            }
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
        self.tickets.get(&id).map(Box::as_ref)
    }

    /// All tickets that are here.
    pub fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.values().map(Box::as_ref)
    }

    /// A run that is here.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id).map(Box::as_ref)
    }

    /// Runs that are here and not over.
    pub fn live_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs
            .values()
            .map(Box::as_ref)
            .filter(|run| !run.is_over())
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
            current: desk.map_or_else(Vec::new, |desk| {
                desk.active.iter().take(CURRENT).copied().collect()
            }),
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
        // The newest first: of very many, those that are busy are likely to be there.
        let newest = active.iter().rev();
        for ticket in newest.filter_map(|id| self.tickets.get(id)) {
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
            tracking = Some(one);
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
        self.pairs.remove(&root);
        self.weights.forget(root);
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
