//! The component runtime: compile, verify, cache, instantiate, limit and bind.
//!
//! It knows the contract (`wit/`) and wasmtime, and nothing of tickets, stores or journals: what a
//! host call *does* is up to whoever implements the traits in [`bindings`].
//!
//! The way through it:
//!
//! 1. [`Engine::new`] sets up one wasmtime engine with one configuration.
//! 2. [`Engine::load`] turns bytes into a verified [`Component`], or says everything that is wrong.
//! 3. [`Engine::prepare`] links it against a host; the result is kept and shared per digest.
//! 4. [`Prepared::work`] or [`PreparedSelector::choose`] is one call in one fresh store.
//!
//! Invariants:
//!
//! - No guest can stop the host. Guest code yields every 2 ms and is ended past its guest time;
//!   memory, tables, handles, output and the data of a host call are limited; a store is never used
//!   twice.
//! - Same seed, same clock readings set by the host, same answers to host calls: same run. Clock and
//!   randomness come from [`Context`], NaNs are canonical, and a guest cannot sleep.
//! - Dropping the future of a call at any await point frees all that it held.
//! - Only machine code that this host compiled itself is ever loaded. Compiling stops nobody: it
//!   happens in a process of its own, within limits, where the host has given its program.

mod artifact;
pub mod bench;
pub mod bindings;
mod canned;
mod clock;
mod compile;
mod component;
mod contract;
mod engine;
mod guest;
mod guests;
mod limits;
mod native;
mod output;
mod permits;
mod prepared;
mod queue;
mod section;
mod shares;
mod stop;
mod typediff;

pub use clock::GuestClock;
pub use compile::{Bounds, COMPILE_COMMAND, Compiler, compile_component};
pub use component::{Component, LoadError, World};
pub use contract::{Fault, contract_versions};
pub use engine::{Allocation, Engine, EngineError, EngineOptions, TICK, check};
pub use guest::{AgentHost, Context};
pub use guests::{GuestTask, TaskLost};
pub use limits::{GuestLimits, GuestTime};
pub use output::{GuestOutput, NoOutput, Stream};
pub use permits::{Owner, Permit, Permits};
pub use prepared::{Prepared, PreparedSelector};
pub use section::{SectionError, custom_section};
pub use stop::{HostStop, Stop};

/// What a host call gives back to wasmtime: `Err` ends the run. Use [`HostStop`] for the error.
pub type HostResult<T> = wasmtime::Result<T>;

/// What a host call fails with: made from a [`HostStop`].
pub type HostError = wasmtime::Error;
