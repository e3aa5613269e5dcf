//! Names of the agents that an answer is about: tickets, runs and messages know them by id only.

use crate::dto::AgentRef;
use crate::problem::Result;
use adjutant_dispatch::Host;
use adjutant_model::{AgentId, WorkspaceId};
use std::collections::HashMap;

/// Names by id.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<AgentId, String>);

impl Names {
    /// Asks the host for a workspace's names, where any of these are wanted.
    pub(crate) async fn load(
        host: &Host,
        workspace: WorkspaceId,
        wanted: impl IntoIterator<Item = AgentId>,
    ) -> Result<Names> {
        if wanted.into_iter().next().is_none() {
            return Ok(Names::default());
        }
        Ok(Names(host.agent_names(workspace).await?))
    }

    /// An agent by id and name; its id stands for a name that is not known.
    pub(crate) fn agent(&self, id: AgentId) -> AgentRef {
        AgentRef {
            id: id.0,
            name: self.0.get(&id).cloned().unwrap_or_else(|| id.to_string()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use adjutant_model::{Agent, AgentLimits, Grants, PluginRef};
    use uuid::Uuid;

    /// An agent for tests, named after its number.
    pub(crate) fn agent(number: u128, boss: Option<u128>) -> Agent {
        Agent {
            id: AgentId(Uuid::from_u128(number)),
            workspace: WorkspaceId(Uuid::from_u128(500)),
            name: format!("agent-{number}"),
            class: String::new(),
            description: String::new(),
            skills: vec!["rust".into()],
            plugin: PluginRef::parse("command@1.0.0"),
            selector: None,
            config: serde_json::json!({}),
            boss: boss.map(|boss| AgentId(Uuid::from_u128(boss))),
            limits: AgentLimits::default(),
            grants: Grants::default(),
            created_at: 0,
        }
    }

    /// The names of such agents.
    pub(crate) fn names(numbers: &[u128]) -> Names {
        Names(
            numbers
                .iter()
                .map(|number| (AgentId(Uuid::from_u128(*number)), format!("agent-{number}")))
                .collect(),
        )
    }

    #[test]
    fn an_unknown_agent_is_shown_by_its_id() {
        let id = AgentId(Uuid::from_u128(7));
        assert_eq!(names(&[7]).agent(id).name, "agent-7");
        assert_eq!(names(&[]).agent(id).name, id.to_string());
    }
}
