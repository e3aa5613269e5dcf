//! Stopping: runs come to an end or a halt within a bound, and what is left is dropped.
//!
//! A run that waits, or is about to do something outside, is dropped at once when all that it did is
//! on disk: it goes on from there at the next start. One that is in the middle of something outside, a
//! command above all, gets the time to finish it, for it would have to begin again. Worktrees that are
//! being ended get a time of their own; what is left of them is ended at the next start.
//!
//! Invariants:
//! - From the first message on no run starts, and nothing new is taken from outside.
//! - What was acknowledged is on disk before the store is closed.

use crate::event_loop::Dispatcher;
use crate::host::HostError;
use crate::world::Running;
use adjutant_model::Command;
use adjutant_run::Gone;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long worktrees that are being ended are waited for after that. Those that are left are ended at
/// the next start.
const CLEANING_WITHIN: Duration = Duration::from_secs(20);

/// A host that is about to stop.
pub(crate) struct Draining {
    /// When the runs that are left are dropped.
    until: Instant,
    /// When the worktrees that are being ended are left as they are; none once they were.
    cleaning_until: Option<Instant>,
    /// Runs that were dropped in the middle of something.
    dropped: usize,
    done: oneshot::Sender<usize>,
}

/// What a run is told that is dropped for now.
pub(crate) fn parked() -> Gone {
    Gone("the host is stopping, and the run goes on at its next start".to_owned())
}

impl Dispatcher {
    pub(crate) fn drain(&mut self, within: Duration, done: oneshot::Sender<usize>) {
        self.ending = true;
        self.drop_runs(|running| running.wake.is_some());
        let runs: usize = self.worlds.values().map(|world| world.running.len()).sum();
        if runs > 0 {
            tracing::info!(runs, ?within, "stopping: runs finish what they are doing");
        }
        let until = Instant::now() + within;
        self.draining = Some(Draining {
            until,
            cleaning_until: Some(until + CLEANING_WITHIN),
            dropped: 0,
            done,
        });
    }

    /// Sees to the runs of a host that is about to stop, and tells when all have stopped.
    pub(crate) fn drained(&mut self) {
        let Some(draining) = &self.draining else {
            return;
        };
        if draining.until <= Instant::now() {
            let dropped = self.drop_runs(|_| true);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "the time is over: runs are dropped, and go on from their journals at the next start"
                );
            }
            if let Some(draining) = &mut self.draining {
                draining.dropped += dropped;
            }
        }
        if let Some(draining) = &mut self.draining
            && draining
                .cleaning_until
                .is_some_and(|at| at <= Instant::now())
            && !self.cleaning.is_empty()
        {
            draining.cleaning_until = None;
            tracing::warn!(
                left = self.cleaning.len(),
                "the time is over: worktrees that are being ended are left for the next start"
            );
            self.cleaning.abort_all();
        }
        let idle = self.worlds.values().all(|world| world.running.is_empty());
        if idle
            && self.cleaning.is_empty()
            && self.landed()
            && let Some(draining) = self.draining.take()
        {
            // Whoever asked may have left.
            let _ = draining.done.send(draining.dropped);
        }
    }

    /// How long until the runs that are left are dropped, or the worktrees that are being ended are left.
    pub(crate) fn stop_in(&self) -> Option<Duration> {
        let draining = self.draining.as_ref()?;
        let running = self.worlds.values().any(|world| !world.running.is_empty());
        let until = if running {
            draining.until
        } else {
            draining.cleaning_until?
        };
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Whether nothing is on its way to the disk that can arrive there.
    pub(crate) fn landed(&self) -> bool {
        self.in_flight.is_empty() || self.no_room()
    }

    /// Whether batches are held back for lack of room.
    pub(crate) fn no_room(&self) -> bool {
        self.held.borrow().is_some()
    }

    /// Drops runs from memory; gives back how many.
    pub(crate) fn drop_runs(&mut self, which: impl Fn(&Running) -> bool) -> usize {
        let mut dropped = 0;
        for world in self.worlds.values_mut() {
            for (_, running) in world.running.extract_if(.., |_, running| which(running)) {
                dropped += 1;
                running.cancel.cancel();
                running.task.abort();
                // What it started is gone when its task is.
                self.cleaning.spawn(running.task.over());
            }
        }
        dropped
    }
}

pub(crate) fn stopping() -> HostError {
    HostError::Unavailable(
        "the host is stopping and takes nothing new; what runs goes on at its next start"
            .to_owned(),
    )
}

/// Whether a command comes from people, and not from runs that are being ended.
pub(crate) fn is_from_outside(command: &Command) -> bool {
    !matches!(
        command,
        Command::EndRun { .. }
            | Command::Branches { .. }
            | Command::Output { .. }
            | Command::Provisioned { .. }
    )
}
