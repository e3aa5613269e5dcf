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

mod batch;
mod clock;
mod commands;
mod effects;
mod event_loop;
mod host;
mod launch;
mod ledger;
mod load;
mod plugins;
mod reads;
mod recovery;
mod views;
mod world;

pub use clock::SystemClock;
pub use host::{Builtin, Host, HostError, HostOptions, HostParts, StartError};
pub use views::{AgentView, LogLine, MessageView, Page, TicketFilter, TicketNode, Versioned};
