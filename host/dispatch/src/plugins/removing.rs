//! Taking a plugin's version away.
//!
//! Invariants:
//! - Runs that have started stay on the component that they started with: see `freeing`.
//! - What a version named it names for ever: its name and version come back with the same component only.
//! - A pin holds: what an agent or an operator has pinned goes by force only, or not at all.
//! - Unless by force, the active version goes only where another one takes its place, or nobody is left
//!   without.

use super::steps::{Operator, check_startable};
use super::{NAMED, kept_rollout, whole};
use crate::choosing::selector_of;
use crate::host::{Host, HostError, Result};
use crate::keys::IdempotencyKey;
use crate::world::Worlds;
use adjutant_model::{
    Agent, Lot, Moment, Plugin, PluginRef, Plugins, Refusal, Removed, Rollout, State,
};
use adjutant_store::records;
use std::sync::Arc;

impl Host {
    /// Takes a plugin's version away: nothing starts with it any more. Once asked for it happens, also where
    /// the future is dropped. The component goes from the disk when nothing needs it any more.
    ///
    /// # Errors
    /// One that comes with the host stays, and one that its name is pinned to. Unless `force` says that
    /// their tickets may wait or fail, so does one that agents are pinned to; that is the plugin or the
    /// selector of agents with tickets that are not over; the active one where none would be active then,
    /// and there are others or agents that use it; and one in whose place agents would take a version that
    /// they do not fit.
    pub async fn remove_plugin(&self, name: &str, version: &str, force: bool) -> Result<()> {
        self.has_room()?;
        let (operator, key) = (self.operator(), self.key().cloned());
        let wanted = PluginRef {
            name: name.to_owned(),
            version: Some(version.to_owned()),
        };
        whole(async move { operator.remove(&wanted, force, key.as_ref()).await }).await
    }
}

impl Operator {
    async fn remove(
        &self,
        wanted: &PluginRef,
        force: bool,
        key: Option<&IdempotencyKey>,
    ) -> Result<()> {
        let _one_at_a_time = self.shelf.changing.lock().await;
        if let Some(key) = key
            && self.shelf.has_happened(key)?
        {
            return Ok(());
        }
        let table = self.shelf.table();
        let plugin = removable(&table, wanted)?;
        let before = table.rollout_of(&plugin.name);
        let at = Moment {
            now: self.now(),
            reason: "",
            keep: self.limits.plugin_history,
        };
        let mut left = Plugins::clone(&table);
        left.remove(&plugin.name, &plugin.version, at);
        if !force {
            self.check_unneeded(&table, &left, &plugin).await?;
            self.check_successor(&left, &before, &plugin).await?;
            if let Some(after) = left.rollout(&plugin.name) {
                check_startable(&left, &before, after)?;
                self.check_fit(&left, &before, after).await?;
            }
        }
        let removed = Removed {
            digest: plugin.digest.clone(),
            at: at.now,
        };
        left.note_removed(&plugin.name, &plugin.version, removed);
        let forgotten = left.removed_beyond(self.limits.removed_plugins);
        for (name, version) in &forgotten {
            left.forget_removed(name, version);
        }
        self.store_removal(&plugin, &left, &forgotten, key, at)
            .await?;
        self.tell(&before, &after(&before, &left, &plugin, at))
            .await;
        self.free_later();
        Ok(())
    }

    /// Stores a removal, then lets it be so. For whoever holds the lock.
    async fn store_removal(
        &self,
        plugin: &Plugin,
        left: &Plugins,
        forgotten: &[(String, String)],
        key: Option<&IdempotencyKey>,
        at: Moment<'_>,
    ) -> Result<()> {
        let (name, version) = (&plugin.name, &plugin.version);
        let mut puts = vec![(records::plugin_key(name, version), None)];
        match left.rollout(name) {
            Some(rollout) => puts.push(kept_rollout(rollout)),
            None => {
                puts.push((records::rollout_key(name), None));
                puts.push((records::tally_key(name), None));
            }
        }
        let noted = left.removed(name, version);
        puts.extend(noted.map(|removed| {
            let key = records::removed_key(name, version);
            (key, Some(records::encode(removed)))
        }));
        for (name, version) in forgotten {
            // It may be the one that is removed, where none is to be remembered.
            puts.push((records::removed_key(name, version), None));
        }
        self.shelf
            .commit_once(puts, key, at.now, &self.limits)
            .await?;
        // What components say of themselves may have become known meanwhile.
        self.shelf.change(|table| {
            table.remove(name, version, at);
            if let Some(removed) = noted {
                table.note_removed(name, version, removed.clone());
            }
            for (name, version) in forgotten {
                table.forget_removed(name, version);
            }
        });
        if left.rollout(name).is_none() {
            self.shelf.tallies.forget(name);
        }
        Ok(())
    }

