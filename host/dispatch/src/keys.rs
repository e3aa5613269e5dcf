//! Idempotency keys: what a caller asked for under a key happens once, however often it is asked.
//!
//! The key is stored in the same batch as what was asked for, so either both are there or neither. Asked
//! again with the same key and the same request, nothing happens and the first answer is given again
//! (a ticket as it is now). Refusals are not kept: nothing has happened.
//!
//! Invariants: the keys in memory are those on disk and on their way there; there are at most as many as
//! the limit says, and none is older than the limit.

use crate::event_loop::{Ack, Answer, Dispatcher};
use crate::host::HostError;
use crate::load;
use crate::stop::{is_from_outside, stopping};
use adjutant_model::{
    AgentId, Changes, ChannelId, Command, Limits, Message, Outcome, Refusal, Ticket, TicketId,
    Timestamp, WorkspaceId,
};
use adjutant_store::records;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};

/// What a caller names a request by, so that it can be repeated without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: Hash,
    request: Hash,
}

impl IdempotencyKey {
    /// A key as the caller gives it, and all of the request that must be the same when it is repeated.
    pub fn new(key: &str, request: &[&[u8]]) -> IdempotencyKey {
        let mut hasher = Sha256::new();
        for part in request {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        IdempotencyKey {
            key: short(Sha256::digest(key.as_bytes()).as_slice()),
            request: short(hasher.finalize().as_slice()),
        }
    }
}

/// The first half of a SHA-256: nobody gains by finding two keys of their own that collide.
type Hash = [u8; 16];

fn short(digest: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// When it was carried out.
    at: Timestamp,
    #[serde(with = "serde_bytes")]
    request: Hash,
    pub(crate) result: Result,
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Result {
    Done,
    /// The ticket was made or changed.
    Ticket(TicketId),
    /// Where the message stands.
    Posted {
        channel: ChannelId,
        index: u64,
    },
    /// A report was taken, and went to that boss.
    External(Option<AgentId>),
}

/// A workspace's keys, or those of what concerns the whole host.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    kept: HashMap<Hash, Kept>,
    by_age: BTreeSet<(Timestamp, Hash)>,
}

/// A record of the store: a key, and the new value or none.
type Put = (Vec<u8>, Option<Vec<u8>>);

/// Keys that one batch lets go of at most.
const EXPIRED_AT_ONCE: usize = 16;

impl Keys {
    /// Takes in what is stored.
    pub(crate) fn load(&mut self, key: &[u8], kept: Kept) {
        let Some(hash) = key.get(1..17) else { return };
        let hash = short(hash);
        self.by_age.insert((kept.at, hash));
        self.kept.insert(hash, kept);
    }

    /// What the same request came to before; refused where the key was another request's.
    pub(crate) fn find(&self, key: &IdempotencyKey) -> std::result::Result<Option<&Kept>, Refusal> {
        match self.kept.get(&key.key) {
            Some(kept) if kept.request == key.request => Ok(Some(kept)),
            Some(_) => Err(Refusal::invalid(
                "",
                "the header Idempotency-Key was used for another request already; a new request \
                 needs a new key",
            )),
            None => Ok(None),
        }
    }

    /// Refuses where as many keys are kept as there may be.
    pub(crate) fn check_room(
        &self,
        now: Timestamp,
        limits: &Limits,
    ) -> std::result::Result<(), Refusal> {
        let oldest = self.by_age.first().map(|(at, _)| *at);
        let expires = oldest.map(|at| at.saturating_add(limits.idempotency_ms));
        if self.kept.len() < limits.idempotency_keys || expires.is_some_and(|at| at <= now) {
            return Ok(());
        }
        Err(Refusal::Busy(format!(
            "as many idempotency keys are kept as there may be ({}, limit `idempotency_keys`); try \
             again later, or without the header Idempotency-Key",
            limits.idempotency_keys
        )))
    }

    /// Lets go of a key whose effect could not be stored.
    pub(crate) fn forget(&mut self, key: &IdempotencyKey) {
        if let Some(kept) = self.kept.remove(&key.key) {
            self.by_age.remove(&(kept.at, key.key));
        }
    }

