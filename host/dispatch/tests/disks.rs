//! A host whose disk is full, that is backed up, and that is asked to stop: nothing is lost, nothing
//! happens twice, and whoever asks is told.

use crate::common::{Bench, agent};
use adjutant_dispatch::{
    Became, HostError, HostOptions, NewPlugin, SourceOptions, SystemClock, WatchedFile,
};
use adjutant_model::{EventKind, NewTicket, Status, TicketId, Timestamp};
use adjutant_run::Clock;
use adjutant_store::testing::SimDisk;
use adjutant_store::{RedbEngine, RedbOptions, backup};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

fn folder() -> Arc<TempDir> {
    let scratch = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"));
    Arc::new(tempfile::tempdir_in(scratch).expect("a folder"))
}

/// A host on a simulated disk, with one agent.
async fn on_disk(disk: &SimDisk) -> Bench {
    on_disk_with(disk, HostOptions::default()).await
}

async fn on_disk_with(disk: &SimDisk, options: HostOptions) -> Bench {
    let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default()).await;
    let engine = engine.expect("a database");
    let bench = Bench::start_on(folder(), engine, options).await;
    let mut sub = agent("sub", "scripted-sub", None);
    sub.limits.max_concurrent = 4;
    bench.team(vec![sub]).await;
    bench
}

