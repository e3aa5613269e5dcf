//! The plugins that a host has, by name and version, and which of them new runs take.
//!
//! Invariants:
//! - A version names one digest for ever, also once it was removed, but for those that come with the host.
//! - Where signatures are required, nothing starts on a version without one that counts.
//! - Nothing starts on a component whose manifest cannot be read: what it wants would not bound it.

use crate::rollout::Moment;
use crate::{
    ConfigSchema, Lot, Manifest, Plugin, PluginRef, Refusal, Rollout, Timestamp, Violation, World,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// A host's plugins. Of one name, the version registered last comes last.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    by_name: BTreeMap<String, Vec<Arc<Plugin>>>,
    rollouts: BTreeMap<String, Arc<Rollout>>,
    /// Manifests by digest, also of versions that were removed while runs are pinned to them.
    described: HashMap<String, Arc<Described>>,
    /// Why manifests cannot be used, by digest: each is a sentence.
    unusable: HashMap<String, Arc<str>>,
    /// Versions that were removed, by name and version.
    removed: BTreeMap<String, BTreeMap<String, Removed>>,
    /// The keys of which one has to have signed what is used; none where that is not required.
    signers: Option<Arc<BTreeSet<String>>>,
}

/// A version that was removed: what it named, it names for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// The digest of its component.
    pub digest: String,
    /// When it was removed.
    pub at: Timestamp,
}

/// What a component says of itself, ready to be used.
#[derive(Debug)]
pub struct Described {
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// The schema of its configuration, where it has one.
    pub config: Option<ConfigSchema>,
}

impl Described {
    /// Prepares a manifest.
    ///
    /// # Errors
    /// Where its schema is none. One that was parsed is checked already.
    pub fn new(manifest: Manifest) -> Result<Described, Refusal> {
        let config = manifest.config_schema.as_ref();
        let config = config.map(ConfigSchema::compile).transpose()?;
        Ok(Described {
            manifest: Arc::new(manifest),
            config,
        })
    }

    /// What is wrong with an agent's configuration. A hostile schema can take its time.
    pub fn violations(&self, config: &Value) -> Vec<Violation> {
        let complete = self.config.as_ref().map(|schema| schema.complete(config));
        complete.and_then(Result::err).unwrap_or_default()
    }
}

/// Why a run cannot take a plugin.
#[derive(Clone, Debug, PartialEq)]
pub enum NoPlugin {
    /// It never can as things stand.
    Fails(Refusal),
    /// There is nothing to start on, until an operator makes a version active. The reason is a sentence.
    Waits(String),
}

impl fmt::Display for NoPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPlugin::Fails(refusal) => refusal.fmt(f),
            NoPlugin::Waits(why) => f.write_str(why),
        }
    }
}

impl Plugins {
    /// Adds one and makes it active, unless its name is pinned. The same name and version again changes
    /// nothing where the digest is the same; otherwise it is refused, for a version names one component
    /// for ever.
    pub fn add(&mut self, plugin: Plugin) -> Result<(), Refusal> {
        if self.register(plugin.clone())? {
            self.activate_first(&plugin);
        }
        Ok(())
    }

    /// Adds one, and leaves alone which is active. Gives back whether it is new.
    ///
    /// # Errors
    /// Where its version is, or was until it was removed, that of another component.
    pub fn register(&mut self, plugin: Plugin) -> Result<bool, Refusal> {
        if let Some(removed) = self.removed(&plugin.name, &plugin.version)
            && removed.digest != plugin.digest
        {
            return Err(Refusal::Conflict(format!(
                "{}@{} was removed, and had digest {}: a version names one component for ever; give the \
                 new component a new version",
                plugin.name, plugin.version, removed.digest
            )));
        }
        let versions = self.by_name.entry(plugin.name.clone()).or_default();
        match versions
            .iter()
            .find(|known| known.version == plugin.version)
        {
            Some(known) if known.digest == plugin.digest => Ok(false),
            Some(known) => Err(Refusal::Conflict(format!(
                "{}@{} is already registered with digest {}; give the new component a new version",
                plugin.name, plugin.version, known.digest
            ))),
            None => {
                let (name, version) = (plugin.name.clone(), plugin.version.clone());
                versions.push(Arc::new(plugin));
                self.forget_removed(&name, &version);
                Ok(true)
            }
        }
    }

