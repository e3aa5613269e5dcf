//! The end of worktrees: after a ticket's end, and of what an earlier host left.
//!
//! Invariants:
//! - A worktree is ended in its turn: after the run that worked in it has let go of it, and before a
//!   run that comes after a reopening takes it up.
//! - A cancelling that a crash cut off goes on at the next start: the ticket is over on disk, and
//!   whatever is there of a worktree of it is ended by the sweep.

use crate::event_loop::{Dispatcher, Msg};
use crate::launch::{branch, provision_of};
use crate::load;
use crate::turns::Turns;
use adjutant_connect::Provision;
use adjutant_connect::ports::Worktrees;
use adjutant_model::{Command, Outcome, Status, Ticket, TicketId, Workspace, WorkspaceId};
use adjutant_store::{Store, records};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Pauses before a worktree that could not be ended is tried again. After the last it is kept until
/// the host starts again.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(2),
    Duration::from_secs(20),
];

/// One worktree that is to be ended.
struct Ended {
    workspace: WorkspaceId,
    ticket: TicketId,
    provision: Provision,
    keep_changes: bool,
    message: String,
}

impl Dispatcher {
    /// Ends a ticket's worktree once nothing works in it any more.
    pub(crate) fn clean(&mut self, workspace: WorkspaceId, id: TicketId, keep_changes: bool) {
        let Some(world) = self.worlds.get(&workspace) else {
            return;
        };
        let Some(ticket) = world.state.ticket(id) else {
            return;
        };
        let Some(ended) = ended(workspace, &world.state.workspace, ticket, keep_changes) else {
            return;
        };
        let worktrees = self.parts.worktrees.clone();
        let messages = self.messages.clone();
        let turn = self.turns.take(id);
        self.cleaning.spawn(async move {
            turn.come().await;
            end(&*worktrees, &ended, &messages).await;
        });
    }

    /// At the start: worktrees of tickets that are over, or that nobody knows, are ended.
    pub(crate) fn sweep_worktrees(&mut self) {
        let sweep = Sweep {
            worktrees: self.parts.worktrees.clone(),
            store: self.parts.store.clone(),
            messages: self.messages.clone(),
            turns: self.turns.clone(),
            workspaces: self
                .worlds
                .iter()
                .map(|(id, world)| (*id, world.state.workspace.clone()))
                .collect(),
        };
        self.cleaning.spawn(sweep.run());
    }
}

/// What is to be ended of a ticket; none where its workspace links no repositories.
fn ended(
    workspace: WorkspaceId,
    settings: &Workspace,
    ticket: &Ticket,
    keep_changes: bool,
) -> Option<Ended> {
    Some(Ended {
        workspace,
        ticket: ticket.id,
        provision: provision_of(ticket, settings)?,
        keep_changes,
        message: commit_message(ticket),
    })
}

/// Ends one worktree, in its turn.
async fn end(worktrees: &dyn Worktrees, ended: &Ended, messages: &mpsc::Sender<Msg>) {
    let mut pauses = AGAIN.into_iter();
    let branches = loop {
        let finished = worktrees
            .finish(&ended.provision, ended.keep_changes, &ended.message)
            .await;
        match (finished, pauses.next()) {
            (Ok(branches), _) => break branches,
            (Err(error), Some(pause)) => {
                tracing::info!(ticket = %ended.ticket, %error, "ending the worktree is tried again");
                tokio::time::sleep(pause).await;
            }
            (Err(error), None) => {
                tracing::warn!(
                    ticket = %ended.ticket, %error,
                    "the worktree could not be ended; it is kept until the host starts again"
                );
                return;
            }
        }
    };
    if branches.is_empty() {
        return;
    }
    let command = Command::Branches {
        ticket: ended.ticket,
        branches: branches.into_iter().map(branch).collect(),
    };
    // Nobody waits for this answer.
    let (reply, _) = oneshot::channel::<Result<Outcome, _>>();
    let message = Msg::Command {
        workspace: ended.workspace,
        command,
        reply,
    };
    let _ = messages.send(message).await;
}

/// Ends worktrees that were left behind: of tickets that are over, or that nobody knows.
struct Sweep {
    worktrees: Arc<dyn Worktrees>,
    store: Store,
    messages: mpsc::Sender<Msg>,
    turns: Turns,
    workspaces: Vec<(WorkspaceId, Workspace)>,
}

/// What a worktree that was found is.
enum Left {
    /// Its ticket is over.
    Over(Ended),
    /// There is no such ticket.
    Unknown,
    /// It is wanted, or nothing is known of it.
    Kept,
}

impl Sweep {
    async fn run(self) {
        let known = match self.worktrees.known().await {
            Ok(known) => known,
            Err(error) => {
                return tracing::warn!(%error, "worktrees that were left cannot be listed");
            }
        };
        for id in known.into_iter().map(TicketId) {
            match self.look(id).await {
                Left::Kept => {}
                Left::Over(_) => self.end(id).await,
                Left::Unknown => {
                    if let Err(error) = self.worktrees.discard(id.0).await {
                        tracing::warn!(
                            ticket = %id, %error,
                            "a worktree of no known ticket could not be removed"
                        );
                    }
                }
            }
        }
    }

    async fn end(&self, id: TicketId) {
        // Where somebody has a turn, a run or a cleaning, that one ends the worktree too.
        let Some(_turn) = self.turns.take_free(id) else {
            return;
        };
        // Looked at again: it may have been reopened before the turn was taken.
        if let Left::Over(ended) = self.look(id).await {
            end(&*self.worktrees, &ended, &self.messages).await;
        }
    }

    async fn look(&self, id: TicketId) -> Left {
        for (workspace, settings) in &self.workspaces {
            let partition = records::partition(*workspace);
            let key = records::ticket_key(id);
            let found = load::get::<Ticket>(&self.store, partition, "ticket", &key).await;
            let ticket = match found {
                Ok(Some((_, ticket))) => ticket,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(ticket = %id, %error, "a worktree was left and is kept");
                    return Left::Kept;
                }
            };
            if !ticket.status.is_over() {
                return Left::Kept;
            }
            let keep_changes = ticket.status != Status::Cancelled;
            return ended(*workspace, settings, &ticket, keep_changes)
                .map_or(Left::Kept, Left::Over);
        }
        Left::Unknown
    }
}

/// What the host writes when it commits what a run has left uncommitted.
pub(crate) fn commit_message(ticket: &Ticket) -> String {
    format!("{}\n\nTicket {}", ticket.title, ticket.id)
}
