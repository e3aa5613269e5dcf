//! What a client asks about runs: lists, recordings, components, dry runs, and going on.

use super::view::Named;
use super::{Client, Query, path};
use crate::exit::{Error, Result};
use adjutant_model::{Agent, Journal, Record, Run, RunId, Ticket};
use adjutant_run::Recording;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// The form of recordings that this program reads.
const FORMAT: u32 = 1;
/// The newest runs among which a part of an id is looked for.
const MOST_LOOKED_AT: usize = 5_000;
/// The least characters of a part of an id.
const LEAST: usize = 4;

/// A run as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunDetail {
    /// Its id.
    pub(crate) id: RunId,
    /// Its ticket.
    #[serde(default)]
    pub(crate) ticket: String,
    /// Its agent.
    #[serde(default)]
    pub(crate) agent: Named,
    /// Its plugin.
    #[serde(default)]
    pub(crate) plugin: RunPlugin,
    /// 1 for the ticket's first run.
    #[serde(default)]
    pub(crate) attempt: u32,
    /// Where it stands.
    #[serde(default)]
    pub(crate) status: String,
    /// Host calls so far.
    #[serde(default)]
    pub(crate) calls: u32,
    /// When it was queued.
    #[serde(default)]
    pub(crate) queued_at: String,
    /// What it goes on from.
    #[serde(default)]
    pub(crate) resumed: Option<Resumed>,
}

/// The plugin that a run is pinned to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunPlugin {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// What its bytes are.
    pub(crate) digest: String,
}

/// What a run goes on from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resumed {
    /// The run that broke.
    pub(crate) from: String,
    /// How many of its calls were taken over.
    pub(crate) calls: u32,
}

/// Whom a boss would pick.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PicksView {
    /// The boss.
    pub(crate) boss: Named,
    /// The selector that was asked.
    pub(crate) selector: RunPlugin,
    /// The choices, the best first.
    pub(crate) choices: Vec<PickView>,
    /// Whom it could choose from.
    pub(crate) candidates: Vec<CandidateView>,
}

/// One choice.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PickView {
    /// Who.
    pub(crate) agent: Named,
    /// Why.
    pub(crate) reason: String,
    /// `high`, `medium` or `low`.
    pub(crate) confidence: String,
}

/// A subordinate that may be chosen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CandidateView {
    /// Who.
    pub(crate) agent: Named,
    /// What it is good at.
    pub(crate) skills: Vec<String>,
    /// What it is doing.
    pub(crate) tracking_status: String,
    /// Its tickets.
    pub(crate) current: Vec<String>,
    /// How many more wait for it.
    pub(crate) queued: u64,
}

/// The host's records of a run.
#[derive(Deserialize)]
struct Records {
    format: u32,
    run: Value,
    ticket: Value,
    agent: Value,
    boss: Option<Value>,
    request: String,
}

impl Client {
    /// Runs, the newest first, as JSON.
    pub(crate) async fn list_runs(&self, filter: Query<'_>, most: usize) -> Result<Vec<Value>> {
        let query = [&self.scope(), filter].concat();
        self.pages("/v1/runs", &query, "after", None, most).await
    }

    /// A ticket's runs, the oldest first, as JSON.
    pub(crate) async fn runs_of(&self, ticket: &str) -> Result<Vec<Value>> {
        self.list(&path(&["tickets", ticket, "runs"]), &[]).await
    }

    /// The run that a text means: its id, or the beginning or the end of it.
    pub(crate) async fn find_run(&self, text: &str) -> Result<RunId> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let part = text.trim_matches(['…', '.']).to_lowercase();
        let plain = part.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if part.len() < LEAST || !plain {
            return Err(Error::Usage(format!(
                "{text:?} is no run: give its id, or at least {LEAST} characters of its beginning or \
                 its end; `adjutant run list` shows them"
            )));
        }
        let query = self.scope();
        let runs: Vec<RunDetail> = self
            .pages("/v1/runs", &query, "after", None, MOST_LOOKED_AT)
            .await?;
        let fits = |id: &String| id.starts_with(&part) || id.ends_with(&part);
        let ids = runs.iter().map(|run| run.id.to_string());
        let found: Vec<String> = ids.filter(fits).collect();
        match found.as_slice() {
            [one] => one
                .parse()
                .map_err(|_| Error::Failed(format!("{one} is no id of a run"))),
            [] => Err(Error::Usage(format!(
                "none of the newest {} runs begins or ends with {part:?}; `adjutant run list` shows \
                 them",
                runs.len()
            ))),
            several => Err(Error::Usage(format!(
                "{part:?} could be {} runs: {}",
                several.len(),
                several[..several.len().min(5)].join(", ")
            ))),
        }
    }

    /// A run as JSON.
    pub(crate) async fn run_json(&self, run: RunId) -> Result<Value> {
        self.get(&["runs", &run.to_string()], &[]).await
    }

    /// A run's journal, as the API shows it.
    pub(crate) async fn journal_json(&self, run: RunId) -> Result<Vec<Value>> {
        let path = path(&["runs", &run.to_string(), "journal"]);
        self.pages(&path, &[], "from", None, usize::MAX).await
    }

    /// All that a run's strategy was given, and its journal.
    pub(crate) async fn recording(&self, run: RunId) -> Result<Recording> {
        let records: Records = self
            .get(&["runs", &run.to_string(), "recording"], &[])
            .await?;
        if records.format != FORMAT {
            return Err(Error::Failed(format!(
                "the host's recordings have form {}, and this version of adjutant reads form {FORMAT}",
                records.format
            )));
        }
        #[derive(Deserialize)]
        struct Exact {
            record: Record,
        }
        let path = path(&["runs", &run.to_string(), "recording", "journal"]);
        let journal: Vec<Exact> = self.pages(&path, &[], "from", None, usize::MAX).await?;
        let journal = Journal::from_records(journal.into_iter().map(|exact| exact.record));
        let run: Run = crate::commands::read(records.run)?;
        let ticket: Ticket = crate::commands::read(records.ticket)?;
        let agent: Agent = crate::commands::read(records.agent)?;
        let boss: Option<Agent> = records.boss.map(crate::commands::read).transpose()?;
        Ok(Recording {
            run,
            ticket,
            agent,
            boss,
            request: records.request,
            journal: journal.map_err(|error| Error::Failed(error.to_string()))?,
        })
    }

    /// The bytes of the component with a digest.
    pub(crate) async fn component(&self, digest: &str) -> Result<Vec<u8>> {
        let path = path(&["plugins", digest, "component"]);
        let response = self
            .request(Method::GET, &path, &[])
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let bytes = self.succeeded(response).await?.bytes().await;
        bytes
            .map(Into::into)
            .map_err(|error| self.unreachable(&error))
    }

    /// Goes on where a run broke; the new run as JSON.
    pub(crate) async fn resume(&self, run: RunId, plugin: Option<&str>) -> Result<Value> {
        let path = path(&["runs", &run.to_string(), "resume"]);
        let body = plugin.map_or_else(|| json!({}), |plugin| json!({ "plugin": plugin }));
        self.send(Method::POST, &path, &[], Some(&body)).await
    }

    /// Whom a boss would pick, as JSON.
    pub(crate) async fn choose(
        &self,
        boss: &str,
        title: &str,
        description: &str,
        request: &str,
    ) -> Result<Value> {
        let mut query = self.scope();
        query.extend([
            ("title", title.to_owned()),
            ("description", description.to_owned()),
            ("request", request.to_owned()),
        ]);
        self.get(&["agents", boss, "choose"], &query).await
    }
}
