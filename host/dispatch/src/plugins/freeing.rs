//! Letting go of components whose versions were removed.
//!
//! A component is kept in memory for as long as a version names it or a run that is not over began with it.
//! Its file, what it says of itself and its machine code are kept longer: also for the last run of a ticket
//! where that broke, so that it can be looked into until the ticket goes on. It is looked at when a version
//! is removed, when a run on a removed version ends, and when the host starts.
//!
//! Invariant: nothing is let go of that a run needs, in the loop or on disk. The loop is asked first, then
//! the disk is read: what the loop has ended is still on disk until that is stored, and no run begins with a
//! component that no version names. Where one was registered meanwhile, all is looked at anew. What a stored
//! version names stays, whatever memory says: a change may be on disk that was told to have failed. And a
//! host that ends removes no more files: the next one has them.

use super::steps::Operator;
use super::{PluginShelf, Puts, UNFINISHED, off_worker};
use crate::host::{HostError, Result};
use crate::load::{self, scan_all};
use adjutant_model::{Plugin, Plugins, Run, Ticket, WorkspaceId};
use adjutant_store::{Partition, records};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock};

/// Runs that are read at a time.
const PAGE: usize = 1_000;
/// How often it is looked at anew because a component was registered meanwhile.
const TRIES: u32 = 5;

/// Components by digest.
type Digests = BTreeSet<String>;

/// How components are let go of.
#[derive(Debug, Default)]
pub(super) struct Freeing {
    /// Whether somebody is about to look already.
    wanted: AtomicBool,
    /// One look at a time.
    turn: Mutex<()>,
    /// How many components were registered.
    registered: AtomicU64,
    /// Held by whoever reads all files, and to remove some.
    files: Arc<RwLock<()>>,
    /// Whether the host ends. Locked while a file is removed.
    is_over: SyncMutex<bool>,
}

impl Freeing {
    /// A component was registered. For whoever holds the lock on changes.
    pub(super) fn registered(&self) {
        self.registered.fetch_add(1, Ordering::SeqCst);
    }

    /// Does something to files, unless the host ends. Whether that was done.
    fn unless_over(&self, work: impl FnOnce() -> Result<()>) -> Result<bool> {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_over {
            return Ok(false);
        }
        work().map(|()| true)
    }
}

impl PluginShelf {
    /// Keeps all files of components for as long as it is held.
    pub(crate) async fn hold_files(&self) -> OwnedRwLockReadGuard<()> {
        self.freeing.files.clone().read_owned().await
    }

    /// The host ends: from now on no file is removed.
    pub(crate) fn free_no_more(&self) {
        let mut is_over = self
            .freeing
            .is_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *is_over = true;
    }

    /// Takes out of a set what versions name, those in memory and those on disk. For whoever holds the lock
    /// on changes.
    async fn keep_named(&self, unneeded: &mut Digests) -> Result<()> {
        let table = self.table();
        unneeded.retain(|digest| !table.names(digest));
        for item in scan_all(&self.store, records::HOST, records::prefix::PLUGIN).await? {
            let plugin: Plugin = records::decode("plugin", &item.value)?;
            unneeded.remove(&plugin.digest);
        }
        Ok(())
    }

    /// Whether there are components that no version names. Reads a folder.
    pub(crate) fn has_unnamed(&self) -> bool {
        let table = self.table();
        let files = files(&self.folder);
        let mut all = files
            .iter()
            .map(String::as_str)
            .chain(table.with_manifests());
        all.any(|digest| !table.names(digest))
    }

    /// Components that no version names: in memory, on disk, or only what they say of themselves.
    async fn unnamed(&self) -> Result<Digests> {
        let folder = self.folder.clone();
        let mut all = off_worker(move || Ok(files(&folder))).await?;
        let table = self.table();
        all.extend(table.with_manifests().map(ToOwned::to_owned));
        let components = self
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.extend(components.keys().cloned());
        drop(components);
        all.retain(|digest| !table.names(digest));
        Ok(all)
    }
}

impl Operator {
    /// Lets go of what nothing needs, soon.
    pub(crate) fn free_later(&self) {
        // Whoever is about to look sees this too.
        if self.shelf.freeing.wanted.swap(true, Ordering::SeqCst) {
            return;
        }
        let operator = self.clone();
        tokio::spawn(async move {
            let _one_at_a_time = operator.shelf.freeing.turn.lock().await;
            operator.shelf.freeing.wanted.store(false, Ordering::SeqCst);
            if let Err(error) = operator.free().await {
                tracing::warn!(
                    %error,
                    "components that nothing needs are kept until the next look, or the next start"
                );
            }
        });
    }

