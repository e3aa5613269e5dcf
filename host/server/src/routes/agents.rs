//! Agents and teams.

use super::InWorkspace;
use crate::app::App;
use crate::dto::{Agent, AgentNode, Page, Picks};
use crate::extract::{Params, Segment};
use crate::openapi::{ReadErrors, WriteErrors};
use crate::problem::{Problem, Result};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

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

/// Bytes that a task in a query may have.
const MAX_TASK: usize = 16_000;

/// The query of a dry run of choosing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChooseQuery {
    /// The workspace, by id or name; `default` where none is given.
    workspace: Option<String>,
    /// The task, in a line.
    // Missing, it is as good as empty: whether there is such a boss is said first.
    #[serde(default)]
    #[param(required = true)]
    title: String,
    /// The task, in full.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    description: String,
    /// What the person who starts it all asks for; the task where none is given.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    request: String,
}

/// Whom a boss would pick for a task, and why
///
/// Runs the boss's selector on its team as it is now. Nothing changes.
#[utoipa::path(
    get,
    path = "/v1/agents/{key}/choose",
    operation_id = "choose_agent",
    tag = "agents",
    params(
        ("key" = String, Path, description = "The boss's id, or its name in the workspace"),
        ChooseQuery
    ),
    responses((status = 200, description = "The choices", body = Picks), WriteErrors)
)]
pub(crate) async fn choose(
    State(app): State<App>,
    key: Segment,
    Params(query): Params<ChooseQuery>,
) -> Result<Json<Picks>> {
    let texts = [&query.title, &query.description, &query.request];
    if let Some(text) = texts.into_iter().find(|text| text.len() > MAX_TASK) {
        return Err(Problem::malformed(format!(
            "A text of the query has {} bytes; it may have {MAX_TASK}",
            text.len()
        )));
    }
    let workspace = match query.workspace.as_deref() {
        None if key.id::<adjutant_model::AgentId>("agent").is_ok() => {
            app.host.find_agent(&key.0).await?.0
        }
        named => app.workspace(named).await?,
    };
    if query.title.trim().is_empty() {
        return Err(Problem::invalid("/title", "a task has a title"));
    }
    let (title, description) = (&query.title, &query.description);
    let picks = app
        .host
        .choose(workspace, &key.0, title, description, &query.request)
        .await?;
    Ok(Json(Picks::from(&picks)))
}
