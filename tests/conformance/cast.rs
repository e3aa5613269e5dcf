//! A language's agents on a host, in a workspace of their own, and what a scenario asks of them.

use crate::steps::script;
use crate::support::{Client, Events, Server};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The agents of one language.
pub(crate) struct Cast<'a> {
    /// The host.
    pub(crate) server: &'a Server,
    /// The workspace, which has the language's key as its name.
    pub(crate) workspace: String,
    /// The agents' ids by their names.
    pub(crate) ids: HashMap<String, String>,
}

impl<'a> Cast<'a> {
    /// Saves agents in a workspace.
    pub(crate) fn new(server: &'a Server, workspace: &str, repos: Value, agents: &[Value]) -> Self {
        let team = json!({
            "workspace": {"name": workspace, "repos": repos}, "agents": agents
        });
        Cast {
            server,
            workspace: workspace.to_owned(),
            ids: server.apply(&team),
        }
    }

    /// An agent's id.
    pub(crate) fn id(&self, name: &str) -> &str {
        self.ids
            .get(name)
            .unwrap_or_else(|| panic!("there is no agent {name}"))
    }

    /// Makes a ticket.
    pub(crate) fn create(&self, ticket: &Value) -> String {
        let path = format!("/v1/tickets?workspace={}", self.workspace);
        text(&self.server.post(&path, ticket).ok()["id"])
    }

    /// Gives an agent a script.
    pub(crate) fn tell(&self, agent: &str, title: &str, steps: Value) -> String {
        self.tell_with(agent, title, steps, json!({}))
    }

    /// The same, on a ticket with more fields.
    pub(crate) fn tell_with(&self, agent: &str, title: &str, steps: Value, more: Value) -> String {
        let mut ticket = json!({
            "title": title, "description": script(&steps), "assignee": self.id(agent),
        });
        for (name, value) in more.as_object().expect("fields") {
            ticket[name] = value.clone();
        }
        self.create(&ticket)
    }

    /// Has a script done, and gives back its answers.
    pub(crate) fn play(&self, agent: &str, title: &str, steps: Value) -> Vec<Value> {
        self.answers(&self.tell(agent, title, steps))
    }

    /// Looks again at every event of a ticket, and of those below it, until there is what was looked for.
    pub(crate) fn wait<T>(&self, ticket: &str, mut look: impl FnMut(&Client) -> Option<T>) -> T {
        let events = Events::open(self.server, &format!("/v1/events?ticket={ticket}"), None);
        loop {
            if let Some(found) = look(self.server) {
                return found;
            }
            assert!(events.next().is_some(), "the host ended");
            events.drain();
        }
    }

    /// A ticket when it is over.
    pub(crate) fn over(&self, ticket: &str) -> Value {
        self.wait(ticket, |client| {
            let ticket = client.ticket(ticket);
            matches!(
                ticket["status"].as_str(),
                Some("done" | "failed" | "cancelled")
            )
            .then_some(ticket)
        })
    }

    /// A ticket when it is done.
    pub(crate) fn done(&self, ticket: &str) -> Value {
        let ticket = self.over(ticket);
        assert_eq!(
            ticket["status"], "done",
            "{}: {}",
            ticket["title"], ticket["summary"]
        );
        ticket
    }

    /// Why a ticket has failed.
    pub(crate) fn failed(&self, ticket: &str) -> String {
        let ticket = self.over(ticket);
        assert_eq!(
            ticket["status"], "failed",
            "{}: {}",
            ticket["title"], ticket["summary"]
        );
        text(&ticket["summary"])
    }

    /// The answers of a script that is done.
    pub(crate) fn answers(&self, ticket: &str) -> Vec<Value> {
        let done = self.done(ticket);
        assert_eq!(done["summary"], "script done");
        done["output"]
            .as_array()
            .unwrap_or_else(|| panic!("no answers: {done}"))
            .clone()
    }

    /// A ticket's run once it waits.
    pub(crate) fn waiting(&self, ticket: &str) -> Value {
        self.wait(ticket, |client| {
            let run = client.runs(ticket).pop()?;
            let over = client.ticket(ticket);
            let ended = matches!(
                over["status"].as_str(),
                Some("done" | "failed" | "cancelled")
            );
            assert!(!ended, "it should wait, and is over: {}", over["summary"]);
            (run["status"] == "waiting").then_some(run)
        })
    }

    /// The tickets below one, when there are so many.
    pub(crate) fn children(&self, ticket: &str, many: usize) -> Vec<Value> {
        self.wait(ticket, |client| {
            let children = client.children(ticket);
            (children.len() == many).then_some(children)
        })
    }

    /// Says something in a ticket's channel.
    pub(crate) fn say(&self, ticket: &str, author: &str, text: &str) {
        let message = json!({"text": text, "author": author});
        self.server
            .post(&format!("/v1/tickets/{ticket}/messages"), &message)
            .ok();
    }

    /// What was said in a ticket's channel: kind and text.
    pub(crate) fn said(&self, ticket: &str) -> Vec<(String, String)> {
        let messages = self.server.messages(ticket);
        messages
            .iter()
            .map(|one| (text(&one["kind"]), text(&one["text"])))
            .collect()
    }

    /// What a ticket's last run printed.
    pub(crate) fn log(&self, ticket: &str) -> String {
        let run = self.server.runs(ticket).pop().expect("it ran");
        self.server.log(&text(&run["id"]))
    }

    /// Waits until a ticket's run has left memory.
    pub(crate) fn parked(&self, ticket: &str) {
        let run = text(&self.waiting(ticket)["id"]);
        crate::support::until("a parked run", || {
            let log = self.server.logged();
            log.lines()
                .any(|line| line.contains(&run) && line.contains("has left memory while it waits"))
                .then_some(())
        });
    }
}

/// A JSON string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// The name of an error's case, and its text; `none` where it is no error.
#[track_caller]
pub(crate) fn error(answer: &Value) -> (&str, String) {
    let Some(error) = answer["error"].as_object() else {
        return ("none", answer.to_string());
    };
    assert_eq!(error.len(), 1, "an error is one case: {answer}");
    let (case, payload) = error.iter().next().expect("one");
    (
        case,
        payload
            .as_str()
            .map_or_else(|| payload.to_string(), ToOwned::to_owned),
    )
}

/// Asserts that an answer is this error, and that its text has these words.
#[track_caller]
pub(crate) fn refused(answer: &Value, case: &str, words: &str) {
    let (is, told) = error(answer);
    assert!(
        is == case && told.contains(words),
        "not `{case}` with {words:?}: {answer}"
    );
}
