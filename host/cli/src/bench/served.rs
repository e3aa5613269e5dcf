//! A host in a process of its own, driven over HTTP: its memory is its own, and it can be killed.

use crate::client::Client;
use crate::exit::{Error, Result};
use adjutant_model::{NewTicket, TeamSpec, TicketId};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Requests to the host that are under way at a time.
const AT_ONCE: usize = 16;
/// How long the host may take for anything.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long memory must stay the same to count as settled.
const SETTLED: Duration = Duration::from_millis(1_500);

/// A host in a process of its own. It is killed when this is dropped.
pub(crate) struct Served {
    process: Child,
    pub(crate) client: Client,
    /// From starting the process to its first answer with how it is doing.
    pub(crate) ready_after: Duration,
}

/// Where such a host keeps its data, and how it behaves.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    data: PathBuf,
    config: PathBuf,
}

impl Place {
    /// A place below a folder. Runs leave memory as soon as they wait. What may be in memory beside
    /// them, instances and pages of the store, is little: it would be counted as theirs.
    pub(crate) fn below(folder: &Path) -> Result<Place> {
        let place = Place {
            data: folder.join("served"),
            config: folder.join("served.toml"),
        };
        let config =
            "[runs]\npark_after_ms = 20\ninstances = 200\n[store]\ncache_bytes = 4194304\n";
        let written =
            std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&place.config, config));
        written.map_err(|error| {
            Error::Failed(format!(
                "{} cannot be written: {error}",
                place.config.display()
            ))
        })?;
        Ok(place)
    }

    /// Starts a host there, and waits until it answers.
    pub(crate) async fn start(&self) -> Result<Served> {
        let begin = Instant::now();
        let program = std::env::current_exe().map_err(failed)?;
        let mut process = Command::new(program)
            .args(["serve", "--json", "--addr", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .arg("--config")
            .arg(&self.config)
            .env("ADJUTANT_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let stdout = process
            .stdout
            .take()
            .ok_or_else(|| Error::Failed("the host has no output".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next_line().await.map_err(failed)?;
        let started: Option<Value> = line.and_then(|line| serde_json::from_str(&line).ok());
        let url = started.as_ref().and_then(|started| started["url"].as_str());
        let url = url.ok_or_else(|| Error::Failed("the host did not start".to_owned()))?;
        let client = Client::new(url, None)?;
        client.host_status().await?;
        Ok(Served {
            process,
            client,
            ready_after: begin.elapsed(),
        })
    }
}

impl Served {
    /// Kills it, as a power cut would.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.process.kill().await.map_err(failed)
    }

    /// Bytes of memory that are its own at present, once they have settled.
    pub(crate) async fn settled_memory(&self) -> Result<u64> {
        let begin = Instant::now();
        let (mut last, mut since) = (self.memory()?, Instant::now());
        while since.elapsed() < SETTLED && begin.elapsed() < SETTLED * 8 {
            tokio::time::sleep(SETTLED / 10).await;
            let now = self.memory()?;
            // A page more or less is nothing.
            if now.abs_diff(last) > 256 << 10 {
                (last, since) = (now, Instant::now());
            }
        }
        self.memory()
    }

    /// Bytes of its memory that no file stands behind.
    fn memory(&self) -> Result<u64> {
        let pid = self.process.id().unwrap_or_default();
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).map_err(|error| {
            Error::Failed(format!(
                "{path} cannot be read ({error}); memory can be measured on Linux only"
            ))
        })?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib << 10)
            .ok_or_else(|| Error::Failed(format!("{path} does not say how much memory it has")))
    }

    /// Gives an agent so many tickets.
    pub(crate) async fn give(&self, agent: &str, many: usize) -> Result<Vec<TicketId>> {
        let new = NewTicket {
            title: "A request".to_owned(),
            assignee: Some(agent.to_owned()),
            ..NewTicket::default()
        };
        let all = spread(vec![(); many], |()| {
            let (client, new) = (self.client.clone(), new.clone());
            async move {
                let made = patiently(|| client.create(&new)).await?;
                let id = made["id"].as_str().and_then(|id| id.parse().ok());
                id.ok_or_else(|| Error::Failed("a ticket has no id".to_owned()))
            }
        });
        all.await
    }

    /// Says of tickets that they are done.
    pub(crate) async fn close_all(&self, tickets: Vec<TicketId>) -> Result<()> {
        let all = spread(tickets, |ticket| {
            let client = self.client.clone();
            async move { patiently(|| client.close(ticket)).await.map(|_| ()) }
        });
        all.await.map(|_: Vec<()>| ())
    }

    /// What an agent works on.
    pub(crate) async fn tickets_of(&self, agent: &str) -> Result<Vec<TicketId>> {
        let filter = [
            ("assignee", agent.to_owned()),
            ("status", "in_progress".to_owned()),
        ];
        let found = self.client.tickets(&filter, usize::MAX).await?;
        let ids = found
            .iter()
            .filter_map(|ticket| ticket["id"].as_str()?.parse().ok());
        Ok(ids.collect())
    }

    /// Waits until exactly so many runs are not over, all of them waiting and none in memory.
    pub(crate) async fn parked(&self, runs: usize) -> Result<()> {
        self.until(|status| {
            status.runs.parked == runs && status.runs.in_memory == 0 && status.runs.live == runs
        })
        .await
    }

    /// Waits until every ticket is over, and that is on disk.
    pub(crate) async fn over(&self) -> Result<()> {
        self.until(|status| status.tickets.live == 0).await?;
        // It changes nothing, and is answered when all before it is on disk.
        self.client.apply(&TeamSpec::default()).await.map(|_| ())
    }

    async fn until(&self, wanted: impl Fn(&crate::client::HostStatus) -> bool) -> Result<()> {
        let begin = Instant::now();
        loop {
            let status = patiently(|| self.client.host_status()).await?;
            if wanted(&status) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(Error::Failed(format!(
                    "the host did not come to where it should within {} s: {status:?}",
                    PATIENCE.as_secs()
                )));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Does something for each, so many at a time.
async fn spread<T, R, F>(all: Vec<T>, each: impl Fn(T) -> F) -> Result<Vec<R>>
where
    R: Send + 'static,
    F: Future<Output = Result<R>> + Send + 'static,
{
    let mut done = Vec::with_capacity(all.len());
    let mut under_way = JoinSet::new();
    for one in all {
        if under_way.len() >= AT_ONCE
            && let Some(finished) = under_way.join_next().await
        {
            done.push(finished.map_err(failed)??);
        }
        under_way.spawn(each(one));
    }
    while let Some(finished) = under_way.join_next().await {
        done.push(finished.map_err(failed)??);
    }
    Ok(done)
}

/// Asks again while the host says that it is busy.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begin = Instant::now();
    loop {
        match ask().await {
            Err(Error::Host(problem))
                if matches!(problem.status, 429 | 503) && begin.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
