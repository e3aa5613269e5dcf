//! What is asked of the host: bosses that fan out, chains, work outside, messages and cancellings.

use super::{Book, Dice, MOST_LIVE};
use crate::support::{Client, steps};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Somebody who asks for things until the host is gone.
pub(super) struct Load<'a> {
    pub(super) client: &'a Client,
    pub(super) stop: &'a AtomicBool,
    /// Makes marks that nobody else makes.
    pub(super) name: String,
    /// What every command does.
    pub(super) script: &'a str,
    pub(super) dice: Dice,
    /// Roots to talk to and to cancel.
    pub(super) known: VecDeque<String>,
    pub(super) book: Book,
}

impl Load<'_> {
    /// Asks on and on. Gives back what it was told.
    pub(super) fn run(mut self) -> Book {
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let mark = format!("{}.{n}", self.name);
            let went = match self.dice.below(10) {
                0..=5 if self.is_full() == Some(true) => self.message(&mark),
                0..=5 => self.create(&mark),
                6..=8 => self.message(&mark),
                _ => self.cancel(),
            };
            if went.is_none() {
                self.book.unanswered += 1;
                break;
            }
        }
        self.book
    }

    fn is_full(&self) -> Option<bool> {
        let reply = self.client.try_send("GET", "/v1/status", &[], None)?;
        Some(reply.ok()["tickets"]["live"].as_u64()? > MOST_LIVE)
    }

    fn post(&self, path: &str, body: &Value) -> Option<crate::support::Reply> {
        let headers = [("content-type", "application/json")];
        let body = body.to_string().into_bytes();
        self.client.try_send("POST", path, &headers, Some(body))
    }

    fn create(&mut self, mark: &str) -> Option<()> {
        let (agent, script) = match self.dice.below(10) {
            0..=3 => ("lead-1", self.fan_out(mark, &["a1", "a2", "a1"])),
            4..=5 => ("lead-2", self.chain(mark)),
            6..=7 => ("lead-1", self.outside(mark)),
            _ => (
                "clerk",
                json!([{"post": mark}, {"report": {"summary": mark, "output": mark}}]),
            ),
        };
        let body = json!({"title": mark, "description": steps(script), "assignee": agent});
        let reply = self.post("/v1/tickets", &body)?;
        match reply.status {
            201 => {
                let id = reply.ok()["id"].as_str().expect("an id").to_owned();
                self.known.push_front(id.clone());
                self.known.truncate(12);
                self.book.roots.push(id);
            }
            429 | 503 => {}
            _ => panic!("{}: {}", reply.status, reply.text),
        }
        Some(())
    }

    fn command(&self, mark: &str) -> Value {
        json!({"run": ["sh", "-c", self.script, "sh", mark]})
    }

    /// One who does several things, and leaves traces of each.
    fn hand(&mut self, mark: &str) -> Value {
        let mut script = vec![
            json!({"post": format!("begin {mark}")}),
            self.command(&format!("{mark}-a")),
            json!({"memory_put": [mark, mark]}),
            json!({"write": {"path": format!("{mark}.txt"), "text": mark}}),
            json!({"progress": format!("half {mark}")}),
        ];
        if self.dice.below(2) == 0 {
            script.push(self.command(&format!("{mark}-b")));
        }
        script.push(json!({"memory_get": mark}));
        script.push(json!({"post": format!("end {mark}")}));
        script.push(json!({"report": {"summary": format!("done {mark}"), "output": mark}}));
        script.into()
    }

    fn fan_out(&mut self, mark: &str, to: &[&str]) -> Value {
        let parts = to.iter().enumerate().map(|(n, to)| {
            let mark = format!("{mark}.{n}");
            json!({"title": mark, "to": to, "key": mark, "script": self.hand(&mark)})
        });
        let parts: Vec<Value> = parts.collect();
        self.boss(mark, &parts)
    }

    fn boss(&self, mark: &str, parts: &[Value]) -> Value {
        json!([
            {"post": format!("go {mark}")},
            self.command(&format!("{mark}-lead")),
            {"delegate": parts},
            {"progress": format!("delegated {mark}")},
            {"await": {"join": "all"}},
            {"post": format!("all in {mark}")},
            {"report": {"summary": format!("done {mark}"), "output": mark}}
        ])
    }

    fn chain(&mut self, mark: &str) -> Value {
        let below = format!("{mark}.m.0");
        let part = json!({"title": below, "to": "c1", "script": self.hand(&below)});
        let middle = format!("{mark}.m");
        let script = self.boss(&middle, &[part]);
        let beside = format!("{mark}.b");
        let parts = [
            json!({"title": middle, "to": "middle", "script": script}),
            json!({"title": beside, "to": "b1", "script": self.hand(&beside)}),
        ];
        self.boss(mark, &parts)
    }

    fn outside(&mut self, mark: &str) -> Value {
        let (one, two) = (format!("{mark}.x"), format!("{mark}.y"));
        let parts = [
            json!({"title": one, "to": "outside", "description": "Look at it."}),
            json!({"title": two, "to": "a2", "script": self.hand(&two)}),
        ];
        self.boss(mark, &parts)
    }

    fn message(&mut self, mark: &str) -> Option<()> {
        let known: Vec<String> = self.known.iter().cloned().collect();
        let Some(ticket) = self.dice.pick(&known) else {
            return self.is_full().map(drop);
        };
        let text = format!("note {mark}");
        let body = json!({"text": text, "author": "maria"});
        let reply = self.post(&format!("/v1/tickets/{ticket}/messages"), &body)?;
        if (200..300).contains(&reply.status) {
            self.book.messages.push((ticket.clone(), text));
        }
        Some(())
    }

    fn cancel(&mut self) -> Option<()> {
        let known: Vec<String> = self.known.iter().cloned().collect();
        let Some(ticket) = self.dice.pick(&known) else {
            return self.is_full().map(drop);
        };
        self.book.asked_to_cancel.push(ticket.clone());
        let path = format!("/v1/tickets/{ticket}/cancel");
        let reply = self.client.try_send("POST", &path, &[], None)?;
        if reply.status == 200 {
            self.book.cancelled.push(ticket.clone());
        }
        Some(())
    }
}

