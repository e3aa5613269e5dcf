//! The bindings that are generated from `wit/`, one module for each world.
//!
//! The types and imports are generated once, for the wider world, and shared. That costs a
//! subordinate nothing: an import that is never called does not end up in its component, and what it
//! exports is decided by the macro that it uses. Selectors are another crate's: their world's types
//! would be imported by every component that links this one.

#![allow(missing_docs, unreachable_pub, clippy::all)]

/// The world `boss`, and the imports and types of both worlds.
pub mod boss {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "boss",
        with: { "adjutant:agent/types@0.1.0/error": crate::Error },
        generate_unused_types: true,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_boss",
        default_bindings_module: "adjutant_sdk::bindings::boss",
    });
}

/// The world `subordinate`.
pub mod subordinate {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "subordinate",
        with: {
            "adjutant:agent/types@0.1.0": crate::bindings::boss::adjutant::agent::types,
            "adjutant:agent/reporting@0.1.0": crate::bindings::boss::adjutant::agent::reporting,
            "adjutant:agent/channels@0.1.0": crate::bindings::boss::adjutant::agent::channels,
            "adjutant:agent/tickets@0.1.0": crate::bindings::boss::adjutant::agent::tickets,
            "adjutant:agent/memory@0.1.0": crate::bindings::boss::adjutant::agent::memory,
            "adjutant:agent/worktree@0.1.0": crate::bindings::boss::adjutant::agent::worktree,
        },
        pub_export_macro: true,
        export_macro_name: "export_subordinate",
        default_bindings_module: "adjutant_sdk::bindings::subordinate",
    });
}
