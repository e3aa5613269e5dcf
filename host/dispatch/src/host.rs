//! The host as the layers above see it.

use crate::event_loop::{Answer, Dispatcher, Msg};
use crate::execute::{Components, Execute};
use crate::keys::IdempotencyKey;
use crate::plugins::PluginShelf;
use crate::sources::{SourceOptions, Sources};
use crate::world::Worlds;
use adjutant_component::Engine;
use adjutant_connect::ports::Worktrees;
use adjutant_model::{
    AgentId, Command, Limits, Message, MessageId, NewTicket, Outcome, Plugin, Refusal,
    ReportOutcome, Spend, Status, Ticket, TicketId, Timestamp, Token, WorkspaceId,
};
use adjutant_run::{Clock, Runner, RunnerOptions};
use adjutant_store::{Shortage, Store, records};
use futures::stream::FuturesOrdered;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// A running host. Cheap to clone; every method may be called from anywhere.
///
/// What changes something returns when it is on disk. Lists take a cursor and a limit, which is cut to
/// what one page may hold.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
    /// What is asked through this handle is asked under it.
    key: Option<Arc<IdempotencyKey>>,
}

pub(crate) struct Inner {
    pub(crate) messages: mpsc::Sender<Msg>,
    pub(crate) store: Store,
    pub(crate) shelf: Arc<PluginShelf>,
    /// Asks selectors whom a boss would pick.
    pub(crate) execute: Arc<dyn Execute>,
    /// One backup at a time.
    pub(crate) backups: Arc<Semaphore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Engine,
    pub(crate) turns: crate::turns::Turns,
    pub(crate) limits: Arc<Limits>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) worktrees: Arc<dyn Worktrees>,
    base_url: Arc<RwLock<String>>,
}

/// What a host is made of.
pub struct HostParts {
    /// Where everything is kept.
    pub store: Store,
    /// What runs components.
    pub engine: Engine,
    /// Where tickets get their worktrees.
    pub worktrees: Arc<dyn Worktrees>,
    /// A folder for components, of the host's own.
    pub plugins: PathBuf,
}

/// How a host behaves.
pub struct HostOptions {
    /// How large things may become.
    pub limits: Limits,
    /// How runs are executed.
    pub runner: RunnerOptions,
    /// Plugins that come with the host.
    pub builtins: Vec<Builtin>,
    /// Where other plugins may come from.
    pub sources: SourceOptions,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// Where the HTTP API will be reached, for runs that go on before it listens.
    pub base_url: String,
    /// Messages that may wait for the event loop; past it callers are told to come back.
    pub queue: usize,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            limits: Limits::default(),
            runner: RunnerOptions::default(),
            builtins: Vec::new(),
            sources: SourceOptions::default(),
            clock: Arc::new(crate::SystemClock),
            base_url: "http://127.0.0.1:5174".to_owned(),
            queue: 4_096,
        }
    }
}

/// A plugin that comes with the host.
#[derive(Clone, Debug)]
pub struct Builtin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub wasm: Cow<'static, [u8]>,
}

/// What a report from outside says.
#[derive(Clone, Debug)]
pub struct Reported {
    /// How it went.
    pub outcome: ReportOutcome,
    /// What was done.
    pub summary: String,
    /// The structured result, where there is one.
    pub output: Option<serde_json::Value>,
    /// What that took: tokens and cost, which are charged to the ticket.
    pub usage: Spend,
}

/// Why the host did not do something. Each is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The command was refused, and nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host takes no more at the moment.
    #[error("{what}; try again in {retry_after_s} s")]
    Busy {
        /// What is full.
        what: String,
        /// When it may go again.
        retry_after_s: u64,
    },
    /// The disk has no room for what would have to be stored. Reading goes on.
    #[error("{what}; try again in {retry_after_s} s")]
    Full {
        /// Where there is no room, and what became of the command.
        what: String,
        /// When it may go again.
        retry_after_s: u64,
    },
    /// A component cannot be used.
    #[error("{0}")]
    Plugin(String),
    /// The store did not answer, or the host is stopping.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a host could not start.
#[derive(Debug, thiserror::Error)]
#[error("the host cannot start: {0}")]
pub struct StartError(String);

