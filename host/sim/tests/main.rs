//! Simulated worlds, and hosts on paused time.

mod seeds;
mod stopping;
