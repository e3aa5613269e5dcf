//! Tickets: making them, reading them, moving them.

use super::{InWorkspace, NoQuery};
use crate::app::App;
use crate::dto::{Assign, Cancel, Collaborator, NewTicket, Page, SetStatus, Status, Ticket};
use crate::extract::{JsonBody, MaybeJson, Params, Segment, id, limit, short, word};
use crate::headers;
use crate::keyed::Keyed;
use crate::names::Names;
use crate::openapi::{ChangeErrors, ReadErrors, WriteErrors};
use crate::problem::{Kind, Problem, Result};
use adjutant_dispatch::{TicketFilter, Versioned};
use adjutant_model::{self as model, TicketId, WorkspaceId};
use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

/// Make a ticket, and dispatch it where it has an assignee
#[utoipa::path(
    post,
    path = "/v1/tickets",
    operation_id = "create_ticket",
    tag = "tickets",
    params(
        InWorkspace,
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = NewTicket,
    responses(
        (status = 201, description = "It is on disk", body = Ticket,
            headers(("ETag" = String), ("Location" = String))),
        WriteErrors
    )
)]
pub(crate) async fn create(
    Keyed(app): Keyed,
    Params(query): Params<InWorkspace>,
    JsonBody(new): JsonBody<NewTicket>,
) -> Result<Response> {
    let workspace = app.workspace(query.workspace.as_deref()).await?;
    let ticket = app.host.create_ticket(workspace, new.into()).await?;
    let location = format!("/v1/tickets/{}", ticket.id);
    let mut response = show_again(&app, workspace, ticket.id).await?;
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(
        LOCATION,
        location
            .parse()
            .expect("a path with an id is a header's text"),
    );
    Ok(response)
}

/// The query of a list of tickets.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The workspace, by id or name; `default` where none is given.
    workspace: Option<String>,
    /// Only those that stand so.
    #[param(value_type = Option<Status>)]
    status: Option<String>,
    /// Only an agent's, by id or name.
    assignee: Option<String>,
    /// Only a ticket's direct children.
    #[param(value_type = Option<uuid::Uuid>)]
    parent: Option<String>,
    /// Only those without a parent.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    roots: bool,
    /// Only those whose title or description contains this, whatever the case.
    text: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 where none is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// List tickets, the newest first
///
/// All filters that are given must hold. A page may be short of the limit though there is a next one.
#[utoipa::path(
    get,
    path = "/v1/tickets",
    operation_id = "list_tickets",
    tag = "tickets",
    params(ListQuery),
    responses((status = 200, description = "A page", body = Page<Ticket>), ReadErrors)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<Ticket>>> {
    let limit = limit(query.limit)?;
    let status: Option<Status> = word("status", query.status.as_deref())?;
    let parent = query.parent.map(|text| id("ticket", &text)).transpose()?;
    let text = short("text", query.text)?;
    let after = short("after", query.after)?;
    let workspace = app.workspace(query.workspace.as_deref()).await?;
    let assignee = match short("assignee", query.assignee)? {
        None => None,
        Some(key) => Some(app.host.agent(workspace, &key).await?.agent.id),
    };
    let filter = TicketFilter {
        status: status.map(model::Status::from),
        assignee,
        parent,
        roots: query.roots,
        text,
    };
    let page = app.host.tickets(workspace, filter, after, limit).await?;
    let tickets: Vec<&model::Ticket> = page.items.iter().map(|found| &found.value).collect();
    let names = Names::of_tickets(&app.host, workspace, &tickets).await?;
    Ok(Json(Page {
        items: page
            .items
            .iter()
            .map(|found| Ticket::new(found, &names))
            .collect(),
        next: page.next,
    }))
}