    /// What a version named that was removed and has not come back.
    pub fn removed(&self, name: &str, version: &str) -> Option<&Removed> {
        self.removed.get(name)?.get(version)
    }

    /// Notes what a removed version named.
    pub fn note_removed(&mut self, name: &str, version: &str, removed: Removed) {
        let versions = self.removed.entry(name.to_owned()).or_default();
        versions.insert(version.to_owned(), removed);
    }

    /// Lets go of a removed version: its name and version are free.
    pub fn forget_removed(&mut self, name: &str, version: &str) {
        if let Some(versions) = self.removed.get_mut(name) {
            versions.remove(version);
            if versions.is_empty() {
                self.removed.remove(name);
            }
        }
    }

    /// Removed versions beyond so many, the oldest ones: name and version.
    pub fn removed_beyond(&self, most: usize) -> Vec<(String, String)> {
        let all = self.removed.iter().flat_map(|(name, versions)| {
            let versions = versions.iter();
            versions.map(move |(version, removed)| (removed.at, name, version))
        });
        let mut all: Vec<_> = all.collect();
        let over = all.len().saturating_sub(most);
        all.sort_unstable();
        all.truncate(over);
        let owned = all.into_iter();
        owned
            .map(|(_, name, version)| (name.clone(), version.clone()))
            .collect()
    }

    /// Adds one that comes with the host, in place of what an older host brought under that version.
    /// Gives back whether its version is new.
    pub fn register_builtin(&mut self, plugin: Plugin) -> bool {
        let versions = self.by_name.entry(plugin.name.clone()).or_default();
        let before = versions.len();
        versions.retain(|known| known.version != plugin.version);
        let is_new = versions.len() == before;
        versions.push(Arc::new(plugin));
        is_new
    }

    /// The active version is the one added last where nothing is known of its rollout, as it was before
    /// there were any.
    pub fn activate_first(&mut self, plugin: &Plugin) {
        let mut rollout = self.rollout_of(&plugin.name);
        let at = Moment {
            now: plugin.added_at,
            reason: "",
            keep: usize::MAX,
        };
        // A pinned one stays as it is.
        if rollout.activate(&plugin.version, at).is_ok() {
            self.set_rollout(rollout);
        }
    }

    /// Takes a version away, if it is there. Its manifest is known on, for runs are pinned to it: see
    /// [`Plugins::forget`].
    pub fn remove(&mut self, name: &str, version: &str, at: Moment<'_>) -> Option<Arc<Plugin>> {
        let versions = self.by_name.get_mut(name)?;
        let place = versions.iter().position(|known| known.version == version)?;
        let removed = versions.remove(place);
        if versions.is_empty() {
            self.by_name.remove(name);
            self.rollouts.remove(name);
        } else if let Some(rollout) = self.rollouts.get_mut(name) {
            Arc::make_mut(rollout).removed(version, at);
        }
        Some(removed)
    }

    /// The rollout of a name; an empty one where there is none yet.
    pub fn rollout_of(&self, name: &str) -> Rollout {
        let known = self.rollouts.get(name);
        known.map_or_else(|| Rollout::new(name), |known| Rollout::clone(known))
    }

    /// The rollout of a name, where there is one.
    pub fn rollout(&self, name: &str) -> Option<&Arc<Rollout>> {
        self.rollouts.get(name)
    }

    /// Sets the rollout of a name.
    pub fn set_rollout(&mut self, rollout: Rollout) {
        self.rollouts
            .insert(rollout.name.clone(), Arc::new(rollout));
    }

