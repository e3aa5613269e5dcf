//! How many bytes a tree's records have, so that a tree stays small enough to be changed as a whole.
//!
//! Cancelling a root changes every ticket and run below it in one batch, which the store must take:
//! half a cancelling would be no cancelling. So a tree has a limit in bytes (`tree_bytes`), which is
//! looked at wherever a tree grows, and a batch may be larger than that.
//!
//! Invariant: the sum of a tree is that of its tickets, and of those runs that are not over, as they are
//! between two transitions. It is derived, and the same after a start as before it.

use crate::call::json_bytes;
use crate::{Given, Run, Ticket, TicketId};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// What a record has besides its texts: ids, times, names of fields.
const FRAME: usize = 512;
/// An id or a number in a list.
const ITEM: usize = 20;

/// At most about how many bytes a ticket has when it is stored.
pub(crate) fn of_ticket(ticket: &Ticket) -> usize {
    let texts = ticket.title.len()
        + ticket.description.len()
        + ticket.notes.len()
        + ticket.summary.len()
        + ticket.key.as_ref().map_or(0, String::len)
        + ticket
            .choice
            .as_ref()
            .map_or(0, |choice| choice.reason.len());
    let json = [&ticket.expected_output_schema, &ticket.output]
        .into_iter()
        .flatten()
        .map(json_bytes)
        .sum::<usize>();
    let items = ticket.children.len()
        + ticket.runs.len()
        + ticket.collaborators.len()
        + ticket.links.len() * 3
        + ticket.tries.as_ref().map_or(0, |tries| 4 + tries.by.len())
        + ticket
            .terms
            .as_ref()
            .map_or(0, |terms| 10 + terms.blocked_by.len());
    let past = ticket.history.iter().map(|past| past.reason.len() + 100);
    let branches = ticket.branches.iter();
    let branches = branches.map(|one| one.repo.len() + one.branch.len() + one.commit.len() + ITEM);
    FRAME
        + texts
        + json
        + items * ITEM
        + past.sum::<usize>()
        + branches.sum::<usize>()
        + of_violations(&ticket.violations)
        + of_plan(ticket)
}

/// At most about how many bytes a run has when it is stored. One that is over is not changed again.
pub(crate) fn of_run(run: &Run) -> usize {
    if run.is_over() {
        return 0;
    }
    FRAME + of_given(&run.given)
}

/// What a run keeps of its agent.
pub(crate) fn of_given(given: &Given) -> usize {
    let skills: usize = given.skills.iter().map(|skill| skill.len() + ITEM).sum();
    given.class.len()
        + given.description.len()
        + skills
        + given.config_json.len()
        + of_violations(&given.violations)
}

/// What a new ticket will have.
pub(crate) fn of_new(texts: &[&str], schema: Option<&Value>) -> usize {
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    FRAME + ITEM + texts + schema.map_or(0, json_bytes)
}

fn of_violations(violations: &[crate::Violation]) -> usize {
    violations
        .iter()
        .map(|one| one.path.len() + one.message.len() + ITEM)
        .sum()
}

fn of_plan(ticket: &Ticket) -> usize {
    let Some(plan) = &ticket.plan else { return 0 };
    let list = |texts: &[String]| texts.iter().map(|text| text.len() + ITEM).sum::<usize>();
    let phases = plan.phases.iter().map(|phase| {
        let tasks = phase.tasks.iter().map(|task| {
            let texts = task.id.len() + task.description.len() + task.suggested_class.len();
            texts + list(&task.blocked_by) + 100
        });
        let tasks: usize = tasks.sum();
        phase.id.len() + phase.name.len() + list(&phase.depends_on) + tasks + 100
    });
    plan.name.len() + plan.description.len() + phases.sum::<usize>()
}

/// The bytes of each tree, and what a transition has counted so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    trees: HashMap<TicketId, usize>,
    /// What of the sums is of a record that the transition under way has touched. Those are its changed
    /// records, so this also says, at once, whether one is among them.
    touched: HashMap<Uuid, usize>,
}

impl Weights {
    /// The bytes of a tree.
    pub(crate) fn of(&self, root: TicketId) -> usize {
        self.trees.get(&root).copied().unwrap_or_default()
    }

    /// A record is new, or was read.
    pub(crate) fn add(&mut self, root: TicketId, bytes: usize) {
        *self.trees.entry(root).or_default() += bytes;
    }

    /// A transition begins.
    pub(crate) fn begin(&mut self) {
        self.touched.clear();
    }

    /// A record is made in the transition under way, and is among its changes.
    pub(crate) fn made(&mut self, root: TicketId, id: Uuid, bytes: usize) {
        self.add(root, bytes);
        self.touched.insert(id, bytes);
    }

    /// A record is about to be changed in the transition under way; whether for the first time.
    pub(crate) fn touch(&mut self, id: Uuid, bytes: impl FnOnce() -> usize) -> bool {
        let known = self.touched.len();
        self.touched.entry(id).or_insert_with(bytes);
        self.touched.len() > known
    }

    /// The transition has changed a record to this.
    pub(crate) fn changed(&mut self, root: TicketId, id: Uuid, bytes: usize) {
        let before = self.touched.remove(&id).unwrap_or_default();
        let sum = self.trees.entry(root).or_default();
        *sum = (*sum + bytes).saturating_sub(before);
    }

    /// A tree is here no more.
    pub(crate) fn forget(&mut self, root: TicketId) {
        self.trees.remove(&root);
    }
}

impl PartialEq for Weights {
    fn eq(&self, other: &Weights) -> bool {
        self.trees == other.trees
    }
}
