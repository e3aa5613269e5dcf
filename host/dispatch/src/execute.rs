//! What executes runs: components, or, in a simulation, something else.

use crate::plugins::PluginShelf;
use adjutant_model::{AgentId, Choice, Ending, Member, WorkspaceId};
use adjutant_run::{Asked, Finished, Job, NoChoice, Runner};
use async_trait::async_trait;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Executes runs. All that decides, journals and recovers is the dispatcher's and the session's; this
/// is only where a strategy's code comes from.
#[async_trait]
pub trait Execute: Send + Sync + 'static {
    /// Runs a strategy, whose code the job names by its digest, until it ends or is parked. Dropping
    /// the future drops all that it started.
    async fn execute(&self, job: Job<String>) -> Finished;

    /// Begins a run's task, in which all of [`Execute::execute`] happens, where a workspace's runs are
    /// to compute.
    fn begin(&self, workspace: WorkspaceId, task: BoxFuture<'static, ()>) {
        // Unless somebody knows better. Who wants to know how it ends is told by the task.
        let _ = workspace;
        drop(tokio::spawn(task));
    }

    /// Whom a selector, named by its digest, picks among candidates, the best first; there is one. It
    /// computes within the caller's task, one that [`Execute::begin`] has begun.
    ///
    /// # Errors
    /// The selector cannot be used, broke, or found nobody.
    async fn choose(
        &self,
        selector: &str,
        asked: &Asked<'_>,
        team: &[Member],
    ) -> Result<Vec<(AgentId, Choice)>, NoChoice>;

    /// Lets go of what it keeps for components that nothing needs, by their digests. Runs under way keep
    /// what they have.
    fn retain(&self, is_needed: &dyn Fn(&str) -> bool) {
        // Unless somebody keeps something.
        let _ = is_needed;
    }
}

/// Executes components.
pub(crate) struct Components {
    pub(crate) shelf: Arc<PluginShelf>,
    pub(crate) runner: Arc<Runner>,
}

#[async_trait]
impl Execute for Components {
    async fn execute(&self, mut job: Job<String>) -> Finished {
        let broke = |why: String| Finished::Ended {
            pending: Vec::new(),
            guest_us: 0,
            ending: Ending::Broke(why),
        };
        let component = match self.shelf.component(&job.component).await {
            Ok(component) => component,
            Err(error) => return broke(error.to_string()),
        };
        // Known since it was loaded, also where its version was removed.
        let table = self.shelf.table();
        if let Some(why) = table.unusable(&job.component) {
            // What it wants cannot bound it.
            return broke(format!("its plugin cannot be used: {why}"));
        }
        let described = table.described(&job.component);
        job.authority.manifest = described.map(|described| described.manifest.clone());
        // Boxed: the future holds a whole instance, and tasks are moved about.
        Box::pin(self.runner.execute(job.with(component))).await
    }

    fn begin(&self, workspace: WorkspaceId, task: BoxFuture<'static, ()>) {
        let owner = workspace.0.as_u128();
        self.runner.engine().spawn(owner, task).detach();
    }

    async fn choose(
        &self,
        selector: &str,
        asked: &Asked<'_>,
        team: &[Member],
    ) -> Result<Vec<(AgentId, Choice)>, NoChoice> {
        let component = self.shelf.component(selector).await;
        let component = component.map_err(|error| NoChoice::Unasked(error.to_string()))?;
        self.runner.choose(&component, asked, team).await
    }

    fn retain(&self, is_needed: &dyn Fn(&str) -> bool) {
        self.runner.retain(is_needed);
    }
}
