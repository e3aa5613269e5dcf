//! Keys and values as they are on disk.
//!
//! Every key starts with the partition's 16 bytes; numbers are big-endian, so that byte order is
//! numeric order. A change here is a new schema number.
//!
//! | table | key after the partition | value |
//! |---|---|---|
//! | heads | | epoch u64, frames u64, seq u64 |
//! | kv | the key | version u64, the value |
//! | streams | name's length u16, name, index u64 | the record |
//! | frames | first seq u64, frame index u64 | operation 16 bytes, epoch u64, events u32, then each event: length u32, bytes |

use crate::batch::{Partition, Version};
use crate::engine::{Frame, FrameAt, FrameHead, Head};
use crate::error::EngineError;

/// The bytes of a frame before its events.
const FRAME_HEADER: usize = 16 + 8 + 4;

/// A key of the table kv.
pub(super) fn kv_key(partition: Partition, key: &[u8]) -> Vec<u8> {
    [&partition.0, key].concat()
}

/// The key of a stream's record.
pub(super) fn stream_key(partition: Partition, stream: &[u8], index: u64) -> Vec<u8> {
    // Names are limited to a kilobyte before they come here.
    let length = u16::try_from(stream.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    [
        &partition.0,
        length.as_slice(),
        stream,
        &index.to_be_bytes(),
    ]
    .concat()
}

/// The key of a frame.
pub(super) fn frame_key(at: FrameAt) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&at.partition.0);
    key[16..24].copy_from_slice(&at.first_seq.to_be_bytes());
    key[24..].copy_from_slice(&at.index.to_be_bytes());
    key
}

/// The last eight bytes of a key: a record's or frame's index.
pub(super) fn index_of(key: &[u8]) -> Result<u64, EngineError> {
    let bytes = key
        .last_chunk()
        .ok_or_else(|| damaged("a key is too short"))?;
    Ok(u64::from_be_bytes(*bytes))
}

/// Splits a value of the table kv.
pub(super) fn versioned(value: &[u8]) -> Result<(Version, &[u8]), EngineError> {
    let (version, rest) = value
        .split_first_chunk()
        .ok_or_else(|| damaged("a value has no version"))?;
    Ok((u64::from_be_bytes(*version), rest))
}

pub(super) fn encode_head(head: Head) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&head.epoch.to_be_bytes());
    bytes[8..16].copy_from_slice(&head.frames.to_be_bytes());
    bytes[16..].copy_from_slice(&head.seq.to_be_bytes());
    bytes
}

pub(super) fn decode_head(mut bytes: &[u8]) -> Result<Head, EngineError> {
    let bytes = &mut bytes;
    Ok(Head {
        epoch: take_u64(bytes)?,
        frames: take_u64(bytes)?,
        seq: take_u64(bytes)?,
    })
}

/// Writes a frame's value into `out`, which is cleared first.
pub(super) fn encode_frame(frame: &Frame, out: &mut Vec<u8>) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.clear();
    out.extend_from_slice(&frame.op);
    out.extend_from_slice(&frame.epoch.to_be_bytes());
    let events = u32::try_from(frame.events.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&events.to_be_bytes());
    for event in &frame.events {
        out.extend_from_slice(&length(event));
        out.extend_from_slice(event);
    }
}

/// Reads a frame's header.
pub(super) fn decode_frame(key: &[u8], value: &[u8]) -> Result<FrameHead, EngineError> {
    let mut key = key;
    let partition = Partition(*take::<16>(&mut key)?);
    let at = FrameAt {
        partition,
        first_seq: take_u64(&mut key)?,
        index: take_u64(&mut key)?,
    };
    let mut value = value;
    let op = *take::<16>(&mut value)?;
    let epoch = take_u64(&mut value)?;
    let events = u32::from_be_bytes(*take(&mut value)?);
    Ok(FrameHead {
        at,
        op,
        epoch,
        events,
    })
}

/// Reads a frame's events one after the other.
pub(super) fn frame_events(value: &[u8]) -> impl Iterator<Item = Result<&[u8], EngineError>> {
    let mut rest = value.get(FRAME_HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| {
            let length = u32::from_be_bytes(*take(&mut rest)?) as usize;
            let event = rest.split_off(..length).ok_or_else(|| {
                rest = &[];
                damaged("an event is cut short")
            })?;
            Ok(event)
        })
    })
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Result<&'a [u8; N], EngineError> {
    let (head, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| damaged("a stored entry is cut short"))?;
    *bytes = rest;
    Ok(head)
}

fn take_u64(bytes: &mut &[u8]) -> Result<u64, EngineError> {
    take(bytes).map(|bytes| u64::from_be_bytes(*bytes))
}

fn damaged(what: &str) -> EngineError {
    EngineError::Damaged(what.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const P: Partition = Partition([3; 16]);

    fn at(first_seq: u64, index: u64) -> FrameAt {
        FrameAt {
            partition: P,
            first_seq,
            index,
        }
    }

    #[test]
    fn a_frame_survives_the_round_trip() {
        let events = vec![b"one".to_vec(), vec![], b"three".to_vec()];
        let frame = Frame {
            at: at(7, 2),
            op: [9; 16],
            epoch: 4,
            events: events.clone(),
        };
        let mut value = vec![1, 2, 3];
        encode_frame(&frame, &mut value);
        let head = decode_frame(&frame_key(frame.at), &value).unwrap();
        assert_eq!(
            head,
            FrameHead {
                at: frame.at,
                op: [9; 16],
                epoch: 4,
                events: 3
            }
        );
        let read: Vec<_> = frame_events(&value)
            .map(|event| event.unwrap().to_vec())
            .collect();
        assert_eq!(read, events);
        let cut = frame_events(&value[..value.len() - 1]).last();
        assert!(matches!(cut, Some(Err(EngineError::Damaged(_)))));
        assert!(decode_frame(&frame_key(frame.at), &value[..10]).is_err());
    }

    #[test]
    fn keys_sort_by_number_and_streams_do_not_mix() {
        assert!(frame_key(at(255, 9)) < frame_key(at(256, 0)));
        assert!(frame_key(at(5, 1)) < frame_key(at(5, 2)));
        assert!(stream_key(P, b"a", 255) < stream_key(P, b"a", 256));
        assert!(stream_key(P, b"a", u64::MAX) < stream_key(P, b"b", 0));
        // A name that continues another one stays outside of its range.
        let longer = stream_key(P, &[b"a".as_slice(), &[0; 8]].concat(), 0);
        assert!(longer > stream_key(P, b"a", u64::MAX));
    }
}
