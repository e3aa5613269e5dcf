//! Starting a run, and seeing it through to its end, its next wait, or its limits.

use crate::convert;
use crate::ending::{Finished, RunStop, why};
use crate::ports::{Clock, Ledger};
use crate::selecting::Chooser;
use crate::session::{Begin, Session, Shared, check_output};
use adjutant_component::bindings::{Failure, Report, Task};
use adjutant_component::{
    Component, Context, Engine, GuestClock, GuestLimits, LoadError, Prepared, PreparedSelector,
    Stop,
};
use adjutant_connect::ports::Worktree;
use adjutant_model::{
    Agent, Ending, Journal, Limits, Run, Status, Ticket, TicketView, Violation, WorkResult, text,
};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

/// Bytes that one host call may bring from a guest. Well below what the store takes in one batch, for
/// a call is journaled whole.
const HOSTCALL_BYTES: usize = 8 << 20;

/// Executes runs. Cheap to share; one for each host.
pub struct Runner {
    engine: Engine,
    options: RunnerOptions,
    limits: Arc<Limits>,
    prepared: Mutex<HashMap<String, Arc<Prepared<Session>>>>,
    selectors: Mutex<HashMap<String, Arc<PreparedSelector>>>,
}

/// How runs are executed.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// How long a run waits in memory before its instance is dropped.
    pub park_after: Duration,
    /// How often what a run says and prints is handed in while it computes.
    pub flush_every: Duration,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        RunnerOptions {
            park_after: Duration::from_secs(5),
            flush_every: Duration::from_millis(100),
        }
    }
}

/// One start of a run.
pub struct Job {
    /// The run.
    pub run: Run,
    /// Its ticket, as it was when the run was started.
    pub ticket: Arc<Ticket>,
    /// Its agent, likewise.
    pub agent: Arc<Agent>,
    /// The agent that delegated the ticket.
    pub boss: Option<Arc<Agent>>,
    /// What the person who started it all asked for.
    pub request: String,
    /// The plugin's component.
    pub component: Arc<Component>,
    /// The component that chooses for this agent, or why there is none.
    pub selector: Result<Arc<Component>, String>,
    /// The journal so far.
    pub journal: Journal,
    /// The ticket's worktree, if its workspace links repositories.
    pub worktree: Option<Arc<dyn Worktree>>,
    /// Where calls are decided and journaled.
    pub ledger: Arc<dyn Ledger>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// Ends commands under way.
    pub cancel: CancellationToken,
}

impl Runner {
    /// A runner on an engine.
    pub fn new(engine: Engine, options: RunnerOptions, limits: Arc<Limits>) -> Runner {
        Runner {
            engine,
            options,
            limits,
            prepared: Mutex::default(),
            selectors: Mutex::default(),
        }
    }

    /// The engine that it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs a strategy until it ends or is parked. Dropping the future drops the instance and all
    /// that it started; what was handed in stays journaled.
    pub async fn execute(&self, job: Job) -> Finished {
        let prepared = match self.prepared(&job.component) {
            Ok(prepared) => prepared,
            Err(error) => return broke(Vec::new(), error.to_string()),
        };
        let chooser: Chooser = match &job.selector {
            Ok(component) => self.selector(component).map_err(|error| error.to_string()),
            Err(why) => Err(why.clone()),
        };
        let shared = Arc::new(Shared::new());
        let guest_clock = Arc::new(GuestClock::new(job.run.queued_at.saturating_mul(1_000_000)));
        let context = self.context(&job, guest_clock.clone(), &shared);
        let task = task(&job);
        let run_time = job.agent.limits.run_time_ms;
        let (run, ledger) = (job.run.id, job.ledger.clone());
        let session = Session::new(Begin {
            run,
            ticket: job.ticket,
            agent: job.agent,
            request: job.request,
            limits: self.limits.clone(),
            journal: job.journal,
            worktree: job.worktree,
            chooser,
            ledger: job.ledger,
            clock: job.clock,
            guest_clock,
            cancel: job.cancel,
            shared: shared.clone(),
        });
        let work = prepared.work(session, context, &task);
        let finished = self
            .see_through(work, run, &*ledger, &shared, run_time)
            .await;
        for (stream, text) in shared.output.take() {
            ledger.output(run, stream, text).await;
        }
        finished
    }

    /// Polls the guest, and meanwhile hands in what it says, counts its time, and parks it.
    async fn see_through(
        &self,
        work: impl Future<Output = Result<(Result<Report, Failure>, Session), Stop>>,
        run: adjutant_model::RunId,
        ledger: &dyn Ledger,
        shared: &Shared,
        run_time: u64,
    ) -> Finished {
        tokio::pin!(work);
        let mut waiting = shared.waiting.subscribe();
        let mut flush = interval_at(
            Instant::now() + self.options.flush_every,
            self.options.flush_every,
        );
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut busy = Duration::ZERO;
        let limit = Duration::from_millis(run_time);
        let mut since = Instant::now();
        loop {
            let is_waiting = *waiting.borrow_and_update();
            let until = since
                + if is_waiting {
                    self.options.park_after
                } else {
                    limit - busy
                };
            tokio::select! {
                biased;
                ended = &mut work => return ended_with(ended, shared).await,
                _ = waiting.changed() => {
                    if !is_waiting {
                        busy = (busy + since.elapsed()).min(limit);
                    }
                    since = Instant::now();
                }
                () = sleep_until(until) => {
                    if is_waiting {
                        return Finished::Parked;
                    }
                    let stop = RunStop::RunTime(run_time);
                    return broke(shared.take_pending(), stop.to_string());
                }
                _ = flush.tick() => {
                    // Others wait for the place that this one only waits in.
                    if is_waiting && self.engine.permits().available_permits() == 0 {
                        return Finished::Parked;
                    }
                    for (stream, text) in shared.output.take() {
                        ledger.output(run, stream, text).await;
                    }
                    let pending = shared.take_pending();
                    if !pending.is_empty() && ledger.call(run, pending, None, false).await.is_err() {
                        return Finished::Gone;
                    }
                }
            }
        }
    }

