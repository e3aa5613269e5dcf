//! Worktrees in memory, and what is done in them: commands of which each is done once, and counted.

use crate::dice::Dice;
use crate::outside::Outside;
use adjutant_connect::ports::{Command, CommandOutput, Entry, Exit, OutputStream, OutsideError};
use adjutant_connect::ports::{Repo, RepoError, Worktree, Worktrees};
use adjutant_connect::{Branch, Provision};
use adjutant_model::{Journal, RunId, WorkspaceId};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The program that does something outside: `do WORKSPACE RUN CALL`.
pub(crate) const DO: &str = "do";

/// The folder of all worktrees. It survives crashes. Clones are the same folder.
#[derive(Clone)]
pub(crate) struct SimWorktrees {
    trees: Arc<Mutex<BTreeMap<Uuid, Files>>>,
    dice: Arc<Mutex<Dice>>,
    outside: Outside,
}

type Files = BTreeMap<String, Vec<u8>>;

struct SimWorktree {
    ticket: Uuid,
    folder: SimWorktrees,
}

impl SimWorktrees {
    pub(crate) fn new(dice: Dice, outside: Outside) -> SimWorktrees {
        SimWorktrees {
            trees: Arc::default(),
            dice: Arc::new(Mutex::new(dice)),
            outside,
        }
    }

    fn trees(&self) -> MutexGuard<'_, BTreeMap<Uuid, Files>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pause(&self, most: u64) {
        let ms = {
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            dice.roll(most)
        };
        sleep(Duration::from_millis(ms)).await;
    }

    fn of(&self, ticket: Uuid) -> Arc<dyn Worktree> {
        let folder = self.clone();
        Arc::new(SimWorktree { ticket, folder })
    }
}

#[async_trait]
impl Worktrees for SimWorktrees {
    /// There are no repositories: any will do.
    async fn check_repo(&self, _: &Repo) -> Result<(), RepoError> {
        Ok(())
    }

    async fn provision(&self, request: &Provision) -> Result<Arc<dyn Worktree>, OutsideError> {
        self.pause(300).await;
        self.trees().entry(request.ticket).or_default();
        // Half of the work comes after the folder is there.
        self.pause(300).await;
        Ok(self.of(request.ticket))
    }

    async fn open(&self, request: &Provision) -> Result<Option<Arc<dyn Worktree>>, OutsideError> {
        let there = self.trees().contains_key(&request.ticket);
        Ok(there.then(|| self.of(request.ticket)))
    }

    async fn finish(
        &self,
        request: &Provision,
        keep_changes: bool,
        _message: &str,
    ) -> Result<Vec<Branch>, OutsideError> {
        self.pause(200).await;
        let files = self.trees().remove(&request.ticket);
        let Some(files) = files.filter(|files| keep_changes && !files.is_empty()) else {
            return Ok(Vec::new());
        };
        let branches = request.repos.iter().map(|repo| Branch {
            repo: repo.name.clone(),
            branch: request.branch.clone(),
            commit: format!("{:040x}", files.len()),
        });
        Ok(branches.collect())
    }

    async fn discard(&self, ticket: Uuid) -> Result<(), OutsideError> {
        self.pause(50).await;
        self.trees().remove(&ticket);
        Ok(())
    }

    async fn known(&self) -> Result<Vec<Uuid>, OutsideError> {
        Ok(self.trees().keys().copied().collect())
    }
}

#[async_trait]
impl Worktree for SimWorktree {
    async fn read(&self, path: &str) -> Result<Vec<u8>, OutsideError> {
        let trees = self.folder.trees();
        let file = trees.get(&self.ticket).and_then(|files| files.get(path));
        file.cloned()
            .ok_or_else(|| OutsideError::NotFound(format!("there is no {path}")))
    }

    async fn write(&self, path: &str, content: Vec<u8>) -> Result<(), OutsideError> {
        self.folder.pause(20).await;
        match self.folder.trees().get_mut(&self.ticket) {
            Some(files) => {
                files.insert(path.to_owned(), content);
                Ok(())
            }
            None => {
                let ticket = self.ticket;
                self.folder.outside.violated(format!(
                    "a run writes to the worktree of ticket {ticket}, which is gone"
                ));
                Err(OutsideError::NotFound("the worktree is gone".to_owned()))
            }
        }
    }

    async fn remove(&self, path: &str) -> Result<(), OutsideError> {
        let mut trees = self.folder.trees();
        let files = trees.get_mut(&self.ticket);
        files
            .and_then(|files| files.remove(path))
            .map(|_| ())
            .ok_or_else(|| OutsideError::NotFound(format!("there is no {path}")))
    }

    async fn list(&self, _path: &str) -> Result<Vec<Entry>, OutsideError> {
        Ok(Vec::new())
    }

    async fn diff(&self) -> Result<String, OutsideError> {
        Ok(String::new())
    }

    async fn commit(&self, _message: &str) -> Result<Option<String>, OutsideError> {
        Ok(None)
    }

    async fn run(
        &self,
        command: &Command,
        output: &dyn CommandOutput,
        _cancel: CancellationToken,
    ) -> Result<Exit, OutsideError> {
        let outside = &self.folder.outside;
        let asked = command.argv.get(1..4).and_then(|argv| {
            let workspace: WorkspaceId = argv[0].parse().ok()?;
            Some((
                workspace,
                argv[1].parse::<RunId>().ok()?,
                argv[2].parse::<u32>().ok()?,
            ))
        });
        let Some((workspace, run, call)) = asked else {
            return Err(OutsideError::NotFound(
                "there is no such program".to_owned(),
            ));
        };
        self.look_at_journal(workspace, run, call).await;
        self.folder.pause(1_500).await;
        let word = outside.word("done-");
        {
            let mut memory = outside.lock();
            memory.counts.effects += 1;
            let done = memory.effects.entry((run, call)).or_default();
            done.push(word.clone());
        }
        outside.trace(|| format!("outside: {word} for call {call} of run {run}"));
        // A part of the time is after the effect, and before anyone hears of it.
        self.folder.pause(1_500).await;
        output.chunk(OutputStream::Stdout, word.as_bytes());
        Ok(Exit {
            code: Some(0),
            stdout: word,
            stderr: String::new(),
            truncated: false,
            elapsed: Duration::from_millis(1),
        })
    }
}

impl SimWorktree {
    /// Before anything is done outside, all that came before is on disk, and this is not.
    async fn look_at_journal(&self, workspace: WorkspaceId, run: RunId, call: u32) {
        let outside = &self.folder.outside;
        let Some(host) = outside.host() else { return };
        // Where the disk does not answer, nobody knows; the run does not know either.
        let Ok(records) = crate::audit::journal(&host, workspace, run).await else {
            return;
        };
        match Journal::from_records(records) {
            Err(error) => outside.violated(format!("run {run}: {error}")),
            Ok(journal) => {
                let there = journal.entries.len();
                let call = call as usize;
                if there > call {
                    outside.violated(format!(
                        "call {call} of run {run} is journaled, and is done outside once more"
                    ));
                } else if there < call {
                    outside.violated(format!(
                        "call {call} of run {run} is done outside when only {there} calls before \
                         it are on disk"
                    ));
                }
            }
        }
    }
}
