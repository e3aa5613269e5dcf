//! Problems: the one form that every error of the API has (RFC 9457).
//!
//! The host's errors, the extractors' and the router's all become a [`Problem`]. Its `type` is a path
//! of this server, under which the kind is explained. What is internal is logged and never sent.

use crate::dto;
use adjutant_dispatch::HostError;
use adjutant_model::Refusal;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde::Serialize;
use std::any::Any;

/// Seconds after which a caller may try again where nothing better is known.
const RETRY_SOON_S: u64 = 1;

/// The result of a handler.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// An error as the client gets it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// What kind it is.
    pub(crate) kind: Kind,
    /// What happened, where, and what to do: a sentence.
    pub(crate) detail: String,
    /// What is wrong with the request's values.
    pub(crate) violations: Vec<dto::Violation>,
    /// Seconds after which the caller may try again.
    pub(crate) retry_after: Option<u64>,
}

/// What kind an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request cannot be read.
    Malformed,
    /// It is not allowed.
    Denied,
    /// What was named does not exist.
    NotFound,
    /// The path exists, the method does not.
    Method,
    /// It does not fit how things stand.
    Conflict,
    /// The caller's version is not the present one.
    Precondition,
    /// The body is too large.
    TooLarge,
    /// The body is of another type.
    MediaType,
    /// The request can be read, and its values are wrong.
    Invalid,
    /// A limit was reached that time does not lift.
    Limit,
    /// Too much at the moment.
    Busy,
    /// The host's disk has no room.
    Full,
    /// A fault of the host.
    Internal,
    /// The host cannot answer at the moment.
    Unavailable,
    /// The host took too long.
    Timeout,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 15] = [
        Kind::Malformed,
        Kind::Denied,
        Kind::NotFound,
        Kind::Method,
        Kind::Conflict,
        Kind::Precondition,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::Invalid,
        Kind::Limit,
        Kind::Busy,
        Kind::Full,
        Kind::Internal,
        Kind::Unavailable,
        Kind::Timeout,
    ];

    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Kind::Malformed => StatusCode::BAD_REQUEST,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Precondition => StatusCode::PRECONDITION_FAILED,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Invalid | Kind::Limit => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
            Kind::Full => StatusCode::INSUFFICIENT_STORAGE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The problem's `type`: a path of this server that explains it.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Kind::Malformed => "/problems/malformed",
            Kind::Denied => "/problems/denied",
            Kind::NotFound => "/problems/not-found",
            Kind::Method => "/problems/method-not-allowed",
            Kind::Conflict => "/problems/conflict",
            Kind::Precondition => "/problems/precondition-failed",
            Kind::TooLarge => "/problems/too-large",
            Kind::MediaType => "/problems/unsupported-media-type",
            Kind::Invalid => "/problems/invalid",
            Kind::Limit => "/problems/limit-reached",
            Kind::Busy => "/problems/busy",
            Kind::Full => "/problems/no-room",
            Kind::Internal => "/problems/internal",
            Kind::Unavailable => "/problems/unavailable",
            Kind::Timeout => "/problems/timeout",
        }
    }

    /// The same words for every problem of the kind.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Kind::Malformed => "The request cannot be read",
            Kind::Denied => "Not allowed",
            Kind::NotFound => "Not found",
            Kind::Method => "Method not allowed",
            Kind::Conflict => "It does not fit how things stand",
            Kind::Precondition => "It has changed meanwhile",
            Kind::TooLarge => "The body is too large",
            Kind::MediaType => "The body is of an unsupported type",
            Kind::Invalid => "A value is wrong",
            Kind::Limit => "A limit is reached",
            Kind::Busy => "Too much at the moment",
            Kind::Full => "The host has no room to store it",
            Kind::Internal => "A fault of the host",
            Kind::Unavailable => "The host cannot answer at the moment",
            Kind::Timeout => "The host took too long",
        }
    }

    /// What it means and what to do, for whoever follows the `type`.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Kind::Malformed => {
                "The body is not JSON, or an id, a query or a header has not the form that it must \
                 have. Nothing has changed. Mend the request."
            }
            Kind::Denied => {
                "The request came from somewhere that may not use this server, or asks for something \
                 that no grant allows. Nothing has changed."
            }
            Kind::NotFound => "Nothing of that id or name exists, or there is no such path.",
            Kind::Method => "The path exists, and the header Allow names the methods that it has.",
            Kind::Conflict => {
                "The request is right in itself but does not fit how things stand now. Nothing has \
                 changed. Read the resource again and decide anew."
            }
            Kind::Precondition => {
                "The version in If-Match is not the present one: someone changed it meanwhile. \
                 Nothing has changed through this request. Read it again and repeat with the new ETag."
            }
            Kind::TooLarge => "The body is larger than this path takes. Nothing has changed.",
            Kind::MediaType => {
                "The header Content-Type names a type that this path does not take: application/json, \
                 or application/wasm for a component."
            }
            Kind::Invalid => {
                "The request can be read, but values in it are wrong; violations says which and why. \
                 Nothing has changed."
            }
            Kind::Limit => {
                "A limit is reached that waiting does not lift. Nothing has changed. Ask for less, or \
                 have the limit raised."
            }
            Kind::Busy => {
                "A queue is full. Nothing has changed and nothing was dropped: try again after the \
                 seconds in Retry-After."
            }
            Kind::Full => {
                "The disk that holds the host's data is full, or nearly. Everything can be read; what \
                 would change something is refused until there is room. What runs waits, and goes on by \
                 itself then."
            }
            Kind::Internal => {
                "A fault of the host, which its log describes. Look at what stands before you repeat \
                 the request."
            }
            Kind::Unavailable => {
                "The host is starting, stopping, or cannot reach its store. Try again after the \
                 seconds in Retry-After."
            }
            Kind::Timeout => {
                "The answer took longer than a request may take. It may have been carried out: look \
                 before you repeat it."
            }
        }
    }
}

