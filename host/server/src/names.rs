//! What an answer says beyond what is stored of a ticket, a run or a message: the names of agents, which those
//! know by id only, and why a ticket does not start yet.

use crate::dto::{self, AgentRef};
use crate::problem::Result;
use adjutant_dispatch::Host;
use adjutant_model::{AgentId, Status, Ticket, TicketId, WorkspaceId};
use std::collections::HashMap;

/// Names by id, and why tickets wait in queues.
#[derive(Debug, Default)]
pub(crate) struct Names {
    agents: HashMap<AgentId, String>,
    held: HashMap<TicketId, String>,
}

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
        Ok(Names {
            agents: host.agent_names(workspace).await?,
            ..Names::default()
        })
    }

    /// The same for tickets, with why those that are open do not start.
    pub(crate) async fn of_tickets(
        host: &Host,
        workspace: WorkspaceId,
        tickets: &[&Ticket],
    ) -> Result<Names> {
        let mut agents: Vec<AgentId> = Vec::new();
        let mut open: Vec<TicketId> = Vec::new();
        for ticket in tickets {
            agents.extend(dto::Ticket::agents(ticket));
            if ticket.status == Status::Open && ticket.assignee.is_some() {
                open.push(ticket.id);
            }
        }
        let names = Names::load(host, workspace, agents).await?;
        let held = match open.is_empty() {
            true => HashMap::new(),
            false => host.held(workspace, open).await?,
        };
        Ok(Names { held, ..names })
    }

    /// Why a ticket that waits in its agent's queue does not start.
    pub(crate) fn held(&self, ticket: TicketId) -> Option<String> {
        self.held.get(&ticket).cloned()
    }

    /// An agent by id and name; its id stands for a name that is not known.
    pub(crate) fn agent(&self, id: AgentId) -> AgentRef {
        AgentRef {
            id: id.0,
            name: self
                .agents
                .get(&id)
                .cloned()
                .unwrap_or_else(|| id.to_string()),
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
        let agents = numbers.iter();
        let agents =
            agents.map(|number| (AgentId(Uuid::from_u128(*number)), format!("agent-{number}")));
        Names {
            agents: agents.collect(),
            ..Names::default()
        }
    }

    #[test]
    fn an_unknown_agent_is_shown_by_its_id() {
        let id = AgentId(Uuid::from_u128(7));
        assert_eq!(names(&[7]).agent(id).name, "agent-7");
        assert_eq!(names(&[]).agent(id).name, id.to_string());
    }
}
