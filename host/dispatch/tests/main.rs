//! Whole hosts in this process.

mod common;
mod disks;
mod pages;
mod payloads;
mod plugin_changes;
mod plugin_removal;
mod plugins;
mod spine;
