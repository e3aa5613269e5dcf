//! A client of the API, as a user's program would be one.

use super::{Events, block};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Talks to a host.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

/// What the host answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The request, for messages.
    request: String,
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

impl Reply {
    /// The body of a success, as JSON.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{}: {} {}",
            self.request,
            self.status,
            self.text
        );
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The problem that the host answers with, of this status; `detail` is a sentence.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        let problem = self.any_problem();
        assert_eq!(problem["status"], status);
        problem
    }

    /// The problem that the host answers with: 4xx, and a sentence.
    #[track_caller]
    pub(crate) fn any_problem(&self) -> Value {
        let told = format!("{}: {} {}", self.request, self.status, self.text);
        assert!((400..500).contains(&self.status), "{told}");
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{told}"
        );
        let problem: Value = serde_json::from_str(&self.text).expect(&told);
        let detail = problem["detail"].as_str().expect(&told);
        assert!(detail.split(' ').count() >= 4, "no sentence: {told}");
        assert!(
            detail.len() < 3_000,
            "too long a sentence: {} bytes",
            detail.len()
        );
        problem
    }

    /// The entity tag.
    pub(crate) fn etag(&self) -> String {
        let tag = self.headers.get("etag").and_then(|tag| tag.to_str().ok());
        tag.expect("an entity tag").to_owned()
    }
}

impl Client {
    /// A client of the host at a URL.
    pub(crate) fn new(url: &str) -> Client {
        adjutant_connect::use_tls();
        Client {
            url: url.to_owned(),
            http: reqwest::Client::builder()
                .tls_certs_only([])
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client"),
        }
    }

