//! The bare database's speed, to print beside our own: redb's write transactions with the same
//! bytes, grouped the same way, without queue, validation, frames or heads.

use std::path::Path;
use std::time::{Duration, Instant};

use redb::Database;

use super::{KV, failed};
use crate::error::EngineError;
use crate::store::Options;

/// What [`raw_group_commit`] measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawRate {
    /// Batches that became durable.
    pub commits: u64,
    /// Write transactions that they shared.
    pub groups: u64,
    /// The time from the first to the last.
    pub elapsed: Duration,
}

impl RawRate {
    /// Durable batches per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let commits = self.commits as f64;
        commits / self.elapsed.as_secs_f64()
    }
}

/// Commits batches of `records_per_batch` records of `bytes` each to a new redb file in `dir`, in
/// transactions of `in_flight` batches (at most as many as the store groups by default), for about
/// `duration`. Keys are 32 bytes and ascend, like the store's. Blocks the calling thread; the file
/// is removed at the end.
///
/// # Errors
/// When the file cannot be written.
pub fn raw_group_commit(
    dir: &Path,
    records_per_batch: usize,
    bytes: usize,
    in_flight: usize,
    duration: Duration,
) -> Result<RawRate, EngineError> {
    let doing = "measuring the bare database";
    let file = tempfile_in(dir)?;
    let mut builder = Database::builder();
    builder.set_cache_size(super::RedbOptions::default().cache_bytes);
    let database = builder.create(&file.0).map_err(failed(doing))?;
    let batches = in_flight.clamp(1, Options::default().group);
    let value = vec![b'x'; bytes];
    let mut key = [0; 32];
    let mut next = 0u128;
    let (mut commits, mut groups) = (0, 0);
    let start = Instant::now();
    while groups == 0 || start.elapsed() < duration {
        let mut txn = database.begin_write().map_err(failed(doing))?;
        txn.set_quick_repair(true);
        {
            let mut table = txn.open_table(KV).map_err(failed(doing))?;
            for _ in 0..batches * records_per_batch {
                key[16..].copy_from_slice(&next.to_be_bytes());
                next += 1;
                table
                    .insert(key.as_slice(), value.as_slice())
                    .map_err(failed(doing))?;
            }
        }
        txn.commit().map_err(failed(doing))?;
        groups += 1;
        commits += batches as u64;
    }
    Ok(RawRate {
        commits,
        groups,
        elapsed: start.elapsed(),
    })
}

/// A file that is removed when this is dropped.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "a measurement's file was not removed");
        }
    }
}

fn tempfile_in(dir: &Path) -> Result<Scratch, EngineError> {
    std::fs::create_dir_all(dir).map_err(failed("making the folder for a measurement"))?;
    Ok(Scratch(
        dir.join(format!("raw-{}.redb", std::process::id())),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn it_counts_batches_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let rate = raw_group_commit(dir.path(), 9, 100, 16, Duration::ZERO).unwrap();
        assert_eq!((rate.commits, rate.groups), (16, 1));
        assert!(rate.per_second() > 0.0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
