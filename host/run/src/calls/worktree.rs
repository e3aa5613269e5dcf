//! `worktree`: files, commits and commands in the ticket's own clone.

use super::{answer, digest};
use crate::convert;
use crate::session::{Session, outside_error};
use adjutant_component::HostResult;
use adjutant_component::bindings::types::Error;
use adjutant_component::bindings::worktree::{Entry, Exit, Host};
use adjutant_connect::ports::{Command, EntryKind, OutsideError, Worktree};
use adjutant_model::grants;
use adjutant_model::{
    Answer, Call, CallError, ExitReply, FileEntry, FileKind, Reply, Violation, text,
};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long a command may run unless told otherwise, as the contract says.
const COMMAND_MS: u64 = 120_000;

impl Host for Session {
    async fn read(&mut self, path: String) -> HostResult<Result<Vec<u8>, Error>> {
        let call = Call::WorktreeRead { path: path.clone() };
        let reply = self
            .in_worktree(call, false, |worktree| async move {
                worktree
                    .read(&path)
                    .await
                    .map(|bytes| Answer::Bytes(Some(bytes)))
            })
            .await?;
        Ok(answer!(reply, Answer::Bytes(bytes) => bytes.unwrap_or_default()))
    }

    async fn write(&mut self, path: String, content: Vec<u8>) -> HostResult<Result<(), Error>> {
        let (bytes, digest) = (content.len() as u64, digest(&content));
        let call = Call::WorktreeWrite {
            path: path.clone(),
            bytes,
            digest,
        };
        let reply = self
            .in_worktree(call, false, |worktree| async move {
                worktree.write(&path, content).await.map(|()| Answer::Unit)
            })
            .await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn remove(&mut self, path: String) -> HostResult<Result<(), Error>> {
        let call = Call::WorktreeRemove { path: path.clone() };
        let reply = self
            .in_worktree(call, false, |worktree| async move {
                worktree.remove(&path).await.map(|()| Answer::Unit)
            })
            .await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn list(&mut self, path: String) -> HostResult<Result<Vec<Entry>, Error>> {
        let call = Call::WorktreeList { path: path.clone() };
        let reply = self
            .in_worktree(call, false, |worktree| async move {
                let entries = worktree
                    .list(&path)
                    .await?
                    .into_iter()
                    .map(|entry| FileEntry {
                        name: entry.name,
                        kind: match entry.kind {
                            EntryKind::File => FileKind::File,
                            EntryKind::Directory => FileKind::Directory,
                            EntryKind::Symlink => FileKind::Symlink,
                            EntryKind::Other => FileKind::Other,
                        },
                        size: entry.size,
                    });
                Ok(Answer::Files(entries.collect()))
            })
            .await?;
        Ok(answer!(reply, Answer::Files(files) => {
            let entry = |file: FileEntry| Entry {
                name: file.name,
                kind: convert::entry_kind(file.kind),
                size: file.size,
            };
            files.into_iter().map(entry).collect()
        }))
    }

    async fn diff(&mut self) -> HostResult<Result<String, Error>> {
        let reply = self
            .in_worktree(Call::WorktreeDiff, false, |worktree| async move {
                worktree.diff().await.map(Answer::Text)
            })
            .await?;
        Ok(answer!(reply, Answer::Text(diff) => diff))
    }

    async fn commit(&mut self, message: String) -> HostResult<Result<Option<String>, Error>> {
        let call = Call::WorktreeCommit {
            message: message.clone(),
        };
        let reply = self
            .in_worktree(call, true, |worktree| async move {
                worktree.commit(&message).await.map(Answer::Commit)
            })
            .await?;
        Ok(answer!(reply, Answer::Commit(id) => id))
    }

    async fn run(
        &mut self,
        command: Vec<String>,
        timeout_ms: Option<u64>,
    ) -> HostResult<Result<Exit, Error>> {
        let call = Call::WorktreeRun {
            command: command.clone(),
            timeout_ms,
        };
        let reply = if let Err(error) = self.granted(&command) {
            self.outside(call, false, async { Err(error) }).await?
        } else {
            let (shared, cancel) = (self.shared.clone(), self.cancel.clone());
            let line = format!("$ {}\n", command.join(" "));
            let mut command = Command::new(command);
            command.timeout = Duration::from_millis(timeout_ms.unwrap_or(COMMAND_MS));
            self.in_worktree(call, true, |worktree| async move {
                shared.output.push("command", line.as_bytes());
                let exit = worktree.run(&command, &shared.output, cancel).await?;
                Ok(Answer::Exit(ExitReply {
                    code: exit.code,
                    stdout: exit.stdout,
                    stderr: exit.stderr,
                    truncated: exit.truncated,
                    elapsed_ms: exit.elapsed.as_millis() as u64,
                }))
            })
            .await?
        };
        Ok(answer!(reply, Answer::Exit(exit) => Exit {
            code: exit.code,
            stdout: exit.stdout,
            stderr: exit.stderr,
            truncated: exit.truncated,
            elapsed_ms: exit.elapsed_ms,
        }))
    }
}

impl Session {
    /// Something in the ticket's worktree, if it has one.
    async fn in_worktree<F>(
        &mut self,
        call: Call,
        barrier: bool,
        effect: impl FnOnce(Arc<dyn Worktree>) -> F + Send,
    ) -> HostResult<Reply>
    where
        F: Future<Output = Result<Answer, OutsideError>> + Send,
    {
        let worktree = self.worktree.clone();
        self.outside(call, barrier, async move {
            match worktree {
                Some(worktree) => effect(worktree).await.map_err(outside_error),
                None => Err(CallError::NotFound(
                    "this ticket has no worktree: its workspace links no repository".to_owned(),
                )),
            }
        })
        .await
    }

    fn granted(&self, command: &[String]) -> Result<(), CallError> {
        if command.is_empty() {
            return Err(CallError::Invalid(vec![Violation::new(
                "/command",
                "a command has a program",
            )]));
        }
        let shown = text::cut(&command.join(" "), 500);
        let own = &self.agent.grants.commands;
        if !grants::allowed(own, command) {
            return Err(CallError::Denied(format!(
                "no grant of {} covers the command `{shown}`; granted under `commands`: {}{}",
                self.agent.name,
                granted(own),
                self.wanted(command)
            )));
        }
        if let Some(manifest) = &self.authority.manifest
            && !manifest.wants.covers_command(command)
        {
            return Err(CallError::Denied(format!(
                "`{shown}` is granted to {}, but the manifest of {}@{} does not want it (it wants {}): \
                 its author adds it to `wants.commands`",
                self.agent.name,
                manifest.name,
                manifest.version,
                manifest.wants.shown_commands()
            )));
        }
        let mut above = self.authority.bosses.iter();
        match above.find(|boss| !grants::allowed(&boss.grants.commands, command)) {
            None => Ok(()),
            Some(boss) => Err(CallError::Denied(format!(
                "{}; granted to {}: {}",
                boss.lacks("commands", &shown),
                boss.name,
                granted(&boss.grants.commands)
            ))),
        }
    }
}

impl Session {
    /// What a refusal says beside the missing grant: what the plugin's author says that it is for.
    fn wanted(&self, command: &[String]) -> String {
        let Some(manifest) = &self.authority.manifest else {
            return String::new();
        };
        let mut wanted = manifest.wants.commands.iter();
        match wanted.find(|wanted| wanted.covers(command)) {
            Some(wanted) if !wanted.why.is_empty() => {
                let why = text::cut(&wanted.why, 300);
                format!(". Its plugin wants it ({why}): an operator may grant it")
            }
            Some(_) => ". Its plugin wants it: an operator may grant it".to_owned(),
            None => String::new(),
        }
    }
}

/// Granted commands, as a refusal shows them.
fn granted(commands: &[grants::CommandGrant]) -> String {
    if commands.is_empty() {
        return "nothing".to_owned();
    }
    let commands: Vec<String> = commands.iter().map(|command| command.join(" ")).collect();
    text::cut(&commands.join(" | "), 1_000)
}
