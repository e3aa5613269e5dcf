//! The header `Idempotency-Key`: a change that is asked for again under the same key happens once.
//!
//! As in the IETF draft "The Idempotency-Key HTTP Header Field": the value is a string, quoted or not;
//! the same key with another request is refused with 422. What makes a request the same: its method, its
//! path with its query, and the bytes of its body.

use crate::app::App;
use crate::problem::{Problem, Result};
use adjutant_dispatch::IdempotencyKey;
use axum::Extension;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters of a key.
const MOST: usize = 255;

/// What handlers share, on a host that carries out one change under the request's key, if it has one.
pub(crate) struct Keyed(pub(crate) App);

impl FromRequestParts<App> for Keyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let mut app = app.clone();
        let Some(key) = given(&parts.headers)? else {
            return Ok(Keyed(app));
        };
        let body = Extension::<WholeBody>::from_request_parts(parts, &app).await;
        let body = body.map(|Extension(WholeBody(body))| body);
        let target = parts
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        let request = [
            parts.method.as_str().as_bytes(),
            target.as_bytes(),
            body.as_deref().unwrap_or_default(),
        ];
        app.host = app.host.with_key(IdempotencyKey::new(&key, &request));
        Ok(Keyed(app))
    }
}

/// The body of a request that has a key, for extractors that come before the one that takes it.
#[derive(Clone)]
struct WholeBody(Bytes);

/// Notes the body of a request that has a key.
pub(crate) fn note(request: &mut Request, body: &Bytes) {
    if request.headers().contains_key(HEADER) {
        request.extensions_mut().insert(WholeBody(body.clone()));
    }
}

/// The key that a request has.
fn given(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let wrong = || {
        Problem::malformed(format!(
            "The header Idempotency-Key is one string of 1 to {MOST} visible characters, quoted or not"
        ))
    };
    if values.next().is_some() {
        return Err(wrong());
    }
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let key = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if key.is_empty() || key.len() > MOST || !key.chars().all(|c| c == ' ' || c.is_ascii_graphic())
    {
        return Err(wrong());
    }
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| (HEADER, text.parse().expect("a value"));
        values.iter().map(value).collect()
    }

    #[test]
    fn a_key_is_one_short_string() {
        assert_eq!(given(&headers(&[])), Ok(None));
        for (text, key) in [("abc", "abc"), ("\"a b\"", "a b"), (" x ", "x")] {
            assert_eq!(given(&headers(&[text])), Ok(Some(key.to_owned())), "{text}");
        }
        let long = "k".repeat(MOST + 1);
        for wrong in [&["", "b"][..], &["\"\""], &[long.as_str()], &["a", "a"]] {
            let problem = given(&headers(wrong)).expect_err("no key");
            assert_eq!(problem.kind, crate::problem::Kind::Malformed);
        }
    }
}
