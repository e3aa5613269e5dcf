//! The engine on local disk: one redb file, one fsynced write transaction per group.
//!
//! Invariants: all redb calls run on blocking threads under the state's read lock, so that no
//! transaction outlives its call and [`Engine::reopen`] (write lock) finds none alive; what the writer
//! calls (to load, to apply, to reopen) runs on one thread of its own ([`worker`]), and nothing there
//! is long; quick repair is on for every commit, so opening after a kill does not walk the file.
//!
//! Tables: `meta` (schema), `heads`, `kv`, `streams`, `frames`; keys are laid out in [`codec`].

mod apply;
mod codec;
mod opening;
mod raw;
mod read;
mod room;
mod snapshot;
mod worker;

use std::fmt::{Debug, Display};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition};

use crate::batch::{Item, Partition};
use crate::engine::{Engine, Found, FrameHead, Group, LoadRequest, Loaded, Page, Scan};
use crate::error::{EngineError, Shortage};
use room::Room;
use worker::Worker;

pub use raw::{RawRate, raw_group_commit};

/// The engine on a local disk. Cloning gives another handle to the same database.
#[derive(Debug, Clone)]
pub struct RedbEngine {
    inner: Arc<Inner>,
    /// None where everything is done on the caller's thread.
    worker: Option<Arc<Worker>>,
}

/// How the engine uses memory and disk.
#[derive(Debug, Clone)]
pub struct RedbOptions {
    /// Bytes of memory for cached pages.
    pub cache_bytes: usize,
    /// Bytes of the file system that must stay free; below, new batches are refused. 0 turns the
    /// check off.
    pub floor_bytes: u64,
    /// Bytes held back in a file of their own, given up when the database cannot be opened for
    /// lack of space. 0 for none.
    pub ballast_bytes: u64,
    /// Works on the caller's thread instead of a blocking one: for simulations, which have but one.
    pub inline: bool,
}

impl Default for RedbOptions {
    fn default() -> RedbOptions {
        const MIB: usize = 1024 * 1024;
        RedbOptions {
            cache_bytes: 128 * MIB,
            floor_bytes: 128 * MIB as u64,
            ballast_bytes: 16 * MIB as u64,
            inline: false,
        }
    }
}

/// The schema that this program writes and the newest that it reads.
const SCHEMA: u32 = 1;
/// The database's file in the store's folder.
const FILE: &str = "store.redb";

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
const META: Table = TableDefinition::new("meta");
const HEADS: Table = TableDefinition::new("heads");
const KV: Table = TableDefinition::new("kv");
const STREAMS: Table = TableDefinition::new("streams");
const FRAMES: Table = TableDefinition::new("frames");
const SCHEMA_KEY: &[u8] = b"schema";

#[derive(Debug)]
struct Inner {
    place: Place,
    options: RedbOptions,
    room: Option<Room>,
    /// The database is to be opened anew: a long read ends.
    reopening: AtomicBool,
    state: RwLock<State>,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Backend(Backend),
}

#[derive(Debug)]
enum State {
    Open(Database),
    Down(String),
    Closed,
}

/// How long a file that another process holds is tried again. A host that was killed while it was about
/// to start a program leaves a process that holds all its files until the program has begun.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(1_500);

/// A storage that survives the database being dropped and opened again.
#[derive(Debug, Clone)]
struct Backend(Arc<dyn StorageBackend>);

impl RedbEngine {
    /// Opens the database in a folder, which is created if need be.
    ///
    /// # Errors
    /// When another process uses the folder, when the store there has a newer schema, or when the
    /// files cannot be read or written.
    pub async fn open(
        folder: impl Into<PathBuf>,
        options: RedbOptions,
    ) -> Result<RedbEngine, EngineError> {
        let folder = folder.into();
        RedbEngine::start(Place::Folder(folder), options).await
    }

    /// A database in memory, for tests and trials. It is gone with its last handle.
    ///
    /// # Errors
    /// When memory cannot be had.
    pub async fn in_memory() -> Result<RedbEngine, EngineError> {
        RedbEngine::with_backend(Arc::new(InMemoryBackend::new()), RedbOptions::default()).await
    }

