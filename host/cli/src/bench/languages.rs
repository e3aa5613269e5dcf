//! `adjutant bench --workload languages`: what a strategy costs in each language, from its size to a
//! fan-out of eight, and what a neighbour feels of it.
//!
//! Measured are the examples that `adjutant plugin new` begins with, built as an author builds them. A
//! language whose tools cannot be had is named with the reason, and its line is missing.

use super::load;
use super::served::Place;
use crate::args::BenchArgs;
use crate::exit::{Code, Error, Result};
use crate::wire::{self, Bare, Settings};
use adjutant_author::{Language, Progress, build, template};
use adjutant_component::bench::{Canned, first_calls, held, task};
use adjutant_component::{Engine, EngineOptions, Prepared};
use adjutant_model::{AgentLimits, AgentSpec, TeamSpec, WorkspaceId, WorkspaceSpec, World};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The workload's name.
pub(crate) const NAME: &str = "languages";

/// Calls that are timed to their first call of the host.
const CALLS: usize = 200;
/// Instances that are kept in memory to see what one takes.
const HELD: usize = 32;
/// Bosses that are parked, each with the one whom it waits for.
const PARKED: usize = 2_000;
/// Bosses that were parked and are over before: more than can be in memory at a time.
const PARKED_BEFORE: usize = 400;
/// Requests under way at a time: of the language's team, and of the neighbour's.
const AT_ONCE: usize = 16;
const NEIGHBOURS: usize = 4;
/// The version under which the examples are registered.
const VERSION: &str = "0.1.0";
/// The outside agent that a parked boss waits for.
const OUTSIDE: &str = "outside";

/// A language's examples, built.
struct Examples {
    language: Language,
    build_s: f64,
    selector: Vec<u8>,
    subordinate: Vec<u8>,
    boss: Vec<u8>,
}

impl Examples {
    /// The selector, the subordinate and the boss, each with the name it is registered by.
    fn named(&self) -> [(String, &Vec<u8>); 3] {
        let named = |world: World, bytes| (format!("{}-{}", self.language, world.as_str()), bytes);
        [
            named(World::Selector, &self.selector),
            named(World::Subordinate, &self.subordinate),
            named(World::Boss, &self.boss),
        ]
    }
}

/// What one language costs.
#[derive(Debug, Serialize)]
struct Line {
    language: Language,
    /// Bytes of the boss's component.
    bytes: usize,
    /// Building all three, with the tools in place.
    build_s: f64,
    /// Compiling the boss to machine code, and loading what was compiled before.
    compile_ms: f64,
    cached_ms: f64,
    /// From nothing to the first call of the host.
    first_call_p50_ms: f64,
    first_call_p99_ms: f64,
    /// Memory that only one instance has, while it waits in memory.
    live_kib: f64,
    /// Memory of a run that waits on disk.
    parked_bytes: f64,
    /// Durable fan-outs of eight.
    fan_outs_per_s: f64,
    fan_out_p99_ms: f64,
    /// The p99 of a neighbour with Rust strategies beside four such fan-outs at a time, by its p99 alone.
    neighbour: f64,
    /// The same beside compiling the boss, again and again.
    compiling: f64,
}

/// Does it, in a folder.
pub(crate) async fn run(folder: &Path, args: &BenchArgs, as_json: bool) -> Result<Code> {
    let time = Duration::from_secs_f64(args.seconds);
    let place = folder.to_owned();
    let built = tokio::task::spawn_blocking(move || build_all(&place, as_json)).await;
    let (examples, missing) = built.map_err(failed)?;
    let addr = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let bare = wire::bare(Settings::below(&folder.join("host"), addr), true).await?;
    let lines = measure(&bare, folder, &examples, time, as_json).await;
    bare.host.shutdown().await;
    let lines = lines?;
    if as_json {
        crate::print::json(&json!({ "lines": lines, "missing": missing }))?;
    } else {
        crate::print::text(&render(&lines, &missing))?;
    }
    Ok(Code::Ok)
}

/// Builds each language's examples twice: the first time may bring in tools.
fn build_all(folder: &Path, quiet: bool) -> (Vec<Examples>, Vec<String>) {
    let (mut examples, mut missing) = (Vec::new(), Vec::new());
    for language in Language::ALL {
        if language.examples().is_none() {
            continue;
        }
        match build_one(folder, language, &Told { quiet }) {
            Ok(built) => examples.push(built),
            Err(why) => missing.push(format!("{language}: {why}")),
        }
    }
    (examples, missing)
}

