//! The application: what handlers share, and the layers around them.
//!
//! From the outside in: a span, panics, the guard, the intake, then the router with its fallbacks.

use crate::intake::{Intake, intake};
use crate::problem::{Kind, Problem, Result, panicked};
use crate::{guard, routes};
use adjutant_dispatch::Host;
use adjutant_model::WorkspaceId;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use axum::{Router, middleware};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;

/// The workspace of a request that names none.
const DEFAULT_WORKSPACE: &str = "default";

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    /// The host.
    pub(crate) host: Host,
    /// Ends event streams.
    pub(crate) closing: CancellationToken,
    /// The OpenAPI document.
    pub(crate) openapi: Bytes,
    streams: Arc<Semaphore>,
}

impl App {
    /// The workspace of an id or a name; the default one where none is given.
    pub(crate) async fn workspace(&self, key: Option<&str>) -> Result<WorkspaceId> {
        let key = key
            .filter(|key| !key.is_empty())
            .unwrap_or(DEFAULT_WORKSPACE);
        Ok(self.host.workspace(key).await?.id)
    }

    /// A place for an event stream.
    pub(crate) fn open_stream(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Problem::new(
                Kind::Busy,
                "As many event streams are open as there may be; close one, or try again later",
            )
        })
    }
}

/// The whole service.
pub(crate) fn service(
    host: Host,
    closing: CancellationToken,
    bounds: Intake,
    streams: usize,
) -> Router {
    let (router, document) = routes::api().split_for_parts();
    let app = App {
        host,
        closing,
        openapi: serde_json::to_vec(&document)
            .expect("the OpenAPI document is plain JSON")
            .into(),
        streams: Arc::new(Semaphore::new(streams)),
    };
    shell(router.with_state(app), Arc::new(bounds))
}

/// The fallbacks and the layers around a router.
fn shell(router: Router, bounds: Arc<Intake>) -> Router {
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        // The intake has bounded the body already.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(bounds, intake))
        .layer(middleware::from_fn(guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(answered)
                .on_failure(()),
        )
}

/// The span of a request. Never the query: a report's token may be in it.
fn span(request: &Request) -> Span {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unknown", MatchedPath::as_str);
    tracing::info_span!(
        "request",
        method = %request.method(),
        route,
        path = request.uri().path(),
    )
}

fn answered(response: &Response, latency: Duration, _: &Span) {
    let status = response.status().as_u16();
    let elapsed_ms = latency.as_millis();
    if response.status().is_server_error() {
        tracing::error!(status, elapsed_ms, "answered");
    } else {
        tracing::debug!(status, elapsed_ms, "answered");
    }
}

async fn unknown_path(request: Request) -> Problem {
    Problem::not_found(format!(
        "There is no path {:?} here; /openapi.json lists those there are",
        adjutant_model::text::cut(request.uri().path(), 200)
    ))
}

async fn wrong_method(method: Method, request: Request) -> Problem {
    Problem::new(
        Kind::Method,
        format!(
            "{:?} has no method {method}; the header Allow names those it has",
            adjutant_model::text::cut(request.uri().path(), 200)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{JsonBody, Params, Segment};
    use axum::body::{Body, to_bytes};
    use axum::http::header::{ALLOW, CONTENT_TYPE, HOST, RETRY_AFTER};
    use axum::routing::{get, post};
    use serde_json::{Value, json};
    use tower::ServiceExt;

    fn bounds(requests: usize) -> Arc<Intake> {
        Arc::new(Intake {
            body_bytes: 100,
            upload_bytes: 1_000,
            timeout: Duration::from_secs(5),
            upload_timeout: Duration::from_secs(5),
            requests: Semaphore::new(requests),
            uploads: Semaphore::new(1),
        })
    }

    fn sample(requests: usize) -> Router {
        let router = Router::new()
            .route("/get/{id}", get(|Segment(id): Segment| async move { id }))
            .route(
                "/post",
                post(
                    |Params(()): Params<()>, JsonBody(body): JsonBody<std::collections::BTreeMap<String, u8>>| async move {
                        axum::Json(body)
                    },
                ),
            )
            .route("/panic", get(|| async { panic_now() }));
        shell(router, bounds(requests))
    }

    fn panic_now() -> &'static str {
        panic!("the secret inside")
    }

    fn request(method: &str, path: &str, body: impl Into<Body>) -> Request {
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "127.0.0.1:1")
            .header(CONTENT_TYPE, "application/json")
            .body(body.into())
            .expect("a request")
    }

    async fn problem(router: Router, request: Request) -> (u16, Value, axum::http::HeaderMap) {
        let response = router.oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers[CONTENT_TYPE], "application/problem+json");
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let detail = body["detail"].as_str().expect("a detail");
        assert!(
            detail.contains(' ') && !detail.contains("secret"),
            "{detail}"
        );
        assert_eq!(body["status"], parts.status.as_u16());
        (parts.status.as_u16(), body, parts.headers)
    }

    #[tokio::test]
    async fn every_rejection_is_a_problem() {
        let table = [
            (request("GET", "/nowhere", ""), 404),
            (request("DELETE", "/get/1", ""), 405),
            (request("GET", "/get/%ff", ""), 400),
            (request("GET", "/panic", ""), 500),
            (request("POST", "/post", "{"), 400),
            (request("POST", "/post", "[]"), 422),
            (request("POST", "/post", "{\"a\": \"b\"}"), 422),
            (request("POST", "/post", vec![b' '; 101]), 413),
            (request("DELETE", "/nowhere", vec![b' '; 101]), 413),
        ];
        for (request, status) in table {
            let name = format!("{} {}", request.method(), request.uri());
            let (sent, _, _) = problem(sample(9), request).await;
            assert_eq!(sent, status, "{name}");
        }
        let mut plain = request("POST", "/post", "[]");
        plain
            .headers_mut()
            .insert(CONTENT_TYPE, "text/plain".parse().expect("a value"));
        assert_eq!(problem(sample(9), plain).await.0, 415);
        let mut foreign = request("GET", "/get/1", "");
        foreign
            .headers_mut()
            .insert(HOST, "example.com".parse().expect("a value"));
        assert_eq!(problem(sample(9), foreign).await.0, 403);
    }

    #[tokio::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let (_, _, headers) = problem(sample(9), request("DELETE", "/post", "")).await;
        assert_eq!(headers[ALLOW], "POST");
    }

    #[tokio::test]
    async fn past_the_bound_a_caller_is_told_to_slow_down() {
        let (status, body, headers) = problem(sample(0), request("GET", "/get/1", "")).await;
        assert_eq!(status, 429);
        assert_eq!(headers[RETRY_AFTER], "1");
        assert_eq!(body["type"], "/problems/busy");
    }

    #[tokio::test]
    async fn what_is_right_goes_through() {
        let response = sample(9)
            .oneshot(request("POST", "/post", "{\"a\": 1}"))
            .await
            .expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let body = to_bytes(response.into_body(), 100).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body, json!({"a": 1}));
    }

    #[tokio::test]
    async fn a_slow_answer_ends_in_a_problem() {
        let router = Router::new().route("/slow", get(std::future::pending::<&str>));
        let mut bounds = bounds(1);
        Arc::get_mut(&mut bounds).expect("its only owner").timeout = Duration::ZERO;
        let (status, _, _) = problem(shell(router, bounds), request("GET", "/slow", "")).await;
        assert_eq!(status, 504);
    }
}
