//! Making what others wrote safe to print.
//!
//! Titles, messages, reports and output come from agents and from the programs that they run. Printed
//! as they are, they could move the cursor, set the window's title, fill the clipboard, or show other
//! words than those that are there.
//!
//! Invariant: nothing that an agent wrote reaches a terminal but through [`block`] or [`line`].

/// Text of several lines: escape sequences and control characters are left out, but for line breaks
/// and tabs.
pub(crate) fn block(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => rest = after_escape(rest),
            // The one-character forms of `ESC [` and of `ESC ]`, `ESC P`, `ESC X`, `ESC ^`, `ESC _`.
            '\u{9b}' => rest = after_control_sequence(rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => rest = after_string(rest),
            '\n' | '\t' => clean.push(c),
            // A program that redraws its line means a new one.
            '\r' => {
                if !rest.as_str().starts_with('\n') {
                    clean.push('\n');
                }
            }
            c if is_harmful(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Text for one line, at most `most` characters: line breaks and runs of spaces become one space.
pub(crate) fn line(text: &str, most: usize) -> String {
    // Cleaning looks at a bounded part: a line is short, and a message may be a megabyte.
    let end = text.floor_char_boundary(most.saturating_mul(8).max(256));
    let clean = block(&text[..end]);
    let mut line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > most || end < text.len() {
        line = line.chars().take(most.saturating_sub(1)).collect();
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    line
}

/// The first line that is not empty, as [`line`].
pub(crate) fn first_line(text: &str, most: usize) -> String {
    let clean = text
        .lines()
        .map(|one| line(one, most))
        .find(|one| !one.is_empty());
    clean.unwrap_or_default()
}

/// Control characters, and those that change the direction of text or cannot be seen.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

type Chars<'a> = std::str::Chars<'a>;

/// What follows an escape sequence, of which the escape character is gone already.
fn after_escape(mut rest: Chars<'_>) -> Chars<'_> {
    let start = rest.clone();
    match rest.next() {
        Some('[') => after_control_sequence(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => after_string(rest),
        // `ESC ( B` and the like.
        Some(' '..='/') => {
            let mut after = rest.clone();
            while let Some(c) = after.next() {
                match c {
                    ' '..='/' => {}
                    '0'..='~' => return after,
                    _ => break,
                }
            }
            rest
        }
        Some('0'..='~') => rest,
        _ => start,
    }
}

fn after_control_sequence(rest: Chars<'_>) -> Chars<'_> {
    let mut after = rest.clone();
    // Longer ones do not exist; what never ends is text.
    for _ in 0..64 {
        match after.next() {
            Some(' '..='?') => {}
            Some('@'..='~') => return after,
            _ => break,
        }
    }
    rest
}

fn after_string(rest: Chars<'_>) -> Chars<'_> {
    let mut after = rest.clone();
    for _ in 0..4_096 {
        match after.next() {
            Some('\x07' | '\u{9c}') => return after,
            Some('\x1b') => {
                if after.as_str().starts_with('\\') {
                    after.next();
                }
                return after;
            }
            Some(_) => {}
            None => break,
        }
    }
    // It never ends: losing the rest of the text would be worse than showing its letters.
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let table = [
            ("plain, ünï, 漢字, 👩‍🔧", "plain, ünï, 漢字, 👩‍🔧"),
            ("a\n\tb", "a\n\tb"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[2J\x1b[1;1Hhome", "home"),
            ("\x1b]0;title\x07after", "after"),
            ("\x1b]52;c;aGk=\x1b\\after", "after"),
            ("\x1bPq#0\x1b\\after", "after"),
            ("\x1b(Bafter", "after"),
            ("\x1bcafter", "after"),
            ("\u{9b}31mred", "red"),
            ("\u{9d}0;title\u{9c}after", "after"),
            ("10%\r20%\r\nend", "10%\n20%\nend"),
            ("a\x08\x07\0\x7fb", "ab"),
            ("safe\u{202e}txt.exe", "safetxt.exe"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("\x1b", ""),
            ("\x1b[", ""),
            ("\x1b]never ends", "never ends"),
            ("\x1b\x1b[31mred", "red"),
            ("\x1b[3\x1b[31mred", "3red"),
        ];
        for (dirty, clean) in table {
            assert_eq!(block(dirty), clean, "{dirty:?}");
        }
    }

    #[test]
    fn no_combination_of_dangerous_characters_survives() {
        let parts = [
            "\x1b", "[", "]", "\\", "0", "m", "\x07", "\u{9b}", "\u{9c}", "x", ";",
        ];
        let n = parts.len();
        for code in 0..n.pow(5) {
            let text: String = (0..5_u32).map(|i| parts[code / n.pow(i) % n]).collect();
            assert!(
                !block(&text).contains(char::is_control),
                "{text:?} became {:?}",
                block(&text)
            );
        }
    }

    #[test]
    fn a_line_is_one_line_and_short() {
        assert_eq!(line("  a\n b\t c ", 20), "a b c");
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
        assert_eq!(line("abcd efg", 6), "abcd…");
        assert_eq!(line(&"x ".repeat(10_000), 5), "x x…");
        assert_eq!(first_line("\n  \n\x1b[1mHead\x1b[0m\nmore", 20), "Head");
        assert_eq!(first_line("", 20), "");
    }
}
