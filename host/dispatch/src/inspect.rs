//! Looking into what happened: runs as they were given, components as they were uploaded, whom a boss
//! would pick. And going on where a run broke.
//!
//! Invariant: nothing here changes anything but [`Host::resume_run`].

use crate::choosing::{BossSelector, Question, Unanswered};
use crate::host::{Host, HostError, Result};
use crate::load;
use crate::views::{Candidates, Page, Picks, RunRecording};
use adjutant_model::{
    Answer, Call, Command, Lot, Plugin, PluginRef, Record, Refusal, Run, RunId, RunStatus, State,
    Token, WorkspaceId,
};
use adjutant_store::records;
use uuid::Uuid;

/// Runs that are looked at for one page; the rest comes with the next page.
const LOOKED_AT: usize = 2_000;
/// Bytes of a journal that is taken over, about: it is stored in one batch, which a store limits too.
const MOST_TAKEN_OVER: usize = 128 << 20;
/// Runs of one page at most.
const MOST: usize = 1_000;

impl Host {
    /// A workspace's runs, the newest first. A page may be short of `limit` though there is a `next`.
    pub async fn list_runs(
        &self,
        workspace: WorkspaceId,
        status: Option<RunStatus>,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Run>> {
        let mut before = match after.as_deref() {
            None => None,
            Some(cursor) => Some(records::run_key(cursor.parse().map_err(|_| {
                Refusal::invalid("/after", format!("{cursor:?} is no cursor of this list"))
            })?)),
        };
        let limit = limit.clamp(1, MOST);
        let partition = records::partition(workspace);
        let (mut items, mut looked_at) = (Vec::new(), 0);
        while looked_at < LOOKED_AT {
            let page = self
                .inner
                .store
                .scan_back(partition, records::prefix::RUN, before.as_deref(), limit)
                .await?;
            if page.is_empty() {
                return Ok(Page { items, next: None });
            }
            looked_at += page.len();
            for item in page {
                let run: Run = records::decode("run", &item.value)?;
                before = Some(item.key);
                if status.is_none_or(|status| run.status == status) {
                    items.push(run);
                    if items.len() == limit {
                        break;
                    }
                }
            }
            if items.len() == limit {
                break;
            }
        }
        let next = before
            .as_deref()
            .and_then(records::id_of)
            .map(|id| id.to_string());
        Ok(Page { items, next })
    }

    /// All that a run's strategy was given, for a replay elsewhere. Without the run's token.
    pub async fn recording(&self, run: RunId) -> Result<RunRecording> {
        let (workspace, mut run) = self.find_run(run).await?;
        run.token = Token(Uuid::nil());
        let mut ticket = self.ticket(workspace, run.ticket).await?.value;
        // As it was then, and not whoever has it now.
        ticket.assignee = Some(run.agent);
        let root = self.ticket(workspace, ticket.root).await?.value;
        let agent = self.agent(workspace, &run.agent.to_string()).await?.agent;
        let boss = match ticket.delegated_by {
            Some(boss) => Some(self.agent(workspace, &boss.to_string()).await?.agent),
            None => None,
        };
        Ok(RunRecording {
            run,
            request: adjutant_model::text::request(&root).to_owned(),
            ticket,
            agent,
            boss,
        })
    }

    /// A component's bytes: by its digest, or by `name` or `name@version`.
    pub async fn component_bytes(&self, key: &str) -> Result<Vec<u8>> {
        let shelf = &self.inner.shelf;
        if key.starts_with("sha256:") {
            return shelf.bytes(key).await;
        }
        let table = shelf.table();
        match table.get(&PluginRef::parse(key)) {
            Some(plugin) => shelf.bytes(&plugin.digest).await,
            None => Err(HostError::Refused(Refusal::NotFound(format!(
                "there is no plugin {:?}; `adjutant plugin list` (GET /v1/plugins) lists those there are",
                adjutant_model::text::cut(key, 200)
            )))),
        }
    }

    /// Goes on where a run broke, with `plugin` (`name` or `name@version`) or the newest version of its
    /// plugin: a new run of the same ticket, which begins with the old one's journal.
    pub async fn resume_run(&self, run: RunId, plugin: Option<String>) -> Result<Run> {
        let (workspace, old) = self.find_run(run).await?;
        // A run that cannot be resumed is refused before its journal is read.
        let journal = if old.broke {
            self.stored_journal(workspace, run).await?
        } else {
            Vec::new()
        };
        let bytes: usize = journal.iter().flatten().map(bytes_of).sum();
        if bytes > MOST_TAKEN_OVER {
            return Err(HostError::Refused(Refusal::Limit(format!(
                "the journal of run {run} has about {bytes} bytes, and {MOST_TAKEN_OVER} is the most \
                 that a new run takes over; reopen the ticket instead"
            ))));
        }
        let command = Command::ResumeRun {
            ticket: old.ticket,
            run,
            plugin,
            journal,
        };
        let ticket = self.ticket_command(workspace, command).await?;
        let new = ticket.run.unwrap_or(run);
        self.run(workspace, new).await
    }

    async fn stored_journal(&self, workspace: WorkspaceId, run: RunId) -> Result<Vec<Vec<Record>>> {
        let partition = records::partition(workspace);
        Ok(load::journal(&self.inner.store, partition, run).await?)
    }

    /// Whom a boss would pick for a task, and why; nothing changes. `request` is what the person who
    /// starts it all asks for; the task itself where it is empty.
    pub async fn choose(
        &self,
        workspace: WorkspaceId,
        boss: &str,
        title: &str,
        description: &str,
        request: &str,
    ) -> Result<Picks> {
        let found = self.candidates(workspace, boss).await?;
        let boss = &found.boss;
        let conflict = |why: String| HostError::Refused(Refusal::Conflict(why));
        if found.team.is_empty() {
            return Err(conflict(format!(
                "{} has no team: no agent names it as its boss, so there is nobody to choose from",
                boss.name
            )));
        }
        let question = Question {
            workspace,
            title: title.to_owned(),
            description: description.to_owned(),
            request: match (request, description) {
                ("", "") => title,
                ("", description) => description,
                (request, _) => request,
            }
            .to_owned(),
            config: boss.config.clone(),
            team: found.team.clone(),
            selector: BossSelector::of(boss, self.inner.execute.clone(), self.operator()),
        };
        let picked = question.ask(Lot::ACTIVE, false).await;
        let (selector, choices) = picked.map_err(|none| match none {
            Unanswered::Nobody(why) => conflict(format!("{} would pick nobody: {why}", boss.name)),
            Unanswered::Slow(why) => HostError::Unavailable(why),
        })?;
        Ok(Picks {
            choices,
            selector: Plugin::clone(&selector),
            candidates: found,
        })
    }

    async fn candidates(&self, workspace: WorkspaceId, boss: &str) -> Result<Candidates> {
        let wanted = boss.to_owned();
        let found = self
            .query(move |worlds| {
                let state: &State = &worlds.get(&workspace)?.state;
                let boss = state.find_agent(&wanted)?;
                let team = state.team(boss.id);
                Some(Candidates {
                    boss: boss.clone(),
                    team: team.into_iter().map(|agent| state.member(agent)).collect(),
                })
            })
            .await?;
        found.ok_or_else(|| {
            HostError::Refused(Refusal::NotFound(format!("there is no agent {boss:?}")))
        })
    }
}

/// About how many bytes a record has.
fn bytes_of(record: &Record) -> usize {
    let (call, reply) = match record {
        Record::Done { call, reply, .. } => (Some(call), Some(reply)),
        Record::Begun { call, .. } => (Some(call), None),
        Record::Answered { reply, .. } => (None, Some(reply)),
    };
    let answer = reply.and_then(|reply| reply.as_ref().ok());
    call.map_or(0, Call::bytes) + answer.map_or(0, Answer::bytes)
}
