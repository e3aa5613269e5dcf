//! Runs: their journal and their log, their recordings, and going on where one broke.

use super::{FromIndex, NoQuery};
use crate::app::App;
use crate::dto::{ExactRecord, JournalRecord, LogLine, Page, Recording, Resume, Run, RunStatus};
use crate::extract::{MAX_LIMIT, MaybeJson, Params, Segment, limit, short, word};
use crate::headers::prefers_second;
use crate::keyed::Keyed;
use crate::names::Names;
use crate::openapi::{ReadErrors, WriteErrors};
use crate::problem::Result;
use adjutant_model::{Record, RunId, WorkspaceId};
use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

/// The query of a list of runs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The workspace, by id or name; `default` where none is given.
    workspace: Option<String>,
    /// Only those that stand so.
    #[param(value_type = Option<RunStatus>)]
    status: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 where none is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// List a workspace's runs, the newest first
///
/// A page may be short of the limit though there is a next one.
#[utoipa::path(
    get,
    path = "/v1/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(ListQuery),
    responses((status = 200, description = "A page", body = Page<Run>), ReadErrors)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<Run>>> {
    let limit = limit(query.limit)?;
    let status: Option<RunStatus> = word("status", query.status.as_deref())?;
    let after = short("after", query.after)?;
    let workspace = app.workspace(query.workspace.as_deref()).await?;
    let status = status.map(adjutant_model::RunStatus::from);
    let page = app.host.list_runs(workspace, status, after, limit).await?;
    let names = Names::load(
        &app.host,
        workspace,
        page.items.iter().flat_map(Run::agents),
    )
    .await?;
    Ok(Json(Page {
        items: page.items.iter().map(|run| Run::new(run, &names)).collect(),
        next: page.next,
    }))
}

/// Go on where a run broke: a new run of the same ticket, which begins with the old one's journal
///
/// The run trapped, hit a limit or diverged, it is the last of its ticket, and the ticket has failed
/// for it. Nothing that is in the journal is done again. Tickets that it had delegated were cancelled
/// when it broke and stay so.
#[utoipa::path(
    post,
    path = "/v1/runs/{id}/resume",
    operation_id = "resume_run",
    tag = "runs",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the run that broke"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Asked again under the same key, it happens once")
    ),
    request_body = Option<Resume>,
    responses(
        (status = 201, description = "The run that goes on", body = Run,
            headers(("Location" = String))),
        WriteErrors
    )
)]
pub(crate) async fn resume(
    Keyed(app): Keyed,
    run: Segment,
    _: Params<NoQuery>,
    MaybeJson(body): MaybeJson<Resume>,
) -> Result<Response> {
    let plugin = short("plugin", body.plugin)?;
    let run = app.host.resume_run(run.id("run")?, plugin).await?;
    let (workspace, _) = app.host.find_run(run.id).await?;
    let names = Names::load(&app.host, workspace, Run::agents(&run)).await?;
    let location = format!("/v1/runs/{}", run.id);
    let shown = Json(Run::new(&run, &names));
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown).into_response())
}

/// Get all that a run's strategy was given, to replay it elsewhere
#[utoipa::path(
    get,
    path = "/v1/runs/{id}/recording",
    operation_id = "run_recording",
    tag = "runs",
    params(("id" = uuid::Uuid, Path, description = "The run's id")),
    responses((status = 200, description = "The recording", body = Recording), ReadErrors)
)]
pub(crate) async fn recording(
    State(app): State<App>,
    run: Segment,
    _: Params<NoQuery>,
) -> Result<Json<Recording>> {
    let recording = app.host.recording(run.id("run")?).await?;
    Ok(Json(Recording::from(&recording)))
}

/// Read a run's journal exactly as the host keeps it, to replay it elsewhere
///
/// `from` counts stored records, each of which may hold several of these.
#[utoipa::path(
    get,
    path = "/v1/runs/{id}/recording/journal",
    operation_id = "run_recorded_journal",
    tag = "runs",
    params(("id" = uuid::Uuid, Path, description = "The run's id"), FromIndex),
    responses((status = 200, description = "A page", body = Page<ExactRecord>), ReadErrors)
)]
pub(crate) async fn recorded_journal(
    State(app): State<App>,
    run: Segment,
    Params(query): Params<FromIndex>,
) -> Result<Json<Page<ExactRecord>>> {
    journal_page(&app, &run, &query).await
}

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
    journal_page(&app, &run, &query).await
}

/// A page of a run's journal, its records shown as `T`.
async fn journal_page<T: for<'a> From<&'a Record>>(
    app: &App,
    run: &Segment,
    query: &FromIndex,
) -> Result<Json<Page<T>>> {
    let id = run.id("run")?;
    let limit = limit(query.limit)?;
    let (workspace, _) = app.host.find_run(id).await?;
    let from = query.from.unwrap_or(0);
    let page = app.host.journal(workspace, id, from, limit).await?;
    Ok(Json(Page {
        items: page.items.iter().map(T::from).collect(),
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