/// The result of everything the host does.
pub(crate) type Result<T> = std::result::Result<T, HostError>;

impl Host {
    /// Starts a host: reads what is stored, and goes on with what was going on.
    pub async fn start(
        parts: HostParts,
        options: HostOptions,
    ) -> std::result::Result<Host, StartError> {
        // Boxed: it holds all that a host is made of.
        Box::pin(Host::start_with(parts, options, None)).await
    }

    /// Starts a host whose runs are executed by something else than the engine: a simulation.
    pub async fn start_with(
        parts: HostParts,
        options: HostOptions,
        execute: Option<Arc<dyn Execute>>,
    ) -> std::result::Result<Host, StartError> {
        let given = options.sources.clone();
        let sources = tokio::task::spawn_blocking(move || Sources::new(&given)).await;
        let sources = sources.map_err(cannot_start)?.map_err(cannot_start)?;
        let sources = Arc::new(sources);
        let epoch = parts
            .store
            .acquire(records::HOST)
            .await
            .map_err(cannot_start)?;
        let shelf = PluginShelf::open(&parts, epoch, &options)
            .await
            .map_err(cannot_start)?;
        let shelf = Arc::new(shelf);
        crate::backup::sweep(shelf.folder());
        let limits = Arc::new(options.limits.clone());
        let runner = Runner::new(parts.engine.clone(), options.runner.clone(), limits.clone());
        let runner = Arc::new(runner);
        let execute = execute.unwrap_or_else(|| {
            let shelf = shelf.clone();
            Arc::new(Components { shelf, runner })
        });
        let (messages, queue) = mpsc::channel(options.queue.max(1));
        let base_url = Arc::new(RwLock::new(options.base_url.clone()));
        let turns = crate::turns::Turns::default();
        let inner = Inner {
            messages: messages.clone(),
            store: parts.store.clone(),
            shelf: shelf.clone(),
            execute: execute.clone(),
            clock: options.clock.clone(),
            engine: parts.engine.clone(),
            turns: turns.clone(),
            limits: limits.clone(),
            sources: sources.clone(),
            worktrees: parts.worktrees.clone(),
            base_url: base_url.clone(),
            backups: Arc::new(Semaphore::new(1)),
        };
        let held = parts.store.held();
        let mut dispatcher = Dispatcher {
            parts,
            shelf,
            execute,
            limits,
            clock: options.clock.clone(),
            base_url,
            host_epoch: epoch,
            worlds: Worlds::new(),
            messages,
            turns,
            cleaning: JoinSet::new(),
            in_flight: FuturesOrdered::new(),
            starts: 0,
            reload_at: None,
            pace: crate::pace::Pace::new(tokio::time::Instant::now()),
            held,
            was_held: false,
            ending: false,
            draining: None,
            stopping: None,
        };
        dispatcher.recover().await.map_err(cannot_start)?;
        let operator = dispatcher.operator();
        let names: BTreeSet<String> = dispatcher
            .shelf
            .table()
            .iter()
            .map(|one| one.name.clone())
            .collect();
        tokio::spawn(dispatcher.run(queue));
        // What the last host had no time to let go of, or an older one has left.
        if operator.shelf.has_unnamed() {
            operator.free_later();
        }
        // The last run on a drained version may have ended just before the host did.
        for name in names {
            operator.look_drained(&name);
        }
        let host = Host::of(Arc::new(inner));
        host.watch_plugins();
        Ok(host)
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Host {
        Host { key: None, inner }
    }

    /// The host's limits.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Sets where the HTTP API is reached, for the reporting footer. Call once it listens.
    pub fn set_base_url(&self, url: String) {
        *self
            .inner
            .base_url
            .write()
            .unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Prepares to stop. From now on no run starts and nothing that would change anything is taken;
    /// reading goes on. Runs get so much time to reach their end, their next wait, or the next thing
    /// that they would do outside; what is left is dropped and goes on from its journal at the next
    /// start. Gives back how many runs were dropped in the middle of something.
    pub async fn drain(&self, within: Duration) -> usize {
        let (done, drained) = oneshot::channel();
        let message = Msg::Drain { within, done };
        match self.inner.messages.send(message).await {
            Ok(()) => drained.await.unwrap_or_default(),
            // The loop has ended already.
            Err(_) => 0,
        }
    }

    /// Stops taking work, drops the instances (their runs go on at the next start), ends the worktrees
    /// that are being ended, and closes the store.
    pub async fn shutdown(&self) {
        let (done, stopped) = oneshot::channel();
        if self.inner.messages.send(Msg::Stop { done }).await.is_ok() {
            // An error says that the loop has ended already.
            let _ = stopped.await;
        }
    }

    /// Makes a ticket.
    pub async fn create_ticket(&self, workspace: WorkspaceId, new: NewTicket) -> Result<Ticket> {
        self.ticket_command(workspace, Command::CreateTicket(new))
            .await
    }

    /// Gives a ticket to an agent (id or name). `unchanged_since` refuses where the ticket has changed
    /// since that `updated_at`.
    pub async fn assign_ticket(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
        agent: String,
        reason: String,
        unchanged_since: Option<Timestamp>,
    ) -> Result<Ticket> {
        let command = Command::AssignTicket {
            ticket,
            agent,
            reason,
            unchanged_since,
        };
        self.ticket_command(workspace, command).await
    }

    /// Moves a ticket along the graph, or anywhere by force.
    pub async fn set_status(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
        status: Status,
        force: bool,
    ) -> Result<Ticket> {
        self.ticket_command(
            workspace,
            Command::SetStatus {
                ticket,
                status,
                force,
            },
        )
        .await
    }

    /// Cancels a ticket and all below it.
    pub async fn cancel_ticket(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
        reason: String,
    ) -> Result<Ticket> {
        self.ticket_command(workspace, Command::CancelTicket { ticket, reason })
            .await
    }

    /// Lets an agent into a ticket's channel.
    pub async fn add_collaborator(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
        agent: String,
    ) -> Result<Ticket> {
        self.ticket_command(workspace, Command::AddCollaborator { ticket, agent })
            .await
    }

    /// Says something in a ticket's channel, as a person.
    pub async fn post_message(
        &self,
        workspace: WorkspaceId,
        ticket: TicketId,
        author: String,
        text: String,
        reply_to: Option<MessageId>,
    ) -> Result<Message> {
        let author = adjutant_model::Author::Person(author);
        let command = Command::PostMessage {
            ticket,
            author,
            text,
            reply_to,
        };
        match self.command(workspace, command).await? {
            Outcome::Posted(message) => Ok(*message),
            other => Err(strange(&other)),
        }
    }

    /// A report from outside. Gives back the boss's id and name where it was accepted, or why it was
    /// not.
    pub async fn external_report(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
        delegation: Option<TicketId>,
        token: Option<Token>,
        reported: Reported,
    ) -> Result<std::result::Result<Option<(AgentId, String)>, String>> {
        let command = Command::ExternalReport {
            agent,
            delegation,
            token,
            outcome: reported.outcome,
            summary: reported.summary,
            output: reported.output,
            usage: reported.usage,
        };
        match self.command(workspace, command).await? {
            Outcome::External {
                refused: Some(why), ..
            } => Ok(Err(why)),
            Outcome::External { boss: None, .. } => Ok(Ok(None)),
            Outcome::External {
                boss: Some(boss), ..
            } => {
                let name = self
                    .query(move |worlds| {
                        let world = worlds.get(&workspace)?;
                        world.state.agent(boss).map(|agent| agent.name.clone())
                    })
                    .await;
                // The report is taken, also where there is no room for a question about its boss.
                let name = name.ok().flatten().unwrap_or_default();
                Ok(Ok(Some((boss, name))))
            }
            other => Err(strange(&other)),
        }
    }

    /// All plugins, by name.
    pub fn plugins(&self) -> Vec<Plugin> {
        self.inner.shelf.table().iter().cloned().collect()
    }

    pub(crate) async fn ticket_command(
        &self,
        workspace: WorkspaceId,
        command: Command,
    ) -> Result<Ticket> {
        match self.command(workspace, command).await? {
            Outcome::Ticket(ticket) => Ok(*ticket),
            other => Err(strange(&other)),
        }
    }

    /// The same host, on which one change is asked for under a key: it happens once, however often it
    /// is asked for. Registering plugins and saving teams are not covered: the same again changes nothing
    /// anyway.
    #[must_use]
    pub fn with_key(&self, key: IdempotencyKey) -> Host {
        Host {
            inner: self.inner.clone(),
            key: Some(Arc::new(key)),
        }
    }

    pub(crate) fn key(&self) -> Option<&IdempotencyKey> {
        self.key.as_deref()
    }

    /// Whether what is asked under this handle's key has happened already.
    pub async fn has_happened(&self, workspace: WorkspaceId) -> Result<bool> {
        let Some(key) = self.key.clone() else {
            return Ok(false);
        };
        let happened = self.query(move |worlds| {
            let world = worlds.get(&workspace)?;
            world.keys.find(&key).ok().flatten().map(|_| ())
        });
        Ok(happened.await?.is_some())
    }

    async fn command(&self, workspace: WorkspaceId, command: Command) -> Result<Outcome> {
        let key = self.key.as_deref().cloned();
        let outcome = self
            .ask(|reply| match key {
                Some(key) => Msg::Keyed {
                    workspace,
                    key,
                    command,
                    reply,
                },
                None => Msg::Command {
                    workspace,
                    command,
                    reply,
                },
            })
            .await;
        outcome.map_err(|error| match error {
            HostError::Refused(Refusal::Busy(what)) => HostError::Busy {
                what,
                retry_after_s: 5,
            },
            other => other,
        })
    }

    /// Asks the loop for a change. A full queue or a full disk is told at once, and nothing has
    /// happened.
    pub(crate) async fn ask<T>(&self, message: impl FnOnce(Answer<T>) -> Msg) -> Result<T> {
        self.has_room()?;
        let (reply, answer) = oneshot::channel();
        self.hand_in(message(reply))?;
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| stopped())?,
            shortage = self.held_back() => Err(full(format!(
                "{shortage}. What was asked for is kept, and is carried out once there is room: look \
                 before you repeat it"
            ))),
        }
    }

