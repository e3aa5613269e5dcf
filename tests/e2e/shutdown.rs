//! A host that is asked to end: what is under way outside may end, what would begin does not, and
//! what does not end is dropped in time.

use crate::support::{Repo, Server, Setup, boss, folder, hand, team, text, until};
use rustix::process::Signal;
use serde_json::json;
use std::path::PathBuf;
use tempfile::TempDir;

/// A host with one agent, whose command notes that it began and waits for a file.
struct Slow {
    server: Server,
    outside: TempDir,
    script: String,
    ticket: String,
    _repo: Repo,
}

fn slow(shutdown_ms: u64) -> Slow {
    let (repo, outside) = (Repo::new(), folder());
    let (ran, go) = (
        text(outside.path().join("ran")),
        text(outside.path().join("go")),
    );
    let script = format!(
        "echo $1 >> '{ran}'; while [ ! -e '{go}' ]; do sleep 0.05; done; echo $1 ended >> '{ran}'"
    );
    let command = ["sh", "-c", &script, "sh", "*"];
    let server = Server::with(Setup {
        config: Some(format!("[runs]\nshutdown_ms = {shutdown_ms}\n")),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(
        Some(&repo),
        [boss("lead"), hand("slow", "lead").may_run(&command)],
    ));
    let run = |mark: &str| json!({"run": ["sh", "-c", script, "sh", mark]});
    let ticket = server.tell("slow", "Run", json!([run("one"), run("two")]));
    let slow = Slow {
        server,
        outside,
        script,
        ticket,
        _repo: repo,
    };
    slow.until_ran(&["one"]);
    slow
}

impl Slow {
    fn ran(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.outside.path().join("ran"));
        text.unwrap_or_default()
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    }

    fn until_ran(&self, lines: &[&str]) {
        until("the command", || (self.ran() == lines).then_some(()));
    }

    fn go(&self) -> PathBuf {
        self.outside.path().join("go")
    }

    /// Asks it to end, and waits until it has begun to.
    fn ask_to_end(&self) {
        self.server.signal(Signal::TERM);
        until("a refusal", || {
            let body = json!({"title": "New", "backlog": true});
            let reply = self.server.post("/v1/tickets", &body);
            if reply.status == 201 {
                return None;
            }
            assert_eq!(reply.status, 503, "{}", reply.text);
            assert!(reply.headers.contains_key("retry-after"));
            assert!(reply.text.contains("stopping"), "{}", reply.text);
            Some(())
        });
    }
}

#[test]
fn a_command_under_way_may_end_and_the_next_one_does_not_begin() {
    let mut slow = slow(60_000);
    slow.ask_to_end();
    // It can still be read.
    assert_eq!(slow.server.ticket(&slow.ticket)["status"], "in_progress");
    assert_eq!(slow.ran(), ["one"]);
    std::fs::write(slow.go(), "").expect("written");
    assert_eq!(slow.server.exited(), Some(0));
    assert_eq!(slow.ran(), ["one", "one ended"]);
    slow.server.restart();
    let ticket = slow.server.done(&slow.ticket);
    assert_eq!(ticket["attempts"], 1);
    assert_eq!(
        slow.ran(),
        ["one", "one ended", "two", "two ended"],
        "each once"
    );
    assert!(!slow.script.is_empty());
}

#[test]
fn what_does_not_end_in_time_is_dropped_and_goes_on_later() {
    let mut slow = slow(300);
    slow.server.signal(Signal::TERM);
    assert_eq!(slow.server.exited(), Some(0));
    assert!(crate::support::processes_of(&slow.ticket).is_empty());
    assert_eq!(slow.ran(), ["one"], "it was ended");
    slow.server.restart();
    // Nobody saw its end, so it begins again.
    slow.until_ran(&["one", "one"]);
    std::fs::write(slow.go(), "").expect("written");
    slow.server.done(&slow.ticket);
    assert_eq!(slow.ran(), ["one", "one", "one ended", "two", "two ended"]);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut slow = slow(3_600_000);
    slow.ask_to_end();
    slow.server.signal(Signal::INT);
    assert_eq!(slow.server.exited(), Some(130));
    slow.server.restart();
    std::fs::write(slow.go(), "").expect("written");
    slow.server.done(&slow.ticket);
}
