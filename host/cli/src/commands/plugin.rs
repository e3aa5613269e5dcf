//! `adjutant plugin`: what strategies a host has.

use super::{client, component, read};
use crate::args::{Global, PluginCommand};
use crate::client::PluginView;
use crate::exit::{Code, Result};
use crate::{clean, print};

/// Does it.
pub(crate) async fn run(command: &PluginCommand, global: &Global) -> Result<Code> {
    let client = client(global)?;
    match command {
        PluginCommand::List => {
            let plugins = client.plugins().await?;
            if global.json {
                print::json(&plugins)?;
                return Ok(Code::Ok);
            }
            let views = plugins.into_iter().map(read::<PluginView>);
            let rows: Result<Vec<_>> = views.map(|plugin| plugin.map(row)).collect();
            let header = ["NAME", "VERSION", "WORLD", "BYTES", "ORIGIN", "DIGEST"];
            print::text(&print::table(&header, &rows?, None))?;
        }
        PluginCommand::Add { plugin, file } => {
            let added = client
                .add_plugin(&plugin.name, &plugin.version, component(file)?)
                .await?;
            if global.json {
                print::json(&added)?;
            } else {
                let added: PluginView = read(added)?;
                let text = format!(
                    "registered {}@{}, a {}, {}",
                    added.name, added.version, added.world, added.digest
                );
                print::text(&clean::line(&text, 500))?;
            }
        }
        PluginCommand::Remove { plugin, force } => {
            let removed = format!("{}@{}", plugin.name, plugin.version);
            client.remove_plugin(&removed, *force).await?;
            if global.json {
                print::json(&serde_json::json!({ "removed": removed }))?;
            } else {
                print::text(&clean::line(&format!("removed {removed}"), 500))?;
            }
        }
    }
    Ok(Code::Ok)
}

fn row(plugin: PluginView) -> Vec<String> {
    let origin = if plugin.builtin { "built in" } else { "added" };
    vec![
        plugin.name,
        plugin.version,
        plugin.world,
        plugin.size.to_string(),
        origin.to_owned(),
        // Enough to tell components apart; --json has all of it.
        plugin.digest.chars().take("sha256:".len() + 12).collect(),
    ]
}