/// Get a ticket
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}",
    operation_id = "get_ticket",
    tag = "tickets",
    params(
        ("id" = uuid::Uuid, Path, description = "Its id"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that is at hand")
    ),
    responses(
        (status = 200, description = "The ticket", body = Ticket, headers(("ETag" = String))),
        (status = 304, description = "It is the one that is at hand"),
        ReadErrors
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    ticket: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let (workspace, found) = app.host.find_ticket(ticket.id("ticket")?).await?;
    if headers::if_none_match(&headers, found.version)? {
        let tag = [(ETAG, headers::etag(found.version))];
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    show(&app, workspace, &found).await
}

/// Give a ticket to an agent, and dispatch it
#[utoipa::path(
    post,
    path = "/v1/tickets/{id}/assign",
    operation_id = "assign_ticket",
    tag = "tickets",
    params(
        ("id" = uuid::Uuid, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that it must still have"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = Assign,
    responses(
        (status = 200, description = "The ticket", body = Ticket, headers(("ETag" = String))),
        ChangeErrors
    )
)]
pub(crate) async fn assign(
    Keyed(app): Keyed,
    ticket: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Assign>,
) -> Result<Response> {
    let id = ticket.id("ticket")?;
    let (workspace, found) = app.host.find_ticket(id).await?;
    // What the version says now is held against the ticket once more when the host decides.
    let insists =
        !app.host.has_happened(workspace).await? && headers::if_match(&headers, found.version)?;
    let seen = insists.then_some(found.value.updated_at);
    let assigned = app
        .host
        .assign_ticket(workspace, id, body.agent, body.reason, seen)
        .await;
    if let Err(error) = assigned {
        let problem = Problem::from(error);
        if insists && problem.kind == Kind::Conflict {
            // Was it the version, or something else that does not fit?
            let now = app.host.ticket(workspace, id).await?.version;
            if now != found.version {
                return Err(headers::changed(now));
            }
        }
        return Err(problem);
    }
    show_again(&app, workspace, id).await
}

/// Move a ticket along the graph of statuses, or anywhere by force
#[utoipa::path(
    post,
    path = "/v1/tickets/{id}/status",
    operation_id = "set_ticket_status",
    tag = "tickets",
    params(
        ("id" = uuid::Uuid, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that it must still have"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = SetStatus,
    responses(
        (status = 200, description = "The ticket", body = Ticket, headers(("ETag" = String))),
        ChangeErrors
    )
)]
pub(crate) async fn set_status(
    Keyed(app): Keyed,
    ticket: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SetStatus>,
) -> Result<Response> {
    let (workspace, id) = precondition(&app, &ticket, &headers).await?;
    app.host
        .set_status(workspace, id, body.status.into(), body.force)
        .await?;
    show_again(&app, workspace, id).await
}

/// Cancel a ticket and all below it
#[utoipa::path(
    post,
    path = "/v1/tickets/{id}/cancel",
    operation_id = "cancel_ticket",
    tag = "tickets",
    params(
        ("id" = uuid::Uuid, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that it must still have"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = Option<Cancel>,
    responses(
        (status = 200, description = "The ticket", body = Ticket, headers(("ETag" = String))),
        ChangeErrors
    )
)]
pub(crate) async fn cancel(
    Keyed(app): Keyed,
    ticket: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<Cancel>,
) -> Result<Response> {
    let (workspace, id) = precondition(&app, &ticket, &headers).await?;
    app.host.cancel_ticket(workspace, id, body.reason).await?;
    show_again(&app, workspace, id).await
}

/// Let an agent into a ticket's channel
#[utoipa::path(
    post,
    path = "/v1/tickets/{id}/collaborators",
    operation_id = "add_ticket_collaborator",
    tag = "tickets",
    params(
        ("id" = uuid::Uuid, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that it must still have"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = Collaborator,
    responses(
        (status = 200, description = "The ticket", body = Ticket, headers(("ETag" = String))),
        ChangeErrors
    )
)]
pub(crate) async fn add_collaborator(
    Keyed(app): Keyed,
    ticket: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Collaborator>,
) -> Result<Response> {
    let (workspace, id) = precondition(&app, &ticket, &headers).await?;
    app.host.add_collaborator(workspace, id, body.agent).await?;
    show_again(&app, workspace, id).await
}

/// Finds a ticket and holds its version against `If-Match`.
async fn precondition(
    app: &App,
    ticket: &Segment,
    headers: &HeaderMap,
) -> Result<(WorkspaceId, TicketId)> {
    let id = ticket.id("ticket")?;
    let (workspace, found) = app.host.find_ticket(id).await?;
    // The version has changed by the very same request.
    if !app.host.has_happened(workspace).await? {
        headers::if_match(headers, found.version)?;
    }
    Ok((workspace, id))
}

/// Shows a ticket that has just changed, with its new version.
async fn show_again(app: &App, workspace: WorkspaceId, id: TicketId) -> Result<Response> {
    let found = app.host.ticket(workspace, id).await?;
    show(app, workspace, &found).await
}

async fn show(
    app: &App,
    workspace: WorkspaceId,
    found: &Versioned<model::Ticket>,
) -> Result<Response> {
    let names = Names::of_tickets(&app.host, workspace, &[&found.value]).await?;
    let shown = Ticket::new(found, &names);
    Ok(([(ETAG, headers::etag(found.version))], Json(shown)).into_response())
}
