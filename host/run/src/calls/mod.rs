//! The host calls: one file for each WIT interface. Each turns the guest's words into a
//! [`Call`](adjutant_model::Call), has the session answer it, and turns the answer back.

mod channels;
mod delegation;
mod memory;
mod reporting;
mod tickets;
mod worktree;

use crate::session::Session;
use adjutant_component::bindings::types;
use sha2::{Digest, Sha256};

// The shared types have no functions.
impl types::Host for Session {}

/// Names content in a journal entry.
fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold(String::from("sha256:"), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

/// Ends a host call early where the guest's words make no sense: the failure is a value.
macro_rules! converted {
    ($conversion:expr) => {
        match $conversion {
            Ok(value) => value,
            Err(error) => return Ok(Err(crate::convert::error(error))),
        }
    };
}

/// Turns a reply of the expected kind into the guest's answer.
macro_rules! answer {
    ($reply:expr, $pattern:pat => $value:expr) => {
        match $reply {
            Ok($pattern) => Ok($value),
            Ok(other) => Err(crate::convert::unexpected(&other)),
            Err(error) => Err(crate::convert::error(error)),
        }
    };
}

use {answer, converted};
