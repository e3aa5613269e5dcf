//! Registering a component: the one way in, wherever it comes from.
//!
//! Invariants:
//! - A component that is refused changes nothing. It is compiled, its manifest read, and the configurations
//!   of those who would take it checked, before anything is stored.
//! - Whoever leaves before it is compiled has changed nothing; from then on it comes to its end.
//! - The same component once more mends what is damaged of it: its file, its manifest and its signature, also
//!   where what else is asked of it is refused. It changes which version new runs take only where that is asked
//!   for: a rollback outlives the next start of a host whose watched folder holds the version that was left.
//! - A name of what comes with the host is the host's.
//! - A pin holds: what is to become active under it is kept, and does not.

use super::steps::{Operator, check_startable};
use super::{describe, described, kept_manifest, kept_plugin, kept_rollout, whole};
use crate::host::{HostError, Result};
use crate::sources::blocking;
use adjutant_component::Component;
use adjutant_model::{
    Described, Moment, Origin, Plugin, Plugins, Refusal, Rollout, World, is_name,
};
use std::sync::Arc;

/// A component to register.
#[derive(Clone, Debug, Default)]
pub struct NewPlugin {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Its name. Its manifest says it; where it has none, this has to.
    pub name: Option<String>,
    /// Its version, likewise.
    pub version: Option<String>,
    /// What becomes of it.
    pub activation: Activation,
    /// Whether it may become active though agents' configurations do not fit it.
    pub force: bool,
    /// Why, for the history; may be empty.
    pub reason: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its signature, the content of a `.minisig` file, where it has one.
    pub signature: Option<String>,
    /// The digest that it has to have, `sha256:` and 64 hexadecimal digits, where one is known.
    pub digest: Option<String>,
}

impl NewPlugin {
    /// One that new runs take at once.
    pub fn named(name: &str, version: &str, component: Vec<u8>) -> NewPlugin {
        NewPlugin {
            component,
            name: Some(name.to_owned()),
            version: Some(version.to_owned()),
            ..NewPlugin::default()
        }
    }
}

/// A version that is there now.
#[derive(Clone, Debug)]
pub struct Added {
    /// The version.
    pub plugin: Plugin,
    /// Whether it was there before.
    pub known: bool,
}

/// What becomes of a version that is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// New runs take it, unless its name is pinned. One that was there before stays as it stands.
    #[default]
    Switch,
    /// The same, and one that was there before is made active, unless its name is pinned.
    Activate,
    /// New runs take what they took.
    Keep,
    /// This share of the new runs takes it, in percent, whether it was there before or not.
    Canary(u8),
}

/// A component that can be used, and what is wanted of it.
struct Checked {
    plugin: Plugin,
    component: Arc<Component>,
    described: Option<Arc<Described>>,
    new: NewPlugin,
}

impl Operator {
    /// Registers a component. The same component under the same version again changes nothing but what
    /// is asked for.
    pub(crate) async fn add(&self, new: NewPlugin) -> Result<Added> {
        if let Some(refusal) = bad_names(&new) {
            return Err(refusal);
        }
        let signatures = self.shelf.signatures.clone();
        let (new, source, bytes) = blocking(move || {
            let source = crate::sources::vet(&new, &signatures)?;
            let bytes = new.component.clone();
            Ok((new, source, bytes))
        })
        .await?;
        // What is no component at all is told as such, before anything that it says of itself.
        let component = self.shelf.compile(bytes).await?;
        let (new, described) = blocking(move || {
            let described = described(&new.component)?;
            Ok((new, described))
        })
        .await?;
        let (name, version) = names(&new, described.as_deref())?;
        if let Some(described) = &described {
            check_world(described, &component)?;
        }
        let plugin = Plugin {
            source,
            ..describe(&name, &version, &component, false, self.now())
        };
        let checked = Checked {
            plugin,
            component,
            described,
            new,
        };
        let operator = self.clone();
        whole(async move { operator.register(checked).await }).await
    }

