//! For tests: the suite that every engine must pass, and a disk that fails on command.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod disk;
mod reads;
mod suite;

pub use disk::{Call, SimDisk};
pub use reads::*;
pub use suite::*;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Batch, Engine, Options, Partition, Store};

/// A place where one database lives. Opening it again finds what was there; the earlier engine
/// has been closed by then.
#[async_trait]
pub trait Site: Send + Sync {
    /// Opens the database.
    async fn engine(&self) -> Arc<dyn Engine>;

    /// Opens a store over it.
    async fn store(&self) -> Store {
        self.store_with(Options::default()).await
    }

    /// Opens a store with other limits.
    async fn store_with(&self, options: Options) -> Store {
        Store::open(self.engine().await, options).await.unwrap()
    }
}

/// Defines one test per function of the suite. The argument is an expression for a new [`Site`].
#[macro_export]
macro_rules! conformance {
    ($site:expr) => {
        $crate::conformance!($site;
            order_and_atomicity conflicts_are_refused_alone sequence_numbers_are_dense
            operations_are_idempotent older_epochs_are_fenced events_from_the_middle_of_a_frame
            streams_are_indexed many_are_read_at_a_time scans_page_both_ways deletes_reset_versions
            a_full_queue_refuses too_large_is_refused watchers_hear_of_commits
            closing_drains_the_queue partitions_are_apart two_writers_fence_each_other
        );
    };
    ($site:expr; $($name:ident)*) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::testing::$name(&$site).await;
        })*
    };
}

/// The n-th partition of a test.
#[must_use]
pub fn partition(n: u8) -> Partition {
    Partition([n; 16])
}

/// A batch builder: tests read better with it.
#[derive(Debug, Clone)]
pub struct Make(pub Batch);

/// A batch whose operation id is made of `op`.
#[must_use]
pub fn batch(partition: Partition, epoch: u64, op: u64) -> Make {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&op.to_be_bytes());
    Make(Batch::new(partition, id, epoch))
}

impl Make {
    /// Expects a version.
    #[must_use]
    pub fn expect(mut self, key: &str, version: u64) -> Make {
        self.0.expect.push((key.into(), version));
        self
    }

    /// Puts a value.
    #[must_use]
    pub fn put(mut self, key: &str, value: &str) -> Make {
        self.0.put.push((key.into(), Some(value.into())));
        self
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: &str) -> Make {
        self.0.put.push((key.into(), None));
        self
    }

    /// Appends a record.
    #[must_use]
    pub fn append(mut self, stream: &str, index: u64, record: &str) -> Make {
        self.0.append.push((stream.into(), index, record.into()));
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: &str) -> Make {
        self.0.events.push(event.into());
        self
    }
}

impl From<Make> for Batch {
    fn from(make: Make) -> Batch {
        make.0
    }
}
