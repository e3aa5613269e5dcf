//! The event loop: messages in, decisions, batches out; acknowledgements and effects when those are on
//! disk.

use crate::batch::batch;
use crate::host::{HostError, HostParts};
use crate::ledger::LoopLedger;
use crate::load;
use crate::plugins::PluginShelf;
use crate::world::World;
use adjutant_model::{
    Changes, Command, Context, Effect, GuestCall, Limits, Outcome, Pending, Refusal, RunId, State,
    TeamSpec, TicketId, Timestamp, Tx, Workspace, WorkspaceId,
};
use adjutant_run::{Called, Clock, Gone, Runner};
use adjutant_store::{Batch, CommitError, Store, Submitted, records};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{self, Poll, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// Batches that may be on their way; while there are as many, no message is taken.
const MOST_IN_FLIGHT: usize = 1_024;
/// How long to wait before a workspace that could not be read is read again.
const RELOAD_AFTER: Duration = Duration::from_secs(1);
/// How long to sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// What the loop is told.
pub(crate) enum Msg {
    /// A command for a workspace.
    Command {
        workspace: WorkspaceId,
        command: Command,
        reply: Answer<Outcome>,
    },
    /// A workspace and its agents are to be saved.
    Apply {
        team: TeamSpec,
        reply: Answer<(Workspace, Outcome)>,
    },
    /// A guest's calls.
    Guest {
        workspace: WorkspaceId,
        run: RunId,
        pending: Vec<Pending>,
        call: Option<GuestCall>,
        durable: bool,
        reply: oneshot::Sender<Result<Called, Gone>>,
    },
    /// A replayed run takes up its wait.
    Resume {
        workspace: WorkspaceId,
        run: RunId,
        reply: oneshot::Sender<Result<Called, Gone>>,
    },
    /// A run has left memory while it waits.
    Parked { workspace: WorkspaceId, run: RunId },
    /// A question about how things stand.
    Query(Box<dyn FnOnce(&HashMap<WorkspaceId, World>) + Send>),
    /// The host is to stop.
    Stop { done: oneshot::Sender<()> },
}

/// Where an answer to the layers above goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, HostError>>;

/// The dispatcher.
pub(crate) struct Dispatcher {
    pub(crate) parts: HostParts,
    pub(crate) shelf: Arc<PluginShelf>,
    pub(crate) runner: Arc<Runner>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) base_url: Arc<RwLock<String>>,
    pub(crate) host_epoch: u64,
    pub(crate) worlds: HashMap<WorkspaceId, World>,
    pub(crate) messages: mpsc::Sender<Msg>,
    /// Worktrees that are being ended.
    pub(crate) cleaning: JoinSet<()>,
    in_flight: FuturesOrdered<Flying>,
    reload_at: Option<Instant>,
    stopping: Option<oneshot::Sender<()>>,
}

/// A batch on its way, and what is to be done when it has arrived.
struct Flight {
    workspace: WorkspaceId,
    trees: Vec<TicketId>,
    effects: Vec<Effect>,
    ack: Ack,
}

/// A flight until it arrives. Without a batch it arrives when it is its turn.
struct Flying {
    submitted: Option<Submitted>,
    flight: Option<Flight>,
}

impl Future for Flying {
    type Output = (Result<(), CommitError>, Flight);

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.submitted {
            Some(submitted) => ready!(Pin::new(submitted).poll(context)).map(|_| ()),
            None => Ok(()),
        };
        match self.flight.take() {
            Some(flight) => Poll::Ready((result, flight)),
            None => Poll::Pending,
        }
    }
}

/// Who is told that a batch has arrived.
enum Ack {
    Nobody,
    Command(Answer<Outcome>, Outcome),
    Apply(Answer<(Workspace, Outcome)>, Box<Workspace>, Outcome),
    Guest(oneshot::Sender<Result<Called, Gone>>, Called),
}

