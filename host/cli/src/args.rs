//! What the command line may say. Parsing only; nothing is done here.

mod plugin;
mod run;

pub(crate) use plugin::{
    AddArgs, AuthorCommand, DevArgs, How, InstallArgs, NameVersion, NewArgs, OperateCommand,
    PluginCommand, PullArgs, PushArgs, SourceCommand, TestArgs,
};
pub(crate) use run::{RunCommand, RunListArgs, RunReplayArgs, RunResumeArgs, RunShowArgs};

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use jiff::SignedDuration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a host listens unless it is told otherwise.
pub(crate) const DEFAULT_ADDR: &str = "127.0.0.1:5174";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the arguments, a file or a value make no sense
  3  not found
  5  conflict with how things stand now
  6  no host answers";

/// Runs teams of agents: a boss splits work up, subordinates do it, the boss answers.
#[derive(Debug, Parser)]
#[command(
    name = "adjutant",
    version,
    after_help = EXIT_CODES,
    arg_required_else_help = true,
    propagate_version = true
)]
pub(crate) struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What applies to every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The host to talk to.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ADJUTANT_HOST",
        default_value = "http://127.0.0.1:5174",
        value_hint = ValueHint::Url
    )]
    pub(crate) host: String,
    /// The workspace, by name or id; the one called `default` unless named.
    #[arg(
        long,
        short = 'w',
        global = true,
        value_name = "NAME",
        env = "ADJUTANT_WORKSPACE"
    )]
    pub(crate) workspace: Option<String>,
    /// Print JSON, for programs. Errors become JSON on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give a boss a piece of work, and see it done.
    Ask(AskArgs),
    /// Run a host: the API, and the agents behind it.
    Serve(ServeArgs),
    /// Save a workspace with its agents, from a file.
    Apply(ApplyArgs),
    /// Copy a running host into a file, while it goes on.
    Backup(BackupArgs),
    /// Make a backup a new host's data.
    Restore(RestoreArgs),
    /// Measure how much this machine does, beside what its disk and its sandbox could do alone.
    Bench(BenchArgs),
    /// Work with tickets.
    #[command(subcommand)]
    Ticket(TicketCommand),
    /// Look at agents.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Find out what happened in a run, replay it, or go on where it broke.
    #[command(subcommand)]
    Run(RunCommand),
    /// Show what was said and printed on a ticket, or printed in a run.
    Logs(LogsArgs),
    /// Work with plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// `adjutant ask`
#[derive(Debug, Args)]
#[command(
    long_about = "Give a boss a piece of work, and see it done.\n\n\
        A private host is started for the one request, with the team from --team or a team that needs \
        no model, no key and no network. Each subordinate works in a clone of its own; your checkout \
        is not touched. Branches that they made are left in the repository.",
    after_help = "\
Examples:
  adjutant ask --repo . \"Count the lines by language. List every TODO and FIXME.\"
  adjutant ask --repo . --json \"Who changed what most this month?\" | jq .summary
  adjutant ask --team team.toml --to lead --timeout 10m \"Prepare the release\"
  adjutant ask --on http://127.0.0.1:5174 --repo ~/project \"Which are the largest files?\""
)]
pub(crate) struct AskArgs {
    /// What is to be done. `-` reads it from the standard input.
    #[arg(value_name = "REQUEST")]
    pub(crate) request: String,
    /// A git repository to work in; may be given several times.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub(crate) repo: Vec<PathBuf>,
    /// The team to ask, as for `adjutant apply`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) team: Option<PathBuf>,
    /// The agent to ask; the first one without a boss unless named.
    #[arg(long, value_name = "AGENT")]
    pub(crate) to: Option<String>,
    /// When to give up, such as `90s`, `10m` or `1h 30m`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Keep the private host's data, and say where it is.
    #[arg(long, conflicts_with = "on")]
    pub(crate) keep: bool,
    /// Ask a host that runs already, instead of starting one. Without --workspace the team gets a
    /// workspace of its own there.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) on: Option<String>,
}

