//! The upper layer that the rest of the host uses: submit batches, read, watch.
//!
//! Invariants: everything in the queue is bounded, in batches and in bytes; `submit` never waits;
//! reads go to the engine directly and show what is durable.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::batch::{Batch, Item, Partition, Receipt};
use crate::engine::{Engine, Found, LoadRequest, Page, Scan};
use crate::error::{CommitError, EngineError, Shortage, StoreError};
use crate::writer::{Job, Writer};

/// A handle to the store. Cloning is cheap; all clones share one writer.
///
/// The writer ends when the store is closed or the last handle is dropped.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    options: Arc<Options>,
}

/// The store's limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// Batches that may wait for the writer.
    pub queue: usize,
    /// Bytes that the waiting batches may have in total; at least `max_batch`.
    pub queue_bytes: usize,
    /// Batches that are written with one fsync, at most.
    pub group: usize,
    /// Bytes after which a group takes no further batch.
    pub group_bytes: usize,
    /// Recent operations per partition whose repeats are recognised.
    pub op_window: usize,
    /// Partitions whose heads and recent operations are kept in memory.
    pub partitions: usize,
    /// The largest value, record or event, in bytes.
    pub max_value: usize,
    /// The largest batch, in bytes.
    pub max_batch: usize,
    /// The most entries that one read returns.
    pub page_limit: usize,
    /// The bytes after which a read returns what it has.
    pub page_bytes: usize,
    /// How often a failed database is reopened before its batches are answered.
    pub reopen_attempts: u32,
    /// The pause between two attempts to reopen.
    pub reopen_pause: Duration,
}

impl Default for Options {
    fn default() -> Options {
        const MIB: usize = 1024 * 1024;
        Options {
            queue: 4096,
            queue_bytes: 256 * MIB,
            group: 256,
            group_bytes: 8 * MIB,
            op_window: 4096,
            partitions: 256,
            max_value: 16 * MIB,
            max_batch: 32 * MIB,
            page_limit: 10_000,
            page_bytes: 32 * MIB,
            reopen_attempts: 4,
            reopen_pause: Duration::from_millis(250),
        }
    }
}

/// A batch on its way. Awaiting it gives the receipt; dropping it changes nothing: the batch is
/// written all the same.
#[must_use = "the batch may be refused: await the outcome"]
#[derive(Debug)]
pub struct Submitted(State);

#[derive(Debug)]
enum State {
    Refused(Option<CommitError>),
    Waiting(oneshot::Receiver<Result<Receipt, CommitError>>),
}

/// How much was handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandedIn {
    /// Batches.
    pub batches: u64,
    /// Values, stream records and event frames.
    pub records: u64,
    /// Bytes of all of them, keys included.
    pub bytes: u64,
}

/// What the handles and the writer share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Bytes of the batches in the queue.
    pub(crate) queued: AtomicUsize,
    pub(crate) closing: AtomicBool,
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    /// Raised when a read failed: the writer checks the database.
    pub(crate) suspect: Notify,
    /// Raised when the store is being closed: what is held back is held no longer.
    pub(crate) closed: Notify,
    /// Why batches are held back.
    pub(crate) shortage: watch::Sender<Option<Shortage>>,
    /// Counts how often the database was opened again.
    pub(crate) reopened: watch::Sender<u64>,
    watches: Mutex<HashMap<Partition, watch::Sender<u64>>>,
}

