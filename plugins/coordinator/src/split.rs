//! Splits a request into parts that can be worked on by themselves.
//!
//! A list's items are parts, and so are lines, sentences, and what `;` separates. Code, quotes,
//! brackets, file names, addresses and abbreviations stay whole. A request of one part stays one.
//! Nothing is rewritten: a part is a piece of the request, without its bullet or number.

/// A piece of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// What is asked.
    pub(crate) text: String,
    /// Whether it says that it comes after the piece before it.
    pub(crate) later: bool,
}

/// Endings with a full stop that end no sentence.
const ABBREVIATIONS: &str = "e.g. i.e. cf. vs. mr. mrs. ms. dr. prof. no. nr. fig. sec. approx. incl. \
    excl. resp. st. min. max. ca. al. ed. eds. pp. vol. z.b. d.h. bzw.";

/// Sentences that ask for nothing.
const PLEASANTRIES: [&str; 9] = [
    "hi",
    "hello",
    "hey",
    "thanks",
    "thank you",
    "many thanks",
    "thanks a lot",
    "please",
    "cheers",
];

/// The most characters of a quote; what opens and does not close within them is no quote.
const LONGEST_QUOTE: usize = 4_000;

/// How a piece begins that comes after the one before it.
const LATER: [&str; 7] = [
    "then ",
    "then, ",
    "after that",
    "afterwards",
    "finally",
    "once that is done",
    "when that is done",
];

/// The parts of a request, in its order.
pub(crate) fn split(request: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for block in blocks(request) {
        for sentence in sentences(&block) {
            let text = sentence.trim().to_string();
            let plain = text
                .trim_end_matches(['.', '!', '?', ';', ',', ' '])
                .to_lowercase();
            let pleasant = PLEASANTRIES.contains(&plain.as_str());
            if pleasant || !text.contains(char::is_alphanumeric) {
                continue;
            }
            let later = !pieces.is_empty() && LATER.iter().any(|word| plain.starts_with(word));
            pieces.push(Piece { text, later });
        }
    }
    pieces
}

/// Lines that belong together: a list's item with its continuation, a wrapped paragraph, a fence.
fn blocks(request: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut fenced = false;
    let mut open = false;
    let has_list = request.lines().any(|line| item(line).is_some());
    for line in request.lines() {
        let trimmed = line.trim();
        let fence = trimmed.starts_with("```") || trimmed.starts_with("~~~");
        if fenced || (fence && !blocks.is_empty()) {
            // A fence belongs to what introduces it.
            append(&mut blocks, line);
            if fence {
                fenced = !fenced;
            }
            open = false;
        } else if fence {
            fenced = true;
            blocks.push(line.to_string());
        } else if trimmed.is_empty() {
            open = false;
        } else if let Some(text) = item(line) {
            blocks.push(text.to_string());
            open = true;
        } else if has_list && trimmed.ends_with(':') || trimmed.starts_with('#') {
            // What introduces a list, or a heading, asks for nothing by itself.
            open = false;
        } else if open && continues(line, trimmed) {
            append(&mut blocks, trimmed);
        } else {
            blocks.push(trimmed.to_string());
            open = true;
        }
    }
    blocks
}

fn append(blocks: &mut [String], line: &str) {
    if let Some(last) = blocks.last_mut() {
        last.push('\n');
        last.push_str(line);
    }
}

/// Whether a line goes on with the one above it: it is indented, or begins in the middle of a sentence.
fn continues(line: &str, trimmed: &str) -> bool {
    line.starts_with([' ', '\t']) || trimmed.starts_with(char::is_lowercase)
}

/// The text of a list's item: `- x`, `* x`, `• x`, `1. x`, `2) x`, `[ ] x`.
fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = if let Some(rest) = line.strip_prefix(['-', '*', '+', '•', '–']) {
        rest
    } else {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 3 {
            return None;
        }
        line[digits..].strip_prefix(['.', ')'])?
    };
    let text = rest.strip_prefix([' ', '\t'])?.trim();
    let text = text
        .strip_prefix("[ ]")
        .or_else(|| text.strip_prefix("[x]"))
        .unwrap_or(text)
        .trim();
    (!text.is_empty()).then_some(text)
}

/// The sentences of a block.
fn sentences(block: &str) -> Vec<&str> {
    if block.contains("```") || block.contains("~~~") {
        return vec![block];
    }
    let chars: Vec<(usize, char)> = block.char_indices().collect();
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < chars.len() {
        let (offset, c) = chars[at];
        if let Some(end) = closing(&chars, at) {
            // A quote that ends a sentence of its own ends this one: `say "No." Then go on.`
            let ends = matches!(chars[end - 1].1, '.' | '!' | '?') && c != '(';
            at = end;
            if !(ends && begins_sentence(&chars, at + 1)) {
                at += 1;
                continue;
            }
        } else if c == ';' {
            if !chars
                .get(at + 1)
                .is_none_or(|(_, next)| next.is_whitespace())
            {
                at += 1;
                continue;
            }
            found.push(&block[start..offset]);
            start = offset + 1;
            at += 1;
            continue;
        } else if !matches!(c, '.' | '!' | '?')
            || !begins_sentence(&chars, at + 1)
            || (c == '.' && is_abbreviation(&block[start..=offset]))
        {
            at += 1;
            continue;
        }
        let end = chars.get(at + 1).map_or(block.len(), |(offset, _)| *offset);
        found.push(&block[start..end]);
        start = end;
        at += 1;
    }
    found.push(&block[start..]);
    found
}

