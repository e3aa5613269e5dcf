//! Reads: lists and records from the store, live status from the loop.

use crate::host::{Host, HostError, Result};
use crate::load::{self, LoadError};
use crate::views::{AgentView, LogLine, MessageView, Page, TicketFilter, TicketNode, Versioned};
use adjutant_model::{
    Agent, AgentId, Event, Held, Message, Record, Refusal, Run, RunId, State, Ticket, TicketId,
    Timestamp, Workspace, WorkspaceId,
};
use adjutant_store::{Partition, StoreError, records};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use tokio::sync::watch;

/// Items that one page holds at most.
const MOST: usize = 1_000;
/// Tickets that are looked at for one page of a filtered list; the rest comes with the next page.
const LOOKED_AT: usize = 5_000;
/// Tickets of which one answer says why they wait: all of a page, and the first of a tree.
const REASONS: usize = MOST;
/// Tickets of a tree that are shown.
const TREE: usize = 10_000;

impl From<LoadError> for HostError {
    fn from(error: LoadError) -> Self {
        HostError::Unavailable(error.to_string())
    }
}

impl From<StoreError> for HostError {
    fn from(error: StoreError) -> Self {
        HostError::Unavailable(format!("the store cannot be read: {error}"))
    }
}

impl From<records::RecordError> for HostError {
    fn from(error: records::RecordError) -> Self {
        HostError::Unavailable(error.to_string())
    }
}

fn not_found(what: &str, key: impl std::fmt::Display) -> HostError {
    HostError::Refused(Refusal::NotFound(format!("there is no {what} {key}")))
}

impl Host {
    /// All workspaces, by name.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>> {
        let mut all: Vec<Workspace> = self
            .query(|worlds| {
                worlds
                    .values()
                    .map(|world| world.state.workspace.clone())
                    .collect()
            })
            .await?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// A workspace by id or name.
    pub async fn workspace(&self, key: &str) -> Result<Workspace> {
        let wanted = key.to_owned();
        let found = self.query(move |worlds| {
            let id: Option<WorkspaceId> = wanted.parse().ok();
            worlds
                .iter()
                .find(|(known, world)| Some(**known) == id || world.state.workspace.name == wanted)
                .map(|(_, world)| world.state.workspace.clone())
        });
        found
            .await?
            .ok_or_else(|| not_found("workspace", format!("{key:?}")))
    }

    /// The agents of a workspace, in the order of their making.
    pub async fn agents(&self, workspace: WorkspaceId) -> Result<Vec<AgentView>> {
        let now = self.inner.clock.now();
        let found = self.query(move |worlds| {
            let state = &worlds.get(&workspace)?.state;
            let held = state.held(now);
            let mut agents: Vec<&Agent> = state.agents().collect();
            agents.sort_by_key(|agent| agent.id);
            Some(
                agents
                    .into_iter()
                    .map(|agent| view(state, agent, &held))
                    .collect(),
            )
        });
        found
            .await?
            .ok_or_else(|| not_found("workspace", workspace))
    }

    /// An agent by id or name.
    pub async fn agent(&self, workspace: WorkspaceId, key: &str) -> Result<AgentView> {
        let now = self.inner.clock.now();
        let wanted = key.to_owned();
        let found = self.query(move |worlds| {
            let state = &worlds.get(&workspace)?.state;
            state
                .find_agent(&wanted)
                .map(|agent| view(state, agent, &state.held(now)))
        });
        found
            .await?
            .ok_or_else(|| not_found("agent", format!("{key:?}")))
    }

    /// An agent in whatever workspace, by id, or by a name that only one has.
    pub async fn find_agent(&self, key: &str) -> Result<(WorkspaceId, AgentView)> {
        let now = self.inner.clock.now();
        let wanted = key.to_owned();
        let found: Vec<(WorkspaceId, AgentView)> = self
            .query(move |worlds| {
                let agents = worlds.iter().filter_map(|(id, world)| {
                    let state = &world.state;
                    let agent = state.find_agent(&wanted)?;
                    Some((*id, view(state, agent, &state.held(now))))
                });
                agents.collect()
            })
            .await?;
        match <[_; 1]>::try_from(found) {
            Ok([only]) => Ok(only),
            Err(found) if found.is_empty() => Err(not_found("agent", format!("{key:?}"))),
            Err(found) => Err(HostError::Refused(Refusal::Conflict(format!(
                "{} workspaces have an agent {key:?}; use its id",
                found.len()
            )))),
        }
    }

    /// Agents' names by id, for whoever shows tickets.
    pub async fn agent_names(&self, workspace: WorkspaceId) -> Result<HashMap<AgentId, String>> {
        let found = self.query(move |worlds| {
            let state = &worlds.get(&workspace)?.state;
            Some(
                state
                    .agents()
                    .map(|agent| (agent.id, agent.name.clone()))
                    .collect(),
            )
        });
        found
            .await?
            .ok_or_else(|| not_found("workspace", workspace))
    }

