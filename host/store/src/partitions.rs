//! The writer's memory of partitions: each one's head and its window of recent operations.
//!
//! Invariant: an entry equals what is on disk. It is filled from disk at the first use, advanced
//! only after an apply succeeded, and forgotten whenever an outcome is unknown.

use std::collections::{HashMap, VecDeque};

use crate::batch::{Op, Partition, Receipt};
use crate::engine::{FrameHead, Head};

/// Heads and windows of the partitions in use.
#[derive(Debug)]
pub(crate) struct Partitions {
    known: HashMap<Partition, Known>,
    /// How many partitions are kept between groups.
    limit: usize,
    /// How many operations are kept per partition.
    window: usize,
    clock: u64,
}

#[derive(Debug)]
struct Known {
    head: Head,
    ops: Window,
    used: u64,
}

/// The newest operations of one partition with their receipts.
#[derive(Debug, Default)]
struct Window {
    order: VecDeque<Op>,
    receipts: HashMap<Op, Receipt>,
}

impl Partitions {
    pub(crate) fn new(limit: usize, window: usize) -> Partitions {
        Partitions {
            known: HashMap::new(),
            limit,
            window,
            clock: 0,
        }
    }

    /// Whether the partition is in memory; marks it as used.
    pub(crate) fn touch(&mut self, partition: Partition) -> bool {
        self.clock += 1;
        match self.known.get_mut(&partition) {
            Some(known) => {
                known.used = self.clock;
                true
            }
            None => false,
        }
    }

    /// Takes in a partition as read from disk: its head and its newest frames, oldest first.
    pub(crate) fn learn(&mut self, partition: Partition, head: Head, recent: &[FrameHead]) {
        self.clock += 1;
        let mut ops = Window::default();
        for frame in recent {
            let receipt = Receipt {
                first_seq: frame.at.first_seq,
                events: frame.events,
            };
            ops.insert(frame.op, receipt, self.window);
        }
        self.known.insert(
            partition,
            Known {
                head,
                ops,
                used: self.clock,
            },
        );
    }

    /// The partition's head; the partition must be in memory.
    pub(crate) fn head(&self, partition: Partition) -> Head {
        self.known
            .get(&partition)
            .map(|known| known.head)
            .unwrap_or_default()
    }

    /// The receipt of a recent operation.
    pub(crate) fn receipt(&self, partition: Partition, op: &Op) -> Option<Receipt> {
        self.known.get(&partition)?.ops.receipts.get(op).copied()
    }

    /// Advances a partition's head after an apply.
    pub(crate) fn advance(&mut self, partition: Partition, head: Head) {
        if let Some(known) = self.known.get_mut(&partition) {
            known.head = head;
        }
    }

    /// Remembers an applied operation.
    pub(crate) fn remember(&mut self, partition: Partition, op: Op, receipt: Receipt) {
        if let Some(known) = self.known.get_mut(&partition) {
            known.ops.insert(op, receipt, self.window);
        }
    }

    /// Forgets everything: the disk is to be asked again.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// Forgets the partitions used least recently, down to the limit.
    pub(crate) fn trim(&mut self) {
        while self.known.len() > self.limit {
            let oldest = self
                .known
                .iter()
                .min_by_key(|(_, known)| known.used)
                .map(|(p, _)| *p);
            match oldest {
                Some(partition) => self.known.remove(&partition),
                None => break,
            };
        }
    }
}

impl Window {
    fn insert(&mut self, op: Op, receipt: Receipt, limit: usize) {
        if self.receipts.insert(op, receipt).is_none() {
            self.order.push_back(op);
        }
        while self.order.len() > limit {
            if let Some(old) = self.order.pop_front() {
                self.receipts.remove(&old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(n: u8) -> Partition {
        Partition([n; 16])
    }

    #[test]
    fn the_window_keeps_the_newest_operations() {
        let mut partitions = Partitions::new(8, 2);
        partitions.learn(p(1), Head::default(), &[]);
        for n in 1..=3u8 {
            let receipt = Receipt {
                first_seq: u64::from(n),
                events: 1,
            };
            partitions.remember(p(1), [n; 16], receipt);
        }
        assert_eq!(partitions.receipt(p(1), &[1; 16]), None);
        assert_eq!(
            partitions.receipt(p(1), &[3; 16]).map(|r| r.first_seq),
            Some(3)
        );
        assert_eq!(partitions.receipt(p(2), &[3; 16]), None);
    }

    #[test]
    fn the_least_recently_used_partition_goes_first() {
        let mut partitions = Partitions::new(2, 2);
        for n in 1..=3 {
            partitions.learn(
                p(n),
                Head {
                    seq: u64::from(n),
                    ..Head::default()
                },
                &[],
            );
        }
        assert!(partitions.touch(p(1)));
        partitions.trim();
        assert!(partitions.touch(p(1)));
        assert!(!partitions.touch(p(2)));
        assert_eq!(partitions.head(p(3)).seq, 3);
    }
}
