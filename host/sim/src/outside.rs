//! The world outside a host: what people and disks remember when the host has died. It holds what was
//! promised to whom, and says where a promise is broken.

use crate::dice::fingerprint;
use adjutant_dispatch::Host;
use adjutant_model::{AgentId, MessageId, RunId, TicketId, Timestamp, Token, WorkspaceId};
use adjutant_run::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// Where time begins, in Unix milliseconds.
const BEGINNING: Timestamp = 1_800_000_000_000;

/// The world outside. Clones are the same world.
#[derive(Clone)]
pub(crate) struct Outside {
    memory: Arc<Mutex<Memory>>,
    /// Told when the machine has crashed.
    pub(crate) crash: Arc<Notify>,
    prints: bool,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Worlds.
    pub seeds: u64,
    /// Events in the logs of all workspaces.
    pub events: u64,
    /// Groups of batches that were written, each with one sync.
    pub commits: u64,
    /// Crashes before, in and after a commit, and between.
    pub crashes: u64,
    /// Crashes of each kind: before a group's sync, after it, at a disk call, at any time.
    pub crash_kinds: [u64; 4],
    /// Disk calls that failed by themselves, and commits that were refused for a full disk.
    pub failures: u64,
    /// Starts of runs.
    pub starts: u64,
    /// Runs in all.
    pub runs: u64,
    /// Tickets in all.
    pub tickets: u64,
    /// Calls that were answered from a journal.
    pub replayed: u64,
    /// Calls that were answered for the first time.
    pub calls: u64,
    /// Things done outside, repeats of what was not journaled included.
    pub effects: u64,
    /// Runs that asked something else when they were replayed.
    pub diverged: u64,
    /// Commands of people and reporters, and those that were refused.
    pub commands: u64,
    /// Those that were refused or met a full queue.
    pub refused: u64,
    /// Looks at the whole state.
    pub looks: u64,
    /// Simulated time, in milliseconds.
    pub time_ms: u64,
}

impl Counts {
    /// Adds what another world counted.
    pub fn add(&mut self, other: &Counts) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.commits += other.commits;
        self.crashes += other.crashes;
        for (mine, theirs) in self.crash_kinds.iter_mut().zip(other.crash_kinds) {
            *mine += theirs;
        }
        self.failures += other.failures;
        self.starts += other.starts;
        self.runs += other.runs;
        self.tickets += other.tickets;
        self.replayed += other.replayed;
        self.calls += other.calls;
        self.effects += other.effects;
        self.diverged += other.diverged;
        self.commands += other.commands;
        self.refused += other.refused;
        self.looks += other.looks;
        self.time_ms += other.time_ms;
    }
}

/// What became of something that a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was acknowledged.
    Acknowledged,
    /// It was refused: nothing has happened.
    Refused,
    /// Nobody said: it happened once or not at all.
    Unknown,
}

/// Someone outside who may report, with what shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticketed {
    pub(crate) workspace: WorkspaceId,
    pub(crate) run: RunId,
    pub(crate) agent: AgentId,
    pub(crate) ticket: TicketId,
    pub(crate) token: Token,
}

/// What is remembered outside.
#[derive(Default)]
pub(crate) struct Memory {
    /// The time at which this life of the machine began.
    since: Timestamp,
    began: Option<Instant>,
    /// Ids and tokens so far.
    ids: u64,
    words: u64,
    pub(crate) audited: bool,
    /// People who have not done all that they want in this life of the machine.
    pub(crate) people_left: u64,
    host: Option<Host>,
    pub(crate) counts: Counts,
    pub(crate) workspaces: BTreeMap<String, WorkspaceId>,
    pub(crate) tickets: Vec<(WorkspaceId, TicketId)>,
    /// Titles of tickets that people made.
    pub(crate) titles: BTreeMap<String, Fate>,
    /// Texts that people posted, with the ticket.
    pub(crate) posts: BTreeMap<String, (TicketId, Fate)>,
    pub(crate) messages: Vec<(TicketId, MessageId)>,
    /// Summaries of reports from outside, with the run that they were for.
    pub(crate) reports: BTreeMap<String, (Option<RunId>, Fate)>,
    /// Tickets whose cancellation was acknowledged.
    pub(crate) cancelled: BTreeSet<(WorkspaceId, TicketId)>,
    pub(crate) reporters: Vec<Ticketed>,
    /// The fingerprint of each event that anyone has seen, by place.
    seen: BTreeMap<WorkspaceId, Vec<u64>>,
    /// What each call of each run was answered, as its strategy saw it last.
    views: BTreeMap<(RunId, u32), String>,
    starts: BTreeMap<RunId, u32>,
    /// What was done outside for each call: the words that it was answered with.
    pub(crate) effects: BTreeMap<(RunId, u32), Vec<String>>,
    pub(crate) diverged: BTreeSet<RunId>,
    violations: Vec<String>,
}

