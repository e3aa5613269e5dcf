//! A host in this process: real components, a real engine and store, no HTTP.

pub(crate) mod gate;

use adjutant_build::build_guests;
use adjutant_component::{Engine, EngineOptions};
use adjutant_connect::{GitOptions, GitWorktrees};
use adjutant_dispatch::{Builtin, Host, HostOptions, HostParts};
use adjutant_model::{
    AgentSpec, EventKind, NewTicket, TeamSpec, Ticket, TicketId, WorkspaceId, WorkspaceSpec,
};
use adjutant_store::{Batch, Options, RedbEngine, Store, records};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) workspace: WorkspaceId,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) store: Store,
}

fn guests() -> &'static Vec<Builtin> {
    static GUESTS: OnceLock<Vec<Builtin>> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut all = Vec::new();
        let plugins = ["skills", "coordinator", "command", "external"];
        let special = [
            "scripted",
            "scripted-sub",
            "scripted-mended",
            "spin",
            "trapper",
            "mender",
            "bad-output",
        ];
        for (folder, packages) in [("plugins", &plugins[..]), ("tests/guests", &special[..])] {
            let manifest = root.join(folder).join("Cargo.toml");
            let built =
                build_guests(&manifest, &target.join("guests"), packages).expect("guests build");
            for guest in built {
                let wasm = std::fs::read(&guest.path).expect("the built guest");
                all.push(Builtin {
                    name: guest.name,
                    version: "0.1.0".to_owned(),
                    wasm: wasm.into(),
                });
            }
        }
        all
    })
}

/// The component of a guest.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let guest = guests().iter().find(|guest| guest.name == name);
    guest.expect("it is built").wasm.to_vec()
}

/// A folder that is gone with the test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"))).expect("a folder")
}

/// One engine for all tests of this process: a host more costs little then.
fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let make = || {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let options = EngineOptions {
            max_instances: 200,
            cache_dir: Some(cache),
            ..EngineOptions::default()
        };
        Engine::new(&options).expect("an engine")
    };
    ENGINE.get_or_init(make).clone()
}

impl Bench {
    pub(crate) async fn start() -> Bench {
        let folder = Arc::new(
            tempfile::tempdir_in(adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR")))
                .expect("a folder"),
        );
        Bench::start_in(folder, HostOptions::default()).await
    }

    pub(crate) async fn start_in(folder: Arc<TempDir>, options: HostOptions) -> Bench {
        let engine = RedbEngine::open(folder.path().join("store"), Default::default()).await;
        Bench::start_on(folder, engine.expect("a database"), options).await
    }

    /// A host over a database of the test's.
    pub(crate) async fn start_on(
        folder: Arc<TempDir>,
        engine: impl adjutant_store::Engine,
        options: HostOptions,
    ) -> Bench {
        let store = Store::open(Arc::new(engine), Options::default()).await;
        let worktrees = GitWorktrees::new(
            folder.path().join("worktrees"),
            "git",
            GitOptions::default(),
        );
        let store = store.expect("a store");
        let parts = HostParts {
            store: store.clone(),
            engine: self::engine(),
            worktrees: Arc::new(worktrees.expect("worktrees")),
            plugins: folder.path().join("plugins"),
        };
        let options = HostOptions {
            builtins: guests().clone(),
            ..options
        };
        let host = Host::start(parts, options).await.expect("a host");
        let workspace = match host.workspace("default").await {
            Ok(workspace) => workspace.id,
            Err(_) => {
                host.apply(TeamSpec::default())
                    .await
                    .expect("a workspace")
                    .0
                    .id
            }
        };
        Bench {
            host,
            workspace,
            folder,
            store,
        }
    }

    /// Stops and starts on the same data.
    pub(crate) async fn restart(self) -> Bench {
        self.host.shutdown().await;
        Bench::start_in(self.folder.clone(), HostOptions::default()).await
    }

    /// Stops, puts something into an agent's memory, however large, and starts again.
    pub(crate) async fn with_memory(self, agent: &str, key: &str, value: Vec<u8>) -> Bench {
        let agent = self.host.agent(self.workspace, agent).await;
        let key = records::memory_key(agent.expect("an agent").agent.id, key);
        let partition = records::partition(self.workspace);
        self.host.shutdown().await;
        let engine = RedbEngine::open(self.folder.path().join("store"), Default::default()).await;
        let engine = Arc::new(engine.expect("a database"));
        let store = Store::open(engine, Options::default()).await;
        let store = store.expect("a store");
        let epoch = store.acquire(partition).await.expect("the partition");
        let mut batch = Batch::new(partition, [7; 16], epoch);
        batch.put.push((key, Some(value)));
        store.commit(batch).await.expect("stored");
        store.close().await;
        Bench::start_in(self.folder, HostOptions::default()).await
    }

    pub(crate) async fn team(&self, agents: Vec<AgentSpec>) {
        let team = TeamSpec {
            workspace: WorkspaceSpec::default(),
            agents,
        };
        self.host.apply(team).await.expect("a team");
    }

    /// Makes a ticket whose script is its description.
    pub(crate) async fn script(&self, to: &str, steps: Value) -> TicketId {
        let new = NewTicket {
            title: format!("script for {to}"),
            description: json!({ "steps": steps }).to_string(),
            assignee: Some(to.to_owned()),
            ..NewTicket::default()
        };
        self.host
            .create_ticket(self.workspace, new)
            .await
            .expect("a ticket")
            .id
    }

    /// Waits until a ticket is over.
    pub(crate) async fn over(&self, id: TicketId) -> Ticket {
        self.until(|event| match event {
            EventKind::TicketCompleted { ticket, .. }
            | EventKind::TicketFailed { ticket, .. }
            | EventKind::TicketCancelled { ticket, .. } => *ticket == id,
            _ => false,
        })
        .await;
        self.host
            .ticket(self.workspace, id)
            .await
            .expect("the ticket")
            .value
    }

    /// Waits for an event, past or to come.
    pub(crate) async fn until(&self, mut wanted: impl FnMut(&EventKind) -> bool) -> u64 {
        let mut watch = self.host.watch(self.workspace);
        let mut after = 0;
        let search = async {
            loop {
                let events = self
                    .host
                    .events(self.workspace, after, 1_000)
                    .await
                    .expect("events");
                for (seq, event) in &events {
                    assert_eq!(*seq, after + 1, "the log is dense");
                    after = *seq;
                    if wanted(&event.kind) {
                        return after;
                    }
                }
                if events.is_empty() {
                    watch.changed().await.expect("the store is open");
                }
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .expect("the event came in time")
    }
}

/// An agent that runs scripts, or another plugin.
pub(crate) fn agent(name: &str, plugin: &str, boss: Option<&str>) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        boss: boss.map(ToOwned::to_owned),
        ..AgentSpec::default()
    }
}

/// The answers of a script's steps.
pub(crate) fn steps(ticket: &Ticket) -> &Vec<Value> {
    let steps = ticket
        .output
        .as_ref()
        .and_then(|output| output["steps"].as_array());
    steps.unwrap_or_else(|| panic!("a script's report, not {ticket:#?}"))
}
