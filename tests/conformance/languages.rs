//! The languages of the suite: one line each, and one more for each published version of the contract.

use crate::kept;
use std::path::PathBuf;

/// A language, and where its projects are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Language {
    /// Its name for people.
    pub(crate) name: &'static str,
    /// Its name in paths and names.
    pub(crate) key: &'static str,
    /// Its script interpreters, or why it has none of its own.
    pub(crate) interpreters: Result<Interpreters, &'static str>,
    /// The folder below `plugins/` with its three examples.
    pub(crate) examples: Option<&'static str>,
    /// Scenarios that are not for it, and why.
    pub(crate) exceptions: &'static [(&'static str, &'static str)],
}

/// Where script interpreters come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interpreters {
    /// They are built from the projects in this folder below `plugins/`.
    Built(&'static str),
    /// They were made for this published version of the contract, and are never built again.
    Kept(&'static str),
}

/// The languages that components are built from. The first is the one that the others are compared with.
pub(crate) const LANGUAGES: [Language; 7] = [
    Language {
        name: "Rust",
        key: "rust",
        interpreters: Ok(Interpreters::Built("rust/conformance")),
        examples: Some("rust"),
        exceptions: &[],
    },
    Language {
        name: "JavaScript",
        key: "javascript",
        interpreters: Ok(Interpreters::Built("javascript/conformance")),
        examples: Some("javascript"),
        exceptions: &[(
            "numbers above 2^53",
            "JavaScript's numbers are exact up to 9007199254740991; the SDK refuses larger ones with a \
             TypeError instead of rounding them.",
        )],
    },
    Language {
        name: "TypeScript",
        key: "typescript",
        interpreters: Err(
            "TypeScript is JavaScript once it is built, with the same SDK: see there.",
        ),
        examples: Some("javascript/typescript"),
        exceptions: &[],
    },
    Language {
        name: "Python",
        key: "python",
        interpreters: Ok(Interpreters::Built("python/conformance")),
        examples: Some("python"),
        exceptions: &[],
    },
    Language {
        name: "C",
        key: "c",
        interpreters: Ok(Interpreters::Built("c/conformance")),
        examples: Some("c"),
        exceptions: &[],
    },
    Language {
        name: "C++",
        key: "cpp",
        interpreters: Ok(Interpreters::Built("c/cpp/conformance")),
        examples: Some("c/cpp"),
        exceptions: &[],
    },
    Language {
        name: "Go",
        key: "go",
        interpreters: Ok(Interpreters::Built("go/conformance")),
        examples: Some("go"),
        exceptions: &[],
    },
];

/// The three worlds.
pub(crate) const WORLDS: [&str; 3] = ["selector", "subordinate", "boss"];

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All languages, and after them the published versions of the contract.
pub(crate) fn all() -> Vec<Language> {
    let mut all = LANGUAGES.to_vec();
    all.extend(kept::languages());
    all
}

/// The languages to run: all, or those of `ADJUTANT_CONFORMANCE_LANGUAGES` (keys, with commas).
pub(crate) fn wanted() -> Vec<Language> {
    let only = std::env::var("ADJUTANT_CONFORMANCE_LANGUAGES").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|key| !key.is_empty()).collect();
    let mut all = all();
    all.retain(|language| only.is_empty() || only.contains(&language.key));
    assert!(!all.is_empty(), "there is no such language");
    all
}
