//! The world outside as it is: real git, real commands, a real registry.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod commands;
mod files;
mod provisioning;
mod registry;
mod support;
mod worktrees;
