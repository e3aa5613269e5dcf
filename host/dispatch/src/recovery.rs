//! Reading workspaces: at the start, and again where a write has failed. Either way runs go on from
//! their journals.

use crate::commands::STORE_WITHIN;
use crate::event_loop::{Dispatcher, RELOAD_AFTER};
use crate::load;
use crate::world::World;
use adjutant_model::{Command, Ending, RunId, RunStatus, Workspace, WorkspaceId};
use adjutant_store::{Batch, records};
use tokio::time::{Instant, timeout};

impl Dispatcher {
    /// Reads all workspaces, and lets go on what should be going on.
    pub(crate) async fn recover(&mut self) -> Result<(), load::LoadError> {
        let index = load::scan_all(self.store(), records::HOST, records::prefix::WORKSPACE).await?;
        for item in index {
            let Some(id) = records::id_of(&item.key).map(WorkspaceId) else {
                continue;
            };
            // Without its record, the workspace was never acknowledged: the host died in between.
            let partition = records::partition(id);
            let key = records::workspace_key(id);
            let found = load::get::<Workspace>(self.store(), partition, "workspace", &key).await?;
            let Some((version, workspace)) = found else {
                continue;
            };
            let world = load::world(self.store(), workspace, version).await?;
            self.worlds.insert(id, world);
        }
        // Before any run starts again: nothing that a host which died has left runs beside it.
        if let Err(error) = self.parts.worktrees.end_orphans().await {
            tracing::warn!(%error, "processes that an earlier host left could not be ended");
        }
        let ids: Vec<WorkspaceId> = self.worlds.keys().copied().collect();
        for id in &ids {
            self.resume_world(*id);
        }
        self.sweep_worktrees();
        Ok(())
    }

    /// Starts the runs of a workspace that was just read, and whatever is due.
    fn resume_world(&mut self, id: WorkspaceId) {
        let Some(world) = self.worlds.get(&id) else {
            return;
        };
        let mut runs: Vec<RunId> = world
            .state
            .live_runs()
            .filter(|run| run.status != RunStatus::Waiting)
            .map(|run| run.id)
            .collect();
        runs.sort_unstable();
        for run in runs {
            self.launch(id, run);
        }
        self.internal(id, Command::Recover);
    }

    /// Reads workspaces again that could not be trusted, once nothing of theirs is on its way.
    pub(super) async fn reload(&mut self) {
        let broken: Vec<WorkspaceId> = self
            .worlds
            .iter()
            .filter(|(_, world)| world.broken.is_some() && world.in_flight == 0)
            .map(|(id, _)| *id)
            .collect();
        for id in broken {
            let old = &self.worlds[&id].state.workspace;
            let (partition, key) = (records::partition(id), records::workspace_key(id));
            let fallback = old.clone();
            let loaded = async {
                let found =
                    load::get::<Workspace>(self.store(), partition, "workspace", &key).await?;
                let (version, workspace) = found.unwrap_or((0, fallback));
                let world = load::world(self.store(), workspace, version).await?;
                // Runs go on only where what they do can be kept: on a full disk each would do its
                // next step again and again.
                let probe = Batch::new(partition, *self.clock.id().as_bytes(), world.epoch);
                self.store().commit(probe).await?;
                Ok::<_, load::LoadError>(world)
            };
            let loaded = timeout(STORE_WITHIN, loaded).await;
            match loaded.unwrap_or(Err(load::LoadError::Slow)) {
                Ok(world) => {
                    let old = self.worlds.get_mut(&id);
                    let too_large = old.map(|old| std::mem::take(&mut old.too_large));
                    let too_large = too_large.unwrap_or_default();
                    self.worlds.insert(id, world);
                    for (run, why) in too_large {
                        let (pending, ending) = (Vec::new(), Ending::Broke(why));
                        self.internal(
                            id,
                            Command::EndRun {
                                run,
                                pending,
                                guest_us: 0,
                                ending,
                            },
                        );
                    }
                    tracing::warn!(workspace = %id, "read the workspace again after a failed write");
                    self.resume_world(id);
                    // What was to be cleaned up when the write failed was forgotten with it.
                    self.sweep_worktrees();
                }
                Err(error) => {
                    tracing::error!(workspace = %id, %error, "the workspace cannot be read");
                    self.reload_at = Some(Instant::now() + RELOAD_AFTER);
                }
            }
        }
    }
}

/// The state is ahead of the store and cannot be trusted: nothing more is decided on it, and its runs
/// are dropped. They start over from their journals.
pub(super) fn distrust(world: &mut World, why: &str) {
    if world.broken.is_none() {
        tracing::error!(workspace = %world.state.workspace.name, why, "a write has failed");
        world.broken = Some(why.to_owned());
    }
    for (_, running) in std::mem::take(&mut world.running) {
        running.cancel.cancel();
        running.task.abort();
    }
}
