//! Runs: their journal and their log.

use super::{FromIndex, NoQuery};
use crate::app::App;
use crate::dto::{JournalRecord, LogLine, Page, Run};
use crate::extract::{MAX_LIMIT, Params, Segment, limit};
use crate::headers::prefers_second;
use crate::names::Names;
use crate::openapi::ReadErrors;
use crate::problem::Result;
use adjutant_model::{RunId, WorkspaceId};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

/// Get a run
#[utoipa::path(
    get,
    path = "/v1/runs/{id}",
    operation_id = "get_run",
    tag = "runs",
    params(("id" = uuid::Uuid, Path, description = "Its id")),
    responses((status = 200, description = "The run", body = Run), ReadErrors)
)]
pub(crate) async fn get(
    State(app): State<App>,
    run: Segment,
    _: Params<NoQuery>,
) -> Result<Json<Run>> {
    let (workspace, run) = app.host.find_run(run.id("run")?).await?;
    let names = Names::load(&app.host, workspace, Run::agents(&run)).await?;
    Ok(Json(Run::new(&run, &names)))
}

/// Read a run's journal: what it asked the host, and what it was answered
///
/// `from` counts stored records. A call that waits has two: its beginning and its answer.
#[utoipa::path(
    get,
    path = "/v1/runs/{id}/journal",
    operation_id = "run_journal",
    tag = "runs",
    params(("id" = uuid::Uuid, Path, description = "The run's id"), FromIndex),
    responses((status = 200, description = "A page", body = Page<JournalRecord>), ReadErrors)
)]
pub(crate) async fn journal(
    State(app): State<App>,
    run: Segment,
    Params(query): Params<FromIndex>,
) -> Result<Json<Page<JournalRecord>>> {
    let id = run.id("run")?;
    let limit = limit(query.limit)?;
    let (workspace, _) = app.host.find_run(id).await?;
    let from = query.from.unwrap_or(0);
    let page = app.host.journal(workspace, id, from, limit).await?;
    Ok(Json(Page {
        items: page.items.iter().map(JournalRecord::from).collect(),
        next: page.next,
    }))
}

/// Read what a run printed
///
/// As `text/plain` it is everything from `from` on, without a limit.
#[utoipa::path(
    get,
    path = "/v1/runs/{id}/log",
    operation_id = "run_log",
    tag = "runs",
    params(("id" = uuid::Uuid, Path, description = "The run's id"), FromIndex),
    responses(
        (status = 200, description = "A page, or all as text", content(
            (Page<LogLine> = "application/json"),
            (String = "text/plain")
        )),
        ReadErrors
    )
)]
pub(crate) async fn log(
    State(app): State<App>,
    run: Segment,
    Params(query): Params<FromIndex>,
    headers: HeaderMap,
) -> Result<Response> {
    let id = run.id("run")?;
    let limit = limit(query.limit)?;
    let (workspace, _) = app.host.find_run(id).await?;
    let from = query.from.unwrap_or(0);
    if prefers_second(&headers, "application/json", "text/plain") {
        return Ok(whole_log(&app, workspace, id, from).await?.into_response());
    }
    let page = app.host.log(workspace, id, from, limit).await?;
    Ok(Json(Page {
        items: page.items.iter().map(LogLine::from).collect::<Vec<_>>(),
        next: page.next,
    })
    .into_response())
}

/// The text of a log; the host keeps only so much of one.
async fn whole_log(app: &App, workspace: WorkspaceId, run: RunId, from: u64) -> Result<String> {
    let mut text = String::new();
    let mut next = from;
    loop {
        let page = app.host.log(workspace, run, next, MAX_LIMIT).await?;
        for line in &page.items {
            text.push_str(&line.text);
        }
        match page.items.last() {
            Some(last) if page.next.is_some() => next = last.index + 1,
            _ => return Ok(text),
        }
    }
}
