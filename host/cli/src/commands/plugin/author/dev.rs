//! `adjutant plugin dev`: from a saved file to a run that uses it, in seconds.
//!
//! Invariant: what cannot be built, or does not fit, changes nothing on the host.

use super::build::size;
use super::{build_shown, open};
use crate::args::{DevArgs, Global, RunCommand, RunShowArgs};
use crate::client::{Client, NewPlugin, PluginView, RolloutView, RunDetail};
use crate::commands::{client, component, read};
use crate::exit::{Code, Error, Result};
use crate::interrupt::Interrupts;
use crate::{clean, print};
use adjutant_author::Project;
use adjutant_author::dev::Watch;
use adjutant_model::{AgentSpec, EventKind, NewTicket, RunId, TeamSpec, WorkspaceSpec};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Instant, SystemTime};

/// Versions for trying that are kept: the one that is active, and the one to go back to.
const KEPT: usize = 2;
/// Characters of a line.
const LINE: usize = 200;
/// Runs of other plugins that are remembered, so that they are not asked for again.
const REMEMBERED: usize = 1_000;

/// A session of trying.
struct Session<'a> {
    args: &'a DevArgs,
    global: &'a Global,
    client: Client,
    /// Whether a run is one of the plugin's.
    runs: HashMap<RunId, Option<String>>,
    loaded: bool,
    /// The least number of a version for trying: the host remembers those that were removed.
    least: u64,
}

/// Does it.
pub(super) async fn run(args: &DevArgs, global: &Global) -> Result<Code> {
    let interrupts = Interrupts::listen()?;
    let client = client(global)?;
    let mut project = open(&args.dir)?;
    // That there is a host, with the workspace, is known before anything is built.
    match client.agents().await {
        Err(error) if error.code() == Code::NotFound => {
            client.apply(&team(global, Vec::new())).await?;
        }
        other => drop(other?),
    }
    let mut session = Session {
        args,
        global,
        client: client.clone(),
        runs: HashMap::new(),
        loaded: false,
        least: 1,
    };
    // Opened before anything is loaded: a run may be over before the first look at the stream.
    let mut events = client.events_from_now().await?;
    let told = interrupts.or(async {
        loop {
            let failed = |error: adjutant_author::dev::WatchError| Error::Failed(error.to_string());
            // From before anything is read: what is saved during the build is not missed.
            let mut watch = Watch::of(&project).map_err(failed)?;
            // Its plugin.toml may be what has changed.
            match Project::open(&args.dir) {
                Ok(opened) => {
                    project = opened;
                    session.load(&project).await?;
                }
                Err(error) => session.stays("error", &error.to_string())?,
            }
            loop {
                tokio::select! {
                    path = watch.changed() => {
                        let path = path.strip_prefix(project.root()).unwrap_or(&path);
                        session.say("changed", &path.display().to_string())?;
                        break;
                    }
                    event = events.next() => session.saw(event?.kind, &project).await?,
                }
            }
        }
    });
    match Box::pin(told).await {
        Err(Error::Interrupted) => {
            session.farewell(&project)?;
            Ok(Code::Ok)
        }
        other => other,
    }
}

/// Agents of the workspace that the command line names.
fn team(global: &Global, agents: Vec<AgentSpec>) -> TeamSpec {
    let workspace = WorkspaceSpec {
        name: global.workspace.clone().unwrap_or_default(),
        ..WorkspaceSpec::default()
    };
    TeamSpec { workspace, agents }
}

