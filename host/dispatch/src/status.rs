//! How the host is doing: counts of what is in memory, under way and waiting, beside its limits.

use crate::host::{Host, Result};
use crate::sources::PluginBounds;
use crate::world::World;
use adjutant_model::{Limits, RunStatus, Status, Ticket, Timestamp};
use adjutant_store::HandedIn;

/// How the host is doing at one moment. Where nothing is left to do, all but the totals are 0.
#[derive(Clone, Debug)]
pub struct HostStatus {
    /// When it was asked.
    pub at: Timestamp,
    /// Workspaces.
    pub workspaces: usize,
    /// Tickets.
    pub tickets: TicketCounts,
    /// Runs that are not over.
    pub runs: RunCounts,
    /// Instances of components in memory, and how many there may be.
    pub instances: Share,
    /// Tickets whose worktree is worked in or being ended.
    pub worktrees: usize,
    /// Messages that wait for the event loop, and how many may.
    pub queue: Share,
    /// What the store was given since the start.
    pub store: HandedIn,
    /// The versions of the contract that components may be made for, one of each line.
    pub contract: Vec<String>,
    /// How plugins are bounded.
    pub plugins: PluginBounds,
    /// How large things may become.
    pub limits: Limits,
}

/// Tickets of all workspaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketCounts {
    /// Those that are not over.
    pub live: usize,
    /// Those of them that wait for their agent, or for other tickets.
    pub queued: usize,
    /// Those in memory: live ones, and those that are over in a tree that is not.
    pub in_memory: usize,
}

/// Runs of all workspaces that are not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// All of them.
    pub live: usize,
    /// Those that have a task: provisioning, running, or waiting in memory.
    pub in_memory: usize,
    /// Those that wait, in memory or not.
    pub waiting: usize,
    /// Those that wait and have left memory: rows on disk, and nothing else.
    pub parked: usize,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many there are.
    pub now: usize,
    /// How many there may be.
    pub most: usize,
}

impl Host {
    /// How the host is doing.
    ///
    /// # Errors
    /// Where the host is busy or has stopped.
    pub async fn status(&self) -> Result<HostStatus> {
        let inner = self.inner.clone();
        let (workspaces, tickets, runs) = self
            .query(|worlds| {
                let mut tickets = TicketCounts::default();
                let mut runs = RunCounts::default();
                for world in worlds.values() {
                    count(world, &mut tickets, &mut runs);
                }
                (worlds.len(), tickets, runs)
            })
            .await?;
        let permits = inner.engine.permits();
        let most = permits.total() as usize;
        let queue = &inner.messages;
        Ok(HostStatus {
            at: inner.clock.now(),
            workspaces,
            tickets,
            runs,
            instances: Share {
                now: most.saturating_sub(permits.available_permits()),
                most,
            },
            worktrees: inner.turns.open(),
            queue: Share {
                now: queue.max_capacity() - queue.capacity(),
                most: queue.max_capacity(),
            },
            store: inner.store.handed_in(),
            contract: adjutant_component::contract_versions(),
            plugins: self.plugin_bounds(),
            limits: self.limits().clone(),
        })
    }
}

fn count(world: &World, tickets: &mut TicketCounts, runs: &mut RunCounts) {
    let state = &world.state;
    tickets.live += state.live_tickets();
    tickets.in_memory += state.tickets().count();
    let queued = |ticket: &&Ticket| ticket.status == Status::Open && ticket.assignee.is_some();
    tickets.queued += state.tickets().filter(queued).count();
    for run in state.live_runs() {
        let waits = run.status == RunStatus::Waiting;
        let here = world.running.contains_key(&run.id);
        runs.live += 1;
        runs.in_memory += usize::from(here);
        runs.waiting += usize::from(waits);
        runs.parked += usize::from(waits && !here);
    }
}
