//! The steps of a rollout: what an operator does, and what follows by itself.
//!
//! Invariant: a step is on disk before a run takes what it says; then the workspaces are told.

use super::{PluginShelf, Puts, RolloutView, kept_rollout};
use crate::event_loop::Msg;
use crate::execute::Execute;
use crate::host::{HostError, Result};
use crate::keys::IdempotencyKey;
use crate::world::Worlds;
use adjutant_model::{
    EventKind, Limits, Moment, Plugin, PluginRef, Plugins, Refusal, Rollout, Timestamp,
};
use adjutant_run::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a change waits until the workspaces that it concerns have it in their logs.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// A step of a plugin's rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a version active.
    Activate(String),
    /// Hold the active version; with a version, make that one active first.
    Pin(Option<String>),
    /// Let the active version change again.
    Unpin,
    /// Try a version on a share of the new runs, in percent.
    Canary(String, u8),
    /// Make the version active that is tried.
    Promote,
    /// Drop the version that is tried; where none is, make the version active that was before.
    RollBack,
    /// Let nothing start on a version any more.
    Drain(String),
}

/// How a step is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Why, for the history; may be empty.
    pub reason: String,
    /// Whether a version may be taken that agents' configurations do not fit.
    pub force: bool,
    /// Refuse unless the rollout is still as the caller saw it: its revision then. A step that has
    /// happened under its key already is never refused for that.
    pub unchanged_since: Option<u64>,
}

/// Whoever changes which version new runs take. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Operator {
    pub(crate) shelf: Arc<PluginShelf>,
    /// What holds components that were made ready.
    pub(crate) execute: Arc<dyn Execute>,
    pub(crate) messages: mpsc::Sender<Msg>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Arc<Limits>,
}

impl Operator {
    /// Takes a step; under a key, once.
    pub(crate) async fn step(
        &self,
        name: &str,
        step: Step,
        how: &How,
        key: Option<&IdempotencyKey>,
    ) -> Result<RolloutView> {
        {
            let _one_at_a_time = self.shelf.changing.lock().await;
            if let Some(key) = key
                && self.shelf.has_happened(key)?
            {
                return self.view(name).await;
            }
            let table = self.shelf.table();
            let before = known(&table, name)?;
            if let Some(seen) = how.unchanged_since.filter(|seen| *seen != before.revision) {
                return Err(HostError::Refused(Refusal::Conflict(format!(
                    "plugin {name} has changed since revision {seen}; look at it again"
                ))));
            }
            let at = Moment {
                now: self.clock.now(),
                reason: &how.reason,
                keep: self.limits.plugin_history,
            };
            let mut rollout = before.clone();
            take(&mut rollout, &table, step, at)?;
            if rollout != before {
                check_startable(&table, &before, &rollout)?;
                if !how.force {
                    self.check_fit(&table, &before, &rollout).await?;
                }
                self.put_once(&before, rollout, key).await?;
            } else if key.is_some() {
                // Asked again later, it would change something perhaps.
                self.shelf
                    .commit_once(Puts::new(), key, self.now(), &self.limits)
                    .await?;
            }
        }
        self.look_drained(name);
        self.view(name).await
    }

    /// Stores a rollout, lets new runs take what it says, and tells the workspaces. For whoever holds
    /// the lock.
    pub(super) async fn put(&self, before: &Rollout, rollout: Rollout) -> Result<()> {
        self.put_once(before, rollout, None).await
    }

    /// The same, with the key under which it was asked for.
    async fn put_once(
        &self,
        before: &Rollout,
        rollout: Rollout,
        key: Option<&IdempotencyKey>,
    ) -> Result<()> {
        self.shelf
            .commit_once(vec![kept_rollout(&rollout)], key, self.now(), &self.limits)
            .await?;
        self.shelf
            .change(|table| table.set_rollout(rollout.clone()));
        self.tell(before, &rollout).await;
        Ok(())
    }

