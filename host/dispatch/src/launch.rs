//! One run's task: worktree, journal, component, execution, end.

use crate::effects::commit_message;
use crate::event_loop::Msg;
use crate::host::HostError;
use crate::ledger::LoopLedger;
use crate::load;
use crate::plugins::PluginShelf;
use adjutant_connect::ports::{OutsideError, Worktree, Worktrees};
use adjutant_connect::{Provision, Repo};
use adjutant_model::{
    Agent, Branch, Command, Ending, Journal, Outcome, Pending, Record, Run, RunId, Ticket,
    TicketId, Workspace, WorkspaceId, will_retry,
};
use adjutant_run::{Clock, Finished, Job, Ledger, Runner};
use adjutant_store::{Store, records};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A run's task. Aborting it leaves no process; its worktree is ended by whoever aborts it.
pub(crate) struct RunTask {
    /// Says that the task is over, however that comes about.
    pub(crate) leaving: Leaving,
    pub(crate) workspace: WorkspaceId,
    /// The worktree that the ticket is to have, if its workspace links repositories.
    pub(crate) provision: Option<Provision>,
    pub(crate) run: Run,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) agent: Arc<Agent>,
    pub(crate) boss: Option<Arc<Agent>>,
    pub(crate) request: String,
    /// The digest of the selector, or why there is none.
    pub(crate) selector: Result<String, String>,
    pub(crate) cancel: CancellationToken,
    /// Tasks of the same ticket that may not have let go of the worktree.
    pub(crate) before: Vec<JoinHandle<()>>,
    pub(crate) ledger: Arc<LoopLedger>,
    pub(crate) shelf: Arc<PluginShelf>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) worktrees: Arc<dyn Worktrees>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) messages: mpsc::Sender<Msg>,
}

/// Tells the loop when it is dropped: at the end of the task, and when the task is aborted or panics.
pub(crate) struct Leaving {
    pub(crate) messages: mpsc::Sender<Msg>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) run: RunId,
    pub(crate) start: u64,
    pub(crate) parked: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let left = Msg::Left {
            workspace: self.workspace,
            run: self.run,
            start: self.start,
            parked: self.parked,
        };
        match self.messages.try_send(left) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(left)) => {
                let messages = self.messages.clone();
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    // The loop is gone only when the host stops.
                    runtime.spawn(async move { messages.send(left).await.ok() });
                }
            }
        }
    }
}

impl RunTask {
    pub(crate) async fn run(mut self) {
        for task in std::mem::take(&mut self.before) {
            // An aborted task says so; what matters is that it is gone.
            let _ = task.await;
        }
        match self.prepare().await {
            Ok(Some(job)) => {
                let worktree = job.worktree.is_some();
                // Boxed: the future holds a whole instance, and tasks are moved about.
                let finished = Box::pin(self.runner.execute(job)).await;
                self.finished(finished, worktree).await;
            }
            // Cancelled while its worktree was being made: whoever cancelled it cleans up.
            Ok(None) => {}
            Err(why) => self.end(Vec::new(), Ending::Broke(why)).await,
        }
    }

    /// All that a run needs before it can start; none where it is no longer wanted.
    async fn prepare(&self) -> Result<Option<Job>, String> {
        let worktree = match &self.provision {
            Some(provision) => Some(
                self.worktree(provision)
                    .await
                    .map_err(|error| format!("its worktree could not be made: {error}"))?,
            ),
            None => None,
        };
        // Much may have happened meanwhile: the ticket is looked at again.
        if worktree.is_some()
            && self
                .command(Command::Provisioned { run: self.run.id })
                .await
                .is_err()
        {
            return Ok(None);
        }
        let component = self
            .shelf
            .component(&self.run.plugin.digest)
            .await
            .map_err(|error| error.to_string())?;
        let selector = match &self.selector {
            Ok(digest) => self
                .shelf
                .component(digest)
                .await
                .map_err(|error| error.to_string()),
            Err(why) => Err(why.clone()),
        };
        let journal = self.journal().await?;
        let ledger: Arc<dyn Ledger> = self.ledger.clone();
        Ok(Some(Job {
            run: self.run.clone(),
            ticket: self.ticket.clone(),
            agent: self.agent.clone(),
            boss: self.boss.clone(),
            request: self.request.clone(),
            component,
            selector,
            journal,
            worktree,
            ledger,
            clock: self.clock.clone(),
            cancel: self.cancel.clone(),
        }))
    }

    async fn worktree(&self, provision: &Provision) -> Result<Arc<dyn Worktree>, OutsideError> {
        match self.worktrees.open(provision).await? {
            Some(worktree) => Ok(worktree),
            None => self.worktrees.provision(provision).await,
        }
    }

    async fn journal(&self) -> Result<Journal, String> {
        if self.run.journal_len == 0 {
            return Ok(Journal::default());
        }
        let partition = records::partition(self.workspace);
        let stream = records::journal_stream(self.run.id);
        let lists: Vec<Vec<Record>> =
            load::stream(&self.ledger.store, partition, "journal", &stream)
                .await
                .map_err(|error| error.to_string())?;
        Journal::from_records(lists.into_iter().flatten()).map_err(|error| error.to_string())
    }

    async fn finished(&mut self, finished: Finished, worktree: bool) {
        match finished {
            Finished::Parked => self.leaving.parked = true,
            Finished::Gone => {}
            Finished::Ended { pending, ending } => {
                let (pending, ending) = if worktree {
                    self.bring_back(pending, ending).await
                } else {
                    (pending, ending)
                };
                self.end(pending, ending).await;
            }
        }
    }

