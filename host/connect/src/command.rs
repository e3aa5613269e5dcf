//! Commands that agents run in their worktrees.
//!
//! Invariants: no shell; nothing of the host's environment but `PATH` and what the operator names;
//! a home and a temporary folder of the ticket's own, which vanish with it.
//!
//! What this is not: a sandbox. A granted command runs with the rights of the host's user, so a
//! grant is a matter of trust. Confinement here is against accidents and against surprises by hooks
//! and configuration.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ports::{Command, CommandOutput, Exit, OutsideError};
use crate::process::{self, Failure, Spec};

/// The environment entry that every process of a ticket bears.
pub(crate) fn ticket_mark(ticket: Uuid) -> String {
    format!("ADJUTANT_TICKET={ticket}")
}

/// The environment entry that every process bears which works below a folder for worktrees. Two hosts
/// never share such a folder, so a host that starts may end whoever bears its own.
pub(crate) fn root_mark(root: &Path) -> OsString {
    let mut mark = OsString::from(ROOT_MARK);
    mark.push("=");
    mark.push(root);
    mark
}

/// The name of that entry.
pub(crate) const ROOT_MARK: &str = "ADJUTANT_WORKTREES";

/// Where and as whom a command runs.
pub(crate) struct Place<'a> {
    /// The folder of all worktrees.
    pub(crate) root: &'a Path,
    pub(crate) ticket: Uuid,
    /// The current folder.
    pub(crate) dir: &'a Path,
    /// The ticket's own home, with a `tmp` and a `.gitconfig` in it.
    pub(crate) home: &'a Path,
    /// Git must not look for a repository above this folder.
    pub(crate) ceiling: &'a Path,
    pub(crate) path: &'a OsString,
    /// What the operator adds; it wins over everything but the marks.
    pub(crate) extra: &'a [(String, String)],
}

/// Run `command` at `place`; see [`crate::Worktree::run`].
pub(crate) async fn run(
    place: Place<'_>,
    command: &Command,
    output: &dyn CommandOutput,
    cancel: &CancellationToken,
) -> Result<Exit, OutsideError> {
    let Some((program, args)) = command
        .argv
        .split_first()
        .filter(|(first, _)| !first.is_empty())
    else {
        return Err(OutsideError::Invalid(
            "The command is empty; name a program.".into(),
        ));
    };
    if command.argv.iter().any(|argument| argument.contains('\0')) {
        return Err(OutsideError::Invalid(
            "A command's argument contains a NUL byte.".into(),
        ));
    }
    // Otherwise a missing folder looks like a missing program.
    if !place.dir.is_dir() {
        return Err(OutsideError::Unavailable(
            "The worktree's folder is gone.".into(),
        ));
    }
    let mark = format!("ADJUTANT_COMMAND={}", Uuid::now_v7());
    let spec = Spec {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        dir: place.dir.to_owned(),
        env: environment(&place, &mark),
        stdin: None,
        timeout: command.timeout,
        max_output: command.max_output,
        mark: Some(mark),
    };
    let started = Instant::now();
    let finished = process::run(spec, output, cancel)
        .await
        .map_err(|failure| match failure {
            Failure::Start(error) => start_error(program, &error),
            Failure::Wait(error) => OutsideError::Unavailable(format!(
                "The end of `{program}` could not be awaited: {error}."
            )),
            Failure::Deadline => OutsideError::Deadline(format!(
                "`{program}` did not end within {:?} and was killed.",
                command.timeout
            )),
            Failure::Cancelled => {
                OutsideError::Cancelled(format!("`{program}` was killed because it was cancelled."))
            }
        })?;
    Ok(Exit {
        code: finished.status.code(),
        stdout: text(finished.stdout),
        stderr: text(finished.stderr),
        truncated: finished.truncated,
        elapsed: started.elapsed(),
    })
}

fn environment(place: &Place<'_>, mark: &str) -> Vec<(OsString, OsString)> {
    let home = place.home.as_os_str().to_owned();
    let mut env: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), place.path.clone()),
        ("HOME".into(), home),
        ("TMPDIR".into(), place.home.join("tmp").into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("TERM".into(), "dumb".into()),
        ("PWD".into(), place.dir.into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_CEILING_DIRECTORIES".into(), place.ceiling.into()),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
        ("GIT_PAGER".into(), "cat".into()),
        ("GIT_EDITOR".into(), "true".into()),
    ];
    env.extend(
        place
            .extra
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    env.push((ROOT_MARK.into(), place.root.into()));
    for entry in [mark, &ticket_mark(place.ticket)] {
        if let Some((name, value)) = entry.split_once('=') {
            env.push((name.into(), value.into()));
        }
    }
    env
}

fn start_error(program: &str, error: &io::Error) -> OutsideError {
    match error.kind() {
        io::ErrorKind::NotFound => OutsideError::NotFound(format!(
            "There is no program `{program}` on the host's PATH or in the worktree."
        )),
        io::ErrorKind::PermissionDenied => {
            OutsideError::Invalid(format!("`{program}` is not executable."))
        }
        io::ErrorKind::ArgumentListTooLong => OutsideError::Limit(format!(
            "The arguments of `{program}` are too long for the system."
        )),
        _ => OutsideError::Unavailable(format!("`{program}` could not be started: {error}.")),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
