//! Taking a plugin's version away.
//!
//! Invariant: runs that have started stay on the component that they started with. Its bytes are kept,
//! so that they go on after a restart, and so that what they did can be replayed.

use crate::host::{Host, HostError, Result};
use adjutant_model::{Agent, Lot, Moment, PluginRef, Plugins, Refusal, State};

/// Agents that an error names.
const NAMED: usize = 10;

impl Host {
    /// Takes a plugin's version away: nothing starts with it any more, and its name is free again.
    ///
    /// # Errors
    /// One that comes with the host stays. One that is the plugin or the selector of agents with
    /// tickets that are not over stays too, unless `force` says that those may fail.
    pub async fn remove_plugin(&self, name: &str, version: &str, force: bool) -> Result<()> {
        if self.has_stepped()? {
            return Ok(());
        }
        let wanted = PluginRef {
            name: name.to_owned(),
            version: Some(version.to_owned()),
        };
        let table = self.inner.shelf.table();
        let refuse = |refusal| Err(HostError::Refused(refusal));
        let Some(plugin) = table.get(&wanted) else {
            return refuse(Refusal::NotFound(format!("there is no plugin {wanted}")));
        };
        if plugin.builtin {
            return refuse(Refusal::Conflict(format!(
                "plugin {wanted} comes with the host and cannot be removed"
            )));
        }
        if !force {
            let mut left = Plugins::clone(&table);
            left.remove(name, version, self.moment());
            let users = self
                .query(move |worlds| {
                    let states = worlds.values().map(|world| &world.state);
                    let users = states.flat_map(|state| users(state, &table, &left));
                    users.take(NAMED).collect::<Vec<_>>()
                })
                .await?;
            if !users.is_empty() {
                return refuse(Refusal::Conflict(format!(
                    "plugin {wanted} is needed by agents with tickets that are not over ({}); give \
                     them another, or remove it by force: then those that have not started fail, or \
                     wait where the name has other versions",
                    users.join(", ")
                )));
            }
        }
        self.operator().remove(name, version, self.key()).await
    }

    fn moment(&self) -> Moment<'static> {
        Moment {
            now: self.inner.clock.now(),
            reason: "",
            keep: self.inner.limits.plugin_history,
        }
    }
}

/// Names of a workspace's agents with tickets that are not over, which a table serves and what is left
/// of it does not.
fn users(state: &State, table: &Plugins, left: &Plugins) -> Vec<String> {
    let serves = |plugins: &Plugins, wanted: &PluginRef, selector: bool| {
        plugins.take(wanted, Lot::ACTIVE, selector).is_ok()
    };
    let lost = |wanted: &PluginRef, selector: bool| {
        serves(table, wanted, selector) && !serves(left, wanted, selector)
    };
    let needs = |agent: &&Agent| {
        let selector = agent.selector.as_ref();
        (lost(&agent.plugin, false) || selector.is_some_and(|one| lost(one, true))) && {
            let member = state.member(agent);
            member.queued > 0 || !member.current.is_empty()
        }
    };
    let mut names: Vec<String> = state
        .agents()
        .filter(needs)
        .map(|agent| format!("{}/{}", state.workspace.name, agent.name))
        .collect();
    names.sort_unstable();
    names
}
