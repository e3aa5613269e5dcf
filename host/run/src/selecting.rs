//! Asking a selector whom a boss would pick.

use crate::convert;
use crate::ending::RunStop;
use crate::ports::Gone;
use crate::session::{Session, stop};
use adjutant_component::bindings::{Candidate, Choice as Chosen, Question, types};
use adjutant_component::{Context, HostResult, PreparedSelector};
use adjutant_model::{AgentId, Assignment, Choice, Confidence, Member, text};
use std::sync::Arc;

/// A boss's selector, or why it has none that can be used.
pub(crate) type Chooser = Result<Arc<PreparedSelector>, String>;

/// Bytes of a reason that are kept.
const REASON: usize = 1_000;

impl Session {
    /// Whom the selector picks for each assignment that names nobody.
    pub(crate) async fn choose_for(
        &self,
        assignments: &[Assignment],
    ) -> HostResult<Vec<Option<Result<(AgentId, Choice), String>>>> {
        if assignments
            .iter()
            .all(|assignment| assignment.assignee.is_some())
        {
            return Ok(Vec::new());
        }
        let team = self.ledger.team(self.run).await;
        let team = team.map_err(|Gone(why)| stop(RunStop::Gone(why)))?;
        let mut choices = Vec::with_capacity(assignments.len());
        let mut team = team;
        for assignment in assignments {
            if assignment.assignee.is_some() {
                choices.push(None);
                continue;
            }
            let choice = self.choose(assignment, &team).await;
            // What is handed out in this same call counts for the next choice.
            if let Ok((agent, _)) = &choice {
                for member in team.iter_mut().filter(|member| member.id == *agent) {
                    member.queued += 1;
                }
            }
            choices.push(Some(choice));
        }
        Ok(choices)
    }

    async fn choose(
        &self,
        assignment: &Assignment,
        team: &[Member],
    ) -> Result<(AgentId, Choice), String> {
        let selector = self.chooser.as_ref().map_err(Clone::clone)?;
        let question = Question {
            title: assignment.title.clone(),
            description: assignment.description.clone(),
            request: self.request.clone(),
            config_json: self.agent.config.to_string(),
        };
        let candidates: Vec<Candidate> = team.iter().map(candidate).collect();
        let answer = selector
            .choose(Context::default(), &question, &candidates)
            .await;
        let choices = answer
            .map_err(|stop| format!("the selector broke: {stop}"))?
            .map_err(|why| format!("the selector could not choose: {}", text::cut(&why, REASON)))?;
        pick(choices, team)
    }
}

fn candidate(member: &Member) -> Candidate {
    Candidate {
        agent: convert::member_agent(member),
        status: convert::tracking(member.status),
        queued: member.queued + member.current.len() as u32,
    }
}

/// The first choice that names a candidate.
fn pick(choices: Vec<Chosen>, team: &[Member]) -> Result<(AgentId, Choice), String> {
    for choice in choices {
        let Some(member) = team
            .iter()
            .find(|member| member.id.to_string() == choice.agent)
        else {
            continue;
        };
        let confidence = match choice.confidence {
            types::Confidence::High => Confidence::High,
            types::Confidence::Low => Confidence::Low,
            types::Confidence::Medium | types::Confidence::Other(_) => Confidence::Medium,
        };
        return Ok((
            member.id,
            Choice {
                reason: text::cut(&choice.reason, REASON),
                confidence,
            },
        ));
    }
    let names: Vec<&str> = team.iter().map(|member| member.name.as_str()).collect();
    Err(format!(
        "the selector found nobody in the team that fits ({})",
        names.join(", ")
    ))
}
