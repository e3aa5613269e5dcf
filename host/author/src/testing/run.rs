//! One test of a subordinate or a boss: from the task to the end of its ticket.

use super::files::MemoryWorktree;
use super::script::{Outcome, Script};
use super::world::{Stuck, Subject, World};
use super::{Played, Tester, cuts, sense, story};
use adjutant_component::Component;
use adjutant_connect::ports::Worktree;
use adjutant_model::{
    Call, Command, Ending, Grants, Member, Reply, RunId, Status, Ticket, TicketId, WaitKind, text,
};
use adjutant_run::{Asked, Finished, Job, Onlooker, Recording, ReplayEnd, Stage};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// What everybody shares while a test goes on.
struct Set {
    world: Arc<World>,
    worktree: Option<Arc<MemoryWorktree>>,
    selector: Result<Arc<Component>, String>,
}

impl Tester<'_> {
    /// Plays a test to its end, tells its story, and replays it.
    pub(super) async fn play(&self, script: &Script) -> Played {
        let mut played = Played::default();
        let stage = match self.set(script).await {
            Ok(stage) => stage,
            Err(Stuck(why)) => {
                played.failures.push(why);
                return played;
            }
        };
        if let Err(Stuck(why)) = self.go_on(&stage).await {
            played.failures.push(why);
        }
        if let Err(Stuck(why)) = self.tell(&stage.world, &mut played).await {
            played.failures.push(why);
        }
        let inner = stage.world.inner();
        if let Some(ticket) = inner.state.ticket(inner.root) {
            expectations(script, ticket, &mut played.failures);
        }
        let mut used = inner.used.clone();
        drop(inner);
        let commands = stage.worktree.map(|worktree| worktree.used());
        for (place, times) in commands.into_iter().flatten().enumerate() {
            used.insert(("commands", place), times);
        }
        // Where something went wrong before, what was left over is no fault of the script's.
        if played.failures.is_empty() {
            played.failures.extend(sense::unused(script, &used));
        }
        played
    }

    async fn set(&self, script: &Script) -> Result<Set, Stuck> {
        let manifest = self.project.manifest();
        let config = self.config(script).map_err(Stuck)?;
        let wanted = || Grants {
            commands: manifest
                .wants
                .commands
                .iter()
                .map(|one| one.run.clone())
                .collect(),
            assign_to: manifest
                .wants
                .assign_to
                .iter()
                .map(|one| one.agent.clone())
                .collect(),
        };
        let subject = Subject {
            name: self.project.name(),
            version: self.project.version(),
            digest: self.component.digest(),
            world: self.project.world(),
            described: self.described.clone(),
            config,
            grants: script.grants.clone().unwrap_or_else(wanted),
        };
        let world = Arc::new(World::new(script, subject)?);
        let empty = Default::default();
        let worktree = (script.files.is_some() || !script.commands.is_empty()).then(|| {
            let files = script.files.as_ref().unwrap_or(&empty);
            Arc::new(MemoryWorktree::new(files, &script.commands))
        });
        let selector = match &script.selector {
            Some(path) => Ok(self.selector_at(path).await?),
            None => self
                .selector
                .clone()
                .ok_or_else(|| "this test names no selector".to_owned()),
        };
        Ok(Set {
            world,
            worktree,
            selector,
        })
    }

    async fn selector_at(&self, path: &Path) -> Result<Arc<Component>, Stuck> {
        let path = self.project.root().join(path);
        let cannot = |why: String| Stuck(format!("the selector {}: {why}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| cannot(error.to_string()))?;
        let world = adjutant_component::World::Selector;
        let loaded = self.engine.load_async(bytes, Some(world)).await;
        loaded.map_err(|error| cannot(error.to_string()))
    }

    /// Runs the strategy, and lets the world go on while it waits, until its ticket is over.
    async fn go_on(&self, stage: &Set) -> Result<(), Stuck> {
        loop {
            self.choose_again(stage).await?;
            let start = stage.world.inner().starts.pop_front();
            if let Some(run) = start {
                self.start(stage, run).await?;
                continue;
            }
            let mut inner = stage.world.inner();
            let root = inner.root;
            if inner
                .state
                .ticket(root)
                .is_none_or(|ticket| ticket.status.is_over())
            {
                return Ok(());
            }
            if !inner.step()? {
                return Err(Stuck(stands_still(&inner)));
            }
        }
    }

    async fn start(&self, stage: &Set, id: RunId) -> Result<(), Stuck> {
        let job = {
            let inner = stage.world.inner();
            let Some((run, ticket)) = inner.of_run(id).filter(|(run, _)| !run.is_over()) else {
                return Ok(());
            };
            let Some(agent) = inner.state.agent(run.agent) else {
                return Ok(());
            };
            Job {
                run: run.clone(),
                request: text::request(ticket).to_owned(),
                ticket: Arc::new(ticket.clone()),
                agent: Arc::new(agent.clone()),
                boss: None,
                component: self.component.clone(),
                chooser: match &stage.selector {
                    Ok(selector) => self.runner.chooser(selector),
                    Err(why) => Err(why.clone()),
                },
                journal: inner.journal(id)?,
                worktree: stage
                    .worktree
                    .clone()
                    .map(|worktree| worktree as Arc<dyn Worktree>),
                ledger: stage.world.clone(),
                clock: stage.world.clone(),
                authority: inner.authority(run),
                cancel: CancellationToken::new(),
            }
        };
        match self.runner.execute(job).await {
            Finished::Ended {
                pending, ending, ..
            } => stage
                .world
                .inner()
                .run(Command::EndRun {
                    run: id,
                    pending,
                    guest_us: 0,
                    ending,
                })
                .map(drop),
            Finished::Parked | Finished::Gone => Ok(()),
        }
    }

    /// Asks the selector who is to have tickets next that others have failed at.
    async fn choose_again(&self, stage: &Set) -> Result<(), Stuck> {
        let choosing = std::mem::take(&mut stage.world.inner().choosing);
        for (ticket, tried) in choosing {
            let choice = self.choose_for(stage, ticket).await;
            stage.world.inner().run(Command::Chosen {
                ticket,
                tried,
                choice,
            })?;
        }
        Ok(())
    }

    async fn choose_for(
        &self,
        stage: &Set,
        ticket: TicketId,
    ) -> Result<(adjutant_model::AgentId, adjutant_model::Choice), String> {
        let selector = stage.selector.clone()?;
        let (asked, team) = {
            let inner = stage.world.inner();
            let known = inner.state.ticket(ticket).cloned();
            let ticket = known.ok_or("the ticket is gone")?;
            let tried: Vec<_> = ticket.history.iter().map(|past| past.agent).collect();
            let team: Vec<Member> = inner.team();
            let left = team
                .into_iter()
                .filter(|member| !tried.contains(&member.id));
            (ticket, left.collect::<Vec<_>>())
        };
        let question = Asked {
            workspace: asked.workspace,
            title: &asked.title,
            description: &asked.description,
            request: "",
            config: &serde_json::json!({}),
        };
        let chosen = self.runner.choose(&selector, &question, &team).await;
        let chosen = chosen.map_err(|none| none.to_string())?;
        chosen
            .into_iter()
            .next()
            .ok_or_else(|| "nobody is left".to_owned())
    }

    /// Tells the story of all runs, from replays of their journals, and tries each cut.
    async fn tell(&self, world: &Arc<World>, played: &mut Played) -> Result<(), Stuck> {
        let (runs, mut names, payloads) = {
            let inner = world.inner();
            (
                inner.runs.clone(),
                story::Names::of(&inner.state),
                inner.payloads.clone(),
            )
        };
        for (place, run) in runs.iter().enumerate() {
            let Some(recording) = recording(world, *run)? else {
                continue;
            };
            if place == 0 {
                played.story = head(&mut names, &recording);
            } else {
                let _ = write!(played.story, "\nAttempt {}\n\n", recording.run.attempt);
            }
            let told = Arc::new(Told::default());
            let replayed = self
                .runner
                .replay(recording.clone(), self.component.clone(), told.clone())
                .await
                .map_err(|error| Stuck(error.to_string()))?;
            for seen in told.take() {
                match seen {
                    Seen::Printed(stream, text) => {
                        played.story.push_str(&story::printed(stream, &text));
                    }
                    Seen::Replayed(seen) => {
                        let (index, call, reply) = *seen;
                        let entry = recording.journal.entries.get(index as usize);
                        let text = story::call(&mut names, &payloads, index, &call, entry, &reply);
                        played.story.push_str(&text);
                    }
                }
            }
            played.calls += u32::try_from(recording.journal.entries.len()).unwrap_or(u32::MAX);
            if let Some(why) = cuts::differs(&recording, &replayed) {
                played.failures.push(why);
            } else {
                let (cuts, failed) = self.cut(&recording).await?;
                played.cuts += cuts;
                played.failures.extend(failed);
            }
            played
                .story
                .push_str(&tail(&mut names, world, *run, &replayed.end));
        }
        Ok(())
    }
}

/// A run, and all that its strategy was given.
fn recording(world: &Arc<World>, id: RunId) -> Result<Option<Recording>, Stuck> {
    let inner = world.inner();
    let Some((run, ticket)) = inner.of_run(id) else {
        return Ok(None);
    };
    let Some(agent) = inner.state.agent(run.agent) else {
        return Ok(None);
    };
    Ok(Some(Recording {
        run: run.clone(),
        ticket: ticket.clone(),
        agent: agent.clone(),
        boss: None,
        request: text::request(ticket).to_owned(),
        journal: inner.journal(id)?,
    }))
}

fn head(names: &mut story::Names, recording: &Recording) -> String {
    let config: Value = serde_json::from_str(&recording.run.given.config_json).unwrap_or_default();
    let head = story::object([
        ("agent", json!(recording.agent.name)),
        ("title", json!(recording.ticket.title)),
        ("description", json!(recording.ticket.description)),
        ("config", config),
    ]);
    format!("Task\n{}\n", story::value(names, &head, 3))
}

/// How a run ended, and what became of its ticket.
fn tail(names: &mut story::Names, world: &Arc<World>, id: RunId, end: &ReplayEnd) -> String {
    let inner = world.inner();
    let Some((run, ticket)) = inner.of_run(id) else {
        return String::new();
    };
    let mut told = String::from("\n");
    match end {
        ReplayEnd::Ended(Ending::Worked {
            result, violations, ..
        }) => {
            told.push_str(if result.completed {
                "Completed\n"
            } else {
                "Gave up\n"
            });
            let all = story::object([
                ("summary", json!(result.summary)),
                ("output", result.output.clone().unwrap_or_default()),
                ("violations", json!(violations)),
            ]);
            told.push_str(&story::value(names, &all, 3));
        }
        _ => {
            // Places in the code change with each build; the first line says what happened.
            let why = run.error.as_deref().unwrap_or("it is not over");
            let why = why.lines().next().unwrap_or_default();
            let _ = writeln!(told, "Ended: {}", story::text(names, why));
        }
    }
    if ticket.runs.last() == Some(&id) {
        let _ = writeln!(told, "\nThe ticket is {}.", ticket.status.as_str());
    }
    told
}

fn expectations(script: &Script, ticket: &Ticket, failures: &mut Vec<String>) {
    let expect = &script.expect;
    let outcome = match ticket.status {
        Status::Done => Some(Outcome::Completed),
        Status::Failed => Some(Outcome::Failed),
        Status::Cancelled => Some(Outcome::Cancelled),
        _ => None,
    };
    let wanted = expect.outcome.unwrap_or(Outcome::Completed);
    if outcome != Some(wanted) && failures.is_empty() {
        let wanted = match wanted {
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        };
        failures.push(format!(
            "It was to be {wanted}, and its ticket is {}: {}",
            ticket.status.as_str(),
            ticket.summary
        ));
    }
    if let Some(part) = &expect.summary
        && !ticket.summary.contains(part.as_str())
    {
        failures.push(format!(
            "Its summary has no \"{part}\" in it: {}",
            ticket.summary
        ));
    }
    if let Some(output) = &expect.output
        && ticket.output.as_ref() != Some(output)
    {
        let got = ticket
            .output
            .as_ref()
            .map_or("none".to_owned(), Value::to_string);
        failures.push(format!("Its output was to be {output}, and is {got}"));
    }
}

/// Why nothing happens any more, and what to do about it.
fn stands_still(inner: &super::world::Inner) -> String {
    let waits = inner
        .runs
        .iter()
        .find_map(|run| inner.state.run(*run)?.wait.clone());
    let what = match waits.map(|wait| wait.kind) {
        Some(WaitKind::Reports { .. }) => {
            "it waits for reports, and those that are left never come: see `never` in [[reports]]"
        }
        Some(WaitKind::Answer { .. }) => "it waits for an answer: give it one in [[answers]]",
        Some(WaitKind::External) => {
            "it waits for a report from outside: give it one in [[external]]"
        }
        None => "nothing more happens, and its ticket is not over",
    };
    format!("The test stands still: {what}, or let it have a timeout.")
}

/// Something that a replay showed.
enum Seen {
    Printed(&'static str, String),
    Replayed(Box<(u32, Call, Reply)>),
}

/// Keeps what a replay shows.
#[derive(Default)]
struct Told(Mutex<Vec<Seen>>);

impl Told {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Onlooker for Told {
    async fn see(&self, stage: Stage<'_>) -> ControlFlow<()> {
        let seen = match stage {
            Stage::Printed { stream, text } => Seen::Printed(stream, text),
            Stage::Replayed {
                index, call, reply, ..
            } => Seen::Replayed(Box::new((index, call.clone(), reply.clone()))),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
        ControlFlow::Continue(())
    }
}
