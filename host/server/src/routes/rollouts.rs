//! Which version of a plugin new runs take, and the steps that change it.
//!
//! A step that changes nothing is answered like any other, so that one may be repeated; for `rollback` and
//! `promote`, which mean something else each time, there is `If-Match`.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Rollout, RolloutStep};
use crate::extract::{MaybeJson, Params, Segment};
use crate::headers;
use crate::openapi::{ReadErrors, WriteErrors};
use crate::problem::{Kind, Problem, Result};
use adjutant_dispatch::{How, RolloutView, Step};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};

/// A canary's share unless told otherwise, in percent.
const SHARE: u8 = 10;

/// Show which version of a plugin new runs take, and how it came to that
#[utoipa::path(
    get,
    path = "/v1/plugins/{name}/rollout",
    operation_id = "get_rollout",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    responses(
        (status = 200, description = "The rollout", body = Rollout, headers(("ETag" = String))),
        ReadErrors
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
) -> Result<Response> {
    Ok(show(&app.host.rollout(&name.0).await?))
}

/// Make a version the one that new runs take
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/activate",
    operation_id = "activate_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = RolloutStep,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn activate(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    let step = Step::Activate(needed(&body)?);
    take(&app, &name, step, &headers, body).await
}

/// Hold the active version, whatever is registered
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/pin",
    operation_id = "pin_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn pin(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    let step = Step::Pin(body.version.clone());
    take(&app, &name, step, &headers, body).await
}

/// Let the active version change again
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/unpin",
    operation_id = "unpin_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn unpin(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    take(&app, &name, Step::Unpin, &headers, body).await
}

/// Try a version on a share of the new runs; how they end decides whether it becomes active
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/canary",
    operation_id = "start_canary",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = RolloutStep,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn canary(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    let step = Step::Canary(needed(&body)?, body.percent.unwrap_or(SHARE));
    take(&app, &name, step, &headers, body).await
}

/// Make the version active that is tried, without waiting for its runs
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/promote",
    operation_id = "promote_canary",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn promote(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    take(&app, &name, Step::Promote, &headers, body).await
}

/// Drop the version that is tried; where none is, make the version active that was before
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/rollback",
    operation_id = "roll_back_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn rollback(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    take(&app, &name, Step::RollBack, &headers, body).await
}

/// Let nothing start on a version any more; its runs come to their end
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/drain",
    operation_id = "drain_plugin",
    tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name")),
    request_body = RolloutStep,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn drain(
    State(app): State<App>,
    name: Segment,
    _: Params<NoQuery>,
    headers: HeaderMap,
    MaybeJson(body): MaybeJson<RolloutStep>,
) -> Result<Response> {
    let step = Step::Drain(needed(&body)?);
    take(&app, &name, step, &headers, body).await
}

fn needed(body: &RolloutStep) -> Result<String> {
    body.version
        .clone()
        .ok_or_else(|| Problem::invalid("/version", "say which version is meant"))
}

async fn take(
    app: &App,
    name: &Segment,
    step: Step,
    headers: &HeaderMap,
    body: RolloutStep,
) -> Result<Response> {
    if body.percent.is_some() && !matches!(step, Step::Canary(..)) {
        return Err(Problem::invalid("/percent", "only a canary has a share"));
    }
    let seen = app.host.rollout(&name.0).await?.rollout.revision;
    // It is held against the revision once more when the step is taken.
    let insists = headers::if_match(headers, seen)?;
    let how = How {
        reason: body.reason,
        force: body.force,
        unchanged_since: insists.then_some(seen),
    };
    match app.host.step_plugin(&name.0, step, &how).await {
        Ok(view) => Ok(show(&view)),
        Err(error) => {
            let problem = Problem::from(error);
            if insists && problem.kind == Kind::Conflict {
                // Was it the revision, or something else that does not fit?
                let now = app.host.rollout(&name.0).await?.rollout.revision;
                if now != seen {
                    return Err(headers::changed(now));
                }
            }
            Err(problem)
        }
    }
}

fn show(view: &RolloutView) -> Response {
    let tag = headers::etag(view.rollout.revision);
    ([(ETAG, tag)], Json(Rollout::from(view))).into_response()
}
