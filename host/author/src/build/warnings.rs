//! Warnings among what a compiler has said.
//!
//! Rustc's begin with `warning: ` and end with an empty line; clang's begin with `FILE:LINE:COLUMN: warning: `
//! and go on until the next one or the count of them all. A tool that says neither has not warned.

/// Warnings of one build that are kept; of more, how many there are.
const MOST: usize = 50;

/// The warnings in a compiler's words, in order, each with its source lines and notes.
pub(super) fn of(words: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in words.lines() {
        let rustc = line.strip_prefix("warning: ");
        if let Some(begun) = rustc.or_else(|| line.contains(": warning: ").then_some(line)) {
            inside = !is_sum(begun);
            if inside {
                found.push(begun.to_owned());
            }
        } else if line.is_empty() || is_sum(line) || line.starts_with("In file included from") {
            inside = false;
        } else if inside && let Some(warning) = found.last_mut() {
            warning.push('\n');
            warning.push_str(line);
        }
    }
    found
}

/// Whether a line only counts warnings: "`counter` (lib) generated 1 warning", "2 warnings generated.".
fn is_sum(line: &str) -> bool {
    let counts = |part: &str| part.contains(" warning");
    let cargos = line.starts_with('`')
        && line
            .split_once("generated ")
            .is_some_and(|(_, n)| counts(n));
    let clangs = line.ends_with(" generated.") && line.starts_with(|c: char| c.is_ascii_digit());
    cargos || (clangs && counts(line))
}

/// No more than are shown.
pub(super) fn bounded(mut warnings: Vec<String>) -> Vec<String> {
    let more = warnings.len().saturating_sub(MOST);
    if more > 0 {
        warnings.truncate(MOST);
        warnings.push(format!("{more} more"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustcs_warnings_are_told_apart_and_cargos_count_is_none() {
        let words = "   Compiling counter v0.1.0 (/counter)\n\
            warning: unused variable: `x`\n --> src/lib.rs:3:9\n  |\n3 |     let x = 1;\n  |         ^\n\n\
            warning: function `f` is never used\n --> src/lib.rs:9:4\n\n\
            warning: `counter` (lib) generated 2 warnings (run `cargo fix --lib -p counter`)\n    \
            Finished `release` profile [optimized] target(s) in 0.21s\n";
        let found = of(words);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("unused variable: `x`\n --> src/lib.rs:3:9"));
        assert!(found[0].ends_with('^') && found[1].ends_with("src/lib.rs:9:4"));
    }

    #[test]
    fn clangs_warnings_are_told_apart_with_their_notes() {
        let words = "src/main.c:2:9: warning: unused variable 'a' [-Wunused-variable]\n    2 |     int a;\n\
            src/main.c:5:1: warning: b [-Wb]\nsrc/main.h:1:1: note: declared here\n2 warnings generated.\n\
            something else\n";
        let found = of(words);
        assert_eq!(
            found,
            [
                "src/main.c:2:9: warning: unused variable 'a' [-Wunused-variable]\n    2 |     int a;",
                "src/main.c:5:1: warning: b [-Wb]\nsrc/main.h:1:1: note: declared here",
            ]
        );
        assert!(of("all is well\n1 file generated.\n").is_empty());
    }

    #[test]
    fn of_very_many_the_first_are_kept_and_the_others_counted() {
        let many: Vec<String> = (0..MOST + 3).map(|n| n.to_string()).collect();
        let kept = bounded(many);
        assert_eq!((kept.len(), kept[MOST].as_str()), (MOST + 1, "3 more"));
        assert_eq!(bounded(vec!["one".to_owned()]), ["one"]);
    }
}
