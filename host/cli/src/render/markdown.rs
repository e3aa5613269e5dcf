//! A light touch on Markdown for terminals: tables get even columns. All else reads well as it is.

use console::measure_text_width;

/// The most characters that a column is widened to; longer cells stick out.
const WIDEST: usize = 60;

/// The same text with the columns of its tables made even. Expects clean text.
pub(crate) fn align_tables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut table: Vec<Vec<&str>> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let mark = fence_of(line);
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if mark.starts_with(open) => fence = None,
            _ => {}
        }
        match row(line).filter(|_| fence.is_none()) {
            Some(cells) => table.push(cells),
            None => {
                write(&mut out, &mut table);
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    write(&mut out, &mut table);
    out
}

/// The run of backticks or tildes that begins or ends a block of code.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let end = line.find(|c| c != mark).unwrap_or(line.len());
    (end >= 3).then(|| &line[..end])
}

/// The cells of a table's row.
fn row(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.trim_end().strip_suffix('|')?;
    let mut cells = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if c == '|' && !escaped {
            cells.push(inner[start..at].trim());
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    cells.push(inner[start..].trim());
    Some(cells)
}

fn write(out: &mut String, table: &mut Vec<Vec<&str>>) {
    let is_rule = |cell: &str| cell.len() >= 3 && cell.chars().all(|c| matches!(c, '-' | ':'));
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = table.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|cell| measure_text_width(cell));
            widths.filter(|width| *width <= WIDEST).max().unwrap_or(3)
        })
        .collect();
    for row in table.drain(..) {
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let fill = width.saturating_sub(measure_text_width(cell));
            let filler = if is_rule(cell) { "-" } else { " " };
            out.push_str("| ");
            out.push_str(cell);
            out.push_str(&filler.repeat(fill));
            out.push(' ');
        }
        out.push_str("|\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_even_and_all_else_stays() {
        let text = "# Head\n\n| language | n |\n| --- | --- |\n| Rust | 12345 |\n| a \\| b | 漢字 |\nEnd\n";
        let even = "# Head\n\n\
                    | language | n     |\n\
                    | -------- | ----- |\n\
                    | Rust     | 12345 |\n\
                    | a \\| b   | 漢字  |\n\
                    End\n";
        assert_eq!(align_tables(text), even);
        let code = "````\n| a | b |\n```\n| long | b |\n````\n| a |\n";
        assert_eq!(align_tables(code), code);
        assert_eq!(align_tables(""), "");
    }

    #[test]
    fn a_long_cell_does_not_widen_the_others() {
        let long = "x".repeat(200);
        let even = align_tables(&format!("| a | b |\n| {long} | c |"));
        assert_eq!(even, format!("| a | b |\n| {long} | c |\n"));
    }
}
