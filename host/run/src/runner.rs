//! Running components: one runner for each host.

use crate::ending::Finished;
use crate::ports::{Chooser, Clock, Ledger};
use crate::session::{Session, Shared};
use crate::start::{Start, broke};
use adjutant_component::{
    Component, Context, Engine, GuestLimits, LoadError, Prepared, PreparedSelector,
};
use adjutant_connect::ports::Worktree;
use adjutant_model::{Agent, Authority, Journal, Limits, Run, Ticket};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
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

/// One start of a run. `C` is what stands for its plugin's code: a component, or, before that is
/// loaded, its digest.
pub struct Job<C = Arc<Component>> {
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
    pub component: C,
    /// Who chooses for this agent, or why nobody does.
    pub chooser: Result<Arc<dyn Chooser>, String>,
    /// The journal so far.
    pub journal: Journal,
    /// The ticket's worktree, if its workspace links repositories.
    pub worktree: Option<Arc<dyn Worktree>>,
    /// Where calls are decided and journaled.
    pub ledger: Arc<dyn Ledger>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// What the run may use at most, whatever its agent is granted.
    pub authority: Authority,
    /// Ends commands under way.
    pub cancel: CancellationToken,
}

impl<C> Job<C> {
    /// The same start with other code.
    pub fn with<D>(self, component: D) -> Job<D> {
        Job {
            run: self.run,
            ticket: self.ticket,
            agent: self.agent,
            boss: self.boss,
            request: self.request,
            component,
            chooser: self.chooser,
            journal: self.journal,
            worktree: self.worktree,
            ledger: self.ledger,
            clock: self.clock,
            authority: self.authority,
            cancel: self.cancel,
        }
    }
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
        let chooser = job.chooser.clone();
        let (session, start) = Start::of(job, chooser, self.limits.clone());
        let work = prepared.work(session, context(&start), &start.task);
        let crowded = || self.engine.permits().is_crowded();
        start.see_through(work, &self.options, crowded).await
    }

    /// Lets go of what was made ready for components that nothing needs, by their digests. Runs under way
    /// keep theirs, and one that comes back is made ready again.
    pub fn retain(&self, is_needed: impl Fn(&str) -> bool) {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.retain(|digest, _| is_needed(digest));
        drop(prepared);
        let mut selectors = self
            .selectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        selectors.retain(|digest, _| is_needed(digest));
    }

    pub(crate) fn prepared(
        &self,
        component: &Arc<Component>,
    ) -> Result<Arc<Prepared<Session>>, LoadError> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = prepared.get(component.digest()) {
            return Ok(known.clone());
        }
        let new = Arc::new(self.engine.prepare::<Session>(component)?);
        prepared.insert(component.digest().to_owned(), new.clone());
        Ok(new)
    }

    pub(crate) fn selector(
        &self,
        component: &Arc<Component>,
    ) -> Result<Arc<PreparedSelector>, LoadError> {
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
}

/// Hands what a guest prints to what the session shares with its driver.
struct Printed(Arc<Shared>);

impl adjutant_component::GuestOutput for Printed {
    fn write(&self, stream: adjutant_component::Stream, bytes: &[u8]) {
        self.0.output.write(stream, bytes);
    }
}

pub(crate) fn context(start: &Start) -> Context {
    let given = &start.agent.limits;
    let limits = GuestLimits {
        guest_time: start.guest_limit(),
        memory: usize::try_from(given.memory_bytes).unwrap_or(usize::MAX),
        hostcall: HOSTCALL_BYTES,
        ..GuestLimits::default()
    };
    let seed = Sha256::digest(start.first.run.0.as_bytes());
    let output: Arc<dyn adjutant_component::GuestOutput> = Arc::new(Printed(start.shared.clone()));
    Context {
        // Workspaces take turns.
        owner: start.agent.workspace.0.as_u128(),
        seed: seed.into(),
        clock: start.guest_clock.clone(),
        output,
        limits,
        time: start.shared.guest_time.clone(),
        args: vec![start.plugin.clone()],
    }
}
