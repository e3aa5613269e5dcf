//! How the host is doing.

use super::time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How the host is doing. Where nothing is left to do, all counts but the totals are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostStatus {
    /// When it was asked.
    pub at: Timestamp,
    /// The host's version.
    pub version: String,
    /// Workspaces.
    pub workspaces: usize,
    /// Tickets of all workspaces.
    pub tickets: TicketCounts,
    /// Runs of all workspaces that are not over.
    pub runs: RunCounts,
    /// Instances of components in memory.
    pub instances: Share,
    /// Tickets whose worktree is worked in or being ended.
    pub worktrees: usize,
    /// Messages that wait for the event loop.
    pub queue: Share,
    /// What was written since the start.
    pub store: Written,
    /// The contract between plugins and the host.
    pub contract: Contract,
    /// How plugins are bounded, and whose are taken.
    pub plugins: PluginBounds,
    /// How large things may become, by the names of the settings.
    #[schema(value_type = Object)]
    pub limits: Value,
}

/// The contract between plugins and the host, and which versions of it the host offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contract {
    /// The package of interfaces.
    #[schema(examples("adjutant:agent"))]
    pub package: String,
    /// The versions offered, one of each line, the oldest first. A component that was made for one of
    /// them, or for an older one of the same line, fits; `0.1.x` are a line, and so are `1.x.y`.
    #[schema(examples(json!(["0.1.0"])))]
    pub versions: Vec<String>,
}

/// How plugins are bounded, and whose are taken, by the names of the settings in `[plugins]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginBounds {
    /// Bytes of a component.
    pub max_bytes: usize,
    /// Milliseconds that compiling one may take.
    pub compile_ms: u64,
    /// Bytes of memory that compiling one may take.
    pub compile_memory: u64,
    /// How many new ones may wait while another one is compiled; one more is told to come again (429).
    pub compile_queue: usize,
    /// Bytes of a manifest that a registry gives.
    pub max_manifest: u64,
    /// Bytes of any other answer of a registry, such as a token.
    pub max_answer: u64,
    /// Whether a component without a signature is refused.
    pub require_signed: bool,
    /// The numbers of the keys whose signatures count.
    pub trusted_keys: Vec<String>,
}

/// Tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TicketCounts {
    /// Those that are not over.
    pub live: usize,
    /// Those of them that wait for their agent, or for other tickets.
    pub queued: usize,
    /// Those in memory: live ones, and those that are over in a tree that is not.
    pub in_memory: usize,
}

/// Runs that are not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunCounts {
    /// All of them.
    pub live: usize,
    /// Those in memory.
    pub in_memory: usize,
    /// Those that wait, in memory or not.
    pub waiting: usize,
    /// Those that wait and have left memory.
    pub parked: usize,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// How many there are.
    pub now: usize,
    /// How many there may be.
    pub most: usize,
}

/// What the store was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// Transactions.
    pub batches: u64,
    /// Values, records and events.
    pub records: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl HostStatus {
    /// What the host says of itself.
    pub(crate) fn of(status: &adjutant_dispatch::HostStatus) -> HostStatus {
        let share = |share: adjutant_dispatch::Share| Share {
            now: share.now,
            most: share.most,
        };
        HostStatus {
            at: time(status.at),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            workspaces: status.workspaces,
            tickets: TicketCounts {
                live: status.tickets.live,
                queued: status.tickets.queued,
                in_memory: status.tickets.in_memory,
            },
            runs: RunCounts {
                live: status.runs.live,
                in_memory: status.runs.in_memory,
                waiting: status.runs.waiting,
                parked: status.runs.parked,
            },
            instances: share(status.instances),
            worktrees: status.worktrees,
            queue: share(status.queue),
            store: Written {
                batches: status.store.batches,
                records: status.store.records,
                bytes: status.store.bytes,
            },
            contract: Contract {
                package: "adjutant:agent".to_owned(),
                versions: status.contract.clone(),
            },
            plugins: PluginBounds {
                max_bytes: status.plugins.max_bytes,
                compile_ms: u64::try_from(status.plugins.compile_time.as_millis())
                    .unwrap_or(u64::MAX),
                compile_memory: status.plugins.compile_memory,
                compile_queue: status.plugins.compile_queue,
                max_manifest: status.plugins.max_manifest,
                max_answer: status.plugins.max_answer,
                require_signed: status.plugins.require_signed,
                trusted_keys: status.plugins.trusted_keys.clone(),
            },
            // Plain numbers under plain names: there is nothing in it that could not be written.
            limits: serde_json::to_value(&status.limits).unwrap_or_default(),
        }
    }
}