    fn prepared(&self, component: &Arc<Component>) -> Result<Arc<Prepared<Session>>, LoadError> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = prepared.get(component.digest()) {
            return Ok(known.clone());
        }
        let new = Arc::new(self.engine.prepare::<Session>(component)?);
        prepared.insert(component.digest().to_owned(), new.clone());
        Ok(new)
    }

    fn selector(&self, component: &Arc<Component>) -> Result<Arc<PreparedSelector>, LoadError> {
        let mut selectors = self
            .selectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = selectors.get(component.digest()) {
            return Ok(known.clone());
        }
        let new = Arc::new(self.engine.prepare_selector(component)?);
        selectors.insert(component.digest().to_owned(), new.clone());
        Ok(new)
    }

    fn context(&self, job: &Job, clock: Arc<GuestClock>, shared: &Arc<Shared>) -> Context {
        let limits = GuestLimits {
            guest_time: Duration::from_millis(job.agent.limits.guest_time_ms),
            memory: usize::try_from(job.agent.limits.memory_bytes).unwrap_or(usize::MAX),
            hostcall: HOSTCALL_BYTES,
            ..GuestLimits::default()
        };
        let seed = Sha256::digest(job.run.id.0.as_bytes());
        let output: Arc<dyn adjutant_component::GuestOutput> = Arc::new(Printed(shared.clone()));
        Context {
            seed: seed.into(),
            clock,
            output,
            limits,
            args: vec![job.run.plugin.name.clone()],
        }
    }
}

/// Hands what a guest prints to what the session shares with its driver.
struct Printed(Arc<Shared>);

impl adjutant_component::GuestOutput for Printed {
    fn write(&self, stream: adjutant_component::Stream, bytes: &[u8]) {
        self.0.output.write(stream, bytes);
    }
}

/// The task, the same at every start: what may change meanwhile is as it was when the run was made.
fn task(job: &Job) -> Task {
    let boss = job.boss.as_deref();
    let given = &job.run.given;
    let mut view = TicketView::from(&*job.ticket);
    view.status = Status::InProgress;
    view.output = None;
    view.summary = String::new();
    let agent = Agent {
        class: given.class.clone(),
        description: given.description.clone(),
        skills: given.skills.clone(),
        ..(*job.agent).clone()
    };
    Task {
        ticket: convert::ticket(view),
        agent: convert::agent(&agent),
        briefing: text::briefing(&job.ticket, boss, &job.request),
        request: job.request.clone(),
        config_json: given.config_json.clone(),
        attempt: job.run.attempt,
        violations: convert::violations(given.violations.clone()),
    }
}

async fn ended_with(
    ended: Result<(Result<Report, Failure>, Session), Stop>,
    shared: &Shared,
) -> Finished {
    let pending = shared.take_pending();
    match ended {
        Ok((answer, session)) => match session.check_end() {
            Err(stop) => broke(pending, stop.to_string()),
            Ok(()) => Finished::Ended {
                pending,
                ending: worked(answer, &session).await,
            },
        },
        Err(Stop::HostStopped(error)) => match error.downcast::<RunStop>() {
            Ok(stop) if matches!(*stop, RunStop::Gone(_)) => Finished::Gone,
            Ok(stop) => broke(pending, stop.to_string()),
            Err(other) => broke(pending, other.to_string()),
        },
        Err(stop) => broke(pending, why(&stop)),
    }
}

fn broke(pending: Vec<adjutant_model::Pending>, why: String) -> Finished {
    Finished::Ended {
        pending,
        ending: Ending::Broke(why),
    }
}

/// The strategy's answer, with its output checked.
async fn worked(answer: Result<Report, Failure>, session: &Session) -> Ending {
    let (completed, summary, output_json) = match answer {
        Ok(report) => (true, report.summary, report.output_json),
        Err(failure) => (false, failure.summary, failure.output_json),
    };
    let (output, violations) = match output_json.as_deref().map(serde_json::from_str) {
        Some(Ok(output)) => (Some(output), None),
        Some(Err(error)) => (
            None,
            Some(vec![Violation::new(
                "",
                format!("the output is not JSON: {error}"),
            )]),
        ),
        None => (session.accepted.clone(), None),
    };
    let violations = match violations {
        Some(violations) => violations,
        None => check_output(&session.ticket, output.as_ref()).await,
    };
    let result = WorkResult {
        completed,
        summary,
        output,
    };
    Ending::Worked {
        result,
        violations,
        branches: Vec::new(),
    }
}