/// `adjutant bench`
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A workload: fan-out-8, chain-4, parked, recovery or replay, all unless named; or hostile, by
    /// itself.
    #[arg(long)]
    pub(crate) workload: Vec<String>,
    /// How many bosses are parked by the workloads `parked` and `recovery`.
    #[arg(long, value_name = "BOSSES", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) runs: u32,
    /// How many requests are under way at a time.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    pub(crate) at_once: Vec<usize>,
    /// Only these kinds of hostility, of the workload `hostile`; the last line is all of them together.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Vec<String>,
    /// Seconds for each line.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Where to work; a folder in the user's data folder unless named. What is made there is removed.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
}

/// `adjutant serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  adjutant serve
  adjutant serve --team team.toml
  ADJUTANT_LOG=debug adjutant serve --addr 127.0.0.1:8080 --data ./data
  adjutant serve --plugins ./plugins --require-signed --trusted-key minisign.pub

ADJUTANT_LOG, or RUST_LOG, says what is logged to stderr; `info` unless set.")]
pub(crate) struct ServeArgs {
    /// Where to listen; a loopback address. Port 0 takes a free one.
    #[arg(long, default_value = DEFAULT_ADDR)]
    pub(crate) addr: SocketAddr,
    /// Where everything is kept; a folder in the user's data folder unless named.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// A team to save first, as by `adjutant apply`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) team: Option<PathBuf>,
    /// A folder: what is dropped into it is registered, where it is a plugin.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) plugins: Option<PathBuf>,
    /// Take only plugins that are signed with a trusted key. On those that are there already without such a
    /// signature nothing starts any more; what has begun on them goes on.
    #[arg(long)]
    pub(crate) require_signed: bool,
    /// A minisign public key to trust, or its file; may be given several times.
    #[arg(long, value_name = "KEY_OR_FILE")]
    pub(crate) trusted_key: Vec<String>,
    /// The host's settings: TOML with tables `limits`, `runs` (`park_after_ms`, `shutdown_ms`),
    /// `store` (`floor_bytes`, `cache_bytes`) and `plugins` (`max_bytes`, `compile_ms`,
    /// `compile_memory`, `compile_queue`, `max_manifest`, `max_answer`, `require_signed`, `trusted_keys`,
    /// `watch`, `plain_http`).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// `adjutant backup`
#[derive(Debug, Args)]
#[command(
    long_about = "Copy a running host into a file, while it goes on.\n\n\
        The file has the store as it was at one moment, and all plugins; their digests are checked \
        before the file gets its name. Worktrees are not in it: a run that was working on files \
        goes on in a fresh worktree, without them. A restored host goes on with all that was under way: \
        stop the first one before you start the second.",
    after_help = "\
Examples:
  adjutant backup backups/                     a new file in that folder
  adjutant --host http://127.0.0.1:8080 backup host.tar"
)]
pub(crate) struct BackupArgs {
    /// The file to make, or the folder to make one in.
    #[arg(value_name = "FILE_OR_FOLDER", value_hint = ValueHint::AnyPath)]
    pub(crate) to: PathBuf,
}

/// `adjutant restore`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  adjutant restore host.tar --data ./data && adjutant serve --data ./data")]
pub(crate) struct RestoreArgs {
    /// The backup. All of it is checked first.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The data folder to make; it must be empty or not there.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) data: PathBuf,
}

