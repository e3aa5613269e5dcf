//! Turns at a ticket's worktree: a run that works in it, or a cleaning that ends it, never both.
//!
//! Invariants:
//! - Turns of one ticket come in the order in which they were taken. The event loop takes them in the
//!   order of its effects, so a reopened ticket's run waits for the cleaning that came before it.
//! - A turn is over when it is dropped: at the end of its task, and when the task is aborted. One that
//!   is dropped while it still waits lets nobody pass those before it.
//! - Tickets of which nobody has a turn are forgotten.

use adjutant_model::TicketId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Who is at which ticket's worktree, and who comes next. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    /// Ends of turns that may not be over, by ticket.
    by_ticket: HashMap<TicketId, Vec<CancellationToken>>,
    /// Tickets after which those of which all turns are over are forgotten.
    prune_at: usize,
}

/// Fewer tickets than these are not looked through.
const PRUNE_AT: usize = 64;

/// A turn that was taken. Wait with [`Turn::come`]; drop it to let the next one in.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Vec<CancellationToken>,
    _mine: DropGuard,
}

impl Turns {
    /// Takes the next turn at a ticket's worktree.
    pub(crate) fn take(&self, ticket: TicketId) -> Turn {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.by_ticket.len() >= taken.prune_at.max(PRUNE_AT) {
            taken.by_ticket.retain(|_, ends| {
                ends.retain(|end| !end.is_cancelled());
                !ends.is_empty()
            });
            taken.prune_at = taken.by_ticket.len() * 2;
        }
        let ends = taken.by_ticket.entry(ticket).or_default();
        ends.retain(|end| !end.is_cancelled());
        let before = ends.clone();
        let end = CancellationToken::new();
        ends.push(end.clone());
        Turn {
            before,
            _mine: end.drop_guard(),
        }
    }

    /// Takes a turn that comes at once; none where somebody has one.
    pub(crate) fn take_free(&self, ticket: TicketId) -> Option<Turn> {
        // A turn that is given back at once holds nobody up.
        Some(self.take(ticket)).filter(Turn::has_come)
    }

    /// How many turns are not over.
    pub(crate) fn open(&self) -> usize {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = taken.by_ticket.values().flatten();
        ends.filter(|end| !end.is_cancelled()).count()
    }
}

impl Turn {
    fn has_come(&self) -> bool {
        self.before.iter().all(CancellationToken::is_cancelled)
    }

    /// Waits until all turns before this one are over.
    pub(crate) async fn come(&self) {
        for end in &self.before {
            end.cancelled().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ticket(n: u128) -> TicketId {
        TicketId(Uuid::from_u128(n))
    }

    #[test]
    fn turns_come_in_the_order_in_which_they_were_taken() {
        let turns = Turns::default();
        let [first, second, third] = [1, 1, 1].map(|n| turns.take(ticket(n)));
        let other = turns.take(ticket(2));
        assert!(
            first.has_come() && other.has_come(),
            "nobody is before them"
        );
        assert!(!second.has_come() && !third.has_come());
        drop(first);
        assert!(second.has_come() && !third.has_come());
        drop(second);
        assert!(third.has_come());
    }

    #[test]
    fn one_that_is_dropped_while_it_waits_lets_nobody_pass_those_before_it() {
        let turns = Turns::default();
        let [first, second, third] = [1, 1, 1].map(|n| turns.take(ticket(n)));
        drop(second);
        assert!(!third.has_come(), "the first is still there");
        drop(first);
        assert!(third.has_come());
    }

    #[test]
    fn tickets_of_which_nobody_has_a_turn_are_forgotten() {
        let turns = Turns::default();
        let kept: Vec<Turn> = (0..10).map(|n| turns.take(ticket(n))).collect();
        for n in 10..10_000 {
            drop(turns.take(ticket(n)));
        }
        let known = turns.0.lock().expect("no panic").by_ticket.len();
        assert!(known <= PRUNE_AT, "{known} tickets are still known");
        assert_eq!(turns.open(), 10);
        drop(kept);
        assert_eq!(turns.open(), 0);
    }
}