/// Whoever works outside: looks what is to be done, and reports it, now and then twice.
pub(super) fn reporter(client: &Client, stop: &AtomicBool, agent: &str, mut dice: Dice) -> Book {
    let mut book = Book::default();
    let mut reported: HashMap<String, String> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        if look(client, agent, &mut dice, &mut reported, &mut book).is_none() {
            if !stop.load(Ordering::Relaxed) {
                book.unanswered += 1;
            }
            break;
        }
        // It is a person, or a program that looks now and then.
        std::thread::sleep(Duration::from_millis(100));
    }
    book
}

fn look(
    client: &Client,
    agent: &str,
    dice: &mut Dice,
    reported: &mut HashMap<String, String>,
    book: &mut Book,
) -> Option<()> {
    let path = format!("/v1/tickets?assignee={agent}&status=in_progress&limit=50");
    let page = client.try_send("GET", &path, &[], None)?.ok();
    for ticket in page["items"].as_array().into_iter().flatten() {
        let id = ticket["id"].as_str()?.to_owned();
        let path = format!("/v1/tickets/{id}/messages");
        let messages = client.try_send("GET", &path, &[], None)?.ok();
        let task = messages["items"]
            .as_array()?
            .iter()
            .find(|message| message["kind"] == "task");
        let Some(query) = task.and_then(|task| query(task["text"].as_str()?)) else {
            continue;
        };
        let summary = reported
            .entry(id.clone())
            .or_insert_with(|| format!("outside {id} {}", dice.below(1_000)))
            .clone();
        let body = json!({"status": "completed", "summary": summary}).to_string();
        let path = format!("/api/agents/{agent}/report-task{query}");
        for _ in 0..=dice.below(2) {
            let headers = [("content-type", "application/json")];
            let body = Some(body.clone().into_bytes());
            let reply = client.try_send("POST", &path, &headers, body)?.ok();
            if reply["accepted"] == true {
                book.reports.push((id.clone(), summary.clone()));
            } else {
                assert!(reply["reason"].is_string(), "{reply:#}");
                book.refused += 1;
            }
        }
    }
    Some(())
}

/// The query of the line that a task's message shows: `?delegation=…&token=…`.
fn query(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("curl "))?;
    let from = line.find('?')?;
    let to = line[from..].find('\'')?;
    Some(line[from..from + to].to_owned())
}
