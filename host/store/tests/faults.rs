//! A disk that fails at any call: nothing acknowledged is lost, batches are whole, and the store
//! goes on once the disk does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adjutant_store::testing::{Call, SimDisk, batch, partition};
use adjutant_store::{
    Batch, CommitError, Options, Receipt, RedbEngine, RedbOptions, Store, StoreError,
};

async fn open(disk: &SimDisk) -> Result<Store, StoreError> {
    let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default()).await?;
    let options = Options {
        reopen_pause: Duration::from_millis(1),
        reopen_attempts: 2,
        ..Options::default()
    };
    Store::open(Arc::new(engine), options).await
}

/// The n-th batch: two keys, a record and two events, all telling that they belong together.
fn nth(n: u64, epoch: u64) -> Batch {
    let text = format!("{n}-{}", "x".repeat(700));
    batch(partition(1), epoch, n)
        .put(&format!("left/{n:04}"), &text)
        .put(&format!("right/{n:04}"), &text)
        .append(&format!("stream/{n}"), 0, &text)
        .event(&format!("{n}.a"))
        .event(&format!("{n}.b"))
        .into()
}

/// Checks that each batch is there whole or not at all, that every acknowledged one is there under
/// its numbers, and that the log has no gap. Returns how many batches are there.
async fn check(store: &Store, acknowledged: &BTreeMap<u64, Receipt>) -> usize {
    let p = partition(1);
    let numbers = |items: Vec<adjutant_store::Item>, skip: usize| -> Vec<String> {
        items
            .iter()
            .map(|i| String::from_utf8(i.key[skip..].to_vec()).unwrap())
            .collect()
    };
    let left = numbers(store.scan(p, b"left/", None, 9999).await.unwrap(), 5);
    let right = numbers(store.scan(p, b"right/", None, 9999).await.unwrap(), 6);
    assert_eq!(left, right);
    let events = store.events(p, 0, 9999).await.unwrap();
    assert_eq!(events.len(), 2 * left.len());
    assert!(
        events
            .iter()
            .map(|(seq, _)| *seq)
            .eq(1..=events.len() as u64)
    );
    for n in &left {
        let n: u64 = n.parse().unwrap();
        assert_eq!(
            store.stream_len(p, format!("stream/{n}").as_bytes()).await,
            Ok(1)
        );
    }
    for (n, receipt) in acknowledged {
        assert!(
            left.contains(&format!("{n:04}")),
            "batch {n} was acknowledged and is lost"
        );
        let first = usize::try_from(receipt.first_seq).unwrap();
        assert_eq!(events[first - 1].1, format!("{n}.a").into_bytes());
        assert_eq!(events[first].1, format!("{n}.b").into_bytes());
    }
    left.len()
}

/// Submits batches `from..from + 12` in three groups and records what is acknowledged.
async fn work(store: &Store, epoch: u64, from: u64, acknowledged: &mut BTreeMap<u64, Receipt>) {
    for group in 0..3 {
        let first = from + group * 4;
        let sent: Vec<_> = (first..first + 4)
            .map(|n| (n, store.submit(nth(n, epoch))))
            .collect();
        for (n, submitted) in sent {
            match submitted.await {
                Ok(receipt) => drop(acknowledged.insert(n, receipt)),
                Err(CommitError::Unavailable(_)) => {}
                Err(other) => panic!("batch {n}: {other}"),
            }
        }
    }
}

