//! The configuration: which commands there are, and which of them a task asks for.

use adjutant_sdk::text::{stem, words};
use serde::Deserialize;

/// The most commands of one configuration.
pub(crate) const MOST_COMMANDS: usize = 64;

/// An agent's commands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// In the order in which they run.
    pub(crate) commands: Vec<Command>,
    /// Whether the first command that fails is the last one.
    #[serde(default)]
    pub(crate) stop_on_failure: bool,
}

/// One command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// For people.
    pub(crate) name: String,
    /// The program, then its arguments. No shell reads them.
    pub(crate) run: Vec<String>,
    /// Words or phrases; the command is for tasks that hold one of them.
    #[serde(default, rename = "match")]
    pub(crate) keywords: Vec<String>,
    /// Exit codes that are no failure.
    #[serde(default = "zero")]
    pub(crate) ok_exit_codes: Vec<i32>,
    /// How long it may take; the host's own limit where there is none.
    pub(crate) timeout_ms: Option<u64>,
    /// What to say when it ends well and prints nothing.
    pub(crate) empty: Option<String>,
    /// What it prints.
    #[serde(default)]
    pub(crate) format: Format,
    /// The columns of `tsv`; without them the rows are lists.
    #[serde(default)]
    pub(crate) columns: Vec<String>,
}

/// What a command prints.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One thing on each line.
    Lines,
    /// Cells separated by tabs.
    Tsv,
}

fn zero() -> Vec<i32> {
    vec![0]
}

impl Config {
    /// Why the configuration cannot be used, if it cannot.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.commands.is_empty() {
            return Some("it names no command".into());
        }
        if self.commands.len() > MOST_COMMANDS {
            return Some(format!("it has more than {MOST_COMMANDS} commands"));
        }
        let bad = self
            .commands
            .iter()
            .find(|command| command.run.is_empty())?;
        Some(format!("command \"{}\" has an empty `run`", bad.name))
    }

    /// The commands that a task asks for: those with a keyword in it, or all where none has.
    pub(crate) fn asked_for(&self, task: &str) -> Vec<&Command> {
        let task = stems(task);
        let matching: Vec<&Command> = self
            .commands
            .iter()
            .filter(|command| {
                command
                    .keywords
                    .iter()
                    .any(|keyword| holds(&task, &stems(keyword)))
            })
            .collect();
        if matching.is_empty() {
            self.commands.iter().collect()
        } else {
            matching
        }
    }
}

fn stems(text: &str) -> Vec<String> {
    words(text).iter().map(|word| stem(word)).collect()
}

fn holds(words: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty() && words.windows(phrase.len()).any(|window| window == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        serde_json::from_str(
            r#"{"commands": [
                {"name": "a", "run": ["a"], "match": ["TODO", "open ends"]},
                {"name": "b", "run": ["b"], "match": ["author"], "format": "tsv"},
                {"name": "c", "run": ["c"]}
            ]}"#,
        )
        .expect("it is valid")
    }

    fn names(task: &str) -> Vec<String> {
        config()
            .asked_for(task)
            .into_iter()
            .map(|command| command.name.clone())
            .collect()
    }

    #[test]
    fn keywords_choose_and_without_one_all_run() {
        assert_eq!(names("List all todos"), ["a"]);
        assert_eq!(names("authors, please; mind the open ends"), ["a", "b"]);
        assert_eq!(names("the open and the ends"), ["a", "b", "c"]);
    }

    #[test]
    fn defaults_and_problems() {
        let config = config();
        assert_eq!(config.commands[0].ok_exit_codes, [0]);
        assert_eq!(config.commands[1].format, Format::Tsv);
        assert_eq!(config.problem(), None);
        let empty: Config = serde_json::from_str(r#"{"commands": []}"#).expect("it is valid");
        assert_eq!(empty.problem().as_deref(), Some("it names no command"));
        let no_run: Config =
            serde_json::from_str(r#"{"commands": [{"name": "x", "run": []}]}"#).expect("valid");
        assert_eq!(
            no_run.problem().as_deref(),
            Some("command \"x\" has an empty `run`")
        );
    }
}
