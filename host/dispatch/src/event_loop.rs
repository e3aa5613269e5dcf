//! The event loop: messages in, decisions, batches out; acknowledgements and effects when those are on
//! disk.

use crate::batch::{batch, weight};
use crate::commands::HandedIn;
use crate::execute::Execute;
use crate::host::{HostError, HostParts};
use crate::intake::Intake;
use crate::keys::IdempotencyKey;
use crate::ledger::LoopLedger;
use crate::pace::Pace;
use crate::plugins::PluginShelf;
use crate::stop::{Draining, is_from_outside, stopping};
use crate::world::Worlds;
use adjutant_model::{
    Agent, Changes, Command, Context, Effect, EventKind, GuestCall, Limits, Outcome, Pending,
    Refusal, RunId, TeamSpec, TicketId, Timestamp, Tx, Workspace, WorkspaceId,
};
use adjutant_run::{Called, Clock, Gone};
use adjutant_store::{CommitError, Shortage, Store, Submitted};
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{self, Poll, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Batches that may be on their way; while there are as many, no message is taken.
const MOST_IN_FLIGHT: usize = 1_024;
/// How long to wait before a workspace that could not be read is read again.
pub(crate) const RELOAD_AFTER: Duration = Duration::from_secs(1);
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
    /// A command that is to happen once, however often it is handed in under the same key.
    Keyed {
        workspace: WorkspaceId,
        key: IdempotencyKey,
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
        guest_us: u64,
        call: Option<GuestCall>,
        durable: bool,
        /// The run is about to do something outside: the last place where it can be dropped without
        /// doing that twice.
        barrier: bool,
        reply: oneshot::Sender<Result<Called, Gone>>,
    },
    /// A replayed run takes up its wait.
    Resume {
        workspace: WorkspaceId,
        run: RunId,
        reply: oneshot::Sender<Result<Called, Gone>>,
    },
    /// A run's task is over, because its run is, because it waits, or by an accident.
    Left {
        workspace: WorkspaceId,
        run: RunId,
        start: u64,
        parked: bool,
    },
    /// What new runs of a plugin take has changed: workspaces that use it are told.
    PluginsChanged {
        plugin: String,
        news: Vec<EventKind>,
        /// Gets what ends when each workspace that is told has it on disk.
        told: oneshot::Sender<Vec<Told>>,
    },
    /// A question about how things stand.
    Query(Question),
    /// The host is to stop soon: runs come to an end or a halt within that time. The answer says how
    /// many had to be dropped in the middle.
    Drain {
        within: Duration,
        done: oneshot::Sender<usize>,
    },
    /// The host is to stop.
    Stop { done: oneshot::Sender<()> },
}

impl Msg {
    /// The workspace that it concerns, if it is one.
    pub(crate) fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Msg::Command { workspace, .. }
            | Msg::Keyed { workspace, .. }
            | Msg::Guest { workspace, .. }
            | Msg::Resume { workspace, .. }
            | Msg::Left { workspace, .. } => Some(*workspace),
            Msg::Apply { .. }
            | Msg::PluginsChanged { .. }
            | Msg::Query(_)
            | Msg::Drain { .. }
            | Msg::Stop { .. } => None,
        }
    }
}

/// A question, put to the worlds between two decisions.
pub(crate) type Question = Box<dyn FnOnce(&Worlds) + Send>;

/// Says that what a workspace was told is on disk.
pub(crate) type Told = oneshot::Receiver<Result<Outcome, HostError>>;

/// Where an answer to the layers above goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, HostError>>;

/// The dispatcher.
pub(crate) struct Dispatcher {
    pub(crate) parts: HostParts,
    pub(crate) shelf: Arc<PluginShelf>,
    pub(crate) execute: Arc<dyn Execute>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) base_url: Arc<RwLock<String>>,
    pub(crate) host_epoch: u64,
    pub(crate) worlds: Worlds,
    pub(crate) messages: mpsc::Sender<Msg>,
    /// How many times runs were started.
    pub(crate) starts: u64,
    /// Who is at which ticket's worktree: runs, and cleanings that end them.
    pub(crate) turns: crate::turns::Turns,
    /// Worktrees that are being ended, and tasks that are being waited for.
    pub(crate) cleaning: JoinSet<()>,
    pub(crate) in_flight: FuturesOrdered<Flying>,
    pub(crate) reload_at: Option<Instant>,
    pub(crate) pace: Pace,
    /// Whether batches are held back for lack of room.
    pub(crate) held: watch::Receiver<Option<Shortage>>,
    /// Whether they were when that was looked at last.
    pub(crate) was_held: bool,
    /// The host is stopping, or about to: no run starts, and nothing comes in from outside.
    pub(crate) ending: bool,
    pub(crate) draining: Option<Draining>,
    pub(crate) stopping: Option<oneshot::Sender<()>>,
}

