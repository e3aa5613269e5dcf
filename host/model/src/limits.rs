//! Limits of a host that hold for all its agents.

use serde::{Deserialize, Serialize};

/// How large things may become. Each has a behaviour at the limit: a refusal that names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a title.
    pub title_bytes: usize,
    /// Bytes of a description, notes or a summary.
    pub text_bytes: usize,
    /// Bytes of a message.
    pub message_bytes: usize,
    /// Bytes of an output, as JSON.
    pub output_bytes: usize,
    /// Bytes of a schema, as JSON.
    pub schema_bytes: usize,
    /// Bytes of what one call answers with, where it is made of many parts: reports, tickets, messages.
    pub answer_bytes: usize,
    /// Messages that one run may post.
    pub messages_per_run: u32,
    /// Children of one ticket.
    pub children: usize,
    /// Tickets of one tree.
    pub tree_tickets: usize,
    /// Bytes of one tree: texts, schemas and outputs of all its tickets, and what its runs were given.
    /// The store takes a batch of twice as much, for a tree is cancelled as a whole.
    pub tree_bytes: usize,
    /// Steps down from a root ticket.
    pub depth: u32,
    /// Tickets of one workspace that are not over.
    pub live_tickets: usize,
    /// Agents of one workspace.
    pub agents: usize,
    /// Repositories that one workspace links. Each of its tickets gets a worktree of all.
    pub repos: usize,
    /// Collaborators of one ticket, and links.
    pub collaborators: usize,
    /// Attempts of a ticket that its history keeps.
    pub history: usize,
    /// Runs that a retry policy may ask for, reassignments included.
    pub attempts: u32,
    /// Milliseconds that a retry policy may pause.
    pub retry_pause_ms: u64,
    /// Tickets that one may wait for.
    pub blockers: usize,
    /// Delegations and questions from one agent to another within one tree, in a minute.
    pub pair_per_minute: u32,
    /// Milliseconds that a run may go on computing when the guest time of its budget is used up: time to
    /// answer.
    pub budget_grace_ms: u64,
    /// Idempotency keys of one workspace that are kept.
    pub idempotency_keys: usize,
    /// Milliseconds that an idempotency key is kept.
    pub idempotency_ms: u64,
    /// Bytes of a key of an agent's memory.
    pub memory_key_bytes: usize,
    /// Bytes of a value of an agent's memory.
    pub memory_value_bytes: usize,
    /// Bytes of an agent's memory in all.
    pub memory_bytes: usize,
    /// Bytes of a run's log that are kept.
    pub log_bytes: u64,
    /// Milliseconds that an `ask` waits unless told otherwise.
    pub ask_default_ms: u64,
    /// Milliseconds that an `ask` waits at most.
    pub ask_max_ms: u64,
    /// Milliseconds that a `call-for-report` waits unless told otherwise.
    pub external_default_ms: u64,
    /// Versions of all plugins together.
    pub plugins: usize,
    /// Removed versions of plugins that the host remembers, so that none of them comes back as another
    /// component. Beyond it the oldest are forgotten.
    pub removed_plugins: usize,
    /// Changes of a plugin's versions that its history keeps.
    pub plugin_history: usize,
    /// Ended runs of a canary that decide whether it is promoted.
    pub canary_runs: u32,
    /// By how many percentage points more of its runs than of the active version's may fail by their own
    /// fault.
    pub canary_margin_percent: u32,
    /// The last ended runs of a version that are looked at for whether it keeps failing.
    pub fault_window: u32,
    /// How many of those fail by their own fault when it is taken back; 0 for never.
    pub fault_runs: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            title_bytes: 1_000,
            text_bytes: 64 << 10,
            message_bytes: 64 << 10,
            output_bytes: 256 << 10,
            schema_bytes: 64 << 10,
            answer_bytes: 4 << 20,
            messages_per_run: 10_000,
            children: 1_000,
            tree_tickets: 5_000,
            tree_bytes: 128 << 20,
            depth: 3,
            live_tickets: 100_000,
            agents: 10_000,
            repos: 32,
            collaborators: 100,
            history: 20,
            attempts: 100,
            retry_pause_ms: 7 * 24 * 3_600_000,
            blockers: 100,
            pair_per_minute: 1_000,
            budget_grace_ms: 500,
            idempotency_keys: 100_000,
            idempotency_ms: 24 * 3_600_000,
            memory_key_bytes: 512,
            memory_value_bytes: 256 << 10,
            memory_bytes: 4 << 20,
            log_bytes: 4 << 20,
            ask_default_ms: 600_000,
            ask_max_ms: 1_800_000,
            external_default_ms: 24 * 3_600_000,
            plugins: 1_000,
            removed_plugins: 10_000,
            plugin_history: 50,
            canary_runs: 20,
            canary_margin_percent: 10,
            fault_window: 10,
            fault_runs: 5,
        }
    }
}
