//! How a run's journal is stored: small parts in its stream, large ones beside it.
//!
//! A stored record is a list of [`Record`]s that became durable together. A call or an answer of more
//! than [`BESIDE`] bytes is kept under a key of its own, named by its digest, and the stream has a
//! reference to it: looking through a journal stays cheap, and what a run asks or gets twice is kept
//! once. The references and what they name are written in one batch.
//!
//! Invariants:
//! - A list without large parts is stored as it always was; one with references has a version byte of
//!   its own, so that an older host says what is wrong.
//! - What is read back from beside the journal has the digest that the reference says.

use crate::records::{self, RecordError};
use adjutant_model::{Call, Record, Reply, RunId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt;

/// Bytes above which a call or an answer is kept beside the journal.
pub const BESIDE: usize = 16 << 10;

/// The version byte of a list with references.
const SPLIT: u8 = 2;

/// What the errors call a stored record.
const WHAT: &str = "journal";

/// One stored record of a journal, as it stands in the stream.
#[derive(Debug)]
pub enum Stored {
    /// All of it is here.
    Whole(Vec<Record>),
    /// Some parts are kept beside.
    Split(Vec<Split>),
}

/// A record of which parts are kept beside the journal.
#[derive(Debug, Serialize, Deserialize)]
pub struct Split<C = Call, R = Reply> {
    /// The call's place among the run's calls, from 0.
    pub index: u32,
    /// When it was answered, or began to wait.
    pub at: Timestamp,
    /// What was asked; none in the answer to a call that waited.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub call: Option<Part<C>>,
    /// What was answered; none in the beginning of a call that waits.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub reply: Option<Part<R>>,
}

/// A call or an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<T> {
    /// It is here.
    Here(T),
    /// It is kept beside.
    Beside(Payload),
}

/// A reference to what is kept beside a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Payload {
    /// SHA-256 of its stored bytes.
    pub digest: [u8; 32],
    /// How many they are.
    pub bytes: u64,
}

/// A payload and its bytes.
pub type Kept = (Payload, Vec<u8>);

fn none<T>() -> Option<T> {
    None
}

impl Payload {
    /// The reference to these bytes.
    pub fn of(bytes: &[u8]) -> Payload {
        Payload {
            digest: Sha256::digest(bytes).into(),
            bytes: bytes.len() as u64,
        }
    }

    /// Where it is kept, in the run's partition.
    pub fn key(&self, run: RunId) -> Vec<u8> {
        records::payload_key(run, &self.digest)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.digest.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        write!(f, ", {} bytes", self.bytes)
    }
}

/// Encodes records that become durable together: what goes into the stream, and what beside it.
pub fn encode(entries: &[Record]) -> (Vec<u8>, Vec<Kept>) {
    if !entries.iter().any(is_large) {
        return (records::encode(&entries), Vec::new());
    }
    let mut kept = Vec::new();
    let split: Vec<Split<&Call, &Reply>> = entries
        .iter()
        .map(|entry| {
            let (index, at, call, reply) = match entry {
                Record::Done {
                    index,
                    at,
                    call,
                    reply,
                } => (index, at, Some(call), Some(reply)),
                Record::Begun { index, at, call } => (index, at, Some(call), None),
                Record::Answered { index, at, reply } => (index, at, None, Some(reply)),
            };
            Split {
                index: *index,
                at: *at,
                call: call.map(|call| part(call, call.bytes(), &mut kept)),
                reply: reply.map(|reply| part(reply, reply_bytes(reply), &mut kept)),
            }
        })
        .collect();
    (records::encode_as(SPLIT, &split), kept)
}

/// Keeps a part beside if it is large.
fn part<'a, T: Serialize>(whole: &'a T, bytes: usize, kept: &mut Vec<Kept>) -> Part<&'a T> {
    if bytes <= BESIDE {
        return Part::Here(whole);
    }
    let bytes = records::encode(whole);
    let payload = Payload::of(&bytes);
    if !kept.iter().any(|(known, _)| *known == payload) {
        kept.push((payload, bytes));
    }
    Part::Beside(payload)
}