impl Session<'_> {
    /// Builds and loads; what goes wrong is shown, and is no end.
    async fn load(&mut self, project: &Project) -> Result<()> {
        let began = Instant::now();
        let known = match self.versions(project).await {
            Ok(known) => known,
            Err(error) => return self.say("error", &error.to_string()),
        };
        let next = known.last().map_or(1, |(number, _)| number + 1);
        let next = next.max(self.least);
        let trying = project.clone().for_trying(next);
        let built = match build_shown(&trying).await? {
            Ok(built) => built,
            Err(why) => return self.stays("error", &why),
        };
        let took = began.elapsed();
        let new = NewPlugin {
            name: None,
            version: None,
            activate: true,
            canary: None,
            force: true,
            digest: None,
            signature: None,
        };
        let added = self.client.add_plugin(&new, component(&built.path)?).await;
        let added: PluginView = match added.and_then(read) {
            Ok(added) => added,
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            // It was removed, or another `dev` was faster: a number that was not used, nor will be soon.
            Err(Error::Host(problem)) if problem.status == 409 && self.least == 1 => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                self.least = now.map_or(1, |since| since.as_secs());
                return Box::pin(self.load(project)).await;
            }
            Err(error) => return self.stays("refused", &error.to_string()),
        };
        self.loaded = true;
        let live = if added.state == "active" {
            "live"
        } else {
            "there"
        };
        self.say(
            "loaded",
            &format!(
                "{}@{}, {}, built in {:.1} s, {live} after {:.1} s",
                trying.name(),
                trying.version(),
                size(built.bytes),
                took.as_secs_f64(),
                began.elapsed().as_secs_f64()
            ),
        )?;
        for warning in &built.warnings {
            self.say("warning", warning)?;
        }
        self.clear_away(project, &known).await;
        self.say_pinned(&trying).await?;
        self.give(project).await
    }

    /// Says where runs do not take what was loaded, for they are held to another version.
    async fn say_pinned(&self, trying: &Project) -> Result<()> {
        let (name, version) = (trying.name(), trying.version());
        let known = self.client.rollout(name).await.and_then(read);
        let rollout: RolloutView = match known {
            Ok(rollout) => rollout,
            Err(error) => return self.say("error", &error.to_string()),
        };
        let active = rollout.active.unwrap_or_default();
        if rollout.pinned.is_some() && active != version {
            let text = format!(
                "new runs of {name} take {active}; `adjutant plugin unpin {name}` lets them take what is \
                 saved next"
            );
            self.say("pinned", &text)?;
        }
        let agents = match self.client.agents().await {
            Ok(agents) => agents,
            Err(error) => return self.say("error", &error.to_string()),
        };
        let wanted = self.args.agent.as_ref();
        let watched = agents
            .iter()
            .filter(|agent| wanted.is_none_or(|wanted| *wanted == agent.name));
        let held: Vec<String> = watched
            .filter(|agent| {
                let named = agent.plugin.split_once('@');
                named.is_some_and(|(its, held)| its == name && held != version)
            })
            .map(|agent| format!("{} to {}", agent.name, agent.plugin))
            .collect();
        if held.is_empty() {
            return Ok(());
        }
        let text = format!(
            "held by the team: {}; with `plugin = \"{name}\"` in it new runs take what is saved",
            held.join(", ")
        );
        self.say("pinned", &text)
    }

    /// The numbers of the versions for trying that the host has, in order.
    async fn versions(&self, project: &Project) -> Result<Vec<(u64, String)>> {
        let prefix = project.trying_prefix();
        let plugins = self.client.plugins().await?;
        let views: Result<Vec<PluginView>> = plugins.into_iter().map(read).collect();
        let mut known: Vec<(u64, String)> = views?
            .into_iter()
            .filter(|plugin| plugin.name == project.name())
            .filter_map(|plugin| {
                let number = plugin.version.strip_prefix(&prefix)?.parse().ok()?;
                Some((number, plugin.version))
            })
            .collect();
        known.sort();
        Ok(known)
    }

    /// Takes away older versions for trying. One that is still needed stays.
    async fn clear_away(&self, project: &Project, known: &[(u64, String)]) {
        // The one that was loaded just now is not among them.
        let old = known.len().saturating_sub(KEPT - 1);
        for (_, version) in &known[..old] {
            let version = format!("{}@{version}", project.name());
            let _ = self.client.remove_plugin(&version, false).await;
        }
    }

    /// Makes the agent where it is not there, and gives it something to do.
    async fn give(&mut self, project: &Project) -> Result<()> {
        let Some(agent) = &self.args.agent else {
            return Ok(());
        };
        let agents = self.client.agents().await?;
        if !agents.iter().any(|known| known.name == *agent) {
            let spec = AgentSpec {
                name: agent.clone(),
                plugin: project.name().to_owned(),
                ..AgentSpec::default()
            };
            let team = team(self.global, vec![spec]);
            match self.client.apply(&team).await {
                Ok(_) => self.say("made", &format!("agent {agent}"))?,
                Err(error) => return self.say("error", &error.to_string()),
            }
        }
        let Some(task) = &self.args.ask else {
            return Ok(());
        };
        let ticket = NewTicket {
            title: task.clone(),
            assignee: Some(agent.clone()),
            ..NewTicket::default()
        };
        match self.client.create(&ticket).await {
            Ok(_) => self.say("asked", &format!("{agent}: {task}")),
            Err(error) => self.say("error", &error.to_string()),
        }
    }

    /// Shows what an event says of the plugin's runs.
    async fn saw(&mut self, event: EventKind, project: &Project) -> Result<()> {
        match event {
            EventKind::TicketStarted { run, attempt, .. } => {
                if let Some(agent) = self.agent_of(run, project).await {
                    self.say(
                        "started",
                        &format!("run {run} of {agent}, attempt {attempt}"),
                    )?;
                }
            }
            EventKind::RunOutput {
                run, stream, text, ..
            } if self.agent_of(run, project).await.is_some() => {
                for line in clean::block(&text).lines() {
                    self.say(&stream, line)?;
                }
            }
            EventKind::RunEnded { run, .. } if self.agent_of(run, project).await.is_some() => {
                self.show(run).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The agent of a run that is the plugin's, and of the agent that is watched.
    async fn agent_of(&mut self, run: RunId, project: &Project) -> Option<String> {
        if let Some(known) = self.runs.get(&run) {
            return known.clone();
        }
        let shown = self.client.run_json(run).await.ok()?;
        let detail: RunDetail = read(shown).ok()?;
        let wanted = self.args.agent.as_ref();
        let agent = (detail.plugin.name == project.name()
            && wanted.is_none_or(|wanted| *wanted == detail.agent.name))
        .then(|| format!("{} with {}", detail.agent.name, detail.plugin.version));
        if self.runs.len() >= REMEMBERED {
            self.runs.clear();
        }
        self.runs.insert(run, agent.clone());
        agent
    }

    /// The story of a run that has ended.
    async fn show(&self, run: RunId) -> Result<()> {
        if self.global.json {
            return self.say("ended", &run.to_string());
        }
        let args = RunShowArgs {
            run: run.to_string(),
            full: false,
        };
        match crate::commands::run(RunCommand::Show(args), self.global).await {
            Ok(_) => print::text(""),
            Err(Error::Closed) => Err(Error::Closed),
            Err(error) => self.say("error", &error.to_string()),
        }
    }

    /// Something went wrong, and what was there stays.
    fn stays(&self, what: &str, why: &str) -> Result<()> {
        self.say(what, why)?;
        if self.loaded && !self.global.json {
            print::text("the version before stays")?;
        }
        Ok(())
    }

    fn farewell(&self, project: &Project) -> Result<()> {
        if !self.loaded || self.global.json {
            return Ok(());
        }
        print::text(&format!(
            "\n{} stays on the host as it was last loaded; `adjutant plugin rollback {}` goes back",
            project.name(),
            project.name()
        ))
    }

    /// A line, or an object for programs.
    fn say(&self, what: &str, text: &str) -> Result<()> {
        if self.global.json {
            return print::json_line(&json!({ "what": what, "text": text }));
        }
        let text = if ["error", "refused", "warning"].contains(&what) {
            clean::block(text)
        } else {
            clean::line(text, LINE)
        };
        print::text(&format!("{what:<8} {text}"))
    }
}
