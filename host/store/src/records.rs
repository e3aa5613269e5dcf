//! Where the model's records stand in a partition, and how they are encoded.
//!
//! Keys are a letter for the kind, then ids in binary: UUIDs of version 7 keep them in the order of
//! their making. Values are a version byte, then MessagePack with named fields, so that a record may
//! gain a field without a migration; another version byte means another reading.

use adjutant_model::{AgentId, ChannelId, RunId, TicketId, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Partition;

/// The version byte of all values that this host writes.
const VERSION: u8 = 1;

/// The partition for what belongs to no workspace: the list of workspaces, and the plugins.
pub const HOST: Partition = Partition([0; 16]);

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It was written by a newer host, or by something else.
    #[error(
        "a stored {what} has format version {found}, and this host reads version {VERSION}: it was written by another version of adjutant"
    )]
    Version {
        /// The kind of record.
        what: &'static str,
        /// Its version byte.
        found: u8,
    },
    /// It is damaged.
    #[error("a stored {what} is damaged: {why}")]
    Damaged {
        /// The kind of record.
        what: &'static str,
        /// What the decoder says.
        why: String,
    },
}

/// Encodes a record.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_as(VERSION, value)
}

/// Encodes a record of another version.
pub(crate) fn encode_as<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(version);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    value
        .serialize(&mut serializer)
        .expect("the model's records have only what MessagePack can hold");
    bytes
}

/// Decodes a record. `what` names its kind in the error.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, RecordError> {
    decode_as(VERSION, what, bytes)
}

/// Decodes a record of another version.
pub(crate) fn decode_as<T: DeserializeOwned>(
    version: u8,
    what: &'static str,
    bytes: &[u8],
) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((found, rest)) if *found == version => {
            rmp_serde::from_slice(rest).map_err(|error| RecordError::Damaged {
                what,
                why: error.to_string(),
            })
        }
        Some((&found, _)) => Err(RecordError::Version { what, found }),
        None => Err(RecordError::Damaged {
            what,
            why: "it is empty".to_owned(),
        }),
    }
}

/// The partition of a workspace.
pub fn partition(workspace: WorkspaceId) -> Partition {
    Partition(*workspace.0.as_bytes())
}

/// Prefixes of keys: one letter for each kind.
pub mod prefix {
    /// Workspaces, in [`super::HOST`].
    pub const WORKSPACE: &[u8] = b"w";
    /// Plugins, in [`super::HOST`].
    pub const PLUGIN: &[u8] = b"p";
    /// Rollouts of plugins, in [`super::HOST`].
    pub const ROLLOUT: &[u8] = b"o";
    /// Counts of how plugins' runs ended, in [`super::HOST`].
    pub const TALLY: &[u8] = b"n";
    /// Manifests of components, in [`super::HOST`].
    pub const MANIFEST: &[u8] = b"f";
    /// Versions that the watched folder has brought in, in [`super::HOST`].
    pub const DROPPED: &[u8] = b"d";
    /// Versions of plugins that were removed, in [`super::HOST`].
    pub const REMOVED: &[u8] = b"x";
    /// Agents.
    pub const AGENT: &[u8] = b"a";
    /// Agents' activity.
    pub const ACTIVITY: &[u8] = b"y";
    /// Tickets.
    pub const TICKET: &[u8] = b"t";
    /// Runs.
    pub const RUN: &[u8] = b"r";
    /// Idempotency keys.
    pub const IDEMPOTENCY: &[u8] = b"k";
    /// Roots of trees that are not over.
    pub const LIVE: &[u8] = b"l";
}

fn key(prefix: &[u8], id: Uuid) -> Vec<u8> {
    [prefix, id.as_bytes()].concat()
}

/// A workspace's key, in [`HOST`].
pub fn workspace_key(id: WorkspaceId) -> Vec<u8> {
    key(prefix::WORKSPACE, id.0)
}

/// A plugin's key, in [`HOST`].
pub fn plugin_key(name: &str, version: &str) -> Vec<u8> {
    [prefix::PLUGIN, name.as_bytes(), b"\0", version.as_bytes()].concat()
}

/// The key of a plugin's rollout, in [`HOST`].
pub fn rollout_key(name: &str) -> Vec<u8> {
    [prefix::ROLLOUT, name.as_bytes()].concat()
}

/// The key of the count of how a plugin's runs ended, in [`HOST`].
pub fn tally_key(name: &str) -> Vec<u8> {
    [prefix::TALLY, name.as_bytes()].concat()
}

/// The key of a component's manifest, by the component's digest, in [`HOST`].
pub fn manifest_key(digest: &str) -> Vec<u8> {
    [prefix::MANIFEST, digest.as_bytes()].concat()
}

