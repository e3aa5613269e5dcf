//! What the server takes in: how large a body, how many requests at once, and for how long.
//!
//! Invariants:
//! - A handler gets its body whole or not at all, whatever the path and the method.
//! - A body that is too large is read to its end (up to a bound) and thrown away before the answer:
//!   a client that is still sending would otherwise lose the answer with the connection.
//! - Past the bound on requests at once, a caller is told to slow down.

use crate::problem::{Kind, Problem, Result};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Where components are uploaded: larger bodies, few at once, and compiling takes its time.
pub(crate) const UPLOAD_PATH: &str = "/v1/plugins";

/// Where backups are made, which takes its time too.
const BACKUP_PATH: &str = "/v1/backups";

/// Bytes past the limit that are read for the sake of the answer.
const DRAIN_BYTES: usize = 64 << 20;
/// The same for a component: what is too large by far is told, too, to a client that sends all first.
const DRAIN_UPLOAD: usize = 2 << 30;

/// The bounds, and what is left of them.
pub(crate) struct Intake {
    /// Bytes of a body.
    pub(crate) body_bytes: usize,
    /// Bytes of an uploaded component.
    pub(crate) upload_bytes: usize,
    /// How long a request may take until its answer begins.
    pub(crate) timeout: Duration,
    /// How long an upload may take.
    pub(crate) upload_timeout: Duration,
    /// Requests at once.
    pub(crate) requests: Semaphore,
    /// Uploads at once.
    pub(crate) uploads: Semaphore,
}

/// Takes a request in, within the bounds.
pub(crate) async fn intake(
    State(intake): State<Arc<Intake>>,
    request: Request,
    next: Next,
) -> Response {
    let upload = request.method() == Method::POST && request.uri().path() == UPLOAD_PATH;
    let (limit, timeout, gate) = if upload {
        // Where it is JSON it says where the component is, and is no larger than other JSON.
        let json = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let limit = if json {
            intake.body_bytes
        } else {
            intake.upload_bytes
        };
        (limit, intake.upload_timeout, &intake.uploads)
    } else if request.uri().path() == BACKUP_PATH {
        (intake.body_bytes, intake.upload_timeout, &intake.requests)
    } else {
        (intake.body_bytes, intake.timeout, &intake.requests)
    };
    let drain = if upload { DRAIN_UPLOAD } else { DRAIN_BYTES };
    let Ok(_permit) = gate.try_acquire() else {
        return Problem::new(
            Kind::Busy,
            "The server is answering as many requests as it may at once; try again in a second",
        )
        .into_response();
    };
    let answer = async {
        let (parts, body) = request.into_parts();
        match whole(&parts.headers, body, limit, drain).await {
            Ok(body) => {
                let mut request = Request::from_parts(parts, Body::from(body.clone()));
                crate::keyed::note(&mut request, &body);
                drop(body);
                next.run(request).await
            }
            Err(problem) => problem.into_response(),
        }
    };
    tokio::time::timeout(timeout, answer)
        .await
        .unwrap_or_else(|_| {
            Problem::new(
                Kind::Timeout,
                format!(
                    "The host did not answer within {} s; the request may have been carried out, so \
                     look before you repeat it",
                    timeout.as_secs()
                ),
            )
            .into_response()
        })
}

async fn whole(headers: &HeaderMap, body: Body, limit: usize, drain: usize) -> Result<Bytes> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = || {
        Problem::new(
            Kind::TooLarge,
            format!("The request's body is larger than the {limit} bytes that this path takes"),
        )
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // This client asks first and has sent nothing yet.
    if headers.contains_key(EXPECT) && announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // Of others nothing is kept, so that a large one takes no memory.
    let mut stream = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut read = 0;
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| {
            Problem::malformed(format!(
                "The request's body broke off after {read} bytes: {error}"
            ))
        })?;
        read += part.len();
        if read <= limit && announced.is_none_or(|length| length <= limit) {
            kept.extend_from_slice(&part);
        } else if read <= limit.saturating_add(drain) {
            kept = BytesMut::new();
        } else {
            break;
        }
    }
    if read > limit {
        Err(too_large())
    } else {
        Ok(kept.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(count: usize) -> Body {
        Body::from_stream(futures::stream::iter(
            (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"))),
        ))
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused() {
        let none = HeaderMap::new();
        assert_eq!(whole(&none, Body::empty(), 0, 0).await, Ok(Bytes::new()));
        assert_eq!(
            whole(&none, parts(3), 30, 99).await.map(|body| body.len()),
            Ok(30)
        );
        let problem = whole(&none, parts(4), 39, 99).await.expect_err("too large");
        assert_eq!(problem.kind, Kind::TooLarge);
    }

    #[tokio::test]
    async fn a_client_that_asks_first_is_answered_first() {
        let headers = HeaderMap::from_iter([
            (EXPECT, "100-continue".parse().expect("a value")),
            (CONTENT_LENGTH, "40".parse().expect("a value")),
        ]);
        let silent = Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
        let problem = whole(&headers, silent, 39, 99)
            .await
            .expect_err("too large");
        assert_eq!(problem.kind, Kind::TooLarge);
    }

    #[tokio::test]
    async fn a_broken_body_is_no_body() {
        let broken = Body::from_stream(futures::stream::iter([
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("gone")),
        ]));
        let problem = whole(&HeaderMap::new(), broken, 39, 99)
            .await
            .expect_err("broken");
        assert_eq!(problem.kind, Kind::Malformed);
    }
}
