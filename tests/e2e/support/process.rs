//! Processes: the binary itself, shell lines, and looking for what a host left running.

use super::base;
use std::path::Path;
use std::process::{Command, Output};

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// The standard output.
    pub(crate) stdout: String,
    /// The standard error.
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The standard output, after an exit with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> String {
        assert_eq!(
            self.code, code,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self.stdout
    }

    /// The one JSON document on the standard output, after an exit with this code.
    #[track_caller]
    pub(crate) fn json(self, code: i32) -> serde_json::Value {
        let stdout = self.ended(code);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    }

    /// What it complained of, after an exit with this code.
    #[track_caller]
    pub(crate) fn complaint(self, code: i32) -> String {
        let stderr = self.stderr.clone();
        self.ended(code);
        assert!(stderr.contains(' '), "no sentence: {stderr:?}");
        stderr
    }
}

/// The binary with the tests' own data folder, and without what the surroundings may say.
pub(crate) fn adjutant(data: &Path, args: &[&str]) -> Ran {
    let output = command(data)
        .args(args)
        .output()
        .expect("the binary starts");
    Ran::of(output)
}

/// The binary, to be started.
pub(crate) fn command(data: &Path) -> Command {
    // A long test names a copy, which no build beside it replaces.
    let binary = std::env::var_os("ADJUTANT_E2E_BINARY");
    let binary = binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_adjutant").into());
    let mut command = Command::new(binary);
    for name in [
        "ADJUTANT_HOST",
        "ADJUTANT_WORKSPACE",
        "ADJUTANT_LOG",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
        .current_dir(base())
        .env("ADJUTANT_DATA", data)
        .env("RUST_BACKTRACE", "1");
    command
}

/// Runs a line as a person would who copied it into a shell.
pub(crate) fn shell(line: &str) -> Ran {
    let output = Command::new("sh").args(["-c", line]).output();
    Ran::of(output.expect("sh starts"))
}

/// Processes that work for a ticket, by the mark in their environment.
pub(crate) fn processes_of(ticket: &str) -> Vec<u32> {
    processes_with("ADJUTANT_TICKET", ticket)
}

/// Processes that have this in their environment.
pub(crate) fn processes_with(name: &str, value: &str) -> Vec<u32> {
    let mark = format!("{name}={value}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")
        .expect("there is /proc")
        .flatten()
    {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|one| one == mark.as_bytes())
        {
            found.push(id);
        }
    }
    found
}
