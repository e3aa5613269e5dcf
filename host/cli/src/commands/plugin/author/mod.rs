//! The author's commands. What they do is in the crate `adjutant-author`; here it is shown.

mod build;
mod check;
mod dev;
mod new;
mod test;

use crate::args::{AuthorCommand, Global};
use crate::clean;
use crate::exit::{Code, Error, Result};
use adjutant_author::{Progress, Project};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Characters of a tool's line that a moving display shows.
const LINE: usize = 100;
/// How often what moves moves.
const TICK: Duration = Duration::from_millis(100);

/// Does it.
pub(super) async fn run(command: &AuthorCommand, global: &Global) -> Result<Code> {
    match command {
        AuthorCommand::New(args) => new::run(args, global.json),
        AuthorCommand::Build { dir } => build::run(dir, global.json).await,
        AuthorCommand::Check { what, world } => check::run(what, *world, global.json).await,
        AuthorCommand::Test(args) => test::run(args, global.json).await,
        AuthorCommand::Dev(args) => Box::pin(dev::run(args, global)).await,
    }
}

/// Opens a project.
fn open(dir: &Path) -> Result<Project> {
    Project::open(dir).map_err(|error| Error::Usage(error.to_string()))
}

/// Builds a project on a thread for blocking work, and shows how far it is.
async fn build_shown(
    project: &Project,
) -> Result<std::result::Result<adjutant_author::build::Built, String>> {
    let project = project.clone();
    let built = tokio::task::spawn_blocking(move || {
        let steps = Steps::new();
        let built = adjutant_author::build::build(&project, &steps);
        steps.end();
        built.map_err(|error| error.to_string())
    });
    built
        .await
        .map_err(|error| Error::Failed(format!("the build was lost: {error}")))
}

/// Where compiled components are kept for tests, if the user has a cache folder.
fn compiled() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.cache_dir().join("adjutant/compiled"))
}

/// Shows on stderr what goes on: a line that moves on a terminal, a line for each step elsewhere.
struct Steps(Option<ProgressBar>);

impl Steps {
    fn new() -> Steps {
        let smart = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        let moving = smart && std::io::stderr().is_terminal();
        Steps(moving.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{spinner} {prefix} {msg:.dim}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK);
            bar
        }))
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Steps {
    fn step(&self, what: &str) {
        match &self.0 {
            Some(bar) => {
                bar.set_prefix(clean::line(what, LINE));
                bar.set_message(String::new());
            }
            None => eprintln!("{} …", clean::line(what, LINE)),
        }
    }

    fn line(&self, line: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(clean::line(line, LINE));
        }
    }
}
