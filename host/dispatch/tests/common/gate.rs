//! A database that lets no change of the host's own in while its gate is closed.

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
}

impl Gate {
    pub(crate) fn before(inner: RedbEngine) -> Gate {
        Gate {
            inner: Arc::new(inner),
            is_closed: Arc::new(watch::channel(false).0),
            held: Arc::new(watch::channel(0).0),
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
        self.inner.load(request).await
    }

    async fn apply(&self, group: Arc<Group>) -> Result<(), EngineError> {
        let is_hosts = group
            .heads
            .iter()
            .any(|head| head.partition == records::HOST);
        if is_hosts && *self.is_closed.borrow() {
            self.held.send_modify(|held| *held += 1);
            let mut is_closed = self.is_closed.subscribe();
            let opened = is_closed.wait_for(|is_closed| !is_closed).await;
            opened.expect("the gate stands");
        }
        self.inner.apply(group).await
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
