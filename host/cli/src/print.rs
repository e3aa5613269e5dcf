//! Writing to the standard output: text, tables, or JSON.
//!
//! Invariant: a reader that goes away early (`| head`) is no error to complain of.

use crate::clean;
use crate::exit::{Error, Result};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};
use std::pin::pin;
use std::time::Duration;

/// Prints lines. The text is printed as it is: clean it before.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{end}")
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Error::Closed,
            _ => Error::Failed(format!("the standard output cannot be written: {error}")),
        })
}

/// Does what may take long, and says at a terminal what that is as soon as it does.
pub(crate) async fn meanwhile<T>(what: &str, work: impl Future<Output = T>) -> T {
    /// How long nobody needs to be told.
    const PATIENCE: Duration = Duration::from_millis(700);
    let say = || {
        if std::io::stderr().is_terminal() {
            eprintln!("note: {what}");
        }
    };
    told_after(PATIENCE, say, work).await
}

async fn told_after<T>(patience: Duration, say: impl FnOnce(), work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(patience, &mut work).await {
        return done;
    }
    say();
    work.await
}

/// Prints a document of JSON, for programs: control characters are escaped in it by its syntax.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    text(&serde_json::to_string_pretty(value).map_err(unwritable)?)
}

/// Prints a document of JSON as one line, as one of many.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    text(&serde_json::to_string(value).map_err(unwritable)?)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Failed(format!("the answer cannot be written as JSON: {error}"))
}

/// Rows below a header, as wide as their content or as the terminal; cells are cleaned.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    /// Characters of a cell that are shown at most.
    const MOST: usize = 200;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| clean::line(cell, MOST)));
    }
    if let Some(width) = width {
        table
            .set_width(width)
            .set_content_arrangement(ContentArrangement::Dynamic);
        // An id that is broken over two lines cannot be copied.
        if header.first() == Some(&"ID") {
            table.set_constraints([ColumnConstraint::LowerBoundary(Width::Fixed(38))]);
        }
    }
    let text = table.trim_fmt();
    // The first column begins where the line does.
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    lines.join("\n")
}

/// The terminal's width, where the standard output is one.
pub(crate) fn width() -> Option<u16> {
    let terminal = console::Term::stdout();
    terminal.is_term().then(|| terminal.size().1)
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn only_what_takes_long_is_told_of() {
        let never = || panic!("it is done at once");
        assert_eq!(
            told_after(Duration::from_secs(3_600), never, async { 7 }).await,
            7
        );
        // It ends when it was told of, and not before.
        let (said, heard) = tokio::sync::oneshot::channel();
        let say = || said.send(7).expect("somebody waits");
        assert_eq!(told_after(Duration::ZERO, say, heard).await, Ok(7));
    }

    use super::*;

    #[test]
    fn cells_are_cleaned_and_ids_stay_whole() {
        let id = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";
        let rows = [vec![
            id.to_owned(),
            "\x1b[31mCount\nthe lines of everything\x1b[0m".to_owned(),
        ]];
        let table = table(&["ID", "TITLE"], &rows, Some(60));
        assert!(table.contains(id), "{table}");
        assert!(!table.contains('\x1b'), "{table}");
        assert!(
            table.lines().all(|line| line.chars().count() <= 60),
            "{table}"
        );
    }
}
