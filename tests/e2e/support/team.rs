//! Teams, as `POST /v1/apply` takes them.

use super::Repo;
use serde_json::{Value, json};

/// An agent to save.
#[derive(Clone, Debug)]
pub(crate) struct Agent(Value);

/// An agent that runs a plugin.
pub(crate) fn agent(name: &str, plugin: &str) -> Agent {
    Agent(json!({"name": name, "plugin": plugin, "limits": {}, "grants": {}}))
}

/// A boss that does what its ticket's script says.
pub(crate) fn boss(name: &str) -> Agent {
    agent(name, "scripted").at_once(8)
}

/// A subordinate that does what its ticket's script says.
pub(crate) fn hand(name: &str, boss: &str) -> Agent {
    agent(name, "scripted-sub").under(boss)
}

impl Agent {
    /// Its boss.
    pub(crate) fn under(self, boss: &str) -> Agent {
        self.with("/boss", json!(boss))
    }

    /// Its strategy's configuration.
    pub(crate) fn config(self, config: Value) -> Agent {
        self.with("/config", config)
    }

    /// Who chooses for it.
    pub(crate) fn selector(self, plugin: &str) -> Agent {
        self.with("/selector", json!(plugin))
    }

    /// What it is good at.
    pub(crate) fn skills(self, skills: &[&str]) -> Agent {
        self.with("/skills", json!(skills))
    }

    /// How many tickets it works on at once.
    pub(crate) fn at_once(self, tickets: u32) -> Agent {
        self.limit("max_concurrent", tickets.into())
    }

    /// One of its limits.
    pub(crate) fn limit(mut self, name: &str, value: u64) -> Agent {
        self.0["limits"][name] = json!(value);
        self
    }

    /// Lets it run exactly this.
    pub(crate) fn may_run(mut self, command: &[&str]) -> Agent {
        let grants = &mut self.0["grants"]["commands"];
        if grants.is_null() {
            *grants = json!([]);
        }
        let all = grants.as_array_mut().expect("it is a list");
        all.push(json!(command));
        self
    }

    /// Lets it assign to agents outside its team.
    pub(crate) fn may_assign(mut self, agents: &[&str]) -> Agent {
        self.0["grants"]["assign_to"] = json!(agents);
        self
    }

    fn with(mut self, field: &str, value: Value) -> Agent {
        self.0[&field[1..]] = value;
        self
    }
}

/// A team in the default workspace, with a repository or without one.
pub(crate) fn team(repo: Option<&Repo>, agents: impl IntoIterator<Item = Agent>) -> Value {
    let agents: Vec<Value> = agents.into_iter().map(|agent| agent.0).collect();
    let repos: Vec<Value> = repo
        .map(|repo| json!({"name": "app", "path": repo.text()}))
        .into_iter()
        .collect();
    json!({"workspace": {"name": "default", "repos": repos}, "agents": agents})
}

/// A script, as a ticket's description.
pub(crate) fn steps(steps: Value) -> String {
    assert!(steps.is_array());
    json!({ "steps": steps }).to_string()
}