/// The key of a version, `name@version`, that the watched folder has brought in, with its component's
/// digest, in [`HOST`]. The value is the files' names.
pub fn dropped_key(digest: &str, version: &str) -> Vec<u8> {
    [
        prefix::DROPPED,
        digest.as_bytes(),
        b"\0",
        version.as_bytes(),
    ]
    .concat()
}

/// The key of a plugin's version that was removed, in [`HOST`].
pub fn removed_key(name: &str, version: &str) -> Vec<u8> {
    [prefix::REMOVED, name.as_bytes(), b"\0", version.as_bytes()].concat()
}

/// An agent's key.
pub fn agent_key(id: AgentId) -> Vec<u8> {
    key(prefix::AGENT, id.0)
}

/// The key of an agent's activity.
pub fn activity_key(id: AgentId) -> Vec<u8> {
    key(prefix::ACTIVITY, id.0)
}

/// A ticket's key.
pub fn ticket_key(id: TicketId) -> Vec<u8> {
    key(prefix::TICKET, id.0)
}

/// A run's key.
pub fn run_key(id: RunId) -> Vec<u8> {
    key(prefix::RUN, id.0)
}

/// The key that marks a root as live.
pub fn live_key(root: TicketId) -> Vec<u8> {
    key(prefix::LIVE, root.0)
}

/// The key of what is kept of a request under an idempotency key, by the key's hash.
pub fn idempotency_key(hash: &[u8; 16]) -> Vec<u8> {
    [prefix::IDEMPOTENCY, hash].concat()
}

/// The prefix of an agent's memory; the guest's key follows.
pub fn memory_prefix(agent: AgentId) -> Vec<u8> {
    key(b"m", agent.0)
}

/// The key of one value of an agent's memory.
pub fn memory_key(agent: AgentId, guest_key: &str) -> Vec<u8> {
    [&memory_prefix(agent), guest_key.as_bytes()].concat()
}

/// The stream of a channel's messages.
pub fn channel_stream(id: ChannelId) -> Vec<u8> {
    key(b"c", id.0)
}

/// The stream of a run's journal.
pub fn journal_stream(id: RunId) -> Vec<u8> {
    key(b"j", id.0)
}

/// The key of what is kept beside a run's journal, by its digest.
pub fn payload_key(id: RunId, digest: &[u8; 32]) -> Vec<u8> {
    [key(b"b", id.0).as_slice(), digest].concat()
}

/// The stream of a run's log.
pub fn log_stream(id: RunId) -> Vec<u8> {
    key(b"g", id.0)
}

/// The id at the end of a key.
pub fn id_of(key: &[u8]) -> Option<Uuid> {
    key.get(1..17)
        .and_then(|bytes| Uuid::from_slice(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_model::{Answer, Author, Call, Event, EventKind, MessageId, MessageKind, Record};

    #[test]
    fn records_read_back() {
        let id = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        let event = Event {
            at: 7,
            kind: EventKind::MessagePosted {
                ticket: TicketId(id),
                channel: ChannelId(id),
                message: MessageId(id),
                author: Author::Agent(AgentId(id)),
                kind: MessageKind::Report,
                text: "é".to_owned(),
            },
        };
        assert_eq!(
            decode::<Event>("event", &encode(&event)).expect("reads"),
            event
        );
        let record = Record::Done {
            index: 3,
            at: 9,
            call: Call::SubmitOutput {
                output: serde_json::json!({"a": [1, 2.5, null]}),
            },
            reply: Ok(Answer::Bytes(Some(vec![0, 255]))),
        };
        let records = vec![record];
        assert_eq!(
            decode::<Vec<Record>>("journal", &encode(&records)).expect("reads"),
            records
        );
    }

    #[test]
    fn a_calls_bytes_bound_its_encoding() {
        let floats: Vec<f64> = vec![0.1; 1_000];
        let calls = [
            Call::SubmitOutput {
                output: serde_json::json!({"list": floats, "text": "x".repeat(500), "no": null}),
            },
            Call::Progress {
                note: "n".repeat(10_000),
            },
            Call::WorktreeRun {
                command: vec!["a".to_owned(); 1_000],
                timeout_ms: Some(u64::MAX),
            },
            Call::AwaitReports {
                tickets: vec![TicketId(Uuid::max()); 500],
                join: adjutant_model::Join::Quorum(3),
                timeout_ms: None,
            },
        ];
        for call in calls {
            let encoded = encode(&call).len();
            assert!(encoded <= call.bytes() + 64, "{}: {encoded}", call.name());
        }
    }

    #[test]
    fn another_version_and_damage_are_told_apart() {
        let newer = decode::<u32>("number", &[9, 1]).expect_err("newer");
        assert!(newer.to_string().contains("format version 9"), "{newer}");
        assert!(matches!(
            decode::<String>("text", &[1, 0xc1]),
            Err(RecordError::Damaged { .. })
        ));
        assert!(matches!(
            decode::<u32>("number", &[]),
            Err(RecordError::Damaged { .. })
        ));
    }
}
