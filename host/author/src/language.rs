//! The languages that a plugin can be written in.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a project is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// Python.
    Python,
    /// C.
    C,
    /// C++.
    Cpp,
    /// Go.
    Go,
    /// Anything that a command of the project's own makes a component or a core module of.
    Other,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 8] = [
        Language::Rust,
        Language::JavaScript,
        Language::TypeScript,
        Language::Python,
        Language::C,
        Language::Cpp,
        Language::Go,
        Language::Other,
    ];

    /// Its name in `plugin.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::JavaScript => "javascript",
            Language::TypeScript => "typescript",
            Language::Python => "python",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Go => "go",
            Language::Other => "other",
        }
    }

    /// The folder below `plugins/` that has its SDK, where it has one.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Language::Rust => Some("rust"),
            Language::JavaScript | Language::TypeScript => Some("javascript"),
            Language::Python => Some("python"),
            Language::C | Language::Cpp => Some("c"),
            Language::Go => Some("go"),
            Language::Other => None,
        }
    }

    /// The folder below `plugins/` that has its examples, where it has any.
    pub fn examples(self) -> Option<&'static str> {
        match self {
            Language::TypeScript => Some("javascript/typescript"),
            Language::Cpp => Some("c/cpp"),
            other => other.folder(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = match text {
            "js" => "javascript",
            "ts" => "typescript",
            "py" => "python",
            "c++" | "cxx" => "cpp",
            "rs" => "rust",
            "golang" => "go",
            name => name,
        };
        Language::ALL
            .into_iter()
            .find(|language| language.name() == name)
            .ok_or_else(|| {
                let all = Language::ALL.map(Language::name).join(", ");
                format!("there is no language \"{text}\"; there are {all}")
            })
    }
}
