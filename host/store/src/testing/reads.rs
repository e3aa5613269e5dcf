//! The suite's second part: reading, paging, watching, and the limits.

use super::suite::{event_texts, owned, value};
use super::{Site, batch, partition};
use crate::{CommitError, Options, Shortage};

/// Reading events can start anywhere, also between frames without events.
pub async fn events_from_the_middle_of_a_frame(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let mut op = 0;
    let mut texts = Vec::new();
    for size in [0, 3, 0, 0, 1, 4, 0] {
        op += 1;
        let mut make = batch(p, epoch, op);
        for n in 0..size {
            let text = format!("{op}.{n}");
            make = make.event(&text);
            texts.push(text);
        }
        store.commit(make.into()).await.unwrap();
    }
    let all: Vec<(u64, String)> = (1..).zip(texts).collect();
    for after in 0..=all.len() {
        let wanted = &all[after..];
        assert_eq!(
            event_texts(&store, after as u64, 100).await,
            wanted,
            "after {after}"
        );
        let two = &wanted[..wanted.len().min(2)];
        assert_eq!(
            event_texts(&store, after as u64, 2).await,
            two,
            "two after {after}"
        );
    }
    assert_eq!(event_texts(&store, 99, 100).await, []);
    assert_eq!(event_texts(&store, u64::MAX, 100).await, []);
    store.close().await;
}

/// Many keys and many streams come back in the order in which they were asked for.
pub async fn many_are_read_at_a_time(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let make = batch(p, epoch, 1)
        .put("b", "two")
        .put("a", "one")
        .append("s", 0, "x")
        .append("s", 1, "y");
    store.commit(make.into()).await.unwrap();
    let make = batch(p, epoch, 2).put("b", "two again");
    store.commit(make.into()).await.unwrap();
    let keys = ["b", "none", "a", "b"].map(|key| key.as_bytes().to_vec());
    let twice = Some((2, b"two again".to_vec()));
    assert_eq!(
        store.get_many(p, &keys).await.unwrap(),
        [twice.clone(), None, Some((1, b"one".to_vec())), twice]
    );
    assert_eq!(
        store.get_many(partition(2), &keys).await.unwrap(),
        [const { None }; 4]
    );
    let streams = ["none", "s"].map(|stream| stream.as_bytes().to_vec());
    assert_eq!(store.stream_lens(p, streams.into()).await.unwrap(), [0, 2]);
    store.close().await;
}

/// A record must get the index that its batch says.
pub async fn streams_are_indexed(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let conflict = |expected, found| {
        Err(CommitError::StreamConflict {
            stream: b"s".to_vec(),
            expected,
            found,
        })
    };
    let first = store.submit(
        batch(p, epoch, 1)
            .append("s", 0, "a")
            .append("s", 1, "b")
            .into(),
    );
    let stale = store.submit(batch(p, epoch, 2).append("s", 1, "x").into());
    let other = store.submit(
        batch(p, epoch, 3)
            .append("t", 0, "z")
            .append("s", 2, "c")
            .into(),
    );
    // Its first record fits, its second does not: neither is written.
    let half = store.submit(
        batch(p, epoch, 4)
            .append("s", 3, "x")
            .append("s", 5, "x")
            .into(),
    );
    assert!(first.await.is_ok());
    assert_eq!(stale.await, conflict(1, 2));
    assert!(other.await.is_ok());
    assert_eq!(half.await, conflict(5, 4));
    assert_eq!(
        store
            .commit(batch(p, epoch, 5).append("s", 4, "x").into())
            .await,
        conflict(4, 3)
    );
    let read = store.read_stream(p, b"s", 1, 10).await.unwrap();
    assert_eq!(read, [(1, b"b".to_vec()), (2, b"c".to_vec())]);
    assert_eq!(
        store.read_stream(p, b"s", 0, 1).await.unwrap(),
        [(0, b"a".to_vec())]
    );
    assert_eq!(store.read_stream(p, b"s", 3, 10).await.unwrap(), []);
    assert_eq!(store.stream_len(p, b"s").await, Ok(3));
    assert_eq!(store.stream_len(p, b"none").await, Ok(0));
    store.close().await;
}

/// Pages up and down cover a prefix once, and only it.
pub async fn scans_page_both_ways(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let mut make = batch(p, epoch, 1)
        .put("j", "out")
        .put("l", "out")
        .put("k", "bare");
    for n in 0..25 {
        make = make.put(&format!("k/{n:02}"), "in");
    }
    store.commit(make.into()).await.unwrap();
    let names: Vec<Vec<u8>> = (0..25).map(|n| format!("k/{n:02}").into_bytes()).collect();
    let mut up: Vec<Vec<u8>> = Vec::new();
    loop {
        let after = up.last().cloned();
        let page = store.scan(p, b"k/", after.as_deref(), 7).await.unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        assert!(
            page.iter()
                .all(|item| item.version == 1 && item.value == b"in")
        );
        up.extend(page.into_iter().map(|item| item.key));
    }
    assert_eq!(up, names);
    let mut down: Vec<Vec<u8>> = Vec::new();
    loop {
        let before = down.last().cloned();
        let page = store
            .scan_back(p, b"k/", before.as_deref(), 4)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        down.extend(page.into_iter().map(|item| item.key));
    }
    down.reverse();
    assert_eq!(down, names);
    // Bounds outside of the prefix, a limit of nothing, everything at once.
    assert_eq!(store.scan(p, b"k/", Some(b"z"), 7).await.unwrap(), []);
    assert_eq!(
        store.scan(p, b"k/", Some(b"a"), 99).await.unwrap().len(),
        25
    );
    assert_eq!(store.scan_back(p, b"k/", Some(b"a"), 7).await.unwrap(), []);
    assert_eq!(
        store
            .scan_back(p, b"k/", Some(b"z"), 99)
            .await
            .unwrap()
            .len(),
        25
    );
    assert_eq!(store.scan(p, b"k/", None, 0).await.unwrap(), []);
    assert_eq!(store.scan(p, b"", None, 99).await.unwrap().len(), 28);
    store.close().await;
    // A page ends early when it has enough bytes, but never without an item.
    let store = site
        .store_with(Options {
            page_bytes: 1,
            ..Options::default()
        })
        .await;
    assert_eq!(store.scan(p, b"k/", None, 99).await.unwrap().len(), 1);
    store.close().await;
}