    /// Keeps a key; gives back what is to be stored with the effect. None where nothing happened.
    pub(crate) fn keep(
        &mut self,
        key: &IdempotencyKey,
        outcome: &Outcome,
        changes: &Changes,
        now: Timestamp,
        limits: &Limits,
    ) -> Vec<Put> {
        let result = match outcome {
            Outcome::Done => Result::Done,
            Outcome::Ticket(ticket) => Result::Ticket(ticket.id),
            Outcome::Posted(message) => {
                let mut posted = changes.messages.iter();
                let Some((channel, index, _)) = posted.find(|(_, _, one)| one.id == message.id)
                else {
                    return Vec::new();
                };
                Result::Posted {
                    channel: *channel,
                    index: *index,
                }
            }
            Outcome::External {
                boss,
                refused: None,
            } => Result::External(*boss),
            _ => return Vec::new(),
        };
        let mut puts = Vec::new();
        while let Some((at, hash)) = self.by_age.first().copied() {
            let old = at.saturating_add(limits.idempotency_ms) <= now;
            if !old || puts.len() >= EXPIRED_AT_ONCE {
                break;
            }
            self.by_age.pop_first();
            self.kept.remove(&hash);
            puts.push((records::idempotency_key(&hash), None));
        }
        let kept = Kept {
            at: now,
            request: key.request,
            result,
        };
        puts.push((
            records::idempotency_key(&key.key),
            Some(records::encode(&kept)),
        ));
        self.by_age.insert((now, key.key));
        self.kept.insert(key.key, kept);
        puts
    }
}

impl Dispatcher {
    /// A command under a key: carried out once.
    pub(crate) async fn keyed(
        &mut self,
        workspace: WorkspaceId,
        key: IdempotencyKey,
        command: Command,
        reply: Answer<Outcome>,
    ) {
        if self.ending && is_from_outside(&command) {
            let _ = reply.send(Err(stopping()));
            return;
        }
        let now = self.clock.now();
        let limits = self.limits.clone();
        let found = match self.worlds.get(&workspace) {
            // A state that is not trusted may hold keys that are not on disk.
            Some(world) if world.broken.is_none() => match world.keys.find(&key) {
                Ok(Some(kept)) => Ok(Some(kept.result.clone())),
                Ok(None) => world.keys.check_room(now, &limits).map(|()| None),
                Err(refusal) => Err(refusal),
            },
            _ => Ok(None),
        };
        match found {
            Ok(None) => {
                self.command(workspace, command, Some(key), Some(reply))
                    .await;
            }
            Ok(Some(result)) => match self.again(workspace, result).await {
                // In order: what is on its way to the disk is there when this is answered.
                Ok(outcome) => {
                    let ack = Ack::Command(reply, outcome);
                    self.send(workspace, None, Changes::default(), ack);
                }
                Err(error) => drop(reply.send(Err(error))),
            },
            Err(refusal) => drop(reply.send(Err(refusal.into()))),
        }
    }

    /// A message that was posted before.
    async fn posted(
        &self,
        workspace: WorkspaceId,
        channel: ChannelId,
        index: u64,
    ) -> std::result::Result<Outcome, HostError> {
        let unavailable = |error: String| HostError::Unavailable(error);
        let partition = records::partition(workspace);
        let stream = records::channel_stream(channel);
        let found = self.store().read_stream(partition, &stream, index, 1).await;
        let found = found.map_err(|error| unavailable(error.to_string()))?;
        let Some((_, bytes)) = found.first() else {
            return Err(HostError::Busy {
                what: "the first request under this key is still on its way to the disk".to_owned(),
                retry_after_s: 1,
            });
        };
        let message: Message =
            records::decode("message", bytes).map_err(|error| unavailable(error.to_string()))?;
        Ok(Outcome::Posted(Box::new(message)))
    }

