//! `adjutant ask`: one request to a boss, watched until it is answered.
//!
//! A private host is started in this process, and asked through its HTTP API like any other. Its data
//! lives in a folder of its own, which goes when the host is done; branches with work are in the user's
//! repositories by then.

mod folder;
mod report;
mod request;

pub(crate) use folder::home;

use crate::args::{AskArgs, Global};
use crate::client::{Client, TicketNode};
use crate::exit::{Code, Error, Result};
use crate::interrupt::Interrupts;
use crate::render::{Display, Story};
use crate::team::Team;
use crate::wire::{self, Settings};
use crate::{commands, print};
use adjutant_model::{NewTicket, TicketId};
use adjutant_store::RedbOptions;
use folder::Folder;
use report::Report;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How long the clean-up after an interrupt may take.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// What to ask, of whom, and where.
struct Plan {
    /// What to save before; none where the workspace is used as it is.
    team: Option<Team>,
    /// The workspace's name; the host's default one where there is none.
    workspace: Option<String>,
    /// The agent to ask; the workspace's first one without a boss where there is none.
    to: Option<String>,
    /// What is to be done.
    ticket: NewTicket,
}

/// Does it.
pub(crate) async fn run(args: AskArgs, global: &Global) -> Result<Code> {
    let began = Instant::now();
    let interrupts = Interrupts::listen()?;
    let plan = plan(&args, global)?;
    let mut display = Display::fitting(global.json);
    let (answer, kept) = match &args.on {
        Some(url) => {
            let client = Client::new(url, plan.workspace.as_deref())?;
            (answer(&client, plan, &interrupts, &mut display).await, None)
        }
        None => Box::pin(privately(plan, args.keep, &interrupts, &mut display)).await?,
    };
    display.finish();
    let (tree, interrupted) = answer?;
    let report = Report::new(&tree, began.elapsed(), kept);
    let printed = if global.json {
        print::json(&report)
    } else {
        print::text(&report.text())
    };
    match printed {
        // Whoever read it has gone; how it went is in the exit code still.
        Ok(()) | Err(Error::Closed) => {}
        Err(error) => return Err(error),
    }
    if !global.json {
        if interrupted {
            eprintln!("error: {}", Error::Interrupted);
        } else if let Some(failure) = report.failure() {
            eprintln!("error: {failure}");
        }
    }
    Ok(if interrupted {
        Code::Interrupted
    } else if report.ok {
        Code::Ok
    } else {
        Code::Failed
    })
}

fn plan(args: &AskArgs, global: &Global) -> Result<Plan> {
    let text = request::text(&args.request)?;
    let repos = request::repos(&args.repo)?;
    let as_it_is = args.on.is_some() && global.workspace.is_some() && args.team.is_none();
    if as_it_is && !repos.is_empty() {
        return Err(Error::Usage(
            "--repo would change the repositories of a workspace that others use; leave out \
             --workspace to get one for this request, or use `adjutant apply`"
                .to_owned(),
        ));
    }
    let mut team = match &args.team {
        Some(path) => Some(Team::read(path)?),
        None if as_it_is => None,
        None => {
            if repos.is_empty() {
                eprintln!(
                    "note: no repository is linked, so there is nothing to look at; add --repo ."
                );
            }
            Some(request::default_team()?)
        }
    };
    let mut workspace = global.workspace.clone();
    if let Some(team) = &mut team {
        if args.on.is_some() && workspace.is_none() && team.spec.workspace.name.is_empty() {
            workspace = Some(request::workspace_for(&repos));
        }
        match &workspace {
            Some(name) => team.spec.workspace.name.clone_from(name),
            None => workspace = Some(team.spec.workspace.name().to_owned()),
        }
        if !repos.is_empty() {
            team.spec.workspace.repos = Some(repos);
        }
    }
    let head = team.as_ref().and_then(Team::head).map(ToOwned::to_owned);
    Ok(Plan {
        to: args.to.clone().or(head),
        ticket: request::ticket(&text, args.timeout),
        team,
        workspace,
    })
}

type Answer = Result<(TicketNode, bool)>;