    /// Refuses what would change something where there is no room for it.
    pub(crate) fn has_room(&self) -> Result<()> {
        match self.inner.store.shortage() {
            None => Ok(()),
            Some(shortage) => Err(full(format!("{shortage}. Nothing has changed"))),
        }
    }

    /// Waits until batches have been held back for a while; says why.
    async fn held_back(&self) -> Shortage {
        /// How long someone who waits for an answer is left without one.
        const PATIENCE: Duration = Duration::from_secs(1);
        let mut held = self.inner.store.held();
        loop {
            if held.wait_for(Option::is_some).await.is_err() {
                // The store is gone, and with it whoever would answer: that is told elsewhere.
                return std::future::pending().await;
            }
            tokio::time::sleep(PATIENCE).await;
            if let Some(shortage) = &*held.borrow() {
                return shortage.clone();
            }
        }
    }

    /// Asks how things stand.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Worlds) -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Msg::Query(Box::new(move |worlds| {
            // Whoever asked may have left.
            let _ = reply.send(question(worlds));
        })))?;
        answer.await.map_err(|_| stopped())
    }

    fn hand_in(&self, message: Msg) -> Result<()> {
        self.inner
            .messages
            .try_send(message)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => HostError::Busy {
                    what: "the dispatcher's queue is full".to_owned(),
                    retry_after_s: 1,
                },
                mpsc::error::TrySendError::Closed(_) => stopped(),
            })
    }
}

pub(crate) fn full(what: String) -> HostError {
    HostError::Full {
        what,
        retry_after_s: 5,
    }
}

fn stopped() -> HostError {
    HostError::Unavailable("the host has stopped".to_owned())
}

/// An outcome of another kind than its command's.
pub(crate) fn strange(outcome: &Outcome) -> HostError {
    tracing::error!(
        ?outcome,
        "the dispatcher gave an answer of another kind than its command's"
    );
    HostError::Unavailable("the host has a fault: see its log".to_owned())
}

fn cannot_start(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}