impl Dispatcher {
    pub(crate) fn new(
        parts: HostParts,
        clock: Arc<dyn Clock>,
        shelf: Arc<PluginShelf>,
        runner: Arc<Runner>,
        limits: Arc<Limits>,
        base_url: Arc<RwLock<String>>,
        host_epoch: u64,
        messages: mpsc::Sender<Msg>,
    ) -> Dispatcher {
        Dispatcher {
            parts,
            shelf,
            runner,
            limits,
            clock,
            base_url,
            host_epoch,
            worlds: HashMap::new(),
            messages,
            cleaning: JoinSet::new(),
            in_flight: FuturesOrdered::new(),
            reload_at: None,
            stopping: None,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.parts.store
    }

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
        let runs: Vec<RunId> = world
            .state
            .live_runs()
            .filter(|run| run.status != adjutant_model::RunStatus::Waiting)
            .map(|run| run.id)
            .collect();
        for run in runs {
            self.launch(id, run);
        }
        self.internal(id, Command::Recover);
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Msg>) {
        loop {
            if self.stopping.is_some() && self.in_flight.is_empty() && self.cleaning.is_empty() {
                break;
            }
            let due = self.due_in();
            tokio::select! {
                biased;
                Some((result, flight)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.arrived(result, flight);
                }
                Some(_) = self.cleaning.join_next(), if !self.cleaning.is_empty() => {}
                message = messages.recv(), if self.in_flight.len() < MOST_IN_FLIGHT => {
                    match message {
                        Some(message) => self.handle(message).await,
                        None => break,
                    }
                }
                () = tokio::time::sleep(due) => self.tick().await,
            }
        }
        self.parts.store.close().await;
        if let Some(done) = self.stopping.take() {
            // Whoever asked may have left.
            let _ = done.send(());
        }
    }

    async fn handle(&mut self, message: Msg) {
        match message {
            Msg::Command {
                workspace,
                command,
                reply,
            } => {
                if self.stopping.is_some() && is_from_outside(&command) {
                    let _ = reply.send(Err(stopping()));
                    return;
                }
                self.command(workspace, command, Some(reply)).await;
            }
            Msg::Apply { team, reply } => self.apply(team, reply).await,
            Msg::Guest {
                workspace,
                run,
                pending,
                call,
                durable,
                reply,
            } => {
                self.guest(workspace, run, pending, call, durable, reply)
                    .await;
            }
            Msg::Resume {
                workspace,
                run,
                reply,
            } => self.resume(workspace, run, reply),
            Msg::Parked { workspace, run } => self.parked(workspace, run),
            Msg::Query(question) => question(&self.worlds),
            Msg::Stop { done } => {
                self.stopping = Some(done);
                for world in self.worlds.values_mut() {
                    for (_, running) in world.running.drain() {
                        running.cancel.cancel();
                        running.task.abort();
                    }
                }
            }
        }
    }

    /// A command that the loop itself makes.
    fn internal(&mut self, workspace: WorkspaceId, command: Command) {
        if let Ok((outcome, changes)) = self.decide(workspace, command) {
            drop(outcome);
            self.send(workspace, changes, Ack::Nobody);
        }
    }

