//! Durable execution: the only way to run a strategy.
//!
//! A guest is plain imperative code. Each host call becomes a [`Call`](adjutant_model::Call), and its
//! answer is journaled; a run that was dropped or whose host died is started again and fed its own
//! journal until it is where it stopped. [`Runner::execute`] is one such start.
//!
//! Invariants:
//! - A call that is in the journal is answered from the journal, and has no effect again.
//! - A replay that asks something else than the journal has stops the run as diverged, with both
//!   sides shown.
//! - An answer that is already determined returns at once; nothing becomes visible outside the run
//!   before all that came before it is on disk.
//! - What a guest prints while it is replayed is not logged again.
//! - The journal is written in order: the dispatcher refuses a call that does not follow the last.

mod calls;
mod convert;
mod ending;
#[cfg(feature = "testing")]
pub mod native;
mod offline;
mod output;
mod ports;
mod runner;
mod selecting;
mod session;
mod start;

pub use ending::{Finished, RunStop};
pub use offline::{Onlooker, Recording, ReplayEnd, Replayed, Stage};
pub use ports::{Called, Chooser, Clock, Gone, Ledger};
pub use runner::{Job, Runner, RunnerOptions};
pub use selecting::{Asked, NoChoice};
