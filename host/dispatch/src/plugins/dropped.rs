//! What the watched folder has brought in, so that what an operator has removed since stays removed though
//! its file still lies there at the next start, be it under another name.
//!
//! Invariants:
//! - There is an entry for each version that a file of the folder is, from when it is registered until all
//!   files are gone that are that version.
//! - A file is one version: there are no more entries than files.

use super::{PluginShelf, Puts};
use crate::host::HostError;
use crate::load::scan_all;
use adjutant_store::Store;
use adjutant_store::records::{self, RecordError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

/// The names of files that are the same version.
type Files = BTreeSet<String>;

/// Files by the keys of what they are, as stored: a component's digest and a plugin's version.
#[derive(Debug, Default)]
pub(super) struct Dropped(BTreeMap<Vec<u8>, Files>);

pub(super) async fn read(store: &Store) -> Result<Dropped, HostError> {
    let mut dropped = Dropped::default();
    for item in scan_all(store, records::HOST, records::prefix::DROPPED).await? {
        dropped.0.insert(item.key, files(&item.value)?);
    }
    Ok(dropped)
}

/// The files of an entry.
fn files(stored: &[u8]) -> Result<Files, RecordError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        All(Files),
        /// As hosts wrote it that remembered one.
        One(String),
    }

    Ok(
        match records::decode("files of the watched folder", stored)? {
            Stored::All(files) => files,
            Stored::One(file) => Files::from([file]),
        },
    )
}

impl Dropped {
    /// The entries that become others where a file is this version, and no other one.
    fn noting(&self, key: &[u8], file: &str) -> Vec<(Vec<u8>, Files)> {
        let mut changed = self.without(|known, name| name == file && known != key);
        let files = self.0.get(key).cloned().unwrap_or_default();
        if !files.contains(file) {
            let files = files.into_iter().chain([file.to_owned()]);
            changed.push((key.to_owned(), files.collect()));
        }
        changed
    }

    /// The entries that become others where files are taken out of them.
    fn without(&self, is_out: impl Fn(&[u8], &str) -> bool) -> Vec<(Vec<u8>, Files)> {
        let mut changed = Vec::new();
        for (key, files) in &self.0 {
            let stay = files.iter().filter(|file| !is_out(key, file));
            let stay: Files = stay.cloned().collect();
            if stay.len() < files.len() {
                changed.push((key.clone(), stay));
            }
        }
        changed
    }

    fn change(&mut self, changed: Vec<(Vec<u8>, Files)>) {
        for (key, files) in changed {
            match files.is_empty() {
                true => self.0.remove(&key),
                false => self.0.insert(key, files),
            };
        }
    }

    fn files(&self) -> impl Iterator<Item = &String> {
        self.0.values().flatten()
    }
}

/// Entries are changed by the one task that watches the folder.
impl PluginShelf {
    /// Whether a file of the watched folder was this version, `name@version`, with this digest.
    pub(crate) fn was_dropped(&self, digest: &str, version: &str) -> bool {
        let key = records::dropped_key(digest, version);
        self.dropped().0.contains_key(&key)
    }

    /// Takes note that a file of the watched folder is this version, and that it is no other one any more.
    pub(crate) async fn note_dropped(
        &self,
        digest: &str,
        version: &str,
        file: &str,
    ) -> Result<(), HostError> {
        let key = records::dropped_key(digest, version);
        let changed = self.dropped().noting(&key, file);
        self.change_dropped(changed).await
    }

    /// How many files versions are noted of.
    pub(crate) fn count_dropped(&self) -> usize {
        self.dropped().files().count()
    }

    /// The files that versions are noted of.
    pub(crate) fn dropped_files(&self) -> Vec<String> {
        self.dropped().files().cloned().collect()
    }

    /// Forgets files that are gone, and the versions that no other file is.
    pub(crate) async fn forget_dropped(
        &self,
        is_gone: impl Fn(&str) -> bool,
    ) -> Result<(), HostError> {
        let changed = self.dropped().without(|_, file| is_gone(file));
        self.change_dropped(changed).await
    }

    async fn change_dropped(&self, changed: Vec<(Vec<u8>, Files)>) -> Result<(), HostError> {
        if changed.is_empty() {
            return Ok(());
        }
        let puts: Puts = changed
            .iter()
            .map(|(key, files)| {
                let value = (!files.is_empty()).then(|| records::encode(files));
                (key.clone(), value)
            })
            .collect();
        self.commit(puts).await?;
        self.dropped().change(changed);
        Ok(())
    }

    fn dropped(&self) -> MutexGuard<'_, Dropped> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_entries_than_files_and_an_entry_stays_for_its_last_file() {
        let mut dropped = Dropped::default();
        let note = |dropped: &mut Dropped, version: usize, file: &str| {
            let changed = dropped.noting(&[version as u8], file);
            let count = changed.len();
            dropped.change(changed);
            count
        };
        // A file that each build writes over.
        for version in 0..100 {
            note(&mut dropped, version, "built.wasm");
            assert_eq!(dropped.0.len(), 1, "after {version}");
        }
        // Files that are the same: what is known already changes nothing.
        for (file, changes) in [("a.wasm", 1), ("b.wasm", 1), ("a.wasm", 0), ("b.wasm", 0)] {
            assert_eq!(note(&mut dropped, 200, file), changes, "{file}");
        }
        assert_eq!(dropped.files().count(), 3);
        let gone = dropped.without(|_, file| file == "b.wasm");
        dropped.change(gone);
        assert!(dropped.0.contains_key(&[200][..]), "a.wasm lies there");
        // It becomes what another one is, which is stored together.
        assert_eq!(note(&mut dropped, 99, "a.wasm"), 2);
        assert!(!dropped.0.contains_key(&[200][..]));
        assert_eq!(dropped.0[&[99][..]].len(), 2);
        assert!(dropped.without(|_, _| false).is_empty());
        let gone = dropped.without(|_, _| true);
        dropped.change(gone);
        assert!(dropped.0.is_empty());
    }

    #[test]
    fn an_entry_of_one_file_is_read_as_it_was_written_and_as_it_is() {
        let one = Files::from(["a.wasm".to_owned()]);
        let before = records::encode(&"a.wasm");
        assert_eq!(files(&before).expect("as it was"), one);
        assert_eq!(files(&records::encode(&one)).expect("as it is"), one);
        assert!(files(&records::encode(&7)).is_err());
    }
}