    /// Brings the branches back before the ticket is over, so that *done* means that they are there.
    async fn bring_back(&self, pending: Vec<Pending>, ending: Ending) -> (Vec<Pending>, Ending) {
        let (
            Some(provision),
            Ending::Worked {
                result, violations, ..
            },
        ) = (&self.provision, &ending)
        else {
            return (pending, ending);
        };
        if result.completed && will_retry(&self.ticket, &self.agent, violations) {
            return (pending, ending);
        }
        // What it said and did comes first: after a crash it is not asked to do it again.
        if self
            .ledger
            .call(self.run.id, pending, None, true)
            .await
            .is_err()
        {
            return (Vec::new(), ending);
        }
        let message = commit_message(&self.ticket);
        match self.worktrees.finish(provision, true, &message).await {
            Ok(found) => {
                let Ending::Worked {
                    result, violations, ..
                } = ending
                else {
                    return (Vec::new(), ending);
                };
                let branches = found.into_iter().map(branch).collect();
                (
                    Vec::new(),
                    Ending::Worked {
                        result,
                        violations,
                        branches,
                    },
                )
            }
            Err(error) => {
                let why = format!("its work is done, but could not be brought back: {error}");
                (Vec::new(), Ending::Broke(why))
            }
        }
    }

    async fn end(&self, pending: Vec<Pending>, ending: Ending) {
        let run = self.run.id;
        if let Err(error) = self
            .command(Command::EndRun {
                run,
                pending,
                ending,
            })
            .await
        {
            tracing::info!(%run, %error, "the run's end was not wanted any more");
        }
    }

    async fn command(&self, command: Command) -> Result<Outcome, HostError> {
        let (reply, answer) = oneshot::channel();
        let message = Msg::Command {
            workspace: self.workspace,
            command,
            reply,
        };
        let gone = || HostError::Unavailable("the host is stopping".to_owned());
        self.messages.send(message).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The worktree that a ticket is to have.
pub(crate) fn provision_of(ticket: &Ticket, workspace: &Workspace) -> Option<Provision> {
    if workspace.repos.is_empty() {
        return None;
    }
    let repos = workspace.repos.iter().map(|repo| Repo {
        name: repo.name.clone(),
        path: PathBuf::from(&repo.path),
        base: repo.base.clone(),
    });
    Some(Provision {
        ticket: ticket.id.0,
        branch: branch_name(ticket),
        repos: repos.collect(),
    })
}

/// A branch that people can tell: the title's words, and enough of the id to be the only one.
fn branch_name(ticket: &Ticket) -> String {
    let words: String = ticket
        .title
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
        .collect();
    let mut slug = String::new();
    for word in words.split_whitespace() {
        if slug.len() + word.len() > 40 {
            break;
        }
        slug.push_str(word);
        slug.push('-');
    }
    let id = ticket.id.0.simple().to_string();
    format!("adjutant/{slug}{}", &id[id.len() - 8..])
}

pub(crate) fn branch(branch: adjutant_connect::Branch) -> Branch {
    Branch {
        repo: branch.repo,
        branch: branch.branch,
        commit: branch.commit,
    }
}

/// Ends worktrees that were left behind: of tickets that are over, or that nobody knows.
pub(crate) async fn sweep(
    worktrees: Arc<dyn Worktrees>,
    store: Store,
    workspaces: Vec<(WorkspaceId, Workspace)>,
    messages: mpsc::Sender<Msg>,
) {
    let known = match worktrees.known().await {
        Ok(known) => known,
        Err(error) => return tracing::warn!(%error, "worktrees that were left cannot be listed"),
    };
    'tickets: for id in known.into_iter().map(TicketId) {
        for (workspace, settings) in &workspaces {
            let partition = records::partition(*workspace);
            let key = records::ticket_key(id);
            let found = load::get::<Ticket>(&store, partition, "ticket", &key).await;
            let ticket = match found {
                Ok(Some((_, ticket))) => ticket,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(ticket = %id, %error, "a worktree was left and is kept");
                    continue 'tickets;
                }
            };
            if ticket.status.is_over() {
                sweep_one(&*worktrees, *workspace, settings, &ticket, &messages).await;
            }
            continue 'tickets;
        }
        if let Err(error) = worktrees.discard(id.0).await {
            tracing::warn!(ticket = %id, %error, "a worktree of no known ticket could not be removed");
        }
    }
}

async fn sweep_one(
    worktrees: &dyn Worktrees,
    workspace: WorkspaceId,
    settings: &Workspace,
    ticket: &Ticket,
    messages: &mpsc::Sender<Msg>,
) {
    let Some(provision) = provision_of(ticket, settings) else {
        return;
    };
    let keep_changes = ticket.status != adjutant_model::Status::Cancelled;
    match worktrees
        .finish(&provision, keep_changes, &commit_message(ticket))
        .await
    {
        Ok(found) if !found.is_empty() => {
            let branches = found.into_iter().map(branch).collect();
            let command = Command::Branches {
                ticket: ticket.id,
                branches,
            };
            // Nobody waits for this answer.
            let (reply, _) = oneshot::channel();
            let _ = messages
                .send(Msg::Command {
                    workspace,
                    command,
                    reply,
                })
                .await;
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(ticket = %ticket.id, %error, "a worktree was left and is kept");
        }
    }
}