impl Outside {
    pub(crate) fn new(prints: bool) -> Outside {
        let memory = Memory {
            since: BEGINNING,
            ..Memory::default()
        };
        Outside {
            memory: Arc::new(Mutex::new(memory)),
            crash: Arc::default(),
            prints,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A machine is switched on: time goes on from here.
    pub(crate) fn switched_on(&self) {
        self.lock().began = Some(Instant::now());
    }

    /// The machine is off for a while.
    pub(crate) fn switched_off(&self, now: Timestamp, for_ms: u64) {
        let mut memory = self.lock();
        memory.since = now + for_ms;
        memory.began = None;
        memory.host = None;
        memory.counts.time_ms = memory.since - BEGINNING;
    }

    /// What was counted of the whole world is not counted once more.
    pub(crate) fn audited(&self) {
        self.lock().audited = true;
    }

    pub(crate) fn set_host(&self, host: Host) {
        self.lock().host = Some(host);
    }

    pub(crate) fn host(&self) -> Option<Host> {
        self.lock().host.clone()
    }

    /// A word that was never used before.
    pub(crate) fn word(&self, prefix: &str) -> String {
        let mut memory = self.lock();
        memory.words += 1;
        format!("{prefix}{}", memory.words)
    }

    /// Takes note of something that must never be.
    pub(crate) fn violated(&self, what: impl Into<String>) {
        let what = what.into();
        self.trace(|| format!("VIOLATED: {what}"));
        let mut memory = self.lock();
        if memory.violations.len() < 20 {
            memory.violations.push(what);
        }
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// A line of the story, where that is printed.
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if self.prints {
            let now = self.now() - BEGINNING;
            println!("{:>10}.{:03} {}", now / 1_000, now % 1_000, line());
        }
    }

    /// Which start of a run this is, from 1. What an earlier one has seen beyond the journal that this
    /// one starts with is as if it had never been.
    pub(crate) fn started(&self, run: RunId, journaled: u32) -> u32 {
        let mut memory = self.lock();
        memory
            .views
            .retain(|(viewer, index), _| *viewer != run || *index < journaled);
        memory.counts.starts += 1;
        let starts = memory.starts.entry(run).or_default();
        *starts += 1;
        *starts
    }

    /// A strategy was answered. What comes from the journal must be what it saw when it was new.
    pub(crate) fn viewed(&self, run: RunId, index: u32, replayed: bool, answer: &str) {
        let mut memory = self.lock();
        if !replayed {
            memory.counts.calls += 1;
            memory.views.insert((run, index), answer.to_owned());
            return;
        }
        memory.counts.replayed += 1;
        let view = memory.views.entry((run, index));
        let before = view.or_insert_with(|| answer.to_owned()).clone();
        drop(memory);
        if before != answer {
            self.violated(format!(
                "run {run} saw another answer to call {index} when it was replayed: {answer}, and \
                 not {before}"
            ));
        }
    }

    /// Someone reads the log: what was there stays there, and numbers are dense.
    pub(crate) fn saw_event(&self, workspace: WorkspaceId, seq: u64, event: &str) {
        let mut memory = self.lock();
        let seen = memory.seen.entry(workspace).or_default();
        let print = fingerprint(event.as_bytes());
        let at = seq as usize;
        if at == seen.len() + 1 {
            seen.push(print);
            memory.counts.events += 1;
            drop(memory);
            self.trace(|| format!("{} #{seq} {event}", short(workspace.0)));
            return;
        }
        let known = at.checked_sub(1).and_then(|at| seen.get(at)).copied();
        let length = seen.len();
        drop(memory);
        match known {
            None => self.violated(format!("event {seq} follows event {length}: {event}")),
            Some(known) if known != print => {
                self.violated(format!("event {seq} is another than before: {event}"));
            }
            Some(_) => {}
        }
    }

    /// How many events of a workspace anyone has seen.
    pub(crate) fn events_seen(&self, workspace: WorkspaceId) -> u64 {
        self.lock().seen.get(&workspace).map_or(0, Vec::len) as u64
    }
}

impl Clock for Outside {
    fn now(&self) -> Timestamp {
        let memory = self.lock();
        let elapsed = memory.began.map_or(0, |began| {
            u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
        });
        memory.since + elapsed
    }

    fn id(&self) -> Uuid {
        let now = u128::from(self.now());
        let mut memory = self.lock();
        memory.ids += 1;
        // As version 7 has it: the time in front, then what tells ids of one millisecond apart.
        Uuid::from_u128(now << 80 | 0x7 << 76 | 0x2 << 62 | u128::from(memory.ids))
    }

    fn token(&self) -> Uuid {
        let id = self.id();
        Uuid::from_u128(id.as_u128() ^ 0x5A5A_0000_0000_0000_0000)
    }
}

/// The part of an id that tells it from others of the same world.
pub(crate) fn short(id: Uuid) -> String {
    format!("{:x}", id.as_u128() & 0xFFFF)
}
