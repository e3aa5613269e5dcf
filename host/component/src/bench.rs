//! How fast a component can be instantiated and called, with nothing around it: the limit that a
//! durable run is measured against.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bindings::Task;
use crate::guest::{AgentHost, Context};
use crate::prepared::Prepared;
use crate::stop::Stop;

pub use crate::canned::{Called, Canned};

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// Calls that were made.
    pub calls: u64,
    /// Calls to which the guest answered with a failure.
    pub failures: u64,
    /// From the first to the last.
    pub elapsed: Duration,
    /// Half of the calls took no longer.
    pub p50: Duration,
    /// 99 of 100 calls took no longer.
    pub p99: Duration,
}

impl Throughput {
    /// Calls in a second.
    pub fn per_second(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Calls `work` `calls` times, `concurrency` of them at a time, each in a store of its own with the
/// host and context that `make` gives for its number (from 0). The time of a call includes waiting
/// for a permit.
///
/// # Errors
/// The first call that gives no answer ends it.
pub async fn throughput<H: AgentHost>(
    prepared: &Arc<Prepared<H>>,
    task: &Arc<Task>,
    calls: u64,
    concurrency: usize,
    make: impl Fn(u64) -> (H, Context) + Send + Sync + 'static,
) -> Result<Throughput, Stop> {
    let next = Arc::new(AtomicU64::new(0));
    let make = Arc::new(make);
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..concurrency.max(1) {
        let (prepared, task) = (prepared.clone(), task.clone());
        let (next, make) = (next.clone(), make.clone());
        workers.spawn(async move {
            let mut times = Vec::new();
            let mut failures = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return Ok((times, failures));
                }
                let (host, context) = make(number);
                let begin = Instant::now();
                let (answer, _host) = prepared.work(host, context, &task).await?;
                times.push(begin.elapsed());
                failures += u64::from(answer.is_err());
            }
        });
    }
    let mut times = Vec::new();
    let mut failures = 0;
    while let Some(worker) = workers.join_next().await {
        let (part, failed) = worker.map_err(|error| Stop::HostStopped(error.into()))??;
        times.extend(part);
        failures += failed;
    }
    let elapsed = start.elapsed();
    times.sort_unstable();
    let at = |percent: usize| {
        let last = times.len().saturating_sub(1);
        times
            .get((times.len() * percent / 100).min(last))
            .copied()
            .unwrap_or_default()
    };
    Ok(Throughput {
        calls: times.len() as u64,
        failures,
        elapsed,
        p50: at(50),
        p99: at(99),
    })
}

/// Calls `work` so many times, one after the other, and measures from before a place is taken to the
/// guest's first call of the host. Gives back the times in ascending order; empty where it never calls.
///
/// # Errors
/// The first call that gives no answer ends it.
pub async fn first_calls(
    prepared: &Arc<Prepared<Canned>>,
    task: &Task,
    calls: usize,
    team: usize,
) -> Result<Vec<Duration>, Stop> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let (tell, mut told) = mpsc::unbounded_channel();
        let called = Some(Called { tell, hold: false });
        let begin = Instant::now();
        // What it answers to a host that denies it nearly everything is its own affair.
        drop(
            prepared
                .work(Canned { team, called }, Context::default(), task)
                .await?,
        );
        if let Ok(first) = told.try_recv() {
            times.push(first - begin);
        }
    }
    times.sort_unstable();
    Ok(times)
}

/// Starts so many instances and keeps each at its first call of the host, until what is given back is
/// dropped.
///
/// # Errors
/// Where one ends without a call.
pub async fn held(
    prepared: &Arc<Prepared<Canned>>,
    task: &Arc<Task>,
    instances: usize,
    team: usize,
) -> Result<JoinSet<()>, Stop> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut live = JoinSet::new();
    for _ in 0..instances {
        let called = Some(Called {
            tell: tell.clone(),
            hold: true,
        });
        let (prepared, task) = (prepared.clone(), task.clone());
        live.spawn(async move {
            // It never ends, unless the component breaks or calls nothing.
            let _ = prepared
                .work(Canned { team, called }, Context::default(), &task)
                .await;
        });
    }
    for _ in 0..instances {
        let ended = tokio::select! {
            first = told.recv() => first.is_none(),
            Some(_) = live.join_next() => true,
        };
        if ended {
            return Err(Stop::InstantiateFailed(
                "it ended without a call of the host that could be held".to_owned(),
            ));
        }
    }
    Ok(live)
}

/// A task that asks nothing in particular, with the given configuration.
pub fn task(config_json: String) -> Task {
    use crate::bindings::types::{Agent, Ticket, TicketStatus};
    Task {
        ticket: Ticket {
            id: "ticket".to_owned(),
            title: "a task".to_owned(),
            description: String::new(),
            status: TicketStatus::InProgress,
            assignee: None,
            parent: None,
            delegated_by: None,
            expected_output_schema_json: None,
            output_json: None,
            summary: String::new(),
        },
        agent: Agent {
            id: "agent".to_owned(),
            name: "agent".to_owned(),
            class: String::new(),
            skills: Vec::new(),
            description: String::new(),
        },
        briefing: String::new(),
        request: String::new(),
        config_json,
        attempt: 1,
        violations: Vec::new(),
    }
}
