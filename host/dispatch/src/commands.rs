//! Commands from people, calls from guests, and new workspaces: read what they name, decide, send.

use crate::event_loop::{Ack, Answer, Dispatcher};
use crate::host::HostError;
use crate::keys::IdempotencyKey;
use crate::load;
use crate::stop::stopping;
use crate::world::World;
use adjutant_model::{
    Command, GuestCall, Outcome, Pending, Refusal, RunId, State, TeamSpec, TicketId, Workspace,
    WorkspaceId,
};
use adjutant_run::{Called, Gone};
use adjutant_store::{Batch, records};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the loop itself waits for the store, which may have no room.
pub(crate) const STORE_WITHIN: Duration = Duration::from_secs(5);

/// How a guest's calls are handed in.
#[derive(Clone, Copy)]
pub(crate) struct HandedIn {
    /// The answer waits for the disk.
    pub(crate) durable: bool,
    /// The run is about to do something outside.
    pub(crate) barrier: bool,
    /// What this start of the run has computed so far.
    pub(crate) guest_us: u64,
}

impl Dispatcher {
    pub(super) async fn command(
        &mut self,
        workspace: WorkspaceId,
        command: Command,
        key: Option<IdempotencyKey>,
        reply: Option<Answer<Outcome>>,
    ) {
        let mut loaded = Vec::new();
        let ended = match &command {
            Command::EndRun { run, .. } => Some(*run),
            _ => None,
        };
        let result = match self.load_for(workspace, &command, &mut loaded).await {
            Ok(()) => {
                let decided = self.decide(workspace, command);
                if let (Some(run), Ok(_), Some(world)) =
                    (ended, &decided, self.worlds.get_mut(&workspace))
                {
                    world.running.remove(&run);
                    world.lost.remove(&run);
                }
                decided
            }
            Err(error) => Err(error),
        };
        match result {
            Ok((outcome, changes)) => {
                let (now, limits) = (self.clock.now(), self.limits.clone());
                let world = self.worlds.get_mut(&workspace);
                let keep = match (key, world) {
                    (Some(key), Some(world)) => {
                        world.keys.keep(&key, &outcome, &changes, now, &limits)
                    }
                    _ => Vec::new(),
                };
                let ack = reply.map_or(Ack::Nobody, |reply| Ack::Command(reply, outcome));
                self.send_keeping(workspace, ended, changes, keep, ack);
            }
            Err(error) => {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(error));
                }
            }
        }
        if let Some(world) = self.worlds.get_mut(&workspace) {
            for root in loaded {
                world.forget(root);
            }
        }
    }

    /// Reads what a command names and is not in memory.
    async fn load_for(
        &mut self,
        workspace: WorkspaceId,
        command: &Command,
        loaded: &mut Vec<TicketId>,
    ) -> Result<(), HostError> {
        let mut named = Vec::new();
        match command {
            Command::AssignTicket { ticket, .. }
            | Command::SetStatus { ticket, .. }
            | Command::CancelTicket { ticket, .. }
            | Command::PostMessage { ticket, .. }
            | Command::AddCollaborator { ticket, .. }
            | Command::ResumeRun { ticket, .. }
            | Command::Branches { ticket, .. } => named.push(*ticket),
            Command::CreateTicket(new) => {
                // Too many are refused, whatever they are.
                let blockers = new.terms.blocked_by.iter().take(self.limits.blockers);
                named.extend(new.parent.iter().chain(blockers));
            }
            _ => {}
        }
        let store = self.parts.store.clone();
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return Ok(());
        };
        for ticket in named {
            let root = load::tree_of(&store, world, ticket).await;
            loaded.extend(root.map_err(|error| HostError::Unavailable(error.to_string()))?);
        }
        Ok(())
    }

    pub(super) async fn guest(
        &mut self,
        workspace: WorkspaceId,
        run: RunId,
        pending: Vec<Pending>,
        call: Option<GuestCall>,
        how: HandedIn,
        reply: oneshot::Sender<Result<Called, Gone>>,
    ) {
        if reply.is_closed() {
            // Its instance is gone; the one that takes its place asks for itself.
            return;
        }
        if call
            .as_ref()
            .is_some_and(|call| call.call.name().starts_with("memory."))
            && let Err(why) = self.load_memory(workspace, run).await
        {
            let _ = reply.send(Err(Gone(why)));
            return;
        }
        let command = Command::Guest {
            run,
            pending,
            guest_us: how.guest_us,
            call,
        };
        let (outcome, changes) = match self.decide(workspace, command) {
            Ok(decided) => decided,
            Err(error) => {
                let _ = reply.send(Err(Gone(error.to_string())));
                return;
            }
        };
        if self.ending && (how.barrier || matches!(outcome, Outcome::Waiting)) {
            self.send(workspace, Some(run), changes, Ack::Park(reply));
            return;
        }
        let called = match outcome {
            Outcome::Reply(at, reply) => Called::Reply(at, reply),
            Outcome::Waiting => Called::Waiting(self.listen(workspace, run)),
            _ => Called::Journaled,
        };
        if how.durable {
            self.send(workspace, Some(run), changes, Ack::Guest(reply, called));
        } else {
            self.send(workspace, Some(run), changes, Ack::Nobody);
            let _ = reply.send(Ok(called));
        }
    }

    async fn load_memory(&mut self, workspace: WorkspaceId, run: RunId) -> Result<(), String> {
        let store = self.parts.store.clone();
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return Ok(());
        };
        let Some(agent) = world.state.run(run).map(|run| run.agent) else {
            return Ok(());
        };
        load::memory(&store, world, agent)
            .await
            .map_err(|error| error.to_string())
    }

    /// Saves a workspace and its agents; makes the workspace if need be.
    pub(super) async fn apply(&mut self, team: TeamSpec, reply: Answer<(Workspace, Outcome)>) {
        if self.ending {
            let _ = reply.send(Err(stopping()));
            return;
        }
        let name = team.workspace.name().to_owned();
        let known = self
            .worlds
            .iter()
            .find(|(_, world)| world.state.workspace.name == name)
            .map(|(id, _)| *id);
        let id = match known {
            Some(id) => id,
            None => match self.new_world(&name).await {
                Ok(id) => id,
                Err(error) => {
                    let _ = reply.send(Err(error));
                    return;
                }
            },
        };
        match self.decide(id, Command::SaveTeam(team)) {
            Ok((outcome, mut changes)) => {
                // Also where an earlier try could not be stored.
                changes.workspace |= self.worlds[&id]
                    .versions
                    .get(&id.0)
                    .copied()
                    .unwrap_or_default()
                    == 0;
                let workspace = Box::new(self.worlds[&id].state.workspace.clone());
                self.send(id, None, changes, Ack::Apply(reply, workspace, outcome));
            }
            Err(error) => {
                if known.is_none() {
                    self.worlds.remove(&id);
                }
                let _ = reply.send(Err(error));
            }
        }
    }

    /// A workspace that does not exist before its first batch is on disk; until then only its entry in
    /// the index does, which means nothing by itself.
    async fn new_world(&mut self, name: &str) -> Result<WorkspaceId, HostError> {
        if !adjutant_model::is_name(name) {
            return Err(HostError::Refused(Refusal::invalid(
                "/workspace/name",
                "a name is 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter or a digit",
            )));
        }
        let id = WorkspaceId(self.clock.id());
        let mut index = Batch::new(records::HOST, *self.clock.id().as_bytes(), self.host_epoch);
        index
            .put
            .push((records::workspace_key(id), Some(name.as_bytes().to_vec())));
        let unavailable = |error: String| HostError::Unavailable(error);
        let slow = |_| unavailable("the store did not answer in time; try again".to_owned());
        let committed = timeout(STORE_WITHIN, self.store().commit(index));
        let committed = committed.await.map_err(slow)?;
        committed.map_err(|error| unavailable(error.to_string()))?;
        let workspace = Workspace {
            id,
            name: name.to_owned(),
            repos: Vec::new(),
            wip: adjutant_model::Wip::default(),
            created_at: self.clock.now(),
        };
        let partition = records::partition(id);
        let epoch = timeout(STORE_WITHIN, self.store().acquire(partition));
        let epoch = epoch.await.map_err(slow)?;
        let epoch = epoch.map_err(|error| unavailable(error.to_string()))?;
        self.worlds
            .insert(id, World::new(State::new(workspace), partition, epoch));
        Ok(id)
    }
}
