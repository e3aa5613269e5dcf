//! Reads, each within the one transaction that it is given.

use std::ops::Bound;

use redb::ReadTransaction;

use super::codec::{
    decode_frame, decode_head, frame_events, frame_key, index_of, kv_key, stream_key, versioned,
};
use super::{FRAMES, HEADS, KV, STREAMS, Table, failed};
use crate::batch::{Item, Partition};
use crate::engine::{Found, FrameAt, FrameHead, LoadRequest, Loaded, Page, Scan};
use crate::error::EngineError;

type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(super) fn load(txn: &ReadTransaction, request: &LoadRequest) -> Result<Loaded, EngineError> {
    let doing = "reading the state";
    let mut loaded = Loaded::default();
    if !request.keys.is_empty() {
        let table = open(txn, KV)?;
        for (partition, key) in &request.keys {
            let row = table
                .get(kv_key(*partition, key).as_slice())
                .map_err(failed(doing))?;
            let version = match row {
                Some(value) => versioned(value.value())?.0,
                None => 0,
            };
            loaded.versions.push(version);
        }
    }
    if !request.streams.is_empty() {
        let table = open(txn, STREAMS)?;
        for (partition, stream) in &request.streams {
            loaded.next.push(next_index(&table, *partition, stream)?);
        }
    }
    if !request.heads.is_empty() {
        let table = open(txn, HEADS)?;
        for partition in &request.heads {
            let row = table.get(partition.0.as_slice()).map_err(failed(doing))?;
            let head = row.map(|value| decode_head(value.value())).transpose()?;
            loaded.heads.push(head.unwrap_or_default());
        }
    }
    if !request.frames.is_empty() {
        let table = open(txn, FRAMES)?;
        for at in &request.frames {
            let key = frame_key(*at);
            let row = table.get(key.as_slice()).map_err(failed(doing))?;
            loaded.frames.push(
                row.map(|value| decode_frame(&key, value.value()))
                    .transpose()?,
            );
        }
    }
    Ok(loaded)
}

pub(super) fn get(
    txn: &ReadTransaction,
    partition: Partition,
    key: &[u8],
) -> Result<Option<Found>, EngineError> {
    get_from(&open(txn, KV)?, partition, key)
}

pub(super) fn get_many(
    txn: &ReadTransaction,
    partition: Partition,
    keys: &[Vec<u8>],
) -> Result<Vec<Option<Found>>, EngineError> {
    let table = open(txn, KV)?;
    keys.iter()
        .map(|key| get_from(&table, partition, key))
        .collect()
}

fn get_from(table: &Rows, partition: Partition, key: &[u8]) -> Result<Option<Found>, EngineError> {
    let row = table
        .get(kv_key(partition, key).as_slice())
        .map_err(failed("reading a key"))?;
    row.map(|value| versioned(value.value()).map(|(version, bytes)| (version, bytes.to_vec())))
        .transpose()
}

pub(super) fn scan(
    txn: &ReadTransaction,
    partition: Partition,
    scan: &Scan,
) -> Result<Vec<Item>, EngineError> {
    let prefix = kv_key(partition, &scan.prefix);
    let mut lower = Bound::Included(prefix.clone());
    let mut upper = after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
    if let Some(beyond) = scan.beyond.as_ref().map(|key| kv_key(partition, key)) {
        if scan.back {
            let inside = after_prefix(&prefix).is_none_or(|end| beyond < end);
            if inside {
                upper = Bound::Excluded(beyond);
            }
        } else if beyond >= prefix {
            lower = Bound::Excluded(beyond);
        }
    }
    if is_empty(&lower, &upper) {
        return Ok(Vec::new());
    }
    let doing = "scanning keys";
    let table = open(txn, KV)?;
    let bounds = (
        lower.as_ref().map(Vec::as_slice),
        upper.as_ref().map(Vec::as_slice),
    );
    let mut rows = table.range::<&[u8]>(bounds).map_err(failed(doing))?;
    let mut items = Vec::new();
    let mut left = Left::new(scan.page);
    while left.more() {
        let row = if scan.back {
            rows.next_back()
        } else {
            rows.next()
        };
        let Some((key, value)) = row.transpose().map_err(failed(doing))? else {
            break;
        };
        let (version, bytes) = versioned(value.value())?;
        let key = key.value().get(16..).unwrap_or_default();
        left.took(key.len() + bytes.len());
        items.push(Item {
            key: key.to_vec(),
            version,
            value: bytes.to_vec(),
        });
    }
    Ok(items)
}

