//! A disk without room: what was handed in waits, reads go on, nothing acknowledged is lost, and
//! everything goes on by itself once there is room.

use std::sync::Arc;
use std::time::Duration;

use adjutant_store::testing::{SimDisk, batch, partition};
use adjutant_store::{
    Batch, CommitError, EngineError, Options, Receipt, RedbEngine, RedbOptions, Shortage, Store,
    Submitted,
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn open(disk: &SimDisk) -> Store {
    let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default()).await;
    let options = Options {
        reopen_pause: Duration::from_millis(1),
        ..Options::default()
    };
    Store::open(Arc::new(engine.unwrap()), options)
        .await
        .unwrap()
}

fn nth(n: u64, epoch: u64) -> Batch {
    batch(partition(1), epoch, n)
        .put(&format!("key/{n:04}"), &"x".repeat(50_000))
        .event(&format!("{n}"))
        .into()
}

/// A store on a full disk, with the batches that were acknowledged before, and those that wait.
struct Full {
    disk: SimDisk,
    store: Store,
    epoch: u64,
    acknowledged: u64,
    waiting: Vec<Submitted>,
}

/// Writes until the disk is full, and hands in a few more.
async fn fill() -> Full {
    let disk = SimDisk::default();
    let store = open(&disk).await;
    let epoch = store.acquire(partition(1)).await.unwrap();
    disk.hold_at_most(Some(disk.size() + 400_000));
    let mut held = store.held();
    let mut n = 0;
    let last = loop {
        let mut submitted = store.submit(nth(n, epoch));
        tokio::select! {
            biased;
            receipt = &mut submitted => {
                assert_eq!(receipt.unwrap().first_seq, n + 1);
                n += 1;
            }
            _ = held.wait_for(Option::is_some) => break submitted,
        }
    };
    let mut waiting = vec![last];
    waiting.extend((n + 1..n + 10).map(|n| store.submit(nth(n, epoch))));
    assert!(n > 0 && disk.failures() > 0);
    Full {
        disk,
        store,
        epoch,
        acknowledged: n,
        waiting,
    }
}

#[tokio::test]
async fn batches_wait_for_room_while_reads_go_on() {
    let mut full = fill().await;
    let (store, n) = (&full.store, full.acknowledged);
    let shortage = store.shortage().unwrap();
    assert!(matches!(shortage, Shortage::Refused { .. }), "{shortage}");
    assert!(
        shortage.to_string().contains("make room there"),
        "{shortage}"
    );
    // Whoever can wait elsewhere is refused, and told why.
    let refused = store.commit(nth(999, full.epoch)).await.unwrap_err();
    assert_eq!(refused, CommitError::Full(shortage));
    for round in 0..20 {
        // Beside the attempts to write, each of which opens the database anew.
        let items = store.scan(partition(1), b"key/", None, 999).await.unwrap();
        assert_eq!(items.len() as u64, n, "round {round}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    full.disk.hold_at_most(None);
    for (submitted, n) in full.waiting.drain(..).zip(n..) {
        let receipt = tokio::time::timeout(PATIENCE, submitted).await.unwrap();
        let (first_seq, events) = (n + 1, 1);
        assert_eq!(receipt, Ok(Receipt { first_seq, events }));
    }
    store.commit(nth(999, full.epoch)).await.unwrap();
    assert_eq!(store.shortage(), None);
    let events = store.events(partition(1), 0, 9_999).await.unwrap();
    assert!(events.iter().map(|(seq, _)| *seq).eq(1..=n + 11));
}

#[tokio::test]
async fn closing_waits_for_no_room_and_loses_nothing_acknowledged() {
    let full = fill().await;
    tokio::time::timeout(PATIENCE, full.store.close())
        .await
        .unwrap();
    for submitted in full.waiting {
        let refused = submitted.await.unwrap_err();
        let unwritten = matches!(
            refused,
            CommitError::Full(_) | CommitError::Unavailable(_) | CommitError::Closed
        );
        assert!(unwritten, "{refused}");
    }
    full.disk.lose_power(7);
    full.disk.hold_at_most(None);
    let store = open(&full.disk).await;
    let items = store.scan(partition(1), b"key/", None, 999).await.unwrap();
    assert_eq!(items.len() as u64, full.acknowledged);
}

#[tokio::test]
async fn a_queue_that_waits_for_room_is_bounded() {
    let full = fill().await;
    let mut more = Vec::new();
    let refused = loop {
        let mut submitted = full
            .store
            .submit(nth(10_000 + more.len() as u64, full.epoch));
        let polled = futures_now(&mut submitted).await;
        match polled {
            Some(Err(refused)) => break refused,
            Some(Ok(_)) => panic!("there is no room"),
            None => more.push(submitted),
        }
    };
    assert!(
        matches!(
            refused,
            CommitError::Full(Shortage::Queue { .. } | Shortage::QueueBytes { .. })
        ),
        "{refused}"
    );
    assert!(more.len() > 1_000);
}

/// What a batch came to, if it came to something already.
async fn futures_now(submitted: &mut Submitted) -> Option<Result<Receipt, CommitError>> {
    tokio::select! {
        biased;
        result = submitted => Some(result),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn below_the_floor_batches_wait_and_a_partition_can_be_acquired() {
    let folder = tempfile::tempdir().unwrap();
    let options = RedbOptions {
        floor_bytes: u64::MAX,
        ballast_bytes: 0,
        ..RedbOptions::default()
    };
    let engine = RedbEngine::open(folder.path(), options).await.unwrap();
    let store = Store::open(Arc::new(engine), Options::default())
        .await
        .unwrap();
    let epoch = store.acquire(partition(1)).await.unwrap();
    let submitted = store.submit(nth(1, epoch));
    let mut held = store.held();
    let shortage = held.wait_for(Option::is_some).await.unwrap().clone();
    let Some(Shortage::Disk { path, floor, .. }) = shortage else {
        panic!("{shortage:?}");
    };
    assert_eq!((path.as_path(), floor), (folder.path(), u64::MAX));
    assert_eq!(store.get(partition(1), b"key/0001").await.unwrap(), None);
    store.close().await;
    assert!(matches!(submitted.await, Err(CommitError::Full(_))));
}

#[tokio::test]
async fn a_snapshot_needs_room_too() {
    let folder = tempfile::tempdir().unwrap();
    let options = RedbOptions {
        floor_bytes: u64::MAX,
        ballast_bytes: 0,
        ..RedbOptions::default()
    };
    let engine = RedbEngine::open(folder.path(), options).await.unwrap();
    let store = Store::open(Arc::new(engine), Options::default())
        .await
        .unwrap();
    let to = folder.path().join("copy");
    let refused = store.snapshot(to.clone()).await.unwrap_err();
    assert!(
        matches!(
            refused,
            adjutant_store::StoreError::Engine(EngineError::Full { .. })
        ),
        "{refused}"
    );
    assert!(!to.exists());
}
