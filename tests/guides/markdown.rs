//! The fenced blocks of a guide.
//!
//! A block ```` ```console ```` is run: a line that begins with `$ ` is a command, up to the end of its
//! here-document, of its text in quotes or of its last continued line; the lines after it are its output, with `…` for whatever
//! differs from run to run. A block in a programming language, or in TOML or JSON, is a piece of a file
//! that is there by then.

/// A block that the test does something with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A heading of the second level: another subject begins.
    Heading,
    /// Commands to run, in order.
    Console(Vec<Command>),
    /// A piece of a file.
    Source {
        /// Its language, as the fence names it.
        language: String,
        /// The line of the guide that it begins at.
        line: usize,
        /// Its text.
        text: String,
    },
}

/// A command, and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The line of the guide that it begins at.
    pub(crate) line: usize,
    /// What a person types.
    pub(crate) typed: String,
    /// The lines that it prints, `…` standing for anything.
    pub(crate) prints: Vec<String>,
}

/// Languages whose blocks must be pieces of files.
const SOURCES: [&str; 16] = [
    "rust",
    "javascript",
    "js",
    "typescript",
    "ts",
    "python",
    "py",
    "c",
    "cpp",
    "c++",
    "h",
    "go",
    "toml",
    "json",
    "makefile",
    "wit",
];

/// The blocks of a guide, in order. Where `only_marked`, a console block is run if its fence says
/// ```` ```console run ````.
pub(crate) fn blocks(guide: &str, only_marked: bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = guide.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.starts_with("## ") {
            blocks.push(Block::Heading);
        }
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let marked = language.split_whitespace().any(|word| word == "run");
        let language = language
            .split(|c: char| c.is_whitespace() || c == ',')
            .next()
            .unwrap_or_default();
        let inside: Vec<(usize, &str)> = lines
            .by_ref()
            .take_while(|(_, line)| line.trim_end() != "```")
            .map(|(at, line)| (at + 1, line))
            .collect();
        if language == "console" && (marked || !only_marked) {
            blocks.push(Block::Console(commands(&inside)));
        } else if SOURCES.contains(&language) {
            let text: Vec<&str> = inside.iter().map(|(_, line)| *line).collect();
            blocks.push(Block::Source {
                language: language.to_owned(),
                line: at + 1,
                text: text.join("\n"),
            });
        }
    }
    blocks
}

fn commands(lines: &[(usize, &str)]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = lines.iter();
    while let Some((at, line)) = lines.next() {
        let Some(typed) = line.strip_prefix("$ ") else {
            if let Some(command) = commands.last_mut() {
                command.prints.push((*line).to_owned());
            }
            continue;
        };
        let mut typed = typed.to_owned();
        while typed.ends_with('\\') {
            let Some((_, line)) = lines.next() else { break };
            typed.push('\n');
            typed.push_str(line.strip_prefix("> ").unwrap_or(line));
        }
        while open_quote(&typed) {
            let Some((_, line)) = lines.next() else {
                break;
            };
            typed.push('\n');
            typed.push_str(line);
        }
        if let Some(end) = here_document(&typed) {
            for (_, line) in lines.by_ref() {
                typed.push('\n');
                typed.push_str(line);
                if *line == end {
                    break;
                }
            }
        }
        commands.push(Command {
            line: *at,
            typed,
            prints: Vec::new(),
        });
    }
    commands
}

/// Whether a text in quotes goes on in the next line.
fn open_quote(typed: &str) -> bool {
    let mut quote = None;
    for letter in typed.chars() {
        match quote {
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            Some(open) if open == letter => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

/// The word that ends a command's here-document.
fn here_document(typed: &str) -> Option<String> {
    let (_, word) = typed.lines().next()?.split_once("<<")?;
    let word: String = word
        .trim_start_matches('-')
        .split_whitespace()
        .next()?
        .into();
    Some(word.trim_matches(['\'', '"']).to_owned())
}

/// Whether a line that was printed is one that the guide shows.
pub(crate) fn fits(printed: &str, shown: &str) -> bool {
    let printed = printed.trim_end();
    let mut parts = shown.trim_end().split('…');
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The first line that a guide shows and the command did not print after the ones before.
pub(crate) fn missing<'a>(printed: &str, shown: &'a [String]) -> Option<&'a str> {
    let mut printed = printed.lines();
    let mut shown = shown
        .iter()
        .filter(|line| !line.trim().is_empty() && line.trim() != "…");
    shown
        .find(|shown| !printed.any(|line| fits(line, shown)))
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guides_blocks_are_found() {
        let guide = "Text.\n\n```console\n$ cat > a.txt <<'EOF'\nhello\n$ no command\nEOF\n$ cat \\\n> a.txt\nhello\n…\n```\n\n```python\nx = 1\n```\n\n```text\nnothing\n```\n";
        let blocks = blocks(guide, false);
        let Block::Console(commands) = &blocks[0] else {
            panic!("{blocks:?}")
        };
        assert_eq!(
            commands[0].typed,
            "cat > a.txt <<'EOF'\nhello\n$ no command\nEOF"
        );
        assert_eq!(
            (commands[1].line, &*commands[1].typed),
            (8, "cat \\\na.txt")
        );
        assert_eq!(commands[1].prints, ["hello", "…"]);
        assert_eq!(
            blocks[1],
            Block::Source {
                language: "python".into(),
                line: 14,
                text: "x = 1".into()
            }
        );
        assert_eq!(blocks.len(), 2);
        let marked = "```console\n$ a\n```\n```console run\n$ b \"c\nd\"\ne\n```\n";
        let Block::Console(commands) = &super::blocks(marked, true)[0] else {
            panic!("it is marked")
        };
        assert_eq!(commands[0].typed, "b \"c\nd\"");
        assert_eq!(commands[0].prints, ["e"]);
    }

    #[test]
    fn what_differs_is_left_open() {
        assert!(fits("ticket 0195 is done in 3 ms", "ticket … is done in …"));
        assert!(!fits("ticket 0195 has failed", "ticket … is done in …"));
        assert!(fits("plain  ", "plain") && !fits("plain text", "plain"));
        let shown = ["a".to_owned(), "…".to_owned(), "c…".to_owned()];
        assert_eq!(missing("a\nb\nc d\n", &shown), None);
        assert_eq!(missing("c d\na\n", &shown), Some("c…"));
    }
}
