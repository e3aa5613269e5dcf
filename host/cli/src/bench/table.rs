//! The figures for people.

use super::Line;
use super::waiting::Figure;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::Write as _;

pub(crate) fn render(lines: &[Line]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "workload",
        "at once",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU ms each",
        "redb alone/s",
        "of it",
        "components alone/s",
        "of it",
    ]);
    for line in lines {
        let rate = line.figures.requests_per_s;
        table.add_row([
            line.workload.to_owned(),
            line.at_once.to_string(),
            format!("{rate:.0}"),
            format!("{:.1}", line.figures.p50_ms),
            format!("{:.1}", line.figures.p99_ms),
            format!("{:.2}", line.figures.cpu_ms_per_request),
            format!("{:.0}", line.redb_per_s),
            format!("{:.0} %", 100.0 * rate / line.redb_per_s),
            format!("{:.0}", line.wasm_per_s),
            format!("{:.0} %", 100.0 * rate / line.wasm_per_s),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for line in lines.iter().filter(|line| line.at_once == lines[0].at_once) {
        let _ = writeln!(
            text,
            "{}: {:.1} batches, {:.0} records and {:.0} bytes to the store for each request",
            line.workload,
            line.batches_per_request,
            line.records_per_request,
            line.bytes_per_request
        );
    }
    text.push_str(
        "redb alone: the same records and bytes, one durable commit for each request, as many in a \
         group as are at once.\ncomponents alone: the same components instantiated and called, with a \
         host that answers at once.\n",
    );
    text
}

/// Single figures, each beside its goal.
pub(crate) fn figures(figures: &[Figure]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["workload", "figure", "value", "goal", "of it"]);
    for figure in figures {
        let goal = figure
            .goal
            .map_or_else(String::new, |goal| format!("< {}", number(goal)));
        let of_goal = figure
            .of_goal
            .map_or_else(String::new, |of| format!("{:.0} %", 100.0 * of));
        table.add_row([
            figure.workload.to_owned(),
            figure.figure.to_owned(),
            number(figure.value),
            goal,
            of_goal,
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

/// As many digits as say something.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}
