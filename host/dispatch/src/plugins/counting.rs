//! How runs and choices end, counted by version, and what follows: a canary is promoted or dropped, a version that
//! keeps failing is taken back, a drained one is drained.
//!
//! Counts that matter are stored: those of a trial, and those with a fault among the last runs. One
//! write of a plugin's counts is on its way at a time, and takes along what comes meanwhile.

use super::NAMED;
use super::steps::{Operator, check_startable};
use crate::event_loop::Dispatcher;
use crate::host::{HostError, Result};
use crate::load::scan_all;
use adjutant_model::{Limits, Moment, Plugin, Plugins, Refusal, Rollout, Run, Tally, Verdict};
use adjutant_store::{Store, records};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The counts of all plugins.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    by_name: BTreeMap<String, Kept>,
    /// Plugins for whose last run on a drained version somebody looks already.
    looking: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Kept {
    tally: Tally,
    /// Whether it was counted on since it was stored last.
    dirty: bool,
    /// Whether somebody stores it.
    writing: bool,
}

/// What is to be done about a run that has ended.
#[derive(Default)]
struct Counted {
    verdict: Option<Verdict>,
    /// Whether somebody has to begin to store the count.
    write: bool,
}

impl Tallies {
    /// Reads what is stored.
    pub(super) async fn read(store: &Store) -> Result<Tallies> {
        let mut counts = Counts::default();
        for item in scan_all(store, records::HOST, records::prefix::TALLY).await? {
            let tally: Tally = records::decode("tally", &item.value)?;
            let name = String::from_utf8_lossy(&item.key[records::prefix::TALLY.len()..]);
            let kept = Kept {
                tally,
                ..Kept::default()
            };
            counts.by_name.insert(name.into_owned(), kept);
        }
        Ok(Tallies(Mutex::new(counts)))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts of a plugin.
    pub(super) fn of(&self, name: &str) -> Tally {
        let counts = self.lock();
        let kept = counts.by_name.get(name);
        kept.map(|kept| kept.tally.clone()).unwrap_or_default()
    }

    fn count(&self, rollout: &Rollout, plugin: &Plugin, fault: bool, limits: &Limits) -> Counted {
        let mut counts = self.lock();
        if !counts.by_name.contains_key(&rollout.name) {
            counts.by_name.insert(rollout.name.clone(), Kept::default());
        }
        let Some(kept) = counts.by_name.get_mut(&rollout.name) else {
            return Counted::default();
        };
        let mattered = kept.tally.matters();
        let (version, world) = (&plugin.version, plugin.world);
        let verdict = kept.tally.count(rollout, version, world, fault, limits);
        if mattered || kept.tally.matters() {
            kept.dirty = true;
        }
        let write = kept.dirty && !kept.writing;
        kept.writing |= write;
        Counted { verdict, write }
    }

    /// What is to be stored; none where all is, and nobody stores it from here on.
    fn next(&self, name: &str) -> Option<Tally> {
        let mut counts = self.lock();
        let kept = counts.by_name.get_mut(name)?;
        kept.writing = std::mem::take(&mut kept.dirty);
        kept.writing.then(|| kept.tally.clone())
    }

    /// The plugin is gone: one of its name begins anew.
    pub(super) fn forget(&self, name: &str) {
        self.lock().by_name.remove(name);
    }

    /// It could not be stored: the next run that ends tries again.
    fn failed(&self, name: &str) {
        if let Some(kept) = self.lock().by_name.get_mut(name) {
            (kept.dirty, kept.writing) = (true, false);
        }
    }
}

impl Dispatcher {
    pub(crate) fn operator(&self) -> Operator {
        Operator {
            shelf: self.shelf.clone(),
            execute: self.execute.clone(),
            messages: self.messages.clone(),
            clock: self.clock.clone(),
            limits: self.limits.clone(),
        }
    }
}

fn drains(rollout: &Rollout, version: &str) -> bool {
    let mut draining = rollout.draining.iter();
    draining.any(|drain| drain.version == version && drain.drained_at.is_none())
}

impl Operator {
    /// A run has ended, or a selector's choice: it counts for the plugin's version.
    pub(crate) fn count(&self, plugin: &Plugin, fault: Option<bool>) {
        let table = self.shelf.table();
        let mut versions = table.versions(&plugin.name);
        if !versions.any(|known| known.digest == plugin.digest) && !table.names(&plugin.digest) {
            // It was removed meanwhile, and this may have been the last to need it.
            self.free_later();
        }
        let Some(rollout) = table.rollout(&plugin.name) else {
            return;
        };
        if let Some(fault) = fault {
            let counted = self
                .shelf
                .tallies
                .count(rollout, plugin, fault, &self.limits);
            if let Some(verdict) = counted.verdict {
                let (operator, name) = (self.clone(), plugin.name.clone());
                tokio::spawn(async move { operator.carry_out(&name, verdict).await });
            }
            if counted.write {
                let (operator, name) = (self.clone(), plugin.name.clone());
                tokio::spawn(async move { operator.keep_tally(&name).await });
            }
        }
        if drains(rollout, &plugin.version) {
            self.look_drained(&plugin.name);
        }
    }

    async fn keep_tally(&self, name: &str) {
        while let Some(tally) = self.shelf.tallies.next(name) {
            let put = (records::tally_key(name), Some(records::encode(&tally)));
            if let Err(error) = self.shelf.commit(vec![put]).await {
                tracing::warn!(plugin = name, %error, "how its runs ended could not be stored");
                return self.shelf.tallies.failed(name);
            }
        }
    }

