//! The host itself: whether it is well, how it is doing, what its API is, and what its problems mean.

use super::NoQuery;
use crate::app::App;
use crate::dto::{Health, HostStatus};
use crate::extract::{Params, Segment};
use crate::openapi::{PlainErrors, ReadErrors};
use crate::problem::{Kind, Problem, Result};
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

/// Say whether the host is well
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "host",
    responses((status = 200, description = "It is well", body = Health), PlainErrors)
)]
pub(crate) async fn health(_: Params<NoQuery>) -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Say how the host is doing: what is in memory, under way and waiting, beside its limits
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "get_status",
    tag = "host",
    responses((status = 200, description = "How it is doing now", body = HostStatus), PlainErrors)
)]
pub(crate) async fn status(State(app): State<App>, _: Params<NoQuery>) -> Result<Json<HostStatus>> {
    Ok(Json(HostStatus::of(&app.host.status().await?)))
}

/// Describe the API, in OpenAPI 3.1
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "host",
    responses((status = 200, description = "The document", body = Object), PlainErrors)
)]
pub(crate) async fn openapi(State(app): State<App>, _: Params<NoQuery>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], app.openapi)
}

/// Explain a kind of problem
#[utoipa::path(
    get,
    path = "/problems/{kind}",
    tag = "host",
    params(("kind" = String, Path, description = "The last part of a problem's `type`")),
    responses(
        (status = 200, description = "What it means and what to do", body = String,
            content_type = "text/plain"),
        ReadErrors
    )
)]
pub(crate) async fn problem(kind: Segment, _: Params<NoQuery>) -> Result<String> {
    Kind::ALL
        .into_iter()
        .find(|known| known.uri().rsplit('/').next() == Some(kind.0.as_str()))
        .map(|known| {
            format!(
                "{} ({})\n\n{}\n",
                known.title(),
                known.status().as_u16(),
                known.explanation()
            )
        })
        .ok_or_else(|| Problem::not_found("There is no such kind of problem"))
}
