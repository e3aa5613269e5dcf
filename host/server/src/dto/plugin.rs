//! Plugins, and which version of one new runs take.

use super::{World, time};
use adjutant_dispatch::{Became, PluginState, PluginView, RolloutView};
use adjutant_model as model;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A plugin at one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `sha256:` and 64 hexadecimal digits, of the component's bytes.
    pub digest: String,
    /// What it can be used as.
    pub world: World,
    /// Bytes of the component.
    pub size: u64,
    /// Whether it came with the host.
    pub builtin: bool,
    /// How it came in: `built-in`, `upload`, `path`, `watched` or `registry`.
    pub origin: String,
    /// From where exactly: a path, a file of the watched folder, or a reference with its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The number of the trusted key that signed it. Missing where it was not looked at, for it was not
    /// signed or no key was trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// How it stands: `active` (new runs take it), `canary` (a share of them does), `draining` (nothing
    /// starts on it any more), `drained` (and no run is left), or `idle` (only agents that name it do).
    pub state: String,
    /// Its share of the new runs in percent, where it is a canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Whether its name is pinned to it.
    pub pinned: bool,
    /// The version that its name is pinned to, where that is another one: this one does not become active
    /// until the name is unpinned. Missing where it is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_to: Option<String>,
    /// Whether nothing starts on it, for it is not signed by a trusted key and the host requires that.
    /// Missing where it is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub barred: bool,
    /// Why nothing starts on it, where the host cannot use what it says of itself: a sentence. Missing where
    /// it is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// Whether it says what it is and what it wants.
    pub has_manifest: bool,
    /// Its manifest, where one plugin is asked for and has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<Value>,
    /// Whether it was there before, where it is registered. Missing otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// Its runs in flight, where a rollout is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<usize>,
    /// When it was registered.
    pub added_at: Timestamp,
}

impl From<&PluginView> for Plugin {
    fn from(view: &PluginView) -> Self {
        let plugin = &view.plugin;
        let (state, percent) = match view.state {
            PluginState::Active => ("active", None),
            PluginState::Canary(percent) => ("canary", Some(percent)),
            PluginState::Draining => ("draining", None),
            PluginState::Drained => ("drained", None),
            PluginState::Idle => ("idle", None),
        };
        Plugin {
            name: plugin.name.clone(),
            version: plugin.version.clone(),
            digest: plugin.digest.clone(),
            // A boss that delegates nothing has the form of a subordinate, and is what it says.
            world: match &view.manifest {
                Some(manifest) => manifest.world.into(),
                None => plugin.world.into(),
            },
            size: plugin.size,
            builtin: plugin.builtin,
            origin: match plugin.builtin {
                true => "built-in".to_owned(),
                false => plugin.source.origin.word().to_owned(),
            },
            from: plugin.source.origin.place().map(ToOwned::to_owned),
            signed_by: plugin.source.signed_by.clone(),
            state: state.to_owned(),
            percent,
            pinned: view.pinned,
            pinned_to: view.pinned_to.clone(),
            barred: view.barred,
            unusable: view.unusable.clone(),
            has_manifest: view.manifest.is_some(),
            manifest: None,
            known: false,
            runs: None,
            added_at: time(plugin.added_at),
        }
    }
}

impl Plugin {
    /// Shows a plugin with what it says of itself.
    pub(crate) fn with_manifest(view: &PluginView) -> Plugin {
        let manifest = view.manifest.as_deref();
        Plugin {
            // A manifest is JSON; were it not, its place stays empty.
            manifest: manifest.and_then(|manifest| serde_json::to_value(manifest).ok()),
            ..Plugin::from(view)
        }
    }
}

/// The watched folder: what is dropped into it is registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WatchedFolder {
    /// Where it is.
    pub path: String,
    /// The files that are there and were looked at, by name.
    pub files: Vec<WatchedFile>,
    /// Files that are left alone, for there are more than the host looks at: the last ones by name.
    #[serde(default)]
    pub left_alone: usize,
}

/// What became of a file of the watched folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WatchedFile {
    /// Its name.
    pub file: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// The plugin that it is: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The version that it was, `name@version`, where that was removed since. It comes back when the file is
    /// copied into the folder once more, or installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<String>,
    /// Why it is none: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl From<adjutant_dispatch::WatchedFolder> for WatchedFolder {
    fn from(folder: adjutant_dispatch::WatchedFolder) -> Self {
        let file = |file: adjutant_dispatch::WatchedFile| {
            let (plugin, removed, refused) = match file.became {
                Became::Plugin(plugin) => (Some(plugin), None, None),
                Became::Removed(plugin) => (None, Some(plugin), None),
                Became::Refused(why) => (None, None, Some(why)),
            };
            WatchedFile {
                file: file.file,
                at: time(file.at),
                plugin,
                removed,
                refused,
            }
        };
        WatchedFolder {
            path: folder.path.display().to_string(),
            files: folder.files.into_iter().map(file).collect(),
            left_alone: folder.left_alone,
        }
    }
}