    /// Tells the workspaces what has changed.
    pub(super) async fn tell(&self, before: &Rollout, now: &Rollout) {
        let new = (now.revision.saturating_sub(before.revision)) as usize;
        let turns = &now.history[now.history.len().saturating_sub(new)..];
        let news: Vec<EventKind> = turns.iter().map(|turn| turn.event(&now.name)).collect();
        for turn in turns {
            tracing::info!(
                plugin = %now.name, version = %turn.version, reason = %turn.reason, "{}", turn.change
            );
        }
        let (told, workspaces) = oneshot::channel();
        let message = Msg::PluginsChanged {
            plugin: now.name.clone(),
            news,
            told,
        };
        let all_told = async {
            // Where the loop has ended, the next start finds it in the store.
            if self.messages.send(message).await.is_err() {
                return;
            }
            for workspace in workspaces.await.unwrap_or_default() {
                // One whose log cannot be written has greater worries.
                let _ = workspace.await;
            }
        };
        // Without room on the disk they are told later.
        let _ = tokio::time::timeout(TOLD_WITHIN, all_told).await;
    }

    /// Asks how things stand in the loop.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Worlds) -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let gone = || HostError::Unavailable("the host has stopped".to_owned());
        let question = Msg::Query(Box::new(move |worlds| {
            // Whoever asked may have left.
            let _ = reply.send(question(worlds));
        }));
        self.messages.send(question).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The rollout of a plugin that is there.
pub(super) fn known(table: &Plugins, name: &str) -> Result<Rollout> {
    match table.rollout(name) {
        Some(rollout) => Ok(Rollout::clone(rollout)),
        // A name without any rollout has had its first version added without making it active.
        None if table.versions(name).next().is_some() => Ok(table.rollout_of(name)),
        None => Err(HostError::Refused(Refusal::NotFound(format!(
            "there is no plugin {:?}; `adjutant plugin list` (GET /v1/plugins) lists those there are",
            adjutant_model::text::cut(name, 200)
        )))),
    }
}

/// A version that is there, by its name or its digest.
fn version_of<'a>(table: &'a Plugins, name: &str, version: &str) -> Result<&'a Arc<Plugin>> {
    let wanted = PluginRef {
        name: name.to_owned(),
        version: Some(version.to_owned()),
    };
    table.get(&wanted).ok_or_else(|| {
        let versions: Vec<&str> = table
            .versions(name)
            .map(|one| one.version.as_str())
            .collect();
        HostError::Refused(Refusal::NotFound(format!(
            "there is no plugin {}; of that name there are {}",
            adjutant_model::text::cut(&wanted.to_string(), 200),
            versions.join(", ")
        )))
    })
}

/// Refuses a change after which new runs would take a version that nothing may start on.
pub(super) fn check_startable(
    table: &Plugins,
    before: &Rollout,
    after: &Rollout,
) -> std::result::Result<(), Refusal> {
    for version in newly_taken(before, after) {
        let mut versions = table.versions(&after.name);
        if let Some(plugin) = versions.find(|plugin| plugin.version == version) {
            table.check_startable(plugin)?;
        }
    }
    Ok(())
}

/// Versions that new runs take after a change and did not before.
pub(super) fn newly_taken<'a>(before: &Rollout, after: &'a Rollout) -> Vec<&'a str> {
    let mut taken = Vec::new();
    if after.active != before.active {
        taken.extend(after.active.as_deref());
    }
    let canary = after.canary.as_ref().map(|one| one.version.as_str());
    if canary != before.canary.as_ref().map(|one| one.version.as_str()) {
        taken.extend(canary);
    }
    taken
}

fn take(rollout: &mut Rollout, table: &Plugins, step: Step, at: Moment<'_>) -> Result<()> {
    let name = rollout.name.clone();
    match step {
        Step::Activate(version) => {
            let plugin = version_of(table, &name, &version)?;
            rollout.activate(&plugin.version, at)?;
        }
        Step::Pin(version) => {
            if let Some(version) = version {
                let plugin = version_of(table, &name, &version)?;
                rollout.activate(&plugin.version, at)?;
            }
            rollout.pin(at)?;
        }
        Step::Unpin => {
            rollout.unpin(at);
        }
        Step::Canary(version, percent) => {
            let plugin = version_of(table, &name, &version)?;
            rollout.try_out(&plugin.version, percent, at)?;
        }
        Step::Promote => {
            rollout.promote(at)?;
        }
        Step::RollBack if rollout.canary.is_some() => {
            rollout.stop_canary(at)?;
        }
        Step::RollBack => {
            rollout.roll_back(at)?;
        }
        Step::Drain(version) => {
            let plugin = version_of(table, &name, &version)?;
            rollout.drain(&plugin.version, at)?;
        }
    }
    Ok(())
}
