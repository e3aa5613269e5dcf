//! The store on disks that are real, full, broken or damaged.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod backups;
mod conformance;
mod damage;
mod faults;
mod golden;
mod model;
mod room;
