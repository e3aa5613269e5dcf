//! Deciding a group: pure functions from requests and loaded state to verdicts and one [`Group`].
//!
//! Invariants: a request is judged against the loaded state plus the earlier requests of the group
//! that passed; one that fails changes nothing; the group holds each key once, in its final state.

use std::collections::HashMap;
use std::mem::take;

use crate::batch::{Batch, Op, Partition, Receipt, Version};
use crate::engine::{Append, Frame, FrameAt, Group, Head, HeadChange, LoadRequest, Loaded, Write};
use crate::error::CommitError;
use crate::partitions::Partitions;

/// One thing asked of the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Commit(Batch),
    Acquire(Partition),
}

/// What becomes of a request, once the group is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its operation was committed before this group.
    Repeated(Receipt),
    /// It is in the group, as the frame with this number, or repeats one that is.
    Written {
        receipt: Receipt,
        frame: usize,
    },
    /// The partition's new epoch.
    Acquired(u64),
    Refused(CommitError),
}

/// A decided group.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One verdict per request, in their order.
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) group: Group,
}

/// Which keys and streams the requests of a group name, each numbered once.
#[derive(Debug)]
pub(crate) struct Draft {
    wants: Vec<Wants>,
    /// What has to be loaded: `versions` and `next` are by the same numbers.
    pub(crate) load: LoadRequest,
}

#[derive(Debug, Default)]
struct Wants {
    expect: Vec<usize>,
    put: Vec<usize>,
    append: Vec<usize>,
}

impl Request {
    pub(crate) fn partition(&self) -> Partition {
        match self {
            Request::Commit(batch) => batch.partition,
            Request::Acquire(partition) => *partition,
        }
    }
}

impl Draft {
    pub(crate) fn new(requests: &[Request]) -> Draft {
        let mut keys = Numbers::default();
        let mut streams = Numbers::default();
        let wants = requests
            .iter()
            .map(|request| match request {
                Request::Acquire(_) => Wants::default(),
                Request::Commit(batch) => {
                    let p = batch.partition;
                    Wants {
                        expect: batch
                            .expect
                            .iter()
                            .map(|(key, _)| keys.of(p, key))
                            .collect(),
                        put: batch.put.iter().map(|(key, _)| keys.of(p, key)).collect(),
                        append: batch
                            .append
                            .iter()
                            .map(|(name, ..)| streams.of(p, name))
                            .collect(),
                    }
                }
            })
            .collect();
        let load = LoadRequest {
            keys: keys.owned(),
            streams: streams.owned(),
            ..LoadRequest::default()
        };
        Draft { wants, load }
    }

    /// Judges the requests one after the other and collects what passed.
    pub(crate) fn decide(
        self,
        requests: Vec<Request>,
        loaded: Loaded,
        partitions: &Partitions,
    ) -> Plan {
        let mut state = State {
            sources: vec![None; loaded.versions.len()],
            versions: loaded.versions,
            next: loaded.next,
            heads: HashMap::new(),
            order: Vec::new(),
            ops: HashMap::new(),
            partitions,
        };
        let mut frames = Vec::new();
        let mut verdicts = Vec::with_capacity(requests.len());
        for (number, (request, wants)) in requests.iter().zip(&self.wants).enumerate() {
            verdicts.push(match request {
                Request::Acquire(partition) => Verdict::Acquired(state.acquire(*partition)),
                Request::Commit(batch) => match state.admit(number, batch, wants) {
                    Ok(Admitted::Again(verdict)) => verdict,
                    Ok(Admitted::New(verdict, at)) => {
                        frames.push((number, at));
                        verdict
                    }
                    Err(refusal) => Verdict::Refused(refusal),
                },
            });
        }
        Plan {
            verdicts,
            group: state.into_group(requests, &frames),
        }
    }
}

/// The stored state as the requests passed so far leave it.
struct State<'a> {
    versions: Vec<Version>,
    /// For each key that changed: the request and the put that its state comes from.
    sources: Vec<Option<(usize, usize)>>,
    next: Vec<u64>,
    heads: HashMap<Partition, Head>,
    /// The partitions of `heads` in the order in which they were touched.
    order: Vec<Partition>,
    /// The operations of this group, which are its frames.
    ops: HashMap<(Partition, Op), Verdict>,
    partitions: &'a Partitions,
}

enum Admitted {
    Again(Verdict),
    New(Verdict, FrameAt),
}

