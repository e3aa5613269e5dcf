//! The dispatcher: what decides, and what lets decisions happen.
//!
//! One event loop holds every live ticket in memory. A message goes in; a pure transition of the model
//! decides; what it changed goes to the store as one batch; and only when that is on disk is the sender
//! told and are runs started, woken or stopped. Several batches are on their way at a time, in order.
//!
//! Invariants:
//! - Nothing is acknowledged, and nothing starts, before it is on disk.
//! - The loop's state is never behind the store. If a batch fails, the workspace is read from the
//!   store again and its runs start over from their journals, as after a crash.
//! - A ticket has at most one live run. Whoever else writes to it is refused, and told why.
//! - All queues are bounded; a caller that meets a full one is told to come back.

mod backup;
mod batch;
mod choosing;
mod cleaning;
mod clock;
mod commands;
mod effects;
mod event_loop;
mod execute;
mod host;
#[cfg(feature = "testing")]
mod inside;
mod inspect;
mod intake;
mod keys;
mod launch;
mod ledger;
mod load;
mod pace;
mod plugins;
mod reads;
mod recovery;
mod sources;
mod status;
mod stop;
mod teams;
mod turns;
mod views;
mod watched;
mod world;

pub use adjutant_connect::decode_signature;
pub use backup::Backup;
pub use clock::SystemClock;
pub use execute::Execute;
pub use host::{Builtin, Host, HostError, HostOptions, HostParts, Reported, StartError};
#[cfg(feature = "testing")]
pub use inside::Inside;
pub use keys::IdempotencyKey;
pub use plugins::{Activation, Added, How, NewPlugin, PluginState, PluginView, RolloutView, Step};
pub use sources::{PluginBounds, SourceOptions};
pub use status::{HostStatus, RunCounts, Share, TicketCounts};
pub use views::{
    AgentView, Candidates, LogLine, MessageView, Page, Picks, RunRecording, TicketFilter,
    TicketNode, Versioned,
};
pub use watched::{Became, WatchedFile, WatchedFolder};
