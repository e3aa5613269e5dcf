//! Kill -9 in the middle of a fan-out, at moments spread over it, and a restart on the same data:
//! nothing acknowledged is lost, no finished step happens twice.

use crate::support::{
    Client, Events, Repo, Server, all_events, boss, folder, hand, of_kind, team, text, until,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const HANDS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// A host whose agents leave a line outside for each command that they run.
struct Yard {
    server: Server,
    repo: Repo,
    outside: TempDir,
    script: String,
}

fn yard() -> Yard {
    let (repo, outside) = (Repo::new(), folder());
    let file = text(outside.path().join("lines"));
    // Each execution has a name of its own, outside and in its output.
    let script = format!("id=$$-$(date +%s%N); echo \"$1 $id\" >> '{file}'; echo $id");
    let command = ["sh", "-c", &script, "sh", "*"];
    let mut agents = vec![
        boss("lead").may_run(&command),
        hand("clerk", "lead").at_once(100),
    ];
    agents.extend(HANDS.map(|name| hand(name, "lead").at_once(4).may_run(&command)));
    let server = Server::scripted(&team(Some(&repo), agents));
    Yard {
        server,
        repo,
        outside,
        script,
    }
}

impl Yard {
    fn run(&self, mark: &str) -> Value {
        json!({"run": ["sh", "-c", self.script, "sh", mark]})
    }

    /// A boss that fans out, and hands that do several things each.
    fn fan_out(&self, round: usize) -> String {
        let parts: Vec<Value> = HANDS
            .iter()
            .map(|name| {
                let mark = format!("{round}-{name}");
                let script = json!([
                    {"post": format!("begin {mark}")},
                    self.run(&format!("{mark}-a")),
                    {"progress": format!("half {mark}")},
                    {"memory_put": [mark, "kept"]},
                    {"write": {"path": format!("{mark}.txt"), "text": mark}},
                    self.run(&format!("{mark}-b")),
                    {"random": 8},
                    {"post": format!("end {mark}")},
                    {"memory_get": mark},
                    {"report": {"summary": format!("done {mark}"), "output": mark}}
                ]);
                json!({"title": format!("Part {mark}"), "to": name, "script": script})
            })
            .collect();
        let script = json!([
            {"post": format!("go {round}")},
            self.run(&format!("{round}-lead")),
            {"delegate": parts},
            {"progress": format!("delegated {round}")},
            {"await": {"join": "all"}},
            {"post": format!("all in {round}")}
        ]);
        self.server
            .tell("lead", &format!("Fan out {round}"), script)
    }

    /// Kills the host after so many events of a fan-out, while tickets come in; gives back the fan-out
    /// and the tickets that were acknowledged.
    fn crash(&mut self, round: usize, after: usize) -> (String, Vec<String>) {
        let events = Events::open(&self.server, "/v1/events", None);
        let root = self.fan_out(round);
        let stop = AtomicBool::new(false);
        let client: Client = (*self.server).clone();
        let acknowledged = std::thread::scope(|scope| {
            let clerk = scope.spawn(|| send_until_gone(&client, &stop));
            let mut seen = 0;
            while seen < after {
                let frame = events.next().expect("the host lives");
                if frame.event == "TicketCompleted" && frame.data["ticket"] == json!(root) {
                    break;
                }
                // The clerk's tickets only keep the host busy.
                let clerks = frame.data["title"] == json!("Clerk");
                seen += usize::from(!clerks);
            }
            self.server.kill();
            stop.store(true, Ordering::Relaxed);
            clerk.join().expect("it stops")
        });
        self.server.restart();
        (root, acknowledged)
    }

    /// The executions of each command, by its mark, in their order.
    fn executions(&self) -> HashMap<String, Vec<String>> {
        let lines = std::fs::read_to_string(self.outside.path().join("lines")).unwrap_or_default();
        let mut all: HashMap<String, Vec<String>> = HashMap::new();
        for line in lines.lines() {
            let (mark, id) = line.split_once(' ').expect("a mark and an id");
            all.entry(mark.to_owned()).or_default().push(id.to_owned());
        }
        all
    }

    /// A fan-out has ended as if nothing had happened. `kills` were there at most.
    fn check(&self, round: usize, root: &str, kills: usize) {
        let server = &self.server;
        let answers = server.answers(root);
        let context = format!("round {round}, ticket {root}");
        assert_eq!(answers[4]["met"], true, "{context}: {answers:#?}");
        let children = server.children(root);
        assert_eq!(children.len(), HANDS.len(), "{context}");
        for (child, name) in children.iter().zip(HANDS) {
            let mark = format!("{round}-{name}");
            assert_eq!(child["status"], "done", "{context}: {child:#}");
            assert_eq!(child["output"], json!(mark), "{context}");
            assert_eq!(child["attempts"], 1, "{context}: a crash is no new attempt");
            let branch = child["branches"][0]["branch"].as_str().expect("a branch");
            assert_eq!(
                self.repo.git(&["show", &format!("{branch}:{mark}.txt")]),
                mark
            );
            let expected = [
                ("text", format!("begin {mark}")),
                ("progress", format!("half {mark}")),
                ("text", format!("end {mark}")),
            ];
            let id = child["id"].as_str().expect("an id");
            assert_eq!(
                said(server, id),
                expected.map(|(kind, text)| (kind.into(), text))
            );
        }
        let mut own = said(server, root);
        let mut expected = vec![
            ("text".to_owned(), format!("go {round}")),
            ("progress".to_owned(), format!("delegated {round}")),
            ("text".to_owned(), format!("all in {round}")),
        ];
        own.retain(|(kind, _)| kind != "report");
        assert_eq!(own, expected, "{context}");
        expected.clear();
        let reports: HashSet<String> = said(server, root)
            .into_iter()
            .filter(|(kind, _)| kind == "report")
            .map(|(_, text)| text)
            .collect();
        assert_eq!(reports.len(), HANDS.len(), "{context}");
        let messages = server.messages(root);
        assert_eq!(
            messages.len(),
            3 + HANDS.len(),
            "{context}: none stands twice"
        );

        let mut tickets = vec![root.to_owned()];
        tickets.extend(
            children
                .iter()
                .map(|child| child["id"].as_str().expect("an id").to_owned()),
        );
        let executions = self.executions();
        let mut commands = 0;
        for ticket in tickets {
            let runs = server.runs(&ticket);
            assert_eq!(runs.len(), 1, "{context}");
            for entry in server.journal(runs[0]["id"].as_str().expect("an id")) {
                if entry["call"] != "worktree.run" {
                    continue;
                }
                commands += 1;
                let command = entry["arguments"]["command"].as_array().expect("a command");
                let mark = command.last().and_then(Value::as_str).expect("a mark");
                let journaled = entry["reply"]["stdout"]
                    .as_str()
                    .expect("its output")
                    .trim();
                let all = &executions[mark];
                // Whatever ran before the journaled end was cut off; nothing ran after it.
                assert_eq!(
                    all.last().map(String::as_str),
                    Some(journaled),
                    "{context}: {mark} {all:?}"
                );
                assert!(all.len() <= 1 + kills, "{context}: {mark} {all:?}");
            }
        }
        assert_eq!(commands, 1 + 2 * HANDS.len(), "{context}");
    }

    /// The log tells each ticket's story once.
    fn check_log(&self) {
        let events = all_events(&self.server);
        for kind in [
            "TicketCreated",
            "TicketStarted",
            "TicketCompleted",
            "TicketDelegated",
        ] {
            let mut seen = HashSet::new();
            for event in of_kind(&events, kind) {
                assert!(seen.insert(event["ticket"].to_string()), "twice: {event:#}");
            }
        }
        let mut messages = HashSet::new();
        for event in of_kind(&events, "MessagePosted") {
            assert!(
                messages.insert(event["message"].to_string()),
                "twice: {event:#}"
            );
        }
        until("the worktrees' end", || {
            self.server.worktrees_left().is_empty().then_some(())
        });
        self.repo.git(&["fsck", "--strict"]);
    }
}

fn said(server: &Server, ticket: &str) -> Vec<(String, String)> {
    let messages = server.messages(ticket);
    let field = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
    messages
        .iter()
        .map(|message| (field(message, "kind"), field(message, "text")))
        .collect()
}

/// Makes small tickets one after the other; gives back those that were acknowledged.
fn send_until_gone(client: &Client, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let body = json!({"title": "Clerk", "assignee": "clerk", "description": "{\"steps\": []}"});
    let headers = [("content-type", "application/json")];
    while !stop.load(Ordering::Relaxed) && acknowledged.len() < 20 {
        let body = body.to_string().into_bytes();
        let Some(reply) = client.try_send("POST", "/v1/tickets", &headers, Some(body)) else {
            break;
        };
        if reply.status == 201 {
            acknowledged.push(reply.ok()["id"].as_str().expect("an id").to_owned());
        }
    }
    acknowledged
}

fn crash_after(moments: &[usize]) {
    let mut yard = yard();
    let mut rounds = Vec::new();
    for (round, after) in moments.iter().enumerate() {
        let (root, acknowledged) = yard.crash(round, *after);
        yard.server.done(&root);
        yard.check(round, &root, 1);
        for id in &acknowledged {
            yard.server.done(id);
        }
        rounds.push(root);
    }
    // All of it is still as it was, however often the host was killed since.
    for (round, root) in rounds.iter().enumerate() {
        yard.check(round, root, 1);
    }
    yard.check_log();
}

// In several tests, for they go on beside each other.

#[test]
fn killed_while_it_begins() {
    crash_after(&[1, 3, 5, 9]);
}

#[test]
fn killed_while_it_fans_out() {
    crash_after(&[14, 20, 28, 36]);
}

#[test]
fn killed_while_reports_come_in() {
    crash_after(&[48, 60, 75, 95]);
}

#[test]
fn killed_again_and_again() {
    let mut yard = yard();
    let events = Events::open(&yard.server, "/v1/events", None);
    let root = yard.fan_out(0);
    let mut kills = 0;
    let over = |server: &Server| server.ticket(&root)["status"] != "in_progress";
    events.until(|frame| frame.event == "RunProvisioning");
    let mut events = events;
    for _ in 0..6 {
        for _ in 0..12 {
            if over(&yard.server) {
                break;
            }
            events.next().expect("the host lives");
        }
        drop(events);
        yard.server.kill();
        yard.server.restart();
        kills += 1;
        events = Events::open(&yard.server, "/v1/events", None);
        if over(&yard.server) {
            break;
        }
    }
    yard.check(0, &root, kills);
    yard.check_log();
}

#[test]
fn a_host_that_is_asked_to_end_goes_on_later_too() {
    let mut yard = yard();
    let events = Events::open(&yard.server, "/v1/events", None);
    let root = yard.fan_out(0);
    events.until(|frame| frame.event == "TicketDelegated");
    assert_eq!(yard.server.end(), Some(0));
    yard.server.restart();
    yard.server.done(&root);
    yard.check(0, &root, 1);
    yard.check_log();
}

#[test]
fn a_cancelled_ticket_stays_cancelled_and_its_command_ends_with_the_host() {
    let (repo, outside) = (Repo::new(), folder());
    let pid: PathBuf = outside.path().join("pid");
    let script = format!("echo $$ > '{}'; exec sleep 600", text(&pid));
    let command = ["sh", "-c", &script];
    let agents = [boss("lead"), hand("slow", "lead").may_run(&command)];
    let mut server = Server::scripted(&team(Some(&repo), agents));
    let id = server.tell("slow", "Sleep", json!([{"run": command}]));
    let number = |path: &Path| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u32>()
            .ok()
    };
    let first = until("the command", || number(&pid));
    server.kill();
    std::fs::remove_file(&pid).expect("it is there");
    server.restart();
    // The orphan of the killed host is ended, and the command, whose end nobody saw, runs again.
    let second = until("the command, again", || number(&pid));
    assert_ne!(first, second);
    let gone = |pid: u32| (!Path::new(&format!("/proc/{pid}")).exists()).then_some(());
    until("the orphan's end", || gone(first));
    server.kill();
    server.restart();
    server
        .post(
            &format!("/v1/tickets/{id}/cancel"),
            &json!({"reason": "enough"}),
        )
        .ok();
    until("the processes' end", || {
        crate::support::processes_of(&id).is_empty().then_some(())
    });
    until("the worktree's end", || {
        server.worktrees_left().is_empty().then_some(())
    });
    server.kill();
    server.restart();
    let ticket = server.ticket(&id);
    assert_eq!(
        (&ticket["status"], &ticket["summary"]),
        (&json!("cancelled"), &json!("enough"))
    );
    assert_eq!(server.runs(&id).len(), 1);
}
