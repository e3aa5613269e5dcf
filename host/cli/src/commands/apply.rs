//! `adjutant apply`: registers a team's plugins and saves the team, all or nothing.
//!
//! Invariants:
//! - New runs take a plugin of the file only once all of them are registered, and right before the team is
//!   saved: a team's configurations are checked against what is active. One that is alone is made active as it
//!   is registered: where its agents do not fit it, the host has kept nothing of it then.
//! - What was new is taken away again where the host says no afterwards, and the error says so. With that the
//!   version is active again that was before.
//! - Where it is not known whether the team was saved, nothing is taken away: its agents may need it.

use super::{client, compiling, component};
use crate::args::{ApplyArgs, Global};
use crate::client::{Client, NewPlugin, PluginView, RolloutView, Step};
use crate::exit::{Code, Error, Result};
use crate::team::{PluginFile, Team};
use crate::{clean, print};
use serde_json::Value;

/// Why a version is active, or is tried again, for the history.
const APPLIED: &str = "a team file was applied";
const UNDONE: &str = "the team file that ended it was refused";

/// A version that this apply has registered.
struct New {
    name: String,
    version: String,
    /// How its name stood before.
    before: RolloutView,
}

/// `adjutant apply`
pub(crate) async fn apply_file(args: &ApplyArgs, global: &Global) -> Result<Code> {
    let mut team = Team::read(&args.file)?;
    if let Some(workspace) = &global.workspace {
        team.spec.workspace.name.clone_from(workspace);
    }
    let answer = apply(&client(global)?, &team).await?;
    if global.json {
        print::json(&answer)?;
    } else {
        let names = answer["agents"].as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(|agent| agent["name"].as_str()).collect();
        let text = format!(
            "saved workspace {} with {}",
            answer["workspace"]["name"].as_str().unwrap_or("?"),
            if names.is_empty() {
                "no agents".to_owned()
            } else {
                names.join(", ")
            }
        );
        print::text(&clean::line(&text, 10_000))?;
    }
    Ok(Code::Ok)
}

/// Registers a team's plugins and saves the team.
pub(crate) async fn apply(client: &Client, team: &Team) -> Result<Value> {
    let mut new = Vec::new();
    let error = match register_all(client, team, &mut new).await {
        Err(error) => error,
        Ok(()) => match client.apply(&team.spec).await {
            Err(error) if is_refusal(&error) => error,
            Err(error) if !new.is_empty() => return Err(with(error, &left(&new))),
            other => return other,
        },
    };
    let mut told = Vec::new();
    for one in new.iter().rev() {
        told.push(undo(client, one).await);
    }
    Err(match told.is_empty() {
        true => error,
        false => with(error, &told.join(" ")),
    })
}

/// Registers what is new, and makes it what new runs take. `new` has it, also after an error.
async fn register_all(client: &Client, team: &Team, new: &mut Vec<New>) -> Result<()> {
    let alone = team.plugins.len() == 1;
    for plugin in &team.plugins {
        let before = rollout(client, &plugin.name).await?;
        if register(client, plugin, alone).await? {
            new.push(New {
                name: plugin.name.clone(),
                version: plugin.version.clone(),
                before,
            });
        }
    }
    // One that is pinned stays what it is.
    let waiting = |one: &&New| !alone && one.before.pinned.is_none();
    for one in new.iter().filter(waiting) {
        let step = Step {
            version: Some(&one.version),
            percent: None,
            reason: APPLIED,
            force: false,
        };
        client.step_plugin(&one.name, "activate", &step).await?;
    }
    Ok(())
}

/// How a name stands; a name that there is not has nothing active.
async fn rollout(client: &Client, name: &str) -> Result<RolloutView> {
    match client.rollout(name).await {
        Ok(rollout) => super::read(rollout),
        Err(error) if error.code() == Code::NotFound => Ok(RolloutView::default()),
        Err(error) => Err(error),
    }
}

