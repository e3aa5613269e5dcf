//! What every engine under the store must do. Each function takes a site of its own.
//!
//! Batches submitted without awaiting in between, on a single-threaded runtime, form one group.

use std::sync::Arc;

use super::{Site, batch, partition};
use crate::{CommitError, Options, Receipt, Store, StoreError};

pub(super) async fn owned(site: &dyn Site) -> (Store, u64) {
    let store = site.store().await;
    let epoch = store.acquire(partition(1)).await.unwrap();
    (store, epoch)
}

pub(super) async fn value(store: &Store, key: &str) -> Option<(u64, String)> {
    let found = store.get(partition(1), key.as_bytes()).await.unwrap();
    found.map(|(version, bytes)| (version, String::from_utf8(bytes).unwrap()))
}

pub(super) async fn event_texts(store: &Store, after: u64, limit: usize) -> Vec<(u64, String)> {
    let events = store.events(partition(1), after, limit).await.unwrap();
    events
        .into_iter()
        .map(|(seq, bytes)| (seq, String::from_utf8(bytes).unwrap()))
        .collect()
}

/// Batches take effect in the order of `submit`, whole, and survive closing and opening.
pub async fn order_and_atomicity(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let sent: Vec<_> = (0..600u64)
        .map(|n| {
            let text = n.to_string();
            store.submit(
                batch(p, epoch, n)
                    .expect("last", n)
                    .put("last", &text)
                    .put(&format!("all/{n:04}"), &text)
                    .append("log", n, &text)
                    .event(&text)
                    .into(),
            )
        })
        .collect();
    for (n, submitted) in (0u64..).zip(sent) {
        assert_eq!(
            submitted.await,
            Ok(Receipt {
                first_seq: n + 1,
                events: 1
            })
        );
    }
    store.close().await;
    let store = site.store().await;
    assert_eq!(value(&store, "last").await, Some((600, "599".to_owned())));
    assert_eq!(value(&store, "nothing").await, None);
    let log = store.read_stream(p, b"log", 0, 1000).await.unwrap();
    let expected: Vec<_> = (0..600u64)
        .map(|n| (n, n.to_string().into_bytes()))
        .collect();
    assert_eq!(log, expected);
    assert_eq!(store.scan(p, b"all/", None, 1000).await.unwrap().len(), 600);
    assert_eq!(
        event_texts(&store, 598, 10).await,
        [(599, "598".into()), (600, "599".into())]
    );
    store.close().await;
}

/// A batch that fails leaves its neighbours in the group alone and leaves nothing behind; one that
/// built on it fails by its own expectation.
pub async fn conflicts_are_refused_alone(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let good = store.submit(batch(p, epoch, 1).expect("a", 0).put("a", "1").into());
    let bad = store.submit(
        batch(p, epoch, 2)
            .expect("a", 0)
            .put("a", "x")
            .put("b", "x")
            .append("s", 0, "x")
            .event("x")
            .into(),
    );
    let dependent = store.submit(batch(p, epoch, 3).expect("b", 1).put("c", "x").into());
    let also_good = store.submit(batch(p, epoch, 4).expect("a", 1).put("a", "2").into());
    let conflict = |key: &str, expected, found| {
        Err(CommitError::Conflict {
            key: key.into(),
            expected,
            found,
        })
    };
    assert!(good.await.is_ok());
    assert_eq!(bad.await, conflict("a", 0, 1));
    assert_eq!(dependent.await, conflict("b", 1, 0));
    assert!(also_good.await.is_ok());
    assert_eq!(value(&store, "a").await, Some((2, "2".to_owned())));
    assert_eq!(value(&store, "b").await, None);
    assert_eq!(store.stream_len(p, b"s").await, Ok(0));
    assert_eq!(event_texts(&store, 0, 10).await, []);
    // A refused operation was not committed: its id is still free.
    assert!(
        store
            .commit(batch(p, epoch, 2).put("b", "y").into())
            .await
            .is_ok()
    );
    store.close().await;
}

