//! Reading workspaces from the store: at the start, after a failure, and trees that are over when
//! someone asks for one again.

use crate::world::World;
use adjutant_model::{
    Activity, Agent, AgentId, ChannelId, Record, Run, RunId, State, Ticket, TicketId, Workspace,
};
use adjutant_store::{CommitError, Item, Partition, Store, StoreError, Version, journal, records};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// Entries that are read at a time.
const PAGE: usize = 1_000;
/// Records that are read by their keys at a time: few enough to be held twice, stored and decoded.
const AT_ONCE: usize = 512;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("the store did not answer in time")]
    Slow,
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
    for item in scan_all(store, partition, records::prefix::IDEMPOTENCY).await? {
        let kept = records::decode("idempotency key", &item.value)?;
        world.keys.load(&item.key, kept);
    }
    let roots = scan_all(store, partition, records::prefix::LIVE).await?;
    let roots: Vec<TicketId> = roots
        .iter()
        .filter_map(|item| records::id_of(&item.key).map(TicketId))
        .collect();
    for some in roots.chunks(AT_ONCE) {
        trees(store, &mut world, some).await?;
    }
    Ok(world)
}

/// A record with its version.
type Found<T> = (Version, T);

/// Records by their keys, in the order of the keys.
async fn get_all<T: DeserializeOwned>(
    store: &Store,
    partition: Partition,
    what: &'static str,
    keys: Vec<Vec<u8>>,
) -> Result<Vec<Option<Found<T>>>, LoadError> {
    let mut all = Vec::with_capacity(keys.len());
    for some in keys.chunks(AT_ONCE) {
        for found in store.get_many(partition, some).await? {
            all.push(match found {
                Some((version, bytes)) => Some((version, records::decode(what, &bytes)?)),
                None => None,
            });
        }
    }
    Ok(all)
}

/// Trees, by their roots, into the world: level by level, many records with each look at the store.
async fn trees(store: &Store, world: &mut World, roots: &[TicketId]) -> Result<(), LoadError> {
    let partition = world.partition;
    let mut versions: Vec<(Uuid, Version)> = Vec::new();
    let mut tickets: Vec<Ticket> = Vec::new();
    let mut level = roots.to_vec();
    while !level.is_empty() {
        let keys = level.iter().map(|id| records::ticket_key(*id)).collect();
        let found = get_all::<Ticket>(store, partition, "ticket", keys).await?;
        let mut below = Vec::new();
        for (id, found) in level.iter().zip(found) {
            let (version, ticket) = found.ok_or_else(|| {
                LoadError::Damaged(format!("ticket {id} is missing from its tree"))
            })?;
            versions.push((id.0, version));
            below.extend(&ticket.children);
            tickets.push(ticket);
        }
        level = below;
    }
    let last = tickets
        .iter()
        .filter_map(|ticket| Some((ticket.id, *ticket.runs.last()?)));
    let last: Vec<(TicketId, RunId)> = last.collect();
    let keys = last.iter().map(|(_, run)| records::run_key(*run)).collect();
    let found = get_all::<Run>(store, partition, "run", keys).await?;
    let mut runs = Vec::with_capacity(last.len());
    for ((ticket, id), found) in last.into_iter().zip(found) {
        let (version, run) = found
            .ok_or_else(|| LoadError::Damaged(format!("run {id} of ticket {ticket} is missing")))?;
        versions.push((id.0, version));
        runs.push(run);
    }
    let mut channels = Vec::with_capacity(tickets.len());
    for some in tickets.chunks(AT_ONCE) {
        let streams = some.iter().map(|t| records::channel_stream(t.channel));
        let lengths = store.stream_lens(partition, streams.collect()).await?;
        channels.extend(some.iter().map(|ticket| ticket.channel).zip(lengths));
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
    trees(store, world, &[found.root]).await?;
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

/// Bytes of what is kept beside a journal that one page brings along, but for its first record.
const PAGE_BESIDE: u64 = 32 << 20;

/// Whether a stream goes on after a page of it, `last` the page's last index. A page may be short because
/// its records are large.
pub(crate) async fn goes_on(
    store: &Store,
    partition: Partition,
    stream: &[u8],
    last: Option<u64>,
) -> Result<bool, StoreError> {
    match last {
        Some(last) => Ok(store.stream_len(partition, stream).await? > last + 1),
        None => Ok(false),
    }
}

/// Records of a run's journal from a stored one on, at most `limit` of those, with what is kept beside
/// them. Each stored record is a list, and comes with its place. A page is short where the records are
/// large: only an empty one is the end.
pub(crate) async fn journal_page(
    store: &Store,
    partition: Partition,
    run: RunId,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Vec<Record>)>, LoadError> {
    let stream = records::journal_stream(run);
    let mut page = Vec::new();
    let mut beside = HashSet::new();
    let mut left = PAGE_BESIDE;
    for (index, bytes) in store.read_stream(partition, &stream, from, limit).await? {
        let stored = journal::decode(&bytes)?;
        let more = stored.beside();
        let large: u64 = more.iter().map(|payload| payload.bytes).sum();
        if !page.is_empty() && left < large {
            break;
        }
        left = left.saturating_sub(large);
        beside.extend(more);
        page.push((index, stored));
    }
    let mut kept = HashMap::with_capacity(beside.len());
    for payload in beside {
        // One at a time: each is large. One that is missing is named when the record is completed.
        if let Some((_, bytes)) = store.get(partition, &payload.key(run)).await? {
            kept.insert(payload, bytes);
        }
    }
    let whole = page
        .into_iter()
        .map(|(index, stored)| Ok((index, stored.complete(run, &kept)?)));
    whole.collect()
}

/// A run's whole journal, each stored record a list.
pub(crate) async fn journal(
    store: &Store,
    partition: Partition,
    run: RunId,
) -> Result<Vec<Vec<Record>>, LoadError> {
    let mut all = Vec::new();
    loop {
        let page = journal_page(store, partition, run, all.len() as u64, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|(_, records)| records));
    }
}

/// The id of the ticket that a channel belongs to: they share it.
pub(crate) fn ticket_of(channel: ChannelId) -> TicketId {
    TicketId(channel.0)
}
