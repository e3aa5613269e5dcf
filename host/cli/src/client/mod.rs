//! The client of a host's HTTP API. All that this program knows of a host comes through here.
//!
//! Invariants:
//! - Every answer that is no success becomes an [`Error`] with the host's own sentence.
//! - A request is sent once: whether to repeat it is for the user to say.

mod bench;
mod events;
mod plugins;
mod runs;
mod sse;
mod view;

pub(crate) use bench::HostStatus;
pub(crate) use events::Events;
pub(crate) use plugins::{Component, NewPlugin, RolloutView, Step};
pub(crate) use runs::{PicksView, RunDetail};
pub(crate) use view::{
    AgentView, Author, LogLine, MessageView, Page, PluginView, RunView, TicketNode, TicketView,
};

use crate::exit::{Error, Problem, Result};
use adjutant_model::{AgentId, NewTicket, RunId, TeamSpec, TicketId};
use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

/// How long a host may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to compile an uploaded component.
const COMPILED_WITHIN: Duration = Duration::from_secs(600);
/// How long a connection may stay silent; event streams have a sign of life far more often.
const SILENT_FOR: Duration = Duration::from_secs(90);
/// Items of a page that are asked for at once.
const PAGE: usize = 200;
/// Pages that are read at most: a list that never ends is a fault of the host.
const MOST_PAGES: usize = 5_000;

/// A host, seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: String,
    workspace: Option<String>,
    http: reqwest::Client,
}

/// The query of a request.
type Query<'a> = &'a [(&'a str, String)];

impl Client {
    /// A client of the host at `url`, for one workspace: the host's default one where none is named.
    pub(crate) fn new(url: &str, workspace: Option<&str>) -> Result<Client> {
        let parsed = reqwest::Url::parse(url)
            .ok()
            .filter(|url| url.scheme() == "http" && url.host().is_some());
        let Some(parsed) = parsed else {
            return Err(Error::Usage(format!(
                "{url:?} is no host's URL; write it as http://127.0.0.1:5174"
            )));
        };
        let http = http(SILENT_FOR)?;
        Ok(Client {
            base: parsed.as_str().trim_end_matches('/').to_owned(),
            workspace: workspace.map(ToOwned::to_owned),
            http,
        })
    }

    /// Where the host is.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// Saves a team; gives back the host's answer.
    pub(crate) async fn apply(&self, team: &TeamSpec) -> Result<Value> {
        self.send(Method::POST, "/v1/apply", &[], Some(team)).await
    }

    /// The workspace's agents.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentView>> {
        self.list("/v1/agents", &self.scope()).await
    }

    /// The workspace's agents, as JSON.
    pub(crate) async fn agents_json(&self) -> Result<Vec<Value>> {
        self.list("/v1/agents", &self.scope()).await
    }

    /// The agents' names, by id.
    pub(crate) async fn names(&self) -> Result<HashMap<AgentId, String>> {
        let agents = self.agents().await?;
        let names = agents
            .into_iter()
            .filter_map(|agent| Some((agent.id.parse().ok()?, agent.name)));
        Ok(names.collect())
    }

    /// Makes a ticket.
    pub(crate) async fn create(&self, ticket: &NewTicket) -> Result<Value> {
        self.send(Method::POST, "/v1/tickets", &self.scope(), Some(ticket))
            .await
    }

    /// A ticket as JSON.
    pub(crate) async fn ticket(&self, ticket: &str) -> Result<Value> {
        self.get(&["tickets", ticket], &[]).await
    }

    /// A ticket with all below it, as JSON.
    pub(crate) async fn tree(&self, ticket: &str) -> Result<Value> {
        self.get(&["tickets", ticket, "tree"], &[]).await
    }

    /// Tickets, the newest first, at most `most`.
    pub(crate) async fn tickets(&self, filter: Query<'_>, most: usize) -> Result<Vec<Value>> {
        let query = [&self.scope(), filter].concat();
        self.pages("/v1/tickets", &query, "after", None, most).await
    }

    /// Cancels a ticket and all below it.
    pub(crate) async fn cancel(&self, ticket: &str, reason: &str) -> Result<Value> {
        let path = path(&["tickets", ticket, "cancel"]);
        self.send(Method::POST, &path, &[], Some(&json!({ "reason": reason })))
            .await
    }

    /// What was said in a ticket's channel from an index on.
    pub(crate) async fn messages(&self, ticket: TicketId, from: u64) -> Result<Vec<MessageView>> {
        let path = path(&["tickets", &ticket.to_string(), "messages"]);
        self.pages(&path, &[], "from", Some(from.to_string()), usize::MAX)
            .await
    }

    /// A ticket's runs, the oldest first.
    pub(crate) async fn runs(&self, ticket: TicketId) -> Result<Vec<RunView>> {
        let path = path(&["tickets", &ticket.to_string(), "runs"]);
        self.list(&path, &[]).await
    }

    /// A run.
    pub(crate) async fn run(&self, run: &str) -> Result<RunView> {
        self.get(&["runs", run], &[]).await
    }

    /// What a run printed from an index on.
    pub(crate) async fn log(&self, run: RunId, from: u64) -> Result<Vec<LogLine>> {
        let path = path(&["runs", &run.to_string(), "log"]);
        self.pages(&path, &[], "from", Some(from.to_string()), usize::MAX)
            .await
    }

    /// What a run printed, as JSON.
    pub(crate) async fn log_json(&self, run: RunId) -> Result<Vec<Value>> {
        let path = path(&["runs", &run.to_string(), "log"]);
        self.pages(&path, &[], "from", None, usize::MAX).await
    }

    /// The agents as a forest of bosses and subordinates, as JSON.
    pub(crate) async fn agent_tree(&self) -> Result<Value> {
        self.get(&["agents", "tree"], &self.scope()).await
    }

    /// A backup of the host as it is now.
    pub(crate) async fn backup(&self) -> Result<Download> {
        // It takes the host a while to begin.
        let http = http(COMPILED_WITHIN)?;
        let url = format!("{}/v1/backups", self.base);
        let response = http.post(url).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        Ok(Download {
            response: self.succeeded(response).await?,
            client: self.clone(),
        })
    }

    /// Events of a ticket and all below it, from the first on.
    pub(crate) fn events(&self, ticket: TicketId) -> Events {
        Events::new(self.clone(), Some(ticket))
    }

    /// Events of the workspace, from when it is opened.
    pub(crate) async fn events_from_now(&self) -> Result<Events> {
        let mut events = Events::new(self.clone(), None);
        events.open().await?;
        Ok(events)
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let workspace = self.workspace.iter();
        workspace
            .map(|workspace| ("workspace", workspace.clone()))
            .collect()
    }

    fn request(&self, method: Method, path: &str, query: Query<'_>) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .query(query)
    }

    async fn get<T: DeserializeOwned>(&self, segments: &[&str], query: Query<'_>) -> Result<T> {
        self.answer(self.request(Method::GET, &path(segments), query))
            .await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<T> {
        let mut request = self.request(method, path, query);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(request).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        self.answer_within(ANSWER_WITHIN, request).await
    }

    async fn answer_within<T: DeserializeOwned>(
        &self,
        time: Duration,
        request: RequestBuilder,
    ) -> Result<T> {
        let response = request
            .timeout(time)
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let response = self.succeeded(response).await?;
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::Failed(format!(
                "the answer of {} is not what this version of adjutant expects: {error}",
                self.base
            ))
        })
    }

    /// The response itself, where it is a success; else the problem that it tells.
    async fn succeeded(&self, response: Response) -> Result<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let mut problem: Problem = serde_json::from_slice(&bytes).unwrap_or_default();
        if problem.title.is_empty() && problem.detail.is_empty() {
            problem.detail = format!(
                "{} answered with status {status}, and not as a host of adjutant does",
                self.base
            );
        }
        problem.status = status.as_u16();
        Err(Error::Host(problem))
    }

    /// A list that is given whole.
    async fn list<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<Vec<T>> {
        let page: Page<T> = self.send(Method::GET, path, query, None::<&Value>).await?;
        Ok(page.items)
    }

    /// All pages of a list, up to `most` items. `cursor` is what the query calls the place to begin.
    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
        cursor: &str,
        mut place: Option<String>,
        most: usize,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut query = query.to_vec();
            query.push(("limit", PAGE.min(most).to_string()));
            query.extend(place.map(|place| (cursor, place)));
            let page: Page<T> = self.send(Method::GET, path, &query, None::<&Value>).await?;
            items.extend(page.items);
            place = page.next;
            if place.is_none() || items.len() >= most {
                break;
            }
        }
        items.truncate(most);
        Ok(items)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        // The innermost cause is what a person can act on: "Connection refused".
        let mut why = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            why = inner.to_string();
            cause = inner.source();
        }
        Error::Unreachable {
            url: self.base.clone(),
            why,
        }
    }

    async fn stream(&self, query: Query<'_>, last: Option<u64>) -> Result<Response> {
        let mut request = self.request(Method::GET, "/v1/events", query);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = request
            .header(reqwest::header::ACCEPT, "text/event-stream")
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.succeeded(response).await
    }
}

