//! The form of a test: `tests/NAME.toml`.
//!
//! Of each list of answers the first entry that fits and is not used up is taken.

use adjutant_model::{Budget, Grants, ReportOutcome, Tracking, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most bytes of a test.
const MOST_BYTES: u64 = 4 << 20;
/// Milliseconds after which a scripted answer comes, unless told otherwise.
const USUAL_MS: u64 = 1_000;

/// One test: a task, and a world that answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it is about, for whoever reads it.
    #[serde(default)]
    pub about: String,
    /// The task.
    pub task: Task,
    /// The agent that has the strategy under test.
    #[serde(default)]
    pub agent: Me,
    /// Its configuration; the manifest's defaults are filled in.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Its subordinates; for a selector the candidates.
    #[serde(default)]
    pub team: Vec<Other>,
    /// Agents outside its team.
    #[serde(default)]
    pub others: Vec<Other>,
    /// What it remembers from before.
    #[serde(default)]
    pub memory: BTreeMap<String, String>,
    /// The files of its worktree. Where there are none, and no commands, there is no worktree.
    pub files: Option<BTreeMap<String, String>>,
    /// What the operator grants; all that the manifest wants, unless it is here.
    pub grants: Option<Grants>,
    /// The component that chooses for it, from the project's folder; the built-in `skills` unless named.
    pub selector: Option<PathBuf>,
    /// How delegated tickets end. One that nothing fits is completed.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// Answers to `channels.ask`.
    #[serde(default)]
    pub answers: Vec<AnswerTo>,
    /// Reports from outside, for `reporting.call-for-report`.
    #[serde(default)]
    pub external: Vec<External>,
    /// How commands end.
    #[serde(default)]
    pub commands: Vec<CommandEnd>,
    /// Host calls that fail.
    #[serde(default)]
    pub errors: Vec<Failing>,
    /// When a person cancels the ticket, while it waits.
    pub cancel_after_ms: Option<u64>,
    /// What is to come of it, beside the snapshot.
    #[serde(default)]
    pub expect: Expect,
}

/// The task.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// In a line.
    pub title: String,
    /// In full.
    #[serde(default)]
    pub description: String,
    /// For a selector: what the person asked for who started it all.
    #[serde(default)]
    pub request: String,
    /// JSON Schema of the output.
    pub schema: Option<Value>,
    /// What happens to an output that does not fulfil it.
    #[serde(default)]
    pub validation: Validation,
    /// How long it may take.
    pub deadline_ms: Option<u64>,
    /// What it and all below it may spend.
    pub budget: Option<Budget>,
}

/// The agent that has the strategy under test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Me {
    /// Its name; the plugin's unless given.
    pub name: String,
    /// Its class.
    pub class: String,
    /// What it is good at.
    pub skills: Vec<String>,
    /// About it.
    pub description: String,
}

/// Another agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// Its class.
    #[serde(default)]
    pub class: String,
    /// What it is good at.
    #[serde(default)]
    pub skills: Vec<String>,
    /// About it.
    #[serde(default)]
    pub description: String,
    /// For a selector: what it is doing.
    pub status: Option<Tracking>,
    /// For a selector: how many tickets wait for it.
    #[serde(default)]
    pub queued: u32,
}

/// How a delegated ticket ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whose; anybody's unless named. `*` stands for any text.
    pub agent: Option<String>,
    /// Of which ticket, by its title.
    pub title: Option<String>,
    /// Of which attempt, from 1.
    pub attempt: Option<u32>,
    /// How it went.
    #[serde(default = "completed")]
    pub outcome: ReportOutcome,
    /// What is said.
    #[serde(default)]
    pub summary: String,
    /// The structured result.
    pub output: Option<Value>,
    /// How long it takes.
    #[serde(default = "usual_ms")]
    pub after_ms: u64,
    /// It never reports.
    #[serde(default)]
    pub never: bool,
    /// How often this is used; without end unless given.
    pub times: Option<u32>,
}

/// An answer to a question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerTo {
    /// Who is asked.
    pub member: Option<String>,
    /// What is asked; `*` stands for any text.
    pub question: Option<String>,
    /// The answer.
    pub text: String,
    /// How long it takes.
    #[serde(default = "usual_ms")]
    pub after_ms: u64,
    /// How often this is used.
    pub times: Option<u32>,
}

