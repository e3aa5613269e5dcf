//! Every way in which the store says no. The messages are sentences for an operator.

use std::path::PathBuf;

use crate::batch::{Partition, Version};

/// Why a batch was not acknowledged. Except for [`CommitError::Unavailable`] and
/// [`CommitError::Closed`], nothing of the batch was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A key does not have the version that the batch expects.
    #[error(
        "the key {} has version {found}, not {expected}: read it again and decide anew",
        show(key)
    )]
    Conflict {
        /// The first key that differs.
        key: Vec<u8>,
        /// The version that the batch expects.
        expected: Version,
        /// The version that it has, earlier batches included.
        found: Version,
    },
    /// A record would not get the index that the batch says.
    #[error(
        "the next record of the stream {} is number {found}, not {expected}: read its end again",
        show(stream)
    )]
    StreamConflict {
        /// The stream.
        stream: Vec<u8>,
        /// The index that the batch gives.
        expected: u64,
        /// The index that the next record gets.
        found: u64,
    },
    /// Another owner has acquired the partition since, or nobody ever did.
    #[error(
        "the partition {partition} is at epoch {current}, the batch is of epoch {epoch}: acquire it before writing to it"
    )]
    Fenced {
        /// The partition.
        partition: Partition,
        /// The batch's epoch.
        epoch: u64,
        /// The partition's epoch; 0 if it was never acquired.
        current: u64,
    },
    /// There is no room now. Try again later.
    #[error("the store takes no more work now: {0}")]
    Full(Shortage),
    /// A part of the batch is beyond its limit.
    #[error("{what} of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The storage failed. The batch may or may not be on disk; repeating the same operation id
    /// finds out and is safe.
    #[error("the storage is not available: {0}")]
    Unavailable(String),
    /// The store is closed. A batch that was still queued was not written.
    #[error("the store is closed")]
    Closed,
}

/// What there is too little of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// The queue has as many batches as it may.
    #[error("{limit} batches are waiting to be written")]
    Queue {
        /// The queue's bound, in batches.
        limit: usize,
    },
    /// The queued batches have as many bytes as they may.
    #[error("batches of {limit} bytes in total are waiting to be written")]
    QueueBytes {
        /// The queue's bound, in bytes.
        limit: usize,
    },
    /// The disk refused a write for lack of room.
    #[error("there was no room to write in {} ({why}): make room there", path.display())]
    Refused {
        /// The store's folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The file system is nearly full.
    #[error("{} has {free} bytes free, the floor is {floor}: make room there", path.display())]
    Disk {
        /// The store's folder.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that must stay free.
        floor: u64,
    },
}

/// Why the store could not be opened or read, or a partition not be acquired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine's reason.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// What an engine reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Another process has the database.
    #[error("another adjutant uses {}: stop it, or work through its API", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// The database was written by a later version of this program.
    #[error("the store in {} has schema {found}, this adjutant knows schemas up to {known}: use a newer adjutant, or another data folder", path.display())]
    NewerSchema {
        /// The store's folder.
        path: PathBuf,
        /// The schema found.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The stored bytes are not what this program writes.
    #[error(
        "the store is damaged: {0}; nothing was changed: restore a backup into another folder with `adjutant restore`, or ask for help with this one"
    )]
    Damaged(String),
    /// The disk has no room. After an apply, whether it took effect is unknown.
    #[error("{doing} failed, for there is no room in {} ({why}): make room there", path.display())]
    Full {
        /// What the engine was doing.
        doing: &'static str,
        /// The store's folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// An applied group did not follow the partition's head: someone else writes to it.
    #[error("the partition {partition} was written by someone else, it is at epoch {epoch} now")]
    Moved {
        /// The partition.
        partition: Partition,
        /// Its epoch as stored.
        epoch: u64,
    },
    /// An input or output operation failed. After an apply, whether it took effect is unknown.
    #[error("{doing} failed: {why}")]
    Failed {
        /// What the engine was doing.
        doing: &'static str,
        /// The cause.
        why: String,
    },
    /// The database could not be opened again after a failure.
    #[error("the database is not open: {0}")]
    Down(String),
    /// The engine was closed.
    #[error("the database is closed")]
    Closed,
}

/// A key for people: its text if it is printable, else hex; shortened.
fn show(key: &[u8]) -> String {
    const SHOWN: usize = 64;
    let printable = key.iter().all(|byte| (b' '..=b'~').contains(byte));
    let cut = &key[..key.len().min(SHOWN)];
    let mut text = if printable {
        format!("'{}'", String::from_utf8_lossy(cut))
    } else {
        cut.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    if cut.len() < key.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_readably() {
        let conflict = |key: &[u8]| {
            CommitError::Conflict {
                key: key.to_vec(),
                expected: 1,
                found: 2,
            }
            .to_string()
        };
        assert!(conflict(b"ticket/1").starts_with("the key 'ticket/1' has version 2, not 1"));
        assert!(conflict(&[0, 255]).contains("00ff"));
        assert!(conflict(&[b'a'; 100]).contains("a'…"));
    }
}
