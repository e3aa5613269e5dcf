//! Random batches against a model in a few lines: the store must agree after every group.

use std::collections::BTreeMap;
use std::sync::Arc;

use adjutant_store::testing::SimDisk;
use adjutant_store::{
    Batch, CommitError, Options, Partition, Receipt, RedbEngine, RedbOptions, Store,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Batches that are submitted together; each for the n-th partition.
    Group(Vec<(u8, Change)>),
    Acquire(u8),
    Reopen,
}

#[derive(Debug, Clone)]
struct Change {
    /// A small number, so that operations repeat.
    op: u8,
    /// How far behind the current epoch.
    behind: u64,
    expect: Vec<(u8, u64)>,
    put: Vec<(u8, Option<u8>)>,
    /// A stream and how far its index is off.
    append: Vec<(u8, u64)>,
    events: u8,
}

#[derive(Debug, Default)]
struct Model {
    epoch: u64,
    keys: BTreeMap<u8, (u64, u8)>,
    streams: BTreeMap<u8, u64>,
    events: Vec<Vec<u8>>,
    ops: BTreeMap<u8, Receipt>,
}

impl Model {
    fn batch(&self, partition: Partition, change: &Change) -> Batch {
        let mut batch = Batch::new(
            partition,
            [change.op; 16],
            self.epoch.saturating_sub(change.behind),
        );
        batch.expect = change
            .expect
            .iter()
            .map(|(key, version)| (vec![*key], *version))
            .collect();
        batch.put = change
            .put
            .iter()
            .map(|(key, value)| (vec![*key], value.map(|v| vec![v])))
            .collect();
        let mut next = self.streams.clone();
        for (stream, off) in &change.append {
            let next = next.entry(*stream).or_default();
            batch
                .append
                .push((vec![*stream], *next + off, vec![*stream]));
            *next += 1;
        }
        batch.events = (0..change.events).map(|n| vec![change.op, n]).collect();
        batch
    }

    fn commit(&mut self, batch: &Batch) -> Result<Receipt, &'static str> {
        let op = batch.op[0];
        if let Some(receipt) = self.ops.get(&op) {
            return Ok(*receipt);
        }
        if batch.epoch != self.epoch || batch.epoch == 0 {
            return Err("fenced");
        }
        let version = |key: &u8| self.keys.get(key).map_or(0, |(version, _)| *version);
        if batch
            .expect
            .iter()
            .any(|(key, expected)| version(&key[0]) != *expected)
        {
            return Err("conflict");
        }
        let mut streams = self.streams.clone();
        for (stream, index, _) in &batch.append {
            let next = streams.entry(stream[0]).or_default();
            if *next != *index {
                return Err("stream");
            }
            *next += 1;
        }
        self.streams = streams;
        for (key, value) in &batch.put {
            match value {
                Some(value) => {
                    let entry = self.keys.entry(key[0]).or_default();
                    *entry = (entry.0 + 1, value[0]);
                }
                None => drop(self.keys.remove(&key[0])),
            }
        }
        let receipt = Receipt {
            first_seq: self.events.len() as u64 + 1,
            events: u32::try_from(batch.events.len()).unwrap(),
        };
        self.events.extend(batch.events.iter().cloned());
        self.ops.insert(op, receipt);
        Ok(receipt)
    }
}

fn change() -> impl Strategy<Value = Change> {
    let few = || prop::sample::select(vec![0u64, 0, 0, 0, 0, 1]);
    (
        any::<u8>(),
        few(),
        prop::collection::vec((0..3u8, 0..3u64), 0..2),
        prop::collection::vec((0..4u8, prop::option::weighted(0.8, any::<u8>())), 0..4),
        prop::collection::vec((0..3u8, few()), 0..3),
        0..3u8,
    )
        .prop_map(|(op, behind, expect, put, append, events)| Change {
            op,
            behind,
            expect,
            put,
            append,
            events,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec((0..2u8, change()), 1..12).prop_map(Step::Group),
        1 => (0..2u8).prop_map(Step::Acquire),
        1 => Just(Step::Reopen),
    ]
}

fn partition(n: u8) -> Partition {
    Partition([n; 16])
}

async fn open(disk: &SimDisk) -> Store {
    let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default());
    let options = Options {
        partitions: 1,
        group: 5,
        ..Options::default()
    };
    Store::open(Arc::new(engine.await.unwrap()), options)
        .await
        .unwrap()
}

async fn agree(store: &Store, n: u8, model: &Model) {
    let p = partition(n);
    let items = store.scan(p, b"", None, 100).await.unwrap();
    let stored: Vec<_> = items
        .iter()
        .map(|i| (i.key[0], (i.version, i.value[0])))
        .collect();
    let wanted: Vec<_> = model
        .keys
        .iter()
        .map(|(key, state)| (*key, *state))
        .collect();
    assert_eq!(stored, wanted);
    for (stream, length) in &model.streams {
        assert_eq!(store.stream_len(p, &[*stream]).await.unwrap(), *length);
    }
    let events = store.events(p, 0, 10_000).await.unwrap();
    let wanted: Vec<_> = (1..).zip(model.events.iter().cloned()).collect();
    assert_eq!(events, wanted);
}

async fn run(steps: Vec<Step>) {
    let disk = SimDisk::default();
    let mut store = open(&disk).await;
    let mut models = [Model::default(), Model::default()];
    for (n, model) in models.iter_mut().enumerate() {
        model.epoch = store
            .acquire(partition(u8::try_from(n).unwrap()))
            .await
            .unwrap();
    }
    for step in steps {
        match step {
            Step::Acquire(n) => {
                let epoch = store.acquire(partition(n)).await.unwrap();
                let model = &mut models[usize::from(n)];
                model.epoch += 1;
                assert_eq!(epoch, model.epoch);
            }
            Step::Reopen => {
                store.close().await;
                store = open(&disk).await;
            }
            Step::Group(changes) => {
                let mut sent = Vec::new();
                for (n, change) in &changes {
                    let model = &mut models[usize::from(*n)];
                    let batch = model.batch(partition(*n), change);
                    let wanted = model.commit(&batch);
                    sent.push((wanted, store.submit(batch)));
                }
                for (wanted, submitted) in sent {
                    let outcome = submitted.await.map_err(|error| match error {
                        CommitError::Fenced { .. } => "fenced",
                        CommitError::Conflict { .. } => "conflict",
                        CommitError::StreamConflict { .. } => "stream",
                        other => panic!("{other}"),
                    });
                    assert_eq!(outcome, wanted);
                }
                for (n, model) in (0..).zip(&models) {
                    agree(&store, n, model).await;
                }
            }
        }
    }
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_agrees_with_the_model(steps in prop::collection::vec(step(), 1..16)) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(run(steps));
    }
}
