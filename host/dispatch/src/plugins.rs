//! The host's plugins: which there are, and their components in memory and on disk.
//!
//! A component's bytes lie in a file named by its digest; the record that names it is written after.
//! Components are verified before they are registered, and compiled at most once in a process.

use crate::host::{Builtin, HostError, HostOptions, HostParts};
use crate::load::scan_all;
use adjutant_component::{Component, Engine};
use adjutant_model::{Plugin, PluginRef, Plugins, Refusal, Timestamp, World, is_name};
use adjutant_store::{Batch, Store, records};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

/// The host's plugins.
pub(crate) struct PluginShelf {
    engine: Engine,
    store: Store,
    folder: PathBuf,
    epoch: u64,
    table: Mutex<Arc<Plugins>>,
    components: Mutex<HashMap<String, Arc<Component>>>,
    /// One registration or first load at a time: compiling keeps cores busy.
    adding: AsyncMutex<()>,
}

impl PluginShelf {
    /// Reads the registered plugins, and registers those that come with the host.
    pub(crate) async fn open(
        parts: &HostParts,
        epoch: u64,
        options: &HostOptions,
    ) -> Result<PluginShelf, HostError> {
        let store = parts.store.clone();
        let mut table = Plugins::default();
        let mut stored: Vec<Plugin> = Vec::new();
        for item in scan_all(&store, records::HOST, records::prefix::PLUGIN).await? {
            stored.push(records::decode("plugin", &item.value)?);
        }
        stored.sort_by_key(|plugin| plugin.added_at);
        for plugin in stored {
            table.add_builtin(plugin);
        }
        let shelf = PluginShelf {
            engine: parts.engine.clone(),
            store,
            folder: parts.plugins.clone(),
            epoch,
            table: Mutex::new(Arc::new(table)),
            components: Mutex::default(),
            adding: AsyncMutex::default(),
        };
        for builtin in &options.builtins {
            shelf.add_builtin(builtin, options.clock.now()).await?;
        }
        Ok(shelf)
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
        self.keep(&plugin, &builtin.wasm).await?;
        self.change(|table| {
            table.add_builtin(plugin);
            Ok(())
        })?;
        self.remember(component);
        Ok(())
    }

    /// Registers a component.
    pub(crate) async fn add(
        &self,
        name: &str,
        version: &str,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<Plugin, HostError> {
        for (what, text) in [("name", name), ("version", version)] {
            if !is_name(text) {
                return Err(HostError::Plugin(format!(
                    "{text:?} is no {what} for a plugin: 1 to 64 letters, digits, '-', '_' or '.'"
                )));
            }
        }
        let component = self.compile(bytes.clone()).await?;
        let _one_at_a_time = self.adding.lock().await;
        let plugin = describe(name, version, &component, false, now);
        let mut trial = Plugins::clone(&self.table());
        trial.add(plugin.clone())?;
        let wanted = PluginRef {
            name: name.to_owned(),
            version: Some(version.to_owned()),
        };
        if let Some(known) = self.table().get(&wanted) {
            return Ok(Plugin::clone(known));
        }
        self.keep(&plugin, &bytes).await?;
        self.change(|table| table.add(plugin.clone()))?;
        self.remember(component);
        Ok(plugin)
    }

    /// A component by its digest, from memory or from its file.
    pub(crate) async fn component(&self, digest: &str) -> Result<Arc<Component>, HostError> {
        if let Some(known) = self.known(digest) {
            return Ok(known);
        }
        let _one_at_a_time = self.adding.lock().await;
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
        let component = self.compile(bytes).await?;
        if component.digest() != digest {
            return Err(HostError::Plugin(format!(
                "the file {} is damaged: its digest is {}",
                path.display(),
                component.digest()
            )));
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

    /// Writes the component's file, then its record.
    async fn keep(&self, plugin: &Plugin, bytes: &[u8]) -> Result<(), HostError> {
        let path = self.path(&plugin.digest);
        write_file(&path, bytes).await.map_err(|error| {
            HostError::Unavailable(format!("{} cannot be written: {error}", path.display()))
        })?;
        let op = *Uuid::now_v7().as_bytes();
        let mut batch = Batch::new(records::HOST, op, self.epoch);
        let key = records::plugin_key(&plugin.name, &plugin.version);
        batch.put.push((key, Some(records::encode(plugin))));
        let committed = self.store.commit(batch).await;
        committed
            .map(|_| ())
            .map_err(|error| HostError::Unavailable(error.to_string()))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Plugins) -> Result<(), adjutant_model::Refusal>,
    ) -> Result<(), HostError> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Plugins::clone(&table);
        change(&mut new)?;
        *table = Arc::new(new);
        Ok(())
    }

    /// Takes a version out of the table. Its component's file stays: runs are pinned to it.
    pub(crate) async fn remove(&self, name: &str, version: &str) -> Result<(), HostError> {
        let _one_at_a_time = self.adding.lock().await;
        let op = *Uuid::now_v7().as_bytes();
        let mut batch = Batch::new(records::HOST, op, self.epoch);
        batch.put.push((records::plugin_key(name, version), None));
        let committed = self.store.commit(batch).await;
        committed.map_err(|error| HostError::Unavailable(error.to_string()))?;
        self.change(|table| {
            table.remove(name, version);
            Ok(())
        })
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
