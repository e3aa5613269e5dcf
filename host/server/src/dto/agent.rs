//! Agents and teams.

use super::{Tracking, time};
use adjutant_dispatch::AgentView;
use adjutant_model::{self as model, AgentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use utoipa::ToSchema;
use uuid::Uuid;

/// Levels of a team that are shown nested. A level below begins a tree of its own.
const MOST_LEVELS: usize = 32;

/// Someone who works on tickets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its id.
    pub id: Uuid,
    /// The workspace that it belongs to.
    pub workspace: Uuid,
    /// Its name, unique in the workspace.
    pub name: String,
    /// A free label such as `builder`; empty if none.
    pub class: String,
    /// A sentence for people and models.
    pub description: String,
    /// What it is good at, in words.
    pub skills: Vec<String>,
    /// Its strategy, `name` or `name@version`.
    pub plugin: String,
    /// Who chooses for it when it delegates.
    pub selector: Option<String>,
    /// The strategy's configuration.
    #[schema(value_type = Object)]
    pub config: Value,
    /// Its boss.
    pub boss: Option<AgentRef>,
    /// Its direct subordinates.
    pub team: Vec<AgentRef>,
    /// How much it may use.
    pub limits: AgentLimits,
    /// What it may do.
    pub grants: Grants,
    /// What it is doing.
    pub tracking_status: Tracking,
    /// Tickets that it works on: the 20 that it took up first, where there are more.
    pub current: Vec<Uuid>,
    /// Tickets that wait for it.
    pub queued: u32,
    /// When it last reported.
    pub last_report_at: Option<Timestamp>,
    /// Why none of those that wait starts now: a sentence. Missing where none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An agent by id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentRef {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

impl From<&(AgentId, String)> for AgentRef {
    fn from((id, name): &(AgentId, String)) -> Self {
        AgentRef {
            id: id.0,
            name: name.clone(),
        }
    }
}

/// How much an agent may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentLimits {
    /// Tickets that it works on at the same time; further ones queue.
    pub max_concurrent: u32,
    /// Tickets that may wait in its queue.
    pub max_queued: u32,
    /// Milliseconds that a run may be silent (no host call, no output, no report) before it fails,
    /// waits for reports and answers not counted; 0 is no limit.
    pub silence_ms: u64,
    /// Milliseconds that a run may compute, waiting in host calls not counted.
    pub guest_time_ms: u64,
    /// Bytes of linear memory of one run.
    pub memory_bytes: u64,
    /// Milliseconds that a run may be busy in all, waits for reports and answers not counted.
    pub run_time_ms: u64,
    /// Outputs that may be refused for their schema before the ticket fails.
    pub max_rejections: u32,
    /// Host calls that one run may journal.
    pub max_calls: u32,
    /// Bytes that one run may journal, about.
    pub journal_bytes: u64,
}

impl Default for AgentLimits {
    fn default() -> Self {
        (&model::AgentLimits::default()).into()
    }
}

impl From<&model::AgentLimits> for AgentLimits {
    fn from(limits: &model::AgentLimits) -> Self {
        AgentLimits {
            max_concurrent: limits.max_concurrent,
            max_queued: limits.max_queued,
            silence_ms: limits.silence_ms,
            guest_time_ms: limits.guest_time_ms,
            memory_bytes: limits.memory_bytes,
            run_time_ms: limits.run_time_ms,
            max_rejections: limits.max_rejections,
            max_calls: limits.max_calls,
            journal_bytes: limits.journal_bytes,
        }
    }
}

impl From<AgentLimits> for model::AgentLimits {
    fn from(limits: AgentLimits) -> Self {
        model::AgentLimits {
            max_concurrent: limits.max_concurrent,
            max_queued: limits.max_queued,
            silence_ms: limits.silence_ms,
            guest_time_ms: limits.guest_time_ms,
            memory_bytes: limits.memory_bytes,
            run_time_ms: limits.run_time_ms,
            max_rejections: limits.max_rejections,
            max_calls: limits.max_calls,
            journal_bytes: limits.journal_bytes,
        }
    }
}

/// What an operator lets an agent use. Nothing unless it is named here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Commands: each a list of arguments, `*` standing for one, a last `*` for any more.
    pub commands: Vec<Vec<String>>,
    /// Names of agents outside its team that it may assign tickets to.
    pub assign_to: Vec<String>,
}

impl From<&model::Grants> for Grants {
    fn from(grants: &model::Grants) -> Self {
        Grants {
            commands: grants.commands.clone(),
            assign_to: grants.assign_to.clone(),
        }
    }
}

impl From<Grants> for model::Grants {
    fn from(grants: Grants) -> Self {
        model::Grants {
            commands: grants.commands,
            assign_to: grants.assign_to,
        }
    }
}

