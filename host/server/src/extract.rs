//! Extractors: axum's, with their rejections turned into problems, and stricter where it helps.
//!
//! A body that is no JSON is 400; JSON with wrong values, unknown fields among them, is 422 and says
//! where. A query or a path that cannot be read is 400.

use crate::dto;
use crate::problem::{Kind, Problem, Result};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::Segment as At;
use std::str::FromStr;

/// Items of a page unless told otherwise.
pub(crate) const DEFAULT_LIMIT: usize = 50;
/// Items of a page at most.
pub(crate) const MAX_LIMIT: usize = 200;
/// Bytes of a cursor or a search text.
const MAX_TEXT: usize = 1_000;

/// The query, read into `T`.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Params(params))
            .map_err(|rejection| {
                Problem::malformed(format!(
                    "The query is wrong: {}",
                    rejection
                        .body_text()
                        .trim_start_matches("Failed to deserialize query string: ")
                ))
            })
    }
}

/// The one variable part of the path, decoded.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(text): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::malformed("The path is not valid UTF-8 once it is decoded"))?;
        if text.len() > MAX_TEXT {
            return Err(Problem::malformed(format!(
                "The path's id or name has {} bytes; it may have {MAX_TEXT}",
                text.len()
            )));
        }
        Ok(Segment(text))
    }
}

impl Segment {
    /// Reads it as an id. `what` is the noun, such as `ticket`.
    pub(crate) fn id<T: FromStr>(&self, what: &str) -> Result<T> {
        id(what, &self.0)
    }
}

/// Reads an id. `what` is the noun, such as `ticket`.
pub(crate) fn id<T: FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| {
        Problem::malformed(format!(
            "{:?} is no {what} id: ids are UUIDs, such as 0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e",
            adjutant_model::text::cut(text, 100)
        ))
    })
}

/// How many items a page has.
pub(crate) fn limit(wanted: Option<usize>) -> Result<usize> {
    match wanted {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::malformed(format!(
            "The query asks for a limit of {limit}; a page has 1 to {MAX_LIMIT} items"
        ))),
    }
}

/// A text of the query, such as a cursor, of bounded length.
pub(crate) fn short(name: &str, text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.len() > MAX_TEXT => Err(Problem::malformed(format!(
            "The query's {name} has {} bytes; it may have {MAX_TEXT}",
            text.len()
        ))),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        json_type(request.headers())?;
        parse(no_list(&body(request, state).await?)?).map(JsonBody)
    }
}

/// A JSON body that may be missing; then it is the default.
pub(crate) struct MaybeJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let typed = json_type(request.headers());
        let body = body(request, state).await?;
        if body.trim_ascii().is_empty() {
            return Ok(MaybeJson(T::default()));
        }
        typed?;
        parse(no_list(&body)?).map(MaybeJson)
    }
}

/// A component's bytes, or JSON that says where it is.
pub(crate) enum ComponentBody<T> {
    /// Its bytes.
    Wasm(Bytes),
    /// Where it is.
    Json(T),
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ComponentBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        if let Some(encoding) = request.headers().get(CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(Problem::new(
                Kind::MediaType,
                "A component is sent as it is: unpack it, and leave out the header Content-Encoding",
            ));
        }
        match essence(request.headers()).as_str() {
            "application/wasm" => body(request, state).await.map(ComponentBody::Wasm),
            "application/json" => {
                parse(no_list(&body(request, state).await?)?).map(ComponentBody::Json)
            }
            _ => Err(Problem::new(
                Kind::MediaType,
                "A component is sent as the body itself, with Content-Type: application/wasm; or, with \
                 Content-Type: application/json, as {\"oci\": \"registry/name:tag\"} or {\"path\": \
                 \"/a/file/on/the/host.wasm\"}",
            )),
        }
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    Bytes::from_request(request, state)
        .await
        .map_err(|_| Problem::malformed("The request's body could not be read to its end"))
}

/// The media type of the body, in lower case and without parameters; empty where none is given.
fn essence(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

fn json_type(headers: &HeaderMap) -> Result<()> {
    let essence = essence(headers);
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        return Ok(());
    }
    Err(Problem::new(
        Kind::MediaType,
        "This path takes JSON: send the body with Content-Type: application/json",
    ))
}

/// Refuses a list, which would else be read as an object's fields in their order.
fn no_list(body: &[u8]) -> Result<&[u8]> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::invalid(
            "",
            "the request's body is a list, and this path takes an object",
        ));
    }
    Ok(body)
}

