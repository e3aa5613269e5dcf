//! The plugins that a host has, by name and version.

use crate::{Plugin, PluginRef, Refusal, World};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A host's plugins. Of one name, the version registered last comes last.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    by_name: BTreeMap<String, Vec<Arc<Plugin>>>,
}

impl Plugins {
    /// Adds one. The same name and version again replaces it only where the digest is the same;
    /// otherwise it is refused, for a version names one component for ever.
    pub fn add(&mut self, plugin: Plugin) -> Result<(), Refusal> {
        let versions = self.by_name.entry(plugin.name.clone()).or_default();
        match versions
            .iter()
            .find(|known| known.version == plugin.version)
        {
            Some(known) if known.digest == plugin.digest => Ok(()),
            Some(known) => Err(Refusal::Conflict(format!(
                "{}@{} is already registered with digest {}; give the new component a new version",
                plugin.name, plugin.version, known.digest
            ))),
            None => {
                versions.push(Arc::new(plugin));
                Ok(())
            }
        }
    }

    /// Adds one that comes with the host, in place of what an older host brought under that version.
    pub fn add_builtin(&mut self, plugin: Plugin) {
        let versions = self.by_name.entry(plugin.name.clone()).or_default();
        versions.retain(|known| known.version != plugin.version);
        versions.push(Arc::new(plugin));
    }

    /// Takes a version away, if it is there.
    pub fn remove(&mut self, name: &str, version: &str) -> Option<Arc<Plugin>> {
        let versions = self.by_name.get_mut(name)?;
        let at = versions.iter().position(|known| known.version == version)?;
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.by_name.remove(name);
        }
        Some(removed)
    }

    /// The one that a reference means.
    pub fn get(&self, wanted: &PluginRef) -> Option<&Arc<Plugin>> {
        let versions = self.by_name.get(&wanted.name)?;
        match &wanted.version {
            Some(version) => versions.iter().find(|plugin| plugin.version == *version),
            None => versions.last(),
        }
    }

    /// The one that a reference means, fit to be used so; otherwise why not.
    pub fn resolve(&self, wanted: &PluginRef, selector: bool) -> Result<&Arc<Plugin>, Refusal> {
        let plugin = self.get(wanted).ok_or_else(|| {
            let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
            Refusal::NotFound(format!(
                "there is no plugin {wanted}; there are {}",
                names.join(", ")
            ))
        })?;
        if (plugin.world == World::Selector) == selector {
            Ok(plugin)
        } else {
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
    }

    /// All of them, by name, then in the order of their registration.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.by_name.values().flatten().map(Arc::as_ref)
    }
}
