//! Replays with nothing behind them: they end as the run did, or tell where they differ.

use crate::common::{Desk, job, runner, shared};
use adjutant_model::{Call, Ending, Journal, Limits, Record};
use adjutant_run::{Finished, Onlooker, Recording, ReplayEnd, Replayed, RunnerOptions, Stage};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

fn script() -> Value {
    json!([
        {"print": "before"}, {"memory_put": ["a", "1"]}, {"random": 8}, {"progress": "one"},
        {"print": "between"}, {"clock": true}, {"memory_get": "a"}, {"run": ["rm", "-rf", "/"]},
        {"report": {"summary": "done", "output": {"n": 1}}},
    ])
}

/// The journal of a script that is run to its end.
async fn journal(steps: &Value) -> Vec<Record> {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let runner = runner(shared(), RunnerOptions::default(), Limits::default());
    let finished = runner
        .execute(job(shared(), steps, Vec::new(), &desk))
        .await;
    let mut records = desk
        .kept
        .lock()
        .expect("no test panics here")
        .records
        .clone();
    if let Finished::Ended { pending, .. } = finished {
        records.extend(pending.into_iter().map(|call| Record::Done {
            index: call.index,
            at: call.at,
            call: call.call,
            reply: call.reply,
        }));
    }
    records
}

/// Notes what it sees, and stops after a call.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<String>>,
    until: Option<u32>,
}

#[async_trait]
impl Onlooker for Notes {
    async fn see(&self, stage: Stage<'_>) -> ControlFlow<()> {
        let (note, index) = match &stage {
            Stage::Printed { stream, text } => (format!("{stream}: {}", text.trim()), None),
            Stage::Replayed { index, call, .. } => {
                (format!("#{index} {}", call.name()), Some(*index))
            }
        };
        self.seen.lock().expect("no test panics here").push(note);
        if index.is_some() && index == self.until {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

async fn replay(
    steps: &Value,
    records: Vec<Record>,
    until: Option<u32>,
) -> (Replayed, Vec<String>) {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let job = job(shared(), steps, Vec::new(), &desk);
    let recording = Recording {
        run: job.run,
        ticket: (*job.ticket).clone(),
        agent: (*job.agent).clone(),
        boss: None,
        request: job.request,
        journal: Journal::from_records(records).expect("a journal"),
    };
    let notes = Arc::new(Notes {
        until,
        ..Notes::default()
    });
    let runner = runner(shared(), RunnerOptions::default(), Limits::default());
    let replayed = runner
        .replay(recording, shared().1.clone(), notes.clone())
        .await
        .expect("it is a subordinate");
    assert!(
        desk.kept
            .lock()
            .expect("no test panics here")
            .records
            .is_empty(),
        "nothing is asked of a dispatcher"
    );
    let seen = notes.seen.lock().expect("no test panics here").clone();
    (replayed, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_the_same_and_what_is_printed_is_in_its_place() {
    let records = journal(&script()).await;
    let (replayed, seen) = replay(&script(), records, None).await;
    assert_eq!(replayed.calls, 4);
    let ReplayEnd::Ended(Ending::Worked { result, .. }) = replayed.end else {
        panic!("{replayed:?}");
    };
    assert_eq!(
        (result.summary.as_str(), result.output),
        ("done", Some(json!({"n": 1})))
    );
    assert_eq!(
        seen,
        [
            "stdout: before",
            "#0 memory.put",
            "#1 reporting.progress",
            "stdout: between",
            "#2 memory.get",
            "#3 worktree.run",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_differs_both_sides_are_told() {
    let records = journal(&script()).await;
    let mut other = script();
    other[3] = json!({"progress": "two"});
    let (replayed, _) = replay(&other, records.clone(), None).await;
    let ReplayEnd::Diverged {
        index,
        journaled,
        asked,
    } = replayed.end
    else {
        panic!("{replayed:?}");
    };
    let note = |text: &str| Call::Progress {
        note: text.to_owned(),
    };
    assert_eq!((index, *journaled, *asked), (1, note("one"), note("two")));
    assert_eq!(replayed.calls, 1);

    let shorter = json!([{"memory_put": ["a", "1"]}]);
    let (replayed, _) = replay(&shorter, records.clone(), None).await;
    assert!(
        matches!(&replayed.end, ReplayEnd::EndedEarly { journaled, ending: Ending::Worked { .. } }
            if **journaled == note("one")),
        "{replayed:?}"
    );

    // One that breaks before its journal is over differs too.
    let breaks = json!([{"memory_put": ["a", "1"]}, {"panic": "oh"}]);
    let (replayed, _) = replay(&breaks, records, None).await;
    assert!(
        matches!(&replayed.end, ReplayEnd::EndedEarly { ending: Ending::Broke(why), .. }
            if why.contains("oh")),
        "{replayed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_journal_it_tells_what_it_would_ask() {
    let records = journal(&script()).await;
    let (replayed, seen) = replay(&script(), records[..2].to_vec(), None).await;
    assert!(
        matches!(&replayed.end, ReplayEnd::Asks { asked } if asked.name() == "memory.get"),
        "{replayed:?}"
    );
    assert_eq!(seen.last().map(String::as_str), Some("stdout: between"));
    // No command is run, no page is read and no selector is asked either.
    for step in [
        json!({"run": ["true"]}),
        json!({"read_channel": {}}),
        json!({"post": "x"}),
    ] {
        let (replayed, _) = replay(&json!([step]), Vec::new(), None).await;
        assert!(
            matches!(&replayed.end, ReplayEnd::Asks { .. }),
            "{replayed:?}"
        );
    }
    let waits = journal(&json!([{"ask": {"member": "godot", "text": "Coming?"}}])).await;
    assert!(matches!(waits[..], [Record::Begun { .. }]), "{waits:?}");
    let steps = json!([{"ask": {"member": "godot", "text": "Coming?"}}]);
    let (replayed, _) = replay(&steps, waits, None).await;
    assert!(
        matches!(&replayed.end, ReplayEnd::Waits { call } if call.name() == "channels.ask"),
        "{replayed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_on_can_end_it() {
    let records = journal(&script()).await;
    let (replayed, seen) = replay(&script(), records, Some(1)).await;
    assert!(matches!(replayed.end, ReplayEnd::Stopped), "{replayed:?}");
    assert_eq!(replayed.calls, 2);
    assert_eq!(
        seen.last().map(String::as_str),
        Some("#1 reporting.progress")
    );
}
