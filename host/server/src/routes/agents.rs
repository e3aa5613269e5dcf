//! Agents and teams.

use super::InWorkspace;
use crate::app::App;
use crate::dto::{Agent, AgentNode, Page};
use crate::extract::{Params, Segment};
use crate::openapi::ReadErrors;
use crate::problem::Result;
use axum::Json;
use axum::extract::State;

/// List a workspace's agents
#[utoipa::path(
    get,
    path = "/v1/agents",
    operation_id = "list_agents",
    tag = "agents",
    params(InWorkspace),
    responses((status = 200, description = "All of them", body = Page<Agent>), ReadErrors)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Params(query): Params<InWorkspace>,
) -> Result<Json<Page<Agent>>> {
    let workspace = app.workspace(query.workspace.as_deref()).await?;
    let views = app.host.agents(workspace).await?;
    Ok(Json(Page {
        items: views.iter().map(Agent::new).collect(),
        next: None,
    }))
}

/// Show a workspace's teams as trees, bosses first, with what everyone is doing
#[utoipa::path(
    get,
    path = "/v1/agents/tree",
    operation_id = "agent_tree",
    tag = "agents",
    params(InWorkspace),
    responses((status = 200, description = "The trees", body = Page<AgentNode>), ReadErrors)
)]
pub(crate) async fn tree(
    State(app): State<App>,
    Params(query): Params<InWorkspace>,
) -> Result<Json<Page<AgentNode>>> {
    let workspace = app.workspace(query.workspace.as_deref()).await?;
    let views = app.host.agents(workspace).await?;
    Ok(Json(Page {
        items: AgentNode::trees(&views),
        next: None,
    }))
}

/// Get an agent
#[utoipa::path(
    get,
    path = "/v1/agents/{key}",
    operation_id = "get_agent",
    tag = "agents",
    params(
        ("key" = String, Path, description = "Its id, or its name in the workspace"),
        InWorkspace
    ),
    responses((status = 200, description = "The agent", body = Agent), ReadErrors)
)]
pub(crate) async fn get(
    State(app): State<App>,
    key: Segment,
    Params(query): Params<InWorkspace>,
) -> Result<Json<Agent>> {
    // An id is enough by itself; a name means the workspace's agent.
    let view = match query.workspace.as_deref() {
        None if key.id::<adjutant_model::AgentId>("agent").is_ok() => {
            app.host.find_agent(&key.0).await?.1
        }
        named => {
            let workspace = app.workspace(named).await?;
            app.host.agent(workspace, &key.0).await?
        }
    };
    Ok(Json(Agent::new(&view)))
}