    /// A database on a storage of the caller's. It is used again after a reopen, so its
    /// [`StorageBackend::close`] is never called.
    ///
    /// # Errors
    /// When the storage fails or holds a newer schema.
    pub async fn with_backend(
        storage: Arc<dyn StorageBackend>,
        options: RedbOptions,
    ) -> Result<RedbEngine, EngineError> {
        RedbEngine::start(Place::Backend(Backend(storage)), options).await
    }

    async fn start(place: Place, options: RedbOptions) -> Result<RedbEngine, EngineError> {
        let room = match &place {
            Place::Folder(folder) => Some(Room::new(folder.clone(), &options)),
            Place::Backend(_) => None,
        };
        let state = RwLock::new(State::Down("it is being opened".to_owned()));
        let worker = (!options.inline)
            .then(Worker::start)
            .transpose()
            .map_err(failed("starting the thread that writes"))?;
        let engine = RedbEngine {
            worker: worker.map(Arc::new),
            inner: Arc::new(Inner {
                place,
                options,
                room,
                reopening: AtomicBool::new(false),
                state,
            }),
        };
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            let opened = engine.blocking("opening the database", Inner::reopen).await;
            match opened {
                Err(EngineError::InUse { .. }) if tokio::time::Instant::now() < patience => {
                    tokio::time::sleep(PATIENCE / 30).await;
                }
                other => return other.map(|()| engine),
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        if self.inner.options.inline {
            return work(&self.inner);
        }
        let inner = self.inner.clone();
        let task = tokio::task::spawn_blocking(move || work(&inner));
        task.await.unwrap_or_else(|error| {
            if error.is_panic() {
                return Err(self.broken_off(doing, &error));
            }
            Err(failed(doing)(error))
        })
    }

    /// The same for the writer, whose thread is its own.
    async fn writing<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let Some(worker) = &self.worker else {
            return work(&self.inner);
        };
        let inner = self.inner.clone();
        let done = worker.run(move || work(&inner)).await;
        done.unwrap_or_else(|panic| Err(self.broken_off(doing, &panic)))
    }

    /// The database checks little of what it reads, and panics at what cannot be.
    fn broken_off(&self, doing: &str, panic: &dyn Display) -> EngineError {
        let path = self.inner.path();
        EngineError::Damaged(format!("{doing} in {} broke off: {panic}", path.display()))
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&ReadTransaction) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.blocking(doing, move |inner| inner.read(doing, work))
            .await
    }
}

/// Opens the database in a folder and closes it again, to see whether that can be done.
pub(crate) fn try_open(folder: &Path) -> Result<(), EngineError> {
    let inner = Inner {
        place: Place::Folder(folder.to_owned()),
        options: RedbOptions::default(),
        room: None,
        reopening: AtomicBool::new(false),
        state: RwLock::new(State::Closed),
    };
    inner.open().map(drop)
}

#[async_trait]
impl Engine for RedbEngine {
    async fn load(&self, request: LoadRequest) -> Result<Loaded, EngineError> {
        let doing = "reading the state";
        self.writing(doing, move |inner| {
            inner.read(doing, |txn| read::load(txn, &request))
        })
        .await
    }

    async fn apply(&self, group: Arc<Group>) -> Result<(), EngineError> {
        self.writing("writing a group", move |inner| {
            let applied = apply::apply(inner.state().database()?, &inner.path(), &group);
            if let (Err(EngineError::Full { .. }), Some(room)) = (&applied, &inner.room) {
                // What this frees is for opening the database again.
                room.give_up_ballast();
            }
            applied
        })
        .await
    }

    async fn get(&self, partition: Partition, key: Vec<u8>) -> Result<Option<Found>, EngineError> {
        self.read("reading a key", move |txn| read::get(txn, partition, &key))
            .await
    }

