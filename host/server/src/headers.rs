//! Request headers that need more than a look: entity tags and `Accept`.
//!
//! An entity tag is a resource's version in quotes, such as `"3"`.

use crate::problem::{Kind, Problem, Result};
use axum::http::header::{ACCEPT, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The entity tag of a version.
pub(crate) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits and quotes are a header's text")
}

/// Whether `If-Match` insists on the version that stands. 412 where it insists on another.
pub(crate) fn if_match(headers: &HeaderMap, version: u64) -> Result<bool> {
    match tags(headers, &IF_MATCH)? {
        None | Some(Tags::Any) => Ok(false),
        // A weak tag never matches where the stored bytes must be the same.
        Some(Tags::These(tags)) if tags.iter().any(|tag| !tag.weak && tag.is(version)) => Ok(true),
        Some(Tags::These(_)) => Err(changed(version)),
    }
}

/// The problem of a version that no longer stands.
pub(crate) fn changed(version: u64) -> Problem {
    Problem::new(
        Kind::Precondition,
        format!(
            "If-Match names another version than the present one, \"{version}\"; read it again and \
             repeat with its ETag"
        ),
    )
}

/// Whether the client has this version already, by `If-None-Match`.
pub(crate) fn if_none_match(headers: &HeaderMap, version: u64) -> Result<bool> {
    Ok(match tags(headers, &IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.iter().any(|tag| tag.is(version)),
    })
}

/// Which of two media types the client would rather have; the first where it has no wish.
pub(crate) fn prefers_second(headers: &HeaderMap, first: &str, second: &str) -> bool {
    let quality = |wanted: &str| -> f32 {
        // The most exact range counts: the type itself, then its kind, then anything.
        let (kind, _) = wanted.split_once('/').unwrap_or((wanted, ""));
        let mut best: (u8, f32) = (0, 0.0);
        for item in headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let mut parts = item.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            let exact = if range.eq_ignore_ascii_case(wanted) {
                3
            } else if range
                .strip_suffix("/*")
                .is_some_and(|range| range.eq_ignore_ascii_case(kind))
            {
                2
            } else if range == "*/*" {
                1
            } else {
                continue;
            };
            let quality = parts
                .filter_map(|part| part.strip_prefix("q="))
                .find_map(|part| part.parse().ok())
                .unwrap_or(1.0);
            if exact > best.0 {
                best = (exact, quality);
            }
        }
        best.1
    };
    quality(second) > quality(first)
}

enum Tags {
    Any,
    These(Vec<Tag>),
}

struct Tag {
    weak: bool,
    text: String,
}

impl Tag {
    fn is(&self, version: u64) -> bool {
        self.text == version.to_string()
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>> {
    let mut found = None;
    for value in headers.get_all(name) {
        let wrong = || {
            Problem::malformed(format!(
                "The header {name} is no entity tag; give the ETag as it was received, with its \
                 quotes, or *"
            ))
        };
        let text = value.to_str().map_err(|_| wrong())?;
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            if item == "*" {
                return Ok(Some(Tags::Any));
            }
            let (weak, quoted) = match item.strip_prefix("W/") {
                Some(rest) => (true, rest),
                None => (false, item),
            };
            let text = quoted
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .ok_or_else(wrong)?;
            found.get_or_insert_with(Vec::new).push(Tag {
                weak,
                text: text.to_owned(),
            });
        }
    }
    Ok(found.map(Tags::These))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn if_match_insists_on_the_version_that_stands() {
        assert_eq!(if_match(&HeaderMap::new(), 3), Ok(false));
        assert_eq!(if_match(&with(IF_MATCH, "*"), 3), Ok(false));
        assert_eq!(if_match(&with(IF_MATCH, "\"3\""), 3), Ok(true));
        assert_eq!(if_match(&with(IF_MATCH, "\"2\", \"3\""), 3), Ok(true));
        for stale in ["\"2\"", "W/\"3\"", "\"\""] {
            let problem = if_match(&with(IF_MATCH, stale), 3).expect_err(stale);
            assert_eq!(problem.kind, Kind::Precondition, "{stale}");
        }
        for wrong in ["3", "\"3", "W/3"] {
            let problem = if_match(&with(IF_MATCH, wrong), 3).expect_err(wrong);
            assert_eq!(problem.kind, Kind::Malformed, "{wrong}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert_eq!(if_none_match(&HeaderMap::new(), 3), Ok(false));
        for same in ["\"3\"", "W/\"3\"", "*", "\"1\",\"3\""] {
            assert_eq!(
                if_none_match(&with(IF_NONE_MATCH, same), 3),
                Ok(true),
                "{same}"
            );
        }
        assert_eq!(if_none_match(&with(IF_NONE_MATCH, "\"2\""), 3), Ok(false));
        assert_eq!(etag(3), "\"3\"");
    }

    #[test]
    fn accept_chooses() {
        let second =
            |accept: &str| prefers_second(&with(ACCEPT, accept), "application/json", "text/plain");
        assert!(!prefers_second(
            &HeaderMap::new(),
            "application/json",
            "text/plain"
        ));
        assert!(!second("*/*"));
        assert!(!second("image/png"));
        assert!(second("text/plain"));
        assert!(second("text/*"));
        assert!(second("text/plain, application/json;q=0.9"));
        assert!(!second("text/plain;q=0.5, application/json"));
        assert!(!second("text/plain;q=0, */*"));
    }
}