/// Reads JSON, strictly.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let malformed = |error: &serde_json::Error| {
        Problem::malformed(format!("The request's body is not valid JSON: {error}"))
    };
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = pointer(error.path());
        // Not by the error's own category: a wrong value may be met before broken syntax that comes
        // after it, and some wrong values are called bad syntax.
        match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Problem::invalid(path, error.inner().to_string()),
            Err(broken) => malformed(&broken),
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// A place in a body, as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path {
        text.push('/');
        match segment {
            At::Seq { index } => text.push_str(&index.to_string()),
            At::Map { key } | At::Enum { variant: key } => {
                text.push_str(&adjutant_model::text::pointer_part(key));
            }
            At::Unknown => text.push('?'),
        }
    }
    text
}

/// What is wrong with a word of the query that has only some values.
pub(crate) fn word<T: FromStr<Err = dto::UnknownWord>>(
    name: &str,
    text: Option<&str>,
) -> Result<Option<T>> {
    text.map(str::parse)
        .transpose()
        .map_err(|error| Problem::malformed(format!("The query's {name} is wrong: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        title: String,
        #[serde(default)]
        list: Vec<u8>,
        #[serde(default)]
        word: Option<dto::Status>,
    }

    #[test]
    fn json_is_read_strictly() {
        let body: Body = parse(br#"{"title": "a", "list": [1]}"#).expect("right");
        assert_eq!(body.list, [1]);
        for (text, kind, path) in [
            ("", Kind::Malformed, None),
            ("{", Kind::Malformed, None),
            (r#"{"title": "a"} x"#, Kind::Malformed, None),
            ("\"\u{1}", Kind::Malformed, None),
            ("[1", Kind::Malformed, None),
            (r#"{"word": 3}"#, Kind::Invalid, Some("/word")),
            (r#"{"lost": 1, "#, Kind::Malformed, None),
            ("{}", Kind::Invalid, Some("")),
            (r#"{"title": 3}"#, Kind::Invalid, Some("/title")),
            (
                r#"{"title": "a", "list": [1, 300]}"#,
                Kind::Invalid,
                Some("/list/1"),
            ),
            (r#"{"title": "a", "lost": 1}"#, Kind::Invalid, Some("/lost")),
            (r#"{"title": "a", "title": "b"}"#, Kind::Invalid, Some("")),
        ] {
            let problem = parse::<Body>(text.as_bytes()).expect_err(text);
            assert_eq!(problem.kind, kind, "{text}: {problem:?}");
            assert_eq!(
                problem.violations.first().map(|one| one.path.as_str()),
                path,
                "{text}"
            );
        }
        let deep = "[".repeat(10_000);
        let problem = parse::<serde_json::Value>(deep.as_bytes()).expect_err("deep");
        assert_eq!(problem.kind, Kind::Malformed);
    }

    #[test]
    fn an_unknown_field_is_named_with_those_there_are() {
        let problem = parse::<Body>(br#"{"titel": "a"}"#).expect_err("unknown");
        assert!(problem.detail.contains("titel"), "{}", problem.detail);
        assert!(problem.detail.contains("title"), "{}", problem.detail);
    }

    #[test]
    fn limits_have_a_default_and_bounds() {
        assert_eq!(limit(None), Ok(50));
        assert_eq!(limit(Some(1)), Ok(1));
        assert_eq!(limit(Some(200)), Ok(200));
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
    }

    #[test]
    fn cursors_are_bounded_and_empty_ones_are_none() {
        assert_eq!(short("after", Some(String::new())), Ok(None));
        assert_eq!(short("after", Some("x".into())), Ok(Some("x".into())));
        assert!(short("after", Some("x".repeat(1_001))).is_err());
    }

    #[test]
    fn a_bad_id_says_what_it_should_be() {
        let problem = id::<adjutant_model::TicketId>("ticket", "seven").expect_err("no id");
        assert_eq!(problem.kind, Kind::Malformed);
        assert!(problem.detail.contains("\"seven\" is no ticket id"));
    }

    #[test]
    fn content_types_are_compared_without_parameters() {
        let with =
            |value: &str| HeaderMap::from_iter([(CONTENT_TYPE, value.parse().expect("a value"))]);
        assert!(json_type(&with("application/json; charset=utf-8")).is_ok());
        assert!(json_type(&with("Application/JSON")).is_ok());
        assert!(json_type(&with("application/merge-patch+json")).is_ok());
        assert!(json_type(&with("text/plain")).is_err());
        assert!(json_type(&HeaderMap::new()).is_err());
    }
}