/// Where what opens at `at` closes again; none where nothing opens there, or it never closes.
fn closing(chars: &[(usize, char)], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map(|before| chars[before].1);
    let fresh = before.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '[' | '{'));
    let close = match chars[at].1 {
        '"' if fresh => '"',
        '\'' if fresh => '\'',
        '`' => '`',
        '“' | '„' => '”',
        '«' => '»',
        '(' => ')',
        '[' => ']',
        '{' => '}',
        _ => return None,
    };
    let mut depth = 0;
    for (i, (_, c)) in chars.iter().enumerate().skip(at + 1).take(LONGEST_QUOTE) {
        if *c == close {
            // An apostrophe inside a word closes nothing.
            let inside = close == '\''
                && chars
                    .get(i + 1)
                    .is_some_and(|(_, next)| next.is_alphanumeric());
            if depth == 0 && !inside {
                return Some(i);
            }
            depth -= i32::from(!inside);
        } else if *c == chars[at].1 {
            depth += 1;
        }
    }
    None
}

/// Whether a new sentence begins at `at`, which is just behind the mark that may end one.
fn begins_sentence(chars: &[(usize, char)], at: usize) -> bool {
    let Some((_, next)) = chars.get(at) else {
        return false;
    };
    if !next.is_whitespace() {
        return false;
    }
    // In the middle of a sentence a small letter follows.
    chars[at..]
        .iter()
        .find(|(_, c)| !c.is_whitespace())
        .is_some_and(|(_, c)| !c.is_lowercase())
}

/// Whether a text that ends with a full stop ends with an abbreviation or an initial.
fn is_abbreviation(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or(text);
    let word = word
        .trim_start_matches(['(', '[', '"', '\''])
        .to_lowercase();
    let mut letters = word.trim_end_matches('.').chars();
    let initial = letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none();
    initial || ABBREVIATIONS.split_whitespace().any(|one| one == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(request: &str) -> Vec<String> {
        split(request).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn sentences_are_parts() {
        assert_eq!(
            texts(
                "Count the lines by language. List every TODO and FIXME. Show who changed what most \
                 this month."
            ),
            [
                "Count the lines by language.",
                "List every TODO and FIXME.",
                "Show who changed what most this month."
            ]
        );
        assert_eq!(
            texts("Is it fast? Make it so! Go"),
            ["Is it fast?", "Make it so!", "Go"]
        );
    }

    #[test]
    fn one_part_stays_one() {
        assert_eq!(texts("count the lines"), ["count the lines"]);
        assert_eq!(texts("  "), [""; 0]);
        assert_eq!(texts("..."), [""; 0]);
    }

    #[test]
    fn names_addresses_and_abbreviations_stay_whole() {
        for whole in [
            "Read src/main.rs and README.md, e.g. The first lines.",
            "Fetch https://example.org/a.b?c=d;e and say what it is.",
            "Ask Dr. Smith or J. Doe about version 1.2.3 of x.y.Z.",
            "Compare A vs. B.",
        ] {
            assert_eq!(texts(whole), [whole]);
        }
    }

    #[test]
    fn quotes_and_brackets_stay_whole() {
        for whole in [
            "Replace \"Yes. No; maybe.\" by nothing.",
            "Run `a; b. C` for me.",
            "Rename it (see X. And Y) today.",
            "Don't say 'Stop. It isn't Friday' again.",
            "Translate “One. Two.” well.",
        ] {
            assert_eq!(texts(whole), [whole]);
        }
        assert_eq!(texts("Say \"No.\" Go on."), ["Say \"No.\"", "Go on."]);
        // A quote that never closes is none.
        assert_eq!(
            texts("It is 5\" wide. Cut it."),
            ["It is 5\" wide.", "Cut it."]
        );
        assert_eq!(texts("Say \"Go. Cut it."), ["Say \"Go.", "Cut it."]);
    }

    #[test]
    fn lists_are_parts_and_what_introduces_them_is_not() {
        assert_eq!(
            texts("Please do the following:\n\n1. Count lines\n2) List TODOs\n   in src\n- Who?\n"),
            ["Count lines", "List TODOs\nin src", "Who?"]
        );
        assert_eq!(texts("# Today\n* [ ] a\n* [x] b"), ["a", "b"]);
        assert_eq!(texts("-5 degrees"), ["-5 degrees"]);
    }

    #[test]
    fn lines_and_semicolons_separate_but_a_wrapped_paragraph_does_not() {
        assert_eq!(
            texts("Count lines; list TODOs;"),
            ["Count lines", "list TODOs"]
        );
        assert_eq!(
            texts("Count lines\nList TODOs"),
            ["Count lines", "List TODOs"]
        );
        assert_eq!(
            texts("Count the lines of\nall languages."),
            ["Count the lines of\nall languages."]
        );
        assert_eq!(texts("One\n\ntwo"), ["One", "two"]);
    }

    #[test]
    fn a_fence_belongs_to_what_introduces_it() {
        assert_eq!(
            texts("Run this. Now:\n```\na. B\n```\nCount."),
            ["Run this. Now:\n```\na. B\n```", "Count."]
        );
    }

    #[test]
    fn pleasantries_ask_for_nothing() {
        assert_eq!(
            texts("Hello! Count the lines. Thanks a lot."),
            ["Count the lines."]
        );
    }

    #[test]
    fn a_piece_knows_that_it_comes_later() {
        let later: Vec<bool> = split("Build it. List TODOs. Then test it. After that, ship it.")
            .iter()
            .map(|piece| piece.later)
            .collect();
        assert_eq!(later, [false, false, true, true]);
        // There is nothing before the first.
        assert!(!split("Finally, test it.")[0].later);
    }
}
