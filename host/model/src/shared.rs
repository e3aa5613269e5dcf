//! What many runs have in common, kept once.
//!
//! A run is pinned to its plugin and to what its agent was when the run was made. Ten thousand runs of
//! one agent would otherwise hold ten thousand copies of both.

use crate::{AgentId, Given, Plugin, Run};
use std::collections::HashMap;
use std::sync::Arc;

/// The plugin and the task's parts that each agent's newest run was given. A further run with equal
/// ones refers to these.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    by_agent: HashMap<AgentId, (Arc<Plugin>, Arc<Given>)>,
}

impl Shared {
    /// Lets a run refer to what an earlier run of its agent has, where that is equal.
    pub(crate) fn share(&mut self, run: &mut Run) {
        let (plugin, given) = self
            .by_agent
            .entry(run.agent)
            .or_insert_with(|| (run.plugin.clone(), run.given.clone()));
        if *plugin == run.plugin {
            run.plugin = plugin.clone();
        } else {
            *plugin = run.plugin.clone();
        }
        if *given == run.given {
            run.given = given.clone();
        } else {
            *given = run.given.clone();
        }
    }
}

impl PartialEq for Shared {
    /// How values are kept is no part of what they are.
    fn eq(&self, _: &Shared) -> bool {
        true
    }
}
