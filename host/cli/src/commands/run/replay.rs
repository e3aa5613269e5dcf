//! `adjutant run replay`: the run once more, on this machine, with nothing but its journal behind it.

use super::super::{client, component};
use super::end::{Verdict, verdict};
use super::words;
use crate::args::{Global, RunReplayArgs};
use crate::ask::home;
use crate::exit::{Code, Error, Result};
use crate::{clean, print};
use adjutant_component::{Engine, EngineOptions};
use adjutant_model::{Limits, RunId};
use adjutant_run::{Onlooker, Recording, Runner, RunnerOptions, Stage};
use async_trait::async_trait;
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Bytes of a component that is replayed.
const MOST_COMPONENT: usize = 256 << 20;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    run: RunId,
    /// The component that was run.
    digest: String,
    /// Calls that the journal has.
    journaled: usize,
    #[serde(flatten)]
    verdict: Verdict,
}

/// Does it.
pub(super) async fn run(args: RunReplayArgs, global: &Global) -> Result<Code> {
    let client = client(global)?;
    let id = client.find_run(&args.run).await?;
    let recording = client.recording(id).await?;
    let pinned = recording.run.plugin.digest.clone();
    let bytes = match &args.plugin {
        Some(path) => component(path)?,
        None => client.component(&pinned).await?,
    };
    let (engine, component) = load(bytes).await?;
    if args.plugin.is_none() && component.digest() != pinned {
        return Err(Error::Failed(format!(
            "the host sent another component ({}) than the one that the run is pinned to ({pinned})",
            component.digest()
        )));
    }
    if !global.json {
        print::text(&head(&recording, component.digest()))?;
    }
    let runner = Runner::new(
        engine,
        RunnerOptions::default(),
        Arc::new(Limits::default()),
    );
    let onlooker = Arc::new(Screen {
        silent: global.json,
        full: args.full,
        step: args.step && std::io::stdin().is_terminal(),
        until: args.until,
    });
    let digest = component.digest().to_owned();
    let replayed = runner
        .replay(recording.clone(), component, onlooker)
        .await
        .map_err(|error| Error::Usage(error.to_string()))?;
    let journaled = recording.journal.entries.len();
    let Some(verdict) = verdict(&recording, &replayed) else {
        let text = format!(
            "stopped after {} of {journaled}; nothing differs so far",
            words::calls(replayed.calls)
        );
        if global.json {
            print::json(&serde_json::json!({
                "run": id, "digest": digest, "journaled": journaled, "stopped": true,
                "calls": replayed.calls, "text": text,
            }))?;
        } else {
            print::text(&text)?;
        }
        return Ok(Code::Ok);
    };
    let code = if verdict.same { Code::Ok } else { Code::Failed };
    if global.json {
        print::json(&Report {
            run: id,
            digest,
            journaled,
            verdict,
        })?;
    } else {
        print::text(&verdict.text)?;
    }
    Ok(code)
}

/// What is replayed, with what.
fn head(recording: &Recording, digest: &str) -> String {
    let (run, plugin) = (&recording.run, &recording.run.plugin);
    let with = if digest == plugin.digest {
        format!("{}@{}", plugin.name, plugin.version)
    } else {
        let short: String = digest.chars().take("sha256:".len() + 12).collect();
        format!("{short} in place of {}@{}", plugin.name, plugin.version)
    };
    let text = format!(
        "replaying run {} of \"{}\" with {with}",
        run.id, recording.ticket.title
    );
    clean::line(&text, 300)
}

/// An engine for one component, and the component.
async fn load(bytes: Vec<u8>) -> Result<(Engine, Arc<adjutant_component::Component>)> {
    let options = EngineOptions {
        max_instances: 1,
        max_component: MOST_COMPONENT,
        cache_dir: Some(home()?.join("compiled")),
        pooling: false,
        ..EngineOptions::default()
    };
    let engine = tokio::task::spawn_blocking(move || Engine::new(&options)).await;
    let engine = engine
        .map_err(|error| Error::Failed(error.to_string()))?
        .map_err(|error| Error::Failed(error.to_string()))?;
    let component = engine.load_async(bytes, None).await;
    let component = component.map_err(|error| Error::Usage(error.to_string()))?;
    Ok((engine, component))
}

/// Prints what happens, and waits where it is to.
struct Screen {
    silent: bool,
    full: bool,
    step: bool,
    until: Option<u32>,
}

#[async_trait]
impl Onlooker for Screen {
    async fn see(&self, stage: Stage<'_>) -> ControlFlow<()> {
        let index = match &stage {
            Stage::Replayed { index, .. } => Some(*index),
            Stage::Printed { .. } => None,
        };
        // Whoever read it has gone: there is nobody to play for.
        if !self.silent && print::text(&shown(&stage, self.full)).is_err() {
            return ControlFlow::Break(());
        }
        match index {
            Some(index) if self.until == Some(index) => ControlFlow::Break(()),
            Some(_) if self.step && !go_on().await => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Asks for Enter; false where it is to end.
async fn go_on() -> bool {
    let ask = || {
        // A prompt that cannot be shown is not missed.
        let _ = write!(std::io::stderr(), "  Enter goes on, q ends it ");
        let _ = std::io::stderr().flush();
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        matches!(read, Ok(bytes) if bytes > 0) && !line.trim().eq_ignore_ascii_case("q")
    };
    tokio::task::spawn_blocking(ask).await.unwrap_or(false)
}

fn shown(stage: &Stage<'_>, full: bool) -> String {
    match stage {
        Stage::Printed { stream, text } => printed(stream, text),
        Stage::Replayed {
            index, call, reply, ..
        } if full => format!(
            "#{index} {}\n{}\n   →\n{}",
            call.name(),
            words::whole(call, 3),
            words::whole(reply, 3)
        ),
        Stage::Replayed {
            index, call, reply, ..
        } => format!(
            "#{index} {}\n   → {}",
            words::asked(call),
            words::answered(reply)
        ),
    }
}

/// What was printed, each line marked with its stream.
fn printed(stream: &str, text: &str) -> String {
    let text = clean::block(text);
    let lines: Vec<String> = text
        .trim_end_matches('\n')
        .split('\n')
        .map(|line| format!("   {stream} | {line}"))
        .collect();
    lines.join("\n")
}
