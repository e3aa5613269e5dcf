//! The intake: messages wait here for the event loop, a queue for each workspace, and the workspaces take
//! turns. One that floods the host with calls takes no turns from another, as far as messages have been
//! taken from the channel, which is first come, first served.
//!
//! Invariants: messages of one workspace keep their order; there are never more than [`MOST`]; a
//! workspace with as many batches on their way as it may have waits until one has arrived, unless the
//! disk has no room: then nothing arrives, and questions are to be answered all the same.

use crate::event_loop::Msg;
use adjutant_model::WorkspaceId;
use std::collections::{HashMap, VecDeque};

/// Messages that are sorted by workspace at a time. The rest waits in the channel, whose bound tells
/// callers to slow down.
pub(crate) const MOST: usize = 1_024;

/// Messages that have come in.
#[derive(Default)]
pub(crate) struct Intake {
    /// None is for what concerns the whole host.
    queues: HashMap<Option<WorkspaceId>, VecDeque<Msg>>,
    /// Those that have messages, the next first.
    turns: VecDeque<Option<WorkspaceId>>,
    len: usize,
}

impl Intake {
    /// Whether no more can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= MOST
    }

    /// Takes a message in.
    pub(crate) fn push(&mut self, message: Msg) {
        let key = message.workspace();
        let queue = self.queues.entry(key).or_default();
        if queue.is_empty() {
            self.turns.push_back(key);
        }
        queue.push_back(message);
        self.len += 1;
    }

    /// The next message, of the first workspace in turn that may send one; none where none may.
    pub(crate) fn pop(&mut self, may: impl Fn(WorkspaceId) -> bool) -> Option<Msg> {
        let at = self.turns.iter().position(|key| key.is_none_or(&may))?;
        let key = self.turns.remove(at)?;
        let queue = self.queues.get_mut(&key)?;
        let message = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        self.len -= 1;
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_model::RunId;
    use uuid::Uuid;

    fn workspace(n: u128) -> WorkspaceId {
        WorkspaceId(Uuid::from_u128(n))
    }

    fn left(of: u128, start: u64) -> Msg {
        Msg::Left {
            workspace: workspace(of),
            run: RunId(Uuid::from_u128(9)),
            start,
            parked: false,
        }
    }

    fn shown(message: Option<Msg>) -> Option<(u128, u64)> {
        match message? {
            Msg::Left {
                workspace, start, ..
            } => Some((workspace.0.as_u128(), start)),
            _ => None,
        }
    }

    #[test]
    fn workspaces_take_turns_and_each_keeps_its_order() {
        let mut intake = Intake::default();
        for start in 1..=3 {
            intake.push(left(1, start));
        }
        intake.push(left(2, 1));
        let order: Vec<_> = std::iter::from_fn(|| shown(intake.pop(|_| true))).collect();
        assert_eq!(order, [(1, 1), (2, 1), (1, 2), (1, 3)]);
        assert_eq!(intake.len, 0);
    }

    #[test]
    fn one_that_has_too_much_under_way_lets_others_pass() {
        let mut intake = Intake::default();
        intake.push(left(1, 1));
        intake.push(left(2, 1));
        let busy = workspace(1);
        assert_eq!(shown(intake.pop(|id| id != busy)), Some((2, 1)));
        assert_eq!(shown(intake.pop(|id| id != busy)), None);
        assert_eq!(shown(intake.pop(|_| true)), Some((1, 1)));
    }
}