/// Asks a host that is started for it, and ended after it. The outer error is that of the host.
async fn privately(
    plan: Plan,
    keep: bool,
    interrupts: &Interrupts,
    display: &mut Display,
) -> Result<(Answer, Option<PathBuf>)> {
    let home = home()?;
    let folder = Folder::make(&home.join("asks"), SystemTime::now())?;
    let settings = Settings {
        // The next request need not compile the same components again.
        cache: home.join("compiled"),
        store: RedbOptions {
            // It lives for one request: what is for hard times would only take time to make.
            ballast_bytes: 0,
            ..RedbOptions::default()
        },
        ..Settings::below(folder.path(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    };
    let starting = print::meanwhile(
        "a host is started for this; the first time it compiles its strategies, which takes a while",
        Box::pin(wire::start(settings)),
    );
    let started = interrupts.or(starting).await;
    let answer = match started {
        Ok(running) => {
            let client = Client::new(running.url(), plan.workspace.as_deref());
            let answer = match client {
                Ok(client) => answer(&client, plan, interrupts, display).await,
                Err(error) => Err(error),
            };
            if tokio::time::timeout(CLEAN_UP, running.stop())
                .await
                .is_err()
            {
                eprintln!("note: the host did not stop in time; what is left is ended with it");
            }
            answer
        }
        Err(error) => Err(error),
    };
    if keep {
        return Ok((answer, Some(folder.path().to_owned())));
    }
    let path = folder.path().to_owned();
    let removed = tokio::task::spawn_blocking(|| folder.remove()).await;
    if let Ok(Err(error)) = removed {
        eprintln!("note: {} could not be removed: {error}", path.display());
    }
    Ok((answer, None))
}

/// Asks a host, and follows the work to its end. True where it was interrupted.
async fn answer(
    client: &Client,
    plan: Plan,
    interrupts: &Interrupts,
    display: &mut Display,
) -> Answer {
    let ticket = interrupts.or(begin(client, plan)).await?;
    let mut story = Story::new(&client.names().await?);
    let mut events = client.events(ticket);
    let interrupted = interrupts
        .or(follow(&mut events, ticket, &mut story, display))
        .await;
    match interrupted {
        Ok(()) => {
            let tree = client.tree(&ticket.to_string()).await?;
            Ok((commands::read(tree)?, false))
        }
        Err(Error::Interrupted) => {
            let tidy = async {
                match client.cancel(&ticket.to_string(), "interrupted").await {
                    // It ended by itself at the same moment.
                    Err(error) if error.code() == Code::Conflict => {}
                    other => drop(other?),
                }
                follow(&mut events, ticket, &mut story, display).await?;
                commands::read(client.tree(&ticket.to_string()).await?)
            };
            match tokio::time::timeout(CLEAN_UP, tidy).await {
                Ok(tree) => Ok((tree?, true)),
                Err(_) => Err(Error::Interrupted),
            }
        }
        Err(error) => Err(error),
    }
}

/// Saves the team and makes the ticket.
async fn begin(client: &Client, plan: Plan) -> Result<TicketId> {
    if let Some(team) = &plan.team {
        commands::apply(client, team).await?;
    }
    let to = match plan.to {
        Some(to) => to,
        None => head(client).await?,
    };
    let ticket = NewTicket {
        assignee: Some(to),
        ..plan.ticket
    };
    commands::id(&client.create(&ticket).await?)
}

async fn head(client: &Client) -> Result<String> {
    let mut agents = client.agents().await?.into_iter();
    let head = agents.find(|agent| agent.boss.is_none());
    head.map(|agent| agent.name).ok_or_else(|| {
        Error::Usage("the workspace has no agents to ask; save some with `adjutant apply`".into())
    })
}

async fn follow(
    events: &mut crate::client::Events,
    root: TicketId,
    story: &mut Story,
    display: &mut Display,
) -> Result<()> {
    loop {
        let event = events.next().await?;
        display.show(story, &event)?;
        if commands::is_end(&event.kind, root) {
            return Ok(());
        }
    }
}
