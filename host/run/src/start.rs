//! One start of a run, whatever runs the strategy's code: a component, or Rust in a simulation.

use crate::convert;
use crate::ending::{Finished, RunStop, why};
use crate::ports::{Chooser, Ledger};
use crate::runner::{Job, RunnerOptions};
use crate::session::{Begin, Session, Shared, check_output, check_text};
use adjutant_component::bindings::{Failure, Report, Task};
use adjutant_component::{GuestClock, Stop};
use adjutant_model::{
    Agent, Ending, First, Left, Limits, RunId, Status, TicketView, Violation, WorkResult, text,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

/// Guest time that is handed in although there is nothing to journal: what is spent is seen, and budgets
/// hold, while a guest computes.
const TIME_ALONE: Duration = Duration::from_millis(100);

/// What is needed to see a start through, beside the session that the strategy's calls work on.
pub(crate) struct Start {
    pub(crate) run: RunId,
    /// What the guest sees of its run.
    pub(crate) first: First,
    pub(crate) agent: Arc<Agent>,
    /// The plugin's name.
    pub(crate) plugin: String,
    pub(crate) task: Task,
    pub(crate) guest_clock: Arc<GuestClock>,
    pub(crate) shared: Arc<Shared>,
    limit: GuestLimit,
    ledger: Arc<dyn Ledger>,
}

impl Start {
    /// Makes a job's session.
    pub(crate) fn of<C>(
        job: Job<C>,
        chooser: Result<Arc<dyn Chooser>, String>,
        limits: Arc<Limits>,
    ) -> (Session, Start) {
        let shared = Arc::new(Shared::new());
        let first = job.run.first();
        let guest_clock = Arc::new(GuestClock::new(first.queued_at.saturating_mul(1_000_000)));
        let start = Start {
            run: job.run.id,
            first,
            agent: job.agent.clone(),
            plugin: job.run.plugin.name.clone(),
            task: task(&job),
            guest_clock: guest_clock.clone(),
            shared: shared.clone(),
            limit: GuestLimit::of(&job, &limits),
            ledger: job.ledger.clone(),
        };
        let session = Session::new(Begin {
            run: job.run.id,
            attempt: job.run.attempt,
            ticket: job.ticket,
            agent: job.agent,
            authority: job.authority,
            request: job.request,
            limits,
            journal: job.journal,
            worktree: job.worktree,
            chooser,
            ledger: job.ledger,
            clock: job.clock,
            guest_clock,
            cancel: job.cancel,
            shared,
        });
        (session, start)
    }

    /// How long the guest may compute.
    pub(crate) fn guest_limit(&self) -> Duration {
        Duration::from_millis(self.limit.ms)
    }

    /// Polls the strategy, and meanwhile hands in what it says, counts its time, and parks it.
    /// `crowded` says whether others wait for the place that it has.
    pub(crate) async fn see_through(
        &self,
        work: impl Future<Output = Result<(Result<Report, Failure>, Session), Stop>>,
        options: &RunnerOptions,
        crowded: impl Fn() -> bool,
    ) -> Finished {
        if let (0, Some(left)) = (self.limit.ms, self.limit.budget) {
            return self.broke(RunStop::OutOfBudget(left).to_string());
        }
        let finished = self.watch(work, options, crowded).await;
        for (stream, text) in self.shared.output.take() {
            self.ledger.output(self.run, stream, text).await;
        }
        finished
    }

    async fn watch(
        &self,
        work: impl Future<Output = Result<(Result<Report, Failure>, Session), Stop>>,
        options: &RunnerOptions,
        crowded: impl Fn() -> bool,
    ) -> Finished {
        tokio::pin!(work);
        let (run, shared, ledger) = (self.run, &*self.shared, &*self.ledger);
        let run_time = self.agent.limits.run_time_ms;
        let mut waiting = shared.waiting.subscribe();
        let mut flush = interval_at(Instant::now() + options.flush_every, options.flush_every);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut busy, mut excused) = (Duration::ZERO, Duration::ZERO);
        let limit = Duration::from_millis(run_time);
        let mut since = Instant::now();
        loop {
            let is_waiting = *waiting.borrow_and_update();
            let until = since
                + if is_waiting {
                    options.park_after
                } else {
                    limit - busy
                };
            tokio::select! {
                biased;
                ended = &mut work => return self.ended_with(ended),
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
                    let held_up = ledger.held_up();
                    if held_up > excused {
                        // The host could take nothing: that time is not the run's.
                        let own = (busy + since.elapsed()).saturating_sub(held_up - excused);
                        (busy, since, excused) = (own.min(limit), Instant::now(), held_up);
                        continue;
                    }
                    let stop = RunStop::RunTime(run_time);
                    return self.broke(stop.to_string());
                }
                _ = flush.tick() => {
                    // Others wait for the place that this one only waits in.
                    if is_waiting && crowded() {
                        return Finished::Parked;
                    }
                    for (stream, text) in shared.output.take() {
                        ledger.output(run, stream, text).await;
                    }
                    let pending = shared.take_pending();
                    if pending.is_empty() && shared.not_handed_in() < TIME_ALONE {
                        continue;
                    }
                    let guest_us = shared.guest_us();
                    if ledger.call(run, pending, guest_us, None, false).await.is_err() {
                        return Finished::Gone;
                    }
                }
            }
        }
    }

    fn ended_with(&self, ended: Result<(Result<Report, Failure>, Session), Stop>) -> Finished {
        match ended {
            Ok((answer, session)) => match session.check_end() {
                Err(stop) => self.stopped(&stop),
                Ok(()) => Finished::Ended {
                    pending: self.shared.take_pending(),
                    guest_us: self.shared.guest_us(),
                    ending: worked(answer, &session),
                },
            },
            Err(Stop::HostStopped(error)) => match error.downcast::<RunStop>() {
                Ok(stop) if matches!(*stop, RunStop::Gone(_)) => Finished::Gone,
                Ok(stop) => self.stopped(&stop),
                Err(other) => self.broke(other.to_string()),
            },
            Err(stop) => match (&stop, self.limit.budget) {
                (Stop::GuestTime { .. }, Some(left)) => {
                    self.broke(RunStop::OutOfBudget(left).to_string())
                }
                (Stop::InstantiateFailed(_), _) => self.broke(why(&stop, self.shared.last_call())),
                _ => self.ended(Ending::Faulted(why(&stop, self.shared.last_call()))),
            },
        }
    }

    fn stopped(&self, stop: &RunStop) -> Finished {
        let why = stop.to_string();
        self.ended(if stop.is_fault() {
            Ending::Faulted(why)
        } else {
            Ending::Broke(why)
        })
    }

    fn broke(&self, why: String) -> Finished {
        self.ended(Ending::Broke(why))
    }

    fn ended(&self, ending: Ending) -> Finished {
        Finished::Ended {
            pending: self.shared.take_pending(),
            guest_us: self.shared.guest_us(),
            ending,
        }
    }
}

