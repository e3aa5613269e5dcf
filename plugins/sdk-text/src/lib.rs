//! Words and excerpts: what strategies without a model need to read a task and to show a result.

#[doc(hidden)]
pub mod world;

/// The words of a text, in order, in lower case. A word is made of letters and digits; `+` and `#` at
/// its end belong to it, so that `C++` and `C#` are words.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() && !word.ends_with(['+', '#'])
            || matches!(c, '+' | '#') && !word.is_empty()
        {
            word.extend(c.to_lowercase());
        } else {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if c.is_alphanumeric() {
                word.extend(c.to_lowercase());
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A word without its English ending, so that `merging`, `merged`, `merges` and `merge` are the same.
/// The result is for comparing only; it need not be a word. Expects lower case.
pub fn stem(word: &str) -> String {
    let cut = |ending: &str, least: usize| {
        word.strip_suffix(ending)
            .filter(|rest| rest.chars().count() >= least)
    };
    // `less` and `status` are no plurals.
    let stem = if let Some(rest) = cut("ies", 2) {
        return format!("{rest}y");
    } else if let Some(rest) = cut("ing", 3).or_else(|| cut("ed", 3)) {
        let mut chars = rest.chars().rev();
        match (chars.next(), chars.next()) {
            // `running` is `run`, but `calling` is `call`.
            (Some(a), Some(b))
                if a == b && !matches!(a, 'l' | 's' | 'z' | 'a' | 'e' | 'i' | 'o' | 'u') =>
            {
                &rest[..rest.len() - a.len_utf8()]
            }
            _ => rest,
        }
    } else if let Some(rest) = cut("es", 3).filter(|rest| rest.ends_with(['s', 'x', 'h', 'z'])) {
        rest
    } else if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        word
    } else {
        cut("s", 2).unwrap_or(word)
    };
    stem.strip_suffix('e')
        .filter(|rest| rest.chars().count() >= 3)
        .unwrap_or(stem)
        .to_string()
}

/// The beginning of a text, at most `most` characters long and on one line, cut between words where
/// that loses little, with `…` where something was cut.
pub fn clip(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= most {
        return text;
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    if let Some(space) = cut.rfind(' ').filter(|space| space * 2 > cut.len()) {
        cut.truncate(space);
    }
    format!("{}…", cut.trim_end_matches([' ', ',', ';', ':']))
}

/// The beginning of a text, at most `most` bytes, cut between characters; and whether it was cut.
pub fn head(text: &str, most: usize) -> (&str, bool) {
    let end = text.floor_char_boundary(most);
    (&text[..end], end < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_keep_language_names() {
        assert_eq!(
            words("Count C++ & C# lines, café!"),
            ["count", "c++", "c#", "lines", "café"]
        );
        assert_eq!(words("a+b #tag"), ["a+", "b", "tag"]);
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for group in [
            &["merge", "merges", "merged", "merging"][..],
            &["run", "runs", "running"],
            &["fix", "fixes", "fixed", "fixing"],
            &["query", "queries"],
            &["call", "calls", "called", "calling"],
            &["line", "lines"],
            &["change", "changes", "changed"],
        ] {
            for word in group {
                assert_eq!(stem(word), stem(group[0]), "{word}");
            }
        }
        assert_eq!(stem("status"), "status");
        assert_eq!(stem("class"), "class");
        assert_ne!(stem("test"), stem("text"));
    }

    #[test]
    fn excerpts_end_between_words_and_characters() {
        assert_eq!(clip("one  two\nthree", 20), "one two three");
        assert_eq!(clip("one two, three", 10), "one two…");
        assert_eq!(clip("abcdefghijkl", 5), "abcd…");
        assert_eq!(head("aé", 2), ("a", true));
        assert_eq!(head("aé", 3), ("aé", false));
    }
}
