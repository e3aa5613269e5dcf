//! The operator's commands: registering, and which version new runs take.

use super::inspect;
use crate::args::{AddArgs, Global, How, OperateCommand};
use crate::client::{Client, NewPlugin, PluginView, RolloutView, Step};
use crate::commands::{client, compiling, component, read};
use crate::exit::{Code, Error, Result};
use crate::{clean, print};

/// Does it.
pub(super) async fn run(command: &OperateCommand, global: &Global) -> Result<Code> {
    let client = client(global)?;
    match command {
        OperateCommand::List => inspect::list(&client, global.json).await?,
        OperateCommand::Inspect { plugin } => {
            inspect::inspect(&client, plugin, global.json).await?;
        }
        OperateCommand::Add(args) => add(&client, args, global.json).await?,
        OperateCommand::Remove { plugin, force } => {
            let removed = format!("{}@{}", plugin.name, plugin.version);
            client.remove_plugin(&removed, *force).await?;
            if global.json {
                print::json(&serde_json::json!({ "removed": removed }))?;
            } else {
                print::text(&clean::line(&format!("removed {removed}"), 500))?;
                // With its last version the name is gone, and has no rollout to be told.
                if let Ok(rollout) = client.rollout(&plugin.name).await {
                    let name = &plugin.name;
                    let told = match rollout["active"].as_str() {
                        Some(active) => format!("New runs of {name} take {active}."),
                        None => format!(
                            "No version of {name} is active: new tickets of agents whose plugin it is, at \
                             no version, wait, and a selector of that name chooses nobody. `adjutant plugin \
                             activate {name}@VERSION` lets them go on."
                        ),
                    };
                    print::text(&clean::line(&told, 500))?;
                }
            }
        }
        other => step(&client, other, global.json).await?,
    }
    Ok(Code::Ok)
}

async fn add(client: &Client, args: &AddArgs, json: bool) -> Result<()> {
    let plugin = args.plugin.as_ref();
    let new = NewPlugin {
        name: plugin.map(|plugin| plugin.name.clone()),
        version: plugin.map(|plugin| plugin.version.clone()),
        activate: !args.no_activate,
        canary: args.canary,
        force: args.force,
        digest: None,
        signature: None,
    };
    let adding = client.add_plugin(&new, component(&args.file)?);
    let what = compiling(&args.file.display().to_string());
    let added = print::meanwhile(&what, adding).await?;
    if json {
        return print::json(&added);
    }
    print::text(&registered(&read(added)?, new.activate))
}

/// What has become of a component that was handed in. `activate` says whether new runs were to take it.
pub(super) fn registered(added: &PluginView, activate: bool) -> String {
    let plugin = format!("{}@{}", added.name, added.version);
    let head = match added.known {
        true => format!("{plugin} was here already"),
        false => format!("registered {plugin}"),
    };
    let signed = match &added.signed_by {
        Some(key) => format!(", signed with {key}"),
        None => String::new(),
    };
    let (world, digest, state) = (&added.world, &added.digest, inspect::state(added));
    let mut text = format!("{head}, a {world}, {digest}{signed}: {state}");
    if activate && !matches!(added.state.as_str(), "active" | "canary") {
        let activate = format!("`adjutant plugin activate {plugin}`");
        text.push_str(&match &added.pinned_to {
            None => format!(". New runs do not take it: {activate} makes it the one that they take"),
            Some(held) => format!(
                ". New runs do not take it, for {name} is pinned to {held}: `adjutant plugin unpin {name}` \
                 first, then {activate} makes it the one that they take",
                name = added.name
            ),
        });
    }
    clean::line(&text, 1_000)
}

/// One step of a rollout.
async fn step(client: &Client, command: &OperateCommand, json: bool) -> Result<()> {
    let none = How::default();
    let (name, verb, version, percent, how) = match command {
        OperateCommand::Activate { plugin, how } => (
            plugin.name.as_str(),
            "activate",
            Some(plugin.version.as_str()),
            None,
            how,
        ),
        OperateCommand::Pin { plugin, how } => {
            let (name, version) = split(plugin)?;
            (name, "pin", version, None, how)
        }
        OperateCommand::Unpin { name } => (name.as_str(), "unpin", None, None, &none),
        OperateCommand::Canary {
            plugin,
            percent,
            how,
        } => (
            plugin.name.as_str(),
            "canary",
            Some(plugin.version.as_str()),
            Some(*percent),
            how,
        ),
        OperateCommand::Promote { name, how } => (name.as_str(), "promote", None, None, how),
        OperateCommand::Rollback { name, how } => (name.as_str(), "rollback", None, None, how),
        OperateCommand::Drain { plugin, how } => (
            plugin.name.as_str(),
            "drain",
            Some(plugin.version.as_str()),
            None,
            how,
        ),
        OperateCommand::List
        | OperateCommand::Inspect { .. }
        | OperateCommand::Add(_)
        | OperateCommand::Remove { .. } => return Ok(()),
    };
    let step = Step {
        version,
        percent,
        reason: &how.reason,
        force: how.force,
    };
    let rollout = client.step_plugin(name, verb, &step).await?;
    if json {
        return print::json(&rollout);
    }
    let rollout: RolloutView = read(rollout)?;
    print::text(&inspect::summary(&rollout))
}

/// A name with a version or without.
fn split(plugin: &str) -> Result<(&str, Option<&str>)> {
    match plugin.split_once('@') {
        None => Ok((plugin, None)),
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            Ok((name, Some(version)))
        }
        Some(_) => Err(Error::Usage(format!(
            "{plugin:?} is no plugin; write it as NAME or NAME@VERSION"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_says_whether_new_runs_take_it() {
        let view = |known, state: &str| PluginView {
            name: "lead".to_owned(),
            version: "1.0.0".to_owned(),
            world: "boss".to_owned(),
            digest: "sha256:0".to_owned(),
            state: state.to_owned(),
            known,
            ..PluginView::default()
        };
        let told = registered(&view(false, "active"), true);
        assert_eq!(told, "registered lead@1.0.0, a boss, sha256:0: active");
        let told = registered(&view(true, "idle"), true);
        assert_eq!(
            told,
            "lead@1.0.0 was here already, a boss, sha256:0: -. New runs do not take it: `adjutant plugin \
             activate lead@1.0.0` makes it the one that they take"
        );
        let pinned = PluginView {
            pinned_to: Some("0.9.0".to_owned()),
            ..view(false, "idle")
        };
        let told = registered(&pinned, true);
        assert!(
            told.ends_with(
                "for lead is pinned to 0.9.0: `adjutant plugin unpin lead` first, then `adjutant plugin \
                 activate lead@1.0.0` makes it the one that they take"
            ),
            "{told}"
        );
        let told = registered(&view(false, "idle"), false);
        assert!(told.ends_with("sha256:0: -"), "{told}");
    }
}