/// A body that comes in parts.
pub(crate) struct Download {
    response: Response,
    client: Client,
}

impl Download {
    /// Its bytes, where the host says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next part; an error where the host is gone before the end.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>> {
        let part = self.response.chunk().await;
        part.map_err(|error| self.client.unreachable(&error))
    }
}

fn http(silent_for: Duration) -> Result<reqwest::Client> {
    adjutant_connect::use_tls();
    reqwest::Client::builder()
        // Hosts are on this machine, in the open: no time is spent on the certificates of others, and
        // no proxy hears of it.
        .tls_certs_only([])
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(silent_for)
        .build()
        .map_err(|error| Error::Failed(format!("no HTTP client could be made: {error}")))
}

/// Whether trying again may help.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::Host(problem) => StatusCode::from_u16(problem.status).is_ok_and(|status| {
            status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
        }),
        _ => false,
    }
}

/// A path below `/v1`, each segment escaped.
fn path(segments: &[&str]) -> String {
    let mut path = String::from("/v1");
    for segment in segments {
        path.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_of_a_host_is_refused() {
        for url in ["", "localhost", "https://127.0.0.1", "ftp://x", "http://"] {
            assert!(
                matches!(Client::new(url, None), Err(Error::Usage(_))),
                "{url}"
            );
        }
        let client = Client::new("http://127.0.0.1:5174/", None).expect("it is one");
        assert_eq!(client.url(), "http://127.0.0.1:5174");
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        assert_eq!(path(&["tickets", "a-1"]), "/v1/tickets/a-1");
        assert_eq!(
            path(&["tickets", "../agents?x=1#"]),
            "/v1/tickets/%2E%2E%2Fagents%3Fx%3D1%23"
        );
    }

    #[tokio::test]
    async fn a_host_that_is_not_there_is_unreachable() {
        // A port that was free a moment ago: nobody listens.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let client = Client::new(&url, None).expect("a client");
        let error = client.plugins().await.expect_err("nobody answers");
        assert_eq!(error.code(), crate::exit::Code::Unreachable);
        assert!(error.to_string().contains("adjutant serve"), "{error}");
    }
}
