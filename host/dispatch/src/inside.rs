//! A look inside, for simulations and tests that check invariants between two decisions.

use crate::host::{Host, HostError};
use adjutant_model::{RunId, State, WorkspaceId};

/// One workspace as the event loop has it.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Which.
    pub workspace: WorkspaceId,
    /// Its state.
    pub state: State,
    /// Runs that are in memory.
    pub running: Vec<RunId>,
    /// Batches on their way.
    pub in_flight: u32,
    /// Why the state cannot be trusted at the moment.
    pub broken: Option<String>,
}

impl Host {
    /// All workspaces as they are now.
    ///
    /// # Errors
    /// Where the host takes no questions now.
    pub async fn look_inside(&self) -> Result<Vec<Inside>, HostError> {
        self.query(|worlds| {
            let worlds = worlds.iter().map(|(id, world)| Inside {
                workspace: *id,
                state: world.state.clone(),
                running: world.running.keys().copied().collect(),
                in_flight: world.in_flight,
                broken: world.broken.clone(),
            });
            worlds.collect()
        })
        .await
    }
}
