//! One workspace in the event loop: the model's state, and what the store needs to know beside it.

use crate::keys::Keys;
use crate::launch::Launched;
use adjutant_model::{RunId, State, TicketId, WorkspaceId};
use adjutant_store::{Partition, Version};
use std::collections::{BTreeMap, HashMap};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use adjutant_model::{Reply, Timestamp};

/// All workspaces. In order, so that what is done for each of them is done in the same order always.
pub(crate) type Worlds = BTreeMap<WorkspaceId, World>;

/// One workspace.
pub(crate) struct World {
    pub(crate) partition: Partition,
    /// The epoch under which this host owns the partition.
    pub(crate) epoch: u64,
    pub(crate) state: State,
    /// Idempotency keys.
    pub(crate) keys: Keys,
    /// Versions of the tickets, runs and agents that are in the state, by id.
    pub(crate) versions: HashMap<Uuid, Version>,
    /// Batches on their way that touch a tree, by root: such a tree is not forgotten yet.
    pub(crate) in_flight_trees: HashMap<TicketId, u32>,
    /// Batches on their way.
    pub(crate) in_flight: u32,
    /// What they weigh: records, and their bytes by the KiB.
    pub(crate) in_flight_weight: usize,
    /// Runs that are in memory.
    pub(crate) running: BTreeMap<RunId, Running>,
    /// Why the state cannot be trusted any more, until it is read again.
    pub(crate) broken: Option<String>,
    /// Runs whose own batch could not be stored for its size: they end instead of trying again.
    pub(crate) too_large: BTreeMap<RunId, String>,
    /// How often a run has left memory without an end or a wait.
    pub(crate) lost: HashMap<RunId, u32>,
}

/// A run that is in memory.
pub(crate) struct Running {
    pub(crate) cancel: CancellationToken,
    pub(crate) task: Launched,
    /// Where its instance waits for an answer.
    pub(crate) wake: Option<oneshot::Sender<(Timestamp, Reply)>>,
    /// The answer, where its wait was over before it had come to it again.
    pub(crate) answer: Option<(Timestamp, Reply)>,
    /// Its wait was over, and it has not asked for anything since: where it turns out to have left
    /// memory, the answer was not heard, and it is brought back. (It is on disk.)
    pub(crate) woken: bool,
    /// Which start this is: what an earlier one still says of itself does not count.
    pub(crate) start: u64,
}

impl World {
    pub(crate) fn new(state: State, partition: Partition, epoch: u64) -> World {
        World {
            partition,
            epoch,
            state,
            keys: Keys::default(),
            versions: HashMap::new(),
            in_flight_trees: HashMap::new(),
            in_flight: 0,
            in_flight_weight: 0,
            running: BTreeMap::new(),
            broken: None,
            too_large: BTreeMap::new(),
            lost: HashMap::new(),
        }
    }

    /// Takes note that a batch is on its way.
    pub(crate) fn sent(&mut self, trees: &[TicketId]) {
        self.in_flight += 1;
        for root in trees {
            *self.in_flight_trees.entry(*root).or_default() += 1;
        }
    }

    /// Lets go of trees that a batch which has arrived touched; forgets those that are over.
    pub(crate) fn let_go(&mut self, trees: &[TicketId]) {
        for root in trees {
            let Some(count) = self.in_flight_trees.get_mut(root) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.in_flight_trees.remove(root);
                self.forget(*root);
            }
        }
    }

    /// Forgets a tree if it is over and no batch on its way touches it.
    pub(crate) fn forget(&mut self, root: TicketId) {
        if self.in_flight_trees.contains_key(&root) {
            return;
        }
        let versions = &mut self.versions;
        self.state.forget_tree(root, |id| {
            versions.remove(&id);
        });
    }
}
