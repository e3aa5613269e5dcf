//! The API over real HTTP.

mod http;
mod support;
