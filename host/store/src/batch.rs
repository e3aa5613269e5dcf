//! What goes into the store and what comes back: partitions, batches, receipts, items.
//!
//! Invariant: [`Batch::check`] is the one place that knows the size limits, and runs before a
//! batch enters the queue.

use std::fmt;

use crate::error::CommitError;
use crate::store::Options;

/// One atomic change to one partition: everything in it happens, or nothing does.
///
/// Expectations are checked against the state before the batch; then appends, puts and events take
/// effect in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The partition that all of the batch belongs to.
    pub partition: Partition,
    /// The operation's id, unique per intended change. Repeating it is safe: the first receipt is
    /// returned and nothing is written again.
    pub op: Op,
    /// The owner's epoch, from [`Store::acquire`](crate::Store::acquire).
    pub epoch: u64,
    /// Keys with the version that each must have; 0 says that the key must not exist.
    pub expect: Vec<(Vec<u8>, Version)>,
    /// Keys with their new value, or `None` to delete.
    pub put: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Records to append: the stream, the index that the record must get, its bytes.
    pub append: Vec<(Vec<u8>, u64, Vec<u8>)>,
    /// Events for the partition's log, in order.
    pub events: Vec<Vec<u8>>,
}

/// A workspace's id: the unit of order, atomicity and ownership.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub [u8; 16]);

/// How often a key was written since it last did not exist: 0 is absent, a put makes it one more
/// than before, a delete makes it 0.
pub type Version = u64;

/// An operation's id.
pub type Op = [u8; 16];

/// The longest key or stream name, in bytes.
pub const MAX_KEY: usize = 1024;

/// What a committed batch got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The sequence number of the batch's first event; of the next event to come, if it has none.
    pub first_seq: u64,
    /// How many events the batch has; they are numbered `first_seq..first_seq + events`.
    pub events: u32,
}

/// One key with its version and value, as a scan returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The whole key, prefix included.
    pub key: Vec<u8>,
    /// The key's version, at least 1.
    pub version: Version,
    /// The stored bytes.
    pub value: Vec<u8>,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partition({self})")
    }
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new(partition: Partition, op: Op, epoch: u64) -> Batch {
        Batch {
            partition,
            op,
            epoch,
            ..Batch::default()
        }
    }

    /// The batch's size in bytes (keys, values, records and events), or why it is too large.
    pub(crate) fn check(&self, options: &Options) -> Result<usize, CommitError> {
        let too_large = |what, size, limit| Err(CommitError::TooLarge { what, size, limit });
        let mut total = 0usize;
        // A fixed charge per entry, so that very many empty entries are also limited.
        let mut add = |bytes: usize| total = total.saturating_add(bytes).saturating_add(16);
        for (key, _) in &self.expect {
            if key.len() > MAX_KEY {
                return too_large("a key", key.len(), MAX_KEY);
            }
            add(key.len());
        }
        for (key, value) in &self.put {
            let size = value.as_ref().map_or(0, Vec::len);
            if key.len() > MAX_KEY {
                return too_large("a key", key.len(), MAX_KEY);
            }
            if size > options.max_value {
                return too_large("a value", size, options.max_value);
            }
            add(key.len() + size);
        }
        for (stream, _, record) in &self.append {
            if stream.len() > MAX_KEY {
                return too_large("a stream name", stream.len(), MAX_KEY);
            }
            if record.len() > options.max_value {
                return too_large("a record", record.len(), options.max_value);
            }
            add(stream.len() + record.len());
        }
        for event in &self.events {
            if event.len() > options.max_value {
                return too_large("an event", event.len(), options.max_value);
            }
            add(event.len());
        }
        if total > options.max_batch {
            return too_large("a batch", total, options.max_batch);
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_what_is_too_large() {
        let options = Options {
            max_value: 100,
            max_batch: 300,
            ..Options::default()
        };
        let with = |change: fn(&mut Batch)| {
            let mut batch = Batch::new(Partition::default(), [0; 16], 1);
            change(&mut batch);
            match batch.check(&options) {
                Ok(_) => "fits",
                Err(CommitError::TooLarge { what, .. }) => what,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(
            with(|b| b.put.push((vec![0; MAX_KEY - 900], Some(vec![0; 100])))),
            "fits"
        );
        assert_eq!(with(|b| b.put.push((vec![0; MAX_KEY + 1], None))), "a key");
        assert_eq!(with(|b| b.expect.push((vec![0; MAX_KEY + 1], 0))), "a key");
        assert_eq!(
            with(|b| b.put.push((vec![], Some(vec![0; 101])))),
            "a value"
        );
        assert_eq!(
            with(|b| b.append.push((vec![0; MAX_KEY + 1], 0, vec![]))),
            "a stream name"
        );
        assert_eq!(
            with(|b| b.append.push((vec![], 0, vec![0; 101]))),
            "a record"
        );
        assert_eq!(with(|b| b.events.push(vec![0; 101])), "an event");
        assert_eq!(with(|b| b.events = vec![vec![0; 90]; 3]), "a batch");
        assert_eq!(with(|b| b.events = vec![vec![]; 19]), "a batch");
    }

    #[test]
    fn a_partition_prints_as_hex() {
        let mut bytes = [0; 16];
        bytes[15] = 0xa1;
        assert_eq!(
            Partition(bytes).to_string(),
            "000000000000000000000000000000a1"
        );
    }
}
