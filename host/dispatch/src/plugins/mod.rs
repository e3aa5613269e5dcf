//! The host's plugins: which there are, which of them new runs take, and their components in memory and
//! on disk.
//!
//! A component's bytes lie in a file named by its digest; the records that name it are written after.
//! Components are verified before they are registered, and compiled at most once in a process.
//!
//! Invariants:
//! - Whatever changes which version new runs take is on disk before a run takes it.
//! - A change that has begun comes to its end, whoever has left meanwhile: memory and disk say the same.

mod adding;
mod counting;
mod dropped;
mod fitting;
mod freeing;
mod loading;
mod reading;
mod removing;
mod steps;
mod views;

pub use adding::{Activation, Added, NewPlugin};
pub(crate) use fitting::{check_given, complete};

pub(crate) use steps::Operator;
pub use steps::{How, Step};
pub use views::{PluginState, PluginView, RolloutView};

use crate::host::{Builtin, HostError, HostOptions, HostParts, full};
use crate::keys::{IdempotencyKey, Keys};
use adjutant_component::{Component, Engine, custom_section};
use adjutant_connect::Signatures;
use adjutant_model::{
    Changes, Described, Limits, MANIFEST_SECTION, Manifest, Outcome, Plugin, PluginRef, Plugins,
    Refusal, Rollout, Source, Timestamp, World,
};
use adjutant_store::{Batch, CommitError, Shortage, Store, records};
use counting::Tallies;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument as _;
use uuid::Uuid;

/// Records that are stored together.
type Puts = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Plugins, or agents, that a line names.
const NAMED: usize = 10;
/// How the names of files end that are being written.
const UNFINISHED: &str = "tmp";
/// How often a batch is handed in of which it is not known whether it is on disk.
const TRIES: u32 = 3;

/// The host's plugins.
pub(crate) struct PluginShelf {
    engine: Engine,
    store: Store,
    folder: PathBuf,
    epoch: u64,
    table: Mutex<Arc<Plugins>>,
    components: Mutex<HashMap<String, Arc<Component>>>,
    tallies: Tallies,
    /// Whose signatures count.
    signatures: Signatures,
    /// Idempotency keys of steps. Changed by whoever holds `changing`.
    keys: Mutex<Keys>,
    /// First loads of components that are under way.
    loading: loading::Loads,
    /// What the watched folder has brought in.
    dropped: Mutex<dropped::Dropped>,
    /// One change of the table at a time.
    changing: AsyncMutex<()>,
    /// How components are let go of that nothing needs.
    freeing: freeing::Freeing,
}

impl PluginShelf {
    /// Reads the registered plugins, and registers those that come with the host.
    pub(crate) async fn open(
        parts: &HostParts,
        epoch: u64,
        options: &HostOptions,
    ) -> Result<PluginShelf, HostError> {
        let store = parts.store.clone();
        let shelf = PluginShelf {
            engine: parts.engine.clone(),
            table: Mutex::new(Arc::new(reading::table(&store, &parts.plugins).await?)),
            tallies: Tallies::read(&store).await?,
            keys: Mutex::new(reading::keys(&store).await?),
            dropped: Mutex::new(dropped::read(&store).await?),
            store,
            folder: parts.plugins.clone(),
            epoch,
            components: Mutex::default(),
            signatures: options.sources.signatures.clone(),
            loading: loading::Loads::default(),
            changing: AsyncMutex::default(),
            freeing: freeing::Freeing::default(),
        };
        freeing::sweep(&shelf.folder);
        for builtin in &options.builtins {
            shelf.add_builtin(builtin, options.clock.now()).await?;
        }
        shelf.bar_unsigned();
        Ok(shelf)
    }

    /// Lets nothing start on versions without a signature that counts, where one is required, and says
    /// which are there.
    fn bar_unsigned(&self) {
        if !self.signatures.required() {
            return;
        }
        let keys = self.signatures.trusted().map(ToString::to_string);
        self.change(|table| table.require_signers(keys));
        let table = self.table();
        let barred = table.iter().filter(|plugin| table.is_barred(plugin));
        let names: Vec<String> = barred
            .map(|plugin| format!("{}@{}", plugin.name, plugin.version))
            .collect();
        if !names.is_empty() {
            tracing::warn!(
                plugins = names[..names.len().min(NAMED)].join(", "),
                count = names.len(),
                "nothing starts on these plugins: they are not signed by a trusted key, and that is \
                 required; install them once more with their signatures"
            );
        }
    }

