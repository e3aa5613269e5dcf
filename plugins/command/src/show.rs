//! What came of the commands: Markdown for people, JSON for programs.

use std::fmt::Write as _;

use adjutant_sdk::text::head;
use adjutant_sdk::worktree::Exit;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::{Command, Format};

/// The most lines of a command's output, and rows of a table, that are shown.
const MOST_LINES: usize = 40;
/// The most bytes of a shown line.
const MOST_LINE_BYTES: usize = 400;
/// The most lines of stderr that a failure shows: the last ones.
const MOST_ERROR_LINES: usize = 20;
/// The most bytes of all that is shown.
const MOST_SUMMARY_BYTES: usize = 192 * 1024;
/// The most bytes of each stream in the JSON, and of the rows.
const MOST_BYTES: usize = 64 * 1024;
/// The most bytes of all streams and rows of all commands in the JSON.
const MOST_BYTES_IN_ALL: usize = 384 * 1024;

/// What came of one command.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    pub(crate) name: String,
    /// As one line.
    pub(crate) command: String,
    pub(crate) exit_code: Option<i32>,
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) truncated: bool,
    pub(crate) elapsed_ms: u64,
    /// The lines, or the table's rows, for the formats that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<Vec<Value>>,
    /// What is to be said of it: Markdown.
    #[serde(skip)]
    pub(crate) shown: String,
}

impl Done {
    /// A command that ended by itself. `commands` is how many there are in all: they share what the
    /// output may hold.
    pub(crate) fn ended(command: &Command, exit: &Exit, commands: usize) -> Self {
        let ok = exit
            .code
            .is_some_and(|code| command.ok_exit_codes.contains(&code));
        let rows = ok.then(|| rows(command, &exit.stdout)).flatten();
        // Stdout, stderr and rows.
        let most = MOST_BYTES.min(MOST_BYTES_IN_ALL / (3 * commands.max(1)));
        let (stdout, cut_out) = head(&exit.stdout, most);
        let (stderr, cut_err) = head(&exit.stderr, most);
        let kept = rows.as_ref().map_or(0, |rows| fitting(rows, most));
        let cut_rows = rows.as_ref().is_some_and(|rows| rows.len() > kept);
        Done {
            name: command.name.clone(),
            command: line(&command.run),
            exit_code: exit.code,
            ok,
            stdout: stdout.to_string(),
            stderr: stderr.to_string(),
            truncated: exit.truncated || cut_out || cut_err || cut_rows,
            elapsed_ms: exit.elapsed_ms,
            shown: if ok {
                good(command, exit, rows.as_deref())
            } else {
                bad(command, exit)
            },
            rows: rows.map(|mut rows| {
                rows.truncate(kept);
                rows
            }),
        }
    }

    /// A command that the host did not run, or not to its end.
    pub(crate) fn refused(command: &Command, why: &str) -> Self {
        Done {
            name: command.name.clone(),
            command: line(&command.run),
            exit_code: None,
            ok: false,
            stdout: String::new(),
            stderr: String::new(),
            truncated: false,
            elapsed_ms: 0,
            rows: None,
            shown: format!("`{}` did not run to its end: {why}", title(command)),
        }
    }

    /// How it ended, as a progress note.
    pub(crate) fn note(&self) -> String {
        let lines = self.stdout.lines().count();
        let lines = if lines == 1 {
            "1 line".to_string()
        } else {
            format!("{lines} lines")
        };
        match self.exit_code {
            Some(code) => format!("ended with {code} after {} ms, {lines}", self.elapsed_ms),
            None => format!("ended by a signal after {} ms, {lines}", self.elapsed_ms),
        }
    }
}

/// The whole summary.
pub(crate) fn summary(all: &[Done]) -> String {
    let mut room = MOST_SUMMARY_BYTES;
    let mut sections = Vec::new();
    for one in all {
        let mut shown = one.shown.as_str();
        if shown.len() > room {
            shown = "(Left out, for there is too much: see the output.)";
        } else {
            room -= shown.len();
        }
        let title = if all.len() > 1 {
            format!("### {}\n\n", one.name)
        } else {
            String::new()
        };
        sections.push(title + shown);
    }
    let failed: Vec<&str> = all
        .iter()
        .filter(|one| !one.ok)
        .map(|one| one.name.as_str())
        .collect();
    if failed.is_empty() || all.len() == 1 {
        return sections.join("\n\n");
    }
    let count = format!(
        "{} of {} commands failed: {}",
        failed.len(),
        all.len(),
        failed.join(", ")
    );
    format!("{count}\n\n{}", sections.join("\n\n"))
}

/// How many rows have so many bytes.
fn fitting(rows: &[Value], most: usize) -> usize {
    let mut room = most;
    rows.iter()
        .take_while(|row| {
            let size = row.to_string().len() + 1;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        })
        .count()
}