/// A batch on its way, and what is to be done when it has arrived.
pub(crate) struct Flight {
    workspace: WorkspaceId,
    weight: usize,
    trees: Vec<TicketId>,
    effects: Vec<Effect>,
    /// The run that wanted it.
    run: Option<RunId>,
    ack: Ack,
}

/// A flight until it arrives. Without a batch it arrives when it is its turn.
pub(crate) struct Flying {
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
pub(crate) enum Ack {
    Nobody,
    Command(Answer<Outcome>, Outcome),
    Apply(Answer<(Workspace, Outcome)>, Box<Workspace>, Outcome),
    Guest(oneshot::Sender<Result<Called, Gone>>, Called),
    /// The run is dropped, for the host is stopping.
    Park(oneshot::Sender<Result<Called, Gone>>),
}

impl Dispatcher {
    pub(crate) fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Msg>) {
        let mut intake = Intake::default();
        loop {
            self.drained();
            if self.stopping.is_some() && self.landed() && self.cleaning.is_empty() {
                break;
            }
            let mut due = self.due_in();
            if due.is_zero() {
                // However many messages there are, what is due happens.
                self.tick().await;
                due = self.due_in();
            }
            while !intake.is_full()
                && let Ok(message) = messages.try_recv()
            {
                intake.push(message);
            }
            // What has arrived comes first: it lets others go on.
            if let Some(Some((result, flight))) = self.in_flight.next().now_or_never() {
                self.arrived(result, flight);
                continue;
            }
            // Without room nothing arrives, and yet questions are answered and the host can be stopped.
            // What is handed in meanwhile is bounded: whoever asks is refused, and runs wait.
            let no_room = self.has_no_room();
            let few = no_room || self.in_flight.len() < MOST_IN_FLIGHT;
            let now = Instant::now();
            let may = |id| no_room || self.pace.may_send(id, &self.worlds, now);
            let next = few.then(|| intake.pop(may));
            if let Some(message) = next.flatten() {
                self.handle(message).await;
                tokio::task::consume_budget().await;
                continue;
            }
            if let Some(rest) = self.pace.rest_left(now) {
                due = due.min(rest);
            }
            tokio::select! {
                biased;
                Some((result, flight)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.arrived(result, flight);
                }
                Some(_) = self.cleaning.join_next(), if !self.cleaning.is_empty() => {}
                message = messages.recv(), if !intake.is_full() => {
                    match message {
                        Some(message) => intake.push(message),
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

    /// Whether batches are held back for lack of room. Where they were and are no longer, silence is
    /// counted afresh: runs that could hand nothing in were not silent of their own accord.
    fn has_no_room(&mut self) -> bool {
        // Also where it has come and gone since it was looked at last.
        let changed = self.held.has_changed().unwrap_or_default();
        let no_room = self.held.borrow_and_update().is_some();
        let was_held = std::mem::replace(&mut self.was_held, no_room);
        if (was_held || changed) && !no_room {
            let trusted = self
                .worlds
                .iter()
                .filter(|(_, world)| world.broken.is_none());
            let ids: Vec<WorkspaceId> = trusted.map(|(id, _)| *id).collect();
            for id in ids {
                self.internal(id, Command::Recover);
            }
        }
        no_room
    }

    async fn handle(&mut self, message: Msg) {
        match message {
            Msg::Command {
                workspace,
                command,
                reply,
            } => {
                if self.ending && is_from_outside(&command) {
                    let _ = reply.send(Err(stopping()));
                    return;
                }
                self.command(workspace, command, None, Some(reply)).await;
            }
            Msg::Keyed {
                workspace,
                key,
                command,
                reply,
            } => self.keyed(workspace, key, command, reply).await,
            Msg::Apply { team, reply } => self.apply(team, reply).await,
            Msg::Guest {
                workspace,
                run,
                pending,
                guest_us,
                call,
                durable,
                barrier,
                reply,
            } => {
                let how = HandedIn {
                    durable,
                    barrier,
                    guest_us,
                };
                self.guest(workspace, run, pending, call, how, reply).await;
            }
            Msg::Resume {
                workspace,
                run,
                reply,
            } => self.resume(workspace, run, reply),
            Msg::Left {
                workspace,
                run,
                start,
                parked,
            } => self.left(workspace, run, start, parked),
            Msg::PluginsChanged { plugin, news, told } => {
                // Whoever changed it may not wait.
                let _ = told.send(self.plugins_changed(&plugin, &news));
            }
            Msg::Query(question) => question(&self.worlds),
            Msg::Drain { within, done } => self.drain(within, done),
            Msg::Stop { done } => {
                self.ending = true;
                self.stopping = Some(done);
                self.shelf.free_no_more();
                self.drop_runs(|_| true);
            }
        }
    }

    /// Tells the workspaces that use a plugin what new runs of it take.
    fn plugins_changed(&mut self, plugin: &str, news: &[EventKind]) -> Vec<Told> {
        let uses = |agent: &Agent| {
            agent.plugin.name == plugin || crate::choosing::selector_of(agent).name == plugin
        };
        let ids: Vec<WorkspaceId> = self
            .worlds
            .iter()
            .filter(|(_, world)| world.broken.is_none() && world.state.agents().any(uses))
            .map(|(id, _)| *id)
            .collect();
        let mut told = Vec::new();
        for id in ids {
            let news = news.to_vec();
            if let Ok((outcome, changes)) = self.decide(id, Command::PluginsChanged { news }) {
                let (reply, arrived) = oneshot::channel();
                self.send(id, None, changes, Ack::Command(reply, outcome));
                told.push(arrived);
            }
        }
        told
    }

    /// A command that the loop itself makes.
    pub(crate) fn internal(&mut self, workspace: WorkspaceId, command: Command) {
        if let Ok((outcome, changes)) = self.decide(workspace, command) {
            drop(outcome);
            self.send(workspace, None, changes, Ack::Nobody);
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
            tokens: &mut || clock.token(),
            plugins: &plugins,
            limits: &self.limits,
            base_url: &base_url,
        };
        Tx::run(&mut world.state, context, command).map_err(HostError::from)
    }

    /// Sends what has changed to the store. Who waits is told when it has arrived.
    pub(crate) fn send(
        &mut self,
        workspace: WorkspaceId,
        run: Option<RunId>,
        changes: Changes,
        ack: Ack,
    ) {
        self.send_keeping(workspace, run, changes, Vec::new(), ack);
    }

    /// The same, with records that are stored along with what has changed.
    pub(crate) fn send_keeping(
        &mut self,
        workspace: WorkspaceId,
        run: Option<RunId>,
        changes: Changes,
        keep: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        ack: Ack,
    ) {
        let Some(world) = self.worlds.get_mut(&workspace) else {
            return;
        };
        if changes.is_empty() && keep.is_empty() {
            // Still in order: all that was sent before is on disk when this one is.
            let effects = changes.effects;
            world.sent(&[]);
            let flight = Flight {
                workspace,
                weight: 0,
                trees: Vec::new(),
                effects,
                run,
                ack,
            };
            self.in_flight.push_back(Flying {
                submitted: None,
                flight: Some(flight),
            });
            return;
        }
        let (mut batch, trees) = batch(world, &changes, self.clock.id());
        batch.put.extend(keep);
        let weight = weight(&batch);
        world.in_flight_weight += weight;
        self.pace.sent(workspace, weight, Instant::now());
        world.sent(&trees);
        let submitted = self.parts.store.submit(batch);
        let flight = Flight {
            workspace,
            weight,
            trees,
            effects: changes.effects,
            run,
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
            weight,
            trees,
            effects,
            run,
            ack,
        } = flight;
        let too_large = matches!(result, Err(CommitError::TooLarge { .. }));
        let failed = result
            .err()
            .map(|error| format!("what was to be stored could not be: {error}"));
        if let Some(world) = self.worlds.get_mut(&workspace) {
            world.in_flight -= 1;
            world.in_flight_weight = world.in_flight_weight.saturating_sub(weight);
            if let Some(why) = &failed {
                crate::recovery::distrust(world, why);
                if let Some(run) = run.filter(|_| too_large) {
                    world.too_large.insert(run, why.clone());
                }
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
            (Ack::Park(reply), None) => drop(reply.send(Err(crate::stop::parked()))),
            (Ack::Command(reply, _), Some(why)) => {
                drop(reply.send(Err(HostError::Unavailable(why))));
                return;
            }
            (Ack::Apply(reply, ..), Some(why)) => {
                drop(reply.send(Err(HostError::Unavailable(why))));
                return;
            }
            (Ack::Guest(reply, _) | Ack::Park(reply), Some(why)) => {
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
        // After the effects, which look up runs and tickets of a tree that may be over.
        if let Some(world) = self.worlds.get_mut(&workspace) {
            world.let_go(&trees);
        }
    }

    /// How long until something is due.
    fn due_in(&self) -> Duration {
        let stop = self.stop_in().unwrap_or(IDLE);
        if self.no_room() {
            // Nothing could come of it.
            return stop.min(RELOAD_AFTER);
        }
        let now = self.clock.now();
        let due: Option<Timestamp> = self
            .worlds
            .values()
            .filter(|world| world.broken.is_none())
            .filter_map(|world| world.state.next_timer())
            .min();
        let timer = due.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now)));
        match self.reload_at {
            Some(at) => stop.min(timer.min(at.saturating_duration_since(Instant::now()))),
            None => stop.min(timer),
        }
    }

    /// Something is due.
    async fn tick(&mut self) {
        if self.has_no_room() {
            return;
        }
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

    pub(crate) fn ledger(&self, workspace: WorkspaceId) -> Arc<LoopLedger> {
        Arc::new(LoopLedger {
            messages: self.messages.clone(),
            store: self.parts.store.clone(),
            workspace,
            held_up: Mutex::default(),
        })
    }
}
