//! The coordinator's configuration.

use adjutant_sdk::delegation::Join;
use serde::Deserialize;
use serde_json::Value;

/// The configuration of an agent that uses this strategy. All of it is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// When the wait for the parts is over.
    pub(crate) join: Wait,
    /// How long each part may take, in milliseconds.
    pub(crate) part_deadline_ms: Option<u64>,
    /// How often a failed part is given to another member.
    pub(crate) retry_failed: u32,
    /// The parts, where they do not come from the request.
    pub(crate) parts: Vec<Part>,
}

/// `"all"`, `"any"`, `{"quorum": n}` or `{"deadline_ms": n}`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wait {
    /// For all parts.
    #[default]
    All,
    /// For the first that is completed.
    Any,
    /// For so many that are completed.
    Quorum(u32),
    /// For so many milliseconds.
    DeadlineMs(u64),
}

impl Wait {
    /// The same for a stage of `parts` parts: a quorum cannot be larger.
    pub(crate) fn join(self, parts: usize) -> Join {
        match self {
            Wait::All => Join::All,
            Wait::Any => Join::Any,
            Wait::Quorum(n) => Join::Quorum(n.min(u32::try_from(parts).unwrap_or(u32::MAX))),
            Wait::DeadlineMs(ms) => Join::Deadline(ms),
        }
    }

    /// Whether parts that are still under way when the wait is over are not needed any more.
    pub(crate) fn first_ones_are_enough(self) -> bool {
        matches!(self, Wait::Any | Wait::Quorum(_))
    }
}

/// A configured part: its text, or more about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Part {
    /// What is asked.
    Text(String),
    /// What is asked, and how.
    Full {
        /// What is asked, in short.
        title: String,
        /// All that there is to know; the title where it is missing.
        description: Option<String>,
        /// The member meant to do it, by id or name.
        to: Option<String>,
        /// The JSON Schema of its output.
        schema: Option<Value>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "join": {"quorum": 5}, "part_deadline_ms": 10, "retry_failed": 1,
            "parts": ["a", {"title": "b", "to": "ada"}],
        }))
        .expect("it is valid");
        assert_eq!(config.join.join(3), Join::Quorum(3));
        assert_eq!(config.parts.len(), 2);
        let join = |text| serde_json::from_str::<Wait>(text).expect("it is valid");
        assert_eq!(join("\"any\""), Wait::Any);
        assert_eq!(join("{\"deadline_ms\": 7}").join(1), Join::Deadline(7));
        assert!(serde_json::from_str::<Config>("{\"retries\": 1}").is_err());
    }
}
