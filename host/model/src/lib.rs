//! Adjutant's vocabulary and its transitions.
//!
//! Plain data and pure functions: no I/O, no clock, no async, no WebAssembly, no HTTP. Whoever knows
//! none of those can still read here what Adjutant does. [`State`] is one workspace as the dispatcher
//! holds it, [`Tx`] is one transition of it: a [`Command`] goes in, the state changes, and [`Changes`]
//! come out, which the caller stores in one transaction before anyone may see them.
//!
//! Invariants:
//! - A refused command changes nothing.
//! - The same state, command, time and ids always give the same changes.
//! - Ids and times come from the caller.

// The tests' common part names this crate as its users do.
#[cfg(test)]
extern crate self as adjutant_model;

mod agent;
mod authority;
mod call;
#[cfg(any(test, feature = "testing"))]
pub mod check;
mod command;
mod config;
pub mod decide;
mod event;
pub mod grants;
mod id;
mod journal;
mod limits;
mod manifest;
mod message;
mod plan;
mod plugins;
mod refusal;
mod report;
mod rollout;
mod run;
pub mod schema;
mod shared;
mod source;
mod state;
mod terms;
pub mod text;
mod ticket;
#[cfg(test)]
mod walk;
mod weight;
mod workspace;

pub use agent::{Activity, Agent, AgentLimits, Grants, PluginRef, Tracking};
pub use authority::{Authority, Dimension, Granter, Left};
pub use call::{
    Answer, Assignment, Call, CallError, Delegated, Draft, ExitReply, FileEntry, FileKind, Filter,
    Member, Reply, TicketView,
};
pub use command::{
    AgentSpec, Command, Ending, GuestCall, NewTicket, Outcome, Pending, TeamSpec, WorkspaceSpec,
};
pub use config::ConfigSchema;
pub use decide::{Changes, Context, Effect, Held, Tx, has_tries, is_name, will_retry};
pub use event::{Event, EventKind};
pub use id::{AgentId, ChannelId, MessageId, RunId, TicketId, Token, WorkspaceId};
pub use journal::{Entry, Journal, JournalError, Record};
pub use limits::Limits;
pub use manifest::{
    MANIFEST_BYTES, MANIFEST_SECTION, Manifest, ManifestError, WantedAgent, WantedCommand, Wants,
};
pub use message::{Author, Message, MessageKind};
pub use plan::{PlanPhase, PlanTask, Priority, WorkPlan};
pub use plugins::{Described, NoPlugin, Plugins, Removed};
pub use refusal::{Refusal, Violation};
pub use report::{Branch, Confidence, Join, Joined, ReportOutcome, TaskReport, WorkResult};
pub use rollout::{Canary, Change, Counted, Drain, Lot, Moment, Rollout, Tally, Turn, Verdict};
pub use run::{First, Given, Plugin, Resumed, Run, RunStatus, Wait, WaitKind, World};
pub use source::{Origin, Source};
pub use state::State;
pub use terms::{BlockerPolicy, Budget, PastAttempt, Retry, Spend, Terms, Tries, Wip};
pub use ticket::{Choice, Link, Status, Ticket, Validation};
pub use workspace::{Repo, Workspace};

/// Unix time in milliseconds.
pub type Timestamp = u64;
