//! `adjutant agent`: who there is, and what they are doing.

use super::{client, read};
use crate::args::{AgentCommand, Global};
use crate::client::{AgentView, PicksView};
use crate::exit::{Code, Result};
use crate::{clean, print};
use serde_json::Value;

/// The most levels of a tree that are shown; the host shows fewer.
const MOST_LEVELS: usize = 100;

/// Does it.
pub(crate) async fn run(command: &AgentCommand, global: &Global) -> Result<Code> {
    let client = client(global)?;
    match command {
        AgentCommand::List => {
            let agents = client.agents_json().await?;
            if global.json {
                print::json(&agents)?;
                return Ok(Code::Ok);
            }
            let views = agents.into_iter().map(read::<AgentView>);
            let rows: Result<Vec<_>> = views.map(|agent| agent.map(row)).collect();
            let header = [
                "NAME",
                "CLASS",
                "PLUGIN",
                "BOSS",
                "STATUS",
                "WORKING ON",
                "QUEUED",
            ];
            print::text(&print::table(&header, &rows?, print::width()))?;
        }
        AgentCommand::Tree => {
            let tree = client.agent_tree().await?;
            if global.json {
                print::json(&tree)?;
                return Ok(Code::Ok);
            }
            print::text(&forest(tree)?)?;
        }
        AgentCommand::Choose {
            boss,
            task,
            description,
            request,
        } => {
            let picks = client.choose(boss, task, description, request).await?;
            if global.json {
                print::json(&picks)?;
                return Ok(Code::Ok);
            }
            print::text(&picked(&read(picks)?))?;
        }
    }
    Ok(Code::Ok)
}

fn row(agent: AgentView) -> Vec<String> {
    vec![
        agent.name,
        agent.class,
        agent.plugin,
        agent.boss.map(|boss| boss.name).unwrap_or_default(),
        agent.tracking_status,
        agent.current.len().to_string(),
        agent.queued.to_string(),
    ]
}

/// Whom a boss would pick, and from whom.
fn picked(picks: &PicksView) -> String {
    let mut text = String::new();
    for (place, pick) in picks.choices.iter().enumerate() {
        let line = match place {
            0 => format!("{} would pick {}", picks.boss.name, pick.agent.name),
            _ => format!("  then {}", pick.agent.name),
        };
        let line = format!("{line} ({}): {}", pick.confidence, pick.reason);
        text.push_str(&clean::line(&line, 300));
        text.push('\n');
    }
    let selector = &picks.selector;
    let digest: String = selector.digest.chars().take("sha256:".len() + 12).collect();
    let asked = format!(
        "asked {}@{} ({digest}) about {}:",
        selector.name,
        selector.version,
        match picks.candidates.len() {
            1 => "1 subordinate".to_owned(),
            several => format!("{several} subordinates"),
        }
    );
    text.push_str(&clean::line(&asked, 300));
    let rows: Vec<Vec<String>> = picks
        .candidates
        .iter()
        .map(|one| {
            vec![
                one.agent.name.clone(),
                one.tracking_status.clone(),
                one.current.len().to_string(),
                one.queued.to_string(),
                one.skills.join(", "),
            ]
        })
        .collect();
    let header = ["NAME", "STATUS", "WORKING ON", "QUEUED", "SKILLS"];
    format!("{text}\n{}", print::table(&header, &rows, print::width()))
}

/// Bosses, each with its team below it.
fn forest(tree: Value) -> Result<String> {
    let trees = match tree {
        Value::Object(mut page) => page.remove("items").unwrap_or_default(),
        list => list,
    };
    let mut text = String::new();
    for agent in read::<Vec<AgentView>>(trees)? {
        grow(&agent, 0, &mut text);
    }
    Ok(text)
}

fn grow(agent: &AgentView, level: usize, text: &mut String) {
    if level > MOST_LEVELS {
        return;
    }
    let skills = if agent.skills.is_empty() {
        String::new()
    } else {
        format!(": {}", agent.skills.join(", "))
    };
    let line = format!(
        "{} ({}, {}){skills}",
        agent.name, agent.plugin, agent.tracking_status
    );
    text.push_str(&"  ".repeat(level));
    text.push_str(&clean::line(&line, 300));
    text.push('\n');
    if let Some(why) = &agent.held {
        text.push_str(&"  ".repeat(level + 1));
        text.push_str(&clean::line(&format!("nothing starts: {why}"), 500));
        text.push('\n');
    }
    for member in &agent.team {
        grow(member, level + 1, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_team_is_below_its_boss() {
        let trees = json!([{
            "name": "lead", "plugin": "coordinator@0.1.0", "tracking_status": "idle",
            "skills": [], "boss": null,
            "team": [{
                "name": "tester\u{1b}[2J", "plugin": "command@0.1.0", "tracking_status": "working",
                "skills": ["run tests", "lint"], "team": [], "held": "plugin command@0.1.0 is drained"
            }]
        }]);
        let expected = "lead (coordinator@0.1.0, idle)\n\
                        \x20 tester (command@0.1.0, working): run tests, lint\n\
                        \x20   nothing starts: plugin command@0.1.0 is drained\n";
        for form in [trees.clone(), json!({"items": trees, "next": null})] {
            assert_eq!(forest(form).expect("trees"), expected);
        }
    }
}
