//! Replaying a run on its own: a component and a journal, and no world behind them.
//!
//! What the journal has is answered from it, and shown to whoever looks on. What it does not have is
//! not answered: there the replay ends, and tells what was asked.
//!
//! Invariants:
//! - Nothing is changed anywhere: no ledger, no worktree, no commands.
//! - What is compared is what a host compares: the calls with their arguments, in order.

use crate::ending::{RunStop, why};
use crate::ports::{Called, Clock, Gone, Ledger};
use crate::runner::{Job, Runner, context};
use crate::session::{LastCall, Session, Shared, stop};
use crate::start::{Start, worked};
use adjutant_component::bindings::{Failure, Report};
use adjutant_component::{Component, HostError, HostResult, LoadError, Stop};
use adjutant_model::{
    Agent, Authority, Call, CallError, ChannelId, Ending, GuestCall, Journal, Limits, Member,
    Message, Pending, Reply, Run, RunId, Ticket, TicketId, Timestamp,
};
use async_trait::async_trait;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A run as it was: all that its strategy was given.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The run.
    pub run: Run,
    /// Its ticket.
    pub ticket: Ticket,
    /// Its agent.
    pub agent: Agent,
    /// The agent that delegated the ticket.
    pub boss: Option<Agent>,
    /// What the person who started it all asked for.
    pub request: String,
    /// The journal.
    pub journal: Journal,
}

/// What is shown of a replay while it goes.
#[derive(Debug)]
pub enum Stage<'a> {
    /// The guest printed something.
    Printed {
        /// `stdout` or `stderr`.
        stream: &'static str,
        /// What.
        text: String,
    },
    /// The guest asked what the journal has, and was answered from it.
    Replayed {
        /// The call's place, from 0.
        index: u32,
        /// When it was answered the first time.
        at: Timestamp,
        /// What was asked.
        call: &'a Call,
        /// What was answered.
        reply: &'a Reply,
    },
}

/// Looks on at a replay.
#[async_trait]
pub trait Onlooker: Send + Sync + 'static {
    /// Is shown what happens, in order; the guest waits meanwhile. `Break` ends the replay there.
    async fn see(&self, stage: Stage<'_>) -> ControlFlow<()>;
}

/// How a replay went.
#[derive(Debug)]
pub struct Replayed {
    /// Calls that were asked as the journal has them.
    pub calls: u32,
    /// How it ended.
    pub end: ReplayEnd,
}

/// Where a replay ended.
#[derive(Debug)]
pub enum ReplayEnd {
    /// The strategy's own end: its answer, or what broke it.
    Ended(Ending),
    /// The journal has another call in this place.
    Diverged {
        /// The call's place.
        index: u32,
        /// What the journal has.
        journaled: Box<Call>,
        /// What the replay asked.
        asked: Box<Call>,
    },
    /// It ended before its journal.
    EndedEarly {
        /// What the journal has next.
        journaled: Box<Call>,
        /// How it ended instead.
        ending: Ending,
    },
    /// The journal is at its end, and the strategy goes on.
    Asks {
        /// What it asks next.
        asked: Box<Call>,
    },
    /// The journal ends with a wait that nobody has answered.
    Waits {
        /// What is waited for.
        call: Box<Call>,
    },
    /// The onlooker wanted no more.
    Stopped,
}

impl Runner {
    /// Runs a component against a journal, whichever component that is.
    ///
    /// # Errors
    /// The component cannot be linked as a subordinate or a boss.
    pub async fn replay(
        &self,
        recording: Recording,
        component: Arc<Component>,
        onlooker: Arc<dyn Onlooker>,
    ) -> Result<Replayed, LoadError> {
        let prepared = self.prepared(&component)?;
        let job = job(recording, component);
        let chooser = Err(NO_WORLD.to_owned());
        let (mut session, start) = Start::of(job, chooser, Arc::new(Limits::default()));
        let calls: Vec<Call> = session.journaled().cloned().collect();
        let offline = Arc::new(Offline {
            onlooker,
            calls: AtomicU32::new(0),
        });
        session.go_offline(offline.clone());
        let ended = prepared.work(session, context(&start), &start.task).await;
        offline.printed(&start.shared).await;
        let end = end_of(ended, start.shared.last_call());
        let made = offline.calls.load(Ordering::Relaxed);
        let end = match (end, calls.get(made as usize)) {
            (ReplayEnd::Ended(ending), Some(journaled)) => ReplayEnd::EndedEarly {
                journaled: Box::new(journaled.clone()),
                ending,
            },
            (end, _) => end,
        };
        Ok(Replayed { calls: made, end })
    }
}

