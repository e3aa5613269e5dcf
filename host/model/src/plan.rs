//! Work plans: what a boss means to do, shown before it does it. Previews, not contracts.

use crate::{AgentId, Refusal, Violation};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Phases of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkPlan {
    /// A short name.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Its phases.
    pub phases: Vec<PlanPhase>,
}

/// Tasks that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanPhase {
    /// Unique in the plan.
    pub id: String,
    /// A short name.
    pub name: String,
    /// Whether its tasks run at the same time.
    pub parallel: bool,
    /// Phases that must be over before.
    pub depends_on: Vec<String>,
    /// Its tasks.
    pub tasks: Vec<PlanTask>,
}

/// A task of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanTask {
    /// Unique in the plan.
    pub id: String,
    /// What is to be done.
    pub description: String,
    /// A class of agent that would fit; empty if it doesn't matter.
    pub suggested_class: String,
    /// Who is meant to do it.
    pub assign_to: Option<AgentId>,
    /// How urgent it is.
    pub priority: Priority,
    /// Tasks that must be over before.
    pub blocked_by: Vec<String>,
}

/// How urgent a task is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// First.
    High,
    /// As it comes.
    #[default]
    Medium,
    /// Last.
    Low,
}

impl Priority {
    pub(crate) fn is_medium(&self) -> bool {
        *self == Priority::Medium
    }
}

impl WorkPlan {
    /// Refuses ids that repeat, and dependencies on what is not there.
    pub fn check(&self) -> Result<(), Refusal> {
        let mut phases = HashSet::new();
        let mut tasks = HashSet::new();
        let mut wrong = Vec::new();
        for (p, phase) in self.phases.iter().enumerate() {
            if !phases.insert(phase.id.as_str()) {
                wrong.push(Violation::new(
                    format!("/phases/{p}/id"),
                    format!("the phase id {:?} occurs twice", phase.id),
                ));
            }
            for (t, task) in phase.tasks.iter().enumerate() {
                if !tasks.insert(task.id.as_str()) {
                    wrong.push(Violation::new(
                        format!("/phases/{p}/tasks/{t}/id"),
                        format!("the task id {:?} occurs twice", task.id),
                    ));
                }
            }
        }
        for (p, phase) in self.phases.iter().enumerate() {
            for name in phase
                .depends_on
                .iter()
                .filter(|name| !phases.contains(name.as_str()))
            {
                wrong.push(Violation::new(
                    format!("/phases/{p}/depends_on"),
                    format!("there is no phase {name:?}"),
                ));
            }
            for (t, task) in phase.tasks.iter().enumerate() {
                for name in task
                    .blocked_by
                    .iter()
                    .filter(|name| !tasks.contains(name.as_str()))
                {
                    wrong.push(Violation::new(
                        format!("/phases/{p}/tasks/{t}/blocked_by"),
                        format!("there is no task {name:?}"),
                    ));
                }
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Invalid(wrong))
        }
    }
}
