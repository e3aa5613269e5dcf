//! Commands of operators: what a host has, and which version new runs take.

use super::NameVersion;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// What a host has, and which of it new runs take.
#[derive(Debug, Subcommand)]
pub(crate) enum OperateCommand {
    /// List plugins: their versions, and which of them new runs take.
    List,
    /// Show a plugin: its manifest, its versions with their runs in flight, and what has changed.
    Inspect {
        /// Its name, for all its versions, or NAME@VERSION for one.
        #[arg(value_name = "NAME[@VERSION]")]
        plugin: String,
    },
    /// Register a component. It is compiled and checked first; then new runs take it.
    #[command(
        allow_missing_positional = true,
        after_help = "\
Examples:
  adjutant plugin add reviewer.wasm                    named by its manifest
  adjutant plugin add reviewer@0.1.0 reviewer.wasm
  adjutant plugin add --canary 10 reviewer@0.2.0 reviewer.wasm"
    )]
    Add(AddArgs),
    /// Make a version the one that new runs take.
    Activate {
        /// The version.
        #[arg(value_name = "NAME@VERSION")]
        plugin: NameVersion,
        #[command(flatten)]
        how: How,
    },
    /// Hold the active version: whatever is registered, new runs take this one.
    Pin {
        /// The plugin; with a version, that one is made active first.
        #[arg(value_name = "NAME[@VERSION]")]
        plugin: String,
        #[command(flatten)]
        how: How,
    },
    /// Let the active version change again.
    Unpin {
        /// The plugin.
        name: String,
    },
    /// Try a version on a share of the new runs. It is promoted or dropped by how they end.
    #[command(after_help = "\
Example:
  adjutant plugin canary reviewer@0.2.0 --percent 10

When enough of its runs have ended (setting `canary_runs`, 20), it becomes active, unless more of them
failed by their own fault (traps, limits of the guest, divergence) than of the active version's, by more
than `canary_margin_percent` (10) percentage points. A canary that keeps failing is dropped sooner.")]
    Canary {
        /// The version.
        #[arg(value_name = "NAME@VERSION")]
        plugin: NameVersion,
        /// Its share of the new runs.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=99))]
        percent: u8,
        #[command(flatten)]
        how: How,
    },
    /// Make the version active that is tried, without waiting for its runs.
    Promote {
        /// The plugin.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Go back: drop the version that is tried, or else make the version active that was before.
    Rollback {
        /// The plugin.
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Let nothing start on a version any more; what runs on it comes to its end.
    Drain {
        /// The version.
        #[arg(value_name = "NAME@VERSION")]
        plugin: NameVersion,
        #[command(flatten)]
        how: How,
    },
    /// Take a plugin's version away. Runs that have started stay on it, and no other component comes back as it.
    Remove {
        /// Its name and version.
        #[arg(value_name = "NAME@VERSION")]
        plugin: NameVersion,
        /// Also where agents are pinned to it or need it, do not fit what they would take then, or no version
        /// is active then: their tickets that have not started wait, fail, or go to others.
        #[arg(long)]
        force: bool,
    },
}

/// How something is changed.
#[derive(Debug, Default, Args)]
pub(crate) struct How {
    /// Why, for the history.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) reason: String,
    /// Also where agents' configurations do not fit the version: their tickets fail until they do.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `adjutant plugin add`
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Its name and version, where it has no manifest that says them.
    #[arg(value_name = "NAME@VERSION")]
    pub(crate) plugin: Option<NameVersion>,
    /// The component.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Only register it: new runs take what they took.
    #[arg(long, conflicts_with = "canary")]
    pub(crate) no_activate: bool,
    /// Try it on this share of the new runs, also where it is registered already.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub(crate) canary: Option<u8>,
    /// Make it active also where agents' configurations do not fit it: their tickets fail until they do.
    #[arg(long)]
    pub(crate) force: bool,
}