fn is_large(record: &Record) -> bool {
    let (call, reply) = match record {
        Record::Done { call, reply, .. } => (call.bytes(), reply_bytes(reply)),
        Record::Begun { call, .. } => (call.bytes(), 0),
        Record::Answered { reply, .. } => (0, reply_bytes(reply)),
    };
    call > BESIDE || reply > BESIDE
}

fn reply_bytes(reply: &Reply) -> usize {
    reply.as_ref().map_or(0, adjutant_model::Answer::bytes)
}

/// Reads a stored record, what is beside it left out.
///
/// # Errors
/// When it is damaged or of an unknown version.
pub fn decode(bytes: &[u8]) -> Result<Stored, RecordError> {
    if bytes.first() == Some(&SPLIT) {
        return Ok(Stored::Split(records::decode_as(SPLIT, WHAT, bytes)?));
    }
    Ok(Stored::Whole(records::decode(WHAT, bytes)?))
}

impl Stored {
    /// What is to be read from beside it.
    pub fn beside(&self) -> Vec<Payload> {
        let Stored::Split(list) = self else {
            return Vec::new();
        };
        fn payload<T>(part: &Option<Part<T>>) -> Option<Payload> {
            match part {
                Some(Part::Beside(payload)) => Some(*payload),
                _ => None,
            }
        }
        let parts = list
            .iter()
            .flat_map(|split| [payload(&split.call), payload(&split.reply)]);
        parts.flatten().collect()
    }

    /// Its records, whole. `kept` has the bytes of all that is beside it; what is missing there, or is
    /// not what the reference says, is named as damage.
    ///
    /// # Errors
    /// When a part is missing or damaged.
    pub fn complete(
        self,
        run: RunId,
        kept: &HashMap<Payload, Vec<u8>>,
    ) -> Result<Vec<Record>, RecordError> {
        let list = match self {
            Stored::Whole(records) => return Ok(records),
            Stored::Split(list) => list,
        };
        let whole = |split: Split| {
            let (index, at) = (split.index, split.at);
            let call = split.call.map(|part| {
                let what = || format!("what call {index} of run {run} asked");
                part.whole(kept, what)
            });
            let reply = split.reply.map(|part| {
                let what = || format!("the answer to call {index} of run {run}");
                part.whole(kept, what)
            });
            match (call.transpose()?, reply.transpose()?) {
                (Some(call), Some(reply)) => Ok(Record::Done {
                    index,
                    at,
                    call,
                    reply,
                }),
                (Some(call), None) => Ok(Record::Begun { index, at, call }),
                (None, Some(reply)) => Ok(Record::Answered { index, at, reply }),
                (None, None) => Err(damaged(format!("record {index} of run {run} is empty"))),
            }
        };
        list.into_iter().map(whole).collect()
    }
}

impl<T: DeserializeOwned> Part<T> {
    fn whole(
        self,
        kept: &HashMap<Payload, Vec<u8>>,
        what: impl Fn() -> String,
    ) -> Result<T, RecordError> {
        let payload = match self {
            Part::Here(whole) => return Ok(whole),
            Part::Beside(payload) => payload,
        };
        let Some(bytes) = kept.get(&payload) else {
            let what = what();
            return Err(damaged(format!(
                "{what} was kept beside it and is missing ({payload})"
            )));
        };
        if Payload::of(bytes) != payload {
            let what = what();
            return Err(damaged(format!(
                "{what} was kept beside it, and what is there is something else than {payload}"
            )));
        }
        records::decode(WHAT, bytes)
    }
}

