//! A copy of the database as it is at one moment, in a file of its own.
//!
//! Invariants: one read transaction gives the moment, and writes go on beside it; the copy is
//! durable and closed when this returns, or it is gone.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadTransaction, ReadableTable};

use super::{FRAMES, HEADS, KV, META, STREAMS, failed, written};
use crate::error::EngineError;

/// Bytes of memory for the copy's pages.
const CACHE: usize = 32 * 1024 * 1024;
/// Rows that are copied before it is asked whether to go on.
const ROWS: usize = 512;

/// Copies everything that the transaction sees into a new file. `stop` ends it with an error. Gives
/// back the file's size.
pub(super) fn copy(
    from: &ReadTransaction,
    to: &Path,
    stop: &AtomicBool,
) -> Result<u64, EngineError> {
    let copied = fill(from, to, stop).and_then(|()| {
        let size = to.metadata().map(|meta| meta.len());
        size.map_err(failed("taking a snapshot"))
    });
    if copied.is_err()
        && let Err(error) = std::fs::remove_file(to)
    {
        tracing::debug!(path = %to.display(), %error, "there is no unfinished snapshot to remove");
    }
    copied
}

fn fill(from: &ReadTransaction, to: &Path, stop: &AtomicBool) -> Result<(), EngineError> {
    let doing = "taking a snapshot";
    if to.exists() {
        return Err(failed(doing)(format!("{} is there already", to.display())));
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    let copy = builder.create(to).map_err(written(folder, doing))?;
    // One transaction: what is not finished is not there.
    let mut write = copy.begin_write().map_err(written(folder, doing))?;
    write.set_quick_repair(true);
    for table in [META, HEADS, KV, STREAMS, FRAMES] {
        let source = from.open_table(table).map_err(failed(doing))?;
        let mut target = write.open_table(table).map_err(written(folder, doing))?;
        for (number, row) in source.iter().map_err(failed(doing))?.enumerate() {
            if number % ROWS == 0 && stop.load(Ordering::Acquire) {
                return Err(failed(doing)(
                    "the database had to be opened anew; try again",
                ));
            }
            let (key, value) = row.map_err(failed(doing))?;
            target
                .insert(key.value(), value.value())
                .map_err(written(folder, doing))?;
        }
    }
    write.commit().map_err(written(folder, doing))
}
