//! Whether agents fit the version that they would take: what it is for, and their configurations.
//!
//! Invariant: schemas come from components, and a hostile one may compute for long. They are never
//! checked on the event loop, and nobody waits for them without an end.

use super::steps::{Operator, newly_taken};
use crate::choosing::{DEFAULT_SELECTOR, selector_of};
use crate::host::{Host, HostError, Result};
use crate::world::Worlds;
use adjutant_model::{
    AgentSpec, Described, Plugin, PluginRef, Plugins, Refusal, Rollout, TeamSpec, Violation, World,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// How long checking may take.
const WITHIN: Duration = Duration::from_secs(10);
/// Violations that a refusal shows.
const SHOWN: usize = 50;
/// Checks at a time, over all hosts of the process: one that never ends keeps its thread.
static CHECKS: Semaphore = Semaphore::const_new(4);

/// An agent that follows a plugin's active version.
struct Follower {
    /// Its workspace and name.
    shown: String,
    /// Its configuration, which its selector gets too.
    config: Value,
    /// Whether it is its selector, and not what it runs.
    selector: bool,
}

/// A version that agents would take and do not fit.
pub(super) struct Misfit {
    pub(super) version: String,
    wrong: Vec<Wrong>,
}

/// What is wrong with somebody's configuration, or with what it is for.
struct Wrong {
    /// Whose it is: its place in a path.
    who: String,
    violation: Violation,
}

impl Misfit {
    /// The agents, in order.
    pub(super) fn agents(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = self.wrong.iter().map(|wrong| wrong.who.as_str()).collect();
        names.into_iter()
    }
}

impl Operator {
    /// Refuses a change of a rollout after which new runs of agents would take a version that they do
    /// not fit.
    pub(super) async fn check_fit(
        &self,
        table: &Plugins,
        before: &Rollout,
        after: &Rollout,
    ) -> Result<()> {
        let Some(misfit) = self.misfits(table, before, after).await?.into_iter().next() else {
            return Ok(());
        };
        let head = format!(
            "agents do not fit {}@{}; mend their configurations, pin them to a version that they fit, or \
             force it: then their tickets fail until they do",
            after.name, misfit.version
        );
        let wrong = misfit.wrong.into_iter().map(|wrong| wrong.violation);
        let all = std::iter::once(Violation::new("", head)).chain(wrong);
        let all = all.take(SHOWN + 1).collect();
        Err(HostError::Refused(Refusal::Invalid(all)))
    }

    /// The versions that agents would take after a change and do not fit.
    pub(super) async fn misfits(
        &self,
        table: &Plugins,
        before: &Rollout,
        after: &Rollout,
    ) -> Result<Vec<Misfit>> {
        let mut misfits = Vec::new();
        for version in newly_taken(before, after) {
            let mut versions = table.versions(&after.name);
            let Some(plugin) = versions.find(|plugin| plugin.version == version) else {
                continue;
            };
            let name = after.name.clone();
            let followers = self.query(move |worlds| followers(worlds, &name)).await?;
            let is_selector = plugin.world == World::Selector;
            let (fit, unfit): (Vec<Follower>, Vec<Follower>) = followers
                .into_iter()
                .partition(|follower| follower.selector == is_selector);
            let mut wrong: Vec<Wrong> = unfit.iter().map(|one| other_world(one, plugin)).collect();
            let schema = table.described(&plugin.digest).cloned();
            if let Some(schema) = schema.filter(|described| described.config.is_some()) {
                let configs = fit.into_iter().map(|one| (one.shown, one.config));
                wrong.extend(check(schema, configs.collect()).await?);
            }
            if !wrong.is_empty() {
                let version = version.to_owned();
                misfits.push(Misfit { version, wrong });
            }
        }
        Ok(misfits)
    }
}

/// What is wrong with an agent that a plugin of another world is for.
fn other_world(follower: &Follower, plugin: &Plugin) -> Wrong {
    let needs = match follower.selector {
        true => "a selector",
        false => "a strategy",
    };
    let (version, world) = (&plugin.version, plugin.world.as_str());
    let message = format!("it needs {needs}, and {version} is a {world}");
    Wrong {
        who: follower.shown.clone(),
        violation: Violation::new(format!("/agents/{}/plugin", follower.shown), message),
    }
}

impl Host {
    /// Refuses a team with agents whose configurations do not fit their plugins. A boss's configuration is
    /// its selector's too, and fits both.
    pub(crate) async fn check_configs(&self, team: &TeamSpec) -> Result<()> {
        let table = self.inner.shelf.table();
        let none = Value::Object(serde_json::Map::new());
        let mut wrong = Vec::new();
        for (n, agent) in team.agents.iter().enumerate() {
            let config = agent.config.as_ref().unwrap_or(&none);
            // What is no object is refused with all else that is wrong.
            if !config.is_object() {
                continue;
            }
            for wanted in plugins_of(&table, agent) {
                let schema = table
                    .get(&wanted)
                    .and_then(|plugin| table.described(&plugin.digest))
                    .filter(|described| described.config.is_some());
                if let Some(schema) = schema {
                    let configs = vec![(n.to_string(), config.clone())];
                    let found = check(schema.clone(), configs).await?;
                    wrong.extend(found.into_iter().map(|wrong| wrong.violation));
                }
            }
            if wrong.len() >= SHOWN {
                break;
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(HostError::Refused(Refusal::Invalid(wrong)))
        }
    }
}

/// The plugins that are to get an agent's configuration: what it runs, and what chooses for it.
fn plugins_of(table: &Plugins, agent: &AgentSpec) -> Vec<PluginRef> {
    let strategy = PluginRef::parse(&agent.plugin);
    let delegates = table
        .get(&strategy)
        .is_some_and(|plugin| plugin.world == World::Boss);
    let selector = match &agent.selector {
        Some(named) => Some(named.as_str()),
        None => delegates.then_some(DEFAULT_SELECTOR),
    };
    let selector = selector.map(PluginRef::parse);
    std::iter::once(strategy).chain(selector).collect()
}

/// Agents that take a plugin at whatever version is active.
fn followers(worlds: &Worlds, name: &str) -> Vec<Follower> {
    let follows = |wanted: &PluginRef| wanted.name == name && wanted.version.is_none();
    let mut all = Vec::new();
    for world in worlds.values() {
        for agent in world.state.agents() {
            let shown = || format!("{}/{}", world.state.workspace.name, agent.name);
            if follows(&agent.plugin) {
                all.push(Follower {
                    shown: shown(),
                    config: agent.config.clone(),
                    selector: false,
                });
            }
            // Who names no selector has one as soon as somebody is below it.
            let chooses = agent.selector.is_some() || !world.state.team(agent.id).is_empty();
            if chooses && follows(&selector_of(agent)) {
                all.push(Follower {
                    shown: shown(),
                    config: agent.config.clone(),
                    selector: true,
                });
            }
        }
    }
    all.sort_by(|one, other| one.shown.cmp(&other.shown));
    all
}

/// What is wrong with configurations, each of somebody.
async fn check(schema: Arc<Described>, configs: Vec<(String, Value)>) -> Result<Vec<Wrong>> {
    let plugin = schema.manifest.name.clone();
    let work = move || {
        let mut wrong = Vec::new();
        for (who, config) in configs {
            for found in schema.violations(&config) {
                let path = format!("/agents/{who}/config{}", found.path);
                wrong.push(Wrong {
                    who: who.clone(),
                    violation: Violation::new(path, found.message),
                });
                if wrong.len() >= SHOWN {
                    return wrong;
                }
            }
        }
        wrong
    };
    aside(&plugin, work).await.map_err(HostError::Refused)
}

/// What is wrong with the configuration that a run was given. A schema may be slow to check; that is a
/// part of the run's own task, and its workspace's time.
pub(crate) fn check_given(described: &Described, config: &str) -> std::result::Result<(), String> {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let checked = described
        .config
        .as_ref()
        .map(|schema| schema.check(&config));
    let wrong = checked.unwrap_or_default();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(does_not_fit(described, &wrong))
}

/// A boss's configuration as its selector gets it: with the defaults of that version. None where it says
/// nothing of configurations. Like [`check_given`], this is for the task of whoever asks the selector.
pub(crate) fn complete(
    described: &Described,
    config: &Value,
) -> std::result::Result<Option<Value>, String> {
    let Some(schema) = &described.config else {
        return Ok(None);
    };
    match schema.complete(config) {
        Ok(complete) => Ok(Some(complete)),
        Err(wrong) => Err(does_not_fit(described, &wrong)),
    }
}

fn does_not_fit(described: &Described, wrong: &[Violation]) -> String {
    let list: Vec<String> = wrong.iter().take(5).map(ToString::to_string).collect();
    format!(
        "its configuration does not fit plugin {}: {}",
        described.manifest.name,
        list.join("; ")
    )
}

/// Does something that may take long on a thread that nobody waits for.
async fn aside<T: Send + 'static>(
    plugin: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::result::Result<T, Refusal> {
    // Where there is but one thread, a simulation counts on it.
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    let slow = || {
        Refusal::Limit(format!(
            "checking a configuration against the schema of plugin {plugin} takes more than {} s",
            WITHIN.as_secs()
        ))
    };
    let checked = tokio::time::timeout(WITHIN, async {
        let turn = CHECKS.acquire().await;
        // Its place is free again when it has ended, and not when nobody waits for it any more.
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
    });
    checked
        .await
        .map_err(|_| slow())?
        .map_err(|error| Refusal::Limit(format!("the configuration could not be checked: {error}")))
}
