//! Runs with the real engine and a journal in memory.

mod authority;
mod common;
mod effects;
mod offline;
mod replay;
