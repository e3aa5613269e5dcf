//! Which commands an agent may run: a pure match of an argument list against granted patterns.
//!
//! Invariant: nothing is normalised. `git` grants `git`, not `/usr/bin/git` and not `./git`, so what
//! an operator reads in a grant is exactly what can be started.

/// One granted command: each element equals one argument; `*` stands for exactly one argument of
/// any text, and as the last element for any number of further arguments, also none.
///
/// The program itself is never matched by `*`: a pattern that begins with `*` grants nothing.
pub type CommandGrant = Vec<String>;

/// Whether one of `grants` covers `argv`. An empty command is never covered.
pub fn allowed(grants: &[CommandGrant], argv: &[String]) -> bool {
    grants.iter().any(|grant| covers(grant, argv))
}

fn covers(grant: &[String], argv: &[String]) -> bool {
    grant.first().is_some_and(|program| program != "*") && covers_any_program(grant, argv)
}

/// Whether a pattern covers a command, a `*` in the program's place too.
pub(crate) fn covers_any_program(pattern: &[String], argv: &[String]) -> bool {
    if pattern.is_empty() || argv.is_empty() {
        return false;
    }
    let (fixed, open) = match pattern.split_last() {
        Some((last, rest)) if last == "*" => (rest, true),
        _ => (pattern, false),
    };
    let length_fits = if open {
        argv.len() >= fixed.len()
    } else {
        argv.len() == fixed.len()
    };
    length_fits
        && fixed
            .iter()
            .zip(argv)
            .all(|(wanted, given)| wanted == "*" || wanted == given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn a_command_is_allowed_only_as_a_pattern_says() {
        let table = [
            ("git log", "git log", true),
            ("git log", "git", false),
            ("git log", "git log --all", false),
            ("git log *", "git log", true),
            ("git log *", "git log --all -n 1", true),
            ("git log *", "git push", false),
            ("git * --stat", "git diff --stat", true),
            ("git * --stat", "git --stat", false),
            ("git * --stat", "git diff HEAD --stat", false),
            ("git * *", "git", false),
            ("git * *", "git log", true),
            ("git * *", "git log -p x", true),
            ("git *", "git", true),
            ("git *", "/usr/bin/git log", false),
            ("git *", "./git log", false),
            ("git *", "Git log", false),
            ("/usr/bin/wc -l", "/usr/bin/wc -l", true),
            ("/usr/bin/wc -l", "/usr/bin/../bin/wc -l", false),
            ("*", "sh", false),
            ("* -c", "sh -c", false),
            ("*", "*", false),
            ("", "", false),
            ("", "git", false),
            ("git", "", false),
        ];
        for (grant, argv, expected) in table {
            let got = allowed(&[words(grant)], &words(argv));
            assert_eq!(got, expected, "grant `{grant}` and command `{argv}`");
        }
    }

    #[test]
    fn any_of_several_grants_is_enough_and_none_denies() {
        let grants = [words("wc -l"), words("git log *")];
        assert!(allowed(&grants, &words("git log -1")));
        assert!(allowed(&grants, &words("wc -l")));
        assert!(!allowed(&grants, &words("wc -c")));
        assert!(!allowed(&[], &words("wc -l")));
    }

    #[test]
    fn arguments_are_compared_whole_not_split() {
        let grants = [vec!["sh".to_owned(), "-c".to_owned(), "echo hi".to_owned()]];
        assert!(allowed(
            &grants,
            &["sh".into(), "-c".into(), "echo hi".into()]
        ));
        assert!(!allowed(&grants, &words("sh -c echo hi")));
    }
}