fn damaged(why: String) -> RecordError {
    RecordError::Damaged { what: WHAT, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_model::Answer;
    use uuid::Uuid;

    const RUN: RunId = RunId(Uuid::from_u128(7));

    fn bytes(size: usize) -> Reply {
        Ok(Answer::Bytes(Some(vec![7; size])))
    }

    fn note(size: usize) -> Call {
        Call::Progress {
            note: "n".repeat(size),
        }
    }

    fn kept(list: Vec<Kept>) -> HashMap<Payload, Vec<u8>> {
        list.into_iter().collect()
    }

    #[test]
    fn what_is_small_is_stored_as_before() {
        let entries = vec![Record::Done {
            index: 0,
            at: 1,
            call: note(BESIDE / 2),
            reply: bytes(BESIDE / 2),
        }];
        let (stream, beside) = encode(&entries);
        assert!(beside.is_empty());
        assert_eq!(stream, records::encode(&entries));
        let stored = decode(&stream).expect("reads");
        assert_eq!(
            stored.complete(RUN, &HashMap::new()).expect("whole"),
            entries
        );
    }

    fn of_hex(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).expect("hex");
        digits.chunks(2).map(byte).collect()
    }

    /// What was ever stored reads for ever: these are bytes of the split form, version 2, with what it
    /// names, and stay as they are.
    #[test]
    fn a_split_journal_reads_for_ever() {
        let stream = of_hex(concat!(
            "029184a5696e64657800a2617401a463616c6c81a662657369646582a6646967657374dc0020ccd9cca9",
            "cca7cca3621eccf8cc84ccd0ccb9cc8b29cc9ecc9bccd248104749444e02cca8cc87cce8ccc84a19ccf1",
            "ccc1ccc84fa56279746573cd4015a57265706c7981a662657369646582a6646967657374dc002034cceb",
            "5eccb6cca0ccfccca6ccaf766408cca8ccacccf5cc997b6f07410157ccafcca0684d106a4bccc4cc92cc",
            "e4ccf2a56279746573cd4010",
        ));
        let beside = [
            ("0181a870726f677265737381a46e6f7465da4001", b'a'),
            ("0181a24f6b81a56279746573c54001", 7),
        ];
        let beside = beside.map(|(head, fill)| {
            let bytes = [of_hex(head), vec![fill; BESIDE + 1]].concat();
            (Payload::of(&bytes), bytes)
        });
        let (at, index) = (1, 0);
        let call = Call::Progress {
            note: "a".repeat(BESIDE + 1),
        };
        let reply = bytes(BESIDE + 1);
        let entries = vec![Record::Done {
            index,
            at,
            call,
            reply,
        }];
        let stored = decode(&stream).expect("reads");
        let whole = stored.complete(RUN, &beside.into_iter().collect());
        assert_eq!(whole.expect("whole"), entries);
    }

    #[test]
    fn large_parts_are_kept_beside_and_equal_ones_once() {
        let entries = vec![
            Record::Done {
                index: 0,
                at: 1,
                call: note(4 << 20),
                reply: Ok(Answer::Unit),
            },
            Record::Done {
                index: 1,
                at: 2,
                call: note(10),
                reply: bytes(4 << 20),
            },
            Record::Done {
                index: 2,
                at: 3,
                call: note(4 << 20),
                reply: bytes(BESIDE + 1),
            },
            Record::Begun {
                index: 3,
                at: 4,
                call: note(BESIDE + 1),
            },
            Record::Answered {
                index: 3,
                at: 5,
                reply: bytes(4 << 20),
            },
        ];
        let (stream, beside) = encode(&entries);
        assert!(stream.len() < 1_000, "{}", stream.len());
        assert_eq!(beside.len(), 4, "of six large parts two are repeats");
        let stored = decode(&stream).expect("reads");
        assert_eq!(stored.beside().len(), 6);
        assert_eq!(stored.complete(RUN, &kept(beside)).expect("whole"), entries);
    }

    #[test]
    fn what_is_missing_or_changed_is_named() {
        let entries = [Record::Done {
            index: 9,
            at: 2,
            call: note(10),
            reply: bytes(4 << 20),
        }];
        let (stream, mut beside) = encode(&entries);
        let missing = decode(&stream).expect("reads");
        let missing = missing.complete(RUN, &HashMap::new()).expect_err("missing");
        let text = missing.to_string();
        assert!(text.contains("answer to call 9 of run"), "{text}");
        assert!(text.contains("is missing (sha256:"), "{text}");
        beside[0].1[100] ^= 1;
        let changed = decode(&stream).expect("reads");
        let changed = changed.complete(RUN, &kept(beside)).expect_err("changed");
        let text = changed.to_string();
        assert!(text.contains("something else than sha256:"), "{text}");
    }

    #[test]
    fn an_unknown_version_is_told_from_damage() {
        assert!(matches!(
            decode(&[9, 1]),
            Err(RecordError::Version { found: 9, .. })
        ));
        assert!(matches!(
            decode(&[SPLIT, 0xc1]),
            Err(RecordError::Damaged { .. })
        ));
        assert!(matches!(decode(&[]), Err(RecordError::Damaged { .. })));
    }
}
