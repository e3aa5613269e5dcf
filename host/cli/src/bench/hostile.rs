//! `adjutant bench --workload hostile`: what a neighbour feels of hostile strategies, and whether the
//! host is as small afterwards as it was before.
//!
//! The neighbour is the fan-out in a workspace of its own. It is measured once for each kind of
//! hostility, while strategies that do nothing else are kept under way in another workspace, which has a
//! limit (`wip`) on how many of its runs may be busy; at last beside all kinds together. Before and after
//! each of these it is measured alone, and what it felt is divided by the mean of the two, so that
//! a machine that is slower for a minute does not count as hostility.
//!
//! Nor does a disk that stands still: a page of a file of its own is flushed all the while
//! ([`DiskProbe`]). Where that once took longer than half of the neighbour's requests did, what was
//! measured is measured again, and the last try counts, however it ends. Hostility that holds up the disk
//! does so each time.

use super::disk::DiskProbe;
use super::load::{self, Figures};
use crate::args::BenchArgs;
use crate::exit::{Code, Error, Result};
use crate::wire::{self, Bare, Settings};
use adjutant_dispatch::Host;
use adjutant_model::{
    AgentLimits, AgentSpec, EventKind, NewTicket, TeamSpec, TicketId, Wip, WorkspaceId,
    WorkspaceSpec,
};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The workload's name.
pub(crate) const NAME: &str = "hostile";

/// What the hostile plugin can do; see its source.
const MODES: [&str; 20] = [
    "spin",
    "spin_in_drop",
    "allocate",
    "recurse",
    "panic",
    "exit",
    "print",
    "post",
    "progress",
    "read",
    "create",
    "delegate",
    "ask",
    "await",
    "call_for_report",
    "submit",
    "remember",
    "run",
    "answer",
    "shout",
];

/// Hostile tickets of one kind under way at a time.
const HOSTILE: usize = 4;
/// Runs of the hostile workspace that may be busy at a time, as its operator's limit.
const BUSY: u32 = 16;
/// The neighbour's requests under way at a time.
const NEIGHBOURS: usize = 4;
/// How often the same is measured at most, where the disk stands still meanwhile.
const TRIES: u32 = 4;
/// The store's cache in bytes: so small that it is full when what stays in memory is first looked at.
const CACHE: usize = 8 << 20;
/// How long the host may take to come to rest.
const REST: Duration = Duration::from_secs(60);

/// What was measured beside one kind of hostility.
#[derive(Debug, Serialize)]
struct Line {
    kind: String,
    p50_ms: f64,
    p99_ms: f64,
    /// The neighbour's p99 alone, just before and just after.
    alone_ms: [f64; 2],
    /// `p99_ms` by the mean of `alone_ms`.
    ratio: f64,
    requests_per_s: f64,
    /// Hostile tickets that ended meanwhile.
    hostile_ended: u64,
    /// The longest that the disk took meanwhile for a page of its own.
    disk_ms: f64,
    /// How often it was measured: more than once where the disk stood still.
    tries: u32,
    /// Of this process, when all that was hostile is over.
    rss_mib: f64,
}

#[derive(Debug, Serialize)]
struct Answer {
    lines: Vec<Line>,
    /// Of this process, once each kind was there and the neighbour has run alone; after all that is
    /// measured; and after each kind was there once more, for as long.
    rss_mib: [f64; 3],
    /// Places of the engine that are taken in the end.
    places_taken: usize,
}

/// Does it, in a folder.
pub(crate) async fn run(folder: &Path, args: &BenchArgs, as_json: bool) -> Result<Code> {
    let time = Duration::from_secs_f64(args.seconds);
    let kinds = chosen(&args.kinds)?;
    let addr = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let mut settings = Settings::below(folder, addr);
    settings.store.cache_bytes = CACHE;
    let bare = wire::bare(settings, true).await?;
    let answer = measure(&bare, folder, &kinds, time, as_json).await;
    bare.host.shutdown().await;
    let answer = answer?;
    if as_json {
        crate::print::json(&answer)?;
    } else {
        crate::print::text(&render(&answer))?;
    }
    Ok(Code::Ok)
}

/// The kinds that are wanted: all of them where none is named.
fn chosen(named: &[String]) -> Result<Vec<&'static str>> {
    let known = |name: &String| {
        let known = MODES.into_iter().find(|mode| mode == name);
        known.ok_or_else(|| {
            Error::Usage(format!(
                "there is no kind of hostility {name:?}; there are {}",
                MODES.join(", ")
            ))
        })
    };
    match named {
        [] => Ok(MODES.to_vec()),
        named => named.iter().map(known).collect(),
    }
}

