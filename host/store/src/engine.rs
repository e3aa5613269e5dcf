//! The lower layer: what a database must offer to carry the store.
//!
//! An engine validates nothing but heads. The writer above has decided versions, indexes and
//! sequence numbers; the engine reads them in one snapshot and writes a group all or nothing.
//! Every method owns its arguments, so that an engine can run them on another thread.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::batch::{Item, Op, Partition, Version};
use crate::error::{EngineError, Shortage};

/// A value with its version.
pub type Found = (Version, Vec<u8>);

/// A database under the store.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Reads all of the request in one snapshot. The answers are in the order of the questions.
    async fn load(&self, request: LoadRequest) -> Result<Loaded, EngineError>;

    /// Writes the group, all or nothing; it is durable when this returns `Ok`. Answers
    /// [`EngineError::Moved`] and writes nothing if a partition's head is not the group's `before`.
    /// After any other error the outcome is unknown.
    async fn apply(&self, group: Arc<Group>) -> Result<(), EngineError>;

    /// A key's version and value.
    async fn get(&self, partition: Partition, key: Vec<u8>) -> Result<Option<Found>, EngineError>;

    /// Versions and values of many keys, in the order of the keys. In one snapshot where the engine
    /// can; an engine that has a faster way than one key after the other should take it.
    async fn get_many(
        &self,
        partition: Partition,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<Found>>, EngineError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(partition, key).await?);
        }
        Ok(found)
    }

    /// Keys of one prefix, in order.
    async fn scan(&self, partition: Partition, scan: Scan) -> Result<Vec<Item>, EngineError>;

    /// A stream's records from index `from` on.
    async fn read_stream(
        &self,
        partition: Partition,
        stream: Vec<u8>,
        from: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError>;

    /// The events with a sequence number above `after`, ascending.
    async fn events(
        &self,
        partition: Partition,
        after: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError>;

    /// The newest `limit` frames of a partition, oldest of them first.
    async fn recent(
        &self,
        partition: Partition,
        limit: usize,
    ) -> Result<Vec<FrameHead>, EngineError>;

    /// Drops the connection or file and opens it again, so that reads show what is durable.
    async fn reopen(&self) -> Result<(), EngineError>;

    /// Releases the database. Everything after answers [`EngineError::Closed`].
    async fn close(&self) -> Result<(), EngineError>;

    /// Copies all that is durable at one moment into a new file, in the engine's own format, and gives
    /// back the file's size. Reads and writes go on meanwhile. An error leaves no file.
    async fn snapshot(&self, to: PathBuf) -> Result<u64, EngineError> {
        Err(EngineError::Failed {
            doing: "taking a snapshot",
            why: format!("this engine has none to write to {}", to.display()),
        })
    }

    /// Whether there is room for more. Called once per group: must be cheap.
    fn room(&self) -> Result<(), Shortage>;
}

/// What the writer needs to know before it can validate a group.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// Keys whose versions are wanted.
    pub keys: Vec<(Partition, Vec<u8>)>,
    /// Streams whose next indexes are wanted.
    pub streams: Vec<(Partition, Vec<u8>)>,
    /// Partitions whose heads are wanted.
    pub heads: Vec<Partition>,
    /// Places in the log of frames to look at.
    pub frames: Vec<FrameAt>,
}

/// The answers to a [`LoadRequest`], question by question.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Versions; 0 for a key that does not exist.
    pub versions: Vec<Version>,
    /// Next indexes; 0 for a stream that does not exist.
    pub next: Vec<u64>,
    /// Heads; all zero for a partition that does not exist.
    pub heads: Vec<Head>,
    /// The frames found.
    pub frames: Vec<Option<FrameHead>>,
}

/// Where a partition stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// How often it was acquired.
    pub epoch: u64,
    /// How many batches were committed.
    pub frames: u64,
    /// The last event's sequence number.
    pub seq: u64,
}

/// One group of batches, decided and ready to be written.
#[derive(Debug, Default)]
pub struct Group {
    /// Each touched partition's head: what it must be and what it becomes.
    pub heads: Vec<HeadChange>,
    /// Final states of keys, ascending, each key once.
    pub writes: Vec<Write>,
    /// New records, ascending.
    pub appends: Vec<Append>,
    /// One frame per batch, in commit order.
    pub frames: Vec<Frame>,
}

/// A head's change. `before` doubles as the fence: see [`Engine::apply`].
#[derive(Debug, Clone, Copy)]
pub struct HeadChange {
    /// The partition.
    pub partition: Partition,
    /// What the stored head must be.
    pub before: Head,
    /// What it becomes.
    pub after: Head,
}

/// A key's new state.
#[derive(Debug)]
pub struct Write {
    /// The partition.
    pub partition: Partition,
    /// The key.
    pub key: Vec<u8>,
    /// The new version; 0 with a `None` value.
    pub version: Version,
    /// The new value, or `None` to remove the key (which may not exist).
    pub value: Option<Vec<u8>>,
}

/// A record to append.
#[derive(Debug)]
pub struct Append {
    /// The partition.
    pub partition: Partition,
    /// The stream.
    pub stream: Vec<u8>,
    /// The record's index: the stream's length so far.
    pub index: u64,
    /// The record.
    pub record: Vec<u8>,
}

/// One batch's entry in the log: its operation and its events.
#[derive(Debug)]
pub struct Frame {
    /// Where it stands.
    pub at: FrameAt,
    /// The batch's operation id.
    pub op: Op,
    /// The batch's epoch.
    pub epoch: u64,
    /// The batch's events, perhaps none.
    pub events: Vec<Vec<u8>>,
}

/// A frame's place in a partition's log. Both numbers ascend from frame to frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameAt {
    /// The partition.
    pub partition: Partition,
    /// The sequence number of its first event, or of the next event if it has none.
    pub first_seq: u64,
    /// How many frames the partition had before it.
    pub index: u64,
}

/// A stored frame without its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Where it stands.
    pub at: FrameAt,
    /// The batch's operation id.
    pub op: Op,
    /// The batch's epoch.
    pub epoch: u64,
    /// How many events it has.
    pub events: u32,
}

/// A scan of one prefix.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// What the keys must start with.
    pub prefix: Vec<u8>,
    /// Ascending: only keys after this one. Descending: only keys before it.
    pub beyond: Option<Vec<u8>>,
    /// Descending.
    pub back: bool,
    /// How much to return.
    pub page: Page,
}

/// How much a read returns at most. The first entry is returned whatever its size.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page {
    /// Entries.
    pub limit: usize,
    /// Bytes of values and records.
    pub bytes: usize,
}
