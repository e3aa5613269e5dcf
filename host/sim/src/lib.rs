//! Simulated worlds: the real dispatcher, the real durable execution and the real store on a simulated
//! disk, with strategies, people and faults that one seed decides.
//!
//! A world has a few teams with bosses, people who make, assign, cancel and reopen tickets at the worst
//! moments, programs that report rightly and wrongly, and a machine that crashes: before a commit's
//! sync, after it and before anyone is told, at any call of the disk, or at any time; with what was not
//! synced kept, lost or torn. After each crash a new host starts on what the disk has. In the end all
//! must come to rest, and everything that anybody was promised must be there, once.
//!
//! Invariants:
//! - The same seed gives the same world, to the last stored byte: one thread, simulated time, no
//!   randomness but the seed's.
//! - Only components are replaced. What decides, journals, replays and stores is what ships.

mod actors;
mod audit;
mod dice;
mod engine;
mod life;
mod outside;
mod people;
mod script;
mod worktrees;
mod world;

pub use outside::Counts;
pub use world::{Failed, Lived, World, sweep};