    /// The table as it is now.
    pub(crate) fn table(&self) -> Arc<Plugins> {
        self.table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn add_builtin(&self, builtin: &Builtin, now: Timestamp) -> Result<(), HostError> {
        let component = self.compile(builtin.wasm.to_vec()).await?;
        let digest = component.digest().to_owned();
        let bytes = builtin.wasm.to_vec();
        let described = off_worker(move || described(&bytes)).await?;
        if let Some(described) = &described {
            self.change(|table| table.describe(&digest, described.clone()));
        }
        let wanted = PluginRef {
            name: builtin.name.clone(),
            version: Some(builtin.version.clone()),
        };
        if self
            .table()
            .get(&wanted)
            .is_some_and(|known| known.digest == digest)
        {
            self.keep_file(&digest, builtin.wasm.to_vec()).await?;
            self.remember(component);
            return Ok(());
        }
        let plugin = describe(&builtin.name, &builtin.version, &component, true, now);
        let mut table = Plugins::clone(&self.table());
        // A version that an operator brought back stays: this host's is new to none of them.
        if table.register_builtin(plugin.clone()) {
            table.activate_first(&plugin);
        }
        let rollout = table.rollout_of(&plugin.name);
        self.keep_file(&digest, builtin.wasm.to_vec()).await?;
        self.keep(&plugin, described.as_deref(), &rollout).await?;
        self.change(|known| *known = table);
        self.remember(component);
        Ok(())
    }

    /// A component's bytes by its digest, also of a version that another has replaced.
    pub(crate) async fn bytes(&self, digest: &str) -> Result<Vec<u8>, HostError> {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        // It becomes a file's name.
        if hex.len() != 64 || !hex.bytes().all(plain) {
            return Err(HostError::Refused(Refusal::NotFound(format!(
                "{:?} is no digest: one is `sha256:` and 64 hexadecimal digits",
                adjutant_model::text::cut(digest, 100)
            ))));
        }
        let read = tokio::fs::read(self.path(digest)).await;
        read.map_err(|error| {
            HostError::Refused(Refusal::NotFound(format!(
                "there is no component {digest} here: {error}"
            )))
        })
    }

    fn known(&self, digest: &str) -> Option<Arc<Component>> {
        self.components
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .cloned()
    }

    /// Keeps a component that is registered in memory. One that is refused leaves nothing.
    fn remember(&self, component: Arc<Component>) {
        let mut components = self
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        components.insert(component.digest().to_owned(), component);
    }

    /// Writes a component's file, where it is not there as it should be. Before the records that name it.
    async fn keep_file(&self, digest: &str, bytes: Vec<u8>) -> Result<(), HostError> {
        let path = self.path(digest);
        let file = path.clone();
        off_worker(move || {
            write_file(&file, &bytes).map_err(|error| {
                HostError::Unavailable(format!("{} cannot be written: {error}", path.display()))
            })
        })
        .await
    }

    /// Stores the records that name a component.
    async fn keep(
        &self,
        plugin: &Plugin,
        described: Option<&Described>,
        rollout: &Rollout,
    ) -> Result<(), HostError> {
        let (name, version) = (&plugin.name, &plugin.version);
        let mut puts = vec![kept_plugin(plugin), kept_rollout(rollout)];
        if self.table().removed(name, version).is_some() {
            puts.push((records::removed_key(name, version), None));
        }
        puts.extend(described.map(|described| kept_manifest(&plugin.digest, described)));
        self.commit(puts).await
    }

    /// Stores records of the host's own, all or none.
    async fn commit(&self, puts: Puts) -> Result<(), HostError> {
        let op = *Uuid::now_v7().as_bytes();
        let mut batch = Batch::new(records::HOST, op, self.epoch);
        batch.put = puts;
        let mut tried = 1;
        loop {
            match self.store.commit(batch.clone()).await {
                Ok(_) => return Ok(()),
                // It may be on disk all the same: the same batch again finds that out, and writes it once.
                Err(CommitError::Unavailable(_)) if tried < TRIES => tried += 1,
                Err(CommitError::Full(shortage)) => {
                    return Err(no_room(&shortage));
                }
                Err(error) => return Err(HostError::Unavailable(error.to_string())),
            }
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a step has happened under a key; refused where the key was another request's.
    pub(crate) fn has_happened(&self, key: &IdempotencyKey) -> Result<bool, Refusal> {
        self.keys().find(key).map(|kept| kept.is_some())
    }

    /// As [`PluginShelf::commit`], with the key under which it was asked for. For whoever holds the lock
    /// on changes.
    async fn commit_once(
        &self,
        mut puts: Puts,
        key: Option<&IdempotencyKey>,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), HostError> {
        if let Some(key) = key {
            let mut keys = self.keys();
            keys.check_room(now, limits)?;
            puts.extend(keys.keep(key, &Outcome::Done, &Changes::default(), now, limits));
        }
        let committed = self.commit(puts).await;
        if let (Err(_), Some(key)) = (&committed, key) {
            self.keys().forget(key);
        }
        committed
    }

    fn change(&self, change: impl FnOnce(&mut Plugins)) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Plugins::clone(&table);
        change(&mut new);
        *table = Arc::new(new);
    }

    /// The folder of the components.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, digest: &str) -> PathBuf {
        file_of(&self.folder, digest)
    }
}

/// What is told where a batch was not taken.
fn no_room(shortage: &Shortage) -> HostError {
    let what = format!("{shortage}. Nothing has changed");
    match shortage {
        Shortage::Queue { .. } | Shortage::QueueBytes { .. } => HostError::Busy {
            what,
            retry_after_s: 1,
        },
        Shortage::Refused { .. } | Shortage::Disk { .. } => full(what),
    }
}

/// Carries out a change in a task of its own: whoever asked for it may leave in the middle, and what is on
/// its way to the disk then has to be in memory too.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, HostError>> + Send + 'static,
) -> Result<T, HostError> {
    let done = tokio::spawn(change.in_current_span()).await;
    done.unwrap_or_else(|error| {
        let why = format!("the change of the plugins has not come to its end: {error}");
        Err(HostError::Unavailable(why))
    })
}

