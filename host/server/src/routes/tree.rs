//! What hangs on a ticket: the tickets below it, and its runs.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Page, Run, TicketNode};
use crate::extract::{Params, Segment};
use crate::names::Names;
use crate::openapi::ReadErrors;
use crate::problem::Result;
use axum::Json;
use axum::extract::State;

/// Get a ticket with all below it
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}/tree",
    operation_id = "ticket_tree",
    tag = "tickets",
    params(("id" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "The tree", body = TicketNode), ReadErrors)
)]
pub(crate) async fn tree(
    State(app): State<App>,
    ticket: Segment,
    _: Params<NoQuery>,
) -> Result<Json<TicketNode>> {
    let id = ticket.id("ticket")?;
    let (workspace, _) = app.host.find_ticket(id).await?;
    let node = app.host.tree(workspace, id).await?;
    let tickets = TicketNode::tickets(&node);
    let names = Names::of_tickets(&app.host, workspace, &tickets).await?;
    Ok(Json(TicketNode::new(&node, &names)))
}

/// List a ticket's runs, the oldest first
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}/runs",
    operation_id = "list_ticket_runs",
    tag = "runs",
    params(("id" = uuid::Uuid, Path, description = "The ticket's id")),
    responses((status = 200, description = "All of them", body = Page<Run>), ReadErrors)
)]
pub(crate) async fn runs(
    State(app): State<App>,
    ticket: Segment,
    _: Params<NoQuery>,
) -> Result<Json<Page<Run>>> {
    let id = ticket.id("ticket")?;
    let (workspace, _) = app.host.find_ticket(id).await?;
    let runs = app.host.runs(workspace, id).await?;
    let names = Names::load(&app.host, workspace, runs.iter().flat_map(Run::agents)).await?;
    Ok(Json(Page {
        items: runs.iter().map(|run| Run::new(run, &names)).collect(),
        next: None,
    }))
}
