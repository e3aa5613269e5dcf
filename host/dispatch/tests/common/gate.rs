//! A database that lets no change of the host's own in while its gate is closed, or does not tell that it has.

use adjutant_store::{
    Engine, EngineError, FrameHead, Group, Item, LoadRequest, Loaded, Page, Partition, RedbEngine,
    Scan, Shortage, Version, records,
};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct Gate {
    inner: Arc<RedbEngine>,
    is_closed: Arc<watch::Sender<bool>>,
    /// How many changes have come to the gate while it was closed.
    held: Arc<watch::Sender<usize>>,
    /// How many changes pass before the gate closes.
    passes: Arc<watch::Sender<Option<usize>>>,
    /// Some where the next change is stored and nobody is told: whether that has happened.
    is_deaf: Arc<watch::Sender<Option<bool>>>,
}

impl Gate {
    pub(crate) fn before(inner: RedbEngine) -> Gate {
        Gate {
            inner: Arc::new(inner),
            is_closed: Arc::new(watch::channel(false).0),
            held: Arc::new(watch::channel(0).0),
            passes: Arc::new(watch::channel(None).0),
            is_deaf: Arc::new(watch::channel(None).0),
        }
    }

    /// Asks for a change that is stored while the database says that it has failed.
    pub(crate) async fn unanswered<T>(&self, change: impl Future<Output = T>) -> T {
        self.is_deaf.send_replace(Some(false));
        let answer = change.await;
        self.is_deaf.send_replace(None);
        answer
    }

    /// Lets so many changes pass, and closes behind them.
    pub(crate) fn close_after(&self, changes: usize) {
        self.held.send_replace(0);
        self.passes.send_replace(Some(changes));
    }

    /// Waits until a change is at the closed gate.
    pub(crate) async fn holds_one(&self) {
        let mut held = self.held.subscribe();
        let come = held.wait_for(|held| *held > 0).await;
        come.expect("the gate stands");
    }

    pub(crate) fn open(&self) {
        self.is_closed.send_replace(false);
    }

    fn hears(&self) -> Result<(), EngineError> {
        match *self.is_deaf.borrow() {
            None | Some(false) => Ok(()),
            Some(true) => Err(EngineError::Down("it does not answer".to_owned())),
        }
    }

    /// Asks for a change, and leaves while it is at the gate.
    pub(crate) async fn left_by<T>(&self, change: impl Future<Output = T>) {
        let mut held = self.held.subscribe();
        held.borrow_and_update();
        self.is_closed.send_replace(true);
        let mut change = Box::pin(change);
        tokio::select! {
            biased;
            _ = &mut change => panic!("it is held at the gate"),
            come = held.changed() => come.expect("the gate stands"),
        }
        drop(change);
        self.is_closed.send_replace(false);
    }
}

#[async_trait]
impl Engine for Gate {
    async fn load(&self, request: LoadRequest) -> Result<Loaded, EngineError> {
        self.hears()?;
        self.inner.load(request).await
    }

    async fn apply(&self, group: Arc<Group>) -> Result<(), EngineError> {
        let is_hosts = group
            .heads
            .iter()
            .any(|head| head.partition == records::HOST);
        if is_hosts {
            self.passes.send_modify(|passes| match passes {
                Some(0) => {
                    *passes = None;
                    self.is_closed.send_replace(true);
                }
                Some(left) => *left -= 1,
                None => {}
            });
        }
        if is_hosts && *self.is_closed.borrow() {
            self.held.send_modify(|held| *held += 1);
            let mut is_closed = self.is_closed.subscribe();
            let opened = is_closed.wait_for(|is_closed| !is_closed).await;
            opened.expect("the gate stands");
        }
        self.inner.apply(group).await?;
        self.is_deaf.send_modify(|is_deaf| {
            *is_deaf = is_deaf.map(|_| true);
        });
        self.hears()
    }

    async fn get(
        &self,
        partition: Partition,
        key: Vec<u8>,
    ) -> Result<Option<(Version, Vec<u8>)>, EngineError> {
        self.inner.get(partition, key).await
    }

    async fn scan(&self, partition: Partition, scan: Scan) -> Result<Vec<Item>, EngineError> {
        self.inner.scan(partition, scan).await
    }

    async fn read_stream(
        &self,
        partition: Partition,
        stream: Vec<u8>,
        from: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        self.inner.read_stream(partition, stream, from, page).await
    }

    async fn events(
        &self,
        partition: Partition,
        after: u64,
        page: Page,
    ) -> Result<Vec<(u64, Vec<u8>)>, EngineError> {
        self.inner.events(partition, after, page).await
    }

    async fn recent(
        &self,
        partition: Partition,
        limit: usize,
    ) -> Result<Vec<FrameHead>, EngineError> {
        self.inner.recent(partition, limit).await
    }

    async fn reopen(&self) -> Result<(), EngineError> {
        self.hears()?;
        self.inner.reopen().await
    }

    async fn close(&self) -> Result<(), EngineError> {
        self.inner.close().await
    }

    async fn snapshot(&self, to: PathBuf) -> Result<u64, EngineError> {
        self.inner.snapshot(to).await
    }

    fn room(&self) -> Result<(), Shortage> {
        self.inner.room()
    }
}
