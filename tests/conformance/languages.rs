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
    /// Its script interpreters.
    pub(crate) interpreters: Interpreters,
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
        interpreters: Interpreters::Built("rust/conformance"),
        examples: Some("rust"),
        exceptions: &[],
    },
    Language {
        name: "JavaScript",
        key: "javascript",
        interpreters: Interpreters::Built("javascript/conformance"),
        examples: Some("javascript"),
        exceptions: &[LARGE_NUMBERS],
    },
    Language {
        name: "TypeScript",
        key: "typescript",
        interpreters: Interpreters::Built("javascript/typescript/conformance"),
        examples: Some("javascript/typescript"),
        exceptions: &[LARGE_NUMBERS],
    },
    Language {
        name: "Python",
        key: "python",
        interpreters: Interpreters::Built("python/conformance"),
        examples: Some("python"),
        exceptions: &[],
    },
    Language {
        name: "C",
        key: "c",
        interpreters: Interpreters::Built("c/conformance"),
        examples: Some("c"),
        exceptions: &[],
    },
    Language {
        name: "C++",
        key: "cpp",
        interpreters: Interpreters::Built("c/cpp/conformance"),
        examples: Some("c/cpp"),
        exceptions: &[],
    },
    Language {
        name: "Go",
        key: "go",
        interpreters: Interpreters::Built("go/conformance"),
        examples: Some("go"),
        exceptions: &[],
    },
];

/// What JavaScript and TypeScript cannot do.
const LARGE_NUMBERS: (&str, &str) = (
    "numbers above 2^53",
    "JavaScript's numbers are exact up to 9007199254740991; the SDK refuses larger ones with a \
     TypeError instead of rounding them.",
);

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
