//! Workspaces, and saving teams.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Applied, AppliedAgent, ApplyTeam, Page, Workspace};
use crate::extract::{JsonBody, Params, Segment};
use crate::openapi::{PlainErrors, ReadErrors, WriteErrors};
use crate::problem::Result;
use axum::Json;
use axum::extract::State;

/// List all workspaces, by name
#[utoipa::path(
    get,
    path = "/v1/workspaces",
    operation_id = "list_workspaces",
    tag = "workspaces",
    responses((status = 200, description = "All of them", body = Page<Workspace>), PlainErrors)
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Params<NoQuery>,
) -> Result<Json<Page<Workspace>>> {
    let workspaces = app.host.workspaces().await?;
    Ok(Json(Page {
        items: workspaces.iter().map(Workspace::from).collect(),
        next: None,
    }))
}

/// Get a workspace
#[utoipa::path(
    get,
    path = "/v1/workspaces/{key}",
    operation_id = "get_workspace",
    tag = "workspaces",
    params(("key" = String, Path, description = "Its id or name")),
    responses((status = 200, description = "The workspace", body = Workspace), ReadErrors)
)]
pub(crate) async fn get(
    State(app): State<App>,
    key: Segment,
    _: Params<NoQuery>,
) -> Result<Json<Workspace>> {
    Ok(Json((&app.host.workspace(&key.0).await?).into()))
}

/// Save a workspace and its agents, all or nothing
#[utoipa::path(
    post,
    path = "/v1/apply",
    operation_id = "apply_team",
    tag = "workspaces",
    request_body = ApplyTeam,
    responses((status = 200, description = "What was saved", body = Applied), WriteErrors)
)]
pub(crate) async fn apply(
    State(app): State<App>,
    _: Params<NoQuery>,
    JsonBody(team): JsonBody<ApplyTeam>,
) -> Result<Json<Applied>> {
    let (workspace, agents) = app.host.apply(team.into()).await?;
    Ok(Json(Applied {
        workspace: (&workspace).into(),
        agents: agents
            .into_iter()
            .map(|(name, id)| AppliedAgent { id: id.0, name })
            .collect(),
    }))
}
