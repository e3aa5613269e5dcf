//! A subordinate without a model: runs the commands of its configuration in the ticket's worktree.
//!
//! ```json
//! {
//!   "commands": [{
//!     "name": "Open ends",
//!     "run": ["git", "grep", "-n", "-E", "TODO|FIXME"],
//!     "match": ["TODO", "FIXME"],
//!     "ok_exit_codes": [0, 1],
//!     "timeout_ms": 60000,
//!     "empty": "There is none.",
//!     "format": "text",
//!     "columns": []
//!   }],
//!   "stop_on_failure": false
//! }
//! ```
//!
//! Only `name` and `run` are needed. A task runs the commands that have one of their `match` words in
//! its title or description, or all where none has. `format` is `text`, `lines` or `tsv`; `tsv` with
//! `columns` becomes a table.
//!
//! Its output is `{"commands": [{name, command, exit_code, ok, stdout, stderr, truncated, elapsed_ms,
//! rows?}]}`. Where the ticket has a schema, the output is handed in first, and a refused one is a
//! failure: there is nothing to mend in what commands print.

mod config;
mod show;

use adjutant_sdk::{Error, Failure, Report, Subordinate, Task, reporting, worktree};
use serde::Serialize;

use config::{Command, Config};
use show::{Done, summary, title};

struct Commands;

#[derive(Serialize)]
struct Output<'a> {
    commands: &'a [Done],
}

impl Subordinate for Commands {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        if let Some(problem) = config.problem() {
            return Err(Failure::new(format!(
                "The configuration of agent \"{}\" cannot be used: {problem}.",
                task.agent.name
            )));
        }
        let text = format!("{}\n{}", task.ticket.title, task.ticket.description);
        let mut all = Vec::new();
        let commands = config.asked_for(&text);
        for command in &commands {
            let done = run(command, commands.len())?;
            let stop = !done.ok && config.stop_on_failure;
            all.push(done);
            if stop {
                break;
            }
        }
        let output = Output { commands: &all };
        if all.iter().any(|done| !done.ok) {
            return Err(Failure::new(summary(&all)).output(&output));
        }
        let report = Report::new(summary(&all)).output(&output);
        if task.ticket.expected_output_schema_json.is_some()
            && let Some(json) = &report.output_json
        {
            match reporting::submit_output(json) {
                Ok(()) => {}
                Err(error @ Error::Cancelled(_)) => return Err(error.into()),
                Err(error) => {
                    return Err(Failure::new(format!(
                        "The commands ran, but their output is not what the ticket expects: {error}"
                    ))
                    .output(&output));
                }
            }
        }
        Ok(report)
    }
}

/// Run one command. Only a cancelled ticket ends the work: any other refusal is the command's result.
fn run(command: &Command, commands: usize) -> Result<Done, Failure> {
    note(&format!("running `{}`", title(command)))?;
    match worktree::run(&command.run, command.timeout_ms) {
        Ok(exit) => {
            let done = Done::ended(command, &exit, commands);
            note(&done.note())?;
            Ok(done)
        }
        Err(error @ Error::Cancelled(_)) => Err(error.into()),
        Err(error) => Ok(Done::refused(command, &error.to_string())),
    }
}

/// A progress note. One too many is no reason to stop.
fn note(text: &str) -> Result<(), Failure> {
    match reporting::progress(text) {
        Err(error @ Error::Cancelled(_)) => Err(error.into()),
        Err(_) | Ok(()) => Ok(()),
    }
}

adjutant_sdk::subordinate!(Commands);
