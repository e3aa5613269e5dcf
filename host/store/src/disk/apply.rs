//! Writing one group: one transaction, one durable commit.

use std::path::Path;

use redb::{Database, ReadableTable};

use super::codec::{decode_head, encode_frame, encode_head, frame_key, kv_key, stream_key};
use super::{FRAMES, HEADS, KV, STREAMS, written};
use crate::engine::Group;
use crate::error::EngineError;

/// Applies the group; see [`crate::Engine::apply`]. Returning early drops the transaction, which
/// undoes it.
pub(super) fn apply(database: &Database, folder: &Path, group: &Group) -> Result<(), EngineError> {
    let doing = "writing a group";
    let mut txn = database.begin_write().map_err(written(folder, doing))?;
    txn.set_quick_repair(true);
    {
        let mut heads = txn.open_table(HEADS).map_err(written(folder, doing))?;
        for change in &group.heads {
            let key = change.partition.0.as_slice();
            let stored = heads.get(key).map_err(written(folder, doing))?;
            let stored = stored.map(|value| decode_head(value.value())).transpose()?;
            let stored = stored.unwrap_or_default();
            if stored != change.before {
                let (partition, epoch) = (change.partition, stored.epoch);
                return Err(EngineError::Moved { partition, epoch });
            }
            heads
                .insert(key, encode_head(change.after).as_slice())
                .map_err(written(folder, doing))?;
        }
    }
    // Tables are opened only when there is something for them: it costs a lookup each.
    if !group.writes.is_empty() {
        let mut kv = txn.open_table(KV).map_err(written(folder, doing))?;
        let mut buffer = Vec::new();
        for write in &group.writes {
            let key = kv_key(write.partition, &write.key);
            if let Some(value) = &write.value {
                buffer.clear();
                buffer.extend_from_slice(&write.version.to_be_bytes());
                buffer.extend_from_slice(value);
                kv.insert(key.as_slice(), buffer.as_slice())
                    .map_err(written(folder, doing))?;
            } else {
                kv.remove(key.as_slice()).map_err(written(folder, doing))?;
            }
        }
    }
    if !group.appends.is_empty() {
        let mut streams = txn.open_table(STREAMS).map_err(written(folder, doing))?;
        for append in &group.appends {
            let key = stream_key(append.partition, &append.stream, append.index);
            streams
                .insert(key.as_slice(), append.record.as_slice())
                .map_err(written(folder, doing))?;
        }
    }
    if !group.frames.is_empty() {
        let mut frames = txn.open_table(FRAMES).map_err(written(folder, doing))?;
        let mut buffer = Vec::new();
        for frame in &group.frames {
            encode_frame(frame, &mut buffer);
            frames
                .insert(frame_key(frame.at).as_slice(), buffer.as_slice())
                .map_err(written(folder, doing))?;
        }
    }
    txn.commit().map_err(written(folder, "committing a group"))
}
