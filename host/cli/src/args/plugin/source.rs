//! Commands about where plugins come from: files, registries, the watched folder.

use super::NameVersion;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Get plugins from elsewhere, and give them to others.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Register a component from a file or a registry. It is compiled and checked first.
    #[command(
        long_about = "Register a component from a file or a registry. It is compiled and checked first; \
            then new runs take it. A version that is there already stays as it stands, unless --canary tries it.\n\n\
            A file is sent to the host; FILE.minisig beside it is its signature. From a registry the host \
            gets it itself, with the logins of whoever runs it.",
        after_help = "\
Examples:
  adjutant plugin install reviewer.wasm
  adjutant plugin install reviewer.wasm reviewer@0.1.0      where it has no manifest
  adjutant plugin install ghcr.io/ada/reviewer:0.1.0
  adjutant plugin install ghcr.io/ada/reviewer@sha256:…     that content and no other
  adjutant plugin install --canary 10 localhost:5000/reviewer:0.2.0"
    )]
    Install(Box<InstallArgs>),
    /// Put a component into a registry.
    #[command(after_help = "\
The registry keeps it as the Wasm ecosystem does, so that other tools find it too. FILE.minisig beside it
goes along. Logins are those of `docker login`, or of a docker configuration in DOCKER_AUTH_CONFIG.

Example:
  adjutant plugin push reviewer.wasm ghcr.io/ada/reviewer:0.1.0")]
    Push(PushArgs),
    /// Get a component from a registry, as a file.
    #[command(after_help = "\
Where it is signed, its signature lies beside it then, as FILE.minisig.

Example:
  adjutant plugin pull ghcr.io/ada/reviewer:0.1.0 -o reviewer.wasm")]
    Pull(PullArgs),
    /// Show what the host's watched folder has, and what became of each file.
    Watched,
}

/// `adjutant plugin install`
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// A file, or a reference such as registry/name:tag.
    #[arg(value_name = "FILE_OR_REFERENCE", value_hint = ValueHint::FilePath)]
    pub(crate) from: String,
    /// Its name and version, where it has no manifest that says them.
    #[arg(value_name = "NAME@VERSION")]
    pub(crate) plugin: Option<NameVersion>,
    /// The file lies on the host's machine: have the host read it there.
    #[arg(long)]
    pub(crate) on_host: bool,
    /// The digest that the component has to have: sha256: and 64 hexadecimal digits.
    #[arg(long, value_name = "DIGEST")]
    pub(crate) digest: Option<String>,
    /// The file with its signature; FILE.minisig unless named, where it is there.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,
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

/// `adjutant plugin push`
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The component.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Where to: registry/name:tag.
    #[arg(value_name = "REFERENCE")]
    pub(crate) to: String,
    /// The file with its signature; FILE.minisig unless named, where it is there.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,
    /// Speak to the registry over plain HTTP, also on another machine.
    #[arg(long)]
    pub(crate) plain_http: bool,
}

/// `adjutant plugin pull`
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Where from: registry/name:tag, registry/name@sha256:… or both.
    #[arg(value_name = "REFERENCE")]
    pub(crate) from: String,
    /// The file to write; it must not be there.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// Speak to the registry over plain HTTP, also on another machine.
    #[arg(long)]
    pub(crate) plain_http: bool,
}
