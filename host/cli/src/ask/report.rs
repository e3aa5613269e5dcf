//! What came of a request: for people, and as the one document that `--json` prints.

use crate::clean;
use crate::client::{TicketNode, TicketView};
use crate::render::{align_tables, elapsed};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// What came of a request.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether all of it was done.
    pub(super) ok: bool,
    ticket: String,
    status: String,
    summary: String,
    output: Option<Value>,
    /// Titles of the parts that were not done.
    failed: Vec<String>,
    parts: Vec<Part>,
    branches: Vec<Left>,
    elapsed_ms: u64,
    /// Where the private host's data is, if it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
}

/// A part that the boss gave to someone.
#[derive(Debug, Serialize)]
struct Part {
    ticket: String,
    title: String,
    agent: Option<String>,
    reason: Option<String>,
    confidence: Option<String>,
    status: String,
    summary: String,
    output: Option<Value>,
}

/// A branch with work.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Left {
    repo: String,
    branch: String,
}

impl Report {
    pub(super) fn new(tree: &TicketNode, took: Duration, data: Option<PathBuf>) -> Report {
        let root = &tree.ticket;
        let failed = failed(tree);
        let mut branches = Vec::new();
        collect_branches(tree, &mut branches);
        Report {
            ok: root.status == "done" && failed.is_empty(),
            ticket: root.id.to_string(),
            status: root.status.clone(),
            summary: root.summary.clone(),
            output: root.output.clone(),
            failed,
            parts: tree
                .children
                .iter()
                .map(|node| part(&node.ticket))
                .collect(),
            branches,
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            data,
        }
    }

    /// For people: the boss's answer, then where the work is.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{}\n", align_tables(&clean::block(&self.summary)).trim());
        if !self.branches.is_empty() {
            text.push_str("\nBranches:\n");
            for left in &self.branches {
                let left = format!("{} in {}", left.branch, left.repo);
                let _ = writeln!(text, "  {}", clean::line(&left, 300));
            }
        }
        let _ = write!(text, "\n{} after {}", self.status, elapsed(self.elapsed_ms));
        if let Some(data) = &self.data {
            let _ = write!(text, ", data kept in {}", data.display());
        }
        text
    }

    /// Why it is no success, as a sentence.
    pub(super) fn failure(&self) -> Option<String> {
        let named: Vec<String> = self
            .failed
            .iter()
            .map(|title| format!("\"{}\"", clean::line(title, 100)))
            .collect();
        match (self.ok, named.is_empty()) {
            (true, _) => None,
            (false, true) => Some(format!("the request is {}, not done", self.status)),
            (false, false) => Some(format!("not done: {}", named.join(", "))),
        }
    }
}

/// The parts that were not done: those that the boss names, or else all that failed. A boss may have
/// had a failed part done again, and only the boss knows.
fn failed(tree: &TicketNode) -> Vec<String> {
    let named = tree
        .ticket
        .output
        .as_ref()
        .and_then(|output| output.get("failed"))
        .and_then(Value::as_array);
    match named {
        Some(named) => named.iter().map(name).collect(),
        None => tree
            .children
            .iter()
            .filter(|node| matches!(node.ticket.status.as_str(), "failed" | "cancelled"))
            .map(|node| node.ticket.title.clone())
            .collect(),
    }
}

fn name(part: &Value) -> String {
    let field = |name: &str| part.get(name).and_then(Value::as_str);
    part.as_str()
        .or_else(|| field("part"))
        .or_else(|| field("title"))
        .or_else(|| field("name"))
        .map_or_else(|| part.to_string(), ToOwned::to_owned)
}

fn part(ticket: &TicketView) -> Part {
    let choice = ticket.choice.as_ref();
    Part {
        ticket: ticket.id.to_string(),
        title: ticket.title.clone(),
        agent: ticket.assignee.as_ref().map(|agent| agent.name.clone()),
        reason: choice.map(|choice| choice.reason.clone()),
        confidence: choice.map(|choice| choice.confidence.clone()),
        status: ticket.status.clone(),
        summary: ticket.summary.clone(),
        output: ticket.output.clone(),
    }
}

fn collect_branches(node: &TicketNode, all: &mut Vec<Left>) {
    let own = node.ticket.branches.iter().map(|branch| Left {
        repo: branch.repo.clone(),
        branch: branch.branch.clone(),
    });
    all.extend(own);
    for child in &node.children {
        collect_branches(child, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(status: &str, output: &Value, children: &[(&str, &str)]) -> TicketNode {
        let id = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";
        let children: Vec<Value> = children
            .iter()
            .map(|(title, status)| {
                json!({"children": [], "ticket": {
                    "id": id, "title": title, "status": status, "summary": "x",
                    "assignee": {"id": "a", "name": "counter"},
                    "choice": {"reason": "fits", "confidence": "high"},
                    "branches": [{"repo": "app", "branch": "adjutant/1", "commit": "c"}]
                }})
            })
            .collect();
        let summary = "All \u{1b}[31mred\u{1b}[0m.";
        serde_json::from_value(json!({"children": children, "ticket": {
            "id": id, "title": "t", "status": status, "summary": summary, "output": output
        }}))
        .expect("a tree")
    }

    fn report(tree: &TicketNode) -> Report {
        Report::new(tree, Duration::from_millis(1_250), None)
    }

    #[test]
    fn it_is_ok_only_where_all_is_done() {
        let named = json!({"failed": ["List"]});
        let none = json!({"failed": []});
        let objects = json!({"failed": [{"part": "List", "why": "x"}, 3]});
        // The boss's status and output, the parts with theirs, and what follows.
        type Case<'a> = (
            &'a str,
            &'a Value,
            &'a [(&'a str, &'a str)],
            bool,
            &'a [&'a str],
        );
        let table: &[Case<'_>] = &[
            ("done", &none, &[("Count", "done")], true, &[]),
            // It was done again by someone else.
            (
                "done",
                &none,
                &[("Count", "failed"), ("Count", "done")],
                true,
                &[],
            ),
            ("done", &named, &[("List", "failed")], false, &["List"]),
            ("done", &objects, &[], false, &["List", "3"]),
            (
                "done",
                &Value::Null,
                &[("Count", "failed")],
                false,
                &["Count"],
            ),
            ("done", &Value::Null, &[("Count", "done")], true, &[]),
            ("failed", &Value::Null, &[], false, &[]),
            ("cancelled", &none, &[], false, &[]),
        ];
        for (status, output, children, ok, failed) in table {
            let report = report(&tree(status, output, children));
            assert_eq!(report.ok, *ok, "{status} {output}");
            assert_eq!(report.failed, *failed, "{status} {output}");
            assert_eq!(report.failure().is_none(), *ok, "{status} {output}");
        }
    }

    #[test]
    fn people_get_the_answer_and_the_branches() {
        let done = report(&tree("done", &Value::Null, &[("Count", "done")]));
        assert_eq!(
            done.text(),
            "\nAll red.\n\nBranches:\n  adjutant/1 in app\n\ndone after 01.2s"
        );
        let failed = report(&tree("done", &json!({"failed": ["A\nb", "C"]}), &[]));
        assert_eq!(
            failed.failure().as_deref(),
            Some("not done: \"A b\", \"C\"")
        );
    }

    #[test]
    fn programs_get_one_document() {
        let tree = tree("done", &json!({"n": 1}), &[("Count", "done")]);
        let document = serde_json::to_value(report(&tree)).expect("JSON");
        insta::assert_json_snapshot!(document);
    }
}
