//! Adjutant's command line: it parses, wires and prints. What is right or wrong is decided by the
//! host, which it reaches through HTTP only, also where it has started one itself.

mod args;
mod ask;
mod bench;
mod clean;
mod client;
mod commands;
mod exit;
mod interrupt;
mod print;
mod render;
mod team;
mod wire;

use adjutant_component::{COMPILE_COMMAND, compile_component};
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use exit::{Code, Error, Result};
use serde_json::json;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // A host starts this program again for each component that is new to it.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == COMPILE_COMMAND) {
        return compile_component(args);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let json = cli.global.json;
    log_to_stderr(matches!(cli.command, Command::Serve(_)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(cli));
            // What still blocks, such as a removal, does not hold the process.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Error::Failed(format!("no threads can be started: {error}"))),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            match &error {
                Error::Closed => {}
                error if json => eprintln!("{}", error.to_json()),
                error => eprintln!("error: {}", clean::block(&error.to_string())),
            }
            error.code().into()
        }
    }
}

async fn run(cli: Cli) -> Result<Code> {
    let global = cli.global;
    match cli.command {
        // Each is large, and only one is there at a time.
        Command::Ask(args) => Box::pin(ask::run(args, &global)).await,
        Command::Serve(args) => Box::pin(commands::serve(args, &global)).await,
        Command::Apply(args) => Box::pin(commands::apply_file(&args, &global)).await,
        Command::Backup(args) => Box::pin(commands::backup(args, &global)).await,
        Command::Restore(args) => commands::restore(args, &global).await,
        Command::Ticket(command) => Box::pin(commands::ticket(command, &global)).await,
        Command::Agent(command) => Box::pin(commands::agent(&command, &global)).await,
        Command::Bench(args) => Box::pin(bench::run(args, &global)).await,
        Command::Run(command) => Box::pin(commands::run(command, &global)).await,
        Command::Logs(args) => Box::pin(commands::logs(&args, &global)).await,
        Command::Plugin(command) => commands::plugin(&command, &global).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "adjutant", &mut script);
            print::text(&String::from_utf8_lossy(&script))?;
            Ok(Code::Ok)
        }
    }
}

/// A command line that cannot be understood, or a call for help.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        let said = error.render().to_string();
        let said = said.trim().strip_prefix("error: ").unwrap_or(said.trim());
        let told = json!({ "error": { "message": said, "exit_code": Code::Usage as u8 } });
        eprintln!("{told}");
        return Code::Usage.into();
    }
    // Nothing can be done where even this cannot be printed.
    let _ = error.print();
    if error.use_stderr() {
        Code::Usage.into()
    } else {
        Code::Ok.into()
    }
}

/// Logs to stderr: what `ADJUTANT_LOG` or `RUST_LOG` says; else only a server says anything.
fn log_to_stderr(is_server: bool) {
    let filter = ["ADJUTANT_LOG", "RUST_LOG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|filter| !filter.is_empty())
        .unwrap_or_else(|| if is_server { "info" } else { "off" }.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("note: the log filter {filter:?} is not understood ({error}); `warn` is used");
        EnvFilter::new("warn")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
