//! Strategies written in Rust, for simulations. Their calls work on the same session as a component's,
//! so replay, journaling, parking and limits are the real ones; only the guest is missing.

use crate::ending::Finished;
use crate::runner::{Job, RunnerOptions};
use crate::session::Session;
use crate::start::Start;
use adjutant_component::bindings::{Failure, Report, Task};
use adjutant_component::{AgentHost, Stop};
use adjutant_model::Limits;
use async_trait::async_trait;
use std::sync::Arc;

/// A strategy, as a component would be one.
#[async_trait]
pub trait Strategy: Send {
    /// Does the task. An error from a call is handed on with [`Stop::of_call`], as a component cannot
    /// but do.
    async fn work(
        &mut self,
        task: &Task,
        guest: &mut Guest,
    ) -> Result<Result<Report, Failure>, Stop>;
}

/// What a strategy makes its calls on.
pub struct Guest(Session);

impl Guest {
    /// The contract's interfaces.
    pub fn calls(&mut self) -> &mut impl AgentHost {
        &mut self.0
    }
}

/// Executes a run as [`Runner::execute`](crate::Runner::execute) does.
pub async fn execute<C>(
    mut strategy: impl Strategy,
    job: Job<C>,
    options: &RunnerOptions,
    limits: Arc<Limits>,
    crowded: impl Fn() -> bool,
) -> Finished {
    let nobody = "a strategy in Rust has no selector".to_owned();
    let (session, start) = Start::of(job, Err(nobody), limits);
    let mut guest = Guest(session);
    let work = async {
        let answer = strategy.work(&start.task, &mut guest).await?;
        Ok((answer, guest.0))
    };
    start.see_through(work, options, crowded).await
}
