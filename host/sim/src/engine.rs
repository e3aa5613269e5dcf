//! The real engine on a simulated disk: slow at times, out of room at times, and with a switch that
//! turns the machine off at any call.

use crate::dice::Dice;
use crate::outside::Outside;
use adjutant_store::testing::{Call, SimDisk};
use adjutant_store::{
    Engine, EngineError, FrameHead, Group, Item, LoadRequest, Loaded, Page, Partition, RedbEngine,
    RedbOptions, Scan, Shortage, Version,
};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// When the machine is turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Not by the disk.
    Never,
    /// Before the nth group is written.
    Before(u64),
    /// When the nth group is on disk, and before anyone is told.
    After(u64),
    /// At the nth call of the disk.
    AtCall(u64),
}

/// The engine under a simulated host.
pub(crate) struct SimEngine {
    inner: RedbEngine,
    disk: SimDisk,
    crash: Crash,
    outside: Outside,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    groups: u64,
    /// How slow it is: the longest usual pause before a write, in milliseconds.
    slow_ms: u64,
    full_until: Option<Instant>,
}

impl SimEngine {
    /// Opens the database on the disk. Never returns where the machine is turned off meanwhile.
    pub(crate) async fn open(
        disk: SimDisk,
        crash: Crash,
        mut dice: Dice,
        outside: Outside,
    ) -> Result<SimEngine, EngineError> {
        if let Crash::AtCall(nth) = crash {
            disk.fail_at(Call::Any, nth, true);
        }
        let options = RedbOptions {
            cache_bytes: 1 << 20,
            floor_bytes: 0,
            ballast_bytes: 0,
            inline: true,
        };
        let opened = RedbEngine::with_backend(Arc::new(disk.clone()), options).await;
        if matches!(crash, Crash::AtCall(_)) && disk.is_down() {
            drop(opened);
            outside.crash.notify_one();
            std::future::pending::<()>().await;
            unreachable!("the machine is off");
        }
        let slow_ms = [0, 2, 20, 400][dice.roll(4) as usize];
        let state = Mutex::new(State {
            dice,
            groups: 0,
            slow_ms,
            full_until: None,
        });
        Ok(SimEngine {
            inner: opened?,
            disk,
            crash,
            outside,
            state,
        })
    }

    /// For a while nothing more is taken, as where the file system has less than its floor.
    pub(crate) fn fill_up(&self, ms: u64) {
        self.lock().full_until = Some(Instant::now() + Duration::from_millis(ms));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine is off: nothing returns any more.
    async fn off(&self) {
        self.outside.crash.notify_one();
        std::future::pending::<()>().await;
    }

    /// Lets an answer of the disk through unless the machine was turned off by it.
    async fn through<T>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        if matches!(self.crash, Crash::AtCall(_)) && self.disk.is_down() {
            self.off().await;
        }
        result
    }

    async fn pause(&self, write: bool) {
        let ms = {
            let mut state = self.lock();
            let slow = state.slow_ms;
            if write {
                state.dice.roll(slow + 1)
            } else if state.dice.chance(10) {
                state.dice.roll(slow / 4 + 1)
            } else {
                0
            }
        };
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
    }
}

#[async_trait]
impl Engine for SimEngine {
    async fn load(&self, request: LoadRequest) -> Result<Loaded, EngineError> {
        let result = self.inner.load(request).await;
        self.through(result).await
    }

    async fn apply(&self, group: Arc<Group>) -> Result<(), EngineError> {
        self.pause(true).await;
        let nth = {
            let mut state = self.lock();
            state.groups += 1;
            state.groups
        };
        self.outside.lock().counts.commits += 1;
        if self.crash == Crash::Before(nth) {
            self.off().await;
        }
        let result = self.inner.apply(group).await;
        if self.crash == Crash::After(nth) {
            self.off().await;
        }
        self.through(result).await
    }

    async fn get(
        &self,
        partition: Partition,
        key: Vec<u8>,
    ) -> Result<Option<(Version, Vec<u8>)>, EngineError> {
        self.pause(false).await;
        let result = self.inner.get(partition, key).await;
        self.through(result).await
    }

    async fn scan(&self, partition: Partition, scan: Scan) -> Result<Vec<Item>, EngineError> {
        self.pause(false).await;
        let result = self.inner.scan(partition, scan).await;
        self.through(result).await
    }

    async fn read_stream(
        &self,
        partition: Partition,
        stream: Vec<u8>,
        from: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        self.pause(false).await;
        let result = self.inner.read_stream(partition, stream, from, page).await;
        self.through(result).await
    }

    async fn events(
        &self,
        partition: Partition,
        after: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        let result = self.inner.events(partition, after, page).await;
        self.through(result).await
    }

    async fn recent(
        &self,
        partition: Partition,
        limit: usize,
    ) -> Result<Vec<FrameHead>, EngineError> {
        let result = self.inner.recent(partition, limit).await;
        self.through(result).await
    }

    async fn reopen(&self) -> Result<(), EngineError> {
        let result = self.inner.reopen().await;
        self.through(result).await
    }

    async fn close(&self) -> Result<(), EngineError> {
        let result = self.inner.close().await;
        self.through(result).await
    }

    fn room(&self) -> Result<(), Shortage> {
        match self.lock().full_until {
            Some(until) if Instant::now() < until => {
                self.outside.lock().counts.failures += 1;
                Err(Shortage::Disk {
                    path: PathBuf::from("the simulated disk"),
                    free: 0,
                    floor: 1,
                })
            }
            _ => Ok(()),
        }
    }
}
