//! From what a transition changed to the batch that stores it.

use crate::world::World;
use adjutant_model::{Changes, TicketId};
use adjutant_store::{Batch, journal, records};
use uuid::Uuid;

/// The batch for a transition's changes, and the roots of the trees that it touches. The world's
/// versions move on with it: batches are stored in the order in which they are made.
pub(crate) fn batch(world: &mut World, changes: &Changes, op: Uuid) -> (Batch, Vec<TicketId>) {
    let mut batch = Batch::new(world.partition, *op.as_bytes(), world.epoch);
    let mut trees: Vec<TicketId> = Vec::new();
    let state = &world.state;
    let versions = &mut world.versions;
    let mut put = |batch: &mut Batch, key: Vec<u8>, id: Uuid, value: Vec<u8>| {
        let version = versions.entry(id).or_default();
        batch.expect.push((key.clone(), *version));
        *version += 1;
        batch.put.push((key, Some(value)));
    };
    if changes.workspace {
        let id = state.workspace.id;
        put(
            &mut batch,
            records::workspace_key(id),
            id.0,
            records::encode(&state.workspace),
        );
    }
    for id in &changes.agents {
        if let Some(agent) = state.agent(*id) {
            put(
                &mut batch,
                records::agent_key(*id),
                id.0,
                records::encode(agent),
            );
        }
    }
    for id in &changes.tickets {
        if let Some(ticket) = state.ticket(*id) {
            if !trees.contains(&ticket.root) {
                trees.push(ticket.root);
            }
            put(
                &mut batch,
                records::ticket_key(*id),
                id.0,
                records::encode(ticket),
            );
        }
    }
    for id in &changes.runs {
        if let Some(run) = state.run(*id) {
            if let Some(ticket) = state
                .ticket(run.ticket)
                .filter(|t| !trees.contains(&t.root))
            {
                trees.push(ticket.root);
            }
            put(
                &mut batch,
                records::run_key(*id),
                id.0,
                records::encode(run),
            );
        }
    }
    for id in &changes.activity {
        let activity = state.activity(*id);
        batch
            .put
            .push((records::activity_key(*id), Some(records::encode(&activity))));
    }
    for (root, live) in &changes.roots {
        batch
            .put
            .push((records::live_key(*root), live.then(Vec::new)));
    }
    for (agent, key, value) in &changes.memory {
        batch
            .put
            .push((records::memory_key(*agent, key), value.clone()));
    }
    for (channel, index, message) in &changes.messages {
        let root = state.ticket(TicketId(channel.0)).map(|ticket| ticket.root);
        if let Some(root) = root.filter(|root| !trees.contains(root)) {
            trees.push(root);
        }
        batch.append.push((
            records::channel_stream(*channel),
            *index,
            records::encode(message),
        ));
    }
    for (run, index, entries) in &changes.journal {
        let (record, beside) = journal::encode(entries);
        let stream = records::journal_stream(*run);
        batch.append.push((stream, *index, record));
        for (payload, bytes) in beside {
            batch.put.push((payload.key(*run), Some(bytes)));
        }
    }
    for (run, index, line) in &changes.logs {
        batch
            .append
            .push((records::log_stream(*run), *index, records::encode(line)));
    }
    batch.events = changes.events.iter().map(records::encode).collect();
    (batch, trees)
}

/// What a batch weighs: its records, and their bytes by the KiB.
pub(crate) fn weight(batch: &Batch) -> usize {
    let put = batch
        .put
        .iter()
        .map(|(_, value)| value.as_ref().map_or(0, Vec::len));
    let appended = batch.append.iter().map(|(_, _, bytes)| bytes.len());
    let events = batch.events.iter().map(Vec::len);
    put.chain(appended)
        .chain(events)
        .map(|bytes| 1 + bytes / 1_024)
        .sum()
}
