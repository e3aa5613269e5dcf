//! Components by their digests: from memory, or from their files.
//!
//! Invariants:
//! - Whoever needs a component that is being loaded waits for that one load; whoever needs another one does
//!   not wait for it, unless as many files are slow to be read as are read at a time: four, or as many as
//!   there are processors.
//! - What was registered once is not refused because others are compiled: it waits.

use super::{PluginShelf, described};
use crate::host::HostError;
use adjutant_component::{Component, LoadError};
use adjutant_model::{Described, Refusal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// First loads that are under way, by digest.
pub(super) type Loads = Mutex<HashMap<String, Arc<OnceCell<Arc<Component>>>>>;

/// One first load, as one of those who wait for it holds it. The last of them cleans up.
struct Loading<'a> {
    loads: &'a Loads,
    digest: &'a str,
    cell: Arc<OnceCell<Arc<Component>>>,
}

impl<'a> Loading<'a> {
    fn join(loads: &'a Loads, digest: &'a str) -> Loading<'a> {
        let cell = under_way(loads)
            .entry(digest.to_owned())
            .or_default()
            .clone();
        Loading {
            loads,
            digest,
            cell,
        }
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        let mut loads = under_way(self.loads);
        // One is the map's own. Nobody can join while it is locked.
        if Arc::strong_count(&self.cell) <= 2 {
            loads.remove(self.digest);
        }
    }
}

fn under_way(loads: &Loads) -> MutexGuard<'_, HashMap<String, Arc<OnceCell<Arc<Component>>>>> {
    loads.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PluginShelf {
    /// A component by its digest, from memory or from its file.
    pub(crate) async fn component(&self, digest: &str) -> Result<Arc<Component>, HostError> {
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let loading = Loading::join(&self.loading, digest);
        let loaded = loading.cell.get_or_try_init(|| self.load(digest)).await;
        loaded.cloned()
    }

    async fn load(&self, digest: &str) -> Result<Arc<Component>, HostError> {
        // It may have been loaded between the look at it and this.
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let path = self.path(digest);
        // Runs may be pinned to it though its version was removed: what it wants bounds them still.
        let is_described = self.table().described(digest).is_some();
        let said: Arc<Mutex<Option<Arc<Described>>>> = Arc::default();
        let (file, says) = (path.clone(), said.clone());
        let read = move || {
            let bytes = std::fs::read(&file)
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            if !is_described {
                let found = described(&bytes).map_err(|error| error.to_string())?;
                *says.lock().unwrap_or_else(PoisonError::into_inner) = found;
            }
            Ok(bytes)
        };
        let loaded = self.engine.load_kept(read, None).await;
        let component = loaded.map_err(|error| match refused(error) {
            HostError::Plugin(why) => {
                HostError::Plugin(format!("the component {digest} cannot be loaded: {why}"))
            }
            other => other,
        })?;
        if component.digest() != digest {
            return Err(HostError::Plugin(format!(
                "the file {} is damaged: its digest is {}; install the same component once more",
                path.display(),
                component.digest()
            )));
        }
        let found = said.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(found) = found {
            self.change(|table| table.describe(digest, found));
        }
        self.remember(component.clone());
        Ok(component)
    }

    /// Checks and compiles a component that is new.
    pub(super) async fn compile(&self, bytes: Vec<u8>) -> Result<Arc<Component>, HostError> {
        let loaded = self.engine.load_async(bytes, None).await;
        loaded.map_err(refused)
    }
}

fn refused(error: LoadError) -> HostError {
    match error {
        // Nothing is wrong with it.
        LoadError::Crowded { .. } => HostError::Refused(Refusal::Busy(error.to_string())),
        error => HostError::Plugin(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_before_the_compiler_is_no_fault_of_the_host() {
        let told = refused(LoadError::Crowded { limit: 3 });
        assert!(
            matches!(&told, HostError::Refused(Refusal::Busy(why)) if why.contains("(3)")),
            "{told:?}"
        );
    }
}
