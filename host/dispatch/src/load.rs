//! Reading workspaces from the store: at the start, after a failure, and trees that are over when
//! someone asks for one again.

use crate::world::World;
use adjutant_model::{
    Activity, Agent, AgentId, ChannelId, Run, State, Ticket, TicketId, Workspace,
};
use adjutant_store::{CommitError, Item, Partition, Store, StoreError, Version, records};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Entries that are read at a time.
const PAGE: usize = 1_000;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("the store cannot be written: {0}")]
    Commit(#[from] CommitError),
    #[error("{0}")]
    Record(#[from] records::RecordError),
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// All items below a prefix, however many pages that takes.
pub(crate) async fn scan_all(
    store: &Store,
    partition: Partition,
    prefix: &[u8],
) -> Result<Vec<Item>, StoreError> {
    let mut all: Vec<Item> = Vec::new();
    loop {
        let after = all.last().map(|item| item.key.clone());
        let page = store
            .scan(partition, prefix, after.as_deref(), PAGE)
            .await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// One record with its version.
pub(crate) async fn get<T: DeserializeOwned>(
    store: &Store,
    partition: Partition,
    what: &'static str,
    key: &[u8],
) -> Result<Option<(Version, T)>, LoadError> {
    match store.get(partition, key).await? {
        Some((version, bytes)) => Ok(Some((version, records::decode(what, &bytes)?))),
        None => Ok(None),
    }
}

/// A whole workspace: its agents, and every tree that is not over.
pub(crate) async fn world(
    store: &Store,
    workspace: Workspace,
    workspace_version: Version,
) -> Result<World, LoadError> {
    let partition = records::partition(workspace.id);
    let epoch = store.acquire(partition).await?;
    let mut world = World::new(State::new(workspace), partition, epoch);
    let id = world.state.workspace.id.0;
    world.versions.insert(id, workspace_version);
    let mut activities: BTreeMap<AgentId, Activity> = BTreeMap::new();
    for item in scan_all(store, partition, records::prefix::ACTIVITY).await? {
        if let Some(id) = records::id_of(&item.key) {
            activities.insert(
                AgentId(id),
                records::decode("agent's activity", &item.value)?,
            );
        }
    }
    for item in scan_all(store, partition, records::prefix::AGENT).await? {
        let agent: Agent = records::decode("agent", &item.value)?;
        world.versions.insert(agent.id.0, item.version);
        let activity = activities.get(&agent.id).copied().unwrap_or_default();
        world.state.load_agent(agent, activity);
    }
    for item in scan_all(store, partition, records::prefix::LIVE).await? {
        if let Some(id) = records::id_of(&item.key) {
            tree(store, &mut world, TicketId(id)).await?;
        }
    }
    Ok(world)
}

/// A tree, by its root, into the world.
pub(crate) async fn tree(
    store: &Store,
    world: &mut World,
    root: TicketId,
) -> Result<(), LoadError> {
    let partition = world.partition;
    let mut tickets = Vec::new();
    let mut runs = Vec::new();
    let mut channels = Vec::new();
    let mut versions = Vec::new();
    let mut rest = vec![root];
    while let Some(id) = rest.pop() {
        let found = get::<Ticket>(store, partition, "ticket", &records::ticket_key(id)).await?;
        let Some((version, ticket)) = found else {
            return Err(LoadError::Damaged(format!(
                "ticket {id} is missing from its tree"
            )));
        };
        versions.push((id.0, version));
        let length = store
            .stream_len(partition, &records::channel_stream(ticket.channel))
            .await?;
        channels.push((ticket.channel, length));
        if let Some(run) = ticket.runs.last() {
            let found = get::<Run>(store, partition, "run", &records::run_key(*run)).await?;
            let Some((version, run)) = found else {
                return Err(LoadError::Damaged(format!(
                    "run {run} of ticket {id} is missing"
                )));
            };
            versions.push((run.id.0, version));
            runs.push(run);
        }
        rest.extend(&ticket.children);
        tickets.push(ticket);
    }
    world.versions.extend(versions);
    world.state.load_tree(tickets, runs, channels);
    Ok(())
}

/// The tree of a ticket that someone names, if it is not in memory. Nothing happens where there is no
/// such ticket: the transition will say so.
pub(crate) async fn tree_of(
    store: &Store,
    world: &mut World,
    ticket: TicketId,
) -> Result<Option<TicketId>, LoadError> {
    if world.state.ticket(ticket).is_some() {
        return Ok(None);
    }
    let key = records::ticket_key(ticket);
    let Some((_, found)) = get::<Ticket>(store, world.partition, "ticket", &key).await? else {
        return Ok(None);
    };
    tree(store, world, found.root).await?;
    Ok(Some(found.root))
}

/// An agent's memory, if it is not here yet.
pub(crate) async fn memory(
    store: &Store,
    world: &mut World,
    agent: AgentId,
) -> Result<(), LoadError> {
    if world.state.has_memory(agent) {
        return Ok(());
    }
    let prefix = records::memory_prefix(agent);
    let mut memory = BTreeMap::new();
    for item in scan_all(store, world.partition, &prefix).await? {
        let key = String::from_utf8(item.key[prefix.len()..].to_vec()).map_err(|_| {
            LoadError::Damaged(format!("a key of agent {agent}'s memory is no text"))
        })?;
        memory.insert(key, item.value);
    }
    world.state.load_memory(agent, memory);
    Ok(())
}

/// All records of a stream from an index on, decoded.
pub(crate) async fn stream<T: DeserializeOwned>(
    store: &Store,
    partition: Partition,
    what: &'static str,
    stream: &[u8],
) -> Result<Vec<T>, LoadError> {
    let mut all = Vec::new();
    loop {
        let page = store
            .read_stream(partition, stream, all.len() as u64, PAGE)
            .await?;
        if page.is_empty() {
            return Ok(all);
        }
        for (_, bytes) in page {
            all.push(records::decode(what, &bytes)?);
        }
    }
}

/// The id of the ticket that a channel belongs to: they share it.
pub(crate) fn ticket_of(channel: ChannelId) -> TicketId {
    TicketId(channel.0)
}
