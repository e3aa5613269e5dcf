//! The limit on a tree's bytes: looked at wherever a tree grows, counted once for each transition.

use super::Tx;
use crate::{Refusal, TicketId, weight};

impl Tx<'_> {
    /// Refuses where the tree of a ticket would have more bytes than it may.
    pub(super) fn check_tree_bytes(&self, ticket: TicketId, more: usize) -> Result<(), Refusal> {
        let root = self.ticket(ticket)?.root;
        let most = self.context.limits.tree_bytes;
        let now = self.state.weights.of(root);
        if now.saturating_add(more) <= most {
            return Ok(());
        }
        Err(Refusal::Limit(format!(
            "the tree of ticket {root} has {now} bytes of texts, schemas and outputs; {more} more \
             would be over its limit of {most} (limit `tree_bytes`)"
        )))
    }

    /// Counts what the transition has changed.
    pub(super) fn weigh(&mut self) {
        let state = &mut *self.state;
        for id in &self.changes.tickets {
            if let Some(ticket) = state.tickets.get(id) {
                let bytes = weight::of_ticket(ticket);
                state.weights.changed(ticket.root, id.0, bytes);
            }
        }
        for id in &self.changes.runs {
            if let Some(run) = state.runs.get(id)
                && let Some(ticket) = state.tickets.get(&run.ticket)
            {
                let bytes = weight::of_run(run);
                state.weights.changed(ticket.root, id.0, bytes);
            }
        }
    }
}
