//! How a call ends without an answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::guest::GuestState;
use crate::limits::Refused;

/// Why a call gave no answer. Its store is gone; another call starts afresh. Each is a sentence for
/// the ticket's channel, but for `HostStopped`, which is the host's own affair.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The guest's own fault: a panic, a broken rule, an exit.
    #[error("The component failed: {message}{}", shown(.last_output))]
    Trapped {
        /// What happened.
        message: String,
        /// The guest's functions that were running, innermost first, as far as their names are
        /// known.
        backtrace: Vec<String>,
        /// The end of what it printed, where a panic's message usually is; may be empty.
        last_output: String,
    },
    /// It kept a thread busy for too long.
    #[error(
        "The component computed for more than {} ms without an end, which is its limit.",
        .limit.as_millis()
    )]
    GuestTime {
        /// The limit.
        limit: Duration,
    },
    /// It wanted more memory than it may have, and did not cope with less.
    #[error("The component wanted more memory than its {} MiB.", .limit >> 20)]
    Memory {
        /// The limit in bytes.
        limit: usize,
    },
    /// It recursed too deep.
    #[error("The component used up its stack: it calls itself too deep.")]
    Stack {
        /// The guest's functions that were running, innermost first.
        backtrace: Vec<String>,
    },
    /// A host call ended the run with a [`HostStop`]; this is what was in it.
    #[error("The host ended the run: {0}")]
    HostStopped(Box<dyn Error + Send + Sync>),
    /// It could not even be started.
    #[error("The component could not be started: {0}")]
    InstantiateFailed(String),
}

fn shown(output: &str) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!("\nIts last output:\n{output}")
    }
}

/// The error with which a host call ends the run. The value comes back in [`Stop::HostStopped`],
/// where `downcast` gets at it again.
///
/// ```
/// # use adjutant_component::{HostResult, HostStop};
/// #[derive(Debug, thiserror::Error)]
/// #[error("cancelled")]
/// struct Cancelled;
///
/// fn host_call() -> HostResult<()> {
///     Err(HostStop::new(Cancelled).into())
/// }
/// # assert!(host_call().is_err());
/// ```
#[derive(Debug)]
pub struct HostStop(Box<dyn Error + Send + Sync>);

impl HostStop {
    /// Wraps the reason.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

impl Stop {
    /// What a host call's error means to a caller that is no component.
    pub fn of_call(error: wasmtime::Error) -> Stop {
        match error.downcast::<HostStop>() {
            Ok(stop) => Stop::HostStopped(stop.0),
            Err(error) => Stop::Trapped {
                message: reason(&error),
                backtrace: Vec::new(),
                last_output: String::new(),
            },
        }
    }
}

impl fmt::Display for HostStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for HostStop {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// What the epoch callback ends a guest with.
#[derive(Debug, thiserror::Error)]
#[error("the guest's time is over")]
pub(crate) struct GuestTimeOver;

/// Finds out what ended a call. `starting` says that the guest had not been instantiated yet.
pub(crate) fn classify<H>(error: wasmtime::Error, state: &GuestState<H>, starting: bool) -> Stop {
    let error = match error.downcast::<HostStop>() {
        Ok(stop) => return Stop::HostStopped(stop.0),
        Err(error) => error,
    };
    if error.is::<GuestTimeOver>() {
        return Stop::GuestTime {
            limit: state.limits.guest_time,
        };
    }
    let backtrace = backtrace(&error);
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        return Stop::Stack { backtrace };
    }
    let exit = error.downcast_ref::<I32Exit>();
    if state.limiter.refused == Some(Refused::Memory)
        && (trap.is_some() || exit.is_some() || starting)
    {
        return Stop::Memory {
            limit: state.limits.memory,
        };
    }
    let message = match (exit, state.limiter.refused) {
        (Some(I32Exit(code)), _) => {
            format!("it exited with code {code} instead of giving an answer")
        }
        (None, Some(Refused::Table)) => format!(
            "{} (its tables may have {} elements and it wanted more)",
            reason(&error),
            state.limits.table_elements
        ),
        (None, _) if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) => format!(
            "it wanted more than its {} WASI handles (streams, pollables) open at a time",
            state.limits.resources
        ),
        (None, _) => reason(&error),
    };
    if starting && trap.is_none() && exit.is_none() {
        return Stop::InstantiateFailed(message);
    }
    Stop::Trapped {
        message,
        // Whoever exits has said why; where in its language's runtime that was helps nobody.
        backtrace: if exit.is_some() {
            Vec::new()
        } else {
            backtrace
        },
        last_output: state.output.tail(),
    }
}

/// The causes without the backtrace, which wasmtime puts in front of them as text.
fn reason(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error
        .chain()
        .map(ToString::to_string)
        .filter(|cause| !cause.starts_with("error while executing at wasm backtrace"))
        .collect();
    causes.join(": ")
}

/// The guest's frames, the innermost first, those that were inlined among them.
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let mut frames = Vec::new();
    for frame in backtrace.frames() {
        let before = frames.len();
        for symbol in frame.symbols() {
            let Some(name) = symbol.name() else { continue };
            frames.push(match (symbol.file(), symbol.line()) {
                (Some(file), Some(line)) => format!("{} ({file}:{line})", demangled(name)),
                _ => demangled(name),
            });
        }
        if frames.len() == before {
            frames.push(match frame.func_name() {
                Some(name) => demangled(name),
                None => format!("function {}", frame.func_index()),
            });
        }
    }
    // How Rust's library panics tells nobody where the strategy was.
    let own = frames.iter().position(|frame| !is_panic(frame));
    frames.drain(..own.unwrap_or_default());
    frames
}

/// A symbol as its author wrote it, where that can be told.
fn demangled(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let cpp = cpp_demangle::Symbol::new(name);
    cpp.ok()
        .and_then(|symbol| symbol.demangle().ok())
        .unwrap_or_else(|| name.to_owned())
}

fn is_panic(frame: &str) -> bool {
    const OF_THE_LIBRARY: [&str; 10] = [
        "abort",
        "alloc::",
        "core::",
        "panic_abort::",
        "std::",
        "__rust",
        "rust_",
        "<alloc::",
        "<core::",
        "<std::",
    ];
    OF_THE_LIBRARY.iter().any(|start| frame.starts_with(start))
        && (frame.contains("/rustc/") || !frame.contains(" ("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_told_as_its_author_wrote_it() {
        for (name, told) in [
            (
                "_RNvNtCs9pv848UzQwQ_4core9panicking18panic_bounds_check",
                "core::panicking::panic_bounds_check",
            ),
            ("_ZN7trapper4deep17h0123456789abcdefE", "trapper::deep"),
            ("_ZN5greet4workEi", "greet::work(int)"),
            ("work", "work"),
            ("main.work", "main.work"),
        ] {
            assert_eq!(demangled(name), told);
        }
    }

    #[test]
    fn how_rust_panics_is_left_out_and_what_others_wrote_is_not() {
        for frame in [
            "abort",
            "__rustc::rust_begin_unwind (/rustc/59807616/library/std/src/panicking.rs:689)",
            "core::panicking::panic_fmt (/rustc/59807616/library/core/src/panicking.rs:80)",
            "<alloc::vec::Vec<u8>>::remove",
        ] {
            assert!(is_panic(frame), "{frame}");
        }
        for frame in [
            "work (src/lib.rs:24)",
            "<trapper::Counter as Subordinate>::work",
            "abort (src/main.c:3)",
            "function 645",
        ] {
            assert!(!is_panic(frame), "{frame}");
        }
    }
}