/// Registers a plugin. Gives back whether it is new.
async fn register(client: &Client, plugin: &PluginFile, activate: bool) -> Result<bool> {
    let component = component(&plugin.path)?;
    let new = NewPlugin {
        activate,
        ..NewPlugin::named(&plugin.name, &plugin.version)
    };
    let adding = client.add_plugin(&new, component);
    let what = compiling(&format!("{}@{}", plugin.name, plugin.version));
    let added: PluginView = super::read(print::meanwhile(&what, adding).await?)?;
    Ok(!added.known)
}

/// Whether nothing was saved for certain: the host said no.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Host(problem) if problem.status < 500 || problem.status == 507)
}

/// Takes a version away again: by force, for then all is as it was before. Says what has come of it.
async fn undo(client: &Client, new: &New) -> String {
    let New { name, version, .. } = new;
    let plugin = format!("{name}@{version}");
    if let Err(error) = client.remove_plugin(&plugin, true).await {
        return format!(
            "{plugin} was registered before that and could not be taken away again ({error}); `adjutant \
             plugin inspect {name}` shows how it stands."
        );
    }
    let gone = format!("{plugin}, which was registered before that, is taken away again");
    if let Some(canary) = &new.before.canary {
        let step = Step {
            version: Some(&canary.version),
            percent: Some(canary.percent),
            reason: UNDONE,
            force: true,
        };
        if let Err(error) = client.step_plugin(name, "canary", &step).await {
            let tried = &canary.version;
            return format!("{gone}, but {tried} is not tried any more as it was ({error}).");
        }
    }
    match rollout(client, name).await {
        Ok(now) if now.active == new.before.active => match now.active {
            Some(active) => format!("{gone}: new runs of {name} take {active} as before."),
            None => format!("{gone}."),
        },
        Ok(RolloutView { active, .. }) => format!(
            "{gone}, and new runs of {name} take {} now.",
            active.as_deref().unwrap_or("nothing")
        ),
        Err(error) => format!("{gone}; what new runs of {name} take now is not known ({error})."),
    }
}

/// What is said of versions that stay.
fn left(new: &[New]) -> String {
    let names: Vec<String> = new
        .iter()
        .map(|one| format!("{}@{}", one.name, one.version))
        .collect();
    format!(
        "Whether the team was saved is not known, so what was registered for it stays: {}. Apply it once \
         more.",
        names.join(", ")
    )
}

/// The same error, with what has become of the plugins.
fn with(error: Error, note: &str) -> Error {
    let longer = |text: &str| {
        let end = if text.ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        format!("{text}{end} {note}")
    };
    match error {
        Error::Host(mut problem) => {
            let said = match problem.detail.is_empty() {
                true => &problem.title,
                false => &problem.detail,
            };
            problem.detail = longer(said);
            Error::Host(problem)
        }
        Error::Usage(text) => Error::Usage(longer(&text)),
        Error::Failed(text) => Error::Failed(longer(&text)),
        Error::Unreachable { url, why } => Error::Unreachable {
            url,
            why: longer(&why),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Problem;

    fn host(status: u16) -> Error {
        Error::Host(Problem {
            status,
            detail: "it is wrong".to_owned(),
            ..Problem::default()
        })
    }

    #[test]
    fn only_a_certain_refusal_is_followed_by_taking_away() {
        let unreachable = || Error::Unreachable {
            url: "http://127.0.0.1:1".to_owned(),
            why: "it timed out".to_owned(),
        };
        for error in [host(409), host(422), host(507)] {
            assert!(is_refusal(&error), "{error}");
        }
        for error in [
            host(500),
            host(503),
            unreachable(),
            Error::Failed(String::new()),
        ] {
            assert!(!is_refusal(&error), "{error}");
        }
        let told = with(unreachable(), "What is there stays.").to_string();
        assert!(
            told.contains("(it timed out. What is there stays.)"),
            "{told}"
        );
    }

    #[test]
    fn an_error_says_what_has_become_of_the_plugins_and_keeps_its_code() {
        let told = with(host(422), "a@1.0.0 is taken away again.");
        assert_eq!(
            told.to_string(),
            "it is wrong. a@1.0.0 is taken away again."
        );
        assert_eq!(told.code(), Code::Usage);
    }
}
