//! The matrix of languages and scenarios: what the suite found, and what stands in the docs.

use crate::languages::Language;
use crate::normal::{difference, normal};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Characters of a reason that the matrix shows.
const SHOWN: usize = 1_500;

/// What came of a scenario.
#[derive(Clone, Debug)]
enum Cell {
    /// It went as it must, and this was seen.
    Seen(Value),
    /// It did not.
    Failed(String),
    /// It does not apply, for this reason.
    Not(&'static str),
}

/// The matrix while it fills.
pub(crate) struct Matrix {
    languages: Vec<Language>,
    rows: Vec<&'static str>,
    /// Languages whose components could not be made, and why.
    broken: Mutex<Vec<(&'static str, String)>>,
    cells: Mutex<HashMap<(&'static str, &'static str), Cell>>,
}

impl Matrix {
    /// An empty one.
    pub(crate) fn new(languages: &[Language]) -> Matrix {
        let rows = Vec::new();
        Matrix {
            languages: languages.to_vec(),
            rows,
            broken: Mutex::default(),
            cells: Mutex::default(),
        }
    }

    /// Makes a language's components; none, and a note of why, where they cannot be made.
    pub(crate) fn made<T>(
        &self,
        language: &Language,
        make: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|panic| {
            let broken = &mut *self.broken.lock().expect("no panic holds it");
            broken.push((language.name, words(&*panic)));
            None
        })
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, name: &'static str) {
        assert!(!self.rows.contains(&name), "two rows are called {name}");
        self.rows.push(name);
    }

    /// Does a scenario for a language, and notes what came of it.
    pub(crate) fn fill(&self, row: &'static str, language: &Language, run: impl FnOnce() -> Value) {
        let cell = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(seen) => Cell::Seen(normal(&seen, language.key)),
            Err(panic) => Cell::Failed(words(&*panic)),
        };
        self.put(row, language, cell);
    }

    /// Notes that a scenario is not for a language.
    pub(crate) fn not(&self, row: &'static str, language: &Language, why: &'static str) {
        self.put(row, language, Cell::Not(why));
    }

    fn put(&self, row: &'static str, language: &Language, cell: Cell) {
        let mut cells = self.cells.lock().expect("no panic holds it");
        cells.insert((row, language.key), cell);
    }

    /// Compares all languages with the first that a scenario went well in.
    pub(crate) fn compare(&self) {
        let mut cells = self.cells.lock().expect("no panic holds it");
        for row in &self.rows {
            let mut reference: Option<(&str, Value)> = None;
            for language in &self.languages {
                let Some(cell) = cells.get_mut(&(*row, language.key)) else {
                    continue;
                };
                let Cell::Seen(seen) = cell else { continue };
                match &reference {
                    None => reference = Some((language.name, seen.clone())),
                    Some((name, first)) => {
                        if let Some(told) = difference(seen, first, "") {
                            *cell = Cell::Failed(format!("not the same as in {name}: {told}"));
                        }
                    }
                }
            }
        }
    }

    /// What failed, and why.
    pub(crate) fn failures(&self) -> Vec<String> {
        let cells = self.cells.lock().expect("no panic holds it");
        let broken = self.broken.lock().expect("no panic holds it");
        let broken = broken.iter().map(|(name, why)| format!("{name}: {why}"));
        let mut failures: Vec<String> = broken.collect();
        for row in &self.rows {
            for language in &self.languages {
                match cells.get(&(*row, language.key)) {
                    Some(Cell::Failed(why)) => {
                        let why: String = why.chars().take(SHOWN).collect();
                        failures.push(format!("{}, {row}: {why}", language.name));
                    }
                    None => failures.push(format!("{}, {row}: it was not run", language.name)),
                    Some(Cell::Seen(_) | Cell::Not(_)) => {}
                }
            }
        }
        failures
    }

    /// The matrix as a Markdown table, and notes for what does not apply.
    pub(crate) fn markdown(&self) -> String {
        let cells = self.cells.lock().expect("no panic holds it");
        let mut notes: Vec<&str> = Vec::new();
        let names: Vec<&str> = self
            .languages
            .iter()
            .map(|language| language.name)
            .collect();
        let mut table = format!(
            "| scenario | {} |\n|---|{}\n",
            names.join(" | "),
            ":-:|".repeat(names.len())
        );
        for row in &self.rows {
            let shown =
                self.languages
                    .iter()
                    .map(|language| match cells.get(&(*row, language.key)) {
                        Some(Cell::Seen(_)) => "pass".to_owned(),
                        Some(Cell::Not(why)) => {
                            let at =
                                notes
                                    .iter()
                                    .position(|note| note == why)
                                    .unwrap_or_else(|| {
                                        notes.push(why);
                                        notes.len() - 1
                                    });
                            format!("– ({})", at + 1)
                        }
                        Some(Cell::Failed(_)) | None => "FAIL".to_owned(),
                    });
            let shown: Vec<String> = shown.collect();
            let _ = writeln!(table, "| {row} | {} |", shown.join(" | "));
        }
        for (at, note) in notes.iter().enumerate() {
            let _ = write!(table, "\n({}) {note}\n", at + 1);
        }
        table
    }
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked without a word".to_owned())
}