    async fn get_many(
        &self,
        partition: Partition,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<Found>>, EngineError> {
        self.read("reading keys", move |txn| {
            read::get_many(txn, partition, &keys)
        })
        .await
    }

    async fn scan(&self, partition: Partition, scan: Scan) -> Result<Vec<Item>, EngineError> {
        self.read("scanning keys", move |txn| {
            read::scan(txn, partition, &scan)
        })
        .await
    }

    async fn read_stream(
        &self,
        partition: Partition,
        stream: Vec<u8>,
        from: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        let work = move |txn: &ReadTransaction| read::stream(txn, partition, &stream, from, page);
        self.read("reading a stream", work).await
    }

    async fn events(
        &self,
        partition: Partition,
        after: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        self.read("reading events", move |txn| {
            read::events(txn, partition, after, page)
        })
        .await
    }

    async fn recent(
        &self,
        partition: Partition,
        limit: usize,
    ) -> Result<Vec<FrameHead>, EngineError> {
        let doing = "reading the log";
        self.writing(doing, move |inner| {
            inner.read(doing, |txn| read::recent(txn, partition, limit))
        })
        .await
    }

    async fn reopen(&self) -> Result<(), EngineError> {
        self.writing("reopening the database", Inner::reopen).await
    }

    async fn close(&self) -> Result<(), EngineError> {
        self.blocking("closing the database", |inner| {
            inner.set(State::Closed);
            Ok(())
        })
        .await
    }

    async fn snapshot(&self, to: PathBuf) -> Result<u64, EngineError> {
        self.blocking("taking a snapshot", move |inner| {
            if let Some(room) = &inner.room {
                let needed = inner.size();
                room.check_for(needed).map_err(|why| EngineError::Full {
                    doing: "taking a snapshot",
                    path: inner.path(),
                    why: format!("{needed} bytes are needed; {why}"),
                })?;
            }
            let state = inner.state();
            let read = state.database()?.begin_read();
            let read = read.map_err(failed("taking a snapshot"))?;
            snapshot::copy(&read, &to, &inner.reopening)
        })
        .await
    }

    fn room(&self) -> Result<(), Shortage> {
        self.inner.room.as_ref().map_or(Ok(()), Room::check)
    }
}

impl State {
    fn database(&self) -> Result<&Database, EngineError> {
        match self {
            State::Open(database) => Ok(database),
            State::Down(why) => Err(EngineError::Down(why.clone())),
            State::Closed => Err(EngineError::Closed),
        }
    }
}

impl Inner {
    /// The state behind the lock. A panic under the lock cannot leave it half changed, so a
    /// poisoned lock is as good as any.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&ReadTransaction) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let state = self.state();
        let transaction = state.database()?.begin_read().map_err(failed(doing))?;
        work(&transaction)
    }

    fn set(&self, new: State) {
        self.reopening.store(true, Ordering::Release);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.reopening.store(false, Ordering::Release);
        *state = new;
    }

    /// Bytes of the database's file.
    fn size(&self) -> u64 {
        let path = self.path().join(FILE);
        path.metadata().map_or(0, |meta| meta.len())
    }

    /// Drops the database, waiting for reads to end, and opens it anew.
    fn reopen(&self) -> Result<(), EngineError> {
        self.reopening.store(true, Ordering::Release);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.reopening.store(false, Ordering::Release);
        if let State::Closed = *state {
            return Err(EngineError::Closed);
        }
        // The old one first: it holds the file's lock.
        *state = State::Down("it is being opened".to_owned());
        match self.open() {
            Ok(database) => {
                *state = State::Open(database);
                Ok(())
            }
            Err(error) => {
                *state = State::Down(error.to_string());
                Err(error)
            }
        }
    }

    fn path(&self) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.clone(),
            Place::Backend(_) => Path::new("memory").to_owned(),
        }
    }
}

/// Whether an error of the system says that there is no room: on the disk, in a quota, or below the
/// size that a process may give a file.
fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// Turns the database's error in writing into [`EngineError::Full`] or [`EngineError::Failed`].
fn written<E: Into<redb::Error>>(folder: &Path, doing: &'static str) -> impl Fn(E) -> EngineError {
    move |error| match error.into() {
        redb::Error::Io(error) if is_full(error.kind()) => EngineError::Full {
            doing,
            path: folder.to_owned(),
            why: error.to_string(),
        },
        error => failed(doing)(error),
    }
}

/// Turns any cause into [`EngineError::Failed`].
fn failed<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> EngineError {
    move |why| EngineError::Failed {
        doing,
        why: why.to_string(),
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.0.write(offset, data)
    }
}
