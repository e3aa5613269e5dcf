//! Which of a plugin's versions new runs take, and how that changes: by an operator's word, or by how
//! runs end.
//!
//! A name has at most one active version. A canary is another version that takes a share of the new
//! runs until enough of them have ended; then it becomes active, or is dropped. A version that keeps
//! failing by its own fault is taken back by itself. Runs that have started stay as they are.
//!
//! Invariants:
//! - The same run takes the same version always: its id decides whether it is in a canary's share.
//! - While a name is pinned, nothing changes its active version but unpinning it.
//! - Nothing starts on a version that is drained, but by making it active again.
//! - Whatever changes stands in the history, with its reason.

use crate::{EventKind, Limits, Refusal, RunId, Timestamp, text::cut};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a reason.
const REASON: usize = 1_000;

/// Which of a plugin's versions new runs take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// The plugin's name.
    pub name: String,
    /// How often it has changed.
    pub revision: u64,
    /// The version that new runs take. None where nothing can start.
    pub active: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// The versions that were active before, the last one last. One that was rolled back is not among
    /// them.
    pub former: Vec<String>,
    /// Since when its active version is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Timestamp>,
    /// A version that is being tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Versions on which nothing starts any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub draining: Vec<Drain>,
    /// What has changed, the last change last.
    pub history: Vec<Turn>,
}

/// A version that is being tried on a share of the new runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The version.
    pub version: String,
    /// Its share of the new runs, in percent.
    pub percent: u8,
    /// Since when.
    pub since: Timestamp,
}

/// A version on which nothing starts any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The version.
    pub version: String,
    /// Since when.
    pub since: Timestamp,
    /// When its last run had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained_at: Option<Timestamp>,
}

/// A change of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
    /// The version that it happened to; that which is active now where it was rolled back or taken back.
    pub version: String,
    /// The version that was active before, where that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What may happen to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was registered, and did not become active.
    Added,
    /// It became active.
    Activated,
    /// It became active again, for an operator wanted the one before.
    RolledBack,
    /// It became active again, for the one after it kept failing.
    TakenBack,
    /// It takes a share of the new runs.
    CanaryStarted,
    /// It was tried, and became active.
    CanaryPromoted,
    /// It was tried, and takes no runs any more.
    CanaryStopped,
    /// It stays active whatever is registered.
    Pinned,
    /// It is held no longer.
    Unpinned,
    /// Nothing starts on it any more.
    Draining,
    /// Its last run has ended.
    Drained,
    /// It was removed.
    Removed,
}

impl Change {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Activated => "activated",
            Change::RolledBack => "rolled_back",
            Change::TakenBack => "taken_back",
            Change::CanaryStarted => "canary_started",
            Change::CanaryPromoted => "canary_promoted",
            Change::CanaryStopped => "canary_stopped",
            Change::Pinned => "pinned",
            Change::Unpinned => "unpinned",
            Change::Draining => "draining",
            Change::Drained => "drained",
            Change::Removed => "removed",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Turn {
    /// What the log of a workspace says of it.
    pub fn event(&self, plugin: &str) -> EventKind {
        let (plugin, version) = (plugin.to_owned(), self.version.clone());
        let (from, reason) = (self.from.clone(), self.reason.clone());
        match self.change {
            Change::Added => EventKind::PluginAdded { plugin, version },
            Change::Activated => EventKind::PluginActivated {
                plugin,
                version,
                from,
                reason,
            },
            Change::RolledBack => EventKind::PluginRolledBack {
                plugin,
                version,
                from,
                reason,
            },
            Change::TakenBack => EventKind::PluginTakenBack {
                plugin,
                version,
                from,
                reason,
            },
            Change::CanaryStarted => EventKind::PluginCanaryStarted {
                plugin,
                version,
                reason,
            },
            Change::CanaryPromoted => EventKind::PluginCanaryPromoted {
                plugin,
                version,
                from,
                reason,
            },
            Change::CanaryStopped => EventKind::PluginCanaryStopped {
                plugin,
                version,
                reason,
            },
            Change::Pinned => EventKind::PluginPinned { plugin, version },
            Change::Unpinned => EventKind::PluginUnpinned { plugin, version },
            Change::Draining => EventKind::PluginDraining {
                plugin,
                version,
                reason,
            },
            Change::Drained => EventKind::PluginDrained { plugin, version },
            Change::Removed => EventKind::PluginRemoved { plugin, version },
        }
    }
}

/// When a change happens, why, and how much of the history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// The reason; may be empty.
    pub reason: &'a str,
    /// Turns that the history keeps.
    pub keep: usize,
}

