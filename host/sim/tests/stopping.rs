//! A host that is asked to stop, with the clock in the test's hand.

use adjutant_component::{Engine, EngineOptions};
use adjutant_connect::Provision;
use adjutant_connect::ports::{OutsideError, Repo, RepoError, Worktree, Worktrees};
use adjutant_dispatch::{Host, HostError, HostOptions, HostParts};
use adjutant_model::{NewTicket, TeamSpec};
use adjutant_store::testing::SimDisk;
use adjutant_store::{Options, RedbEngine, RedbOptions, Store};
use async_trait::async_trait;
use futures::future::join_all;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);

/// Worktrees on a file system that does not answer.
struct Stuck;

#[async_trait]
impl Worktrees for Stuck {
    async fn check_repo(&self, _: &Repo) -> Result<(), RepoError> {
        Ok(())
    }

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

/// A host in memory on a disk of the test's, whose worktrees are stuck.
async fn host(disk: &SimDisk) -> Host {
    let options = RedbOptions {
        inline: true,
        ..RedbOptions::default()
    };
    let database = RedbEngine::with_backend(Arc::new(disk.clone()), options).await;
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
    host.expect("a host")
}

async fn stops(host: &Host) {
    let stopped = async {
        host.drain(Duration::from_secs(1)).await;
        host.shutdown().await;
    };
    let stopped = tokio::time::timeout(PATIENCE, stopped).await;
    assert!(stopped.is_ok(), "it stops");
}

#[tokio::test(start_paused = true)]
async fn worktrees_that_cannot_be_ended_do_not_keep_a_host_from_stopping() {
    stops(&host(&SimDisk::default()).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_behind_a_full_queue_keeps_nobody_from_reading_or_stopping() {
    const ASKED: usize = 3_000;
    let disk = SimDisk::default();
    let host = host(&disk).await;
    let team = host.apply(TeamSpec::default()).await;
    let (workspace, _) = team.expect("a workspace");
    disk.hold_at_most(Some(disk.size()));
    let ask = |_| {
        let new = NewTicket {
            title: "filler".to_owned(),
            description: "x".repeat(20_000),
            backlog: true,
            ..NewTicket::default()
        };
        host.create_ticket(workspace.id, new)
    };
    let made = join_all((0..ASKED).map(ask)).await;
    let full = |made: &&Result<_, _>| matches!(made, Err(HostError::Full { .. }));
    let refused = made.iter().filter(full).count();
    assert!(refused > 2_000, "{refused} were told that there is no room");
    let read = tokio::time::timeout(PATIENCE, host.workspaces()).await;
    assert_eq!(read.expect("it answers").expect("reads").len(), 1);
    stops(&host).await;
}