/// What a problem has besides the fields of the standard.
#[derive(Serialize)]
struct Extra {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<dto::Violation>,
}

impl Problem {
    /// A problem with a sentence.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        let retry_after = matches!(kind, Kind::Busy | Kind::Unavailable).then_some(RETRY_SOON_S);
        Problem {
            kind,
            detail: detail.into(),
            violations: Vec::new(),
            retry_after,
        }
    }

    /// The request cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(Kind::Malformed, detail)
    }

    /// What was named does not exist.
    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(Kind::NotFound, detail)
    }

    /// One value of the request is wrong.
    pub(crate) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Problem {
        Refusal::invalid(path, message).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(_) => Problem::new(Kind::NotFound, detail),
            Refusal::Denied(_) => Problem::new(Kind::Denied, detail),
            Refusal::Invalid(violations) => Problem {
                violations: violations.iter().map(dto::Violation::from).collect(),
                ..Problem::new(Kind::Invalid, detail)
            },
            Refusal::Conflict(_) => Problem::new(Kind::Conflict, detail),
            Refusal::Limit(_) => Problem::new(Kind::Limit, detail),
            Refusal::Busy(_) => Problem::new(Kind::Busy, detail),
        }
    }
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        let detail = error.to_string();
        match error {
            HostError::Refused(refusal) => refusal.into(),
            HostError::Busy { retry_after_s, .. } => Problem {
                retry_after: Some(retry_after_s),
                ..Problem::new(Kind::Busy, detail)
            },
            HostError::Full { retry_after_s, .. } => Problem {
                retry_after: Some(retry_after_s),
                ..Problem::new(Kind::Full, detail)
            },
            HostError::Plugin(_) => Problem::new(Kind::Invalid, detail),
            HostError::Unavailable(_) => Problem::new(Kind::Unavailable, detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = ProblemDetails::new()
            .with_type(Uri::from_static(self.kind.uri()))
            .with_title(self.kind.title())
            .with_status(self.kind.status())
            .with_detail(self.detail)
            .with_extensions(Extra {
                violations: self.violations,
            })
            .into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A handler broke: the log gets the reason, the client does not.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    tracing::error!(reason, "a request handler panicked");
    drop(panic);
    Problem::new(
        Kind::Internal,
        "The host met a fault of its own in answering this request; its log says more. Look at what \
         stands before you repeat the request.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_model::Violation;
    use axum::body::to_bytes;
    use axum::http::header::CONTENT_TYPE;
    use serde_json::{Value, json};

    async fn sent(problem: Problem) -> (StatusCode, Option<String>, Value) {
        let response = problem.into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let retry = response
            .headers()
            .get(RETRY_AFTER)
            .map(|value| value.to_str().expect("digits").to_owned());
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a body");
        (status, retry, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn a_refusal_becomes_a_whole_problem() {
        let refusal = Refusal::Invalid(vec![Violation::new("/title", "it is empty")]);
        let (status, retry, body) = sent(HostError::Refused(refusal).into()).await;
        assert_eq!(status, 422);
        assert_eq!(retry, None);
        assert_eq!(
            body,
            json!({
                "type": "/problems/invalid",
                "title": "A value is wrong",
                "status": 422,
                "detail": "/title: it is empty",
                "violations": [{"path": "/title", "message": "it is empty"}],
            })
        );
    }

    #[tokio::test]
    async fn every_error_of_the_host_has_its_status() {
        let text = || "x".to_owned();
        let table: [(HostError, u16, Option<&str>); 9] = [
            (Refusal::NotFound(text()).into(), 404, None),
            (Refusal::Denied(text()).into(), 403, None),
            (Refusal::Conflict(text()).into(), 409, None),
            (Refusal::Limit(text()).into(), 422, None),
            (Refusal::Busy(text()).into(), 429, Some("1")),
            (
                HostError::Busy {
                    what: text(),
                    retry_after_s: 7,
                },
                429,
                Some("7"),
            ),
            (
                HostError::Full {
                    what: text(),
                    retry_after_s: 5,
                },
                507,
                Some("5"),
            ),
            (HostError::Plugin(text()), 422, None),
            (HostError::Unavailable(text()), 503, Some("1")),
        ];
        for (error, status, retry) in table {
            let name = format!("{error:?}");
            let (sent_status, sent_retry, body) = sent(error.into()).await;
            assert_eq!(sent_status, status, "{name}");
            assert_eq!(sent_retry.as_deref(), retry, "{name}");
            assert_eq!(body["status"], status, "{name}");
            assert!(body.get("violations").is_none(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_without_its_reason() {
        let response = panicked(Box::new("the secret inside"));
        assert_eq!(response.status(), 500);
        let body = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a body");
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }

    #[test]
    fn kinds_have_types_of_their_own() {
        let mut uris: Vec<_> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
        uris.sort_unstable();
        uris.dedup();
        assert_eq!(uris.len(), Kind::ALL.len());
    }
}
