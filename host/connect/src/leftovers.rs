//! Ends processes by a mark in their environment.
//!
//! A process group catches what a command starts, unless something moves itself into a session of
//! its own, or the host dies and its successor no longer knows the group. Every process that the
//! host starts for a ticket inherits marks, environment entries that are unique to the command, to
//! the ticket and to the folder of all worktrees; whoever still bears one can be found and ended. A process that wipes its own
//! environment on purpose is not found: that takes a sandbox.

use std::ffi::OsStr;

/// End every process that bears `mark` (`NAME=value`) in its environment, except this one. Blocks
/// for a few milliseconds.
#[cfg(target_os = "linux")]
pub(crate) fn end(mark: impl AsRef<OsStr>) {
    let mark = mark.as_ref();
    // One that forks while we look may be missed by a pass, and of one that is being started nothing can be
    // said yet: so look until there is neither. The bound keeps a fork bomb from holding us for ever.
    const PASSES: usize = 50;
    for _ in 0..PASSES {
        if end_once(mark) == 0 {
            return;
        }
    }
    tracing::warn!(
        mark = %mark.display(),
        "processes keep starting faster than they can be ended"
    );
}

/// One look. How many were ended, or may have to be.
#[cfg(target_os = "linux")]
fn end_once(mark: &OsStr) -> usize {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let Ok(entries) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let mut ended = 0;
    for entry in entries.flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Some(pid) = Pid::from_raw(id) else {
            continue;
        };
        if pid == rustix::process::getpid() {
            continue;
        }
        // The handle is taken before the environment is read, so that a number which is given to
        // another process meanwhile cannot be hit.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        let marked = environment
            .split(|byte| *byte == 0)
            .any(|pair| pair == mark.as_encoded_bytes());
        if marked && pidfd_send_signal(&handle, Signal::KILL).is_ok() {
            ended += 1;
        }
        if environment.is_empty() && is_being_started(&entry.path()) {
            ended += 1;
        }
    }
    ended
}

/// Whether a process without an environment is about to have one: `execve` gives it its new program some
/// time before it lays out what that is given. Kernel threads and the dead have no program.
#[cfg(target_os = "linux")]
fn is_being_started(process: &std::path::Path) -> bool {
    let words = std::fs::read(process.join("cmdline"));
    words.is_ok_and(|words| words.is_empty()) && process.join("exe").read_link().is_ok()
}

/// Elsewhere there is no `/proc`; the process group has to do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn end(_mark: impl AsRef<OsStr>) {}
