//! Load: so many tickets at a time, each followed to its end through the event log.

use crate::exit::{Error, Result};
use adjutant_dispatch::Host;
use adjutant_model::{EventKind, NewTicket, TicketId, WorkspaceId};
use cpu_time::ProcessTime;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    /// From handing the ticket in to seeing that it is done.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// CPU time of the whole process for each request, the load itself included.
    pub(crate) cpu_ms_per_request: f64,
}

/// Ends of root tickets, for whoever waits for one.
#[derive(Default)]
struct Ends(Mutex<HashMap<TicketId, End>>);

enum End {
    Waited(oneshot::Sender<bool>),
    /// It ended before anyone asked.
    Over(bool),
}

impl Ends {
    fn over(&self, ticket: TicketId, well: bool) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(End::Waited(waiter)) = ends.remove(&ticket) {
            // Whoever waited may have given up.
            let _ = waiter.send(well);
        } else {
            ends.insert(ticket, End::Over(well));
        }
    }

    async fn wait(&self, ticket: TicketId) -> bool {
        let (tell, told) = oneshot::channel();
        {
            let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(End::Over(well)) = ends.remove(&ticket) {
                return well;
            }
            ends.insert(ticket, End::Waited(tell));
        }
        told.await.unwrap_or(false)
    }
}

/// Keeps so many tickets under way for so long, and waits for the last.
pub(crate) async fn run(
    host: &Host,
    workspace: WorkspaceId,
    boss: &str,
    at_once: usize,
    time: Duration,
) -> Result<Figures> {
    let ends = Arc::new(Ends::default());
    let follower = tokio::spawn(follow(host.clone(), workspace, ends.clone()));
    let begin = Instant::now();
    let cpu = ProcessTime::try_now().map_err(|error| Error::Failed(error.to_string()))?;
    let mut clients = JoinSet::new();
    for _ in 0..at_once {
        let (host, ends, boss) = (host.clone(), ends.clone(), boss.to_owned());
        clients.spawn(async move {
            let mut times = Vec::new();
            while begin.elapsed() < time {
                let start = Instant::now();
                let new = NewTicket {
                    title: "A request".to_owned(),
                    assignee: Some(boss.clone()),
                    ..NewTicket::default()
                };
                let ticket = host.create_ticket(workspace, new).await;
                let ticket = ticket.map_err(|error| Error::Failed(error.to_string()))?;
                if !ends.wait(ticket.id).await {
                    let ticket = host.ticket(workspace, ticket.id).await;
                    let why = ticket.map_or_else(|e| e.to_string(), |t| t.value.summary);
                    return Err(Error::Failed(format!("a request failed: {why}")));
                }
                times.push(start.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client.map_err(|error| Error::Failed(error.to_string()))??);
    }
    let elapsed = begin.elapsed();
    let cpu = cpu
        .try_elapsed()
        .map_err(|error| Error::Failed(error.to_string()))?;
    follower.abort();
    times.sort_unstable();
    let requests = times.len().max(1);
    let at = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(requests - 1));
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    Ok(Figures {
        requests: times.len() as u64,
        requests_per_s: times.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        cpu_ms_per_request: cpu.as_secs_f64() * 1e3 / requests as f64,
    })
}

/// Follows the log from its present end on.
async fn follow(host: Host, workspace: WorkspaceId, ends: Arc<Ends>) {
    let mut watch = host.watch(workspace);
    let mut after = *watch.borrow_and_update();
    let mut roots: std::collections::HashSet<TicketId> = std::collections::HashSet::new();
    loop {
        let Ok(events) = host.events(workspace, after, 1_000).await else {
            return;
        };
        if events.is_empty() {
            if watch.changed().await.is_err() {
                return;
            }
            continue;
        }
        for (seq, event) in events {
            after = seq;
            match event.kind {
                EventKind::TicketCreated {
                    ticket,
                    parent: None,
                    ..
                } => {
                    roots.insert(ticket);
                }
                EventKind::TicketCompleted { ticket, .. } if roots.remove(&ticket) => {
                    ends.over(ticket, true);
                }
                EventKind::TicketFailed { ticket, .. }
                | EventKind::TicketCancelled { ticket, .. }
                    if roots.remove(&ticket) =>
                {
                    ends.over(ticket, false);
                }
                _ => {}
            }
        }
    }
}
