//! Which of a plugin's versions new runs take, and how that changes: by an operator's word, or by how
//! runs end.
//!
//! A name has at most one active version. A canary is another version that takes a share of the new
//! runs until enough of them have ended; then it becomes active, or is dropped. A version that keeps
//! failing by its own fault is taken back by itself. Runs that have started stay as they are. A selector
//! has no runs: what is said of runs here holds for each of its choices.
//!
//! Invariants:
//! - The same run takes the same version always: its [`Lot`] decides whether it is in a canary's share.
//! - While a name is pinned, nothing changes its active version but unpinning it.
//! - Nothing starts on a version that is drained, but by making it active again.
//! - Whatever changes stands in the history, with its reason.

mod history;
mod lot;
mod tally;

pub use history::{Change, Turn};
pub use lot::Lot;
pub use tally::{Counted, Tally, Verdict};

use crate::{Refusal, Timestamp, text::cut};
use serde::{Deserialize, Serialize};

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

    /// The version that a new run, or a choice, takes where its agent names none.
    pub fn version_for(&self, lot: Lot) -> Option<&str> {
        match &self.canary {
            Some(canary) if lot.is_in(canary.percent) => Some(&canary.version),
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
                     {}install it without --canary",
                    // Without a history there is nothing of it here that could be activated.
                    match self.history.is_empty() {
                        true => "",
                        false => "activate it instead, or ",
                    }
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
        let share = format!("its share is {percent} %");
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

#[cfg(test)]
mod tests;