    /// Sends a request; none where the host is gone.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Option<Reply> {
        let method = method.parse().expect("a method");
        let name = format!("{method} {path}");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .timeout(Duration::from_secs(120));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        block(async {
            let response = request.send().await.ok()?;
            Some(Reply {
                request: name,
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: response.text().await.ok()?,
            })
        })
    }

    /// Sends a request.
    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Reply {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|| panic!("{method} {path}: no host answers at {}", self.url))
    }

    /// Gets a path.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// Posts JSON.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, &[], body)
    }

    /// Posts JSON with more headers.
    #[track_caller]
    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.send("POST", path, &headers, Some(body.to_string().into_bytes()))
    }

    /// Registers a component.
    pub(crate) fn upload(&self, name: &str, version: &str, component: Vec<u8>) -> Reply {
        let path = format!("/v1/plugins?name={name}&version={version}");
        let headers = [("content-type", "application/wasm")];
        self.send("POST", &path, &headers, Some(component))
    }

    /// Saves a team; the agents' ids by their names.
    #[track_caller]
    pub(crate) fn apply(&self, team: &Value) -> HashMap<String, String> {
        let applied = self.post("/v1/apply", team).ok();
        let agents = applied["agents"].as_array().expect("agents").iter();
        agents
            .map(|agent| (string(&agent["name"]), string(&agent["id"])))
            .collect()
    }

    /// Makes a ticket and gives back its id.
    #[track_caller]
    pub(crate) fn create(&self, ticket: &Value) -> String {
        let reply = self.post("/v1/tickets", ticket);
        assert_eq!(reply.status, 201, "{}", reply.text);
        string(&reply.ok()["id"])
    }

    /// Gives an agent a script to follow.
    #[track_caller]
    pub(crate) fn tell(&self, agent: &str, title: &str, script: Value) -> String {
        let description = super::steps(script);
        self.create(&json!({"title": title, "description": description, "assignee": agent}))
    }

    /// A ticket.
    #[track_caller]
    pub(crate) fn ticket(&self, id: &str) -> Value {
        self.get(&format!("/v1/tickets/{id}")).ok()
    }

    /// A ticket with all below it.
    #[track_caller]
    pub(crate) fn tree(&self, id: &str) -> Value {
        self.get(&format!("/v1/tickets/{id}/tree")).ok()
    }

    /// The tickets right below one, in the order of their making.
    #[track_caller]
    pub(crate) fn children(&self, id: &str) -> Vec<Value> {
        let tree = self.tree(id);
        let nodes = tree["children"].as_array().expect("children").iter();
        nodes.map(|node| node["ticket"].clone()).collect()
    }

    /// All items of a list that is read by the page, from an index.
    #[track_caller]
    fn items(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self
                .get(&format!("{path}?limit=200&from={}", all.len()))
                .ok();
            all.extend(page["items"].as_array().expect("a page").iter().cloned());
            if page["next"].is_null() {
                return all;
            }
        }
    }

    /// What was said in a ticket's channel.
    #[track_caller]
    pub(crate) fn messages(&self, ticket: &str) -> Vec<Value> {
        self.items(&format!("/v1/tickets/{ticket}/messages"))
    }

    /// A run's journal.
    #[track_caller]
    pub(crate) fn journal(&self, run: &str) -> Vec<Value> {
        self.items(&format!("/v1/runs/{run}/journal"))
    }

    /// What a run printed.
    #[track_caller]
    pub(crate) fn log(&self, run: &str) -> String {
        let lines = self.items(&format!("/v1/runs/{run}/log"));
        lines.iter().map(|line| string(&line["text"])).collect()
    }

    /// A ticket's runs.
    #[track_caller]
    pub(crate) fn runs(&self, ticket: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/tickets/{ticket}/runs")).ok();
        page["items"].as_array().expect("a page").clone()
    }

    /// Looks again at every event until what was looked for is there.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, look: impl FnMut(&Client) -> Option<T>) -> T {
        self.wait_in("default", what, look)
    }

    /// Looks again at every event of a workspace until what was looked for is there.
    #[track_caller]
    pub(crate) fn wait_in<T>(
        &self,
        workspace: &str,
        what: &str,
        mut look: impl FnMut(&Client) -> Option<T>,
    ) -> T {
        // Opened before the first look, so that nothing is missed between the two.
        let events = Events::open(self, &format!("/v1/events?workspace={workspace}"), None);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let next = events.next();
            assert!(next.is_some(), "the host ended while {what} was waited for");
            events.drain();
        }
    }

    /// A ticket when it is over.
    #[track_caller]
    pub(crate) fn over(&self, id: &str) -> Value {
        self.wait("the end of a ticket", |client| {
            let ticket = client.ticket(id);
            let over = matches!(
                ticket["status"].as_str(),
                Some("done" | "failed" | "cancelled")
            );
            over.then_some(ticket)
        })
    }

    /// A ticket when it is done; anything else is a failure of the test.
    #[track_caller]
    pub(crate) fn done(&self, id: &str) -> Value {
        let ticket = self.over(id);
        assert_eq!(ticket["status"], "done", "{ticket:#}");
        ticket
    }

    /// A ticket when it has failed, and why.
    #[track_caller]
    pub(crate) fn failed(&self, id: &str) -> String {
        let ticket = self.over(id);
        assert_eq!(ticket["status"], "failed", "{ticket:#}");
        string(&ticket["summary"])
    }

    /// The answers to the steps of a script that is done.
    #[track_caller]
    pub(crate) fn answers(&self, id: &str) -> Vec<Value> {
        let ticket = self.done(id);
        let steps = ticket["output"]["steps"].as_array();
        steps
            .unwrap_or_else(|| panic!("no steps: {ticket:#}"))
            .clone()
    }

    /// Waits until a ticket's run waits, and gives back the run.
    #[track_caller]
    pub(crate) fn waiting(&self, ticket: &str) -> Value {
        self.wait("a run that waits", |client| {
            let run = client.runs(ticket).pop()?;
            (run["status"] == "waiting").then_some(run)
        })
    }

    /// The number of the newest event.
    pub(crate) fn newest(&self) -> u64 {
        super::all_events(self).len() as u64
    }
}

/// A JSON string.
#[track_caller]
pub(crate) fn string(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}
