//! One run's task: worktree, journal, component, execution, end.

use crate::cleaning::commit_message;
use crate::event_loop::Msg;
use crate::execute::Execute;
use crate::host::HostError;
use crate::ledger::LoopLedger;
use crate::load;
use crate::turns::Turn;
use adjutant_connect::ports::{OutsideError, Worktree, Worktrees};
use adjutant_connect::{Provision, Repo};
use adjutant_model::{
    Agent, Authority, Branch, Command, Described, Ending, Journal, Outcome, Pending, Run, RunId,
    Ticket, Validation, Workspace, WorkspaceId, has_tries, will_retry,
};
use adjutant_run::{Chooser, Clock, Finished, Job, Ledger};
use adjutant_store::records;
use futures::FutureExt as _;
use futures::future::{AbortHandle, Abortable};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
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
    /// What the run may use at most, whatever its agent is granted.
    pub(crate) authority: Authority,
    /// What its plugin says of itself, where that is known already.
    pub(crate) described: Option<Arc<Described>>,
    pub(crate) request: String,
    /// Who chooses for its agent.
    pub(crate) chooser: Arc<dyn Chooser>,
    pub(crate) cancel: CancellationToken,
    /// Its turn at the ticket's worktree, where the ticket has one.
    pub(crate) turn: Option<Turn>,
    pub(crate) ledger: Arc<LoopLedger>,
    pub(crate) execute: Arc<dyn Execute>,
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

/// A run's task that is under way. It goes on where this is dropped.
pub(crate) struct Launched {
    abort: AbortHandle,
    over: oneshot::Receiver<()>,
}

impl Launched {
    /// Ends the task at its next halt.
    pub(crate) fn abort(&self) {
        self.abort.abort();
    }

    /// Waits until the task and all that it held are gone.
    pub(crate) async fn over(self) {
        // An error says that it panicked, or that nothing polls it any more.
        let _ = self.over.await;
    }
}

impl RunTask {
    /// Begins the task where the workspace's runs compute.
    pub(crate) fn launch(self) -> Launched {
        let (abort, registration) = AbortHandle::new_pair();
        let (tell, over) = oneshot::channel();
        let (execute, workspace) = (self.execute.clone(), self.workspace);
        let task = Abortable::new(self.run(), registration);
        let task = async move {
            // Aborted or not: it is gone with the end of this line.
            let _ = task.await;
            // Nobody may want to know.
            let _ = tell.send(());
        };
        execute.begin(workspace, task.boxed());
        Launched { abort, over }
    }

    async fn run(mut self) {
        if let Some(turn) = &self.turn {
            turn.come().await;
        }
        // Its worktree and its first step need room.
        self.ledger.room().await;
        match self.prepare().await {
            Ok(Some(job)) => {
                let worktree = job.worktree.is_some();
                let finished = self.execute.execute(job).await;
                self.finished(finished, worktree).await;
            }
            // Cancelled while its worktree was being made: whoever cancelled it cleans up.
            Ok(None) => {}
            Err(why) => self.end(Vec::new(), 0, Ending::Broke(why)).await,
        }
    }

    /// All that a run needs before it can start; none where it is no longer wanted.
    async fn prepare(&self) -> Result<Option<Job<String>>, String> {
        self.check_config()?;
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
        let journal = self.journal().await?;
        let ledger: Arc<dyn Ledger> = self.ledger.clone();
        Ok(Some(Job {
            run: self.run.clone(),
            ticket: self.ticket.clone(),
            agent: self.agent.clone(),
            boss: self.boss.clone(),
            request: self.request.clone(),
            component: self.run.plugin.digest.clone(),
            chooser: Ok(self.chooser.clone()),
            journal,
            worktree,
            ledger,
            clock: self.clock.clone(),
            authority: self.authority.clone(),
            cancel: self.cancel.clone(),
        }))
    }

    /// Whether the configuration that it was given fits its plugin, which may have become active by
    /// force. One that has begun has fitted.
    fn check_config(&self) -> Result<(), String> {
        let described = self.described.as_ref();
        let described = described.filter(|described| described.config.is_some());
        match described {
            Some(described) if self.run.calls == 0 && self.run.journal_len == 0 => {
                crate::plugins::check_given(described, &self.run.given.config_json)
            }
            _ => Ok(()),
        }
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
        let lists = load::journal(&self.ledger.store, partition, self.run.id)
            .await
            .map_err(|error| error.to_string())?;
        Journal::from_records(lists.into_iter().flatten()).map_err(|error| error.to_string())
    }

    async fn finished(&mut self, finished: Finished, worktree: bool) {
        match finished {
            Finished::Parked => self.leaving.parked = true,
            Finished::Gone => {}
            Finished::Ended {
                pending,
                guest_us,
                ending,
            } => {
                let (pending, ending) = if worktree {
                    match self.bring_back(pending, guest_us, ending).await {
                        Some(brought) => brought,
                        None => return,
                    }
                } else {
                    (pending, ending)
                };
                self.end(pending, guest_us, ending).await;
            }
        }
    }

    /// Brings the branches back before the ticket is over, so that *done* means that they are there.
    /// None where the run is no longer wanted.
    async fn bring_back(
        &self,
        pending: Vec<Pending>,
        guest_us: u64,
        ending: Ending,
    ) -> Option<(Vec<Pending>, Ending)> {
        let (
            Some(provision),
            Ending::Worked {
                result, violations, ..
            },
        ) = (&self.provision, &ending)
        else {
            return Some((pending, ending));
        };
        let strict = self.ticket.validation == Validation::Strict;
        let refused = strict && !violations.is_empty();
        let again = if result.completed && refused {
            will_retry(&self.ticket, &self.agent, violations) || has_tries(&self.ticket)
        } else {
            !result.completed && has_tries(&self.ticket)
        };
        // The next run goes on in the same worktree. Where there is none after all, the end of the
        // ticket brings the branches back.
        if again {
            return Some((pending, ending));
        }
        // What it said and did comes first: after a crash it is not asked to do it again.
        self.ledger
            .last(self.run.id, pending, guest_us)
            .await
            .ok()?;
        let message = commit_message(&self.ticket);
        match self.worktrees.finish(provision, true, &message).await {
            Ok(found) => {
                let Ending::Worked {
                    result, violations, ..
                } = ending
                else {
                    return Some((Vec::new(), ending));
                };
                let branches = found.into_iter().map(branch).collect();
                Some((
                    Vec::new(),
                    Ending::Worked {
                        result,
                        violations,
                        branches,
                    },
                ))
            }
            Err(error) => {
                let why = format!("its work is done, but could not be brought back: {error}");
                Some((Vec::new(), Ending::Broke(why)))
            }
        }
    }

    async fn end(&self, pending: Vec<Pending>, guest_us: u64, ending: Ending) {
        let run = self.run.id;
        if let Err(error) = self
            .command(Command::EndRun {
                run,
                pending,
                guest_us,
                ending,
            })
            .await
        {
            tracing::info!(%run, %error, "the run's end was not wanted any more");
        }
    }

    async fn command(&self, command: Command) -> Result<Outcome, HostError> {
        self.ledger.room().await;
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
    let repos = workspace.repos.iter().map(repo_of);
    Some(Provision {
        ticket: ticket.id.0,
        branch: branch_name(ticket),
        repos: repos.collect(),
    })
}

/// A linked repository, as worktrees are made of it.
pub(crate) fn repo_of(linked: &adjutant_model::Repo) -> Repo {
    Repo {
        name: linked.name.clone(),
        path: PathBuf::from(&linked.path),
        base: linked.base.clone(),
    }
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
