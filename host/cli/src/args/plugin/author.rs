//! Commands of authors: from nothing to a component that runs.

use adjutant_author::Language;
use adjutant_model::World;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Write, build, check, test and try a plugin.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorCommand {
    /// Make a new plugin's project: a small one that works.
    #[command(after_help = "\
Examples:
  adjutant plugin new --lang rust --world boss lead
  adjutant plugin new --lang python reviewer ~/src/reviewer
  adjutant plugin new --lang typescript --world selector nearest")]
    New(NewArgs),
    /// Build a project: a component that carries its manifest and fits its world.
    Build {
        /// The project's folder.
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Say what a component is for, what it imports and wants, and all that keeps it from fitting.
    #[command(after_help = "\
The exit code is 1 where a host would not take it.

Examples:
  adjutant plugin check reviewer.wasm
  adjutant plugin check .                    builds the project first")]
    Check {
        /// A component, or a project's folder.
        #[arg(value_hint = ValueHint::AnyPath)]
        what: PathBuf,
        /// The world that it is to fit; what its manifest or its exports say unless given.
        #[arg(long, value_parser = world)]
        world: Option<World>,
    },
    /// Run a project's tests: the strategy against scripted tasks, agents and answers, without a host.
    #[command(after_help = "\
A test is a file `tests/NAME.toml`; what the strategy asked and answered is held against
`tests/NAME.snap`. The exit code is 1 where one fails.

Examples:
  adjutant plugin test
  adjutant plugin test --update              what comes out is right from now on
  adjutant plugin test --dir reviewer deadline")]
    Test(TestArgs),
    /// Watch a project: build it at each change, load it into a running host, show its runs.
    #[command(after_help = "\
Each build is loaded as a version of its own, VERSION-dev.N, and new runs take it. One that cannot be built
or does not fit changes nothing. Ctrl-C ends it.

Examples:
  adjutant plugin dev
  adjutant plugin dev reviewer --agent rita --ask \"Review the last change\"")]
    Dev(DevArgs),
}

/// `adjutant plugin new`
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The language: rust, javascript, typescript, python, c, cpp or go.
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) lang: Language,
    /// What it is to be: a selector, a subordinate or a boss.
    #[arg(long, value_parser = world, default_value = "subordinate")]
    pub(crate) world: World,
    /// The plugin's name.
    pub(crate) name: String,
    /// The folder to make; named as the plugin unless given.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// `adjutant plugin test`
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Only tests with this in their name.
    pub(crate) filter: Option<String>,
    /// The project's folder.
    #[arg(long, default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Make what comes out the new snapshots.
    #[arg(long)]
    pub(crate) update: bool,
    /// Show each test's story.
    #[arg(long)]
    pub(crate) show: bool,
}

/// `adjutant plugin dev`
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The project's folder.
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Show this agent's runs only; where there is no such agent, one is made that uses the plugin.
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// Give the agent this to do after each load.
    #[arg(long, value_name = "TASK", requires = "agent")]
    pub(crate) ask: Option<String>,
}

fn world(text: &str) -> Result<World, String> {
    [World::Selector, World::Subordinate, World::Boss]
        .into_iter()
        .find(|world| world.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no world; there are selector, subordinate and boss"))
}