impl State<'_> {
    fn head(&self, partition: Partition) -> Head {
        self.heads
            .get(&partition)
            .copied()
            .unwrap_or_else(|| self.partitions.head(partition))
    }

    fn set_head(&mut self, partition: Partition, head: Head) {
        if self.heads.insert(partition, head).is_none() {
            self.order.push(partition);
        }
    }

    fn acquire(&mut self, partition: Partition) -> u64 {
        let mut head = self.head(partition);
        head.epoch += 1;
        self.set_head(partition, head);
        head.epoch
    }

    fn admit(
        &mut self,
        number: usize,
        batch: &Batch,
        wants: &Wants,
    ) -> Result<Admitted, CommitError> {
        // A repeat is answered before the fence: what is on disk is true whoever asks.
        if let Some(receipt) = self.partitions.receipt(batch.partition, &batch.op) {
            return Ok(Admitted::Again(Verdict::Repeated(receipt)));
        }
        if let Some(verdict) = self.ops.get(&(batch.partition, batch.op)) {
            return Ok(Admitted::Again(verdict.clone()));
        }
        let mut head = self.head(batch.partition);
        if batch.epoch == 0 || batch.epoch != head.epoch {
            let (partition, epoch, current) = (batch.partition, batch.epoch, head.epoch);
            return Err(CommitError::Fenced {
                partition,
                epoch,
                current,
            });
        }
        for ((key, expected), slot) in batch.expect.iter().zip(&wants.expect) {
            let found = self.versions[*slot];
            if found != *expected {
                return Err(CommitError::Conflict {
                    key: key.clone(),
                    expected: *expected,
                    found,
                });
            }
        }
        for (done, ((stream, index, _), slot)) in batch.append.iter().zip(&wants.append).enumerate()
        {
            let found = self.next[*slot];
            if found != *index {
                // The batch is refused as a whole: take back what it appended so far.
                wants.append[..done]
                    .iter()
                    .for_each(|slot| self.next[*slot] -= 1);
                let (stream, expected) = (stream.clone(), *index);
                return Err(CommitError::StreamConflict {
                    stream,
                    expected,
                    found,
                });
            }
            self.next[*slot] += 1;
        }
        for (place, ((_, value), slot)) in batch.put.iter().zip(&wants.put).enumerate() {
            self.versions[*slot] = if value.is_some() {
                self.versions[*slot] + 1
            } else {
                0
            };
            self.sources[*slot] = Some((number, place));
        }
        let at = FrameAt {
            partition: batch.partition,
            first_seq: head.seq + 1,
            index: head.frames,
        };
        let events = batch.events.len().try_into().unwrap_or(u32::MAX);
        let receipt = Receipt {
            first_seq: at.first_seq,
            events,
        };
        let verdict = Verdict::Written {
            receipt,
            frame: self.ops.len(),
        };
        self.ops
            .insert((batch.partition, batch.op), verdict.clone());
        head.frames += 1;
        head.seq += u64::from(events);
        self.set_head(batch.partition, head);
        Ok(Admitted::New(verdict, at))
    }

    fn into_group(self, requests: Vec<Request>, frames: &[(usize, FrameAt)]) -> Group {
        let mut batches: Vec<Option<Batch>> = requests
            .into_iter()
            .map(|request| match request {
                Request::Commit(batch) => Some(batch),
                Request::Acquire(_) => None,
            })
            .collect();
        let mut group = Group::default();
        for partition in self.order {
            let before = self.partitions.head(partition);
            let after = self.heads.get(&partition).copied().unwrap_or(before);
            group.heads.push(HeadChange {
                partition,
                before,
                after,
            });
        }
        for (version, source) in self.versions.iter().zip(&self.sources) {
            let Some((number, place)) = source else {
                continue;
            };
            let Some(batch) = &mut batches[*number] else {
                continue;
            };
            let (key, value) = take(&mut batch.put[*place]);
            let partition = batch.partition;
            group.writes.push(Write {
                partition,
                key,
                version: *version,
                value,
            });
        }
        for (number, at) in frames {
            let Some(batch) = &mut batches[*number] else {
                continue;
            };
            let partition = batch.partition;
            for (stream, index, record) in take(&mut batch.append) {
                group.appends.push(Append {
                    partition,
                    stream,
                    index,
                    record,
                });
            }
            group.frames.push(Frame {
                at: *at,
                op: batch.op,
                epoch: batch.epoch,
                events: take(&mut batch.events),
            });
        }
        // Ascending keys touch each page of a tree once.
        group
            .writes
            .sort_unstable_by(|a, b| (a.partition, &a.key).cmp(&(b.partition, &b.key)));
        group.appends.sort_unstable_by(|a, b| {
            (a.partition, &a.stream, a.index).cmp(&(b.partition, &b.stream, b.index))
        });
        group
    }
}