    /// A ticket with its version.
    pub async fn ticket(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
    ) -> Result<Versioned<Ticket>> {
        let key = records::ticket_key(ticket);
        let found = self
            .get(records::partition(workspace), "ticket", &key)
            .await?;
        found.ok_or_else(|| not_found("ticket", ticket))
    }

    /// A ticket in whatever workspace.
    pub async fn find_ticket(&self, ticket: TicketId) -> Result<(WorkspaceId, Versioned<Ticket>)> {
        let found = self.find("ticket", &records::ticket_key(ticket)).await?;
        found.ok_or_else(|| not_found("ticket", ticket))
    }

    /// Why tickets that wait to start do not: a sentence each, by ticket. Those that do not wait are left out,
    /// and so are those beyond the first 1,000: the event loop looks at each.
    pub async fn held(
        &self,
        workspace: WorkspaceId,
        tickets: Vec<TicketId>,
    ) -> Result<HashMap<TicketId, String>> {
        let now = self.inner.clock.now();
        let found = self.query(move |worlds| {
            let Some(world) = worlds.get(&workspace) else {
                return HashMap::new();
            };
            let held = world.state.held(now);
            let tickets = tickets.into_iter().take(REASONS);
            let reasons = tickets.filter_map(|id| Some((id, held.ticket(id)?)));
            reasons.collect()
        });
        found.await
    }

