//! What a host's plugins are, and how they stand.

use crate::client::{Client, PluginView, RolloutView};
use crate::commands::read;
use crate::exit::Result;
use crate::{clean, print};
use serde_json::Value;

/// Turns of the history that are shown.
const TURNS: usize = 15;
/// Characters of a digest that tell components apart; `--json` has all of them.
const DIGEST: usize = "sha256:".len() + 12;

/// Lists them.
pub(super) async fn list(client: &Client, json: bool) -> Result<()> {
    let plugins = client.plugins().await?;
    if json {
        return print::json(&plugins);
    }
    let views = plugins.into_iter().map(read::<PluginView>);
    let rows: Result<Vec<_>> = views
        .map(|plugin| plugin.map(|plugin| row(&plugin)))
        .collect();
    let header = [
        "NAME", "VERSION", "STATE", "WORLD", "BYTES", "ORIGIN", "DIGEST",
    ];
    print::text(&print::table(&header, &rows?, None))
}

fn row(plugin: &PluginView) -> Vec<String> {
    let origin = match &plugin.signed_by {
        Some(key) => format!("{}, signed {key}", plugin.origin),
        None => plugin.origin.clone(),
    };
    vec![
        plugin.name.clone(),
        plugin.version.clone(),
        state(plugin),
        plugin.world.clone(),
        plugin.size.to_string(),
        origin,
        plugin.digest.chars().take(DIGEST).collect(),
    ]
}

/// How a version stands, in a word or two.
pub(super) fn state(plugin: &PluginView) -> String {
    match (plugin.state.as_str(), plugin.percent) {
        _ if plugin.unusable.is_some() => "unusable: nothing starts on it".to_owned(),
        _ if plugin.barred => "not signed: nothing starts on it".to_owned(),
        ("canary", Some(percent)) => format!("canary {percent} %"),
        ("active", _) if plugin.pinned => "active, pinned".to_owned(),
        ("idle" | "", _) => "-".to_owned(),
        (state, _) => state.to_owned(),
    }
}

/// Shows one: its manifest, its versions, its history.
pub(super) async fn inspect(client: &Client, plugin: &str, json: bool) -> Result<()> {
    let shown = client.plugin(plugin).await?;
    let name = shown["name"].as_str().unwrap_or(plugin).to_owned();
    let rollout = client.rollout(&name).await?;
    if json {
        return print::json(&serde_json::json!({ "plugin": shown, "rollout": rollout }));
    }
    let view: PluginView = read(shown.clone())?;
    let mut text = format!(
        "{}@{}, a {}, {} bytes, {}\n",
        view.name, view.version, view.world, view.size, view.digest
    );
    match &view.unusable {
        Some(why) => text.push_str(&clean::line(
            &format!("Nothing starts on it: {why}."),
            2_000,
        )),
        None => text.push_str(&manifest(&shown["manifest"])),
    }
    let rollout: RolloutView = read(rollout)?;
    text.push('\n');
    text.push_str(&summary(&rollout));
    let rows: Vec<Vec<String>> = rollout
        .versions
        .iter()
        .map(|version| {
            vec![
                version.version.clone(),
                state(version),
                version.runs.unwrap_or_default().to_string(),
                version.digest.chars().take(DIGEST).collect(),
                version.added_at.clone(),
            ]
        })
        .collect();
    let header = ["VERSION", "STATE", "RUNS", "DIGEST", "ADDED"];
    text.push_str("\n\n");
    text.push_str(&print::table(&header, &rows, None));
    let turns: Vec<Vec<String>> = rollout
        .history
        .iter()
        .rev()
        .take(TURNS)
        .map(|turn| {
            vec![
                turn.at.clone(),
                turn.change.replace('_', " "),
                turn.version.clone(),
                turn.reason.clone(),
            ]
        })
        .collect();
    if !turns.is_empty() {
        text.push_str("\n\n");
        text.push_str(&print::table(
            &["WHEN", "WHAT", "VERSION", "WHY"],
            &turns,
            None,
        ));
    }
    print::text(&text)
}

/// What new runs take, in a sentence or two.
pub(super) fn summary(rollout: &RolloutView) -> String {
    let name = &rollout.name;
    let mut text = match &rollout.active {
        Some(active) if rollout.pinned.is_some() => {
            format!("New runs of {name} take {active}, which is pinned.")
        }
        Some(active) => format!("New runs of {name} take {active}."),
        None => format!("Nothing of {name} can start: it has no active version."),
    };
    if let Some(canary) = &rollout.canary {
        text.push_str(&format!(
            " {} % of them take {}, which is tried: {} of its runs have ended, {} by their own fault.",
            canary.percent, canary.version, canary.ended, canary.faulted
        ));
    }
    for drain in &rollout.draining {
        text.push_str(&match &drain.drained_at {
            Some(_) => format!(" {} is drained.", drain.version),
            None => format!(
                " {} is draining: {} runs are left.",
                drain.version, drain.runs
            ),
        });
    }
    clean::line(&text, 2_000)
}

/// What a component says of itself, and what it wants.
fn manifest(manifest: &Value) -> String {
    if manifest.is_null() {
        return "It has no manifest: only what its operator grants bounds it.\n".to_owned();
    }
    let mut lines = Vec::new();
    let mut say = |what: &str, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            lines.push(clean::line(&format!("{what}{text}"), 500));
        }
    };
    say("", manifest["description"].as_str());
    say("license: ", manifest["license"].as_str());
    say("homepage: ", manifest["homepage"].as_str());
    let why = |wanted: &Value| match wanted["why"].as_str() {
        Some(why) if !why.is_empty() => format!(" ({why})"),
        _ => String::new(),
    };
    for wanted in manifest["wants"]["commands"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let words = wanted["run"].as_array().into_iter().flatten();
        let words: Vec<&str> = words.filter_map(Value::as_str).collect();
        say("wants to run: ", Some(&(words.join(" ") + &why(wanted))));
    }
    for wanted in manifest["wants"]["assign_to"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let agent = wanted["agent"].as_str().unwrap_or("?");
        say(
            "wants to assign to: ",
            Some(&(agent.to_owned() + &why(wanted))),
        );
    }
    let properties = manifest["config_schema"]["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        let kind = property["type"].as_str().unwrap_or("any");
        let default = match &property["default"] {
            Value::Null => String::new(),
            default => format!(", {default} unless given"),
        };
        say("configuration: ", Some(&format!("{name}: {kind}{default}")));
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_says_what_is_wanted_and_why() {
        let shown = manifest(&json!({
            "description": "Reads\nand judges.",
            "wants": {
                "commands": [{"run": ["git", "log", "*"], "why": "to read the history"}],
                "assign_to": [{"agent": "*"}]
            },
            "config_schema": {"properties": {"depth": {"type": "integer", "default": 3}}}
        }));
        assert!(
            shown.contains("wants to run: git log * (to read the history)\n"),
            "{shown}"
        );
        assert!(shown.contains("wants to assign to: *\n"), "{shown}");
        assert!(
            shown.contains("configuration: depth: integer, 3 unless given\n"),
            "{shown}"
        );
        assert!(manifest(&Value::Null).contains("no manifest"));
    }
}