    /// Lets nothing start on what none of these keys has signed, but on what comes with the host. The keys
    /// are named as in [`Source::signed_by`](crate::Source::signed_by).
    pub fn require_signers(&mut self, keys: impl IntoIterator<Item = String>) {
        self.signers = Some(Arc::new(keys.into_iter().collect()));
    }

    /// Whether nothing starts on a version, for it lacks a signature that counts. Runs that have started
    /// go on.
    pub fn is_barred(&self, plugin: &Plugin) -> bool {
        let Some(signers) = self.signers.as_ref().filter(|_| !plugin.builtin) else {
            return false;
        };
        let signed_by = plugin.source.signed_by.as_ref();
        signed_by.is_none_or(|key| !signers.contains(key))
    }

    /// Refuses a version that lacks a signature that counts.
    ///
    /// # Errors
    /// Says what to do.
    fn check_barred(&self, plugin: &Plugin) -> Result<(), Refusal> {
        if !self.is_barred(plugin) {
            return Ok(());
        }
        Err(Refusal::Denied(format!(
            "{}@{} is not signed by a key that this host trusts, and nothing starts on it: the host takes \
             signed plugins only (`require_signed`). Install it once more with its signature beside it, or \
             have its signer's key trusted",
            plugin.name, plugin.version
        )))
    }

    /// Whether something may start on a version.
    pub fn is_startable(&self, plugin: &Plugin) -> bool {
        !self.is_barred(plugin) && self.unusable(&plugin.digest).is_none()
    }

    /// Refuses what nothing may start on: a version that lacks a signature that counts, or whose manifest
    /// cannot be used.
    ///
    /// # Errors
    /// Says what to do.
    pub fn check_startable(&self, plugin: &Plugin) -> Result<(), Refusal> {
        if let Some(why) = self.unusable(&plugin.digest) {
            return Err(Refusal::Conflict(format!(
                "nothing starts on {}@{}: {why}",
                plugin.name, plugin.version
            )));
        }
        self.check_barred(plugin)
    }

    /// Notes where a version comes from, anew: it was not signed before. Whether there is one.
    pub fn vouch(&mut self, plugin: Plugin) -> bool {
        let versions = self.by_name.get_mut(&plugin.name).into_iter().flatten();
        let mut known = versions.filter(|known| known.version == plugin.version);
        let Some(known) = known.next() else {
            return false;
        };
        *known = Arc::new(plugin);
        true
    }

    /// Takes note of what a component says of itself.
    pub fn describe(&mut self, digest: &str, described: Arc<Described>) {
        self.unusable.remove(digest);
        self.described.insert(digest.to_owned(), described);
    }

    /// Takes note of why what a component says of itself cannot be used: a sentence.
    pub fn bar_unusable(&mut self, digest: &str, why: &str) {
        self.described.remove(digest);
        self.unusable.insert(digest.to_owned(), why.into());
    }

    /// Why what a component says of itself cannot be used, where that is so: a sentence.
    pub fn unusable(&self, digest: &str) -> Option<&str> {
        self.unusable.get(digest).map(AsRef::as_ref)
    }

    /// The components that say something of themselves, usable or not, by digest.
    pub fn with_manifests(&self) -> impl Iterator<Item = &str> {
        let described = self.described.keys().chain(self.unusable.keys());
        described.map(String::as_str)
    }

    /// Forgets what a component says of itself: nothing needs it any more.
    pub fn forget(&mut self, digest: &str) {
        self.described.remove(digest);
        self.unusable.remove(digest);
    }

    /// Whether a version names a component.
    pub fn names(&self, digest: &str) -> bool {
        self.iter().any(|plugin| plugin.digest == digest)
    }

    /// What a component says of itself, where it says anything.
    pub fn described(&self, digest: &str) -> Option<&Arc<Described>> {
        self.described.get(digest)
    }