/// Many tasks at once: numbers from 1, none missing, none twice.
pub async fn sequence_numbers_are_dense(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let tasks: Vec<_> = (0..40u64)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for n in 0..5 {
                    let mut make = batch(p, epoch, task * 100 + n);
                    for event in 0..=n % 3 {
                        make = make.event(&format!("{task}.{n}.{event}"));
                    }
                    // Every fourth batch is refused and must not use up a number.
                    if (task + n) % 4 == 0 {
                        make = make.expect("never", 1);
                    }
                    if let Ok(receipt) = store.commit(make.into()).await {
                        seqs.extend((receipt.first_seq..).take(receipt.events as usize));
                    }
                }
                seqs
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.extend(task.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let stored = store.events(p, 0, 10_000).await.unwrap();
    assert_eq!(stored.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), seqs);
    store.close().await;
}

/// A repeat gets the first receipt: in the group, later, after opening again, and after the epoch
/// has moved on.
pub async fn operations_are_idempotent(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    store
        .commit(batch(p, epoch, 0).event("before").into())
        .await
        .unwrap();
    let make = batch(p, epoch, 7)
        .expect("a", 0)
        .put("a", "1")
        .event("e")
        .event("f");
    let twice = [
        store.submit(make.clone().into()),
        store.submit(make.clone().into()),
    ];
    let receipt = Receipt {
        first_seq: 2,
        events: 2,
    };
    for submitted in twice {
        assert_eq!(submitted.await, Ok(receipt));
    }
    let silent = batch(p, epoch, 8).put("b", "1");
    let first = store.commit(silent.clone().into()).await.unwrap();
    assert_eq!(
        first,
        Receipt {
            first_seq: 4,
            events: 0
        }
    );
    assert_eq!(store.commit(make.clone().into()).await, Ok(receipt));
    store.close().await;
    let store = site.store().await;
    store.acquire(p).await.unwrap();
    assert_eq!(store.commit(make.into()).await, Ok(receipt));
    assert_eq!(store.commit(silent.into()).await, Ok(first));
    assert_eq!(value(&store, "a").await, Some((1, "1".to_owned())));
    assert_eq!(value(&store, "b").await, Some((1, "1".to_owned())));
    assert_eq!(event_texts(&store, 0, 10).await.len(), 3);
    store.close().await;
}

/// Only the newest epoch writes; a partition that nobody acquired cannot be written to.
pub async fn older_epochs_are_fenced(site: &dyn Site) {
    let p = partition(1);
    let store = site.store().await;
    let fenced = |epoch, current| {
        Err(CommitError::Fenced {
            partition: p,
            epoch,
            current,
        })
    };
    assert_eq!(
        store.commit(batch(p, 0, 1).put("a", "x").into()).await,
        fenced(0, 0)
    );
    let first = store.acquire(p).await.unwrap();
    let second = store.acquire(p).await.unwrap();
    assert!(second > first);
    assert_eq!(
        store.commit(batch(p, first, 2).put("a", "x").into()).await,
        fenced(first, second)
    );
    assert!(
        store
            .commit(batch(p, second, 3).put("a", "y").into())
            .await
            .is_ok()
    );
    store.close().await;
    let store = site.store().await;
    let third = store.acquire(p).await.unwrap();
    assert!(third > second);
    assert_eq!(
        store.commit(batch(p, second, 4).put("a", "x").into()).await,
        fenced(second, third)
    );
    assert_eq!(value(&store, "a").await, Some((1, "y".to_owned())));
    store.close().await;
}

/// A delete resets the version; deleting what is not there is fine.
pub async fn deletes_reset_versions(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    store
        .commit(batch(p, epoch, 1).put("a", "1").into())
        .await
        .unwrap();
    store
        .commit(batch(p, epoch, 2).put("a", "2").into())
        .await
        .unwrap();
    assert_eq!(value(&store, "a").await, Some((2, "2".to_owned())));
    store
        .commit(
            batch(p, epoch, 3)
                .expect("a", 2)
                .delete("a")
                .delete("b")
                .into(),
        )
        .await
        .unwrap();
    assert_eq!(value(&store, "a").await, None);
    store
        .commit(batch(p, epoch, 4).expect("a", 0).put("a", "").into())
        .await
        .unwrap();
    assert_eq!(value(&store, "a").await, Some((1, String::new())));
    store.close().await;
}

