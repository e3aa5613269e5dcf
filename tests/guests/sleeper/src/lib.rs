//! Sleeps for an hour through WASI, which the host must not allow; or asks a person and waits.
//!
//! Configuration: `{}` sleeps; `{"mode": "ask", "member": "maria", "text": "May I?",
//! "timeout_ms": 1800000}` asks, and reports the answer.

use std::time::Duration;

use adjutant_sdk::{Failure, Report, Subordinate, Task, channels};
use serde::Deserialize;

struct Sleeper;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    mode: String,
    member: String,
    text: String,
    timeout_ms: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: "sleep".into(),
            member: "somebody".into(),
            text: "May I go on?".into(),
            timeout_ms: Some(1_800_000),
        }
    }
}

impl Subordinate for Sleeper {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        if config.mode == "ask" {
            let answer = channels::ask(&config.member, &config.text, config.timeout_ms)?;
            return Ok(Report::new(answer.text));
        }
        std::thread::sleep(Duration::from_secs(3600));
        Ok(Report::new("The sleep is over."))
    }
}

adjutant_sdk::subordinate!(Sleeper);