/// `adjutant apply`
#[derive(Debug, Args)]
#[command(after_help = "\
A team is a TOML file:

  [workspace]
  name = \"default\"
  repos = [{ name = \"app\", path = \".\" }]     # relative to this file

  [[plugins]]                                 # registered first
  name = \"mine\"
  version = \"0.1.0\"
  path = \"mine.wasm\"

  [[agents]]
  name = \"lead\"
  plugin = \"coordinator\"
  selector = \"skills\"
  grant_team_commands = true                  # what it delegates may use no more than it may

  [[agents]]
  name = \"tester\"
  boss = \"lead\"
  plugin = \"command\"
  skills = [\"run tests\"]
  grant_own_commands = true                   # its configuration's commands, and no others
  config.commands = [{ name = \"tests\", run = [\"make\", \"test\"] }]

Examples:
  adjutant apply -f team.toml
  generate-team | adjutant apply -f -")]
pub(crate) struct ApplyArgs {
    /// The team; `-` reads it from the standard input.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// `adjutant ticket`
#[derive(Debug, Subcommand)]
pub(crate) enum TicketCommand {
    /// List tickets, the newest first.
    #[command(after_help = "\
Examples:
  adjutant ticket list --status in_progress
  adjutant ticket list --roots --assignee lead --limit 10")]
    List(TicketListArgs),
    /// Show a ticket with all below it.
    Get {
        /// The ticket's id.
        ticket: String,
    },
    /// Make a ticket.
    #[command(after_help = "\
Examples:
  adjutant ticket create --to lead \"Count the lines by language\"
  adjutant ticket create --to lead --schema answer.json --wait \"How many tests are there?\"")]
    Create(Box<TicketCreateArgs>),
    /// Cancel a ticket and all below it.
    Cancel {
        /// The ticket's id.
        ticket: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// `adjutant ticket list`
#[derive(Debug, Args)]
pub(crate) struct TicketListArgs {
    /// Only those that stand so: backlog, open, in_progress, blocked, in_review, done, failed or
    /// cancelled.
    #[arg(long, value_parser = status)]
    pub(crate) status: Option<String>,
    /// Only an agent's, by name or id.
    #[arg(long, value_name = "AGENT")]
    pub(crate) assignee: Option<String>,
    /// Only those right below a ticket.
    #[arg(long, value_name = "TICKET", conflicts_with = "roots")]
    pub(crate) parent: Option<String>,
    /// Only those without a parent.
    #[arg(long)]
    pub(crate) roots: bool,
    /// Only those with this text in their title or description.
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// How many to show.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// `adjutant ticket create`
#[derive(Debug, Args)]
pub(crate) struct TicketCreateArgs {
    /// What is to be done, in a line.
    pub(crate) title: String,
    /// Who is to do it, by name or id; nobody yet unless named.
    #[arg(long, value_name = "AGENT")]
    pub(crate) to: Option<String>,
    /// What is to be done, in full.
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A file with the JSON Schema that the output has to fulfil.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) schema: Option<PathBuf>,
    /// Store an output that does not fulfil the schema, with warnings, instead of refusing it.
    #[arg(long, requires = "schema")]
    pub(crate) permissive: bool,
    /// The ticket above it.
    #[arg(long, value_name = "TICKET")]
    pub(crate) parent: Option<String>,
    /// When it fails if it is not over, such as `10m`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// How urgent it is: an agent's queue has the urgent ones first.
    #[arg(long, value_name = "URGENCY", value_parser = ["high", "medium", "low"],
        default_value = "medium", hide_default_value = true)]
    pub(crate) priority: String,
    /// A word; tickets with the same one are never worked on at the same time.
    #[arg(long, value_name = "WORD")]
    pub(crate) group: Option<String>,
    /// A ticket that must be over before it starts; may be given several times.
    #[arg(long, value_name = "TICKET")]
    pub(crate) blocked_by: Vec<String>,
    /// Start also where a ticket of `--blocked-by` has failed, instead of failing too.
    #[arg(long, requires = "blocked_by")]
    pub(crate) release_on_failure: bool,
    /// How many runs its assignee gets where runs fail.
    #[arg(long, value_name = "RUNS", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) attempts: Option<u32>,
    /// How often it is then given to another capable subordinate of the same boss.
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) reassign: Option<u32>,
    /// The pause before the second run, such as `2s`; each further one is twice as long.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) backoff: Option<Duration>,
    /// How long its run may be silent before it fails, such as `10m`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) silence: Option<Duration>,
    /// What it and all below it may spend, such as `tokens=50000,guest_ms=5000`: wall_ms, guest_ms,
    /// tokens, cost_microusd, children, depth.
    #[arg(long, value_name = "WHAT=MOST,…", value_parser = budget)]
    pub(crate) budget: Option<adjutant_model::Budget>,
    /// Leave it in the backlog.
    #[arg(long, conflicts_with = "to")]
    pub(crate) backlog: bool,
    /// Wait until it is over; the exit code is 1 where it was not done.
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `adjutant agent`
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List agents with what they are doing.
    List,
    /// Show who is whose boss.
    Tree,
    /// Ask whom a boss would pick for a task, and why; nothing is changed.
    #[command(after_help = "\
Example:
  adjutant agent choose lead \"Run the tests\"")]
    Choose {
        /// The boss, by name or id.
        boss: String,
        /// The task, in a line.
        task: String,
        /// The task, in full.
        #[arg(long, short, value_name = "TEXT", default_value = "")]
        description: String,
        /// What the person who starts it all asks for; the task unless given.
        #[arg(long, value_name = "TEXT", default_value = "")]
        request: String,
    },
}

/// `adjutant logs`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  adjutant logs 0192d3a4-…
  adjutant logs -f 0192d3a4-…        until the ticket or run is over")]
pub(crate) struct LogsArgs {
    /// A ticket's or a run's id.
    #[arg(value_name = "TICKET_OR_RUN")]
    pub(crate) id: String,
    /// Go on as more comes, until it is over.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// A span to measure in, in seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no number of seconds from 0.1 to 3600");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if (0.1..=3_600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(wrong())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let how = "write it as 90s, 10m or 1h 30m";
    let duration: SignedDuration = text.parse().map_err(|_| how.to_owned())?;
    match Duration::try_from(duration) {
        Ok(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        _ => Err("it must be longer than nothing".to_owned()),
    }
}

fn budget(text: &str) -> Result<adjutant_model::Budget, String> {
    let mut fields = serde_json::Map::new();
    for part in text.split(',') {
        let (what, most) = part
            .split_once('=')
            .ok_or_else(|| "write it as tokens=50000,guest_ms=5000".to_owned())?;
        let number = most.trim().parse::<u64>();
        let number = number.map_err(|_| format!("{:?} is no whole number", most.trim()))?;
        fields.insert(what.trim().to_owned(), number.into());
    }
    serde_json::from_value(fields.into()).map_err(|error| error.to_string())
}

fn status(text: &str) -> Result<String, String> {
    let word = text.to_lowercase().replace('-', "_");
    adjutant_model::Status::parse(&word)
        .map(|status| status.to_string())
        .ok_or_else(|| {
            let all = adjutant_model::Status::ALL.map(|status| status.as_str());
            format!("it is one of {}", all.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["adjutant"], line].concat())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_first_command_parses() {
        let cli = parse(&[
            "ask",
            "--repo",
            ".",
            "--repo",
            "../b",
            "--timeout",
            "1h 30m",
            "--json",
            "Count.",
        ])
        .expect("it parses");
        assert!(cli.global.json);
        let Command::Ask(ask) = cli.command else {
            panic!("not ask");
        };
        assert_eq!(ask.repo, [PathBuf::from("."), PathBuf::from("../b")]);
        assert_eq!(ask.timeout, Some(Duration::from_secs(5_400)));
        assert_eq!(ask.request, "Count.");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let table: &[&[&str]] = &[
            &["ask"],
            &["ask", "--timeout", "soon", "x"],
            &["ask", "--timeout", "-5s", "x"],
            &["ask", "--keep", "--on", "http://127.0.0.1:1", "x"],
            &["ticket", "list", "--status", "finished"],
            &["ticket", "list", "--roots", "--parent", "x"],
            &["ticket", "create", "--backlog", "--to", "a", "x"],
            &["ticket", "create", "--permissive", "x"],
            &["ticket", "create", "--budget", "tokens", "x"],
            &["ticket", "create", "--budget", "tokens=many", "x"],
            &["ticket", "create", "--budget", "time=5", "x"],
            &["plugin", "add", "mine", "mine.wasm"],
            &["run", "show"],
            &["run", "replay", "--until", "x", "0192d3a4"],
            &["run", "resume", "--plugin", "mine", "0192d3a4"],
            &["agent", "choose", "lead"],
            &["plugin", "add", "@1", "mine.wasm"],
            &["serve", "--addr", "everywhere"],
            &["apply"],
            &["backup"],
            &["restore", "host.tar"],
            &["dance"],
        ];
        for line in table {
            let error = parse(line).expect_err("it is refused");
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn a_budget_names_what_it_limits() {
        let given = budget("tokens=50000, guest_ms=5000,children=3").expect("it parses");
        let wanted = adjutant_model::Budget {
            tokens: Some(50_000),
            guest_ms: Some(5_000),
            children: Some(3),
            ..Default::default()
        };
        assert_eq!(given, wanted);
        assert!(budget("time=5").is_err_and(|text| text.contains("wall_ms")));
    }

    #[test]
    fn a_status_is_forgiving_about_its_form() {
        assert_eq!(status("In-Progress").as_deref(), Ok("in_progress"));
        assert!(status("x").is_err_and(|text| text.contains("backlog, open")));
    }
}
