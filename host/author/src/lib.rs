//! The author's tools: what `adjutant plugin` does on the author's own machine.
//!
//! A [`Project`] is a folder with a `plugin.toml` and sources, in any [`Language`]. [`build::build`]
//! makes a component of it, which carries its manifest and fits its world.
//!
//! Invariants:
//! - A project holds only its own sources: the contract and the SDK come from this binary
//!   ([`embedded`]) and are written into `.adjutant/` of the project.
//! - Tools come pinned, once for each user, and are whole or not there at all ([`toolchain`]).
//! - Nothing here talks to a host.

pub mod build;
pub mod check;
mod contract;
pub mod dev;
pub mod embedded;
mod language;
pub mod progress;
pub mod project;
pub mod section;
pub mod template;
pub mod testing;
pub mod toolchain;

pub use language::Language;
pub use progress::Progress;
pub use project::Project;