    async fn command(
        &mut self,
        workspace: WorkspaceId,
        command: Command,
        reply: Option<Answer<Outcome>>,
    ) {
        let mut loaded = Vec::new();
        let result = match self.load_for(workspace, &command, &mut loaded).await {
            Ok(()) => {
                let ended = match &command {
                    Command::EndRun { run, .. } => Some(*run),
                    _ => None,
                };
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
                self.send(workspace, changes, ack);
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

    /// Lets the model decide. The state has changed when this returns changes.
    pub(crate) fn decide(
        &mut self,
        workspace: WorkspaceId,
        command: Command,
    ) -> Result<(Outcome, Changes), HostError> {
        let world = self.worlds.get_mut(&workspace).ok_or_else(|| {
            HostError::Refused(Refusal::NotFound(format!(
                "there is no workspace {workspace}"
            )))
        })?;
        if let Some(why) = &world.broken {
            return Err(HostError::Unavailable(why.clone()));
        }
        let plugins = self.shelf.table();
        let base_url = self
            .base_url
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let clock = self.clock.clone();
        let context = Context {
            now: clock.now(),
            ids: &mut || clock.id(),
            tokens: &mut Uuid::new_v4,
            plugins: &plugins,
            limits: &self.limits,
            base_url: &base_url,
        };
        Tx::run(&mut world.state, context, command).map_err(HostError::from)
    }

    /// Sends what has changed to the store. Who waits is told when it has arrived.
    fn send(&mut self, workspace: WorkspaceId, changes: Changes, ack: Ack) {
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return;
        };
        if changes.is_empty() {
            // Still in order: all that was sent before is on disk when this one is.
            let effects = changes.effects;
            world.sent(&[]);
            let flight = Flight {
                workspace,
                trees: Vec::new(),
                effects,
                ack,
            };
            self.in_flight.push_back(Flying {
                submitted: None,
                flight: Some(flight),
            });
            return;
        }
        let (batch, trees) = batch(world, &changes, self.clock.id());
        world.sent(&trees);
        let submitted = self.parts.store.submit(batch);
        let flight = Flight {
            workspace,
            trees,
            effects: changes.effects,
            ack,
        };
        self.in_flight.push_back(Flying {
            submitted: Some(submitted),
            flight: Some(flight),
        });
    }

    fn arrived(&mut self, result: Result<(), CommitError>, flight: Flight) {
        let Flight {
            workspace,
            trees,
            effects,
            ack,
        } = flight;
        let failed = result
            .err()
            .map(|error| format!("what was to be stored could not be: {error}"));
        if let Some(world) = self.worlds.get_mut(&workspace) {
            world.arrived(&trees);
            if let Some(why) = &failed {
                distrust(world, why);
            }
            if world.broken.is_some() && world.in_flight == 0 {
                self.reload_at.get_or_insert(Instant::now() + RELOAD_AFTER);
            }
        }
        match (ack, failed) {
            (Ack::Nobody, _) => {}
            (Ack::Command(reply, outcome), None) => drop(reply.send(Ok(outcome))),
            (Ack::Apply(reply, workspace, outcome), None) => {
                drop(reply.send(Ok((*workspace, outcome))));
            }
            (Ack::Guest(reply, called), None) => drop(reply.send(Ok(called))),
            (Ack::Command(reply, _), Some(why)) => {
                drop(reply.send(Err(HostError::Unavailable(why))));
                return;
            }
            (Ack::Apply(reply, ..), Some(why)) => {
                drop(reply.send(Err(HostError::Unavailable(why))));
                return;
            }
            (Ack::Guest(reply, _), Some(why)) => {
                drop(reply.send(Err(Gone(why))));
                return;
            }
        }
        if self
            .worlds
            .get(&workspace)
            .is_some_and(|world| world.broken.is_none())
        {
            for effect in effects {
                self.effect(workspace, effect);
            }
        }
    }

    async fn guest(
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
            self.send(workspace, changes, Ack::Guest(reply, called));
        } else {
            self.send(workspace, changes, Ack::Nobody);
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
    async fn apply(&mut self, team: TeamSpec, reply: Answer<(Workspace, Outcome)>) {
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
                changes.workspace |= known.is_none();
                let workspace = Box::new(self.worlds[&id].state.workspace.clone());
                self.send(id, changes, Ack::Apply(reply, workspace, outcome));
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

    /// How long until something is due.
    fn due_in(&self) -> Duration {
        let now = self.clock.now();
        let due: Option<Timestamp> = self
            .worlds
            .values()
            .filter_map(|world| world.state.next_timer())
            .min();
        let timer = due.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now)));
        match self.reload_at {
            Some(at) => timer.min(at.saturating_duration_since(Instant::now())),
            None => timer,
        }
    }

    /// Something is due.
    async fn tick(&mut self) {
        let now = self.clock.now();
        let due: Vec<WorkspaceId> = self
            .worlds
            .iter()
            .filter(|(_, world)| {
                world.broken.is_none() && world.state.next_timer().is_some_and(|at| at <= now)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.internal(id, Command::Tick);
        }
        if self.reload_at.is_some_and(|at| at <= Instant::now()) {
            self.reload_at = None;
            self.reload().await;
        }
    }

    /// Reads workspaces again that could not be trusted, once nothing of theirs is on its way.
    async fn reload(&mut self) {
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
                load::world(self.store(), workspace, version).await
            };
            match loaded.await {
                Ok(world) => {
                    self.worlds.insert(id, world);
                    tracing::warn!(workspace = %id, "read the workspace again after a failed write");
                    self.resume_world(id);
                }
                Err(error) => {
                    tracing::error!(workspace = %id, %error, "the workspace cannot be read");
                    self.reload_at = Some(Instant::now() + RELOAD_AFTER);
                }
            }
        }
    }

    pub(crate) fn ledger(&self, workspace: WorkspaceId) -> Arc<LoopLedger> {
        Arc::new(LoopLedger {
            messages: self.messages.clone(),
            store: self.parts.store.clone(),
            workspace,
        })
    }
}

/// The state is ahead of the store and cannot be trusted: nothing more is decided on it, and its runs
/// are dropped. They start over from their journals.
fn distrust(world: &mut World, why: &str) {
    if world.broken.is_none() {
        tracing::error!(workspace = %world.state.workspace.name, why, "a write has failed");
        world.broken = Some(why.to_owned());
    }
    for (_, running) in world.running.drain() {
        running.cancel.cancel();
        running.task.abort();
    }
}

fn stopping() -> HostError {
    HostError::Unavailable("the host is stopping".to_owned())
}

/// Whether a command comes from people, and not from runs that are being ended.
fn is_from_outside(command: &Command) -> bool {
    !matches!(
        command,
        Command::EndRun { .. }
            | Command::Branches { .. }
            | Command::Output { .. }
            | Command::Provisioned { .. }
    )
}
