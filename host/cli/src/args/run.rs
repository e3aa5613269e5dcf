//! What `adjutant run` may be told.

use super::NameVersion;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `adjutant run`
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// List runs, the newest first.
    #[command(after_help = "\
Examples:
  adjutant run list --status failed
  adjutant run list --ticket 0192d3a4-…")]
    List(RunListArgs),
    /// Tell what happened in a run: what it asked the host, what it was answered, what it printed.
    #[command(after_help = "\
A run may be named by its id, or by the beginning or the end of it where that is enough.

Examples:
  adjutant run show 5d6a1b2c
  adjutant run show --full 5d6a1b2c | less
  adjutant run show --json 5d6a1b2c | jq '.journal[].call'")]
    Show(RunShowArgs),
    /// Run it once more on this machine, against its journal: nothing is changed anywhere.
    #[command(
        long_about = "Run it once more on this machine, against its journal: nothing is changed \
            anywhere.\n\n\
            The component that the run is pinned to, or the one from --plugin, is fed the answers that \
            the run got. The replay ends as the run did, or says where it differs; then the exit code \
            is 1. It knows no time: where the run was stopped for being too slow, the replay goes on to \
            what it would have asked next.",
        after_help = "\
Examples:
  adjutant run replay 5d6a1b2c
  adjutant run replay --step 5d6a1b2c               Enter goes on, q ends it
  adjutant run replay --until 12 5d6a1b2c
  adjutant run replay 5d6a1b2c --plugin new.wasm    would the new version have done the same?"
    )]
    Replay(RunReplayArgs),
    /// Go on where a run broke, with a fixed version of its plugin.
    #[command(
        long_about = "Go on where a run broke, with a fixed version of its plugin.\n\n\
            A run that trapped, hit a limit or diverged is gone on from by a new run of the same ticket, \
            which begins with the old one's journal: nothing that was done is done again. Tickets that \
            it had delegated were cancelled when it broke, and stay so.",
        after_help = "\
Example:
  adjutant plugin add reviewer@0.1.1 reviewer.wasm && adjutant run resume 5d6a1b2c"
    )]
    Resume(RunResumeArgs),
}

/// `adjutant run list`
#[derive(Debug, Args)]
pub(crate) struct RunListArgs {
    /// Only a ticket's.
    #[arg(long, value_name = "TICKET", conflicts_with = "status")]
    pub(crate) ticket: Option<String>,
    /// Only those that stand so: queued, provisioning, running, waiting, completed, failed or
    /// cancelled.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// How many to show.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// `adjutant run show`
#[derive(Debug, Args)]
pub(crate) struct RunShowArgs {
    /// The run.
    pub(crate) run: String,
    /// Show arguments, answers and output whole.
    #[arg(long)]
    pub(crate) full: bool,
}

/// `adjutant run replay`
#[derive(Debug, Args)]
pub(crate) struct RunReplayArgs {
    /// The run.
    pub(crate) run: String,
    /// Another component than the one that the run is pinned to.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) plugin: Option<PathBuf>,
    /// Wait for Enter after each call, where the input is a terminal.
    #[arg(long, conflicts_with = "json")]
    pub(crate) step: bool,
    /// Stop after this call; the first one is 0.
    #[arg(long, value_name = "CALL")]
    pub(crate) until: Option<u32>,
    /// Show arguments and answers whole.
    #[arg(long)]
    pub(crate) full: bool,
}

/// `adjutant run resume`
#[derive(Debug, Args)]
pub(crate) struct RunResumeArgs {
    /// The run that broke.
    pub(crate) run: String,
    /// The version of its plugin to go on with; the one registered last unless named.
    #[arg(long, value_name = "NAME@VERSION")]
    pub(crate) plugin: Option<NameVersion>,
}
