//! Replay: wherever a run is cut off, it ends as if it had not been, and does nothing twice.

use crate::common::{self, Desk, execute};
use adjutant_model::{Call, Limits, Record};
use adjutant_run::{Finished, RunnerOptions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A script that uses calls of all kinds: answered by the run, by the dispatcher, and failing.
fn script() -> Value {
    json!([
        {"memory_put": ["a", "1"]}, {"progress": "one"}, {"random": 8}, {"memory_get": "a"},
        {"clock": true}, {"progress": "two"}, {"memory_put": ["b", "2"]}, {"memory_keys": ""},
        {"run": ["rm", "-rf", "/"]}, {"read": "no/such/place"}, {"random": 4}, {"clock": true},
        {"comment": {"ticket": "self", "text": "denied"}}, {"memory_get": "b"},
    ])
}

/// The journal and the result of a run that ended by itself.
fn ended(finished: Finished, desk: &Desk) -> (Vec<Record>, String) {
    let Finished::Ended {
        pending, ending, ..
    } = finished
    else {
        panic!("the run ended, and not {finished:?}");
    };
    let mut records = desk
        .kept
        .lock()
        .expect("no test panics here")
        .records
        .clone();
    records.extend(pending.into_iter().map(|call| Record::Done {
        index: call.index,
        at: call.at,
        call: call.call,
        reply: call.reply,
    }));
    (records, format!("{ending:?}"))
}

async fn whole() -> (Vec<Record>, Vec<BTreeMap<String, Vec<u8>>>, String) {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&script(), Vec::new(), &desk, |_| {}).await;
    let (records, result) = ended(finished, &desk);
    assert!(result.contains("completed: true"), "{result}");
    let mut memories = desk
        .kept
        .lock()
        .expect("no test panics here")
        .memories
        .clone();
    let last = memories.last().cloned().unwrap_or_default();
    memories.resize(records.len(), last);
    (records, memories, result)
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_anywhere_it_ends_the_same_and_does_nothing_twice() {
    let (records, memories, result) = whole().await;
    assert!(records.len() >= 10, "{records:#?}");
    for cut in 0..=records.len() {
        let memory = if cut == 0 {
            BTreeMap::new()
        } else {
            memories[cut - 1].clone()
        };
        let desk = Arc::new(Desk::new(memory));
        let finished = execute(&script(), records[..cut].to_vec(), &desk, |_| {}).await;
        let (rest, again) = ended(finished, &desk);
        assert_eq!(again, result, "cut at {cut}");
        assert_eq!(rest, records[cut..], "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_asks_something_else_stops_with_both_sides_shown() {
    let (mut records, ..) = whole().await;
    let Record::Done { call, .. } = &mut records[1] else {
        panic!("a call")
    };
    assert_eq!(
        *call,
        Call::Progress {
            note: "one".to_owned()
        }
    );
    *call = Call::Progress {
        note: "another".to_owned(),
    };
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&script(), records, &desk, |_| {}).await;
    let (rest, result) = ended(finished, &desk);
    assert_eq!(rest, [], "a diverged run does nothing more");
    for part in ["diverged", "at call 1", "another", "one", "Faulted"] {
        assert!(result.contains(part), "{part:?} in {result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_ends_before_its_journal_has_diverged() {
    let (records, ..) = whole().await;
    let shorter = json!([{"memory_put": ["a", "1"]}]);
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&shorter, records, &desk, |_| {}).await;
    let (_, result) = ended(finished, &desk);
    assert!(
        result.contains("ended after 1 calls") && result.contains("Faulted"),
        "{result}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_calls_and_no_more() {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&script(), Vec::new(), &desk, |agent| {
        agent.limits.max_calls = 3;
    })
    .await;
    let (records, result) = ended(finished, &desk);
    assert_eq!(records.len(), 3);
    assert!(result.contains("max_calls"), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_so_large_and_no_larger() {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let large = json!([{"post": "x".repeat(1_000)}, {"post": "y".repeat(1_000)},
        {"post": "z".repeat(1_000)}, {"post": "one too many"}]);
    let finished = execute(&large, Vec::new(), &desk, |agent| {
        agent.limits.journal_bytes = 3_000;
    })
    .await;
    let (records, result) = ended(finished, &desk);
    assert_eq!(records.len(), 3, "the call that reaches the limit is kept");
    assert!(result.contains("journal_bytes"), "{result}");
    assert!(result.contains("3000"), "{result}");
    // What is journaled is replayed, however the limit is set meanwhile; then no more is.
    let finished = execute(&large, records, &desk, |agent| {
        agent.limits.journal_bytes = 1;
    })
    .await;
    let (records, result) = ended(finished, &desk);
    assert_eq!(records, [], "nothing new is journaled");
    assert!(result.contains("journal_bytes"), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_logged_once() {
    let steps =
        json!([{"print": "before"}, {"memory_get": "a"}, {"print": "after"}, {"memory_get": "a"}]);
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&steps, Vec::new(), &desk, |_| {}).await;
    let (records, _) = ended(finished, &desk);
    let log = desk
        .kept
        .lock()
        .expect("no test panics here")
        .output
        .clone();
    assert!(log.contains("before") && log.contains("after"), "{log}");
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&steps, records[..1].to_vec(), &desk, |_| {}).await;
    ended(finished, &desk);
    let log = desk
        .kept
        .lock()
        .expect("no test panics here")
        .output
        .clone();
    assert!(!log.contains("before") && log.contains("after"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_is_parked_and_takes_up_its_wait() {
    let steps = json!([{"ask": {"member": "ann", "text": "well?"}}]);
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&steps, Vec::new(), &desk, |_| {}).await;
    assert!(matches!(finished, Finished::Parked), "{finished:?}");
    let records = desk
        .kept
        .lock()
        .expect("no test panics here")
        .records
        .clone();
    assert!(matches!(records[..], [Record::Begun { .. }]), "{records:?}");
    let again = Arc::new(Desk::new(BTreeMap::new()));
    let finished = execute(&steps, records, &again, |_| {}).await;
    let (records, result) = ended(finished, &again);
    assert_eq!(records, [], "the question is not asked again");
    assert!(result.contains("nobody answered"), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_wants_any_more_ends_silently() {
    let mut desk = Desk::new(BTreeMap::new());
    desk.closed = true;
    let finished = execute(&script(), Vec::new(), &Arc::new(desk), |_| {}).await;
    assert!(matches!(finished, Finished::Gone), "{finished:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_command_says_which_grant_is_missing() {
    let steps = json!([{"run": ["git", "push"]}]);
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let grant = vec![vec!["git".to_owned(), "log".to_owned(), "*".to_owned()]];
    let finished = execute(&steps, Vec::new(), &desk, |agent| {
        agent.grants.commands = grant;
    })
    .await;
    let (_, result) = ended(finished, &desk);
    assert!(result.contains("covers the command `git push`"), "{result}");
    assert!(result.contains("git log *"), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_ready_for_a_component_is_let_go_of_when_nothing_needs_it() {
    let on = common::engine_of(2);
    let runner = common::runner(&on, RunnerOptions::default(), Limits::default());
    let held_beside_us = || Arc::strong_count(&on.1) - 1;
    let steps = json!([{"progress": "one"}]);
    for _ in 0..2 {
        let desk = Arc::new(Desk::new(BTreeMap::new()));
        let finished = runner
            .execute(common::job(&on, &steps, Vec::new(), &desk))
            .await;
        let (_, result) = ended(finished, &desk);
        assert!(result.contains("completed: true"), "{result}");
        runner.retain(|digest| digest == on.1.digest());
        assert_eq!(held_beside_us(), 1, "the next run needs it");
        runner.retain(|_| false);
        assert_eq!(held_beside_us(), 0);
    }
}
