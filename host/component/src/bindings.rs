//! The contract as Rust types and traits, generated from `wit/`.
//!
//! A host implements the `Host` traits of the interfaces below for its own type; every call is
//! async and may end the run by giving back an error (see [`crate::HostStop`]).

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub(crate) mod agent {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "boss",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [Clone, PartialEq],
        include_component_type: true,
    });
}

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub(crate) mod selector {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "selector",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [Clone, PartialEq],
        include_component_type: true,
        with: { "adjutant:agent/types": super::agent::adjutant::agent::types },
    });
}

pub use agent::adjutant::agent::types::{Failure, Report, Task};
pub use agent::adjutant::agent::{
    channels, delegation, memory, reporting, tickets, types, worktree,
};
pub use selector::adjutant::agent::selection;
pub use selector::adjutant::agent::selection::{Candidate, Choice, Question};