pub(super) fn stream(
    txn: &ReadTransaction,
    partition: Partition,
    stream: &[u8],
    from: u64,
    page: Page,
) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
    let doing = "reading a stream";
    let table = open(txn, STREAMS)?;
    let (lower, upper) = (
        stream_key(partition, stream, from),
        stream_key(partition, stream, u64::MAX),
    );
    let mut rows = table
        .range::<&[u8]>(lower.as_slice()..=upper.as_slice())
        .map_err(failed(doing))?;
    let mut records = Vec::new();
    let mut left = Left::new(page);
    while left.more() {
        let Some((key, value)) = rows.next().transpose().map_err(failed(doing))? else {
            break;
        };
        left.took(value.value().len());
        records.push((index_of(key.value())?, value.value().to_vec()));
    }
    Ok(records)
}

pub(super) fn events(
    txn: &ReadTransaction,
    partition: Partition,
    after: u64,
    page: Page,
) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
    let doing = "reading events";
    let Some(first) = after.checked_add(1) else {
        return Ok(Vec::new());
    };
    let table = open(txn, FRAMES)?;
    // The wanted event is in the last frame that starts at or before it. Frames without events
    // stand before the frame with events that starts at the same number.
    let least = frame_key(FrameAt {
        partition,
        first_seq: 0,
        index: 0,
    });
    let here = frame_key(FrameAt {
        partition,
        first_seq: first,
        index: u64::MAX,
    });
    let most = frame_key(FrameAt {
        partition,
        first_seq: u64::MAX,
        index: u64::MAX,
    });
    let start = table
        .range::<&[u8]>(least.as_slice()..=here.as_slice())
        .map_err(failed(doing))?
        .next_back()
        .transpose()
        .map_err(failed(doing))?
        .map_or(least.to_vec(), |(key, _)| key.value().to_vec());
    let mut rows = table
        .range::<&[u8]>(start.as_slice()..=most.as_slice())
        .map_err(failed(doing))?;
    let mut found = Vec::new();
    let mut left = Left::new(page);
    while left.more() {
        let Some((key, value)) = rows.next().transpose().map_err(failed(doing))? else {
            break;
        };
        let head = decode_frame(key.value(), value.value())?;
        for (seq, event) in (head.at.first_seq..).zip(frame_events(value.value())) {
            if !left.more() {
                break;
            }
            let event = event?;
            if seq >= first {
                left.took(event.len());
                found.push((seq, event.to_vec()));
            }
        }
    }
    Ok(found)
}

pub(super) fn recent(
    txn: &ReadTransaction,
    partition: Partition,
    limit: usize,
) -> Result<Vec<FrameHead>, EngineError> {
    let doing = "reading the log";
    let table = open(txn, FRAMES)?;
    let least = frame_key(FrameAt {
        partition,
        first_seq: 0,
        index: 0,
    });
    let most = frame_key(FrameAt {
        partition,
        first_seq: u64::MAX,
        index: u64::MAX,
    });
    let rows = table
        .range::<&[u8]>(least.as_slice()..=most.as_slice())
        .map_err(failed(doing))?;
    let mut frames = Vec::new();
    for row in rows.rev().take(limit) {
        let (key, value) = row.map_err(failed(doing))?;
        frames.push(decode_frame(key.value(), value.value())?);
    }
    frames.reverse();
    Ok(frames)
}

fn open(txn: &ReadTransaction, table: Table) -> Result<Rows, EngineError> {
    txn.open_table(table).map_err(failed("opening a table"))
}

fn next_index(table: &Rows, partition: Partition, stream: &[u8]) -> Result<u64, EngineError> {
    let doing = "reading a stream's end";
    let (lower, upper) = (
        stream_key(partition, stream, 0),
        stream_key(partition, stream, u64::MAX),
    );
    let last = table
        .range::<&[u8]>(lower.as_slice()..=upper.as_slice())
        .map_err(failed(doing))?
        .next_back()
        .transpose()
        .map_err(failed(doing))?;
    last.map_or(Ok(0), |(key, _)| {
        index_of(key.value()).map(|index| index + 1)
    })
}

/// The least key above all keys with this prefix, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn is_empty(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}

/// What a page has left.
struct Left {
    entries: usize,
    bytes: usize,
}

impl Left {
    fn new(page: Page) -> Left {
        Left {
            entries: page.limit,
            bytes: page.bytes.max(1),
        }
    }

    fn more(&self) -> bool {
        self.entries > 0 && self.bytes > 0
    }

    fn took(&mut self, bytes: usize) {
        self.entries -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255, 255]), None);
    }
}
