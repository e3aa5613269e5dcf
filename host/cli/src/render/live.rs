//! The tree on a terminal: a row for the boss, and two for each subordinate, who moves while at work.

use super::story::{Part, Stage, Story, elapsed};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The most parts that have rows; a terminal is only so high.
const MOST_ROWS: usize = 12;
/// How often what moves moves.
const TICK: Duration = Duration::from_millis(100);

/// A tree of rows, drawn on stderr.
pub(crate) struct Live {
    bars: MultiProgress,
    rows: HashMap<usize, Row>,
}

struct Row {
    began: Instant,
    head: ProgressBar,
    note: ProgressBar,
}

impl Live {
    pub(super) fn new() -> Live {
        Live {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20)),
            rows: HashMap::new(),
        }
    }

    /// Draws a part as it is now, and the boss's row, which counts.
    pub(super) fn update(&mut self, story: &Story, place: usize) {
        self.draw(story, place);
        if place != 0 {
            self.draw(story, 0);
        }
    }

    /// Leaves the rows as they are.
    pub(super) fn finish(&mut self) {
        for row in self.rows.values() {
            row.head.abandon();
            row.note.abandon();
        }
    }

    fn draw(&mut self, story: &Story, place: usize) {
        if self.rows.len() >= MOST_ROWS && !self.rows.contains_key(&place) {
            return;
        }
        let part = story.part(place);
        let bars = &self.bars;
        let row = self.rows.entry(place).or_insert_with(|| Row::new(bars));
        if row.head.is_finished() {
            return;
        }
        let indent = "  ".repeat(part.depth);
        row.head.set_prefix(indent.clone());
        row.note.set_prefix(format!("{indent}    "));
        row.note.set_message(part.note.clone());
        row.head.set_message(headline(story, part));
        if let Some(icon) = icon(part.stage) {
            let took = elapsed(row.began.elapsed().as_millis() as u64);
            row.head.set_style(ended(icon, &took));
            row.head.abandon();
            row.note.abandon();
        }
    }
}

impl Row {
    fn new(bars: &MultiProgress) -> Row {
        let head = bars.add(ProgressBar::new_spinner().with_style(moving()));
        let note = bars.add(ProgressBar::new_spinner().with_style(noting()));
        head.enable_steady_tick(TICK);
        Row {
            began: Instant::now(),
            head,
            note,
        }
    }
}

fn headline(story: &Story, part: &Part) -> String {
    if part.depth > 0 {
        let why = if part.why.is_empty() {
            String::new()
        } else {
            format!(" ({})", part.why)
        };
        return format!("{}: {}{why}", part.who, part.title);
    }
    match story.count() {
        (0, _) => format!("{}: {}", part.who, part.title),
        (all, over) => format!("{}: {} ({over} of {all} over)", part.who, part.title),
    }
}

/// The mark of an end.
fn icon(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Done => Some("✓"),
        Stage::Failed => Some("✗"),
        Stage::Cancelled => Some("-"),
        Stage::Queued | Stage::Working | Stage::Waiting => None,
    }
}

fn moving() -> ProgressStyle {
    style("{prefix}{spinner:.cyan} {wide_msg} {took}").with_key(
        "took",
        |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A row that cannot be written shows no time; nothing else depends on it.
            let _ = out.write_str(&elapsed(state.elapsed().as_millis() as u64));
        },
    )
}

fn noting() -> ProgressStyle {
    style("{prefix}{wide_msg:.dim}")
}

fn ended(icon: &str, took: &str) -> ProgressStyle {
    style(&format!("{{prefix}}{icon} {{wide_msg}} {took}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constant but for the time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        moving();
        noting();
        for stage in [Stage::Done, Stage::Failed, Stage::Cancelled] {
            ended(icon(stage).expect("it is over"), "1m02s");
        }
        assert_eq!(icon(Stage::Working), None);
    }
}
