//! A run told as a story, and replays held against it. The records are as a host sends them.

use super::end::verdict;
use super::show::Told;
use super::words;
use crate::client::{LogLine, RunDetail};
use adjutant_model::{Answer, Call, CallError, Ending, Journal, Record, WorkResult};
use adjutant_run::{Recording, ReplayEnd, Replayed};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const RUN: &str = "0195e0a2-7c1e-7cc3-9f51-000000000004";
const BROKEN: &str = "0195e0a2-7c1e-7cc3-9f51-000000000003";
const TICKET: &str = "0195e0a2-7c1e-7cc3-9f51-000000000001";
const AGENT: &str = "0195e0a2-7c1e-7cc3-9f51-000000000002";
/// 2026-11-21 06:00:00 UTC.
const NOW: u64 = 1_795_240_800_000;

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a record")
}

fn records() -> Vec<Record> {
    of(json!([
        {"done": {"index": 0, "at": NOW + 12, "call": {"post": {"ticket": null,
            "text": "I begin.\u{1b}[2J\nNow.", "reply_to": null}}, "reply": {"Ok": {"message": RUN}}}},
        {"done": {"index": 1, "at": NOW + 15, "call": {"memory_get": {"key": "n"}},
            "reply": {"Err": {"denied": "no grant covers it"}}}},
        {"begun": {"index": 2, "at": NOW + 1_020, "call": {"ask": {"member": "maria",
            "text": "Which branch?", "timeout_ms": 60000}}}},
        {"answered": {"index": 2, "at": NOW + 2_520, "reply": {"Ok": {"external":
            {"outcome": "completed", "summary": "main"}}}}},
        {"done": {"index": 3, "at": NOW + 2_600, "call": {"worktree_run":
            {"command": ["make", "test"], "timeout_ms": null}}, "reply": {"Ok": {"exit":
            {"code": 2, "stdout": "", "stderr": "no rule", "truncated": false, "elapsed_ms": 70}}}}},
    ]))
}

fn recording(change: impl FnOnce(&mut Value, &mut Value)) -> Recording {
    let mut run = json!({
        "id": RUN, "ticket": TICKET, "agent": AGENT, "attempt": 2,
        "plugin": {"name": "reviewer", "version": "0.1.1", "world": "subordinate", "size": 1,
            "digest": format!("sha256:{}", "0123456789abcdef".repeat(4)), "builtin": false,
            "added_at": NOW},
        "token": BROKEN, "status": "failed", "broke": true, "queued_at": NOW + 1_000,
        "error": "The component failed: unreachable\n  at work (src/lib.rs:7)", "ended_at": NOW + 2_700,
    });
    let mut ticket = json!({
        "id": TICKET, "workspace": TICKET, "title": "Review the change",
        "description": "Look at it.\nSay what is wrong.", "notes": "", "status": "failed",
        "assignee": AGENT, "parent": null, "root": TICKET, "depth": 0, "children": [],
        "validation": "strict", "summary": "", "violations": [], "rejections": 0, "attempts": 2,
        "run": RUN, "runs": [BROKEN, RUN], "channel": TICKET, "conversation_mode": "chat",
        "collaborators": [], "links": [], "created_by": {"type": "host"}, "created_at": NOW,
        "updated_at": NOW, "branches": [],
    });
    change(&mut run, &mut ticket);
    Recording {
        run: of(run),
        ticket: of(ticket),
        agent: of(json!({
            "id": AGENT, "workspace": TICKET, "name": "ada", "class": "", "description": "",
            "skills": [], "plugin": {"name": "reviewer", "version": null}, "selector": null,
            "config": {}, "boss": null, "limits": {}, "grants": {}, "created_at": NOW,
        })),
        boss: None,
        request: String::new(),
        journal: Journal::from_records(records()).expect("a journal"),
    }
}

fn story(full: bool) -> String {
    let recording = recording(|_, _| {});
    let detail: RunDetail = of(json!({
        "id": RUN, "agent": {"id": AGENT, "name": "ada"}, "resumed": {"from": BROKEN, "calls": 2},
    }));
    let log: Vec<LogLine> = of(json!([
        {"index": 0, "at": "2026-11-21T06:00:01.005Z", "stream": "stdout", "text": "awake\n"},
        {"index": 1, "at": "2026-11-21T06:00:02.590Z", "stream": "command stderr",
            "text": "one\ntwo\u{7}\n3\n4\n5\n6\n7\n8\n9\n10\n"},
    ]));
    let told = Told {
        recording: &recording,
        detail: &detail,
        log: &log,
        full,
    };
    told.story()
}

#[test]
fn a_run_as_a_story() {
    insta::assert_snapshot!("story", story(false));
}

#[test]
fn a_run_as_a_story_with_everything() {
    insta::assert_snapshot!("story_in_full", story(true));
}

