//! What only the benchmark asks of a host.

use super::{Client, path};
use crate::exit::Result;
use adjutant_model::TicketId;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// How a host is doing, as far as the benchmark wants to know.
#[derive(Debug, Deserialize)]
pub(crate) struct HostStatus {
    pub(crate) runs: RunCounts,
    pub(crate) tickets: TicketCounts,
}

/// Runs that are not over.
#[derive(Debug, Deserialize)]
pub(crate) struct RunCounts {
    pub(crate) live: usize,
    pub(crate) in_memory: usize,
    pub(crate) parked: usize,
}

/// Tickets.
#[derive(Debug, Deserialize)]
pub(crate) struct TicketCounts {
    pub(crate) live: usize,
}

impl Client {
    /// How the host is doing.
    pub(crate) async fn host_status(&self) -> Result<HostStatus> {
        self.get(&["status"], &[]).await
    }

    /// Says by hand that a ticket is done.
    pub(crate) async fn close(&self, ticket: TicketId) -> Result<Value> {
        let path = path(&["tickets", &ticket.to_string(), "status"]);
        let body = json!({ "status": "done", "force": true });
        self.send(Method::POST, &path, &[], Some(&body)).await
    }
}
