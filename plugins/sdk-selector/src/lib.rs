//! Write a selector for Adjutant in Rust: a pure function that says whom a task fits.
//!
//! ```no_run
//! use adjutant_selector::{Candidate, Choice, Confidence, Question, Selector};
//!
//! /// Gives every task to whoever has the least to do.
//! struct LeastBusy;
//!
//! impl Selector for LeastBusy {
//!     fn choose(_task: Question, mut team: Vec<Candidate>) -> Result<Vec<Choice>, String> {
//!         team.sort_by_key(|candidate| candidate.queued);
//!         Ok(team
//!             .into_iter()
//!             .map(|candidate| Choice {
//!                 reason: format!("has {} tickets", candidate.queued),
//!                 agent: candidate.agent.id,
//!                 confidence: Confidence::Low,
//!             })
//!             .collect())
//!     }
//! }
//!
//! adjutant_selector::selector!(LeastBusy);
//! # fn main() {}
//! ```
//!
//! A selector imports nothing of Adjutant's, so that the host may ask it for a dry run too.

#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "selector",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_selector",
        default_bindings_module: "adjutant_selector::bindings",
    });
}

pub use adjutant_text as text;
pub use bindings::adjutant::agent::selection::{Candidate, Choice, Question};
pub use bindings::adjutant::agent::types::{Agent, Confidence, TrackingStatus};

/// Says who should do a task. See [`selector!`].
pub trait Selector {
    /// Whom to give the task to, best first; an empty list says that nobody fits. `Err` says why no
    /// choice could be made at all. A pure function: the same question gets the same answer.
    fn choose(task: Question, candidates: Vec<Candidate>) -> Result<Vec<Choice>, String>;
}

/// Exports a type that is a [`Selector`] as this component's strategy.
#[macro_export]
macro_rules! selector {
    ($type:ty) => {
        const _: () = $crate::text::world::check("selector", ::std::option_env!("ADJUTANT_WORLD"));
        const _: () = {
            struct Exported;
            impl $crate::bindings::Guest for Exported {
                fn choose(
                    task: $crate::Question,
                    candidates: ::std::vec::Vec<$crate::Candidate>,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::Choice>, ::std::string::String>
                {
                    <$type as $crate::Selector>::choose(task, candidates)
                }
            }
    $crate::bindings::export_selector!(Exported with_types_in $crate::bindings);
        };
    };
}