#[test]
fn every_kind_of_answer_is_a_line() {
    let reports = json!({"joined": {"met": true, "pending": [RUN], "reports": [
        {"ticket": TICKET, "title": "t", "agent": AGENT, "agent_name": "ada", "outcome": "completed",
            "summary": "fine", "output": null, "violations": []}]}});
    let delegated = json!({"delegated": [{"ticket": TICKET, "assignee": AGENT,
        "assignee_name": "ada", "reason": "idle", "confidence": "high"}]});
    let table = [
        (json!("unit"), "done".to_owned()),
        (
            reports,
            "1 report: ada completed: \"fine\"; 1 still to come".to_owned(),
        ),
        (delegated, format!("1 delegation: ada has {TICKET} (idle)")),
        (json!({"keys": []}), "no keys".to_owned()),
        (json!({"bytes": [104, 105]}), "\"hi\"".to_owned()),
        (json!({"bytes": [255]}), "1 byte".to_owned()),
        (json!({"commit": null}), "nothing to commit".to_owned()),
        (
            json!({"files": [{"name": "a", "kind": "file", "size": 1}, {"name": "b", "kind": "file",
                "size": 1}]}),
            "2 entries: a; b".to_owned(),
        ),
    ];
    for (answer, line) in table {
        let answer: Answer = of(answer);
        assert_eq!(words::answered(&Ok(answer)), line);
    }
    let error = CallError::NotFound("there is none".to_owned());
    assert_eq!(
        words::answered(&Err(error)),
        "refused, not found: there is none"
    );
    let long = Call::Progress {
        note: "x".repeat(10_000),
    };
    assert!(words::asked(&long).chars().count() <= 160);
}

fn worked(completed: bool, summary: &str) -> Ending {
    Ending::Worked {
        result: WorkResult {
            completed,
            summary: summary.to_owned(),
            output: None,
        },
        violations: Vec::new(),
        branches: Vec::new(),
    }
}

#[test]
fn verdicts_say_where_a_replay_differs() {
    let done = |run: &mut Value, ticket: &mut Value| {
        run["status"] = json!("completed");
        run["broke"] = json!(false);
        ticket["status"] = json!("done");
        ticket["summary"] = json!("fine");
    };
    let stopped = |run: &mut Value, _: &mut Value| {
        run["status"] = json!("cancelled");
        run["broke"] = json!(false);
        run["error"] = json!("no need");
    };
    let (broke, done, stopped) = (recording(|_, _| {}), recording(done), recording(stopped));
    let asked = || Box::new(Call::Team);
    let trap = |what: &str| {
        let why = format!("The component failed: {what}\n  at work (src/lib.rs:99)");
        ReplayEnd::Ended(Ending::Broke(why))
    };
    let table = [
        (&broke, trap("unreachable"), true, "and the same end: broke"),
        (&broke, trap("overflow"), false, "at the end, after 4 calls"),
        (
            &broke,
            ReplayEnd::Asks { asked: asked() },
            false,
            "goes on and asks delegation.team",
        ),
        (
            &broke,
            ReplayEnd::Ended(worked(true, "fine")),
            false,
            "completed: \"fine\"",
        ),
        (
            &done,
            ReplayEnd::Ended(worked(true, "fine")),
            true,
            "and the same end: completed",
        ),
        (
            &done,
            ReplayEnd::Ended(worked(true, "else")),
            false,
            "completed: \"else\"",
        ),
        (
            &done,
            ReplayEnd::Ended(worked(false, "fine")),
            false,
            "gave up: \"fine\"",
        ),
        (
            &stopped,
            ReplayEnd::Asks { asked: asked() },
            true,
            "here the run stood (cancelled: no need)",
        ),
        (
            &stopped,
            ReplayEnd::Waits { call: asked() },
            true,
            "it waits in delegation.team",
        ),
        (
            &stopped,
            ReplayEnd::Ended(worked(true, "x")),
            true,
            "Left alone it ends: completed",
        ),
        (
            &done,
            ReplayEnd::EndedEarly {
                journaled: asked(),
                ending: worked(true, "fine"),
            },
            false,
            "completed: \"fine\"",
        ),
    ];
    for (recording, end, same, part) in table {
        let shown = format!("{end:?}");
        let replayed = Replayed { calls: 4, end };
        let verdict = verdict(recording, &replayed).expect("it was played to its end");
        assert_eq!(verdict.same, same, "{shown}: {verdict:?}");
        assert_eq!(verdict.difference.is_none(), same, "{shown}");
        assert!(verdict.text.contains(part), "{part:?} in {}", verdict.text);
    }
    let other = Replayed {
        calls: 1,
        end: ReplayEnd::Diverged {
            index: 1,
            journaled: asked(),
            asked: Box::new(Call::WorktreeDiff),
        },
    };
    let verdict = verdict(&done, &other).expect("it was played to its end");
    insta::assert_snapshot!("difference", verdict.text);
}
