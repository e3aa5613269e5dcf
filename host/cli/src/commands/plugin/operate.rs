//! The operator's commands: registering, and which version new runs take.

use super::inspect;
use crate::args::{AddArgs, Global, How, OperateCommand};
use crate::client::{Client, NewPlugin, PluginView, RolloutView, Step};
use crate::commands::{client, component, read};
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
                if let Ok(rollout) = client.rollout(&plugin.name).await
                    && rollout["active"].is_null()
                {
                    let name = &plugin.name;
                    let told = format!(
                        "No version of {name} is active: new tickets of agents that name no version wait. \
                         `adjutant plugin activate {name}@VERSION` lets them go on."
                    );
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
    let added = client.add_plugin(&new, component(&args.file)?).await?;
    if json {
        return print::json(&added);
    }
    let added: PluginView = read(added)?;
    let text = format!(
        "registered {}@{}, a {}, {}: {}",
        added.name,
        added.version,
        added.world,
        added.digest,
        inspect::state(&added)
    );
    print::text(&clean::line(&text, 500))
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