    async fn register(&self, checked: Checked) -> Result<Added> {
        let _one_at_a_time = self.shelf.changing.lock().await;
        let plugin = checked.plugin.clone();
        let mut table = Plugins::clone(&self.shelf.table());
        if !table.register(plugin.clone())? {
            return self.again(checked).await;
        }
        check_not_builtin(&table, &plugin)?;
        let most = self.limits.plugins;
        if table.iter().count() > most {
            return Err(HostError::Refused(Refusal::Limit(format!(
                "this host has {most} versions of plugins, which is its limit (`plugins`); remove some \
                 that nobody needs"
            ))));
        }
        let Checked {
            component,
            described,
            new,
            ..
        } = checked;
        // What it says of itself is needed to see who fits it.
        if let Some(described) = &described {
            table.describe(&plugin.digest, described.clone());
        }
        let before = table.rollout_of(&plugin.name);
        let mut rollout = before.clone();
        self.begin(&mut rollout, &plugin, &new, plugin.added_at)?;
        if !new.force {
            self.check_fit(&table, &before, &rollout).await?;
        }
        self.shelf.keep_file(&plugin.digest, new.component).await?;
        self.shelf
            .keep(&plugin, described.as_deref(), &rollout)
            .await?;
        self.shelf.change(|table| {
            if let Some(described) = described {
                table.describe(&plugin.digest, described);
            }
            // It was new to the same table a moment ago, and only one changes it at a time.
            let _ = table.register(plugin.clone());
            table.set_rollout(rollout.clone());
        });
        // After that: whoever looks for what no version names, and counts this one, finds it named.
        self.shelf.freeing.registered();
        self.shelf.remember(component);
        self.tell(&before, &rollout).await;
        Ok(Added {
            plugin,
            known: false,
        })
    }

    /// The same component under the same version once more: what is damaged of it is whole again, and a
    /// signature that it lacked counts. What waits for that goes on. After that, what is asked of it: to be
    /// tried out, or made active. For whoever holds the lock.
    async fn again(&self, checked: Checked) -> Result<Added> {
        let Checked {
            plugin,
            component,
            described,
            mut new,
        } = checked;
        let table = self.shelf.table();
        let known = table
            .versions(&plugin.name)
            .find(|known| known.version == plugin.version);
        // It is there, or it would have been registered.
        let mut known = known.map_or_else(|| plugin.clone(), |known| Plugin::clone(known));
        let is_signed = table.is_barred(&known) && !table.is_barred(&plugin);
        let mut puts = Vec::new();
        if is_signed {
            known.source = plugin.source;
            puts.push(kept_plugin(&known));
        }
        let described = described.filter(|_| table.described(&known.digest).is_none());
        let manifest = described.as_ref();
        puts.extend(manifest.map(|described| kept_manifest(&known.digest, described)));
        let mend = |table: &mut Plugins| {
            table.vouch(known.clone());
            if let Some(described) = &described {
                table.describe(&known.digest, described.clone());
            }
        };
        let bytes = std::mem::take(&mut new.component);
        self.shelf.keep_file(&known.digest, bytes).await?;
        self.shelf.remember(component);
        if !puts.is_empty() {
            self.shelf.commit(puts).await?;
            self.shelf.change(mend);
            let rollout = self.shelf.table().rollout_of(&known.name);
            self.tell(&rollout, &rollout).await;
        }
        // What is asked may be refused; what was damaged is mended by then.
        self.ask_of_known(&known, &new).await?;
        Ok(Added {
            plugin: known,
            known: true,
        })
    }

    /// Does what is asked of a version that is there already. For whoever holds the lock.
    async fn ask_of_known(&self, known: &Plugin, asked: &NewPlugin) -> Result<()> {
        let table = self.shelf.table();
        let before = table.rollout_of(&known.name);
        let mut rollout = before.clone();
        self.turn_known(&mut rollout, known, asked)?;
        if rollout == before {
            return Ok(());
        }
        check_startable(&table, &before, &rollout)?;
        if !asked.force {
            self.check_fit(&table, &before, &rollout).await?;
        }
        self.shelf.commit(vec![kept_rollout(&rollout)]).await?;
        self.shelf
            .change(|table| table.set_rollout(rollout.clone()));
        self.tell(&before, &rollout).await;
        Ok(())
    }

