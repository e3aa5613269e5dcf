//! What the watched folder has brought in, so that what an operator has removed since stays removed though
//! its file still lies there at the next start.
//!
//! Invariant: there is an entry for each version that a file of the folder is, from when it is registered
//! until the file is gone.

use super::PluginShelf;
use crate::host::HostError;
use crate::load::scan_all;
use adjutant_store::{Store, records};
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

/// Files by the keys of what they were, as stored: a component's digest and a plugin's version.
pub(super) type Dropped = BTreeMap<Vec<u8>, String>;

pub(super) async fn read(store: &Store) -> Result<Dropped, HostError> {
    let mut dropped = Dropped::new();
    for item in scan_all(store, records::HOST, records::prefix::DROPPED).await? {
        let file = records::decode("file of the watched folder", &item.value)?;
        dropped.insert(item.key, file);
    }
    Ok(dropped)
}

impl PluginShelf {
    /// Whether a file of the watched folder was this version, `name@version`, with this digest.
    pub(crate) fn was_dropped(&self, digest: &str, version: &str) -> bool {
        self.dropped()
            .contains_key(&records::dropped_key(digest, version))
    }

    /// Takes note that a file of the watched folder is this version.
    pub(crate) async fn note_dropped(
        &self,
        digest: &str,
        version: &str,
        file: &str,
    ) -> Result<(), HostError> {
        let key = records::dropped_key(digest, version);
        if self.dropped().get(&key).is_some_and(|known| known == file) {
            return Ok(());
        }
        let value = Some(records::encode(&file));
        self.commit(vec![(key.clone(), value)]).await?;
        self.dropped().insert(key, file.to_owned());
        Ok(())
    }

    /// How many versions are noted.
    pub(crate) fn count_dropped(&self) -> usize {
        self.dropped().len()
    }

    /// The files that versions are noted of.
    pub(crate) fn dropped_files(&self) -> Vec<String> {
        self.dropped().values().cloned().collect()
    }

    /// Forgets versions whose files are gone.
    pub(crate) async fn forget_dropped(
        &self,
        is_gone: impl Fn(&str) -> bool,
    ) -> Result<(), HostError> {
        let gone: Vec<Vec<u8>> = {
            let dropped = self.dropped();
            let gone = dropped.iter().filter(|(_, file)| is_gone(file));
            gone.map(|(key, _)| key.clone()).collect()
        };
        if gone.is_empty() {
            return Ok(());
        }
        self.commit(gone.iter().map(|key| (key.clone(), None)).collect())
            .await?;
        self.dropped().retain(|key, _| !gone.contains(key));
        Ok(())
    }

    fn dropped(&self) -> MutexGuard<'_, Dropped> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
