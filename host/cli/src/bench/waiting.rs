//! Waiting: what parked bosses cost in memory, how soon a host is back that has very many of them, how
//! fast they are woken, and how fast a long journal is replayed.
//!
//! The host runs in a process of its own, and is killed, not stopped, before it is started again.

use super::served::{Place, Served};
use crate::exit::{Error, Result};
use adjutant_model::{AgentLimits, AgentSpec, TeamSpec};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// The workloads of this module.
pub(crate) const NAMES: [&str; 3] = ["parked", "recovery", "replay"];

/// What a parked run may cost, in bytes.
const PARKED_BYTES: f64 = 2_048.0;
/// When a host is to be ready, in seconds.
const READY_S: f64 = 2.0;
/// Calls that the replayed journal has, besides those of its delegation.
const JOURNALED: usize = 20_000;
/// Requests that are done before anything is measured: more than can be in memory at a time.
const WARM: usize = 1_000;

/// One figure, beside what it is to be.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) workload: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) value: f64,
    /// What it is to be at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<f64>,
    /// How much of the goal it takes up: above 1 it is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of_goal: Option<f64>,
}

impl Figure {
    fn new(workload: &'static str, figure: &'static str, value: f64) -> Figure {
        Figure {
            workload,
            figure,
            value,
            goal: None,
            of_goal: None,
        }
    }

    fn at_most(self, goal: f64) -> Figure {
        Figure {
            goal: Some(goal),
            of_goal: Some(self.value / goal),
            ..self
        }
    }
}

/// Measures with so many bosses, each of which waits for one subordinate that waits too.
pub(crate) async fn measure(
    folder: &Path,
    wanted: impl Fn(&str) -> bool,
    bosses: usize,
    tell: impl Fn(&str),
) -> Result<Vec<Figure>> {
    let place = Place::below(folder)?;
    tell("a host in a process of its own …");
    let mut host = place.start().await?;
    prepare(&host).await?;
    let mut figures = Vec::new();
    if wanted("parked") || wanted("recovery") {
        let measured;
        (host, measured) = parked(&place, host, bosses, &tell).await?;
        figures.extend(
            measured
                .into_iter()
                .filter(|figure| wanted(figure.workload)),
        );
    }
    if wanted("replay") {
        tell("replaying a long journal …");
        figures.push(replay(&host).await?);
    }
    host.kill().await?;
    Ok(figures)
}

/// The benchmark's plugins and team, and some requests, so that what is made once is made.
async fn prepare(host: &Served) -> Result<()> {
    let wasm = crate::wire::builtin("bench-boss")
        .ok_or_else(|| Error::Failed("this program has no plugin bench-boss".to_owned()))?;
    host.client
        .add_plugin(
            &crate::client::NewPlugin::named("bench-boss", "0.1.0"),
            wasm.to_vec(),
        )
        .await?;
    let agent = |name: &str, plugin: &str, boss: Option<&str>, config| AgentSpec {
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        boss: boss.map(ToOwned::to_owned),
        config: Some(config),
        limits: AgentLimits {
            max_concurrent: 1_000_000,
            ..AgentLimits::default()
        },
        ..AgentSpec::default()
    };
    let agents = vec![
        agent("lead", "bench-boss", None, json!({"fan": 1})),
        agent("outside", "external", Some("lead"), json!({})),
        agent(
            "reader",
            "bench-boss",
            None,
            json!({"fan": 1, "reads": JOURNALED}),
        ),
        agent("beyond", "external", Some("reader"), json!({})),
    ];
    let team = TeamSpec {
        agents,
        ..TeamSpec::default()
    };
    host.client.apply(&team).await?;
    host.give("lead", WARM).await?;
    host.parked(2 * WARM).await?;
    wake(host, "outside").await
}

/// Closes whatever an agent works on, so that its boss goes on; waits until all is over.
async fn wake(host: &Served, agent: &str) -> Result<()> {
    host.close_all(host.tickets_of(agent).await?).await?;
    host.over().await
}

async fn parked(
    place: &Place,
    host: Served,
    bosses: usize,
    tell: &impl Fn(&str),
) -> Result<(Served, Vec<Figure>)> {
    // Each boss, and whom it waits for.
    let runs = 2 * bosses;
    let idle = host.settled_memory().await?;
    tell("parking …");
    let begin = Instant::now();
    host.give("lead", bosses).await?;
    host.parked(runs).await?;
    let parking = begin.elapsed().as_secs_f64();
    let full = host.settled_memory().await?;
    host.kill().await?;
    tell("starting again …");
    let host = place.start().await?;
    let ready = host.ready_after.as_secs_f64();
    host.parked(runs).await?;
    let again = host.settled_memory().await?;
    let waited_for = host.tickets_of("outside").await?;
    tell("waking …");
    let begin = Instant::now();
    host.close_all(waited_for).await?;
    host.over().await?;
    let waking = begin.elapsed().as_secs_f64();
    host.kill().await?;
    // The same host with nothing in it, for what a start costs by itself.
    let host = place.start().await?;
    let empty = host.ready_after.as_secs_f64();
    let started = host.settled_memory().await?;
    let each = |with: u64, without: u64| (with as f64 - without as f64) / runs as f64;
    let figures = vec![
        Figure::new(
            "parked",
            "parked runs: bosses, and whom they wait for",
            runs as f64,
        ),
        Figure::new(
            "parked",
            "bosses parked each second",
            bosses as f64 / parking,
        ),
        Figure::new(
            "parked",
            "bytes for each run, after parking",
            each(full, idle),
        )
        .at_most(PARKED_BYTES),
        Figure::new(
            "parked",
            "bytes for each run, after a restart",
            each(again, started),
        )
        .at_most(PARKED_BYTES),
        Figure::new(
            "parked",
            "bytes of the idle host, after requests",
            idle as f64,
        ),
        Figure::new(
            "parked",
            "bytes of the idle host, after a restart",
            started as f64,
        ),
        Figure::new(
            "parked",
            "bosses woken and ended each second",
            bosses as f64 / waking,
        ),
        Figure::new("parked", "seconds until all had ended", waking),
        Figure::new(
            "recovery",
            "seconds until ready with all parked, after a kill",
            ready,
        )
        .at_most(READY_S),
        Figure::new("recovery", "seconds until ready with nothing parked", empty),
    ];
    Ok((host, figures))
}

/// A boss that has journaled very many calls is woken; what passes until it has ended is replay.
async fn replay(host: &Served) -> Result<Figure> {
    let boss = host.give("reader", 1).await?;
    host.parked(2).await?;
    let waited_for = host.tickets_of("beyond").await?;
    let begin = Instant::now();
    host.close_all(waited_for).await?;
    host.over().await?;
    let elapsed = begin.elapsed().as_secs_f64();
    for boss in boss {
        let ticket = host.client.ticket(&boss.to_string()).await?;
        if ticket["status"] != "done" {
            let (status, why) = (&ticket["status"], &ticket["summary"]);
            return Err(Error::Failed(format!("a request is {status}: {why}")));
        }
    }
    let rate = JOURNALED as f64 / elapsed;
    Ok(Figure::new(
        "replay",
        "journal entries replayed each second",
        rate,
    ))
}
