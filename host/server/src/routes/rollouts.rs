//! Which version of a plugin new runs take, and the steps that change it.
//!
//! A step that changes nothing is answered like any other, so that one may be repeated; for `rollback` and
//! `promote`, which mean something else each time, there are `Idempotency-Key` and `If-Match`.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Rollout, RolloutStep};
use crate::extract::{MaybeJson, Params, Segment};
use crate::headers;
use crate::keyed::Keyed;
use crate::openapi::{ReadErrors, WriteErrors};
use crate::problem::{Kind, Problem, Result};
use adjutant_dispatch::{How, RolloutView, Step};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

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
    params(Name, Key),
    request_body = RolloutStep,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn activate(asked: Asked) -> Result<Response> {
    let step = Step::Activate(asked.version()?);
    asked.take(step).await
}

/// Hold the active version, whatever is registered
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/pin",
    operation_id = "pin_plugin",
    tag = "plugins",
    params(Name, Key),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn pin(asked: Asked) -> Result<Response> {
    let step = Step::Pin(asked.body.version.clone());
    asked.take(step).await
}

/// Let the active version change again
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/unpin",
    operation_id = "unpin_plugin",
    tag = "plugins",
    params(Name, Key),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn unpin(asked: Asked) -> Result<Response> {
    asked.take(Step::Unpin).await
}

/// Try a version on a share of the new runs; how they end decides whether it becomes active
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/canary",
    operation_id = "start_canary",
    tag = "plugins",
    params(Name, Key),
    request_body = RolloutStep,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn canary(asked: Asked) -> Result<Response> {
    let step = Step::Canary(asked.version()?, asked.body.percent.unwrap_or(SHARE));
    asked.take(step).await
}

/// Make the version active that is tried, without waiting for its runs
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/promote",
    operation_id = "promote_canary",
    tag = "plugins",
    params(Name, Key),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn promote(asked: Asked) -> Result<Response> {
    asked.take(Step::Promote).await
}

/// Drop the version that is tried; where none is, make the version active that was before
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/rollback",
    operation_id = "roll_back_plugin",
    tag = "plugins",
    params(Name, Key),
    request_body = Option<RolloutStep>,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn rollback(asked: Asked) -> Result<Response> {
    asked.take(Step::RollBack).await
}

/// Let nothing start on a version any more; its runs come to their end
#[utoipa::path(
    post,
    path = "/v1/plugins/{name}/drain",
    operation_id = "drain_plugin",
    tag = "plugins",
    params(Name, Key),
    request_body = RolloutStep,
    responses((status = 200, description = "The rollout", body = Rollout), WriteErrors)
)]
pub(crate) async fn drain(asked: Asked) -> Result<Response> {
    let step = Step::Drain(asked.version()?);
    asked.take(step).await
}

/// A step as it is asked for.
pub(crate) struct Asked {
    app: App,
    name: Segment,
    headers: HeaderMap,
    body: RolloutStep,
}

/// The plugin's name
#[derive(IntoParams)]
#[into_params(names("name"), parameter_in = Path)]
#[allow(dead_code, reason = "it describes what `Asked` reads")]
struct Name(String);

/// Asked again under the same key, it happens once
#[derive(IntoParams)]
#[into_params(names("Idempotency-Key"), parameter_in = Header)]
#[allow(dead_code, reason = "it describes what `Asked` reads")]
struct Key(Option<String>);

impl FromRequest<App> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let Keyed(keyed) = Keyed::from_request_parts(&mut parts, app).await?;
        let name = Segment::from_request_parts(&mut parts, app).await?;
        let _ = Params::<NoQuery>::from_request_parts(&mut parts, app).await?;
        let headers = parts.headers.clone();
        let request = Request::from_parts(parts, body);
        let MaybeJson(body) = MaybeJson::from_request(request, app).await?;
        Ok(Asked {
            app: keyed,
            name,
            headers,
            body,
        })
    }
}

impl Asked {
    /// The version that is meant, where a step needs one.
    fn version(&self) -> Result<String> {
        let version = self.body.version.clone();
        version.ok_or_else(|| Problem::invalid("/version", "say which version is meant"))
    }

    async fn take(self, step: Step) -> Result<Response> {
        let Asked {
            app, name, body, ..
        } = self;
        if body.percent.is_some() && !matches!(step, Step::Canary(..)) {
            return Err(Problem::invalid("/percent", "only a canary has a share"));
        }
        let seen = app.host.rollout(&name.0).await?.rollout.revision;
        // It is held against the revision once more when the step is taken. One that was taken under its
        // key has changed the revision itself.
        let insists = !app.host.has_stepped()? && headers::if_match(&self.headers, seen)?;
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
}

fn show(view: &RolloutView) -> Response {
    let tag = headers::etag(view.rollout.revision);
    ([(ETAG, tag)], Json(Rollout::from(view))).into_response()
}
