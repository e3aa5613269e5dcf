//! What is stored of the plugins, read at the start.
//!
//! Invariant: a manifest that this host cannot use keeps its own component from being used, and nothing
//! else.

use super::{described, file_of, off_worker};
use crate::host::HostError;
use crate::keys::Keys;
use crate::load::scan_all;
use crate::sources::digest_of;
use adjutant_model::{Described, Manifest, Plugin, Plugins, Removed, Rollout};
use adjutant_store::{Store, records};
use std::path::Path;
use std::sync::Arc;

/// Versions, which of them are active, and what they say of themselves.
/// `folder` has the components.
pub(super) async fn table(store: &Store, folder: &Path) -> Result<Plugins, HostError> {
    let mut table = Plugins::default();
    let mut stored: Vec<Plugin> = Vec::new();
    for item in scan_all(store, records::HOST, records::prefix::PLUGIN).await? {
        stored.push(records::decode("plugin", &item.value)?);
    }
    stored.sort_by_key(|plugin| plugin.added_at);
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
    manifests(store, folder, &mut table).await?;
    removed(store, &mut table).await?;
    Ok(table)
}

/// Reads the manifests. Schemas come with components, and take long to make ready where they are large.
async fn manifests(store: &Store, folder: &Path, table: &mut Plugins) -> Result<(), HostError> {
    let stored = scan_all(store, records::HOST, records::prefix::MANIFEST).await?;
    if stored.is_empty() {
        return Ok(());
    }
    let folder = folder.to_owned();
    let read = move || {
        let read = stored.iter().map(|item| {
            let digest = String::from_utf8_lossy(&item.key[records::prefix::MANIFEST.len()..]);
            let manifest = manifest(&item.value).or_else(|why| carried(&folder, &digest, &why));
            (digest.into_owned(), manifest)
        });
        Ok(read.collect::<Vec<_>>())
    };
    for (digest, described) in off_worker(read).await? {
        match described {
            Ok(described) => table.describe(&digest, described),
            Err(why) => {
                let versions = table.iter().filter(|plugin| plugin.digest == digest);
                let versions: Vec<String> = versions
                    .map(|plugin| format!("{}@{}", plugin.name, plugin.version))
                    .collect();
                let versions = versions.join(", ");
                tracing::error!(digest, versions, why, "nothing starts on a plugin");
                table.bar_unusable(&digest, &why);
            }
        }
    }
    Ok(())
}

/// A manifest as it is stored. The error is a sentence.
fn manifest(stored: &[u8]) -> Result<Arc<Described>, String> {
    let manifest = records::decode::<Manifest>("manifest", stored);
    let described = Described::new(manifest.map_err(|error| error.to_string())?);
    described
        .map(Arc::new)
        .map_err(|refusal| refusal.to_string())
}

/// The manifest that a component itself carries, where the stored one cannot be used.
fn carried(folder: &Path, digest: &str, why: &str) -> Result<Arc<Described>, String> {
    let bytes = std::fs::read(file_of(folder, digest)).unwrap_or_default();
    let found = match digest_of(&bytes) == digest {
        true => described(&bytes).map_err(|error| error.to_string()),
        false => Err(why.to_owned()),
    };
    match found {
        Ok(Some(described)) => Ok(described),
        Ok(None) => Err(why.to_owned()),
        Err(why) => Err(why),
    }
    .map_err(|why| {
        format!(
            "what it says of itself cannot be used by this host ({why}); make another version active, or \
             install the component once more where it was damaged"
        )
    })
}

/// Reads which versions were removed.
async fn removed(store: &Store, table: &mut Plugins) -> Result<(), HostError> {
    for item in scan_all(store, records::HOST, records::prefix::REMOVED).await? {
        let removed: Removed = records::decode("removed version of a plugin", &item.value)?;
        let key = String::from_utf8_lossy(&item.key[records::prefix::REMOVED.len()..]);
        if let Some((name, version)) = key.split_once('\0') {
            table.note_removed(name, version, removed);
        }
    }
    Ok(())
}

/// The idempotency keys of steps.
pub(super) async fn keys(store: &Store) -> Result<Keys, HostError> {
    let mut keys = Keys::default();
    for item in scan_all(store, records::HOST, records::prefix::IDEMPOTENCY).await? {
        let kept = records::decode("idempotency key", &item.value)?;
        keys.load(&item.key, kept);
    }
    Ok(keys)
}
