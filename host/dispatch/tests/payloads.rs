//! Large answers are kept beside the journal, and are read back like all others.

use crate::common::{Bench, agent};
use adjutant_dispatch::HostOptions;
use adjutant_model::{Answer, EventKind, Record, RunId, Status, TicketId};
use adjutant_run::RunnerOptions;
use adjutant_store::{Batch, Options, RedbEngine, Store, journal, records};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const LARGE: usize = 4 << 20;

fn options() -> HostOptions {
    HostOptions {
        runner: RunnerOptions {
            park_after: Duration::ZERO,
            ..RunnerOptions::default()
        },
        ..HostOptions::default()
    }
}

/// The store of a host that is not there.
async fn alone(folder: &Path) -> Store {
    let engine = RedbEngine::open(folder.join("store"), Default::default()).await;
    let store = Store::open(Arc::new(engine.expect("a database")), Options::default()).await;
    store.expect("a store")
}

/// A boss that has read something large twice, and now waits for someone outside, not in memory.
struct Parked {
    folder: Arc<TempDir>,
    bench: Bench,
    boss: TicketId,
    run: RunId,
    child: TicketId,
}

async fn parked() -> Parked {
    let folder = adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"));
    let folder = Arc::new(tempfile::tempdir_in(folder).expect("a folder"));
    let bench = Bench::start_in(folder.clone(), options()).await;
    let team = vec![
        agent("boss", "scripted", None),
        agent("outside", "external", Some("boss")),
    ];
    bench.team(team).await;
    let boss = bench.host.agent(bench.workspace, "boss").await;
    let key = records::memory_key(boss.expect("an agent").agent.id, "large");
    let partition = records::partition(bench.workspace);
    bench.host.shutdown().await;
    let store = alone(folder.path()).await;
    let epoch = store.acquire(partition).await.expect("the partition");
    let mut batch = Batch::new(partition, [7; 16], epoch);
    batch.put.push((key, Some(vec![b'x'; LARGE])));
    store.commit(batch).await.expect("stored");
    store.close().await;
    let bench = Bench::start_in(folder.clone(), options()).await;
    let script = json!([
        {"memory_get": "large"}, {"memory_get": "large"},
        {"delegate": [{"title": "say when", "to": "outside"}]},
        {"await": {"join": "all"}},
        {"report": {"summary": "read it twice"}},
    ]);
    let boss = bench.script("boss", script).await;
    let mut waiting = 0;
    bench
        .until(|event| {
            waiting += usize::from(matches!(event, EventKind::RunWaiting { .. }));
            waiting == 2
        })
        .await;
    let ticket = bench.host.ticket(bench.workspace, boss).await;
    let ticket = ticket.expect("the boss's ticket").value;
    Parked {
        folder,
        run: ticket.run.expect("it has a run"),
        child: ticket.children[0],
        bench,
        boss,
    }
}

/// Where the answers to the first two calls are large: how large.
fn large(records: &[Record]) -> Vec<usize> {
    let sizes = records.iter().filter_map(|record| match record {
        Record::Done {
            reply: Ok(Answer::Bytes(Some(bytes))),
            ..
        } => Some(bytes.len()),
        _ => None,
    });
    sizes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_megabytes_are_read_back_after_a_restart() {
    let Parked {
        folder,
        bench,
        boss,
        run,
        child,
    } = parked().await;
    bench.host.shutdown().await;

    let store = alone(folder.path()).await;
    let partition = records::partition(bench.workspace);
    let stream = store
        .read_stream(partition, &records::journal_stream(run), 0, 100)
        .await
        .expect("the journal");
    let bytes: usize = stream.iter().map(|(_, record)| record.len()).sum();
    assert!(
        bytes < journal::BESIDE,
        "the journal itself is small: {bytes}"
    );
    let beside = store.scan(partition, b"b", None, 100).await.expect("reads");
    assert_eq!(beside.len(), 1, "the same answer twice is kept once");
    assert!(beside[0].value.len() > LARGE);
    store.close().await;

    let bench = Bench::start_in(folder, options()).await;
    let page = bench.host.journal(bench.workspace, run, 0, 100).await;
    let records = page.expect("the journal").items;
    assert_eq!(large(&records), [LARGE, LARGE]);
    let closed = bench
        .host
        .set_status(bench.workspace, child, Status::Done, true);
    closed.await.expect("closed by hand");
    let ticket = bench.over(boss).await;
    assert_eq!(ticket.status, Status::Done, "{}", ticket.summary);
    assert_eq!(ticket.summary, "read it twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_payload_is_named_as_damage() {
    let Parked {
        folder,
        bench,
        boss,
        run,
        child,
    } = parked().await;
    bench.host.shutdown().await;

    let store = alone(folder.path()).await;
    let partition = records::partition(bench.workspace);
    let beside = store.scan(partition, b"b", None, 100).await.expect("reads");
    let epoch = store.acquire(partition).await.expect("the partition");
    let mut batch = Batch::new(partition, [8; 16], epoch);
    batch.put.push((beside[0].key.clone(), None));
    store.commit(batch).await.expect("removed");
    store.close().await;

    let bench = Bench::start_in(folder, options()).await;
    let named = |text: &str| {
        let parts = [
            "damaged",
            &format!("call 0 of run {run}"),
            "is missing (sha256:",
        ];
        for part in parts {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    };
    let page = bench.host.journal(bench.workspace, run, 0, 100).await;
    named(&page.expect_err("it cannot be shown").to_string());
    let closed = bench
        .host
        .set_status(bench.workspace, child, Status::Done, true);
    closed.await.expect("closed by hand");
    let ticket = bench.over(boss).await;
    assert_eq!(ticket.status, Status::Failed);
    named(&ticket.summary);
}