/// Closing writes what was accepted before, refuses what comes after, and ends reads.
pub async fn closing_drains_the_queue(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let sent: Vec<_> = (0..300u64)
        .map(|n| store.submit(batch(p, epoch, n).event("e").into()))
        .collect();
    store.close().await;
    for submitted in sent {
        assert!(submitted.await.is_ok());
    }
    assert_eq!(
        store.commit(batch(p, epoch, 999).into()).await,
        Err(CommitError::Closed)
    );
    assert_eq!(store.acquire(p).await, Err(StoreError::Closed));
    assert_eq!(store.get(p, b"a").await, Err(StoreError::Closed));
    store.close().await;
    // A dropped outcome does not undo the batch, and neither do dropped handles.
    let store = site.store().await;
    let epoch = store.acquire(p).await.unwrap();
    drop(store.submit(batch(p, epoch, 1000).event("dropped").into()));
    store.close().await;
    let store = Arc::new(site.store().await);
    assert_eq!(
        event_texts(&store, 300, 9).await,
        [(301, "dropped".to_owned())]
    );
    store.close().await;
}

/// Partitions share a group but nothing else: keys, numbers, operations, epochs.
pub async fn partitions_are_apart(site: &dyn Site) {
    let store = site
        .store_with(Options {
            partitions: 2,
            ..Options::default()
        })
        .await;
    let mut epochs = Vec::new();
    for n in 0..6 {
        epochs.push(store.acquire(partition(n)).await.unwrap());
    }
    assert_eq!(store.acquire(partition(5)).await.unwrap(), epochs[5] + 1);
    for round in 0..3u64 {
        let sent: Vec<_> = (0..5u8)
            .map(|n| {
                let make = batch(partition(n), epochs[usize::from(n)], round);
                let text = format!("{n}.{round}");
                store.submit(make.expect("k", round).put("k", &text).event(&text).into())
            })
            .collect();
        for submitted in sent {
            assert_eq!(
                submitted.await,
                Ok(Receipt {
                    first_seq: round + 1,
                    events: 1
                })
            );
        }
    }
    for n in 0..5 {
        let found = store.get(partition(n), b"k").await.unwrap();
        assert_eq!(found, Some((3, format!("{n}.2").into_bytes())));
        assert_eq!(
            store.scan(partition(n), b"", None, 9).await.unwrap().len(),
            1
        );
        assert_eq!(store.events(partition(n), 0, 9).await.unwrap().len(), 3);
    }
    assert_eq!(store.scan(partition(5), b"", None, 9).await, Ok(vec![]));
    store.close().await;
}

/// Two stores over one database, as two hosts have it: whoever acquired last writes, the other one
/// hears of it although it remembers otherwise, and its other partitions are not harmed.
pub async fn two_writers_fence_each_other(site: &dyn Site) {
    let (p, q) = (partition(1), partition(2));
    let engine = site.engine().await;
    let old = Store::open(engine.clone(), Options::default())
        .await
        .unwrap();
    let new = Store::open(engine, Options::default()).await.unwrap();
    let (mine, other) = (old.acquire(p).await.unwrap(), old.acquire(q).await.unwrap());
    old.commit(batch(p, mine, 1).put("a", "old").event("1").into())
        .await
        .unwrap();
    let taken = new.acquire(p).await.unwrap();
    new.commit(
        batch(p, taken, 2)
            .expect("a", 1)
            .put("a", "new")
            .event("2")
            .into(),
    )
    .await
    .unwrap();
    let repeated = old.submit(batch(p, mine, 1).put("a", "old").event("1").into());
    let fenced = old.submit(batch(p, mine, 3).put("a", "lost").event("x").into());
    let neighbour = old.submit(batch(q, other, 4).put("a", "kept").into());
    assert_eq!(
        repeated.await,
        Ok(Receipt {
            first_seq: 1,
            events: 1
        })
    );
    let error = CommitError::Fenced {
        partition: p,
        epoch: mine,
        current: taken,
    };
    assert_eq!(fenced.await, Err(error.clone()));
    assert!(matches!(neighbour.await, Err(CommitError::Unavailable(_))));
    let fenced = old.commit(batch(p, mine, 5).put("a", "lost").into()).await;
    assert_eq!(fenced, Err(error));
    old.commit(batch(q, other, 4).put("a", "kept").into())
        .await
        .unwrap();
    assert_eq!(value(&new, "a").await, Some((2, "new".to_owned())));
    assert_eq!(
        event_texts(&new, 0, 9).await,
        [(1, "1".to_owned()), (2, "2".to_owned())]
    );
    old.close().await;
    new.close().await;
}