/// How long a start may compute. A replay computes again what the run has computed before, so that is
/// added to what a budget has left.
struct GuestLimit {
    ms: u64,
    /// The budget, where that is what limits it, and not the agent's own limit.
    budget: Option<Left>,
}

impl GuestLimit {
    fn of<C>(job: &Job<C>, limits: &Limits) -> GuestLimit {
        let own = GuestLimit {
            ms: job.agent.limits.guest_time_ms,
            budget: None,
        };
        let Some(left) = job.authority.guest_time else {
            return own;
        };
        // One that has begun may always answer.
        let grace = if job.run.calls > 0 || job.run.guest_us > 0 {
            limits.budget_grace_ms
        } else {
            0
        };
        let ms = (job.run.guest_us / 1_000).saturating_add(left.amount().max(grace));
        if own.ms <= ms {
            return own;
        }
        GuestLimit {
            ms,
            budget: Some(left),
        }
    }
}

/// The task, the same at every start: what may change meanwhile is as it was when the run was made.
fn task<C>(job: &Job<C>) -> Task {
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
        attempt: job.run.first().attempt,
        violations: convert::violations(given.violations.clone()),
    }
}

/// A start that could not even begin.
pub(crate) fn broke(pending: Vec<adjutant_model::Pending>, why: String) -> Finished {
    Finished::Ended {
        pending,
        guest_us: 0,
        ending: Ending::Broke(why),
    }
}

/// The strategy's answer, with its output checked.
pub(crate) fn worked(answer: Result<Report, Failure>, session: &Session) -> Ending {
    let (completed, summary, output_json) = match answer {
        Ok(report) => (true, report.summary, report.output_json),
        Err(failure) => (false, failure.summary, failure.output_json),
    };
    if let Err(error) = output_json
        .as_deref()
        .map_or(Ok(()), |text| check_text(text, &session.limits))
    {
        return Ending::Broke(format!("its output is too large: {error}"));
    }
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
        None => check_output(&session.ticket, output.as_ref()),
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
