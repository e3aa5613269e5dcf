//! Why something was not done.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It is not allowed.
    #[error("{0}")]
    Denied(String),
    /// The command itself is wrong.
    #[error("{}", sentence(.0))]
    Invalid(Vec<Violation>),
    /// It does not fit how things stand now.
    #[error("{0}")]
    Conflict(String),
    /// A limit was reached that time does not lift.
    #[error("{0}")]
    Limit(String),
    /// A queue is full: later it may go.
    #[error("{0}")]
    Busy(String),
}

impl Refusal {
    /// A single violation of the whole.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal::Invalid(vec![Violation::new(path, message)])
    }
}

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Where, as a JSON pointer; empty for the whole.
    pub path: String,
    /// What, as a sentence.
    pub message: String,
}

impl Violation {
    /// A violation at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Violation {
        Violation {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

fn sentence(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