    /// Does what follows from how runs ended, unless things have changed meanwhile.
    async fn carry_out(&self, name: &str, verdict: Verdict) {
        let _one_at_a_time = self.shelf.changing.lock().await;
        let table = self.shelf.table();
        let Some(before) = table.rollout(name) else {
            return;
        };
        let before = Rollout::clone(before);
        let mut rollout = before.clone();
        let is_active = |version: &str| before.active.as_deref() == Some(version);
        let is_tried = |version: &str| {
            before
                .canary
                .as_ref()
                .is_some_and(|one| one.version == version)
        };
        let at = |reason| Moment {
            now: self.now(),
            reason,
            keep: self.limits.plugin_history,
        };
        let done: std::result::Result<(), Refusal> = match &verdict {
            Verdict::TakeBack { version, reason } if is_active(version) => {
                match rollout.take_back(at(reason)) {
                    Ok(_) => {
                        let misfits = self.who_does_not_fit(&table, &before, &rollout).await;
                        let reason = format!("{reason}{misfits}");
                        rollout = before.clone();
                        let left = rollout.take_back(at(&reason));
                        left.and_then(|_| check_startable(&table, &before, &rollout))
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Verdict::Promote { version, reason } if is_tried(version) => {
                let mut promoted = before.clone();
                match promoted.promote(at(reason)) {
                    Ok(_) => match self.check_fit(&table, &before, &promoted).await {
                        Ok(()) => {
                            rollout = promoted;
                            Ok(())
                        }
                        Err(error) => {
                            let reason = format!("it is not promoted: {error}");
                            rollout.stop_canary(at(&reason)).map(drop)
                        }
                    },
                    Err(refusal) => Err(refusal),
                }
            }
            Verdict::Stop { version, reason } if is_tried(version) => {
                rollout.stop_canary(at(reason)).map(drop)
            }
            // It is so no longer.
            _ => return,
        };
        let (Verdict::TakeBack { version, reason }
        | Verdict::Promote { version, reason }
        | Verdict::Stop { version, reason }) = &verdict;
        let failed = match done {
            Ok(()) => self.put(&before, rollout).await.err(),
            Err(refusal) => Some(HostError::Refused(refusal)),
        };
        match (failed, &verdict) {
            (Some(error), _) => {
                tracing::warn!(plugin = name, version, reason, %error, "a version keeps failing and stays");
            }
            (None, Verdict::Promote { .. }) => {}
            (None, _) => tracing::warn!(plugin = name, version, reason, "a version was taken back"),
        }
    }

    /// Which agents do not fit what they are to take from now on, as the end of a sentence; nothing where
    /// all do. A version that keeps failing is taken back all the same: their tickets fail with what does
    /// not fit, and those of the others go on.
    async fn who_does_not_fit(&self, table: &Plugins, before: &Rollout, after: &Rollout) -> String {
        let misfits = match self.misfits(table, before, after).await {
            Ok(misfits) => misfits,
            Err(error) => {
                return format!("; whether all agents fit it could not be checked: {error}");
            }
        };
        let mut text = String::new();
        for misfit in misfits {
            let agents: Vec<&str> = misfit.agents().take(NAMED).collect();
            tracing::warn!(
                plugin = after.name,
                version = misfit.version,
                agents = agents.join(", "),
                "agents do not fit the version that they take now, and their tickets fail"
            );
            text = format!(
                "{text}; agents do not fit {}, and their tickets fail until they do: {}",
                misfit.version,
                agents.join(", ")
            );
        }
        text
    }

    /// Looks whether the last run on a drained version has ended, where nobody does so already.
    pub(crate) fn look_drained(&self, name: &str) {
        let rollout = self.shelf.table().rollout(name).cloned();
        let draining =
            |rollout: &Rollout| rollout.draining.iter().any(|one| one.drained_at.is_none());
        if !rollout.is_some_and(|rollout| draining(&rollout)) {
            return;
        }
        if !self.shelf.tallies.lock().looking.insert(name.to_owned()) {
            return;
        }
        let (operator, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            // Whoever comes later has seen more, and looks again.
            operator.shelf.tallies.lock().looking.remove(&name);
            if let Err(error) = operator.note_drained(&name).await {
                tracing::warn!(plugin = name, %error, "whether it is drained could not be noted");
            }
        });
    }

    async fn note_drained(&self, name: &str) -> Result<()> {
        let _one_at_a_time = self.shelf.changing.lock().await;
        let table = self.shelf.table();
        let before = super::steps::known(&table, name)?;
        let mut rollout = before.clone();
        let wanted = name.to_owned();
        let live = self
            .query(move |worlds| {
                let runs = worlds.values().flat_map(|world| world.state.live_runs());
                let runs = runs.filter(|run: &&Run| run.plugin.name == wanted);
                runs.map(|run| run.plugin.version.clone())
                    .collect::<BTreeSet<_>>()
            })
            .await?;
        let at = Moment {
            now: self.now(),
            reason: "",
            keep: self.limits.plugin_history,
        };
        let draining: Vec<String> = before
            .draining
            .iter()
            .filter(|drain| drain.drained_at.is_none() && !live.contains(&drain.version))
            .map(|drain| drain.version.clone())
            .collect();
        for version in draining {
            rollout.drained(&version, at);
        }
        if rollout != before {
            self.put(&before, rollout).await?;
        }
        Ok(())
    }
}