    async fn free(&self) -> Result<()> {
        for _ in 0..TRIES {
            let seen = self.shelf.freeing.registered.load(Ordering::SeqCst);
            let mut unneeded = self.shelf.unnamed().await?;
            let live = self.live().await?;
            unneeded.retain(|digest| !live.contains(digest));
            self.free_memory(&live);
            self.keep_stored(&mut unneeded).await?;
            if unneeded.is_empty() || self.free_disk(unneeded, seen).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What runs that are not over began with.
    async fn live(&self) -> Result<Digests> {
        self.query(|worlds| {
            let runs = worlds.values().flat_map(|world| world.state.live_runs());
            let digests = runs.map(|run| &run.plugin.digest);
            digests
                .collect::<BTreeSet<_>>()
                .into_iter()
                .cloned()
                .collect()
        })
        .await
    }

    /// Takes out of a set what runs need that are stored.
    async fn keep_stored(&self, unneeded: &mut Digests) -> Result<()> {
        let store = &self.shelf.store;
        for item in scan_all(store, records::HOST, records::prefix::WORKSPACE).await? {
            let Some(id) = records::id_of(&item.key).map(WorkspaceId) else {
                continue;
            };
            let partition = records::partition(id);
            let mut after: Option<Vec<u8>> = None;
            loop {
                if unneeded.is_empty() {
                    return Ok(());
                }
                let page = store
                    .scan(partition, records::prefix::RUN, after.as_deref(), PAGE)
                    .await?;
                let Some(last) = page.last() else {
                    break;
                };
                after = Some(last.key.clone());
                for item in &page {
                    let run: Run = records::decode("run", &item.value)?;
                    if unneeded.contains(&run.plugin.digest)
                        && self.needs_component(partition, &run).await?
                    {
                        unneeded.remove(&run.plugin.digest);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a stored run needs what it began with: it goes on, or broke and its ticket has not gone on.
    async fn needs_component(&self, partition: Partition, run: &Run) -> Result<bool> {
        if !run.is_over() {
            return Ok(true);
        }
        if !run.broke {
            return Ok(false);
        }
        let (store, key) = (&self.shelf.store, records::ticket_key(run.ticket));
        let ticket = load::get::<Ticket>(store, partition, "ticket", &key).await?;
        Ok(ticket.is_some_and(|(_, ticket)| ticket.runs.last() == Some(&run.id)))
    }

    fn free_memory(&self, live: &Digests) {
        let needed = |table: &Plugins, digest: &str| table.names(digest) || live.contains(digest);
        let mut components = self
            .shelf
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // As it is now: what is registered comes into the table before it comes here.
        let table = self.shelf.table();
        components.retain(|digest, _| needed(&table, digest));
        drop(components);
        self.execute.retain(&|digest| needed(&table, digest));
    }

    /// Removes components from the disk. Whether that could be done: nothing may have been registered since.
    async fn free_disk(&self, mut unneeded: Digests, seen: u64) -> Result<bool> {
        // A backup that is being made has all files or none of what it names.
        let _no_reader = self.shelf.freeing.files.write().await;
        let _one_at_a_time = self.shelf.changing.lock().await;
        if self.shelf.freeing.registered.load(Ordering::SeqCst) != seen {
            return Ok(false);
        }
        self.shelf.keep_named(&mut unneeded).await?;
        if unneeded.is_empty() {
            return Ok(true);
        }
        let table = self.shelf.table();
        let described = table.with_manifests().filter(|one| unneeded.contains(*one));
        let gone: Puts = described
            .map(|digest| (records::manifest_key(digest), None))
            .collect();
        if !gone.is_empty() {
            self.shelf.commit(gone).await?;
            self.shelf.change(|table| {
                unneeded.iter().for_each(|digest| table.forget(digest));
            });
        }
        let shelf = self.shelf.clone();
        let removed = off_worker(move || {
            let mut removed = Vec::new();
            for digest in unneeded {
                let remove_all = || {
                    remove(&shelf.path(&digest))?;
                    shelf.engine.forget(&digest);
                    Ok(())
                };
                if !shelf.freeing.unless_over(remove_all)? {
                    break;
                }
                removed.push(digest);
            }
            Ok(removed)
        })
        .await?;
        if !removed.is_empty() {
            tracing::info!(
                components = removed.join(", "),
                "nothing needs them any more, and they are gone"
            );
        }
        Ok(true)
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HostError::Unavailable(
            format!("{} cannot be removed: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

/// The components of a folder, by their digests.
fn files(folder: &Path) -> Digests {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let digests = names.filter_map(|name| {
        let hex = name.strip_suffix(".wasm")?;
        let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| format!("sha256:{hex}"))
    });
    digests.collect()
}

/// Removes files that a host which died has not written to their end.
pub(super) fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == UNFINISHED)
            && let Err(error) = remove(&path)
        {
            tracing::warn!(%error, "an unfinished file is left");
        }
    }
}
