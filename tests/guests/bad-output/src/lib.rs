//! Reports an output that breaks its ticket's schema, as often as it is told.
//!
//! Configuration: `{"bad": {}, "good": {"n": 1}, "wrong_attempts": 1}`: attempts up to that number
//! report the bad output. The summary says which attempt it was and what it was told was wrong.

use adjutant_sdk::{Failure, Report, Subordinate, Task};
use serde::Deserialize;
use serde_json::Value;

struct BadOutput;

#[derive(Deserialize)]
struct Config {
    bad: Value,
    good: Value,
    wrong_attempts: u32,
}

impl Subordinate for BadOutput {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        let told: Vec<String> = task.violations.iter().map(ToString::to_string).collect();
        let wrong = task.attempt <= config.wrong_attempts;
        let summary = format!("attempt {}, told: {}", task.attempt, told.join("; "));
        Ok(Report::new(summary).output(if wrong { &config.bad } else { &config.good }))
    }
}

adjutant_sdk::subordinate!(BadOutput);
