//! Who may speak to the server: only requests that were meant for it.
//!
//! The server listens on loopback, but a person's browser stands there too. A web page elsewhere may
//! make the browser send a request here: with a name of its own that it lets point to 127.0.0.1 (DNS
//! rebinding), or across origins. Both are refused.

use crate::problem::{Kind, Problem, Result};
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Lets a request through, or answers why not.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let checked = check(request.headers(), request.uri().authority());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    // What guests print is shown as it is: no browser may take it for something else.
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(headers: &HeaderMap, target: Option<&Authority>) -> Result<()> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Problem::malformed(
            "The request must have exactly one Host header",
        ));
    };
    let host: Authority = host
        .to_str()
        .ok()
        .and_then(|host| host.parse().ok())
        .ok_or_else(|| Problem::malformed("The Host header is no host name or address"))?;
    for name in [Some(&host), target].into_iter().flatten() {
        if !is_loopback(name.host()) {
            return Err(Problem::new(
                Kind::Denied,
                format!(
                    "This server answers only for localhost and loopback addresses, and the request \
                     is for {:?}; use http://127.0.0.1 or http://localhost",
                    name.host()
                ),
            ));
        }
    }
    for origin in headers.get_all(ORIGIN) {
        let own = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()));
        if !own {
            return Err(Problem::new(
                Kind::Denied,
                "The request comes from a page of another origin, and only this server's own pages \
                 may use it; call it from a program instead, without an Origin header",
            ));
        }
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pairs: &[(axum::http::HeaderName, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        check(&headers, None).map_or_else(|problem| problem.kind.status().as_u16(), |()| 200)
    }

    #[test]
    fn only_loopback_names_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:1",
        ] {
            assert_eq!(status(&[(HOST, host)]), 200, "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com:80",
            "127.0.0.1.example.com",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
        ] {
            assert_eq!(status(&[(HOST, host)]), 403, "{host}");
        }
        assert_eq!(status(&[]), 400);
        assert_eq!(status(&[(HOST, "localhost"), (HOST, "localhost")]), 400);
        assert_eq!(status(&[(HOST, "a b")]), 400);
    }

    #[test]
    fn a_target_elsewhere_is_refused_too() {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        let target = Authority::from_static("example.com");
        assert!(check(&headers, Some(&target)).is_err());
    }

    #[test]
    fn only_its_own_origin_may_call() {
        let host = (HOST, "127.0.0.1:7000");
        assert_eq!(
            status(&[host.clone(), (ORIGIN, "http://127.0.0.1:7000")]),
            200
        );
        for origin in [
            "http://127.0.0.1:7001",
            "https://127.0.0.1:7000",
            "http://example.com",
            "null",
        ] {
            assert_eq!(status(&[host.clone(), (ORIGIN, origin)]), 403, "{origin}");
        }
    }
}