/// Asks for one ticket after the other until there is no room; gives back those that were
/// acknowledged, and what the last one was told.
async fn fill(bench: &Bench) -> (Vec<TicketId>, String) {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let new = NewTicket {
            title: format!("filler {number}"),
            description: "x".repeat(60_000),
            backlog: true,
            ..NewTicket::default()
        };
        match bench.host.create_ticket(bench.workspace, new).await {
            Ok(ticket) => acknowledged.push(ticket.id),
            Err(HostError::Full { what, .. }) => return (acknowledged, what),
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("the disk is full some day")
}

async fn waits(bench: &Bench) {
    bench
        .until(|event| matches!(event, EventKind::RunWaiting { .. }))
        .await;
}

/// Answers the question of a run, as soon as the host takes it.
async fn answer(bench: &Bench, ticket: TicketId) {
    let answered = async {
        loop {
            let (author, text) = ("ann".to_owned(), "go on".to_owned());
            let host = &bench.host;
            match host
                .post_message(bench.workspace, ticket, author, text, None)
                .await
            {
                Ok(_) => return,
                Err(HostError::Full { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .expect("it goes on by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_is_new_and_goes_on_by_itself() {
    let disk = SimDisk::default();
    let bench = on_disk(&disk).await;
    let script = json!([{"ask": {"member": "ann", "text": "well?"}}, {"post": "after"}]);
    let id = bench.script("sub", script).await;
    waits(&bench).await;
    let nobodys = NewPlugin::named("nobodys", "1.0.0", crate::common::wasm("trapper"));
    bench.host.add_plugin(nobodys).await.expect("it is added");
    disk.hold_at_most(Some(disk.size()));
    let (acknowledged, told) = fill(&bench).await;
    assert!(told.contains("no room") && told.contains("kept"), "{told}");
    let removed = bench.host.remove_plugin("nobodys", "1.0.0", false).await;
    assert!(
        matches!(removed, Err(HostError::Full { .. })),
        "{removed:?}"
    );
    // The next one is told at once, and reading goes on.
    let (none, told) = fill(&bench).await;
    assert!(
        none.is_empty() && told.contains("Nothing has changed"),
        "{told}"
    );
    let cancelled = bench
        .host
        .cancel_ticket(bench.workspace, id, "x".into())
        .await;
    assert!(
        matches!(cancelled, Err(HostError::Full { .. })),
        "{cancelled:?}"
    );
    for id in &acknowledged {
        let ticket = bench.host.ticket(bench.workspace, *id).await.expect("read");
        assert_eq!(ticket.value.status, Status::Backlog);
    }
    let events = bench
        .host
        .events(bench.workspace, 0, 9_999)
        .await
        .expect("read");
    assert!(events.len() > acknowledged.len());

    disk.hold_at_most(None);
    answer(&bench, id).await;
    let ticket = bench.over(id).await;
    assert_eq!(ticket.status, Status::Done, "{}", ticket.summary);
    assert_eq!(ticket.runs.len(), 1);
    // The one that was neither acknowledged nor refused was made, as it was told.
    let title = format!("filler {}", acknowledged.len());
    bench
        .until(
            |event| matches!(event, EventKind::TicketCreated { title: made, .. } if *made == title),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_watched_folder_is_tried_again_when_the_disk_has_room() {
    let (disk, watched) = (SimDisk::default(), folder());
    let sources = SourceOptions {
        watch: Some(watched.path().to_owned()),
        ..SourceOptions::default()
    };
    let options = HostOptions {
        sources,
        ..HostOptions::default()
    };
    let bench = on_disk_with(&disk, options).await;
    disk.hold_at_most(Some(disk.size()));
    fill(&bench).await;
    let file = watched.path().join("late@1.0.0.wasm");
    std::fs::write(&file, crate::common::wasm("trapper")).expect("written");
    let is_refused = |file: &WatchedFile| matches!(&file.became, Became::Refused(why) if why.contains("looks again in"));
    crate::plugins::became(&bench, is_refused).await;
    disk.hold_at_most(None);
    // Nobody touches the file.
    let late = Became::Plugin("late@1.0.0".to_owned());
    crate::plugins::became(&bench, |file| file.became == late).await;
    assert!(bench.host.plugin("late@1.0.0").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_held_up_in_the_middle_and_do_nothing_twice() {
    const POSTS: usize = 150;
    let disk = SimDisk::default();
    let bench = on_disk(&disk).await;
    let steps = json!([
        {"repeat": {"times": POSTS, "steps": [{"post": "x".repeat(4_000)}]}},
        {"report": {"summary": "all said"}}
    ]);
    disk.hold_at_most(Some(disk.size()));
    let ids = [
        bench.script("sub", steps.clone()).await,
        bench.script("sub", steps).await,
    ];
    let mut held = bench.store.held();
    let full = held.wait_for(Option::is_some);
    tokio::time::timeout(PATIENCE, full)
        .await
        .expect("it is full")
        .expect("it is open");
    for id in ids {
        let ticket = bench.host.ticket(bench.workspace, id).await.expect("read");
        assert!(!ticket.value.status.is_over(), "{}", ticket.value.summary);
    }
    disk.hold_at_most(None);
    for id in ids {
        let ticket = bench.over(id).await;
        assert_eq!(
            (ticket.status, ticket.summary.as_str()),
            (Status::Done, "all said")
        );
        assert_eq!((ticket.runs.len(), ticket.attempts), (1, 1));
        let page = bench.host.messages(bench.workspace, id, 0, 999).await;
        let messages = page.expect("messages").items;
        let posts = messages
            .iter()
            .filter(|view| view.message.text.len() == 4_000);
        assert_eq!(posts.count(), POSTS, "each once");
    }
}

/// The system's clock, and how much it is put forward.
#[derive(Default)]
struct Forward(AtomicU64);

impl Clock for Forward {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }

    fn id(&self) -> Uuid {
        SystemClock.id()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_not_taken_for_silent_because_the_disk_was_full() {
    const SILENCE: u64 = 600_000;
    let disk = SimDisk::default();
    let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default()).await;
    let clock = Arc::new(Forward::default());
    let options = HostOptions {
        clock: clock.clone(),
        ..HostOptions::default()
    };
    let bench = Bench::start_on(folder(), engine.expect("a database"), options).await;
    let mut spin = agent("spin", "spin", None);
    spin.limits.guest_time_ms = 600_000;
    spin.limits.silence_ms = SILENCE;
    let sub = agent("sub", "scripted-sub", None);
    bench.team(vec![spin, sub]).await;
    let id = bench.script("spin", json!([])).await;
    let asking = bench
        .script("sub", json!([{"ask": {"member": "ann", "text": "well?"}}]))
        .await;
    waits(&bench).await;
    disk.hold_at_most(Some(disk.size()));
    fill(&bench).await;
    clock.0.fetch_add(2 * SILENCE, Ordering::SeqCst);
    disk.hold_at_most(None);
    answer(&bench, asking).await;
    bench.over(asking).await;
    let ticket = bench.host.ticket(bench.workspace, id).await.expect("read");
    assert_eq!(
        ticket.value.status,
        Status::InProgress,
        "{}",
        ticket.value.summary
    );
    // From here on it is.
    clock.0.fetch_add(2 * SILENCE, Ordering::SeqCst);
    answer(&bench, id).await;
    let ticket = bench.over(id).await;
    assert!(ticket.summary.contains("was silent"), "{}", ticket.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_room_stops_all_the_same() {
    let disk = SimDisk::default();
    let bench = on_disk(&disk).await;
    disk.hold_at_most(Some(disk.size()));
    let (acknowledged, _) = fill(&bench).await;
    let stopped = async {
        bench.host.drain(Duration::from_secs(1)).await;
        bench.host.shutdown().await;
    };
    tokio::time::timeout(PATIENCE, stopped)
        .await
        .expect("it stops");
    disk.hold_at_most(None);
    let again = on_disk(&disk).await;
    for id in acknowledged {
        let ticket = again.host.ticket(again.workspace, id).await.expect("kept");
        assert_eq!(ticket.value.status, Status::Backlog);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_lets_runs_end_and_drops_what_does_not() {
    let bench = Bench::start().await;
    let mut spin = agent("spin", "spin", None);
    spin.limits.guest_time_ms = 600_000;
    bench
        .team(vec![agent("sub", "scripted-sub", None), spin])
        .await;
    let script =
        json!([{"ask": {"member": "ann", "text": "well?"}}, {"report": {"summary": "went on"}}]);
    let waiting = bench.script("sub", script).await;
    waits(&bench).await;
    let spinning = bench.script("spin", json!([])).await;
    bench
        .until(
            |event| matches!(event, EventKind::TicketStarted { ticket, .. } if *ticket == spinning),
        )
        .await;
    let host = bench.host.clone();
    let draining = tokio::spawn(async move { host.drain(Duration::from_millis(300)).await });
    let refused = loop {
        let (author, text) = ("bob".to_owned(), "hello".to_owned());
        let posted = bench
            .host
            .post_message(bench.workspace, spinning, author, text, None);
        match posted.await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("stopping"), "{refused}");
    let dropped = tokio::time::timeout(PATIENCE, draining)
        .await
        .expect("it is bounded");
    assert_eq!(
        dropped.expect("drained"),
        1,
        "the one that spins, not the one that waits"
    );
    // It can still be read until it is shut down.
    let ticket = bench
        .host
        .ticket(bench.workspace, spinning)
        .await
        .expect("read");
    assert_eq!(ticket.value.status, Status::InProgress);
    let bench = bench.restart().await;
    answer(&bench, waiting).await;
    assert_eq!(bench.over(waiting).await.summary, "went on");
    let spinning = bench
        .host
        .ticket(bench.workspace, spinning)
        .await
        .expect("read");
    assert_eq!(spinning.value.status, Status::InProgress);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_waiting_run_goes_on_elsewhere() {
    let bench = Bench::start().await;
    bench.team(vec![agent("sub", "scripted-sub", None)]).await;
    let script = json!([
        {"post": "before"}, {"ask": {"member": "ann", "text": "well?"}}, {"report": {"summary": "went on"}}
    ]);
    let id = bench.script("sub", script).await;
    waits(&bench).await;
    let backup = bench.host.backup().await.expect("a backup");
    let second = bench.host.backup().await;
    assert!(
        matches!(second, Err(HostError::Busy { .. })),
        "one at a time"
    );
    // What happens from here on is not in it.
    answer(&bench, id).await;
    assert_eq!(bench.over(id).await.status, Status::Done);
    let file = bench.folder.path().join("backup.tar");
    let mut out = std::fs::File::create(&file).expect("a file");
    backup.write(&mut out).expect("written");
    assert_eq!(backup.size(), file.metadata().expect("it is there").len());
    drop(backup);
    drop(bench.host.backup().await.expect("the first is over"));
    let left = std::fs::read_dir(bench.folder.path().join("plugins")).expect("listed");
    let left = left
        .flatten()
        .filter(|entry| entry.path().extension().is_none_or(|e| e != "wasm"));
    assert_eq!(left.count(), 0, "no snapshot is left");

    let elsewhere = folder();
    let manifest = backup::restore(&file, elsewhere.path(), |_| {}).expect("restored");
    assert!(manifest.members.len() > 5, "the store and the plugins");
    let other = Bench::start_in(elsewhere, HostOptions::default()).await;
    let ticket = other
        .host
        .ticket(other.workspace, id)
        .await
        .expect("it is there")
        .value;
    assert_eq!(ticket.status, Status::InProgress);
    answer(&other, id).await;
    let ticket = other.over(id).await;
    assert_eq!(
        (ticket.status, ticket.summary.as_str()),
        (Status::Done, "went on")
    );
    assert_eq!(ticket.runs.len(), 1);
}
