//! The journal: what a run asked the host, and what it was answered, in order.

use crate::{Call, Reply, Timestamp};
use serde::{Deserialize, Serialize};

/// A record of a run's journal, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A call and its answer.
    Done {
        /// The call's place among the run's calls, from 0.
        index: u32,
        /// When it was answered.
        at: Timestamp,
        /// What was asked.
        call: Call,
        /// What was answered.
        reply: Reply,
    },
    /// A call that waits. Its effects, the question it posted for one, are durable.
    Begun {
        /// The call's place.
        index: u32,
        /// When it began.
        at: Timestamp,
        /// What was asked.
        call: Call,
    },
    /// The answer to the call that waited.
    Answered {
        /// The call's place.
        index: u32,
        /// When it was answered.
        at: Timestamp,
        /// What was answered.
        reply: Reply,
    },
}

/// One call of a journal, its records put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What was asked.
    pub call: Call,
    /// When it was answered, or began to wait.
    pub at: Timestamp,
    /// When it began to wait, where it did.
    pub began: Option<Timestamp>,
    /// What was answered; none while it waits.
    pub reply: Option<Reply>,
}

/// A run's journal, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// The calls in order. Only the last may lack its answer.
    pub entries: Vec<Entry>,
}

/// Why records are no journal: the store is damaged, or was written by something else.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the journal is damaged: {what} at call {index}")]
pub struct JournalError {
    /// Where.
    pub index: u32,
    /// What is wrong.
    pub what: &'static str,
}

impl Journal {
    /// Puts records together.
    pub fn from_records(
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Journal, JournalError> {
        let mut entries: Vec<Entry> = Vec::new();
        for record in records {
            let expected = entries.len() as u32;
            let open = entries.last_mut().filter(|entry| entry.reply.is_none());
            match (record, open) {
                (Record::Answered { index, at, reply }, Some(entry)) if index + 1 == expected => {
                    entry.at = at;
                    entry.reply = Some(reply);
                }
                (Record::Answered { index, .. }, _) => {
                    return Err(JournalError {
                        index,
                        what: "an answer to no open call",
                    });
                }
                (Record::Done { index, .. } | Record::Begun { index, .. }, Some(_)) => {
                    return Err(JournalError {
                        index,
                        what: "a call after one that still waits",
                    });
                }
                (Record::Done { index, .. } | Record::Begun { index, .. }, None)
                    if index != expected =>
                {
                    return Err(JournalError {
                        index,
                        what: "a gap",
                    });
                }
                (
                    Record::Done {
                        at, call, reply, ..
                    },
                    None,
                ) => {
                    entries.push(Entry {
                        call,
                        at,
                        began: None,
                        reply: Some(reply),
                    });
                }
                (Record::Begun { at, call, .. }, None) => {
                    entries.push(Entry {
                        call,
                        at,
                        began: Some(at),
                        reply: None,
                    });
                }
            }
        }
        Ok(Journal { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(index: u32) -> Record {
        Record::Done {
            index,
            at: 1,
            call: Call::Team,
            reply: Ok(crate::call::Answer::Unit),
        }
    }

    #[test]
    fn a_wait_and_its_answer_are_one_entry() {
        let records = [
            done(0),
            Record::Begun {
                index: 1,
                at: 2,
                call: Call::Team,
            },
            Record::Answered {
                index: 1,
                at: 9,
                reply: Ok(crate::call::Answer::Unit),
            },
            done(2),
        ];
        let journal = Journal::from_records(records).expect("whole");
        assert_eq!(journal.entries.len(), 3);
        assert_eq!(journal.entries[1].at, 9);
    }

    #[test]
    fn damage_is_named() {
        let gap = Journal::from_records([done(0), done(2)]).expect_err("a gap");
        assert_eq!(
            gap,
            JournalError {
                index: 2,
                what: "a gap"
            }
        );
        let twice = Journal::from_records([
            Record::Begun {
                index: 0,
                at: 2,
                call: Call::Team,
            },
            done(1),
        ])
        .expect_err("open");
        assert_eq!(twice.what, "a call after one that still waits");
        let orphan = [Record::Answered {
            index: 0,
            at: 1,
            reply: Ok(crate::call::Answer::Unit),
        }];
        assert!(Journal::from_records(orphan).is_err());
    }
}
