//! A host that is asked to stop, with the clock in the test's hand.

use adjutant_component::{Engine, EngineOptions};
use adjutant_connect::Provision;
use adjutant_connect::ports::{OutsideError, Worktree, Worktrees};
use adjutant_dispatch::{Host, HostOptions, HostParts};
use adjutant_store::testing::SimDisk;
use adjutant_store::{Options, RedbEngine, RedbOptions, Store};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

/// Worktrees on a file system that does not answer.
struct Stuck;

#[async_trait]
impl Worktrees for Stuck {
    async fn provision(&self, _: &Provision) -> Result<Arc<dyn Worktree>, OutsideError> {
        std::future::pending().await
    }

    async fn open(&self, _: &Provision) -> Result<Option<Arc<dyn Worktree>>, OutsideError> {
        std::future::pending().await
    }

    async fn finish(
        &self,
        _: &Provision,
        _: bool,
        _: &str,
    ) -> Result<Vec<adjutant_connect::Branch>, OutsideError> {
        std::future::pending().await
    }

    async fn discard(&self, _: Uuid) -> Result<(), OutsideError> {
        std::future::pending().await
    }

    async fn known(&self) -> Result<Vec<Uuid>, OutsideError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn worktrees_that_cannot_be_ended_do_not_keep_a_host_from_stopping() {
    let disk = SimDisk::default();
    let options = RedbOptions {
        inline: true,
        ..RedbOptions::default()
    };
    let database = RedbEngine::with_backend(Arc::new(disk), options).await;
    let database = Arc::new(database.expect("a database"));
    let store = Store::open(database, Options::default()).await;
    let engine = Engine::new(&EngineOptions {
        max_instances: 1,
        pooling: false,
        ..EngineOptions::default()
    });
    let parts = HostParts {
        store: store.expect("a store"),
        engine: engine.expect("an engine"),
        worktrees: Arc::new(Stuck),
        plugins: Path::new(env!("CARGO_TARGET_TMPDIR")).join("no plugins"),
    };
    let host = Host::start(parts, HostOptions::default()).await;
    let host = host.expect("a host");
    let stopped = async {
        host.drain(Duration::from_secs(1)).await;
        host.shutdown().await;
    };
    let stopped = tokio::time::timeout(PATIENCE, stopped).await;
    assert!(stopped.is_ok(), "it stops although its sweep is not over");
}
