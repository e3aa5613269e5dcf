//! Saving a workspace and its agents, all or nothing.

use super::{Tx, check_len};
use crate::{
    Agent, AgentId, AgentSpec, EventKind, Outcome, PluginRef, Refusal, TeamSpec, Violation,
};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

impl Tx<'_> {
    pub(super) fn save_team(&mut self, spec: &TeamSpec) -> Result<Outcome, Refusal> {
        self.check_team(spec)?;
        if let Some(repos) = &spec.workspace.repos
            && *repos != self.state.workspace.repos
        {
            self.state.workspace.repos.clone_from(repos);
            self.changes.workspace = true;
        }
        if let Some(wip) = spec
            .workspace
            .wip
            .clone()
            .filter(|wip| *wip != self.state.workspace.wip)
        {
            self.state.workspace.wip = wip;
            self.changes.workspace = true;
            // More may start now.
            self.ready.extend(self.state.desks.keys().copied());
            self.ready.sort_unstable();
        }
        if self.changes.workspace {
            let name = self.state.workspace.name.clone();
            self.event(EventKind::WorkspaceSaved { name });
        }
        let mut saved = Vec::new();
        for agent in &spec.agents {
            let id = self.state.names.get(&agent.name).copied();
            let id = id.unwrap_or_else(|| AgentId((self.context.ids)()));
            self.state.names.insert(agent.name.clone(), id);
            saved.push((agent.name.clone(), id));
        }
        for (spec, (_, id)) in spec.agents.iter().zip(&saved) {
            self.save_agent(spec, *id);
        }
        // A higher limit may let queued tickets start.
        for (_, id) in &saved {
            if self.changes.agents.contains(id) {
                self.watch_agent(*id);
                // It may have another plugin now.
                self.state.held.remove(id);
            }
            self.ready.push(*id);
        }
        Ok(Outcome::Saved(saved))
    }

    fn save_agent(&mut self, spec: &AgentSpec, id: AgentId) {
        let old = self.state.agents.get(&id);
        let agent = Agent {
            id,
            workspace: self.state.workspace.id,
            name: spec.name.clone(),
            class: spec.class.clone(),
            description: spec.description.clone(),
            skills: spec.skills.clone(),
            plugin: PluginRef::parse(&spec.plugin),
            selector: spec.selector.as_deref().map(PluginRef::parse),
            config: spec.config.clone().unwrap_or_else(|| json!({})),
            boss: spec.boss.as_ref().map(|boss| self.state.names[boss]),
            limits: spec.limits.clone(),
            grants: spec.grants.clone(),
            created_at: old.map_or(self.context.now, |old| old.created_at),
        };
        if old == Some(&agent) {
            return;
        }
        let name = agent.name.clone();
        self.state.put_agent(agent);
        self.changes.agents.push(id);
        self.event(EventKind::AgentSaved { agent: id, name });
    }

    fn check_team(&self, spec: &TeamSpec) -> Result<(), Refusal> {
        let linked = &self.state.workspace.repos;
        spec.workspace.check_repos(linked, self.context.limits)?;
        let mut wrong = Vec::new();
        let mut seen = HashSet::new();
        for (i, repo) in spec.workspace.repos.iter().flatten().enumerate() {
            let at = |field: &str| format!("/workspace/repos/{i}/{field}");
            if !is_name(&repo.name) {
                wrong.push(Violation::new(at("name"), NAME_RULE));
            } else if !seen.insert(format!("repo {}", repo.name)) {
                wrong.push(Violation::new(
                    at("name"),
                    format!("{:?} occurs twice", repo.name),
                ));
            }
            if !repo.path.starts_with('/') {
                wrong.push(Violation::new(
                    at("path"),
                    "the path of a repository is absolute",
                ));
            }
        }
        for (i, agent) in spec.agents.iter().enumerate() {
            for violation in self.check_agent(agent, spec) {
                wrong.push(Violation::new(
                    format!("/agents/{i}{}", violation.path),
                    violation.message,
                ));
            }
            if !seen.insert(agent.name.clone()) {
                let message = format!("the agent {:?} occurs twice", agent.name);
                wrong.push(Violation::new(format!("/agents/{i}/name"), message));
            }
        }
        wrong.extend(self.circles(spec));
        if !wrong.is_empty() {
            return Err(Refusal::Invalid(wrong));
        }
        let other_repos = spec.workspace.repos.as_ref();
        let other_repos = other_repos.is_some_and(|repos| *repos != self.state.workspace.repos);
        if other_repos && self.state.live_tickets() > 0 {
            return Err(Refusal::Conflict(
                "the repositories of a workspace stay as they are while any of its tickets is not over"
                    .to_owned(),
            ));
        }
        let new = spec
            .agents
            .iter()
            .filter(|a| !self.state.names.contains_key(&a.name))
            .count();
        if self.state.agents.len() + new > self.context.limits.agents {
            return Err(Refusal::Limit(format!(
                "a workspace has at most {} agents (limit `agents`)",
                self.context.limits.agents
            )));
        }
        Ok(())
    }

    fn check_agent(&self, agent: &AgentSpec, spec: &TeamSpec) -> Vec<Violation> {
        let mut wrong = Vec::new();
        if !is_name(&agent.name) {
            wrong.push(Violation::new("/name", NAME_RULE));
        } else if uuid::Uuid::parse_str(&agent.name).is_ok() {
            let message = "a name cannot look like an id: it would be taken for another agent";
            wrong.push(Violation::new("/name", message));
        }
        let texts = [
            ("/description", &agent.description),
            ("/class", &agent.class),
        ];
        for (path, text) in texts {
            if let Err(Refusal::Invalid(violations)) = check_len(path, text, AGENT_TEXT) {
                wrong.extend(violations);
            }
        }
        let skills: usize = agent.skills.iter().map(|skill| skill.len() + 8).sum();
        if skills > AGENT_TEXT {
            let message = format!("they have {skills} bytes together; the limit is {AGENT_TEXT}");
            wrong.push(Violation::new("/skills", message));
        }
        let mut plugin = |path: &str, text: &str, selector: bool| {
            if let Err(refusal) = self
                .context
                .plugins
                .resolve(&PluginRef::parse(text), selector)
            {
                wrong.push(Violation::new(path, refusal.to_string()));
            }
        };
        plugin("/plugin", &agent.plugin, false);
        if let Some(selector) = &agent.selector {
            plugin("/selector", selector, true);
        }
        if !agent.config.as_ref().is_none_or(Value::is_object) {
            wrong.push(Violation::new("/config", "the configuration is an object"));
        }
        if let Some(boss) = &agent.boss {
            let known = self.state.names.contains_key(boss)
                || spec.agents.iter().any(|other| other.name == *boss);
            if !known {
                wrong.push(Violation::new(
                    "/boss",
                    format!("there is no agent {boss:?}"),
                ));
            }
        }
        if agent.limits.max_concurrent == 0 {
            wrong.push(Violation::new("/limits/max_concurrent", "it is at least 1"));
        }
        for (i, command) in agent.grants.commands.iter().enumerate() {
            if command
                .first()
                .is_none_or(|program| program.is_empty() || program == "*")
            {
                wrong.push(Violation::new(
                    format!("/grants/commands/{i}"),
                    "a granted command begins with the name of its program",
                ));
            }
        }
        wrong
    }

    /// Agents that would be their own boss's boss.
    fn circles(&self, spec: &TeamSpec) -> Vec<Violation> {
        let mut boss: HashMap<&str, &str> = HashMap::new();
        for agent in self.state.agents.values() {
            if let Some(above) = agent.boss.and_then(|id| self.state.agents.get(&id)) {
                boss.insert(&agent.name, &above.name);
            }
        }
        for agent in &spec.agents {
            match &agent.boss {
                Some(above) => boss.insert(&agent.name, above),
                None => boss.remove(agent.name.as_str()),
            };
        }
        let mut wrong = Vec::new();
        for (i, agent) in spec.agents.iter().enumerate() {
            let mut above = boss.get(agent.name.as_str());
            for _ in 0..=boss.len() {
                let Some(name) = above else { break };
                if *name == agent.name {
                    let message = format!("{:?} would be its own boss", agent.name);
                    wrong.push(Violation::new(format!("/agents/{i}/boss"), message));
                    break;
                }
                above = boss.get(name);
            }
        }
        wrong
    }
}

/// Bytes of an agent's description, of its class, and of all its skills together: a boss gets those of
/// its whole team in one answer.
const AGENT_TEXT: usize = 2_000;

const NAME_RULE: &str =
    "a name is 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter or a digit";

/// Whether a text can be a name: safe in paths, URLs and mentions.
pub fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.chars().next().is_some_and(char::is_alphanumeric)
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