    /// Refuses to take away what agents are pinned to, or need for tickets that are not over.
    async fn check_unneeded(
        &self,
        table: &Arc<Plugins>,
        left: &Plugins,
        plugin: &Plugin,
    ) -> Result<()> {
        let (all, rest) = (table.clone(), left.clone());
        let (pinned, users) = self
            .query(move |worlds| {
                let pinned = named(worlds, |_, agent| is_pinned(agent, &all, &rest));
                let users = named(worlds, |state, agent| needs(state, agent, &all, &rest));
                (pinned, users)
            })
            .await?;
        let shown = format!("{}@{}", plugin.name, plugin.version);
        let conflict = |why| Err(HostError::Refused(Refusal::Conflict(why)));
        if !pinned.is_empty() {
            return conflict(format!(
                "agents are pinned to plugin {shown} ({}); give them another version, or remove it by \
                 force: then their tickets fail",
                pinned.join(", ")
            ));
        }
        if !users.is_empty() {
            return conflict(format!(
                "plugin {shown} is needed by agents with tickets that are not over ({}); give them \
                 another, or remove it by force: then those that have not started fail, or wait where \
                 the name has other versions",
                users.join(", ")
            ));
        }
        Ok(())
    }

    /// Refuses to take away the active version where none would be active then, and there are others, or
    /// agents that use it.
    async fn check_successor(
        &self,
        left: &Plugins,
        before: &Rollout,
        plugin: &Plugin,
    ) -> Result<()> {
        let name = plugin.name.clone();
        let has_active = |rollout: &Arc<Rollout>| rollout.active.is_some();
        if before.active.as_ref() != Some(&plugin.version)
            || left.rollout(&name).is_some_and(has_active)
        {
            return Ok(());
        }
        let followers = self.query(move |worlds| Followers::of(worlds, &name));
        let followers = followers.await?;
        let users = followers.names.join(", ");
        let (name, version) = (&plugin.name, &plugin.version);
        let others = left.versions(name).map(|other| other.version.as_str());
        let others: Vec<&str> = others.collect();
        let why = match (others.as_slice(), users.as_str()) {
            ([], "") => return Ok(()),
            ([], users) => format!(
                "plugin {name}@{version} is the only version of {name}, and agents use it ({users}); give \
                 them another plugin, or remove it by force: then {}",
                followers.left_with("fail")
            ),
            (others, users) => {
                let used = match users {
                    "" => String::new(),
                    users => format!(" for the agents that use it ({users})"),
                };
                format!(
                    "plugin {name}@{version} is active, and there is none to go back to, so no version of \
                     {name} would be{used}; make another one active first, `adjutant plugin activate \
                     {name}@VERSION` (there are {}), or remove it by force: then {}",
                    others.join(", "),
                    followers.left_with("wait")
                )
            }
        };
        Err(HostError::Refused(Refusal::Conflict(why)))
    }
}

/// The version that is to go.
fn removable(table: &Plugins, wanted: &PluginRef) -> Result<Arc<Plugin>> {
    let refuse = |refusal| Err(HostError::Refused(refusal));
    let Some(plugin) = table.get(wanted) else {
        return refuse(Refusal::NotFound(format!("there is no plugin {wanted}")));
    };
    if plugin.builtin {
        return refuse(Refusal::Conflict(format!(
            "plugin {wanted} comes with the host and cannot be removed"
        )));
    }
    let rollout = table.rollout(&plugin.name);
    let held = rollout.filter(|rollout| rollout.pinned.is_some());
    if held.is_some_and(|rollout| rollout.active.as_deref() == Some(plugin.version.as_str())) {
        return refuse(Refusal::Conflict(format!(
            "plugin {} is pinned to {}; unpin it first",
            plugin.name, plugin.version
        )));
    }
    Ok(plugin.clone())
}

