//! Work plans, in the form that bosses' models and dashboards already know.

use super::{Execution, Priority};
use crate::names::Names;
use adjutant_model::{self as model, AgentId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a boss means to do, in phases of tasks. A preview, not a contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkPlan {
    /// A short name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its phases.
    pub phases: Vec<PlanPhase>,
}

/// Tasks that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanPhase {
    /// Unique in the plan.
    pub id: String,
    /// A short name.
    pub name: String,
    /// How its tasks run.
    pub execution: Execution,
    /// Phases that must be over before.
    pub depends_on: Vec<String>,
    /// Its tasks.
    pub tasks: Vec<PlanTask>,
}

/// A task of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanTask {
    /// Unique in the plan.
    pub id: String,
    /// What is to be done.
    pub description: String,
    /// A class of agent that would fit; empty if it doesn't matter.
    pub suggested_class: String,
    /// Who is meant to do it.
    pub assign_to_agent: Option<Uuid>,
    /// That agent's name.
    pub assign_to_agent_name: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// Tasks that must be over before.
    pub blocked_by: Vec<String>,
}

impl WorkPlan {
    /// The agents that a plan names.
    pub(crate) fn agents(plan: &model::WorkPlan) -> impl Iterator<Item = AgentId> {
        plan.phases
            .iter()
            .flat_map(|phase| &phase.tasks)
            .filter_map(|task| task.assign_to)
    }

    /// Shows a plan. `names` knows its agents.
    pub(crate) fn new(plan: &model::WorkPlan, names: &Names) -> WorkPlan {
        WorkPlan {
            name: plan.name.clone(),
            description: plan.description.clone(),
            phases: plan
                .phases
                .iter()
                .map(|phase| PlanPhase {
                    id: phase.id.clone(),
                    name: phase.name.clone(),
                    execution: if phase.parallel {
                        Execution::Parallel
                    } else {
                        Execution::Sequential
                    },
                    depends_on: phase.depends_on.clone(),
                    tasks: phase
                        .tasks
                        .iter()
                        .map(|task| PlanTask::new(task, names))
                        .collect(),
                })
                .collect(),
        }
    }
}

impl PlanTask {
    fn new(task: &model::PlanTask, names: &Names) -> PlanTask {
        let agent = task.assign_to.map(|id| names.agent(id));
        PlanTask {
            id: task.id.clone(),
            description: task.description.clone(),
            suggested_class: task.suggested_class.clone(),
            assign_to_agent: agent.as_ref().map(|agent| agent.id),
            assign_to_agent_name: agent.map(|agent| agent.name),
            priority: task.priority.into(),
            blocked_by: task.blocked_by.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::names;
    use serde_json::json;

    #[test]
    fn a_plan_has_the_compatible_form() {
        let plan = model::WorkPlan {
            name: "p".into(),
            description: "d".into(),
            phases: vec![model::PlanPhase {
                id: "1".into(),
                name: "first".into(),
                parallel: true,
                depends_on: vec![],
                tasks: vec![model::PlanTask {
                    id: "t".into(),
                    description: "do".into(),
                    suggested_class: "builder".into(),
                    assign_to: Some(AgentId(Uuid::from_u128(1))),
                    priority: model::Priority::High,
                    blocked_by: vec!["s".into()],
                }],
            }],
        };
        assert_eq!(WorkPlan::agents(&plan).count(), 1);
        assert_eq!(
            json!(WorkPlan::new(&plan, &names(&[1]))),
            json!({
                "name": "p",
                "description": "d",
                "phases": [{
                    "id": "1",
                    "name": "first",
                    "execution": "parallel",
                    "dependsOn": [],
                    "tasks": [{
                        "id": "t",
                        "description": "do",
                        "suggestedClass": "builder",
                        "assignToAgent": "00000000-0000-0000-0000-000000000001",
                        "assignToAgentName": "agent-1",
                        "priority": "high",
                        "blockedBy": ["s"],
                    }],
                }],
            })
        );
    }
}
