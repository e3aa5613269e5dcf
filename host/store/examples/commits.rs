//! Durable commits per second of the store beside the bare database, with the same bytes.
//!
//! `cargo run --release -p adjutant-store --example commits -- [FOLDER] [SECONDS]`

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adjutant_store::{Batch, Options, Partition, RedbEngine, RedbOptions, Store, raw_group_commit};

/// Records per batch: three puts, four appends, two events.
const RECORDS: usize = 9;
const BYTES: usize = 250;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args
        .next()
        .map_or_else(|| std::env::temp_dir().join("commits"), PathBuf::from);
    let duration = Duration::from_secs(args.next().map_or(Ok(2), |text| text.parse())?);
    println!(
        "{:>9} {:>12} {:>12} {:>6}",
        "in flight", "store/s", "bare redb/s", "ratio"
    );
    for in_flight in [1, 16, 64, 256] {
        let at = folder.join(format!("store-{in_flight}"));
        let store = store_rate(at.clone(), in_flight, duration).await?;
        std::fs::remove_dir_all(at)?;
        let raw = raw_group_commit(&folder, RECORDS, BYTES, in_flight, duration)?.per_second();
        println!(
            "{in_flight:>9} {store:>12.0} {raw:>12.0} {:>6.2}",
            store / raw
        );
    }
    Ok(())
}

/// Commits per second with so many tasks, each of which waits for its commit before the next.
async fn store_rate(
    folder: PathBuf,
    in_flight: usize,
    duration: Duration,
) -> Result<f64, Box<dyn Error>> {
    let engine = RedbEngine::open(folder, RedbOptions::default()).await?;
    let store = Store::open(Arc::new(engine), Options::default()).await?;
    let partition = Partition([1; 16]);
    let epoch = store.acquire(partition).await?;
    let start = Instant::now();
    let tasks: Vec<_> = (0..in_flight as u64)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = 0u32;
                while start.elapsed() < duration {
                    store
                        .commit(batch(partition, epoch, task, done, start))
                        .await?;
                    done += 1;
                }
                Ok::<u32, adjutant_store::CommitError>(done)
            })
        })
        .collect();
    let mut commits = 0;
    for task in tasks {
        commits += task.await??;
    }
    let rate = f64::from(commits) / start.elapsed().as_secs_f64();
    store.close().await;
    Ok(rate)
}

/// A batch whose ids ascend with time, as the host's do.
fn batch(partition: Partition, epoch: u64, task: u64, nth: u32, start: Instant) -> Batch {
    let mut op = [0; 16];
    // The low half of the nanoseconds is enough for the lifetime of a benchmark.
    let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    op[..8].copy_from_slice(&nanos.to_be_bytes());
    op[8..12].copy_from_slice(&u32::try_from(task).unwrap_or(u32::MAX).to_be_bytes());
    op[12..].copy_from_slice(&nth.to_be_bytes());
    let value = vec![b'x'; BYTES];
    let mut batch = Batch::new(partition, op, epoch);
    for kind in [b"ticket/", b"run/id/", b"child//"] {
        let key = [kind.as_slice(), &op].concat();
        batch.expect.push((key.clone(), 0));
        batch.put.push((key, Some(value.clone())));
    }
    for index in 0..4 {
        batch.append.push((op.to_vec(), index, value.clone()));
    }
    batch.events = vec![value.clone(), value];
    batch
}
