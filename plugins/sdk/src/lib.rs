//! Write a strategy for Adjutant in Rust: a subordinate that works, or a boss that has others work.
//! (A selector, which says whom a task fits, needs the crate `adjutant-selector` instead.)
//!
//! A strategy is a component. It is plain, imperative code. A call to the host looks like any other call, and may take microseconds or days;
//! what was answered once is never asked again, even when the host was restarted in between. For that
//! to hold, a strategy asks the host for whatever is not in its task, and keeps no state elsewhere.
//!
//! # A subordinate
//!
//! ```no_run
//! use adjutant_sdk::{Failure, Report, Subordinate, Task, reporting, worktree};
//!
//! struct LineCounter;
//!
//! impl Subordinate for LineCounter {
//!     fn work(task: Task) -> Result<Report, Failure> {
//!         reporting::progress("reading the file")?;
//!         let file = worktree::read(task.text())?;
//!         let lines = file.iter().filter(|byte| **byte == b'\n').count();
//!         Ok(Report::new(format!("{} has {lines} lines.", task.text())).output(&lines))
//!     }
//! }
//!
//! adjutant_sdk::subordinate!(LineCounter);
//! # fn main() {}
//! ```
//!
//! # A boss
//!
//! ```no_run
//! use adjutant_sdk::{Assignment, Boss, Failure, Report, Task, await_all, delegation};
//!
//! struct Everyone;
//!
//! impl Boss for Everyone {
//!     fn work(task: Task) -> Result<Report, Failure> {
//!         let assignments: Vec<_> = delegation::team()?
//!             .into_iter()
//!             .map(|member| Assignment::to(member.agent.id, task.text()))
//!             .collect();
//!         let joined = await_all(&delegation::delegate(&assignments)?)?;
//!         let answers: Vec<_> = joined
//!             .reports
//!             .iter()
//!             .map(|report| format!("- {}: {}", report.agent_name, report.summary))
//!             .collect();
//!         Ok(Report::new(answers.join("\n")))
//!     }
//! }
//!
//! adjutant_sdk::boss!(Everyone);
//! # fn main() {}
//! ```
//!
//! # Building
//!
//! A plugin is a library with `crate-type = ["cdylib"]`, built with
//! `cargo build --release --target wasm32-wasip2`. A plugin that uses [`subordinate!`] must not call
//! [`delegation`]: its world does not offer it, and the host refuses the component.
//!
//! What a strategy prints to stdout and stderr is kept in the run's log. It has a clock and random
//! numbers, both the same on each replay, and nothing else of its own: no files, no sockets, no
//! environment, no sleep.

#[doc(hidden)]
pub mod bindings;
mod error;
mod types;

#[doc(inline)]
pub use bindings::boss::adjutant::agent::{
    channels, delegation, memory, reporting, tickets, worktree,
};

pub use bindings::boss::adjutant::agent::types::{
    Agent, Budget, Confidence, Failure, Outcome, PastAttempt, Priority, Report, Spend, Task,
    Ticket, TicketStatus, TrackingStatus, Violation,
};

pub use adjutant_text as text;
pub use delegation::{
    Assignment, BlockerPolicy, Delegated, Join, Joined, Member, PlanPhase, PlanTask, Retry,
    TaskReport, WorkPlan,
};
pub use error::Error;
pub use types::await_all;

/// Does tasks itself. See [`subordinate!`].
pub trait Subordinate {
    /// Do the task. Called once for each run.
    fn work(task: Task) -> Result<Report, Failure>;
}

/// Does tasks with a team. See [`boss!`].
pub trait Boss {
    /// Do the task. Called once for each run.
    fn work(task: Task) -> Result<Report, Failure>;
}

/// Exports a type that is a [`Subordinate`] as this component's strategy.
#[macro_export]
macro_rules! subordinate {
    ($type:ty) => {
        const _: () = $crate::text::world::check("subordinate", ::std::option_env!("ADJUTANT_WORLD"));
        const _: () = {
            struct Exported;
            impl $crate::bindings::subordinate::Guest for Exported {
                fn work(
                    task: $crate::Task,
                ) -> ::std::result::Result<$crate::Report, $crate::Failure> {
                    <$type as $crate::Subordinate>::work(task)
                }
            }
            $crate::bindings::subordinate::export_subordinate!(Exported with_types_in $crate::bindings::subordinate);
        };
    };
}

/// Exports a type that is a [`Boss`] as this component's strategy.
#[macro_export]
macro_rules! boss {
    ($type:ty) => {
        const _: () = $crate::text::world::check("boss", ::std::option_env!("ADJUTANT_WORLD"));
        const _: () = {
            struct Exported;
            impl $crate::bindings::boss::Guest for Exported {
                fn work(
                    task: $crate::Task,
                ) -> ::std::result::Result<$crate::Report, $crate::Failure> {
                    <$type as $crate::Boss>::work(task)
                }
            }
    $crate::bindings::boss::export_boss!(Exported with_types_in $crate::bindings::boss);
        };
    };
}