/// A report from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// How it went.
    #[serde(default = "completed")]
    pub outcome: ReportOutcome,
    /// What is said.
    #[serde(default)]
    pub summary: String,
    /// The structured result.
    pub output: Option<Value>,
    /// How long it takes.
    #[serde(default = "usual_ms")]
    pub after_ms: u64,
    /// How often this is used.
    pub times: Option<u32>,
}

/// How a command ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandEnd {
    /// The command: `*` stands for one argument, a last `*` for any more.
    pub run: Vec<String>,
    /// Its exit status.
    #[serde(default)]
    pub code: i32,
    /// What it prints.
    #[serde(default)]
    pub stdout: String,
    /// What it prints to stderr.
    #[serde(default)]
    pub stderr: String,
    /// Files that it writes.
    #[serde(default)]
    pub writes: BTreeMap<String, String>,
    /// How often this is used.
    pub times: Option<u32>,
}

/// A host call that fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    /// The call, as `interface.function`.
    pub call: String,
    /// Which of them, from 1; each unless given.
    pub nth: Option<u32>,
    /// The error's case in the contract.
    pub error: Case,
    /// The error's text.
    #[serde(default)]
    pub text: String,
}

/// A case of the contract's `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented in the contract")]
pub enum Case {
    Denied,
    NotFound,
    Invalid,
    Limit,
    Cancelled,
    Deadline,
    Unavailable,
    Other,
}

/// What is to come of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// How the ticket ends; completed, unless given.
    pub outcome: Option<Outcome>,
    /// A text that the summary has in it, or of a failure the reason.
    pub summary: Option<String>,
    /// The output.
    pub output: Option<Value>,
    /// For a selector: whom it chooses, the best first.
    pub choose: Option<Vec<String>>,
}

/// How a ticket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The strategy answered with a report.
    Completed,
    /// It answered with a failure, or broke.
    Failed,
    /// It was cancelled.
    Cancelled,
}

fn completed() -> ReportOutcome {
    ReportOutcome::Completed
}

fn usual_ms() -> u64 {
    USUAL_MS
}

impl Script {
    /// Reads a test.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(path: &Path) -> Result<Script, String> {
        let shown = path.display();
        let cannot = |error: std::io::Error| format!("{shown} cannot be read: {error}");
        let size = std::fs::metadata(path).map_err(cannot)?.len();
        if size > MOST_BYTES {
            return Err(format!(
                "{shown} has {size} bytes; a test has at most {MOST_BYTES}."
            ));
        }
        let text = std::fs::read_to_string(path).map_err(cannot)?;
        toml::from_str(&text).map_err(|error| format!("{shown} is no test: {error}"))
    }
}

/// Whether a text fits a pattern in which `*` stands for any text; no pattern fits all.
pub(super) fn fits(pattern: Option<&String>, text: &str) -> bool {
    let Some(pattern) = pattern else { return true };
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_as_it_says() {
        let fits = |pattern: &str, text| fits(Some(&pattern.to_owned()), text);
        assert!(fits("part*", "part 2") && fits("*", "") && fits("a*b*c", "a-b-b-c"));
        assert!(fits("exactly", "exactly") && !fits("exactly", "exactly so"));
        assert!(!fits("a*b", "a-c") && !fits("a*bb*b", "abb"));
    }

    #[test]
    fn all_that_the_guide_says_is_understood() {
        let guide = include_str!("../../../../plugins/TESTING.md");
        let example = guide
            .split("```")
            .find_map(|block| block.strip_prefix("toml\n"));
        let script: Script = toml::from_str(example.expect("an example")).expect("a test");
        assert_eq!(script.reports[0].after_ms, 60_000);
        assert_eq!(script.errors[0].error, Case::Unavailable);
    }

    #[test]
    fn an_unknown_field_is_told_with_its_line() {
        let error = toml::from_str::<Script>("[task]\ntitle = \"x\"\ncolour = 3\n");
        let error = error.expect_err("it is wrong").to_string();
        assert!(
            error.contains("line 3") && error.contains("colour"),
            "{error}"
        );
    }
}