impl Rollout {
    /// The rollout of a name without any version.
    pub fn new(name: &str) -> Rollout {
        Rollout {
            name: name.to_owned(),
            ..Rollout::default()
        }
    }

    /// The version that a new run takes where its agent names none.
    pub fn version_for(&self, run: RunId) -> Option<&str> {
        match &self.canary {
            Some(canary) if in_share(run, canary.percent) => Some(&canary.version),
            _ => self.active.as_deref(),
        }
    }

    /// Whether nothing starts on a version any more.
    pub fn drains(&self, version: &str) -> bool {
        self.draining.iter().any(|one| one.version == version)
    }

    /// Notes that a version was registered, and is not active.
    pub fn added(&mut self, version: &str, at: Moment<'_>) {
        self.turn(Change::Added, version, None, at);
    }

    /// Makes a version active. Gives back whether anything changed.
    ///
    /// # Errors
    /// Where the name is pinned to another.
    pub fn activate(&mut self, version: &str, at: Moment<'_>) -> Result<bool, Refusal> {
        if self.active.as_deref() == Some(version) {
            return Ok(false);
        }
        self.check_pin()?;
        self.switch(version, Change::Activated, at);
        Ok(true)
    }

    /// Makes the version active that was before. Gives back the one that was left.
    ///
    /// # Errors
    /// Where the name is pinned, or no version was active before.
    pub fn roll_back(&mut self, at: Moment<'_>) -> Result<String, Refusal> {
        self.check_pin()?;
        self.back(Change::RolledBack, at)
    }

    /// The same, by itself.
    ///
    /// # Errors
    /// As [`Rollout::roll_back`].
    pub fn take_back(&mut self, at: Moment<'_>) -> Result<String, Refusal> {
        self.check_pin()?;
        self.back(Change::TakenBack, at)
    }

    /// Holds the active version. Gives back whether anything changed.
    ///
    /// # Errors
    /// Where there is none.
    pub fn pin(&mut self, at: Moment<'_>) -> Result<bool, Refusal> {
        let Some(version) = self.active.clone() else {
            return Err(Refusal::Conflict(format!(
                "plugin {} has no active version to pin; activate one first",
                self.name
            )));
        };
        if self.pinned.is_some() {
            return Ok(false);
        }
        let why = Moment {
            reason: "the active version was pinned",
            ..at
        };
        self.drop_canary(why);
        self.pinned = Some(at.now);
        self.turn(Change::Pinned, &version, None, at);
        Ok(true)
    }

    /// Lets the active version change again. Gives back whether anything changed.
    pub fn unpin(&mut self, at: Moment<'_>) -> bool {
        if self.pinned.take().is_none() {
            return false;
        }
        let version = self.active.clone().unwrap_or_default();
        self.turn(Change::Unpinned, &version, None, at);
        true
    }

