//! Adjutant's HTTP API: what people and programs reach the host through.
//!
//! The server holds no rules. It reads a request, asks [`adjutant_dispatch::Host`], and shows the
//! answer; whatever is decided is decided below.
//!
//! Invariants:
//! - It listens on loopback only, and answers only requests that were meant for it: a foreign `Host`
//!   or `Origin` is refused, so that no web page can reach it through a person's browser.
//! - Every error is `application/problem+json` with a sentence, whoever raised it.
//! - A run's token is never part of an answer, nor of a log line.
//! - Bodies, pages, requests at once and open streams are bounded; past a bound the caller is told.
//! - An event stream sends each event once and in order, from where the client stopped.
//! - The OpenAPI document is made from the same list as the routes.

mod app;
pub mod dto;
mod extract;
mod feed;
mod guard;
mod headers;
mod intake;
mod keyed;
mod names;
mod openapi;
mod problem;
mod routes;
mod server;

pub use server::{ServeError, Server, ServerOptions};
