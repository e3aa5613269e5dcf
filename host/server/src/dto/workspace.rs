//! Workspaces, and teams as an operator writes them.

use super::{AgentLimits, Grants, Wip, time};
use adjutant_model as model;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Linked repositories and settings; tickets and agents belong to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Workspace {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the host.
    pub name: String,
    /// The git repositories that each ticket gets a clone of.
    pub repos: Vec<Repo>,
    /// How many of its runs may be busy at a time.
    pub wip: Wip,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A linked git repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repo {
    /// The folder that it has in a worktree of several repositories.
    pub name: String,
    /// An absolute path on the host.
    pub path: String,
    /// The ref that tickets start from; HEAD where none is given.
    #[serde(default)]
    pub base: Option<String>,
}

impl From<&model::Repo> for Repo {
    fn from(repo: &model::Repo) -> Self {
        Repo {
            name: repo.name.clone(),
            path: repo.path.clone(),
            base: repo.base.clone(),
        }
    }
}

impl From<Repo> for model::Repo {
    fn from(repo: Repo) -> Self {
        model::Repo {
            name: repo.name,
            path: repo.path,
            base: repo.base,
        }
    }
}

impl From<&model::Workspace> for Workspace {
    fn from(workspace: &model::Workspace) -> Self {
        Workspace {
            id: workspace.id.0,
            name: workspace.name.clone(),
            repos: workspace.repos.iter().map(Repo::from).collect(),
            wip: (&workspace.wip).into(),
            created_at: time(workspace.created_at),
        }
    }
}

/// A workspace with its agents, as an operator writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApplyTeam {
    /// The workspace.
    pub workspace: NewWorkspace,
    /// Agents to add, or to replace where the name is taken. Others stay as they are.
    pub agents: Vec<NewAgent>,
}

/// A workspace, as an operator writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewWorkspace {
    /// Its name; `default` where none is given.
    pub name: String,
    /// Its repositories; where none is given they stay as they are.
    pub repos: Option<Vec<Repo>>,
    /// How many of its runs may be busy at a time; where none is given it stays as it is.
    pub wip: Option<Wip>,
}

/// An agent, as an operator writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    /// Its name, unique in the workspace.
    pub name: String,
    /// A free label such as `builder`.
    #[serde(default)]
    pub class: String,
    /// A sentence for people and models.
    #[serde(default)]
    pub description: String,
    /// What it is good at, in words.
    #[serde(default)]
    pub skills: Vec<String>,
    /// Its strategy, `name` or `name@version`.
    pub plugin: String,
    /// Who chooses for it when it delegates, `name` or `name@version`.
    #[serde(default)]
    pub selector: Option<String>,
    /// The strategy's configuration, an object.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub config: Option<Value>,
    /// Its boss's name.
    #[serde(default)]
    pub boss: Option<String>,
    /// How much it may use.
    #[serde(default)]
    pub limits: AgentLimits,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
}

impl From<ApplyTeam> for model::TeamSpec {
    fn from(team: ApplyTeam) -> Self {
        model::TeamSpec {
            workspace: model::WorkspaceSpec {
                name: team.workspace.name,
                repos: team
                    .workspace
                    .repos
                    .map(|repos| repos.into_iter().map(model::Repo::from).collect()),
                wip: team.workspace.wip.map(Into::into),
            },
            agents: team
                .agents
                .into_iter()
                .map(model::AgentSpec::from)
                .collect(),
        }
    }
}

impl From<NewAgent> for model::AgentSpec {
    fn from(agent: NewAgent) -> Self {
        model::AgentSpec {
            name: agent.name,
            class: agent.class,
            description: agent.description,
            skills: agent.skills,
            plugin: agent.plugin,
            selector: agent.selector,
            config: agent.config,
            boss: agent.boss,
            limits: agent.limits.into(),
            grants: agent.grants.into(),
        }
    }
}

/// What was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The workspace.
    pub workspace: Workspace,
    /// The agents that were named, in their order.
    pub agents: Vec<AppliedAgent>,
}

/// An agent that was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppliedAgent {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_team_as_the_model_writes_it_reads_back_the_same() {
        let spec = model::TeamSpec {
            workspace: model::WorkspaceSpec {
                name: "w".into(),
                repos: Some(vec![model::Repo {
                    name: "r".into(),
                    path: "/r".into(),
                    base: None,
                }]),
                wip: Some(model::Wip {
                    runs: Some(2),
                    ..model::Wip::default()
                }),
            },
            agents: vec![model::AgentSpec {
                name: "ada".into(),
                plugin: "command".into(),
                config: Some(json!({"a": 1})),
                boss: Some("bo".into()),
                limits: model::AgentLimits {
                    max_concurrent: 3,
                    ..model::AgentLimits::default()
                },
                grants: model::Grants {
                    commands: vec![vec!["git".into(), "*".into()]],
                    assign_to: vec!["bob".into()],
                },
                ..model::AgentSpec::default()
            }],
        };
        let written = serde_json::to_value(&spec).expect("JSON");
        let read: ApplyTeam = serde_json::from_value(written.clone()).expect("the same form");
        let back = serde_json::to_value(model::TeamSpec::from(read)).expect("JSON");
        assert_eq!(back, written);
    }

    #[test]
    fn limits_that_are_not_named_are_the_defaults() {
        let team: ApplyTeam = serde_json::from_value(json!({
            "agents": [{"name": "a", "plugin": "p", "limits": {"max_concurrent": 2}}]
        }))
        .expect("a team");
        let spec = model::TeamSpec::from(team);
        assert_eq!(spec.workspace.name(), "default");
        assert_eq!(spec.agents[0].limits.max_concurrent, 2);
        assert_eq!(
            spec.agents[0].limits.max_calls,
            model::AgentLimits::default().max_calls
        );
    }
}
