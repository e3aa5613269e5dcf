//! The boss's answer: Markdown for people, JSON for programs.

use adjutant_sdk::{Failure, Report, text};
use serde::Serialize;
use serde_json::Value;

/// The most bytes of one part's summary that are kept, and of all of them together.
const SUMMARY_BYTES: usize = 8 * 1024;
const SUMMARIES_BYTES: usize = 192 * 1024;
/// The most bytes of JSON that all parts' outputs together may have. What does not fit is left out;
/// it stays on the part's own ticket.
const OUTPUT_BYTES: usize = 256 * 1024;

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// Done.
    Completed,
    /// Tried, and not done.
    Failed,
    /// Cancelled by somebody else.
    Cancelled,
    /// Given up, for others were enough.
    NotNeeded,
    /// Nobody in the team fits.
    Unassigned,
}

impl Status {
    /// Whether the part is missing from what was asked for.
    pub(crate) fn is_missing(self) -> bool {
        match self {
            Status::Completed | Status::NotNeeded => false,
            Status::Failed | Status::Cancelled | Status::Unassigned => true,
        }
    }
}

/// What became of a part.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// Its title.
    pub(crate) part: String,
    /// Who did it, by id.
    pub(crate) agent: Option<String>,
    pub(crate) agent_name: Option<String>,
    /// Its ticket.
    pub(crate) ticket: Option<String>,
    pub(crate) status: Status,
    /// Its report's summary, or why there is none.
    pub(crate) summary: String,
    pub(crate) output: Option<Value>,
    /// Whether there is an output that was too large to be repeated here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) output_omitted: bool,
}

#[derive(Serialize)]
struct Output<'a> {
    parts: &'a [Outcome],
    failed: Vec<&'a str>,
}

/// The answer to the whole request. A failure where nothing of it was done.
pub(crate) fn answer(mut parts: Vec<Outcome>) -> Result<Report, Failure> {
    let most = SUMMARY_BYTES.min(SUMMARIES_BYTES / parts.len().max(1));
    let mut room = OUTPUT_BYTES;
    for part in &mut parts {
        part.summary = short(part.summary.trim(), most);
        let size = part
            .output
            .as_ref()
            .map_or(0, |output| output.to_string().len());
        if size > room {
            part.output = None;
            part.output_omitted = true;
        } else {
            room -= size;
        }
    }
    let failed: Vec<&str> = parts
        .iter()
        .filter(|part| part.status.is_missing())
        .map(|part| part.part.as_str())
        .collect();
    let summary = summary(&parts, &failed);
    let output = Output {
        parts: &parts,
        failed,
    };
    if output.failed.len() == parts.len() {
        Err(Failure::new(summary).output(&output))
    } else {
        Ok(Report::new(summary).output(&output))
    }
}

fn summary(parts: &[Outcome], failed: &[&str]) -> String {
    let mut lines = Vec::new();
    match (failed.len(), parts.len()) {
        (0, _) => {}
        (1, 1) => lines.push(format!("This failed: {}", failed[0])),
        (some, all) => {
            lines.push(format!(
                "{some} of {all} parts failed: {}",
                failed.join("; ")
            ));
        }
    }
    for (i, part) in parts.iter().enumerate() {
        if parts.len() > 1 {
            lines.push(format!("## {}. {}", i + 1, part.part));
        }
        let state = match part.status {
            Status::Completed => "done",
            Status::Failed => "**failed**",
            Status::Cancelled => "**cancelled**",
            Status::NotNeeded => "not needed any more",
            Status::Unassigned => "**nobody to do it**",
        };
        lines.push(match &part.agent_name {
            Some(name) => format!("*{name}*: {state}"),
            None => state.to_string(),
        });
        if !part.summary.is_empty() {
            lines.push(part.summary.clone());
        }
    }
    lines.join("\n\n")
}

/// The beginning of a Markdown text, its last fence closed should it have been cut inside one.
fn short(text: &str, most: usize) -> String {
    let (head, cut) = text::head(text, most);
    if !cut {
        return head.to_string();
    }
    let fences = head
        .lines()
        .filter(|line| line.trim_start().starts_with("```"))
        .count();
    let close = if fences % 2 == 1 { "\n```" } else { "" };
    format!("{head}{close}\n\n(The rest is on the part's own ticket.)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(title: &str, status: Status, summary: &str) -> Outcome {
        Outcome {
            part: title.into(),
            agent: Some("id".into()),
            agent_name: Some("ada".into()),
            ticket: Some("t".into()),
            status,
            summary: summary.into(),
            output: Some(serde_json::json!({"n": 1})),
            output_omitted: false,
        }
    }

    #[test]
    fn a_section_for_each_part_in_order() {
        let report = answer(vec![
            part("Count", Status::Completed, "12 lines"),
            part("List", Status::Completed, "none"),
        ])
        .expect("all done");
        assert_eq!(
            report.summary,
            "## 1. Count\n\n*ada*: done\n\n12 lines\n\n## 2. List\n\n*ada*: done\n\nnone"
        );
        let output: Value =
            serde_json::from_str(&report.output_json.expect("an output")).expect("JSON");
        assert_eq!(output["failed"], serde_json::json!([]));
        assert_eq!(output["parts"][1]["part"], "List");
        assert_eq!(output["parts"][1]["output"]["n"], 1);
    }

    #[test]
    fn failed_parts_are_named_first_and_the_rest_still_counts() {
        let report = answer(vec![
            part("Count", Status::Failed, "no such file"),
            part("List", Status::Completed, "none"),
            part("Sing", Status::Unassigned, "nobody can"),
        ])
        .expect("one was done");
        assert!(
            report
                .summary
                .starts_with("2 of 3 parts failed: Count; Sing\n")
        );
        let output: Value =
            serde_json::from_str(&report.output_json.expect("an output")).expect("JSON");
        assert_eq!(output["failed"], serde_json::json!(["Count", "Sing"]));
        assert_eq!(output["parts"][2]["status"], "unassigned");
    }

    #[test]
    fn nothing_done_is_a_failure() {
        let failure = answer(vec![part("Count", Status::Failed, "no")]).expect_err("nothing done");
        assert!(failure.summary.starts_with("This failed: Count"));
        assert!(failure.output_json.is_some());
    }

    #[test]
    fn parts_that_were_not_needed_are_not_missing() {
        let report = answer(vec![
            part("a", Status::Completed, ""),
            part("b", Status::NotNeeded, ""),
        ])
        .expect("any was enough");
        assert!(report.summary.starts_with("## 1. a"));
    }

    #[test]
    fn what_is_too_large_is_left_out() {
        let mut large = part(
            "a",
            Status::Completed,
            &format!("```\n{}", "x".repeat(9000)),
        );
        large.output = Some(Value::String("y".repeat(OUTPUT_BYTES)));
        let report = answer(vec![large, part("b", Status::Completed, "")]).expect("done");
        assert!(report.summary.len() < 9000 && report.summary.contains("x\n```\n"));
        let output: Value =
            serde_json::from_str(&report.output_json.expect("an output")).expect("JSON");
        assert_eq!(output["parts"][0]["output_omitted"], true);
        assert_eq!(output["parts"][1]["output"]["n"], 1);
    }
}