fn build_one(
    folder: &Path,
    language: Language,
    progress: &dyn Progress,
) -> std::result::Result<Examples, String> {
    progress.step(&format!("building the examples in {language}"));
    let mut build_s = 0.0;
    let mut component = |world: World| {
        let name = format!("{language}-{}", world.as_str());
        let place = folder.join("projects").join(&name);
        let project =
            template::new(language, world, &name, &place).map_err(|error| error.to_string())?;
        build::build(&project, progress).map_err(|error| error.to_string())?;
        let begin = Instant::now();
        let built = build::build(&project, progress).map_err(|error| error.to_string())?;
        build_s += begin.elapsed().as_secs_f64();
        std::fs::read(&built.path).map_err(|error| error.to_string())
    };
    let (selector, subordinate, boss) = (
        component(World::Selector)?,
        component(World::Subordinate)?,
        component(World::Boss)?,
    );
    Ok(Examples {
        language,
        build_s,
        selector,
        subordinate,
        boss,
    })
}

async fn measure(
    bare: &Bare,
    folder: &Path,
    all: &[Examples],
    time: Duration,
    quiet: bool,
) -> Result<Vec<Line>> {
    let neighbour = team("neighbour", "bench-boss", "bench-worker", "skills");
    let neighbour = bare.host.apply(neighbour).await.map_err(failed)?.0.id;
    let mut lines = Vec::new();
    for examples in all {
        if !quiet {
            eprintln!("measuring {} …", examples.language);
        }
        let (compile_ms, cached_ms, alone) = load(folder, examples).await?;
        let (first, live_kib) = instances(&alone).await?;
        let workspace = register(bare, examples).await?;
        // What is compiled, cached or grown once is not measured.
        load::run(&bare.host, workspace, "boss", AT_ONCE, time / 5).await?;
        let figures = load::run(&bare.host, workspace, "boss", AT_ONCE, time).await?;
        let busy = load::run(&bare.host, workspace, "boss", NEIGHBOURS, time);
        let working = beside(bare, neighbour, time, busy).await?;
        let compiling = beside(bare, neighbour, time, compiles(bare, examples, time)).await?;
        let at = |percent: usize| {
            let place = (first.len() * percent / 100).min(first.len().saturating_sub(1));
            first
                .get(place)
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        lines.push(Line {
            language: examples.language,
            bytes: examples.boss.len(),
            build_s: examples.build_s,
            compile_ms,
            cached_ms,
            first_call_p50_ms: at(50),
            first_call_p99_ms: at(99),
            live_kib,
            parked_bytes: parked(folder, examples).await?,
            fan_outs_per_s: figures.requests_per_s,
            fan_out_p99_ms: figures.p99_ms,
            neighbour: working,
            compiling,
        });
    }
    Ok(lines)
}

/// Compiles a boss on an engine of its own, then loads it on another that finds it compiled.
async fn load(folder: &Path, examples: &Examples) -> Result<(f64, f64, Arc<Prepared<Canned>>)> {
    let options = EngineOptions {
        max_instances: 2 * HELD as u32,
        cache_dir: Some(folder.join("compiled").join(examples.language.name())),
        ..EngineOptions::default()
    };
    let timed = async || {
        let engine = Engine::new(&options).map_err(failed)?;
        let begin = Instant::now();
        let component = engine.load_async(examples.boss.clone(), None).await;
        let elapsed = begin.elapsed().as_secs_f64() * 1e3;
        Ok::<_, Error>((elapsed, engine, component.map_err(failed)?))
    };
    let (cold, ..) = timed().await?;
    let (cached, engine, component) = timed().await?;
    let prepared = engine.prepare::<Canned>(&component).map_err(failed)?;
    Ok((cold, cached, Arc::new(prepared)))
}

/// How soon an instance makes its first call, and what it takes in memory.
async fn instances(prepared: &Arc<Prepared<Canned>>) -> Result<(Vec<Duration>, f64)> {
    let task = Arc::new(task("{}".to_owned()));
    first_calls(prepared, &task, CALLS / 10, 1)
        .await
        .map_err(failed)?;
    let first = first_calls(prepared, &task, CALLS, 1)
        .await
        .map_err(failed)?;
    let before = private_kib();
    let live = held(prepared, &task, HELD, 1).await.map_err(failed)?;
    let each = (private_kib() - before) / HELD as f64;
    drop(live);
    Ok((first, each))
}

/// Registers a language's examples and makes a team of them.
async fn register(bare: &Bare, examples: &Examples) -> Result<WorkspaceId> {
    for (name, bytes) in examples.named() {
        let new = adjutant_dispatch::NewPlugin::named(&name, VERSION, bytes.clone());
        let added = bare.host.add_plugin(new);
        added.await.map_err(failed)?;
    }
    let language = examples.language;
    let [selector, subordinate, boss] = examples.named().map(|(name, _)| name);
    let spec = team(language.name(), &boss, &subordinate, &selector);
    Ok(bare.host.apply(spec).await.map_err(failed)?.0.id)
}

/// A neighbour's p99 beside something that takes as long, by its p99 alone before and after.
async fn beside<T>(
    bare: &Bare,
    neighbour: WorkspaceId,
    time: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<f64> {
    let alone = async || load::run(&bare.host, neighbour, "boss", NEIGHBOURS, time).await;
    let before = alone().await?.p99_ms;
    let (within, worked) = tokio::join!(alone(), work);
    worked?;
    let after = alone().await?.p99_ms;
    Ok(within?.p99_ms / f64::midpoint(before, after))
}

/// Compiles a boss again and again, each time as something that was never compiled before.
async fn compiles(bare: &Bare, examples: &Examples, time: Duration) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        let mut bytes = examples.boss.clone();
        // A custom section (id 0) of 18 bytes: the length of its name, its name, what it holds.
        bytes.extend([0, 18, 1, b'n']);
        bytes.extend(uuid::Uuid::now_v7().into_bytes());
        let compiled = bare.engine.load_async(bytes, None).await;
        compiled.map_err(failed)?;
    }
    Ok(())
}