/// One failing call: the same process recovers by itself, and repeating every batch completes it.
async fn one_failure(calls: Call, at: u64) -> bool {
    let disk = SimDisk::default();
    let store = open(&disk).await.unwrap();
    let epoch = store.acquire(partition(1)).await.unwrap();
    let mut acknowledged = BTreeMap::new();
    work(&store, epoch, 0, &mut acknowledged).await;
    disk.fail_at(calls, at, false);
    work(&store, epoch, 100, &mut acknowledged).await;
    // After one failure every outcome is known: acknowledged is there, and only that.
    assert_eq!(check(&store, &acknowledged).await, acknowledged.len());
    // The same operations again: each is there exactly once, with the receipt it was given.
    for n in (0..12).chain(100..112) {
        let receipt = store.commit(nth(n, epoch)).await.unwrap();
        assert_eq!(*acknowledged.entry(n).or_insert(receipt), receipt);
    }
    assert_eq!(check(&store, &acknowledged).await, 24);
    let failed = disk.failures() > 0;
    store.close().await;
    let store = open(&disk).await.unwrap();
    assert_eq!(check(&store, &acknowledged).await, 24);
    failed
}

#[tokio::test]
async fn the_store_recovers_from_any_failing_sync() {
    let mut at = 1;
    while one_failure(Call::Sync, at).await {
        at += 1;
    }
    assert!(at > 6, "three groups take two syncs each");
}

#[tokio::test]
async fn the_store_recovers_from_any_failing_write() {
    let mut at = 1;
    while one_failure(Call::Write, at).await {
        at += 3;
    }
    assert!(at > 10);
}

/// The disk dies at a call and stays dead until the power is cut; then it is opened again.
#[tokio::test]
async fn a_power_loss_loses_nothing_acknowledged() {
    let (mut at, mut survived_unacknowledged) = (1, 0);
    loop {
        let disk = SimDisk::default();
        let store = open(&disk).await.unwrap();
        let epoch = store.acquire(partition(1)).await.unwrap();
        let mut acknowledged = BTreeMap::new();
        work(&store, epoch, 0, &mut acknowledged).await;
        disk.fail_at(Call::Any, at, true);
        work(&store, epoch, 100, &mut acknowledged).await;
        let failed = disk.failures() > 0;
        if failed {
            // While the disk is dead, reads and writes say so instead of hanging.
            assert!(store.get(partition(1), b"left/0000").await.is_err());
            let refused = store.commit(nth(999, epoch)).await;
            assert!(
                matches!(refused, Err(CommitError::Unavailable(_))),
                "{refused:?}"
            );
        }
        store.close().await;
        disk.lose_power(at);
        disk.mend();
        let store = open(&disk).await.unwrap();
        let there = check(&store, &acknowledged).await;
        survived_unacknowledged += there - acknowledged.len();
        let epoch = store.acquire(partition(1)).await.unwrap();
        for n in (0..12).chain(100..112) {
            let receipt = store.commit(nth(n, epoch)).await.unwrap();
            assert_eq!(*acknowledged.entry(n).or_insert(receipt), receipt);
        }
        assert_eq!(check(&store, &acknowledged).await, 24);
        store.close().await;
        if !failed {
            break;
        }
        at += 2;
    }
    assert!(at > 10);
    // Some batches were durable although nobody could be told: the repeat found them.
    println!("{survived_unacknowledged} unacknowledged batches survived, over {at} failures");
}

/// A dead disk that comes back is found without a new process, and without new writes.
#[tokio::test]
async fn the_store_comes_back_with_the_disk() {
    let disk = SimDisk::default();
    let store = open(&disk).await.unwrap();
    let epoch = store.acquire(partition(1)).await.unwrap();
    let mut acknowledged = BTreeMap::new();
    work(&store, epoch, 0, &mut acknowledged).await;
    disk.fail_at(Call::Sync, 1, true);
    let lost = store.commit(nth(100, epoch)).await.unwrap_err();
    assert!(lost.to_string().contains("the simulated disk"), "{lost}");
    let StoreError::Engine(error) = store.get(partition(1), b"a").await.unwrap_err() else {
        panic!("the store is not closed");
    };
    assert!(error.to_string().contains("simulated disk"), "{error}");
    disk.mend();
    let recovered = async {
        while store.get(partition(1), b"a").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), recovered)
        .await
        .unwrap();
    work(&store, epoch, 100, &mut acknowledged).await;
    assert_eq!(check(&store, &acknowledged).await, 24);
}