/// A command as one line, arguments quoted where they need it.
pub(crate) fn line(command: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+^~".contains(c);
    let quoted: Vec<String> = command
        .iter()
        .map(|part| {
            if !part.is_empty() && part.chars().all(plain) {
                part.clone()
            } else {
                format!("'{}'", part.replace('\'', "'\\''").replace('\n', "\\n"))
            }
        })
        .collect();
    quoted.join(" ")
}

fn rows(command: &Command, stdout: &str) -> Option<Vec<Value>> {
    let lines = stdout.lines().filter(|line| !line.trim().is_empty());
    match command.format {
        Format::Text => None,
        Format::Lines => Some(lines.map(|line| Value::from(line.trim_end())).collect()),
        Format::Tsv => Some(
            lines
                .map(|line| {
                    let cells = cells(line);
                    if command.columns.is_empty() {
                        return cells.into_iter().map(Value::from).collect();
                    }
                    let object: Map<String, Value> = command
                        .columns
                        .iter()
                        .enumerate()
                        .map(|(i, name)| (name.clone(), cells.get(i).copied().unwrap_or("").into()))
                        .collect();
                    Value::Object(object)
                })
                .collect(),
        ),
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split('\t').map(str::trim).collect()
}

fn good(command: &Command, exit: &Exit, rows: Option<&[Value]>) -> String {
    if exit.stdout.trim().is_empty() {
        return command
            .empty
            .clone()
            .unwrap_or_else(|| "It printed nothing.".to_string());
    }
    let mut shown = match rows {
        Some(rows) if command.format == Format::Tsv && !command.columns.is_empty() => {
            table(&command.columns, rows)
        }
        _ => block(exit.stdout.lines()),
    };
    if exit.truncated {
        shown.push_str("\n\nThe command printed more than the host keeps.");
    }
    shown
}

/// What a person is told of a command: its line where that is short, else its name. A script would
/// bury what it is about.
pub(crate) fn title(command: &Command) -> String {
    const SHORT: usize = 100;
    let run = line(&command.run);
    if run.len() <= SHORT && !command.run.iter().any(|word| word.contains('\n')) {
        run
    } else {
        command.name.clone()
    }
}

fn bad(command: &Command, exit: &Exit) -> String {
    let run = title(command);
    let mut shown = match exit.code {
        Some(code) => format!("`{run}` ended with {code} after {} ms.", exit.elapsed_ms),
        None => format!(
            "`{run}` was ended by a signal after {} ms.",
            exit.elapsed_ms
        ),
    };
    let told = if exit.stderr.trim().is_empty() {
        &exit.stdout
    } else {
        &exit.stderr
    };
    let lines: Vec<&str> = told.lines().collect();
    if !lines.is_empty() {
        let tail = &lines[lines.len().saturating_sub(MOST_ERROR_LINES)..];
        let _ = write!(shown, "\n\n{}", block(tail.iter().copied()));
    }
    shown
}

/// Lines in a fence that they cannot close.
fn block<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.collect();
    let shown = &lines[..lines.len().min(MOST_LINES)];
    let ticks = shown
        .iter()
        .map(|line| line.chars().take_while(|c| *c == '`').count())
        .max();
    let fence = "`".repeat(ticks.unwrap_or(0).max(2) + 1);
    let mut text = fence.clone();
    for line in shown {
        let (head, cut) = head(line.trim_end(), MOST_LINE_BYTES);
        let _ = write!(text, "\n{head}{}", if cut { "…" } else { "" });
    }
    let _ = write!(text, "\n{fence}");
    more(&mut text, lines.len());
    text
}

fn table(columns: &[String], rows: &[Value]) -> String {
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let cell = |text: &str| {
        let (head, cut) = head(text, MOST_LINE_BYTES);
        format!("{}{}", head.replace('|', "\\|"), if cut { "…" } else { "" })
    };
    let mut lines = vec![row(columns.iter().map(|name| cell(name)).collect())];
    lines.push(row(vec!["---".to_string(); columns.len()]));
    for one in rows.iter().take(MOST_LINES) {
        let cells = columns
            .iter()
            .map(|name| cell(one[name].as_str().unwrap_or("")))
            .collect();
        lines.push(row(cells));
    }
    let mut text = lines.join("\n");
    more(&mut text, rows.len());
    text
}