/// The rollout as it is told of: of a name that is gone, its end.
fn after(before: &Rollout, left: &Plugins, plugin: &Plugin, at: Moment<'_>) -> Rollout {
    match left.rollout(&plugin.name) {
        Some(rollout) => Rollout::clone(rollout),
        None => {
            let mut gone = before.clone();
            gone.removed(&plugin.version, at);
            gone
        }
    }
}

/// Names of agents, as many as an error names.
fn named(worlds: &Worlds, is_one: impl Fn(&State, &Agent) -> bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for world in worlds.values() {
        let state = &world.state;
        let agents = state.agents().filter(|agent| is_one(state, agent));
        names.extend(agents.map(|agent| format!("{}/{}", state.workspace.name, agent.name)));
    }
    names.sort_unstable();
    names.truncate(NAMED);
    names
}

/// Agents that take a plugin, or have it choose, at whatever version is active.
struct Followers {
    /// As many of them as an error names.
    names: Vec<String>,
    /// Whether any takes it.
    take: bool,
    /// Whether any has it choose.
    choose: bool,
}

impl Followers {
    fn of(worlds: &Worlds, name: &str) -> Followers {
        let is_it = |wanted: &PluginRef| wanted.name == name && wanted.version.is_none();
        let takes = |agent: &Agent| is_it(&agent.plugin);
        let has_choose =
            |state: &State, agent: &Agent| chooses(state, agent) && is_it(&selector_of(agent));
        let any = |is_one: &dyn Fn(&State, &Agent) -> bool| {
            let mut states = worlds.values().map(|world| &world.state);
            states.any(|state| state.agents().any(|agent| is_one(state, agent)))
        };
        Followers {
            names: named(worlds, |state, agent| {
                takes(agent) || has_choose(state, agent)
            }),
            take: any(&|_, agent| takes(agent)),
            choose: any(&has_choose),
        }
    }

    /// What becomes of them without an active version. `tickets` says what new tickets do then.
    fn left_with(&self, tickets: &str) -> String {
        let tickets = format!("new tickets of the agents whose plugin it is {tickets}");
        let choices = "the choices that it is to make fail";
        match (self.take, self.choose) {
            (true, true) => format!("{tickets}, and {choices}"),
            (true, false) => tickets,
            (false, true) => choices.to_owned(),
            (false, false) => "none is active".to_owned(),
        }
    }
}

/// Whether an agent has a selector: who names none has one as soon as somebody is below it.
fn chooses(state: &State, agent: &Agent) -> bool {
    agent.selector.is_some() || !state.team(agent.id).is_empty()
}

/// Whether an agent names a version, or a digest, that is in a table and not in what is left of it.
fn is_pinned(agent: &Agent, table: &Plugins, left: &Plugins) -> bool {
    let lost = |wanted: &PluginRef| {
        wanted.version.is_some() && table.get(wanted).is_some() && left.get(wanted).is_none()
    };
    lost(&agent.plugin) || agent.selector.as_ref().is_some_and(lost)
}

/// Whether an agent has tickets that are not over, which a table serves and what is left of it does not.
fn needs(state: &State, agent: &Agent, table: &Plugins, left: &Plugins) -> bool {
    let serves = |plugins: &Plugins, wanted: &PluginRef, selector: bool| {
        plugins.take(wanted, Lot::ACTIVE, selector).is_ok()
    };
    let lost = |wanted: &PluginRef, selector: bool| {
        serves(table, wanted, selector) && !serves(left, wanted, selector)
    };
    let is_lost =
        lost(&agent.plugin, false) || chooses(state, agent) && lost(&selector_of(agent), true);
    if !is_lost {
        return false;
    }
    let member = state.member(agent);
    member.queued > 0 || !member.current.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_without_a_version_is_said_of_tickets_and_of_choices() {
        let left = |take, choose| {
            let names = Vec::new();
            Followers {
                names,
                take,
                choose,
            }
            .left_with("wait")
        };
        let (tickets, choices) = ("tickets of the agents whose plugin it is wait", "choices");
        let both = left(true, true);
        assert!(both.contains(tickets) && both.contains(choices), "{both}");
        assert!(left(true, false).ends_with(tickets));
        // Nothing waits for a selector.
        assert_eq!(left(false, true), "the choices that it is to make fail");
        assert_eq!(left(false, false), "none is active");
    }
}