    /// The answer to a request that was carried out before.
    async fn again(
        &self,
        workspace: WorkspaceId,
        result: Result,
    ) -> std::result::Result<Outcome, HostError> {
        let id = match result {
            Result::Done => return Ok(Outcome::Done),
            Result::Posted { channel, index } => {
                return self.posted(workspace, channel, index).await;
            }
            Result::External(boss) => {
                return Ok(Outcome::External {
                    boss,
                    refused: None,
                });
            }
            Result::Ticket(id) => id,
        };
        let world = self.worlds.get(&workspace);
        if let Some(ticket) = world.and_then(|world| world.state.ticket(id)) {
            return Ok(Outcome::Ticket(Box::new(ticket.clone())));
        }
        let (partition, key) = (records::partition(workspace), records::ticket_key(id));
        let found = load::get::<Ticket>(self.store(), partition, "ticket", &key).await;
        match found {
            Ok(Some((_, ticket))) => Ok(Outcome::Ticket(Box::new(ticket))),
            Ok(None) => Err(HostError::Unavailable(format!("ticket {id} is missing"))),
            Err(error) => Err(HostError::Unavailable(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(keys: usize) -> Limits {
        Limits {
            idempotency_keys: keys,
            idempotency_ms: 100,
            ..Limits::default()
        }
    }

    #[test]
    fn the_same_request_is_found_and_another_under_its_key_is_refused() {
        let mut keys = Keys::default();
        let one = IdempotencyKey::new("k", &[b"POST /x", b"{}"]);
        assert_eq!(keys.find(&one), Ok(None));
        let puts = keys.keep(&one, &Outcome::Done, &Changes::default(), 5, &limits(9));
        assert_eq!(puts.len(), 1);
        let found = keys.find(&one).expect("no conflict").expect("kept");
        assert_eq!(found.result, Result::Done);
        // Parts are told apart: what moves from one into the next is another request.
        let other = IdempotencyKey::new("k", &[b"POST /x{", b"}"]);
        assert!(matches!(keys.find(&other), Err(Refusal::Invalid(_))));
        let mut again = Keys::default();
        let (key, value) = &puts[0];
        let value = value.as_ref().expect("a value");
        again.load(key, records::decode("key", value).expect("reads"));
        assert_eq!(again.find(&one).expect("no conflict"), Some(found));
    }

    #[test]
    fn old_keys_make_room_and_young_ones_do_not() {
        let mut keys = Keys::default();
        let limits = limits(2);
        for (n, at) in [(1, 0), (2, 50)] {
            let key = IdempotencyKey::new(&n.to_string(), &[]);
            assert_eq!(keys.check_room(at, &limits), Ok(()));
            keys.keep(&key, &Outcome::Done, &Changes::default(), at, &limits);
        }
        let refused = keys.check_room(99, &limits);
        assert!(
            matches!(&refused, Err(Refusal::Busy(why)) if why.contains("`idempotency_keys`")),
            "{refused:?}"
        );
        assert_eq!(keys.check_room(100, &limits), Ok(()));
        let third = IdempotencyKey::new("3", &[]);
        let puts = keys.keep(&third, &Outcome::Done, &Changes::default(), 100, &limits);
        assert_eq!(puts.iter().filter(|(_, value)| value.is_none()).count(), 1);
        assert_eq!(keys.kept.len(), 2);
        assert_eq!(keys.find(&IdempotencyKey::new("1", &[])), Ok(None));
    }

    #[test]
    fn a_refused_report_is_not_kept() {
        let mut keys = Keys::default();
        let key = IdempotencyKey::new("k", &[]);
        let refused = Outcome::External {
            boss: None,
            refused: Some("stale".to_owned()),
        };
        assert_eq!(
            keys.keep(&key, &refused, &Changes::default(), 0, &limits(1)),
            Vec::new()
        );
        assert_eq!(keys.find(&key), Ok(None));
    }

    /// What was ever stored reads for ever: these are bytes of format version 1, and stay as they are.
    #[test]
    fn stored_keys_read_for_ever() {
        use uuid::Uuid;
        const HEAD: &str =
            "0183a2617407a772657175657374c41009090909090909090909090909090909a6726573756c74";
        let table = [
            ("a4646f6e65", Result::Done),
            (
                "81a67469636b6574c41000000000000000000000000000000003",
                Result::Ticket(TicketId(Uuid::from_u128(3))),
            ),
            (
                "81a6706f7374656482a76368616e6e656cc41000000000000000000000000000000004a5696e64657805",
                Result::Posted {
                    channel: ChannelId(Uuid::from_u128(4)),
                    index: 5,
                },
            ),
            (
                "81a865787465726e616cc41000000000000000000000000000000006",
                Result::External(Some(AgentId(Uuid::from_u128(6)))),
            ),
            ("81a865787465726e616cc0", Result::External(None)),
        ];
        for (tail, result) in table {
            let hex: Vec<char> = HEAD.chars().chain(tail.chars()).collect();
            let bytes: std::result::Result<Vec<u8>, _> = hex
                .chunks(2)
                .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16))
                .collect();
            let kept: Kept = records::decode("key", &bytes.expect("hex")).expect("reads");
            let (at, request) = (7, [9; 16]);
            assert_eq!(
                kept,
                Kept {
                    at,
                    request,
                    result
                }
            );
        }
    }
}
