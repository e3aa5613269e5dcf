//! A subordinate that does its task outside the host: a person or another program reads the message
//! with the task in the ticket's channel and reports by `POST /api/agents/{id}/report-task`.
//!
//! Configuration: `{"timeout_ms": 3600000}`; without it, it waits for as long as the ticket may take.

use adjutant_sdk::{Error, Failure, Outcome, Report, Subordinate, Task, reporting};
use serde::Deserialize;

struct External;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    timeout_ms: Option<u64>,
}

impl Subordinate for External {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        let report = match reporting::call_for_report(&task.briefing, config.timeout_ms) {
            Ok(report) => report,
            Err(Error::Deadline(text)) => return Err(Failure::new(late(config.timeout_ms, &text))),
            Err(error) => return Err(error.into()),
        };
        match report.outcome {
            Outcome::Completed => Ok(Report::new(report.summary)),
            outcome if report.summary.trim().is_empty() => Err(Failure::new(format!(
                "The task was reported from outside as {outcome}, without a summary."
            ))),
            _ => Err(Failure::new(report.summary)),
        }
    }
}

fn late(timeout_ms: Option<u64>, text: &str) -> String {
    match timeout_ms {
        Some(ms) => format!("Nobody outside reported within {ms} ms. {text}"),
        None => format!("Nobody outside reported in time. {text}"),
    }
    .trim_end()
    .to_string()
}

adjutant_sdk::subordinate!(External);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_deadline_says_how_long_it_was() {
        assert_eq!(late(Some(50), ""), "Nobody outside reported within 50 ms.");
        assert_eq!(late(None, "So."), "Nobody outside reported in time. So.");
    }
}
