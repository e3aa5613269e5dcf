//! `adjutant bench`: how many durable fan-outs and chains this machine does, beside what its disk and
//! its sandbox could do alone, measured in the same run.
//!
//! For the fan-outs and chains the host runs in this process without its API: what is measured is
//! accepting a ticket, deciding, storing, running components and answering. Every step is on disk before
//! it is seen. For waiting, recovery and replay ([`waiting`]) it has a process of its own.

mod disk;
mod hostile;
mod languages;
mod load;
mod raw;
mod served;
mod table;
mod waiting;

use crate::args::{BenchArgs, Global};
use crate::exit::{Code, Error, Result};
use crate::wire::{self, Bare, Settings};
use adjutant_model::{AgentLimits, AgentSpec, TeamSpec};
use load::Figures;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// A workload: a team, and whom to give tickets.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// The agent that gets the tickets.
    pub(crate) boss: &'static str,
    /// The components that one request runs: plugin, configuration, team size, and how often.
    pub(crate) calls: Vec<(&'static str, Value, usize, u64)>,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) workload: &'static str,
    /// Requests under way at a time.
    pub(crate) at_once: usize,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// Batches that one request hands to the store.
    pub(crate) batches_per_request: f64,
    /// Records in them.
    pub(crate) records_per_request: f64,
    /// Bytes in them.
    pub(crate) bytes_per_request: f64,
    /// The same records and bytes, one commit for each request, written to redb alone.
    pub(crate) redb_per_s: f64,
    /// The same components, instantiated and called with a host that answers at once.
    pub(crate) wasm_per_s: f64,
}

pub(crate) async fn run(args: BenchArgs, global: &Global) -> Result<Code> {
    let folder = args.data.clone();
    let folder = folder.map_or_else(crate::ask::home, Ok)?.join("bench");
    let folder = folder.join(uuid::Uuid::now_v7().to_string());
    // These two take the machine for themselves.
    let alone = match args.workload.as_slice() {
        [one] if one == hostile::NAME => Some(hostile::run(&folder, &args, global.json).await),
        [one] if one == languages::NAME => Some(languages::run(&folder, &args, global.json).await),
        _ => None,
    };
    if let Some(result) = alone {
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            eprintln!("note: {} could not be removed: {error}", folder.display());
        }
        return result;
    }
    let result = all(&folder, &args, global).await;
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("note: {} could not be removed: {error}", folder.display());
    }
    let (lines, figures) = result?;
    if global.json {
        crate::print::json(&json!({ "lines": lines, "figures": figures }))?;
        return Ok(Code::Ok);
    }
    if !lines.is_empty() {
        crate::print::text(&table::render(&lines))?;
    }
    if !figures.is_empty() {
        crate::print::text(&table::figures(&figures))?;
    }
    Ok(Code::Ok)
}

/// All workloads that are wanted.
async fn all(
    folder: &Path,
    args: &BenchArgs,
    global: &Global,
) -> Result<(Vec<Line>, Vec<waiting::Figure>)> {
    let tell = |what: &str| {
        if !global.json {
            eprintln!("{what}");
        }
    };
    let loads = workloads();
    let known = || loads.iter().map(|load| load.name).chain(waiting::NAMES);
    let unknown = args
        .workload
        .iter()
        .find(|name| !known().any(|known| known == *name));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = known().collect();
        return Err(Error::Usage(format!(
            "there is no workload {unknown:?}; there are {}, and each by itself {} and {}",
            known.join(", "),
            hostile::NAME,
            languages::NAME
        )));
    }
    let wanted = |name: &str| args.workload.is_empty() || args.workload.iter().any(|w| w == name);
    let (mut lines, mut figures) = (Vec::new(), Vec::new());
    if loads.iter().any(|load| wanted(load.name)) {
        let loads = loads.into_iter().filter(|load| wanted(load.name)).collect();
        lines = measure(folder, loads, &args.at_once, args.seconds, tell).await?;
    }
    if waiting::NAMES.into_iter().any(wanted) {
        figures = waiting::measure(folder, wanted, args.runs as usize, tell).await?;
    }
    Ok((lines, figures))
}

async fn measure(
    folder: &Path,
    workloads: Vec<Workload>,
    at_once: &[usize],
    seconds: f64,
    tell: impl Fn(&str),
) -> Result<Vec<Line>> {
    let time = Duration::from_secs_f64(seconds);
    let bare = {
        let addr = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        wire::bare(Settings::below(folder, addr), true).await?
    };
    let workspace = bare
        .host
        .apply(team())
        .await
        .map_err(|error| Error::Failed(error.to_string()))?
        .0;
    let mut lines = Vec::new();
    for workload in workloads {
        for at_once in at_once {
            tell(&format!("{} with {at_once} at once …", workload.name));
            lines.push(line(&bare, workspace.id, folder, &workload, *at_once, time).await?);
        }
    }
    bare.host.shutdown().await;
    Ok(lines)
}

async fn line(
    bare: &Bare,
    workspace: adjutant_model::WorkspaceId,
    folder: &Path,
    workload: &Workload,
    at_once: usize,
    time: Duration,
) -> Result<Line> {
    // What is compiled, cached or grown once is not measured.
    load::run(&bare.host, workspace, workload.boss, at_once, time / 5).await?;
    let before = bare.store.handed_in();
    let figures = load::run(&bare.host, workspace, workload.boss, at_once, time).await?;
    let after = bare.store.handed_in();
    let each = |before: u64, after: u64| (after - before) as f64 / figures.requests.max(1) as f64;
    let records_per_request = each(before.records, after.records);
    let bytes_per_request = each(before.bytes, after.bytes);
    let redb_per_s = raw::redb(
        folder,
        records_per_request,
        bytes_per_request,
        at_once,
        time / 2,
    )
    .await?;
    let wasm_per_s = raw::wasm(&bare.engine, workload, at_once, time / 2).await?;
    Ok(Line {
        workload: workload.name,
        at_once,
        batches_per_request: each(before.batches, after.batches),
        records_per_request,
        bytes_per_request,
        figures,
        redb_per_s,
        wasm_per_s,
    })
}

fn workloads() -> Vec<Workload> {
    vec![
        Workload {
            name: "fan-out-8",
            boss: "fan",
            calls: vec![
                ("bench-boss", json!({"fan": 8}), 8, 1),
                ("bench-worker", json!({}), 0, 8),
            ],
        },
        Workload {
            name: "chain-4",
            boss: "chain-1",
            calls: vec![
                ("bench-chain", json!({}), 1, 3),
                ("bench-chain", json!({}), 0, 1),
            ],
        },
    ]
}

fn team() -> TeamSpec {
    let agent = |name: String, plugin: &str, boss: Option<String>, config: Value| AgentSpec {
        name,
        plugin: plugin.to_owned(),
        boss,
        config: Some(config),
        limits: AgentLimits {
            max_concurrent: 1_000_000,
            ..AgentLimits::default()
        },
        ..AgentSpec::default()
    };
    let mut agents = vec![agent(
        "fan".to_owned(),
        "bench-boss",
        None,
        json!({"fan": 8}),
    )];
    for n in 1..=8 {
        let boss = Some("fan".to_owned());
        agents.push(agent(
            format!("worker-{n}"),
            "bench-worker",
            boss,
            json!({}),
        ));
    }
    for n in 1..=4 {
        let boss = (n > 1).then(|| format!("chain-{}", n - 1));
        agents.push(agent(format!("chain-{n}"), "bench-chain", boss, json!({})));
    }
    TeamSpec {
        agents,
        ..TeamSpec::default()
    }
}
