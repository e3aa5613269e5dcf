//! How the uses of a plugin's versions end, and what follows: a version that keeps failing by its own
//! fault is taken back, a canary is promoted or dropped.
//!
//! Invariant: counts are of one activation, or of one trial, and begin anew with the next.

use super::Rollout;
use crate::{Limits, Timestamp, World};
use serde::{Deserialize, Serialize};

/// How runs of a name's versions have ended, as far as it matters for what new runs take. Of a
/// selector its choices count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Which activation the first count is of: the version, and since when it is active.
    pub of: Option<(String, Timestamp)>,
    /// Runs of the active version since it became active.
    pub active: Counted,
    /// Which trial the other two are of.
    pub trial: Option<(String, Timestamp)>,
    /// Runs of the canary.
    pub canary: Counted,
    /// Runs of the active version beside it.
    pub beside: Counted,
}

/// Runs, or choices, that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// How many.
    pub ended: u32,
    /// How many of them by the guest's own fault: it trapped, hit a limit of its own, or diverged.
    pub faulted: u32,
    /// Of the last ones, which: true for a fault.
    pub recent: Vec<bool>,
}

impl Counted {
    fn count(&mut self, fault: bool, window: usize) {
        self.ended = self.ended.saturating_add(1);
        self.faulted = self.faulted.saturating_add(u32::from(fault));
        self.recent.push(fault);
        let over = self.recent.len().saturating_sub(window.max(1));
        self.recent.drain(..over);
    }

    /// Of the last ones, how many ended by the guest's own fault.
    pub fn recent_faults(&self) -> usize {
        self.recent.iter().filter(|fault| **fault).count()
    }
}

/// What follows from how runs have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The active version keeps failing: back to the one before.
    TakeBack {
        /// The version that fails.
        version: String,
        /// Why, as a sentence.
        reason: String,
    },
    /// The canary is no worse than the active version.
    Promote {
        /// The canary.
        version: String,
        /// Why, as a sentence.
        reason: String,
    },
    /// The canary is worse.
    Stop {
        /// The canary.
        version: String,
        /// Why, as a sentence.
        reason: String,
    },
}

impl Tally {
    /// Counts a run of a version that has ended, or a choice of a selector's, and says what follows.
    pub fn count(
        &mut self,
        rollout: &Rollout,
        version: &str,
        world: World,
        fault: bool,
        limits: &Limits,
    ) -> Option<Verdict> {
        self.renew(rollout);
        let window = limits.fault_window as usize;
        if let Some(canary) = &rollout.canary {
            if canary.version == version {
                self.canary.count(fault, window);
                return self.judge_canary(version, world, limits);
            }
            if rollout.active.as_deref() == Some(version) {
                self.beside.count(fault, window);
            }
        }
        if rollout.active.as_deref() != Some(version) {
            return None;
        }
        self.active.count(fault, window);
        if !fault || !keeps_failing(&self.active, limits) {
            return None;
        }
        Some(Verdict::TakeBack {
            version: version.to_owned(),
            reason: failing(version, world, &self.active),
        })
    }

    /// Whether it says anything that a fresh one would not.
    pub fn matters(&self) -> bool {
        self.trial.is_some() || self.active.recent_faults() > 0
    }

    /// Begins anew what belongs to an earlier activation or trial.
    fn renew(&mut self, rollout: &Rollout) {
        let of = rollout.active.clone().map(|active| (active, rollout.since));
        if self.of != of {
            (self.of, self.active) = (of, Counted::default());
        }
        let trial = rollout.canary.as_ref();
        let trial = trial.map(|canary| (canary.version.clone(), canary.since));
        if self.trial != trial {
            (self.trial, self.canary, self.beside) =
                (trial, Counted::default(), Counted::default());
        }
    }

    fn judge_canary(&self, version: &str, world: World, limits: &Limits) -> Option<Verdict> {
        let version = version.to_owned();
        if keeps_failing(&self.canary, limits) {
            let reason = failing(&version, world, &self.canary);
            return Some(Verdict::Stop { version, reason });
        }
        if self.canary.ended < limits.canary_runs.max(1) {
            return None;
        }
        // In ten-thousandths.
        let rate = |of: &Counted| match of.ended {
            0 => 0,
            ended => u64::from(of.faulted) * 10_000 / u64::from(ended),
        };
        let (new, old) = (rate(&self.canary), rate(&self.beside));
        let margin = u64::from(limits.canary_margin_percent) * 100;
        let sides = format!(
            "{} of its {} {} failed by their own fault, and {} of {} of the active version's",
            self.canary.faulted,
            self.canary.ended,
            uses(world),
            self.beside.faulted,
            self.beside.ended
        );
        Some(if new <= old + margin {
            Verdict::Promote {
                version,
                reason: sides,
            }
        } else {
            let margin = limits.canary_margin_percent;
            let reason = format!("{sides}: more than {margin} percentage points worse");
            Verdict::Stop { version, reason }
        })
    }
}

fn keeps_failing(counted: &Counted, limits: &Limits) -> bool {
    limits.fault_runs > 0 && counted.recent_faults() >= limits.fault_runs as usize
}

fn failing(version: &str, world: World, counted: &Counted) -> String {
    format!(
        "{} of the last {} {} on {version} failed by their own fault",
        counted.recent_faults(),
        counted.recent.len(),
        uses(world)
    )
}

/// What is counted of a plugin, as a word.
fn uses(world: World) -> &'static str {
    match world {
        World::Selector => "choices",
        World::Subordinate | World::Boss => "runs",
    }
}