    /// The one that a reference means: of a name alone the active one, or where none is, the one that
    /// was registered last.
    pub fn get(&self, wanted: &PluginRef) -> Option<&Arc<Plugin>> {
        let versions = self.by_name.get(&wanted.name)?;
        let Some(version) = &wanted.version else {
            let active = self.active(&wanted.name);
            return active.or_else(|| versions.last());
        };
        versions
            .iter()
            .rev()
            .find(|plugin| plugin.version == *version || plugin.digest == *version)
    }

    fn active(&self, name: &str) -> Option<&Arc<Plugin>> {
        let version = self.rollouts.get(name)?.active.as_ref()?;
        let versions = self.by_name.get(name)?;
        versions.iter().find(|plugin| plugin.version == *version)
    }

    /// The one that a reference means, fit to be used so; otherwise why not.
    pub fn resolve(&self, wanted: &PluginRef, selector: bool) -> Result<&Arc<Plugin>, Refusal> {
        let plugin = self.get(wanted).ok_or_else(|| self.unknown(wanted))?;
        fits(wanted, plugin, selector)?;
        Ok(plugin)
    }

    /// The one that a new run takes, or a choice of a selector: of a name alone the active one, or the
    /// canary where what it draws is in its share; of an exact version that one, and none in its place.
    pub fn take(
        &self,
        wanted: &PluginRef,
        lot: Lot,
        selector: bool,
    ) -> Result<&Arc<Plugin>, NoPlugin> {
        let found = self.resolve(wanted, selector).map_err(NoPlugin::Fails)?;
        let plugin = match self.rollouts.get(&wanted.name) {
            None => Some(found),
            Some(rollout) => match &wanted.version {
                Some(_) if rollout.drains(&found.version) => {
                    return Err(NoPlugin::Waits(format!(
                        "plugin {wanted} is drained, so nothing new starts on it; it goes on when that \
                         version is made active again or the agent has another one"
                    )));
                }
                Some(_) => Some(found),
                None => self.drawn(rollout, lot),
            },
        };
        let Some(plugin) = plugin else {
            return Err(NoPlugin::Waits(format!(
                "plugin {} has no active version; it goes on when one is made active: `adjutant plugin \
                 activate {}@VERSION`",
                wanted.name, wanted.name
            )));
        };
        fits(wanted, plugin, selector).map_err(NoPlugin::Fails)?;
        match self.check_startable(plugin) {
            Ok(()) => Ok(plugin),
            Err(refusal) => Err(NoPlugin::Waits(refusal.to_string())),
        }
    }

    /// The active version, or the canary where that is drawn and may be used.
    fn drawn(&self, rollout: &Rollout, lot: Lot) -> Option<&Arc<Plugin>> {
        let version = rollout.version_for(lot)?;
        let drawn = self
            .versions(&rollout.name)
            .find(|plugin| plugin.version == version)?;
        match self.is_startable(drawn) {
            true => Some(drawn),
            false => self.active(&rollout.name),
        }
    }

    fn unknown(&self, wanted: &PluginRef) -> Refusal {
        if let Some(versions) = self.by_name.get(&wanted.name) {
            let versions: Vec<&str> = versions.iter().map(|one| one.version.as_str()).collect();
            return Refusal::NotFound(format!(
                "there is no plugin {wanted}; of that name there are {}",
                versions.join(", ")
            ));
        }
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        Refusal::NotFound(format!(
            "there is no plugin {wanted}; there are {}",
            names.join(", ")
        ))
    }

    /// All of them, by name, then in the order of their registration.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.by_name.values().flatten().map(Arc::as_ref)
    }

    /// A name's versions, in the order of their registration.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &Arc<Plugin>> {
        self.by_name.get(name).into_iter().flatten()
    }
}

fn fits(wanted: &PluginRef, plugin: &Plugin, selector: bool) -> Result<(), Refusal> {
    if (plugin.world == World::Selector) == selector {
        return Ok(());
    }
    Err(Refusal::invalid(
        "",
        format!(
            "plugin {wanted} is a {}, and {} is needed here",
            plugin.world.as_str(),
            if selector {
                "a selector"
            } else {
                "a subordinate or a boss"
            }
        ),
    ))
}