    /// Gives a version a share of the new runs, or another share. Gives back whether anything changed.
    ///
    /// # Errors
    /// Where the name is pinned, the version is active, or there is none to hold it against.
    pub fn try_out(&mut self, version: &str, percent: u8, at: Moment<'_>) -> Result<bool, Refusal> {
        if !(1..=99).contains(&percent) {
            return Err(Refusal::invalid(
                "/percent",
                "a canary's share is 1 to 99 percent; to give it all runs, activate it",
            ));
        }
        self.check_pin()?;
        let name = &self.name;
        match self.active.as_deref() {
            None => {
                return Err(Refusal::Conflict(format!(
                    "plugin {name} has no active version that {version} could be held against; \
                     activate it instead"
                )));
            }
            Some(active) if active == version => {
                return Err(Refusal::Conflict(format!(
                    "{name}@{version} is active already and takes all new runs"
                )));
            }
            Some(_) => {}
        }
        match &mut self.canary {
            Some(canary) if canary.version == version && canary.percent == percent => {
                return Ok(false);
            }
            // What has ended counts on.
            Some(canary) if canary.version == version => canary.percent = percent,
            _ => {
                let why = Moment {
                    reason: "another version is tried instead",
                    ..at
                };
                self.drop_canary(why);
                self.canary = Some(Canary {
                    version: version.to_owned(),
                    percent,
                    since: at.now,
                });
            }
        }
        self.draining.retain(|one| one.version != version);
        self.former.retain(|one| one != version);
        let share = format!("{percent} % of new runs");
        let reason = match at.reason {
            "" => share,
            reason => format!("{share}: {reason}"),
        };
        let at = Moment {
            reason: &reason,
            ..at
        };
        self.turn(Change::CanaryStarted, version, None, at);
        Ok(true)
    }

    /// Makes the version active that is tried. Gives it back.
    ///
    /// # Errors
    /// Where none is.
    pub fn promote(&mut self, at: Moment<'_>) -> Result<String, Refusal> {
        let Some(canary) = self.canary.take() else {
            return Err(self.no_canary());
        };
        self.switch(&canary.version, Change::CanaryPromoted, at);
        Ok(canary.version)
    }

    /// Tries it no longer. Gives back the version that was tried.
    ///
    /// # Errors
    /// Where none is.
    pub fn stop_canary(&mut self, at: Moment<'_>) -> Result<String, Refusal> {
        self.drop_canary(at).ok_or_else(|| self.no_canary())
    }

    /// Lets nothing start on a version any more: what was to take it takes the active one, and where it
    /// is that, the one before. Gives back whether anything changed.
    ///
    /// # Errors
    /// Where it is active and pinned.
    pub fn drain(&mut self, version: &str, at: Moment<'_>) -> Result<bool, Refusal> {
        if self.drains(version) {
            return Ok(false);
        }
        let is_active = self.active.as_deref() == Some(version);
        if is_active {
            self.check_pin()?;
        }
        self.draining.push(Drain {
            version: version.to_owned(),
            since: at.now,
            drained_at: None,
        });
        self.turn(Change::Draining, version, None, at);
        self.step_aside(version, at, "it is drained");
        Ok(true)
    }

    /// Notes that a drained version's last run has ended. Gives back whether that is news.
    pub fn drained(&mut self, version: &str, at: Moment<'_>) -> bool {
        let Some(drain) = self
            .draining
            .iter_mut()
            .find(|one| one.version == version && one.drained_at.is_none())
        else {
            return false;
        };
        drain.drained_at = Some(at.now);
        self.turn(Change::Drained, version, None, at);
        true
    }

    /// Notes that a version was removed. Where it was active, the one before becomes it.
    pub fn removed(&mut self, version: &str, at: Moment<'_>) {
        self.draining.retain(|one| one.version != version);
        self.former.retain(|one| one != version);
        if self.active.as_deref() == Some(version) {
            self.pinned = None;
        }
        self.turn(Change::Removed, version, None, at);
        self.step_aside(version, at, "it was removed");
    }

    /// A version takes no new runs any more.
    fn step_aside(&mut self, version: &str, at: Moment<'_>, why: &str) {
        if self
            .canary
            .as_ref()
            .is_some_and(|one| one.version == version)
        {
            self.drop_canary(Moment { reason: why, ..at });
        }
        self.former.retain(|one| one != version);
        if self.active.as_deref() != Some(version) {
            return;
        }
        let reason = format!("{version} is active no longer: {why}");
        let at = Moment {
            reason: &reason,
            ..at
        };
        if self.back(Change::RolledBack, at).is_err() {
            self.active = None;
            self.since = at.now;
        }
    }