/// Past the queue's bound the caller hears at once, and what was taken is written.
pub async fn a_full_queue_refuses(site: &dyn Site) {
    let p = partition(1);
    let store = site
        .store_with(Options {
            queue: 3,
            ..Options::default()
        })
        .await;
    let epoch = store.acquire(p).await.unwrap();
    let sent: Vec<_> = (0..5u64)
        .map(|n| store.submit(batch(p, epoch, n).put("a", "x").event("e").into()))
        .collect();
    let mut outcomes = Vec::new();
    for submitted in sent {
        outcomes.push(submitted.await);
    }
    assert!(outcomes[..3].iter().all(Result::is_ok));
    let full = Err(CommitError::Full(Shortage::Queue { limit: 3 }));
    assert_eq!(outcomes[3..], [full.clone(), full]);
    assert_eq!(
        value(&store, "a").await.map(|(version, _)| version),
        Some(3)
    );
    store.close().await;
    let options = Options {
        queue_bytes: 1000,
        max_batch: 1000,
        max_value: 1000,
        ..Options::default()
    };
    let store = site.store_with(options).await;
    let epoch = store.acquire(p).await.unwrap();
    let value = "x".repeat(600);
    let one = store.submit(batch(p, epoch, 11).put("b", &value).into());
    let two = store.submit(batch(p, epoch, 12).put("b", &value).into());
    assert_eq!(
        two.await,
        Err(CommitError::Full(Shortage::QueueBytes { limit: 1000 }))
    );
    assert!(one.await.is_ok());
    assert!(
        store
            .commit(batch(p, epoch, 13).put("b", &value).into())
            .await
            .is_ok()
    );
    store.close().await;
}

/// What is over a limit is refused, what is at it goes in and comes out.
pub async fn too_large_is_refused(site: &dyn Site) {
    let p = partition(1);
    let options = Options {
        max_value: 1 << 20,
        max_batch: 3 << 20,
        ..Options::default()
    };
    let store = site.store_with(options).await;
    let epoch = store.acquire(p).await.unwrap();
    let (key, value) = ("k".repeat(1024), "v".repeat(1 << 20));
    let largest = batch(p, epoch, 1)
        .put(&key, &value)
        .append(&key, 0, &value)
        .event(&key);
    assert!(store.commit(largest.into()).await.is_ok());
    let stored = store.get(p, key.as_bytes()).await.unwrap().unwrap();
    assert_eq!(stored.1.len(), value.len());
    assert_eq!(
        store.read_stream(p, key.as_bytes(), 0, 1).await.unwrap()[0]
            .1
            .len(),
        value.len()
    );
    let over = format!("{value}v");
    let outcomes = [
        store
            .commit(batch(p, epoch, 2).put("a", &over).into())
            .await,
        store
            .commit(batch(p, epoch, 3).put(&format!("{key}k"), "v").into())
            .await,
        store
            .commit(
                batch(p, epoch, 4)
                    .put("a", &value)
                    .put("b", &value)
                    .put("c", &value)
                    .into(),
            )
            .await,
    ];
    for outcome in outcomes {
        assert!(
            matches!(outcome, Err(CommitError::TooLarge { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(store.get(p, b"a").await, Ok(None));
    store.close().await;
}

/// A watcher that reads after each change sees every event.
pub async fn watchers_hear_of_commits(site: &dyn Site) {
    let p = partition(1);
    let (store, epoch) = owned(site).await;
    let mut watch = store.watch(p);
    let mut idle = store.watch(partition(2));
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut seen = 0;
            while seen < 50 {
                let events = store.events(p, seen, 7).await.unwrap();
                match events.last() {
                    Some((last, _)) => seen = *last,
                    None => watch.changed().await.unwrap(),
                }
            }
            let last = *watch.borrow();
            (seen, last)
        }
    });
    for n in 0..50 {
        store
            .commit(batch(p, epoch, n).event("e").into())
            .await
            .unwrap();
    }
    let (seen, last) = reader.await.unwrap();
    assert_eq!(seen, 50);
    assert!(last <= 50);
    assert_eq!(*store.watch(p).borrow(), 50);
    assert!(!idle.has_changed().unwrap());
    assert_eq!(*idle.borrow_and_update(), 0);
    store.close().await;
}