fn more(text: &mut String, all: usize) {
    if all > MOST_LINES {
        let _ = write!(text, "\n\n… {} more", all - MOST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: Value) -> Command {
        serde_json::from_value(json).expect("a command")
    }

    fn exit(code: i32, stdout: &str, stderr: &str) -> Exit {
        Exit {
            code: Some(code),
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
            elapsed_ms: 12,
        }
    }

    #[test]
    fn text_is_fenced_and_cut() {
        let grep = command(serde_json::json!({"name": "g", "run": ["git", "grep", "a b"]}));
        let done = Done::ended(&grep, &exit(0, &"x\n".repeat(50), ""), 1);
        assert_eq!(done.command, "git grep 'a b'");
        assert_eq!(done.note(), "ended with 0 after 12 ms, 50 lines");
        assert!(done.shown.starts_with("```\nx\n") && done.shown.ends_with("```\n\n… 10 more"));
        // A fence in the output does not end ours.
        let done = Done::ended(&grep, &exit(0, "```\nx\n```", ""), 1);
        assert!(done.shown.starts_with("````\n") && done.shown.ends_with("\n````"));
    }

    #[test]
    fn a_script_is_told_by_its_name() {
        let short = command(serde_json::json!({"name": "n", "run": ["git", "log"]}));
        assert_eq!(title(&short), "git log");
        let script = command(serde_json::json!({"name": "n", "run": ["sh", "-c", "a\nb"]}));
        assert_eq!(title(&script), "n");
        assert!(bad(&script, &exit(2, "", "no")).starts_with("`n` ended with 2"));
    }

    #[test]
    fn a_table_has_rows_in_both_forms() {
        let log = command(serde_json::json!({
            "name": "l", "run": ["git", "shortlog"], "format": "tsv", "columns": ["n", "who"],
        }));
        let done = Done::ended(&log, &exit(0, "  12\tAda | Co\n   3\tBob\n", ""), 1);
        assert_eq!(
            done.shown,
            "| n | who |\n| --- | --- |\n| 12 | Ada \\| Co |\n| 3 | Bob |"
        );
        assert_eq!(
            done.rows.expect("rows")[0],
            serde_json::json!({"n": "12", "who": "Ada | Co"})
        );
    }

    #[test]
    fn lines_and_cells_without_columns_are_rows_too() {
        let of = |format: &str, stdout: &str| {
            let it = command(serde_json::json!({"name": "l", "run": ["x"], "format": format}));
            Done::ended(&it, &exit(0, stdout, ""), 1).rows
        };
        assert_eq!(of("lines", "a\n\nb \n"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(
            of("tsv", "a\tb\n"),
            Some(vec![serde_json::json!(["a", "b"])])
        );
        assert_eq!(of("text", "a\n"), None);
    }

    #[test]
    fn an_allowed_code_with_nothing_printed_says_its_own_text() {
        let grep = command(serde_json::json!({
            "name": "g", "run": ["git", "grep"], "ok_exit_codes": [0, 1], "empty": "There is none.",
        }));
        let done = Done::ended(&grep, &exit(1, "", ""), 1);
        assert!(done.ok);
        assert_eq!(summary(&[done]), "There is none.");
    }

    #[test]
    fn a_failure_shows_the_end_of_stderr() {
        let make = command(serde_json::json!({"name": "m", "run": ["make"]}));
        let stderr: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let bad = Done::ended(&make, &exit(2, "", &stderr), 1);
        assert!(!bad.ok && bad.rows.is_none());
        assert!(
            bad.shown
                .starts_with("`make` ended with 2 after 12 ms.\n\n```\nline 10\n")
        );
        assert!(bad.shown.ends_with("line 29\n```"));
        let good = Done::ended(&make, &exit(0, "ok", ""), 1);
        let text = summary(&[good, bad]);
        assert!(text.starts_with("1 of 2 commands failed: m\n\n### m\n\n```\nok\n```"));
    }

    #[test]
    fn a_signal_and_a_refusal_are_failures() {
        let make = command(serde_json::json!({"name": "m", "run": ["make", ""]}));
        let mut killed = exit(0, "", "");
        killed.code = None;
        let done = Done::ended(&make, &killed, 1);
        assert!(!done.ok && done.shown.contains("ended by a signal"));
        let refused = Done::refused(&make, "`make` is not granted.");
        assert_eq!(
            refused.shown,
            "`make ''` did not run to its end: `make` is not granted."
        );
    }

    #[test]
    fn the_json_is_bounded() {
        let cat = command(serde_json::json!({"name": "c", "run": ["cat"], "format": "lines"}));
        let done = Done::ended(&cat, &exit(0, &"0123456789\n".repeat(10_000), ""), 1);
        assert!(done.truncated && done.stdout.len() <= MOST_BYTES);
        let rows = serde_json::to_string(&done.rows).expect("JSON");
        assert!(rows.len() > MOST_BYTES / 2 && rows.len() <= MOST_BYTES + 2);
        let many = Done::ended(&cat, &exit(0, &"0123456789\n".repeat(10_000), ""), 64);
        assert!(many.stdout.len() <= MOST_BYTES_IN_ALL / 64);
        let long = format!("{}\n", "x".repeat(390)).repeat(40);
        let all: Vec<Done> = (0..64)
            .map(|_| Done::ended(&cat, &exit(0, &long, ""), 64))
            .collect();
        assert!(summary(&all).len() < MOST_SUMMARY_BYTES + 64 * 100);
    }
}