impl Agent {
    /// Shows an agent.
    pub(crate) fn new(view: &AgentView) -> Agent {
        let AgentView {
            agent,
            member,
            boss,
            team,
            held,
        } = view;
        Agent {
            id: agent.id.0,
            workspace: agent.workspace.0,
            name: agent.name.clone(),
            class: agent.class.clone(),
            description: agent.description.clone(),
            skills: agent.skills.clone(),
            plugin: agent.plugin.to_string(),
            selector: agent.selector.as_ref().map(ToString::to_string),
            config: agent.config.clone(),
            boss: boss.as_ref().map(AgentRef::from),
            team: team.iter().map(AgentRef::from).collect(),
            limits: (&agent.limits).into(),
            grants: (&agent.grants).into(),
            tracking_status: member.status.into(),
            current: member.current.iter().map(|ticket| ticket.0).collect(),
            queued: member.queued,
            last_report_at: member.last_report_at.map(time),
            held: held.clone(),
            created_at: time(agent.created_at),
        }
    }
}

/// An agent with its team below it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentNode {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// A free label; empty if none.
    pub class: String,
    /// What it is good at, in words.
    pub skills: Vec<String>,
    /// Its strategy, `name` or `name@version`.
    pub plugin: String,
    /// Its boss.
    pub boss: Option<AgentRef>,
    /// What it is doing.
    pub tracking_status: Tracking,
    /// Tickets that it works on.
    pub current: Vec<Uuid>,
    /// Tickets that wait for it.
    pub queued: u32,
    /// When it last reported.
    pub last_report_at: Option<Timestamp>,
    /// Why none of those that wait starts now: a sentence. Null where none waits.
    pub held: Option<String>,
    /// Its direct subordinates, with theirs.
    #[schema(no_recursion)]
    pub team: Vec<AgentNode>,
}

impl AgentNode {
    /// Shows teams as trees, bosses first. Each agent is in it exactly once.
    pub(crate) fn trees(views: &[AgentView]) -> Vec<AgentNode> {
        let known: HashSet<AgentId> = views.iter().map(|view| view.agent.id).collect();
        let mut below: HashMap<AgentId, Vec<&AgentView>> = HashMap::new();
        let mut roots = Vec::new();
        for view in views {
            match view.agent.boss {
                Some(boss) if known.contains(&boss) => below.entry(boss).or_default().push(view),
                _ => roots.push(view),
            }
        }
        let mut trees = Vec::new();
        while !roots.is_empty() {
            let mut deeper = Vec::new();
            for view in roots {
                trees.push(AgentNode::grow(view, &mut below, 1, &mut deeper));
            }
            roots = deeper;
        }
        trees
    }

    fn grow<'a>(
        view: &'a AgentView,
        below: &mut HashMap<AgentId, Vec<&'a AgentView>>,
        level: usize,
        deeper: &mut Vec<&'a AgentView>,
    ) -> AgentNode {
        let mut team = below.remove(&view.agent.id).unwrap_or_default();
        if level >= MOST_LEVELS {
            deeper.append(&mut team);
        }
        AgentNode {
            id: view.agent.id.0,
            name: view.agent.name.clone(),
            class: view.agent.class.clone(),
            skills: view.agent.skills.clone(),
            plugin: view.agent.plugin.to_string(),
            boss: view.boss.as_ref().map(AgentRef::from),
            tracking_status: view.member.status.into(),
            current: view.member.current.iter().map(|ticket| ticket.0).collect(),
            queued: view.member.queued,
            last_report_at: view.member.last_report_at.map(time),
            held: view.held.clone(),
            team: team
                .into_iter()
                .map(|view| AgentNode::grow(view, below, level + 1, deeper))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::agent;
    use adjutant_model::Member;

    fn view(number: u128, boss: Option<u128>) -> AgentView {
        let agent = agent(number, boss);
        AgentView {
            member: Member {
                status: model::Tracking::Working,
                queued: 2,
                last_report_at: Some(0),
                ..Member::of(&agent)
            },
            agent,
            boss: boss.map(|boss| (AgentId(Uuid::from_u128(boss)), format!("agent-{boss}"))),
            team: Vec::new(),
            held: None,
        }
    }

    #[test]
    fn an_agent_shows_its_live_status_and_its_boss_by_name() {
        let shown = Agent::new(&view(2, Some(1)));
        let json = serde_json::to_value(&shown).expect("JSON");
        assert_eq!(json["tracking_status"], "working");
        assert_eq!(json["boss"]["name"], "agent-1");
        assert_eq!(json["queued"], 2);
        assert_eq!(json["last_report_at"], "1970-01-01T00:00:00Z");
        assert_eq!(json["plugin"], "command@1.0.0");
    }

    #[test]
    fn teams_are_nested_and_nobody_is_lost() {
        let views = [
            view(3, Some(2)),
            view(1, None),
            view(2, Some(1)),
            view(4, Some(9)),
        ];
        let trees = AgentNode::trees(&views);
        let roots: Vec<&str> = trees.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(roots, ["agent-1", "agent-4"]);
        assert_eq!(trees[0].team[0].name, "agent-2");
        assert_eq!(trees[0].team[0].team[0].name, "agent-3");
    }

    #[test]
    fn a_long_chain_is_cut_into_trees() {
        let views: Vec<AgentView> = (1..=100)
            .map(|number| view(number, (number > 1).then(|| number - 1)))
            .collect();
        let trees = AgentNode::trees(&views);
        assert_eq!(trees.len(), 100_usize.div_ceil(MOST_LEVELS));
        fn count(node: &AgentNode) -> usize {
            1 + node.team.iter().map(count).sum::<usize>()
        }
        assert_eq!(trees.iter().map(count).sum::<usize>(), 100);
    }
}
