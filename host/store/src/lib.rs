//! The durable store: atomic batches, optimistic versions, append-only streams and one dense
//! event log per partition, all on disk before they are acknowledged.
//!
//! Two layers. Above, [`Store`]: a cheap handle whose [`Store::submit`] hands a [`Batch`] to one
//! writer task. The writer takes many batches at a time, checks each against the stored state and
//! the earlier batches of its group, and lets the engine write the whole group with one fsync.
//! Below, [`Engine`]: load, apply and a few reads. [`RedbEngine`] is the engine on local disk.
//!
//! Invariants:
//! - Acknowledged means on disk; a batch is written whole or not at all.
//! - Batches of one partition take effect in the order of their `submit` calls.
//! - Event sequence numbers of a partition start at 1, are dense and never repeat.
//! - A repeated operation id is answered with the first receipt and changes nothing.
//! - Only the holder of a partition's newest epoch can write to it.
//! - The store sees bytes only; [`records`] alone, and [`journal`] for runs' journals, know where the
//!   model's records stand and how they are encoded.

pub mod backup;
mod batch;
mod disk;
mod engine;
mod error;
pub mod journal;
mod partitions;
mod plan;
pub mod records;
mod store;
mod writer;

#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;

pub use batch::{Batch, Item, MAX_KEY, Op, Partition, Receipt, Version};
pub use disk::{RawRate, RedbEngine, RedbOptions, raw_group_commit};
pub use engine::{
    Append, Engine, Found, Frame, FrameAt, FrameHead, Group, Head, HeadChange, LoadRequest, Loaded,
    Page, Scan, Write,
};
pub use error::{CommitError, EngineError, Shortage, StoreError};
pub use store::{HandedIn, Options, Store, Submitted};