/// The start of a recorded run, with nothing behind it.
fn job(recording: Recording, component: Arc<Component>) -> Job {
    Job {
        run: recording.run,
        ticket: Arc::new(recording.ticket),
        agent: Arc::new(recording.agent),
        boss: recording.boss.map(Arc::new),
        request: recording.request,
        component,
        chooser: Err(NO_WORLD.to_owned()),
        journal: recording.journal,
        worktree: None,
        ledger: Arc::new(NoWorld),
        clock: Arc::new(NoWorld),
        authority: Authority::default(),
        cancel: CancellationToken::new(),
    }
}

fn end_of(
    ended: Result<(Result<Report, Failure>, Session), Stop>,
    last_call: Option<LastCall>,
) -> ReplayEnd {
    let broke = |why: String| ReplayEnd::Ended(Ending::Broke(why));
    match ended {
        Ok((answer, session)) => ReplayEnd::Ended(worked(answer, &session)),
        Err(Stop::HostStopped(error)) => match error.downcast::<RunStop>() {
            Ok(stop) => match *stop {
                RunStop::Diverged {
                    index,
                    journaled,
                    asked,
                } => ReplayEnd::Diverged {
                    index,
                    journaled,
                    asked,
                },
                RunStop::PastTheEnd { asked, .. } => ReplayEnd::Asks { asked },
                RunStop::StillWaits { call, .. } => ReplayEnd::Waits { call },
                RunStop::Enough(_) => ReplayEnd::Stopped,
                stop => broke(stop.to_string()),
            },
            Err(other) => broke(other.to_string()),
        },
        Err(stop) => broke(why(&stop, last_call)),
    }
}

/// What a session has instead of a world.
pub(crate) struct Offline {
    onlooker: Arc<dyn Onlooker>,
    calls: AtomicU32,
}

impl Offline {
    /// Shows what was printed since the last call.
    pub(crate) async fn printed(&self, shared: &Shared) {
        for (stream, text) in shared.output.take() {
            // The next call asks again whether it is enough.
            let _ = self.onlooker.see(Stage::Printed { stream, text }).await;
        }
    }

    /// Shows a call that was answered from the journal.
    pub(crate) async fn replayed(
        &self,
        index: u32,
        at: Timestamp,
        call: &Call,
        reply: &Reply,
    ) -> HostResult<()> {
        self.calls.store(index + 1, Ordering::Relaxed);
        let stage = Stage::Replayed {
            index,
            at,
            call,
            reply,
        };
        match self.onlooker.see(stage).await {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(stop(RunStop::Enough(index))),
        }
    }

    /// The end of the replay at a call that the journal does not have.
    pub(crate) async fn past_the_end(&self, index: u32, call: &Call, shared: &Shared) -> HostError {
        self.printed(shared).await;
        stop(RunStop::PastTheEnd {
            index,
            asked: Box::new(call.clone()),
        })
    }
}

const NO_WORLD: &str = "this is a replay: there is no host behind it";

/// The ports of a run, with nothing behind them. A replay ends before it needs one.
struct NoWorld;

fn gone<T>() -> Result<T, Gone> {
    Err(Gone(NO_WORLD.to_owned()))
}

#[async_trait]
impl Ledger for NoWorld {
    async fn call(
        &self,
        _: RunId,
        _: Vec<Pending>,
        _: u64,
        _: Option<GuestCall>,
        _: bool,
    ) -> Result<Called, Gone> {
        gone()
    }

    async fn resume(&self, _: RunId) -> Result<Called, Gone> {
        gone()
    }

    async fn team(&self, _: RunId) -> Result<Vec<Member>, Gone> {
        gone()
    }

    async fn channel(
        &self,
        _: RunId,
        _: Option<TicketId>,
    ) -> Result<Result<ChannelId, CallError>, Gone> {
        gone()
    }

    async fn messages(&self, _: ChannelId, _: u64, _: usize) -> Result<(Vec<Message>, bool), Gone> {
        gone()
    }

    async fn output(&self, _: RunId, _: &'static str, _: String) {}
}

impl Clock for NoWorld {
    fn now(&self) -> Timestamp {
        0
    }

    fn id(&self) -> Uuid {
        Uuid::nil()
    }
}
