//! Events: as a stream, or by the page.

use crate::app::App;
use crate::dto::{Event, Page};
use crate::extract::{Params, id, limit};
use crate::feed::{Feed, HostLog, Scope, holds, newest};
use crate::headers::prefers_second;
use crate::openapi::ReadErrors;
use crate::problem::{Problem, Result};
use adjutant_dispatch::TicketNode;
use adjutant_model::{TicketId, WorkspaceId};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response, Sse, sse, sse::KeepAlive};
use futures::{StreamExt, stream};
use serde::Deserialize;
use utoipa::IntoParams;

/// The header with which a client reconnects.
const LAST_EVENT_ID: &str = "last-event-id";

/// The query of the log.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The workspace, by id or name; `default` where none is given, or the ticket's.
    workspace: Option<String>,
    /// Only what is about this ticket or one below it.
    #[param(value_type = Option<uuid::Uuid>)]
    ticket: Option<String>,
    /// The sequence number to begin after.
    after: Option<u64>,
    /// For a page: events of it, 1 to 200; 50 where none is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Follow the log of a workspace, or read a page of it
///
/// The stream has each event once and in order: `id` is its sequence number, `event` its type, `data`
/// the event as JSON. It begins after `Last-Event-ID`, else after `after`, else with what happens from
/// now on, and then its first frame has an `id` only: where that is. With `Accept: application/json` the answer is a page instead, from the log's beginning
/// unless `after` says otherwise; its `next` is the next `after`.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "follow_events",
    tag = "events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "The last sequence number seen")
    ),
    responses(
        (status = 200, description = "The stream, or a page", content(
            (String = "text/event-stream"),
            (Page<Event> = "application/json")
        )),
        ReadErrors
    )
)]
pub(crate) async fn follow(
    State(app): State<App>,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let limit = limit(query.limit)?;
    let last_seen = last_event_id(&headers)?;
    let ticket: Option<TicketId> = query
        .ticket
        .as_deref()
        .map(|text| id("ticket", text))
        .transpose()?;
    let workspace = workspace(&app, query.workspace.as_deref(), ticket).await?;
    if prefers_second(&headers, "text/event-stream", "application/json") {
        let after = query.after.or(last_seen).unwrap_or(0);
        let mut scope = scope(&app, workspace, ticket).await?;
        let read = app.host.events(workspace, after, limit).await?;
        let next = (read.len() >= limit)
            .then(|| read.last().map(|(seq, _)| seq.to_string()))
            .flatten();
        let items: Vec<Event> = read
            .iter()
            .filter(|(_, event)| scope.takes(&event.kind))
            .map(|(seq, event)| Event::new(*seq, event))
            .collect();
        return Ok(Json(Page { items, next }).into_response());
    }
    let permit = app.open_stream()?;
    let told = last_seen.or(query.after);
    let log = HostLog {
        host: app.host.clone(),
        workspace,
    };
    let grows = app.host.watch(workspace);
    let seq = match told {
        None => newest(&log).await?,
        Some(seq) if holds(&log, seq).await? => seq,
        Some(seq) => {
            return Err(Problem::malformed(format!(
                "The stream cannot begin after event {seq}, for there is none of that number yet; \
                 begin without a number, or with one that this host has given"
            )));
        }
    };
    // After the position is fixed, so that no ticket can be made between the two and be missed.
    let scope = scope(&app, workspace, ticket).await?;
    let feed = Feed {
        log,
        grows,
        scope,
        seq,
        closing: app.closing.clone(),
        _permit: permit,
    };
    // One that begins now is told where that is, so that it can come back there before anything happens.
    let begins = told
        .is_none()
        .then(|| Ok(sse::Event::default().id(seq.to_string())));
    Ok(Sse::new(stream::iter(begins).chain(feed.stream()))
        .keep_alive(KeepAlive::default())
        .into_response())
}

async fn workspace(
    app: &App,
    named: Option<&str>,
    ticket: Option<TicketId>,
) -> Result<WorkspaceId> {
    let Some(ticket) = ticket else {
        return app.workspace(named).await;
    };
    let (its_own, _) = app.host.find_ticket(ticket).await?;
    if named.is_some() && app.workspace(named).await? != its_own {
        return Err(Problem::not_found(format!(
            "There is no ticket {ticket} in that workspace; leave the workspace out, or name the \
             ticket's own"
        )));
    }
    Ok(its_own)
}

async fn scope(app: &App, workspace: WorkspaceId, ticket: Option<TicketId>) -> Result<Scope> {
    let Some(ticket) = ticket else {
        return Ok(Scope::all());
    };
    let tree = app.host.tree(workspace, ticket).await?;
    let mut ids = Vec::new();
    let mut rest: Vec<&TicketNode> = vec![&tree];
    while let Some(node) = rest.pop() {
        ids.push(node.ticket.value.id);
        rest.extend(&node.children);
    }
    Scope::tree(ids)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    match value.to_str().map(str::trim) {
        // A client that has seen nothing yet may say so.
        Ok("") => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|_| wrong_number()),
        Err(_) => Err(wrong_number()),
    }
}

fn wrong_number() -> Problem {
    Problem::malformed(
        "The header Last-Event-ID is no sequence number; give the id of the last event seen",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reconnects_with_the_last_number() {
        let with = |text: &str| {
            last_event_id(&HeaderMap::from_iter([(
                LAST_EVENT_ID.parse().expect("a name"),
                text.parse().expect("a value"),
            )]))
        };
        assert_eq!(last_event_id(&HeaderMap::new()), Ok(None));
        assert_eq!(with(""), Ok(None));
        assert_eq!(with("42"), Ok(Some(42)));
        assert!(with("-1").is_err());
        assert!(with("x").is_err());
    }
}
