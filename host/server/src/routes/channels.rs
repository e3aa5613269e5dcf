//! A ticket's channel: what is said in it.

use super::{FromIndex, NoQuery};
use crate::app::App;
use crate::dto::{Author, Message, NewMessage, Page};
use crate::extract::{JsonBody, Params, Segment, limit};
use crate::keyed::Keyed;
use crate::names::Names;
use crate::openapi::{ReadErrors, WriteErrors};
use crate::problem::Result;
use adjutant_model::MessageId;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// Who speaks where no name is given.
const PERSON: &str = "operator";

/// Read a ticket's channel, the oldest first
#[utoipa::path(
    get,
    path = "/v1/tickets/{id}/messages",
    operation_id = "list_messages",
    tag = "channels",
    params(("id" = uuid::Uuid, Path, description = "The ticket's id"), FromIndex),
    responses((status = 200, description = "A page", body = Page<Message>), ReadErrors)
)]
pub(crate) async fn list(
    State(app): State<App>,
    ticket: Segment,
    Params(query): Params<FromIndex>,
) -> Result<Json<Page<Message>>> {
    let id = ticket.id("ticket")?;
    let limit = limit(query.limit)?;
    let (workspace, _) = app.host.find_ticket(id).await?;
    let from = query.from.unwrap_or(0);
    let page = app.host.messages(workspace, id, from, limit).await?;
    let authors = page
        .items
        .iter()
        .filter_map(|view| Author::agent(&view.message.author));
    let names = Names::load(&app.host, workspace, authors).await?;
    Ok(Json(Page {
        items: page
            .items
            .iter()
            .map(|view| Message::new(&view.message, Some(view.index), &names))
            .collect(),
        next: page.next,
    }))
}

/// Say something in a ticket's channel, as a person
#[utoipa::path(
    post,
    path = "/v1/tickets/{id}/messages",
    operation_id = "post_message",
    tag = "channels",
    params(
        ("id" = uuid::Uuid, Path, description = "The ticket's id"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = NewMessage,
    responses((status = 201, description = "It is said", body = Message), WriteErrors)
)]
pub(crate) async fn post(
    Keyed(app): Keyed,
    ticket: Segment,
    _: Params<NoQuery>,
    JsonBody(new): JsonBody<NewMessage>,
) -> Result<(StatusCode, Json<Message>)> {
    let id = ticket.id("ticket")?;
    let (workspace, _) = app.host.find_ticket(id).await?;
    let author = new.author.unwrap_or_else(|| PERSON.to_owned());
    let reply_to = new.reply_to.map(MessageId);
    let message = app
        .host
        .post_message(workspace, id, author, new.text, reply_to)
        .await?;
    let shown = Message::new(&message, None, &Names::default());
    Ok((StatusCode::CREATED, Json(shown)))
}
