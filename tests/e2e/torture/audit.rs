//! The audit: what clients were told, what commands left outside and what the repository has, beside
//! what the host says of it.

use super::{Book, Yard};
use crate::support::{Client, all_events, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// What was looked at.
#[derive(Debug, Default)]
pub(super) struct Figures {
    events: usize,
    tickets: usize,
    runs: usize,
    records: usize,
    commands: usize,
    cut_off: usize,
    messages: usize,
    reports: usize,
    branches: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "audited {} events, {} tickets, {} runs, {} journal records, {} commands ({} executions \
             cut off before they were journaled), {} messages, {} reports, {} branches",
            self.events,
            self.tickets,
            self.runs,
            self.records,
            self.commands,
            self.cut_off,
            self.messages,
            self.reports,
            self.branches,
        )
    }
}

/// An audit under way.
pub(super) struct Audit<'a> {
    yard: &'a Yard,
    client: &'a Client,
    events: Vec<Value>,
    tickets: BTreeMap<String, Value>,
    /// What was said, by ticket.
    said: HashMap<String, Vec<Value>>,
    /// The executions of each command, by its mark, in their order.
    executions: HashMap<String, Vec<String>>,
    branches: HashSet<String>,
    figures: Figures,
}

fn word(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {value:#}"))
        .to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl<'a> Audit<'a> {
    /// Reads all there is to see.
    pub(super) fn of(yard: &'a Yard) -> Audit<'a> {
        let client: &Client = &yard.server;
        // It checks that the sequence numbers are dense.
        let events = all_events(client);
        let created = events
            .iter()
            .filter(|event| event["type"] == "TicketCreated");
        let mut tickets = BTreeMap::new();
        let mut said = HashMap::new();
        for event in created {
            let id = word(event, "ticket");
            assert!(
                tickets.insert(id.clone(), client.ticket(&id)).is_none(),
                "created twice: {id}"
            );
            let messages = client.messages(&id);
            said.insert(id, messages);
        }
        let lines = std::fs::read_to_string(yard.outside.path().join("lines")).unwrap_or_default();
        let mut executions: HashMap<String, Vec<String>> = HashMap::new();
        for line in lines.lines() {
            let (mark, id) = line.split_once(' ').expect("a mark and an id");
            executions
                .entry(mark.to_owned())
                .or_default()
                .push(id.to_owned());
        }
        let branches = yard.repo.other_branches().into_iter().collect();
        let figures = Figures {
            events: events.len(),
            tickets: tickets.len(),
            ..Figures::default()
        };
        Audit {
            yard,
            client,
            events,
            tickets,
            said,
            executions,
            branches,
            figures,
        }
    }

    /// Checks everything.
    pub(super) fn all(mut self) -> Figures {
        self.log();
        self.book();
        self.reports();
        for id in self.tickets.keys().cloned().collect::<Vec<_>>() {
            self.ticket(&id);
        }
        self.nothing_is_left();
        self.figures
    }

    /// The log tells each ticket's story once, and never of two live runs.
    fn log(&mut self) {
        let mut live: HashMap<String, String> = HashMap::new();
        let mut ends: HashMap<String, String> = HashMap::new();
        let mut once: HashSet<String> = HashSet::new();
        for event in &self.events {
            let kind = word(event, "type");
            let Some(ticket) = event["ticket"].as_str().map(ToOwned::to_owned) else {
                continue;
            };
            match kind.as_str() {
                "TicketStarted" => {
                    let run = word(event, "run");
                    self.figures.runs += 1;
                    let before = live.insert(ticket.clone(), run);
                    assert!(before.is_none(), "two live runs of {ticket}: {event:#}");
                    assert!(!ends.contains_key(&ticket), "it is over: {event:#}");
                }
                "RunEnded" => {
                    let run = live.remove(&ticket);
                    assert_eq!(run, Some(word(event, "run")), "{event:#}");
                }
                "TicketCompleted" | "TicketFailed" | "TicketCancelled" => {
                    let before = ends.insert(ticket.clone(), kind);
                    assert!(before.is_none(), "{ticket} ended twice: {event:#}");
                }
                "TicketCreated" | "TicketDelegated" => {
                    assert!(once.insert(format!("{kind} {ticket}")), "twice: {event:#}");
                }
                "MessagePosted" => {
                    let message = word(event, "message");
                    assert!(once.insert(message), "twice: {event:#}");
                }
                _ => {}
            }
        }
        assert_eq!(live.len(), 0, "runs that never ended: {live:?}");
        for (id, ticket) in &self.tickets {
            let end = match ticket["status"].as_str() {
                Some("done") => "TicketCompleted",
                Some("cancelled") => "TicketCancelled",
                other => panic!("{id} is {other:?}: {ticket:#}"),
            };
            assert_eq!(ends.get(id).map(String::as_str), Some(end), "{ticket:#}");
        }
    }

    /// What was acknowledged is there, once.
    fn book(&mut self) {
        let book: &Book = &self.yard.book;
        for root in &book.roots {
            assert!(self.tickets.contains_key(root), "ticket {root} is lost");
        }
        let mut texts: HashMap<&str, Vec<&str>> = HashMap::new();
        for (ticket, messages) in &self.said {
            for message in messages
                .iter()
                .filter(|message| message["author"]["type"] == "person")
            {
                texts
                    .entry(message["text"].as_str().expect("a text"))
                    .or_default()
                    .push(ticket);
            }
        }
        for (text, tickets) in &texts {
            assert_eq!(tickets.len(), 1, "{text:?} stands {} times", tickets.len());
        }
        for (ticket, text) in &book.messages {
            assert_eq!(
                texts.get(text.as_str()),
                Some(&vec![ticket.as_str()]),
                "the message {text:?} to {ticket} is lost"
            );
        }
        for id in &book.cancelled {
            assert_eq!(self.tickets[id]["status"], "cancelled", "{id}");
        }
        let asked: HashSet<&str> = book.asked_to_cancel.iter().map(String::as_str).collect();
        for (id, ticket) in &self.tickets {
            let root = word(ticket, "root");
            let cancelled = ticket["status"] == "cancelled";
            assert!(
                !cancelled || asked.contains(root.as_str()),
                "nobody asked to cancel {id}: {ticket:#}"
            );
            let above = ticket["parent"]
                .as_str()
                .map(|parent| &self.tickets[parent]);
            assert!(
                above.is_none_or(|above| above["status"] != "cancelled") || cancelled || {
                    // It was over before the one above it was cancelled.
                    ticket["status"] == "done"
                },
                "{id} goes on below a cancelled ticket"
            );
        }
    }

    /// Each report from outside was accepted once at most, and is what its ticket says.
    fn reports(&mut self) {
        let mut accepted = HashSet::new();
        for (ticket, summary) in &self.yard.book.reports {
            assert!(accepted.insert(ticket), "{ticket} took two reports");
            let told = &self.tickets[ticket];
            if told["status"] == "cancelled" {
                continue;
            }
            assert_eq!(told["status"], "done", "{told:#}");
            let said = word(told, "summary");
            assert!(
                said.contains(summary.as_str()),
                "{said:?} instead of {summary:?}"
            );
        }
    }

    fn ticket(&mut self, id: &str) {
        let ticket = self.tickets[id].clone();
        let runs = self.client.runs(id);
        assert!(runs.len() <= 1, "a crash is no new attempt: {runs:#?}");
        self.children(id, &ticket);
        let said = self.said[id].clone();
        self.figures.messages += said.len();
        let mut journaled: HashSet<String> = HashSet::new();
        let mut delegated: Vec<String> = Vec::new();
        for run in &runs {
            let journal = self.client.journal(&word(run, "id"));
            self.figures.records += journal.len();
            self.indexes(id, &journal);
            for record in &journal {
                match record["call"].as_str() {
                    Some("worktree.run") => self.command(id, record),
                    Some("channels.post") => {
                        let message = record["reply"].as_str().expect("a message's id").to_owned();
                        let text = &record["arguments"]["text"];
                        let there = said.iter().filter(|one| one["id"] == json!(message));
                        let there: Vec<&Value> = there.collect();
                        assert_eq!(there.len(), 1, "{id}: {record:#}");
                        assert_eq!(&there[0]["text"], text, "{id}");
                        assert!(journaled.insert(message), "{id}: journaled twice");
                    }
                    Some("memory.get") => {
                        assert_eq!(record["reply"]["text"], record["arguments"]["key"], "{id}");
                    }
                    Some("delegation.delegate") => {
                        delegated.extend(list(&record["reply"]).map(|one| word(one, "ticket")));
                    }
                    _ => {}
                }
            }
        }
        let posted = said
            .iter()
            .filter(|one| one["kind"] == "text" && one["author"]["type"] == "agent")
            .map(|one| word(one, "id"));
        let posted: HashSet<String> = posted.collect();
        assert_eq!(posted, journaled, "{id}: what it said is what it journaled");
        let children: Vec<String> = list(&ticket["children"])
            .map(|child| child.as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(
            children, delegated,
            "{id}: its children are those that it journaled"
        );
        if ticket["status"] == "done" {
            self.branch(id, &ticket);
        }
    }

    /// A journal's calls are numbered from 0, each once; one that waited is answered once.
    fn indexes(&self, id: &str, journal: &[Value]) {
        let mut next = 0;
        let mut open = None;
        for record in journal {
            let index = record["index"].as_u64().expect("an index");
            match record["state"].as_str() {
                Some("answered") => {
                    assert_eq!(open.take(), Some(index), "{id}: {record:#}");
                }
                state => {
                    assert_eq!(open, None, "{id}: it waits: {record:#}");
                    assert_eq!(index, next, "{id}: {record:#}");
                    open = (state == Some("begun")).then_some(index);
                    next += 1;
                }
            }
        }
    }

    /// A journaled command was carried out, and not again once it was journaled.
    fn command(&mut self, id: &str, record: &Value) {
        self.figures.commands += 1;
        if record["reply"].is_null() {
            // It was cancelled, and says so.
            assert!(!record["error"].is_null(), "{id}: {record:#}");
            return;
        }
        let command = list(&record["arguments"]["command"]);
        let mark = command
            .last()
            .and_then(Value::as_str)
            .expect("a mark")
            .to_owned();
        let own = record["reply"]["stdout"]
            .as_str()
            .expect("its output")
            .trim()
            .to_owned();
        let all = self.executions.get(&mark).cloned().unwrap_or_default();
        assert_eq!(
            all.last(),
            Some(&own),
            "{id}: {mark} was carried out as {all:?}"
        );
        let deaths = self.yard.kills + self.yard.stillborn;
        assert!(all.len() as u64 <= 1 + deaths, "{id}: {mark} {all:?}");
        self.figures.cut_off += all.len() - 1;
    }

    /// A boss hears of each child once.
    fn children(&mut self, id: &str, ticket: &Value) {
        let reports = self.said[id].iter().filter(|one| one["kind"] == "report");
        let reports: Vec<String> = reports.map(|one| word(one, "text")).collect();
        self.figures.reports += reports.len();
        let different: HashSet<&String> = reports.iter().collect();
        assert_eq!(different.len(), reports.len(), "{id} heard something twice");
        let children = list(&ticket["children"]).count();
        if ticket["status"] == "done" {
            assert_eq!(reports.len(), children, "{id} heard of each child");
        } else {
            assert!(reports.len() <= children, "{id}");
        }
    }

    /// What was written is on the branch that the ticket names, and that is in the repository.
    fn branch(&mut self, id: &str, ticket: &Value) {
        let title = word(ticket, "title");
        let agent = word(&ticket["assignee"], "name");
        let wrote = ["a1", "a2", "b1", "c1"].contains(&agent.as_str());
        assert_eq!(
            list(&ticket["branches"]).count(),
            usize::from(wrote),
            "{id}: {ticket:#}"
        );
        for branch in list(&ticket["branches"]) {
            let name = word(branch, "branch");
            assert!(
                self.branches.contains(&name),
                "{id}: the branch {name} is missing"
            );
            let file = self
                .yard
                .repo
                .git(&["show", &format!("{name}:{title}.txt")]);
            assert_eq!(file, title, "{id}");
            self.figures.branches += 1;
        }
    }

    fn nothing_is_left(&self) {
        let server = &self.yard.server;
        until("the worktrees' end", || {
            server.worktrees_left().is_empty().then_some(())
        });
        let mark = server.worktrees().canonicalize().expect("it is there");
        let mark = crate::support::text(mark);
        until("the processes' end", || {
            crate::support::processes_with("ADJUTANT_WORKTREES", &mark)
                .is_empty()
                .then_some(())
        });
        until("an idle host", || {
            let status = server.get("/v1/status").ok();
            [
                "/runs/live",
                "/runs/in_memory",
                "/instances/now",
                "/worktrees",
                "/tickets/in_memory",
            ]
            .iter()
            .all(|path| status.pointer(path) == Some(&json!(0)))
            .then_some(())
        });
        self.yard.repo.git(&["fsck", "--strict"]);
    }
}
