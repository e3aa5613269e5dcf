//! The host's plugins: which there are, which of them new runs take, and their components in memory and
//! on disk.
//!
//! A component's bytes lie in a file named by its digest; the records that name it are written after.
//! Components are verified before they are registered, and compiled at most once in a process.
//!
//! Invariant: whatever changes which version new runs take is on disk before a run takes it.

mod adding;
mod counting;
mod fitting;
mod steps;
mod views;

pub use adding::{Activation, NewPlugin};
pub(crate) use fitting::{check_given, complete};

pub(crate) use steps::Operator;
pub use steps::{How, Step};
pub use views::{PluginState, PluginView, RolloutView};

use crate::host::{Builtin, HostError, HostOptions, HostParts};
use crate::keys::{IdempotencyKey, Keys};
use crate::load::scan_all;
use adjutant_component::{Component, Engine, custom_section};
use adjutant_connect::Signatures;
use adjutant_model::{
    Changes, Described, Limits, MANIFEST_SECTION, Manifest, Outcome, Plugin, PluginRef, Plugins,
    Refusal, Rollout, Source, Timestamp, World,
};
use adjutant_store::{Batch, Store, records};
use counting::Tallies;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

/// Records that are stored together.
type Puts = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Plugins that a line of the log names.
const NAMED: usize = 10;

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
    /// One first load of a component at a time: compiling keeps cores busy.
    loading: AsyncMutex<()>,
    /// One change of the table at a time.
    changing: AsyncMutex<()>,
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
            table: Mutex::new(Arc::new(read_table(&store).await?)),
            tallies: Tallies::read(&store).await?,
            keys: Mutex::new(read_keys(&store).await?),
            store,
            folder: parts.plugins.clone(),
            epoch,
            components: Mutex::default(),
            signatures: options.sources.signatures.clone(),
            loading: AsyncMutex::default(),
            changing: AsyncMutex::default(),
        };
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
        let described = described(&builtin.wasm)?;
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
        self.keep(&plugin, described.as_deref(), &rollout, &builtin.wasm)
            .await?;
        self.change(|known| *known = table);
        self.remember(component);
        Ok(())
    }

    /// A component by its digest, from memory or from its file.
    pub(crate) async fn component(&self, digest: &str) -> Result<Arc<Component>, HostError> {
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let path = self.path(digest);
        let bytes = tokio::fs::read(&path).await.map_err(|error| {
            HostError::Plugin(format!(
                "the component {digest} cannot be read from {}: {error}",
                path.display()
            ))
        })?;
        let found = described(&bytes)?;
        let component = self.compile(bytes).await?;
        if component.digest() != digest {
            return Err(HostError::Plugin(format!(
                "the file {} is damaged: its digest is {}",
                path.display(),
                component.digest()
            )));
        }
        // Runs may be pinned to it though its version was removed: what it wants bounds them still.
        if let Some(found) = found.filter(|_| self.table().described(digest).is_none()) {
            self.change(|table| table.describe(digest, found));
        }
        self.remember(component.clone());
        Ok(component)
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

    async fn compile(&self, bytes: Vec<u8>) -> Result<Arc<Component>, HostError> {
        let loaded = self.engine.load_async(bytes, None).await;
        let component = loaded.map_err(|error| HostError::Plugin(error.to_string()))?;
        Ok(component)
    }

    /// Keeps a component that is registered in memory. One that is refused leaves nothing.
    fn remember(&self, component: Arc<Component>) {
        let mut components = self
            .components
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        components.insert(component.digest().to_owned(), component);
    }

    /// Writes the component's file, then the records that name it.
    async fn keep(
        &self,
        plugin: &Plugin,
        described: Option<&Described>,
        rollout: &Rollout,
        bytes: &[u8],
    ) -> Result<(), HostError> {
        let path = self.path(&plugin.digest);
        write_file(&path, bytes).await.map_err(|error| {
            HostError::Unavailable(format!("{} cannot be written: {error}", path.display()))
        })?;
        let mut puts = vec![
            (
                records::plugin_key(&plugin.name, &plugin.version),
                Some(records::encode(plugin)),
            ),
            kept_rollout(rollout),
        ];
        if let Some(described) = described {
            let key = records::manifest_key(&plugin.digest);
            puts.push((key, Some(records::encode(&*described.manifest))));
        }
        self.commit(puts).await
    }

    /// Stores records of the host's own, all or none.
    async fn commit(&self, puts: Puts) -> Result<(), HostError> {
        let op = *Uuid::now_v7().as_bytes();
        let mut batch = Batch::new(records::HOST, op, self.epoch);
        batch.put = puts;
        let committed = self.store.commit(batch).await;
        committed
            .map(|_| ())
            .map_err(|error| HostError::Unavailable(error.to_string()))
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
        self.folder
            .join(format!("{}.wasm", digest.trim_start_matches("sha256:")))
    }
}

/// A rollout's record.
fn kept_rollout(rollout: &Rollout) -> (Vec<u8>, Option<Vec<u8>>) {
    let key = records::rollout_key(&rollout.name);
    (key, Some(records::encode(rollout)))
}

/// What is stored: versions, which of them are active, and what they say of themselves.
async fn read_table(store: &Store) -> Result<Plugins, HostError> {
    let mut table = Plugins::default();
    let mut stored: Vec<Plugin> = Vec::new();
    for item in scan_all(store, records::HOST, records::prefix::PLUGIN).await? {
        stored.push(records::decode("plugin", &item.value)?);
    }
    stored.sort_by_key(|plugin| plugin.added_at);
    for item in scan_all(store, records::HOST, records::prefix::MANIFEST).await? {
        let manifest: Manifest = records::decode("manifest", &item.value)?;
        let digest = String::from_utf8_lossy(&item.key[records::prefix::MANIFEST.len()..]);
        table.describe(&digest, Arc::new(Described::new(manifest)?));
    }
    let mut rollouts: Vec<Rollout> = Vec::new();
    for item in scan_all(store, records::HOST, records::prefix::ROLLOUT).await? {
        rollouts.push(records::decode("rollout", &item.value)?);
    }
    for plugin in stored {
        table.register_builtin(plugin.clone());
        // Of names that an older host has stored, the version that was registered last is active.
        if rollouts.iter().all(|rollout| rollout.name != plugin.name) {
            table.activate_first(&plugin);
        }
    }
    for rollout in rollouts {
        if table.versions(&rollout.name).next().is_some() {
            table.set_rollout(rollout);
        }
    }
    Ok(table)
}

async fn read_keys(store: &Store) -> Result<Keys, HostError> {
    let mut keys = Keys::default();
    for item in scan_all(store, records::HOST, records::prefix::IDEMPOTENCY).await? {
        let kept = records::decode("idempotency key", &item.value)?;
        keys.load(&item.key, kept);
    }
    Ok(keys)
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

/// Writes a file so that it is there wholly or not at all, also after a power loss.
async fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (path, bytes) = (path.to_owned(), bytes.to_owned());
    let write = move || {
        use std::io::Write as _;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        if path.exists() {
            return Ok(());
        }
        let unfinished = path.with_extension(format!("{}.tmp", Uuid::now_v7()));
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    tokio::task::spawn_blocking(write)
        .await
        .map_err(std::io::Error::other)?
}