/// Does what takes long or blocks, and not on a worker of the runtime. Where there is but one thread, a
/// simulation counts on it.
async fn off_worker<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => crate::sources::blocking(work).await,
    }
}

/// A component's file.
fn file_of(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{}.wasm", digest.trim_start_matches("sha256:")))
}

/// A version's record.
fn kept_plugin(plugin: &Plugin) -> (Vec<u8>, Option<Vec<u8>>) {
    let key = records::plugin_key(&plugin.name, &plugin.version);
    (key, Some(records::encode(plugin)))
}

/// A rollout's record.
fn kept_rollout(rollout: &Rollout) -> (Vec<u8>, Option<Vec<u8>>) {
    let key = records::rollout_key(&rollout.name);
    (key, Some(records::encode(rollout)))
}

/// A manifest's record.
fn kept_manifest(digest: &str, described: &Described) -> (Vec<u8>, Option<Vec<u8>>) {
    let key = records::manifest_key(digest);
    (key, Some(records::encode(&*described.manifest)))
}

/// What a component says of itself.
fn described(bytes: &[u8]) -> Result<Option<Arc<Described>>, HostError> {
    let section = custom_section(bytes, MANIFEST_SECTION)
        .map_err(|error| HostError::Plugin(error.to_string()))?;
    let Some(section) = section else {
        return Ok(None);
    };
    let manifest = Manifest::parse(section).map_err(Refusal::from)?;
    Ok(Some(Arc::new(Described::new(manifest)?)))
}

fn describe(
    name: &str,
    version: &str,
    component: &Component,
    builtin: bool,
    now: Timestamp,
) -> Plugin {
    Plugin {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: component.digest().to_owned(),
        world: match component.world() {
            adjutant_component::World::Selector => World::Selector,
            adjutant_component::World::Subordinate => World::Subordinate,
            adjutant_component::World::Boss => World::Boss,
        },
        size: component.size() as u64,
        builtin,
        added_at: now,
        source: Source::default(),
    }
}

/// Writes a file so that it is there wholly or not at all, also after a power loss. One that is there with
/// these bytes stays; one with others is damaged, and is replaced.
fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    match std::fs::read(path) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(_) => {
            tracing::warn!(path = %path.display(), "a damaged component is replaced by the same one, whole");
        }
        // Whatever keeps it from being read: it is written anew.
        Err(_) => {}
    }
    let unfinished = path.with_extension(format!("{}.{UNFINISHED}", Uuid::now_v7()));
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    std::fs::File::open(folder)?.sync_all()
}
