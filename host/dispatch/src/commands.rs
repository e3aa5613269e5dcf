//! Commands from people, calls from guests, and new workspaces: read what they name, decide, send.

use crate::event_loop::{Ack, Answer, Dispatcher, stopping};
use crate::host::HostError;
use crate::load;
use crate::world::World;
use adjutant_model::{
    Command, GuestCall, Outcome, Pending, Refusal, RunId, State, TeamSpec, TicketId, Workspace,
    WorkspaceId,
};
use adjutant_run::{Called, Gone};
use adjutant_store::{Batch, records};
use tokio::sync::oneshot;

impl Dispatcher {
    pub(super) async fn command(
        &mut self,
        workspace: WorkspaceId,
        command: Command,
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
                }
                decided
            }
            Err(error) => Err(error),
        };
        match result {
            Ok((outcome, changes)) => {
                let ack = reply.map_or(Ack::Nobody, |reply| Ack::Command(reply, outcome));
                self.send(workspace, ended, changes, ack);
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
        let named = match command {
            Command::AssignTicket { ticket, .. }
            | Command::SetStatus { ticket, .. }
            | Command::CancelTicket { ticket, .. }
            | Command::PostMessage { ticket, .. }
            | Command::AddCollaborator { ticket, .. }
            | Command::Branches { ticket, .. } => *ticket,
            Command::CreateTicket(new) => match new.parent {
                Some(parent) => parent,
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let store = self.parts.store.clone();
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return Ok(());
        };
        match load::tree_of(&store, world, named).await {
            Ok(root) => {
                loaded.extend(root);
                Ok(())
            }
            Err(error) => Err(HostError::Unavailable(error.to_string())),
        }
    }

    pub(super) async fn guest(
        &mut self,
        workspace: WorkspaceId,
        run: RunId,
        pending: Vec<Pending>,
        call: Option<GuestCall>,
        durable: bool,
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
        let (outcome, changes) = match self.decide(workspace, Command::Guest { run, pending, call })
        {
            Ok(decided) => decided,
            Err(error) => {
                let _ = reply.send(Err(Gone(error.to_string())));
                return;
            }
        };
        let called = match outcome {
            Outcome::Reply(at, reply) => Called::Reply(at, reply),
            Outcome::Waiting => Called::Waiting(self.listen(workspace, run)),
            _ => Called::Journaled,
        };
        if durable {
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
        if self.stopping.is_some() {
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
        self.store()
            .commit(index)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let workspace = Workspace {
            id,
            name: name.to_owned(),
            repos: Vec::new(),
            created_at: self.clock.now(),
        };
        let partition = records::partition(id);
        let epoch = self.store().acquire(partition).await;
        let epoch = epoch.map_err(|error| unavailable(error.to_string()))?;
        self.worlds
            .insert(id, World::new(State::new(workspace), partition, epoch));
        Ok(id)
    }
}