/// Which version of a plugin new runs take, and how it came to that. Of a selector, what is said of runs is
/// said of its choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    /// The plugin's name.
    pub name: String,
    /// How often it has changed: the ETag.
    pub revision: u64,
    /// The version that new runs take. Null where nothing can start.
    pub active: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// The versions that were active before, the last one last: what `rollback` goes back to.
    pub former: Vec<String>,
    /// Since when the active version is held, where it is.
    pub pinned: Option<Timestamp>,
    /// How runs of the active version ended since it became active, or since the host started where all
    /// went well.
    pub counted: Counted,
    /// A version that is being tried.
    pub canary: Option<Canary>,
    /// Versions on which nothing starts any more.
    pub draining: Vec<Drain>,
    /// All versions, in the order of their registration, with their runs in flight.
    pub versions: Vec<Plugin>,
    /// What has changed, the last change last.
    pub history: Vec<Turn>,
}

/// Runs that have ended with an answer or broke; those that were cancelled or stopped do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counted {
    /// How many.
    pub ended: u32,
    /// How many of them by the plugin's own fault: it trapped, hit a limit of its own, or diverged.
    pub faulted: u32,
    /// Of the last ones (setting `fault_window`), how many did.
    pub recent_faults: usize,
}

impl From<&model::Counted> for Counted {
    fn from(counted: &model::Counted) -> Self {
        Counted {
            ended: counted.ended,
            faulted: counted.faulted,
            recent_faults: counted.recent_faults(),
        }
    }
}

/// A version that is being tried on a share of the new runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Canary {
    /// The version.
    pub version: String,
    /// Its share of the new runs, in percent.
    pub percent: u8,
    /// Since when.
    pub since: Timestamp,
    /// Runs of it that have ended.
    pub ended: u32,
    /// Those of them that failed by their own fault.
    pub faulted: u32,
    /// Runs of the active version that have ended meanwhile.
    pub active_ended: u32,
    /// Those of them that failed by their own fault.
    pub active_faulted: u32,
}

/// A version on which nothing starts any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Drain {
    /// The version.
    pub version: String,
    /// Since when.
    pub since: Timestamp,
    /// Runs that are left.
    pub runs: usize,
    /// When the last one had ended; null while some are left.
    pub drained_at: Option<Timestamp>,
}

/// A change of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// What happened: `added`, `activated`, `rolled_back`, `taken_back` (by itself), `canary_started`,
    /// `canary_promoted`, `canary_stopped`, `pinned`, `unpinned`, `draining`, `drained` or `removed`.
    pub change: String,
    /// The version that it happened to; where it was rolled back or taken back, the one that is active
    /// now.
    pub version: String,
    /// The version that was active before, where that has changed.
    pub from: Option<String>,
    /// Why; empty where nobody said.
    pub reason: String,
}

impl From<&model::Turn> for Turn {
    fn from(turn: &model::Turn) -> Self {
        Turn {
            at: time(turn.at),
            change: turn.change.to_string(),
            version: turn.version.clone(),
            from: turn.from.clone(),
            reason: turn.reason.clone(),
        }
    }
}

impl From<&RolloutView> for Rollout {
    fn from(view: &RolloutView) -> Self {
        let rollout = &view.rollout;
        // Counts of an earlier activation or trial are not these.
        let of = rollout.active.clone().map(|active| (active, rollout.since));
        let tally = &view.tally;
        let none = model::Counted::default();
        let counted = if tally.of == of { &tally.active } else { &none };
        let canary = rollout.canary.as_ref().map(|canary| {
            let same = tally.trial == Some((canary.version.clone(), canary.since));
            let (new, old) = if same {
                (&tally.canary, &tally.beside)
            } else {
                (&none, &none)
            };
            Canary {
                version: canary.version.clone(),
                percent: canary.percent,
                since: time(canary.since),
                ended: new.ended,
                faulted: new.faulted,
                active_ended: old.ended,
                active_faulted: old.faulted,
            }
        });
        let runs_of = |version: &str| {
            let mut versions = view.versions.iter();
            let found = versions.find(|(one, _)| one.plugin.version == version);
            found.map_or(0, |(_, runs)| *runs)
        };
        Rollout {
            name: rollout.name.clone(),
            revision: rollout.revision,
            active: rollout.active.clone(),
            since: time(rollout.since),
            former: rollout.former.clone(),
            pinned: rollout.pinned.map(time),
            counted: Counted::from(counted),
            canary,
            draining: rollout
                .draining
                .iter()
                .map(|drain| Drain {
                    version: drain.version.clone(),
                    since: time(drain.since),
                    runs: runs_of(&drain.version),
                    drained_at: drain.drained_at.map(time),
                })
                .collect(),
            versions: view
                .versions
                .iter()
                .map(|(version, runs)| Plugin {
                    runs: Some(*runs),
                    ..Plugin::from(version)
                })
                .collect(),
            history: rollout.history.iter().map(Turn::from).collect(),
        }
    }
}

/// A step of a rollout. Fields that a step does not need are refused or left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutStep {
    /// The version that it is about, or its digest: for `activate`, `canary`, `drain`, and for `pin`
    /// where that version is to become active first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For `canary`: its share of the new runs, 1 to 99; 10 where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 99)]
    pub percent: Option<u8>,
    /// Why, for the history.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether a version may be taken that agents' configurations do not fit: then their tickets fail
    /// until they do.
    pub force: bool,
}