impl Store {
    /// Starts the writer over an open engine.
    ///
    /// # Errors
    /// When the engine cannot be read.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn open(engine: Arc<dyn Engine>, mut options: Options) -> Result<Store, StoreError> {
        options.queue = options.queue.max(1);
        options.group = options.group.max(1);
        options.queue_bytes = options.queue_bytes.max(options.max_batch);
        // One look, so that an engine that cannot read says so here and not at the first batch.
        engine.load(LoadRequest::default()).await?;
        let (jobs, queue) = mpsc::channel(options.queue);
        let shared = Arc::new(Shared::default());
        let options = Arc::new(options);
        let writer = Writer::new(engine.clone(), options.clone(), queue, shared.clone());
        tokio::spawn(writer.run());
        Ok(Store {
            jobs,
            engine,
            shared,
            options,
        })
    }

    /// Becomes the owner of a partition: raises its epoch durably and returns it. Batches of
    /// older epochs are refused from then on.
    ///
    /// # Errors
    /// When the storage fails (the epoch may have been raised; acquire again) or is closed.
    pub async fn acquire(&self, partition: Partition) -> Result<u64, StoreError> {
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let (reply, answer) = oneshot::channel();
        let job = Job::Acquire { partition, reply };
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Hands a batch to the writer without waiting. Batches of one partition take effect in the
    /// order of these calls. Past the queue's bound the batch is refused as
    /// [`CommitError::Full`] at once. While the disk has no room the batches in the queue are kept,
    /// and written once it has: see [`Store::shortage`].
    pub fn submit(&self, batch: Batch) -> Submitted {
        match self.enqueue(batch) {
            Ok(answer) => Submitted(State::Waiting(answer)),
            Err(refusal) => Submitted(State::Refused(Some(refusal))),
        }
    }

    /// [`Store::submit`], then wait for the outcome. Where the disk has no room now, the batch is
    /// refused as [`CommitError::Full`] at once.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(&self, batch: Batch) -> Result<Receipt, CommitError> {
        if let Some(shortage) = self.shortage() {
            return Err(CommitError::Full(shortage));
        }
        self.submit(batch).await
    }

    fn enqueue(
        &self,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<Receipt, CommitError>>, CommitError> {
        let size = batch.check(&self.options)?;
        if self.shared.closing.load(Ordering::Acquire) {
            return Err(CommitError::Closed);
        }
        let limit = self.options.queue_bytes;
        if self.shared.queued.fetch_add(size, Ordering::AcqRel) + size > limit {
            self.shared.queued.fetch_sub(size, Ordering::AcqRel);
            return Err(CommitError::Full(Shortage::QueueBytes { limit }));
        }
        self.shared.count(&batch, size);
        let (reply, answer) = oneshot::channel();
        self.jobs
            .try_send(Job::Commit { batch, size, reply })
            .map_err(|error| {
                self.shared.queued.fetch_sub(size, Ordering::AcqRel);
                match error {
                    mpsc::error::TrySendError::Full(_) => CommitError::Full(Shortage::Queue {
                        limit: self.options.queue,
                    }),
                    mpsc::error::TrySendError::Closed(_) => CommitError::Closed,
                }
            })?;
        Ok(answer)
    }

    /// A key's version and value.
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn get(&self, partition: Partition, key: &[u8]) -> Result<Option<Found>, StoreError> {
        self.reading(|| self.engine.get(partition, key.to_vec()))
            .await
    }

    /// Versions and values of many keys, in the order of the keys. All are in memory at once: how many
    /// to ask for at a time is the caller's to bound.
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn get_many(
        &self,
        partition: Partition,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Found>>, StoreError> {
        self.reading(|| self.engine.get_many(partition, keys.to_vec()))
            .await
    }

    /// The keys that start with `prefix` and come after `after`, ascending. A page may be shorter
    /// than `limit` before the end (see [`Options::page_bytes`]): only an empty page is the end.
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn scan(
        &self,
        partition: Partition,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        self.scan_either(partition, prefix, after, limit, false)
            .await
    }

    /// The keys that start with `prefix` and come before `before`, descending. Pages as in
    /// [`Store::scan`].
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn scan_back(
        &self,
        partition: Partition,
        prefix: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        self.scan_either(partition, prefix, before, limit, true)
            .await
    }

    async fn scan_either(
        &self,
        partition: Partition,
        prefix: &[u8],
        beyond: Option<&[u8]>,
        limit: usize,
        back: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let scan = Scan {
            prefix: prefix.to_vec(),
            beyond: beyond.map(<[u8]>::to_vec),
            back,
            page: self.page(limit),
        };
        self.reading(|| self.engine.scan(partition, scan.clone()))
            .await
    }

    /// A stream's records with their indexes, from index `from` on. Pages as in [`Store::scan`].
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn read_stream(
        &self,
        partition: Partition,
        stream: &[u8],
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let page = self.page(limit);
        self.reading(|| {
            self.engine
                .read_stream(partition, stream.to_vec(), from, page)
        })
        .await
    }

    /// How many records a stream has, which is the next record's index.
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn stream_len(&self, partition: Partition, stream: &[u8]) -> Result<u64, StoreError> {
        let lengths = self.stream_lens(partition, vec![stream.to_vec()]).await?;
        Ok(lengths.first().copied().unwrap_or(0))
    }

    /// [`Store::stream_len`] of many streams, in their order.
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn stream_lens(
        &self,
        partition: Partition,
        streams: Vec<Vec<u8>>,
    ) -> Result<Vec<u64>, StoreError> {
        let streams = streams.into_iter().map(|stream| (partition, stream));
        let request = LoadRequest {
            streams: streams.collect(),
            ..LoadRequest::default()
        };
        let loaded = self.reading(|| self.engine.load(request.clone())).await?;
        Ok(loaded.next)
    }

    /// The partition's events with a sequence number above `after_seq`, ascending. Pages as in
    /// [`Store::scan`].
    ///
    /// # Errors
    /// When the storage fails or is closed.
    pub async fn events(
        &self,
        partition: Partition,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let page = self.page(limit);
        self.reading(|| self.engine.events(partition, after_seq, page))
            .await
    }

    /// Follows a partition's last durable sequence number. Take the receiver first, then read
    /// [`Store::events`] until it is empty, then wait for a change: nothing is missed. The value
    /// is 0 until the partition is next written to.
    #[must_use]
    pub fn watch(&self, partition: Partition) -> watch::Receiver<u64> {
        self.shared.watch(partition)
    }

    /// What there is too little of for batches to be written now. Whoever can refuse work should do
    /// so meanwhile; what is handed in all the same is kept until there is room.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        let held = self.shared.shortage.borrow().clone();
        held.or_else(|| self.engine.room().err())
    }

    /// Follows whether batches are held back for lack of room, and why.
    #[must_use]
    pub fn held(&self) -> watch::Receiver<Option<Shortage>> {
        self.shared.shortage.subscribe()
    }

    /// Copies all that is durable at one moment into a new file; gives back its size in bytes. The
    /// store goes on meanwhile.
    ///
    /// # Errors
    /// When there is no room for it, when the file cannot be written, or when the storage fails or
    /// is closed. Then there is no file.
    pub async fn snapshot(&self, to: PathBuf) -> Result<u64, StoreError> {
        self.seen(self.engine.snapshot(to).await)
    }

    /// What was handed in so far, refused batches included.
    #[must_use]
    pub fn handed_in(&self) -> HandedIn {
        HandedIn {
            batches: self.shared.batches.load(Ordering::Relaxed),
            records: self.shared.records.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
        }
    }

    /// Writes what is queued, stops the writer and releases the database. Batches submitted from
    /// now on are refused as [`CommitError::Closed`].
    pub async fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.closed.notify_one();
        let (done, drained) = oneshot::channel();
        if self.jobs.send(Job::Close { done }).await.is_ok() {
            // An error here says that the writer is gone already, which is what we want.
            drained.await.unwrap_or_default();
        }
        if let Err(error) = self.engine.close().await {
            tracing::warn!(%error, "closing the database failed; what was acknowledged is safe");
        }
    }

    fn page(&self, limit: usize) -> Page {
        Page {
            limit: limit.min(self.options.page_limit),
            bytes: self.options.page_bytes,
        }
    }

    /// A read. One that fails is tried again once the writer has opened the database anew: after a
    /// write that failed, every read does until then.
    async fn reading<T, F>(&self, read: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, EngineError>>,
    {
        let result = read().await;
        if !matches!(result, Err(EngineError::Failed { .. })) {
            return self.seen(result);
        }
        let mut reopened = self.shared.reopened.subscribe();
        self.shared.suspect.notify_one();
        // Either way it is tried again: it may have been opened before this was asked.
        let _ = timeout(self.options.reopen_pause, reopened.changed()).await;
        self.seen(read().await)
    }

    fn seen<T>(&self, result: Result<T, EngineError>) -> Result<T, StoreError> {
        result.map_err(|error| match error {
            EngineError::Closed => StoreError::Closed,
            error => {
                if let EngineError::Failed { .. } = error {
                    self.shared.suspect.notify_one();
                }
                StoreError::Engine(error)
            }
        })
    }
}

impl Shared {
    /// Watches that are kept although nobody may be listening.
    const IDLE_WATCHES: usize = 256;

    fn count(&self, batch: &Batch, bytes: usize) {
        let records = batch.put.len() + batch.append.len() + usize::from(!batch.events.is_empty());
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn watch(&self, partition: Partition) -> watch::Receiver<u64> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.len() >= Shared::IDLE_WATCHES && !watches.contains_key(&partition) {
            watches.retain(|_, sender| sender.receiver_count() > 0);
        }
        watches
            .entry(partition)
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe()
    }

    /// Tells the partition's watchers how far its log reaches now.
    pub(crate) fn publish(&self, partition: Partition, seq: u64) {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watches.get(&partition) {
            sender.send_if_modified(|last| {
                let newer = seq > *last;
                *last = seq.max(*last);
                newer
            });
        }
    }
}

impl Future for Submitted {
    type Output = Result<Receipt, CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Refused(refusal) => {
                Poll::Ready(Err(refusal.take().unwrap_or(CommitError::Closed)))
            }
            State::Waiting(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(CommitError::Closed))),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
