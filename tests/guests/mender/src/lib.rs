//! Hands in a bad output, takes the violations, and hands in a good one.
//!
//! Configuration: `{"bad": {}, "good": {"n": 1}}`. Its report has no output of its own, so that the one
//! that was accepted counts; its summary names the violations.

use adjutant_sdk::{Error, Failure, Report, Subordinate, Task, reporting};
use serde::Deserialize;
use serde_json::Value;

struct Mender;

#[derive(Deserialize)]
struct Config {
    bad: Value,
    good: Value,
}

impl Subordinate for Mender {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        let violations = match reporting::submit_output(&config.bad.to_string()) {
            Ok(()) => return Err(Failure::new("The bad output was accepted.")),
            Err(Error::Invalid(violations)) => violations,
            Err(error) => return Err(error.into()),
        };
        reporting::submit_output(&config.good.to_string())?;
        let mended: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Ok(Report::new(format!("mended: {}", mended.join("; "))))
    }
}

adjutant_sdk::subordinate!(Mender);