    /// What becomes of a version that is there already.
    fn turn_known(&self, rollout: &mut Rollout, known: &Plugin, new: &NewPlugin) -> Result<()> {
        let at = Moment {
            now: self.now(),
            reason: &new.reason,
            keep: self.limits.plugin_history,
        };
        match new.activation {
            Activation::Switch | Activation::Keep => {}
            // As it is with a new one.
            Activation::Activate if rollout.pinned.is_some() => {}
            Activation::Activate => {
                rollout.activate(&known.version, at)?;
            }
            Activation::Canary(percent) => {
                rollout.try_out(&known.version, percent, at)?;
            }
        }
        Ok(())
    }

    /// What becomes of a version that is new.
    fn begin(
        &self,
        rollout: &mut Rollout,
        plugin: &Plugin,
        new: &NewPlugin,
        now: u64,
    ) -> Result<()> {
        let at = Moment {
            now,
            reason: &new.reason,
            keep: self.limits.plugin_history,
        };
        match new.activation {
            Activation::Switch | Activation::Activate if rollout.pinned.is_some() => {
                let reason = "the name is pinned";
                rollout.added(&plugin.version, Moment { reason, ..at });
            }
            Activation::Switch | Activation::Activate => {
                rollout.activate(&plugin.version, at)?;
            }
            Activation::Keep => rollout.added(&plugin.version, at),
            Activation::Canary(percent) => {
                rollout.try_out(&plugin.version, percent, at)?;
            }
        }
        Ok(())
    }
}

/// Refuses a new version of what comes with the host: the host brings its own. One that was stored before that
/// was so stays.
fn check_not_builtin(table: &Plugins, plugin: &Plugin) -> Result<()> {
    let name = &plugin.name;
    if table.versions(name).all(|known| !known.builtin) {
        return Ok(());
    }
    Err(HostError::Refused(Refusal::Conflict(format!(
        "plugin {name} comes with the host, which takes no other component of that name; register \
         {name}@{} under another name",
        plugin.version
    ))))
}

fn bad_names(new: &NewPlugin) -> Option<HostError> {
    let given = [("name", &new.name), ("version", &new.version)];
    given.into_iter().find_map(|(what, text)| {
        let text = text.as_deref().filter(|text| !is_name(text))?;
        Some(HostError::Plugin(format!(
            "{text:?} is no {what} for a plugin: 1 to 64 letters, digits, '-', '_' or '.'"
        )))
    })
}

/// What it is called: by its manifest, and by whoever registers it, who may not say otherwise.
fn names(new: &NewPlugin, described: Option<&Described>) -> Result<(String, String)> {
    let manifest = described.map(|described| &*described.manifest);
    let of = |what: &str, given: &Option<String>, own: Option<&String>| match (given, own) {
        (Some(given), Some(own)) if given != own => Err(HostError::Refused(Refusal::invalid(
            format!("/{what}"),
            format!(
                "the component's manifest says {own:?}, and not {given:?}; leave it out, or change the \
                     manifest"
            ),
        ))),
        (_, Some(own)) => Ok(own.clone()),
        (Some(given), None) => Ok(given.clone()),
        (None, None) => Err(HostError::Refused(Refusal::invalid(
            format!("/{what}"),
            format!("the component has no manifest: say its {what}"),
        ))),
    };
    Ok((
        of("name", &new.name, manifest.map(|manifest| &manifest.name))?,
        of(
            "version",
            &new.version,
            manifest.map(|manifest| &manifest.version),
        )?,
    ))
}

/// A manifest may say `boss` of a component that does not delegate yet, and not the other way round.
fn check_world(described: &Arc<Described>, component: &Component) -> Result<()> {
    use adjutant_component::World as Is;
    let said = described.manifest.world;
    let fits = match component.world() {
        Is::Selector => said == World::Selector,
        Is::Subordinate => said != World::Selector,
        Is::Boss => said == World::Boss,
    };
    if fits {
        return Ok(());
    }
    Err(HostError::Refused(Refusal::invalid(
        "/manifest/world",
        format!(
            "the manifest says {}, and what the component imports and exports is a {}",
            said.as_str(),
            component.world()
        ),
    )))
}
