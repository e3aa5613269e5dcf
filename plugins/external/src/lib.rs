//! A subordinate that does its task outside the host: a person or another program reads the message
//! with the task in the ticket's channel and reports by `POST /api/agents/{id}/report-task`.
//!
//! Configuration: `{"timeout_ms": 3600000}`; without it, it waits for as long as the ticket may take.

use adjutant_sdk::reporting::{self, ExternalReport};
use adjutant_sdk::{Error, Failure, Outcome, Report, Subordinate, Task};
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
        ending(report)
    }
}

/// What was reported outside, as this agent's own report: its output goes to the host as it is, which
/// checks it.
fn ending(report: ExternalReport) -> Result<Report, Failure> {
    let ExternalReport {
        outcome,
        summary,
        output_json,
    } = report;
    match outcome {
        Outcome::Completed => Ok(Report {
            summary,
            output_json,
        }),
        _ => Err(Failure {
            summary: if summary.trim().is_empty() {
                format!("The task was reported from outside as {outcome}, without a summary.")
            } else {
                summary
            },
            output_json,
        }),
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

    fn report(outcome: Outcome, summary: &str) -> ExternalReport {
        ExternalReport {
            outcome,
            summary: summary.to_string(),
            output_json: Some("{\"n\":1}".to_string()),
        }
    }

    #[test]
    fn an_output_from_outside_is_handed_on_well_or_badly() {
        let well = ending(report(Outcome::Completed, "")).expect("it is completed");
        assert_eq!(well.output_json.as_deref(), Some("{\"n\":1}"));
        let badly = ending(report(Outcome::Failed, " ")).expect_err("it failed");
        assert_eq!(badly.output_json.as_deref(), Some("{\"n\":1}"));
        assert!(badly.summary.ends_with("as failed, without a summary."));
    }

    #[test]
    fn a_missed_deadline_says_how_long_it_was() {
        assert_eq!(late(Some(50), ""), "Nobody outside reported within 50 ms.");
        assert_eq!(late(None, "So."), "Nobody outside reported in time. So.");
    }
}