/// Memory that a run takes which waits for somebody outside, once it is parked: in a host of its own,
/// where nothing else is.
async fn parked(folder: &Path, examples: &Examples) -> Result<f64> {
    let place = Place::below(&folder.join(format!("{}-parked", examples.language)))?;
    let host = place.start().await?;
    for (name, bytes) in examples.named() {
        let new = crate::client::NewPlugin::named(&name, VERSION);
        host.client.add_plugin(&new, bytes.clone()).await?;
    }
    let [selector, _, boss] = examples.named().map(|(name, _)| name);
    let mut spec = team("default", &boss, "external", &selector);
    spec.agents.truncate(2);
    spec.agents[1].name = OUTSIDE.to_owned();
    host.client.apply(&spec).await?;
    host.give("boss", PARKED_BEFORE).await?;
    host.parked(2 * PARKED_BEFORE).await?;
    host.close_all(host.tickets_of(OUTSIDE).await?).await?;
    host.over().await?;
    let before = host.settled_memory().await?;
    host.give("boss", PARKED).await?;
    // The boss's run, and the outside agent's.
    host.parked(2 * PARKED).await?;
    let full = host.settled_memory().await?;
    host.kill().await?;
    Ok((full as f64 - before as f64) / (2 * PARKED) as f64)
}

/// A boss and eight subordinates.
fn team(workspace: &str, boss: &str, subordinate: &str, selector: &str) -> TeamSpec {
    let agent = |name: String, plugin: &str, boss: Option<&str>| AgentSpec {
        name,
        plugin: plugin.to_owned(),
        boss: boss.map(str::to_owned),
        config: Some(json!({})),
        limits: AgentLimits {
            max_concurrent: 1_000_000,
            ..AgentLimits::default()
        },
        ..AgentSpec::default()
    };
    let mut agents = vec![AgentSpec {
        selector: Some(selector.to_owned()),
        ..agent("boss".to_owned(), boss, None)
    }];
    for n in 1..=8 {
        agents.push(agent(format!("worker-{n}"), subordinate, Some("boss")));
    }
    TeamSpec {
        workspace: WorkspaceSpec {
            name: workspace.to_owned(),
            ..WorkspaceSpec::default()
        },
        agents,
    }
}

/// What this process alone has in memory, where the system tells. RSS would count a component's code and
/// first pages once for each instance.
fn private_kib() -> f64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN)
}

fn render(lines: &[Line], missing: &[String]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "language",
        "KB",
        "build s",
        "compile ms",
        "cached ms",
        "first call p50 ms",
        "p99 ms",
        "live KiB",
        "parked B",
        "fan-outs/s",
        "p99 ms",
        "neighbour",
        "compiling",
    ]);
    for line in lines {
        table.add_row([
            line.language.name().to_owned(),
            format!("{}", line.bytes / 1000),
            format!("{:.1}", line.build_s),
            format!("{:.0}", line.compile_ms),
            format!("{:.1}", line.cached_ms),
            format!("{:.2}", line.first_call_p50_ms),
            format!("{:.2}", line.first_call_p99_ms),
            format!("{:.0}", line.live_kib),
            format!("{:.0}", line.parked_bytes),
            format!("{:.0}", line.fan_outs_per_s),
            format!("{:.1}", line.fan_out_p99_ms),
            format!("{:.2}", line.neighbour),
            format!("{:.2}", line.compiling),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!(
        "{table}\nThe boss's component; all three are built. First call: from nothing to an instance's first \
         call of the host. Live and parked: memory of one run that waits. Fan-outs: eight subordinates, \
         {AT_ONCE} at once. Neighbour: a Rust team's p99 beside {NEIGHBOURS} such fan-outs at a time, by its \
         p99 alone; compiling: the same beside compiling the boss, again and again.\n"
    );
    for why in missing {
        text.push_str("not measured: ");
        text.push_str(why);
        text.push('\n');
    }
    text
}

/// Tells the steps on the terminal.
struct Told {
    quiet: bool,
}

impl Progress for Told {
    fn step(&self, what: &str) {
        if !self.quiet {
            eprintln!("{what} …");
        }
    }

    fn line(&self, _: &str) {}
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