    /// Tickets, the newest first. A page may be short of `limit` though there is a `next`.
    pub async fn tickets(
        &self,
        workspace: WorkspaceId,
        filter: TicketFilter,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<Versioned<Ticket>>> {
        let partition = records::partition(workspace);
        let mut before = match after.as_deref() {
            None => None,
            Some(cursor) => Some(records::ticket_key(cursor.parse().map_err(|_| {
                Refusal::invalid("/after", format!("{cursor:?} is no cursor of this list"))
            })?)),
        };
        let limit = limit.clamp(1, MOST);
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        let mut items = Vec::new();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT {
            let store = &self.inner.store;
            let page = store
                .scan_back(partition, records::prefix::TICKET, before.as_deref(), limit)
                .await?;
            if page.is_empty() {
                return Ok(Page { items, next: None });
            }
            looked_at += page.len();
            for item in page {
                let ticket: Ticket = records::decode("ticket", &item.value)?;
                before = Some(item.key);
                if fits(&filter, text.as_deref(), &ticket) {
                    let id = ticket.id;
                    items.push(Versioned {
                        value: ticket,
                        version: item.version,
                    });
                    if items.len() == limit {
                        return Ok(Page {
                            items,
                            next: Some(id.to_string()),
                        });
                    }
                }
            }
        }
        let next = before
            .as_deref()
            .and_then(records::id_of)
            .map(|id| id.to_string());
        Ok(Page { items, next })
    }

    /// A ticket with all below it.
    pub async fn tree(&self, workspace: WorkspaceId, ticket: TicketId) -> Result<TicketNode> {
        let mut left = TREE;
        self.node(workspace, ticket, &mut left).await
    }

    async fn node(
        &self,
        workspace: WorkspaceId,
        id: TicketId,
        left: &mut usize,
    ) -> Result<TicketNode> {
        let ticket = self.ticket(workspace, id).await?;
        let mut children = Vec::new();
        for child in ticket.value.children.clone() {
            if *left == 0 {
                break;
            }
            *left -= 1;
            children.push(Box::pin(self.node(workspace, child, left)).await?);
        }
        Ok(TicketNode { ticket, children })
    }

    /// Messages of a ticket's channel from an index on.
    pub async fn messages(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
        from: u64,
        limit: usize,
    ) -> Result<Page<MessageView>> {
        let channel = self.ticket(workspace, ticket).await?.value.channel;
        let stream = records::channel_stream(channel);
        let page = self
            .stream::<Message>(workspace, "message", &stream, from, limit)
            .await?;
        Ok(page.map(|(index, message)| MessageView { index, message }))
    }

    /// A run.
    pub async fn run(&self, workspace: WorkspaceId, run: RunId) -> Result<Run> {
        let key = records::run_key(run);
        let found = self
            .get::<Run>(records::partition(workspace), "run", &key)
            .await?;
        found
            .map(|found| found.value)
            .ok_or_else(|| not_found("run", run))
    }

    /// A run in whatever workspace.
    pub async fn find_run(&self, run: RunId) -> Result<(WorkspaceId, Run)> {
        let found = self.find::<Run>("run", &records::run_key(run)).await?;
        let (workspace, run) = found.ok_or_else(|| not_found("run", run))?;
        Ok((workspace, run.value))
    }

    /// A ticket's runs, the oldest first.
    pub async fn runs(&self, workspace: WorkspaceId, ticket: TicketId) -> Result<Vec<Run>> {
        let ticket = self.ticket(workspace, ticket).await?.value;
        let mut runs = Vec::new();
        for run in ticket.runs {
            runs.push(self.run(workspace, run).await?);
        }
        Ok(runs)
    }

    /// A run's journal from a stored record on. A stored record holds several of these, so a page may
    /// be longer than `limit`.
    pub async fn journal(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Page<Record>> {
        self.run(workspace, run).await?;
        let limit = limit.clamp(1, MOST);
        let partition = records::partition(workspace);
        let store = &self.inner.store;
        let page = load::journal_page(store, partition, run, from, limit).await?;
        let stream = records::journal_stream(run);
        let last = page.last().map(|(index, _)| *index);
        let next = self.next(partition, &stream, last).await?;
        Ok(Page {
            items: page.into_iter().flat_map(|(_, records)| records).collect(),
            next,
        })
    }

    /// What a run printed.
    pub async fn log(
        &self,
        workspace: WorkspaceId,
        run: RunId,
        from: u64,
        limit: usize,
    ) -> Result<Page<LogLine>> {
        self.run(workspace, run).await?;
        let stream = records::log_stream(run);
        let page = self
            .stream::<(Timestamp, String, String)>(workspace, "log", &stream, from, limit)
            .await?;
        Ok(page.map(|(index, (at, stream, text))| LogLine {
            index,
            at,
            stream,
            text,
        }))
    }

    /// Events after a sequence number, with theirs. Dense from 1.
    pub async fn events(
        &self,
        workspace: WorkspaceId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>> {
        let partition = records::partition(workspace);
        let page = self
            .inner
            .store
            .events(partition, after, limit.clamp(1, MOST))
            .await?;
        let events = page
            .into_iter()
            .map(|(seq, bytes)| Ok((seq, records::decode("event", &bytes)?)));
        events.collect()
    }

    /// The newest durable sequence number of a workspace, as it grows. Take it first, then read events
    /// until there are none, then wait for a change.
    pub fn watch(&self, workspace: WorkspaceId) -> watch::Receiver<u64> {
        self.inner.store.watch(records::partition(workspace))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        partition: Partition,
        what: &'static str,
        key: &[u8],
    ) -> Result<Option<Versioned<T>>> {
        let found = load::get::<T>(&self.inner.store, partition, what, key).await?;
        Ok(found.map(|(version, value)| Versioned { value, version }))
    }

    async fn find<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &[u8],
    ) -> Result<Option<(WorkspaceId, Versioned<T>)>> {
        for workspace in self
            .query(|worlds| worlds.keys().copied().collect::<Vec<_>>())
            .await?
        {
            if let Some(found) = self.get(records::partition(workspace), what, key).await? {
                return Ok(Some((workspace, found)));
            }
        }
        Ok(None)
    }

    /// Where the page after this one of a stream begins, if there is one.
    async fn next(
        &self,
        partition: Partition,
        stream: &[u8],
        last: Option<u64>,
    ) -> Result<Option<String>> {
        let more = load::goes_on(&self.inner.store, partition, stream, last).await?;
        Ok(last.filter(|_| more).map(|last| (last + 1).to_string()))
    }

    /// Records of a stream from an index on, with theirs.
    async fn stream<T: DeserializeOwned>(
        &self,
        workspace: WorkspaceId,
        what: &'static str,
        stream: &[u8],
        from: u64,
        limit: usize,
    ) -> Result<Page<(u64, T)>> {
        let limit = limit.clamp(1, MOST);
        let partition = records::partition(workspace);
        let store = &self.inner.store;
        let page = store.read_stream(partition, stream, from, limit).await?;
        let last = page.last().map(|(index, _)| *index);
        let next = self.next(partition, stream, last).await?;
        let items: Result<Vec<(u64, T)>> = page
            .into_iter()
            .map(|(index, bytes)| Ok((index, records::decode(what, &bytes)?)))
            .collect();
        Ok(Page {
            items: items?,
            next,
        })
    }
}

fn view(state: &State, agent: &Agent, held: &Held<'_>) -> AgentView {
    AgentView {
        agent: agent.clone(),
        member: state.member(agent),
        boss: agent
            .boss
            .and_then(|id| state.agent(id))
            .map(|boss| (boss.id, boss.name.clone())),
        team: state
            .team(agent.id)
            .into_iter()
            .map(|a| (a.id, a.name.clone()))
            .collect(),
        held: held.agent(agent.id),
    }
}

fn fits(filter: &TicketFilter, text: Option<&str>, ticket: &Ticket) -> bool {
    filter.status.is_none_or(|status| ticket.status == status)
        && (filter.assignee.is_none() || ticket.assignee == filter.assignee)
        && (filter.parent.is_none() || ticket.parent == filter.parent)
        && (!filter.roots || ticket.parent.is_none())
        && text.is_none_or(|text| {
            ticket.title.to_lowercase().contains(text)
                || ticket.description.to_lowercase().contains(text)
        })
}