async fn measure(
    bare: &Bare,
    folder: &Path,
    modes: &[&'static str],
    time: Duration,
    quiet: bool,
) -> Result<Answer> {
    let host = &bare.host;
    let apply = async |team| host.apply(team).await.map_err(failed);
    let neighbour = apply(neighbour()).await?.0.id;
    let hostile = apply(hostile()).await?.0.id;
    let load = async |time| load::run(host, neighbour, "fan", NEIGHBOURS, time).await;
    let alone = async || {
        rest(bare).await?;
        Ok((load(time).await?, 0))
    };
    // What is compiled, cached or grown once is not measured, nor is what the allocator keeps once it had it.
    for kind in modes {
        beside(host, hostile, &[kind], load(time)).await?;
    }
    let mut before = steady(folder, alone).await?.figures.p99_ms;
    let rss_before = rss_mib();
    let mut lines = Vec::new();
    let kinds = modes.iter().map(std::slice::from_ref).chain([modes]);
    for kinds in kinds {
        let name = match kinds {
            [one] => (*one).to_owned(),
            all => format!("all {} together", all.len()),
        };
        if !quiet {
            eprintln!("beside {name} …");
        }
        let felt = steady(folder, async || {
            rest(bare).await?;
            beside(host, hostile, kinds, load(time)).await
        })
        .await?;
        rest(bare).await?;
        let rss_mib = rss_mib();
        let after = steady(folder, alone).await?.figures.p99_ms;
        lines.push(Line {
            kind: name,
            p50_ms: felt.figures.p50_ms,
            p99_ms: felt.figures.p99_ms,
            alone_ms: [before, after],
            ratio: felt.figures.p99_ms / f64::midpoint(before, after),
            requests_per_s: felt.figures.requests_per_s,
            hostile_ended: felt.hostile_ended,
            disk_ms: felt.disk.as_secs_f64() * 1e3,
            tries: felt.tries,
            rss_mib,
        });
        before = after;
    }
    let rss_after = rss_mib();
    if !quiet {
        eprintln!("all once more, for what stays in memory …");
    }
    for kind in modes {
        beside(host, hostile, &[kind], load(time)).await?;
    }
    rest(bare).await?;
    Ok(Answer {
        lines,
        rss_mib: [rss_before, rss_after, rss_mib()],
        places_taken: bare.engine.permits().total() as usize
            - bare.engine.permits().available_permits(),
    })
}

/// What was measured while the disk worked, or the last try.
struct Steady {
    figures: Figures,
    hostile_ended: u64,
    disk: Duration,
    tries: u32,
}

/// Measures, again where the disk stood still.
async fn steady(
    folder: &Path,
    measure: impl AsyncFn() -> Result<(Figures, u64)>,
) -> Result<Steady> {
    let mut tries = 0;
    loop {
        tries += 1;
        let probe = DiskProbe::begin(folder).map_err(failed)?;
        let measured = measure().await;
        let disk = probe.end().map_err(failed)?;
        let (figures, hostile_ended) = measured?;
        if disk.as_secs_f64() * 1e3 <= figures.p50_ms || tries == TRIES {
            return Ok(Steady {
                figures,
                hostile_ended,
                disk,
                tries,
            });
        }
    }
}

/// Does something while hostile strategies of some kinds are kept under way; how many ended meanwhile.
async fn beside<T>(
    host: &Host,
    workspace: WorkspaceId,
    kinds: &[&'static str],
    work: impl Future<Output = Result<T>>,
) -> Result<(T, u64)> {
    let (stop, ended) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let keeping = tokio::spawn(keep_hostile(
        host.clone(),
        workspace,
        kinds.to_vec(),
        stop.clone(),
        ended.clone(),
    ));
    let done = work.await;
    let count = ended.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    keeping.await.map_err(failed)??;
    Ok((done?, count))
}

/// Keeps so many hostile tickets of each kind under way, and cancels what is left in the end.
async fn keep_hostile(
    host: Host,
    workspace: WorkspaceId,
    kinds: Vec<&'static str>,
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicU64>,
) -> Result<()> {
    let mut watch = host.watch(workspace);
    let mut after = *watch.borrow_and_update();
    let mut live: HashMap<TicketId, &'static str> = HashMap::new();
    let mut wanted: Vec<&'static str> = Vec::new();
    for kind in &kinds {
        wanted.extend(std::iter::repeat_n(*kind, HOSTILE));
    }
    while !stop.load(Ordering::Relaxed) {
        for kind in std::mem::take(&mut wanted) {
            let new = NewTicket {
                title: "Do harm".to_owned(),
                assignee: Some(kind.to_owned()),
                ..NewTicket::default()
            };
            match host.create_ticket(workspace, new).await {
                Ok(ticket) => drop(live.insert(ticket.id, kind)),
                // The host is busy, which is what it is to say.
                Err(_) => wanted.push(kind),
            }
        }
        // A look now and then at whether it is to stop.
        let _ = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
        let events = host.events(workspace, after, 1_000).await.map_err(failed)?;
        for (seq, event) in events {
            after = seq;
            if let EventKind::TicketFailed { ticket, .. }
            | EventKind::TicketCompleted { ticket, .. }
            | EventKind::TicketCancelled { ticket, .. } = event.kind
                && let Some(kind) = live.remove(&ticket)
            {
                ended.fetch_add(1, Ordering::Relaxed);
                wanted.push(kind);
            }
        }
    }
    for ticket in live.into_keys() {
        // It may be over by now.
        let _ = host
            .cancel_ticket(workspace, ticket, "enough".to_owned())
            .await;
    }
    Ok(())
}

/// Waits until no run is in memory.
async fn rest(bare: &Bare) -> Result<()> {
    let begin = Instant::now();
    let permits = bare.engine.permits();
    while permits.waiting() > 0 || permits.available_permits() < permits.total() as usize {
        if begin.elapsed() > REST {
            return Err(Error::Failed(format!(
                "{} of {} places are still taken after {} s",
                permits.total() as usize - permits.available_permits(),
                permits.total(),
                REST.as_secs()
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What this process has in memory, where the system tells.
fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn neighbour() -> TeamSpec {
    let agent = |name: &str, plugin: &str, boss: Option<&str>| AgentSpec {
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        boss: boss.map(str::to_owned),
        config: Some(json!({})),
        limits: many(),
        ..AgentSpec::default()
    };
    let mut agents = vec![agent("fan", "bench-boss", None)];
    for n in 1..=8 {
        agents.push(agent(&format!("worker-{n}"), "bench-worker", Some("fan")));
    }
    TeamSpec {
        workspace: named("neighbour"),
        agents,
    }
}

/// Each with little time to do harm, so that it is begun again and again.
fn hostile() -> TeamSpec {
    let limits = AgentLimits {
        guest_time_ms: 500,
        run_time_ms: 2_000,
        memory_bytes: 64 << 20,
        max_calls: 5_000,
        journal_bytes: 16 << 20,
        ..many()
    };
    let agent = |name: &str, plugin: &str, boss: Option<&str>, config: Value| AgentSpec {
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        boss: boss.map(str::to_owned),
        config: Some(config),
        limits: limits.clone(),
        ..AgentSpec::default()
    };
    let mut agents = Vec::new();
    for mode in MODES {
        agents.push(agent(mode, "bench-hostile", None, json!({ "mode": mode })));
    }
    agents.push(agent("pawn", "bench-worker", Some("delegate"), json!({})));
    TeamSpec {
        workspace: WorkspaceSpec {
            // Without it, thousands of tickets that are handed out at once are worked on at once.
            wip: Some(Wip {
                runs: Some(BUSY),
                ..Wip::default()
            }),
            ..named("hostile")
        },
        agents,
    }
}

fn many() -> AgentLimits {
    AgentLimits {
        max_concurrent: 1_000_000,
        ..AgentLimits::default()
    }
}

fn named(name: &str) -> WorkspaceSpec {
    WorkspaceSpec {
        name: name.to_owned(),
        ..WorkspaceSpec::default()
    }
}

fn render(answer: &Answer) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "beside",
        "p50 ms",
        "p99 ms",
        "alone ms",
        "p99 by alone",
        "requests/s",
        "hostile ended",
        "disk ms",
        "tries",
        "RSS MiB",
    ]);
    for line in &answer.lines {
        table.add_row([
            line.kind.clone(),
            format!("{:.1}", line.p50_ms),
            format!("{:.1}", line.p99_ms),
            format!("{:.1} {:.1}", line.alone_ms[0], line.alone_ms[1]),
            format!("{:.2}", line.ratio),
            format!("{:.0}", line.requests_per_s),
            line.hostile_ended.to_string(),
            format!("{:.0}", line.disk_ms),
            line.tries.to_string(),
            format!("{:.0}", line.rss_mib),
        ]);
    }
    for column in 1..10 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let [warm, once, twice] = answer.rss_mib;
    let worst = answer.lines.iter().map(|line| line.ratio);
    format!(
        "{table}\nAt worst {:.2} times the neighbour's p99 alone.\n\
         Memory (RSS): {warm:.0} MiB when warm, {once:.0} MiB then, {twice:.0} MiB after each once more; {} places \
         still taken.",
        worst.fold(0.0, f64::max),
        answer.places_taken
    )
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_kind_is_named_once_and_there_are_at_least_twenty() {
        let different: HashSet<_> = MODES.iter().collect();
        assert_eq!(different.len(), MODES.len());
        assert!(MODES.len() >= 20);
    }
}
