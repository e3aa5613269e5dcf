//! What is shown of plugins, and what the host offers about them.

use super::adding::{Added, NewPlugin};
use super::steps::{How, Operator, Step, known};
use super::whole;
use crate::host::{Host, HostError, Result};
use adjutant_model::{Manifest, Plugin, PluginRef, Plugins, Refusal, Rollout, Run, Tally};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A plugin's version, and how it stands.
#[derive(Clone, Debug)]
pub struct PluginView {
    /// The version.
    pub plugin: Plugin,
    /// How it stands.
    pub state: PluginState,
    /// Whether its name is pinned to it.
    pub pinned: bool,
    /// The version that its name is pinned to, where that is another one: this one does not become active
    /// until it is unpinned.
    pub pinned_to: Option<String>,
    /// Whether nothing starts on it, for it lacks a signature that counts and the host requires one.
    pub barred: bool,
    /// Why nothing starts on it, where what it says of itself cannot be used by this host: a sentence.
    pub unusable: Option<String>,
    /// What it says of itself, where it says anything.
    pub manifest: Option<Arc<Manifest>>,
}

/// How a plugin's version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// New runs take it.
    Active,
    /// This share of the new runs takes it, in percent.
    Canary(u8),
    /// Nothing starts on it any more, and runs are left.
    Draining,
    /// Nothing starts on it any more, and no runs are left.
    Drained,
    /// Only agents that name it take it.
    Idle,
}

/// A plugin's rollout, with how its versions stand.
#[derive(Clone, Debug)]
pub struct RolloutView {
    /// The rollout.
    pub rollout: Rollout,
    /// How its runs ended lately.
    pub tally: Tally,
    /// Its versions, in the order of their registration, each with its runs in flight.
    pub versions: Vec<(PluginView, usize)>,
    /// Runs in flight by digest, also on versions that were removed.
    pub runs: BTreeMap<String, usize>,
}

impl Host {
    /// All plugins, by name, and how they stand.
    pub fn plugin_views(&self) -> Vec<PluginView> {
        let table = self.inner.shelf.table();
        table.iter().map(|plugin| view(&table, plugin)).collect()
    }

    /// A plugin: by its name the active version, or by `name@version` or `name@sha256:…`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn plugin(&self, key: &str) -> Result<PluginView> {
        let table = self.inner.shelf.table();
        match table.get(&PluginRef::parse(key)) {
            Some(plugin) => Ok(view(&table, plugin)),
            None => Err(HostError::Refused(Refusal::NotFound(format!(
                "there is no plugin {:?}; `adjutant plugin list` (GET /v1/plugins) lists those there are",
                adjutant_model::text::cut(key, 200)
            )))),
        }
    }

    /// Registers a component: the one way in, wherever it comes from. It is compiled and verified first. Says
    /// whether it was there before.
    ///
    /// # Errors
    /// Nothing has changed then, but that a known version is whole again where it was damaged.
    pub async fn add_plugin(&self, new: NewPlugin) -> Result<Added> {
        self.has_room()?;
        self.operator().add(new).await
    }

    /// A plugin's rollout.
    ///
    /// # Errors
    /// Where there is no such plugin, or the host has stopped.
    pub async fn rollout(&self, name: &str) -> Result<RolloutView> {
        self.operator().view(name).await
    }

    /// Takes a step of a plugin's rollout, and gives back how it stands then. A step that changes
    /// nothing is none. Once asked for it is taken, also where the future is dropped.
    ///
    /// # Errors
    /// Says why it cannot be taken. Nothing has changed then.
    pub async fn step_plugin(&self, name: &str, step: Step, how: &How) -> Result<RolloutView> {
        self.has_room()?;
        let (operator, key) = (self.operator(), self.key().cloned());
        let (name, how) = (name.to_owned(), how.clone());
        whole(async move { operator.step(&name, step, &how, key.as_ref()).await }).await
    }

    /// Whether the step that is asked for under this handle's key has been taken already.
    ///
    /// # Errors
    /// Where the key was another request's.
    pub fn has_stepped(&self) -> Result<bool> {
        match self.key() {
            Some(key) => Ok(self.inner.shelf.has_happened(key)?),
            None => Ok(false),
        }
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator {
            shelf: self.inner.shelf.clone(),
            execute: self.inner.execute.clone(),
            messages: self.inner.messages.clone(),
            clock: self.inner.clock.clone(),
            limits: self.inner.limits.clone(),
        }
    }
}

impl Operator {
    pub(super) async fn view(&self, name: &str) -> Result<RolloutView> {
        let wanted = name.to_owned();
        known(&self.shelf.table(), name)?;
        let runs = self
            .query(move |worlds| {
                let mut runs: BTreeMap<String, usize> = BTreeMap::new();
                let live = worlds.values().flat_map(|world| world.state.live_runs());
                for run in live.filter(|run: &&Run| run.plugin.name == wanted) {
                    *runs.entry(run.plugin.digest.clone()).or_default() += 1;
                }
                runs
            })
            .await?;
        let table = self.shelf.table();
        let versions = table.versions(name).map(|plugin| {
            let count = runs.get(&plugin.digest).copied().unwrap_or_default();
            (view(&table, plugin), count)
        });
        Ok(RolloutView {
            rollout: known(&table, name)?,
            tally: self.shelf.tallies.of(name),
            versions: versions.collect(),
            runs,
        })
    }
}

fn view(table: &Plugins, plugin: &Plugin) -> PluginView {
    let rollout = table.rollout(&plugin.name);
    let active = rollout.and_then(|rollout| rollout.active.as_deref());
    let is_active = active == Some(plugin.version.as_str());
    let pinned = rollout.filter(|rollout| rollout.pinned.is_some());
    let described = table.described(&plugin.digest);
    PluginView {
        plugin: plugin.clone(),
        state: rollout.map_or(PluginState::Idle, |rollout| state(rollout, &plugin.version)),
        pinned: is_active && pinned.is_some(),
        pinned_to: pinned.and_then(|rollout| rollout.active.clone().filter(|_| !is_active)),
        barred: table.is_barred(plugin),
        unusable: table.unusable(&plugin.digest).map(ToOwned::to_owned),
        manifest: described.map(|described| described.manifest.clone()),
    }
}

fn state(rollout: &Rollout, version: &str) -> PluginState {
    if rollout.active.as_deref() == Some(version) {
        return PluginState::Active;
    }
    if let Some(canary) = rollout.canary.as_ref().filter(|one| one.version == version) {
        return PluginState::Canary(canary.percent);
    }
    let mut draining = rollout.draining.iter();
    match draining.find(|drain| drain.version == version) {
        Some(drain) if drain.drained_at.is_some() => PluginState::Drained,
        Some(_) => PluginState::Draining,
        None => PluginState::Idle,
    }
}
