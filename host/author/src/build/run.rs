//! Running tools: their lines are told as they come, and kept for when they fail.

use super::BuildError;
use crate::Progress;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// Bytes of a tool's words that are kept, for a failure and for warnings: its last ones.
const KEPT: usize = 64 << 10;
/// Bytes of a tool's standard output that are given back.
const MOST_STDOUT: u64 = 64 << 20;

/// What a tool that did well has said.
pub(super) struct Said {
    /// Its standard output.
    pub(super) output: String,
    /// Its standard error, or the end of it.
    pub(super) words: String,
}

/// Runs a tool, with nothing on its standard input. Gives back its standard output.
///
/// # Errors
/// It does not start, or it fails: then with all that it said.
pub fn run_told(
    progress: &dyn Progress,
    step: &str,
    command: &mut Command,
) -> Result<String, BuildError> {
    run_heard(progress, step, command).map(|said| said.output)
}

/// The same; gives back all that it said.
pub(super) fn run_heard(
    progress: &dyn Progress,
    step: &str,
    command: &mut Command,
) -> Result<Said, BuildError> {
    progress.step(step);
    let program = command.get_program().to_string_lossy().into_owned();
    let not_started = |source| BuildError::NotStarted {
        program: program.clone(),
        source,
        hint: "Is it installed, and on the PATH?".to_owned(),
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let (output, words) = std::thread::scope(|scope| {
        let output = scope.spawn(move || {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                // What cannot be read is missing from what is told, and no more.
                let _ = stdout.take(MOST_STDOUT).read_to_end(&mut output);
            }
            String::from_utf8_lossy(&output).into_owned()
        });
        let mut words = String::new();
        for line in stderr
            .into_iter()
            .flat_map(|it| BufReader::new(it).split(b'\n'))
        {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            progress.line(line);
            words.push_str(line);
            words.push('\n');
            if words.len() > 2 * KEPT {
                words.drain(..words.ceil_char_boundary(words.len() - KEPT));
            }
        }
        (output.join().unwrap_or_default(), words)
    });
    let status = child.wait().map_err(not_started)?;
    if status.success() {
        return Ok(Said { output, words });
    }
    let mut told = words.trim().to_owned();
    // What a tool says to programs, as JSON by the line, buries what it says to people.
    let for_people = output.lines().filter(|line| !line.starts_with('{'));
    for line in for_people.filter(|line| !line.trim().is_empty()) {
        if !told.is_empty() {
            told.push('\n');
        }
        told.push_str(line.trim_end());
    }
    Err(BuildError::Failed {
        step: step.to_owned(),
        status: status.to_string(),
        output: told,
    })
}

/// The PATH with a folder before all others.
pub fn path_with(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH").filter(|rest| !rest.is_empty()) {
        path.push(if cfg!(windows) { ";" } else { ":" });
        path.push(rest);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let mut sh = Command::new("sh");
        sh.args([
            "-c",
            "echo '{\"reason\":\"x\"}'; echo out; echo 'src/x:1: no such thing' >&2; exit 3",
        ]);
        let error = run_told(&Silent, "compiling", &mut sh).expect_err("it fails");
        let text = error.to_string();
        assert!(
            text.starts_with("compiling failed (exit status: 3):\nsrc/x:1: no"),
            "{text}"
        );
        assert!(text.ends_with("thing\nout"), "{text}");
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let error = run_told(&Silent, "x", &mut Command::new("no-such-tool-here"));
        let text = error.expect_err("there is none").to_string();
        assert!(
            text.contains("`no-such-tool-here` could not be started"),
            "{text}"
        );
    }
}