/// Numbers for names, in the order of their first use.
#[derive(Default)]
struct Numbers<'a> {
    seen: HashMap<(Partition, &'a [u8]), usize>,
    order: Vec<(Partition, &'a [u8])>,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, partition: Partition, name: &'a [u8]) -> usize {
        *self.seen.entry((partition, name)).or_insert_with(|| {
            self.order.push((partition, name));
            self.order.len() - 1
        })
    }

    fn owned(&self) -> Vec<(Partition, Vec<u8>)> {
        self.order
            .iter()
            .map(|(partition, name)| (*partition, name.to_vec()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition([1; 16]);

    fn batch(op: u8) -> Batch {
        Batch::new(P, [op; 16], 1)
    }

    /// Decides on an empty partition at epoch 1.
    fn decide(requests: Vec<Request>) -> Plan {
        let mut partitions = Partitions::new(4, 4);
        partitions.learn(
            P,
            Head {
                epoch: 1,
                frames: 0,
                seq: 0,
            },
            &[],
        );
        let draft = Draft::new(&requests);
        let loaded = Loaded {
            versions: vec![0; draft.load.keys.len()],
            next: vec![0; draft.load.streams.len()],
            ..Loaded::default()
        };
        draft.decide(requests, loaded, &partitions)
    }

    fn commits(batches: Vec<Batch>) -> Plan {
        decide(batches.into_iter().map(Request::Commit).collect())
    }

    #[test]
    fn later_batches_see_earlier_ones_and_keys_are_written_once() {
        let mut first = batch(1);
        first.expect = vec![(b"a".to_vec(), 0)];
        first.put = vec![(b"a".to_vec(), Some(b"1".to_vec()))];
        let mut second = batch(2);
        second.expect = vec![(b"a".to_vec(), 1)];
        second.put = vec![(b"a".to_vec(), Some(b"2".to_vec()))];
        let plan = commits(vec![first, second]);
        assert!(
            plan.verdicts
                .iter()
                .all(|v| matches!(v, Verdict::Written { .. }))
        );
        assert_eq!(plan.group.writes.len(), 1);
        assert_eq!(plan.group.writes[0].version, 2);
        assert_eq!(plan.group.writes[0].value.as_deref(), Some(&b"2"[..]));
        assert_eq!(
            plan.group.heads[0].after,
            Head {
                epoch: 1,
                frames: 2,
                seq: 0
            }
        );
    }

    #[test]
    fn a_refused_batch_leaves_no_trace_in_its_group() {
        let mut bad = batch(1);
        bad.append = vec![(b"s".to_vec(), 0, vec![]), (b"s".to_vec(), 2, vec![])];
        bad.put = vec![(b"a".to_vec(), Some(vec![]))];
        bad.events = vec![vec![]];
        let mut good = batch(2);
        good.expect = vec![(b"a".to_vec(), 0)];
        good.append = vec![(b"s".to_vec(), 0, vec![])];
        good.events = vec![vec![], vec![]];
        let plan = commits(vec![bad, good]);
        let stream = b"s".to_vec();
        assert_eq!(
            plan.verdicts,
            [
                Verdict::Refused(CommitError::StreamConflict {
                    stream,
                    expected: 2,
                    found: 1
                }),
                Verdict::Written {
                    receipt: Receipt {
                        first_seq: 1,
                        events: 2
                    },
                    frame: 0
                },
            ]
        );
        assert!(plan.group.writes.is_empty());
        assert_eq!(plan.group.appends.len(), 1);
        assert_eq!(plan.group.frames.len(), 1);
    }

    #[test]
    fn a_dependent_of_a_refused_batch_fails_its_own_expectation() {
        let mut first = batch(1);
        first.expect = vec![(b"a".to_vec(), 7)];
        first.put = vec![(b"a".to_vec(), Some(vec![]))];
        let mut second = batch(2);
        second.expect = vec![(b"a".to_vec(), 8)];
        let plan = commits(vec![first, second]);
        assert!(
            plan.verdicts
                .iter()
                .all(|v| matches!(v, Verdict::Refused(_)))
        );
        assert!(plan.group.frames.is_empty() && plan.group.heads.is_empty());
    }

    #[test]
    fn a_repeat_inside_a_group_gets_the_first_receipt() {
        let mut first = batch(1);
        first.events = vec![vec![]];
        let plan = commits(vec![first.clone(), first]);
        assert_eq!(plan.verdicts[0], plan.verdicts[1]);
        assert_eq!(plan.group.frames.len(), 1);
    }

    #[test]
    fn acquiring_fences_what_follows_in_the_same_group() {
        let mut fresh = batch(3);
        fresh.epoch = 2;
        let plan = decide(vec![
            Request::Commit(batch(1)),
            Request::Acquire(P),
            Request::Commit(batch(2)),
            Request::Commit(fresh),
        ]);
        assert!(matches!(plan.verdicts[0], Verdict::Written { .. }));
        assert_eq!(plan.verdicts[1], Verdict::Acquired(2));
        let fenced = CommitError::Fenced {
            partition: P,
            epoch: 1,
            current: 2,
        };
        assert_eq!(plan.verdicts[2], Verdict::Refused(fenced));
        assert!(matches!(plan.verdicts[3], Verdict::Written { .. }));
    }

    #[test]
    fn delete_then_put_starts_again_at_version_one() {
        let mut first = batch(1);
        first.put = vec![(b"a".to_vec(), Some(vec![])), (b"a".to_vec(), None)];
        let mut second = batch(2);
        second.expect = vec![(b"a".to_vec(), 0)];
        second.put = vec![(b"a".to_vec(), Some(vec![9]))];
        let plan = commits(vec![first, second]);
        assert_eq!(plan.group.writes.len(), 1);
        assert_eq!(plan.group.writes[0].version, 1);
    }
}