    fn back(&mut self, change: Change, at: Moment<'_>) -> Result<String, Refusal> {
        let Some(left) = self.active.clone() else {
            return Err(Refusal::Conflict(format!(
                "plugin {} has no active version",
                self.name
            )));
        };
        let Some(version) = self.former.pop() else {
            return Err(Refusal::Conflict(format!(
                "no version of plugin {} was active before {left}; activate the one that is wanted",
                self.name
            )));
        };
        let former = std::mem::take(&mut self.former);
        self.switch(&version, change, at);
        // The one that was left is no version to come back to.
        self.former = former;
        Ok(left)
    }

    fn switch(&mut self, version: &str, change: Change, at: Moment<'_>) {
        let from = self.active.replace(version.to_owned());
        self.since = at.now;
        self.draining.retain(|one| one.version != version);
        if self
            .canary
            .as_ref()
            .is_some_and(|one| one.version == version)
        {
            self.canary = None;
        }
        self.former.retain(|one| one != version);
        if let Some(from) = &from {
            self.former.retain(|one| one != from);
            self.former.push(from.clone());
        }
        self.turn(change, version, from, at);
        let why = Moment {
            reason: "what it was held against is active no longer",
            ..at
        };
        self.drop_canary(why);
    }

    fn drop_canary(&mut self, at: Moment<'_>) -> Option<String> {
        let version = self.canary.take()?.version;
        self.turn(Change::CanaryStopped, &version, None, at);
        Some(version)
    }

    fn turn(&mut self, change: Change, version: &str, from: Option<String>, at: Moment<'_>) {
        self.revision += 1;
        self.history.push(Turn {
            at: at.now,
            change,
            version: version.to_owned(),
            from,
            reason: cut(at.reason, REASON),
        });
        let over = self.history.len().saturating_sub(at.keep.max(1));
        self.history.drain(..over);
    }

    fn check_pin(&self) -> Result<(), Refusal> {
        match (&self.pinned, &self.active) {
            (Some(_), Some(active)) => Err(Refusal::Conflict(format!(
                "plugin {} is pinned to {active}; unpin it first",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    fn no_canary(&self) -> Refusal {
        Refusal::Conflict(format!(
            "no version of plugin {} is being tried: there is no canary",
            self.name
        ))
    }
}

/// Whether a run is in a share of so many percent. Ids begin with the time, so all their bits count.
fn in_share(run: RunId, percent: u8) -> bool {
    let bits = run.0.as_u128();
    let mut mixed = (bits as u64) ^ ((bits >> 64) as u64).rotate_left(32);
    // The finalizer of SplitMix64: each bit of the id changes half of the result's.
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    mixed % 100 < u64::from(percent)
}

/// How runs of a name's versions have ended, as far as it matters for what new runs take.
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

/// Runs that have ended.
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
    /// Counts a run that has ended, and says what follows.
    pub fn count(
        &mut self,
        rollout: &Rollout,
        version: &str,
        fault: bool,
        limits: &Limits,
    ) -> Option<Verdict> {
        self.renew(rollout);
        let window = limits.fault_window as usize;
        if let Some(canary) = &rollout.canary {
            if canary.version == version {
                self.canary.count(fault, window);
                return self.judge_canary(version, limits);
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
            reason: failing(version, &self.active),
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

    fn judge_canary(&self, version: &str, limits: &Limits) -> Option<Verdict> {
        let version = version.to_owned();
        if keeps_failing(&self.canary, limits) {
            let reason = failing(&version, &self.canary);
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
            "{} of its {} runs failed by their own fault, and {} of {} of the active version's",
            self.canary.faulted, self.canary.ended, self.beside.faulted, self.beside.ended
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

fn failing(version: &str, counted: &Counted) -> String {
    format!(
        "{} of the last {} runs on {version} failed by their own fault",
        counted.recent_faults(),
        counted.recent.len()
    )
}

#[cfg(test)]
mod tests;
