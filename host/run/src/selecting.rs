//! Asking a selector whom a boss would pick.

use crate::convert;
use crate::ending::RunStop;
use crate::ports::Gone;
use crate::runner::Runner;
use crate::session::{Session, stop};
use adjutant_component::bindings::{Candidate, Choice as Chosen, Question, types};
use adjutant_component::{Component, Context, HostResult, PreparedSelector};
use adjutant_model::{AgentId, Assignment, Choice, Confidence, Member, WorkspaceId, text};
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
        let question = Asked {
            workspace: self.agent.workspace,
            title: &assignment.title,
            description: &assignment.description,
            request: &self.request,
            config_json: self.agent.config.to_string(),
        };
        // Within the run's own task.
        let choices = ask(selector, question.question(), question.workspace, team).await?;
        first(choices, team)
    }
}

/// What a selector is asked about.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Where: the selector computes in this workspace's share of time.
    pub workspace: WorkspaceId,
    /// The task, in a line.
    pub title: &'a str,
    /// In full.
    pub description: &'a str,
    /// What the person who started it all asked for.
    pub request: &'a str,
    /// The boss's configuration, as JSON.
    pub config_json: String,
}

impl Runner {
    /// Whom a selector picks among candidates, the best first: a delegation takes the first. Nothing
    /// is changed by asking.
    ///
    /// # Errors
    /// A sentence: the selector broke, or found nobody.
    pub async fn choose(
        &self,
        selector: &Arc<Component>,
        asked: &Asked<'_>,
        team: &[Member],
    ) -> Result<Vec<(AgentId, Choice)>, String> {
        let prepared = self.selector(selector).map_err(|error| error.to_string())?;
        let (question, workspace, team) = (asked.question(), asked.workspace, team.to_vec());
        let asking = async move {
            let choices = ask(&prepared, question, workspace, &team).await?;
            first(choices.clone(), &team)?;
            Ok(choices)
        };
        let asking = self.engine().spawn(workspace.0.as_u128(), asking);
        asking.await.unwrap_or_else(|lost| Err(lost.to_string()))
    }
}

impl Asked<'_> {
    fn question(&self) -> Question {
        Question {
            title: self.title.to_owned(),
            description: self.description.to_owned(),
            request: self.request.to_owned(),
            config_json: self.config_json.clone(),
        }
    }
}

async fn ask(
    selector: &PreparedSelector,
    question: Question,
    workspace: WorkspaceId,
    team: &[Member],
) -> Result<Vec<(AgentId, Choice)>, String> {
    let candidates: Vec<Candidate> = team.iter().map(candidate).collect();
    let context = Context {
        owner: workspace.0.as_u128(),
        ..Context::default()
    };
    let answer = selector.choose(context, &question, &candidates).await;
    let choices = answer
        .map_err(|stop| format!("the selector broke: {stop}"))?
        .map_err(|why| format!("the selector could not choose: {}", text::cut(&why, REASON)))?;
    Ok(choices
        .into_iter()
        .filter_map(|chosen| known(chosen, team))
        .collect())
}

fn candidate(member: &Member) -> Candidate {
    Candidate {
        agent: convert::member_agent(member),
        status: convert::tracking(member.status),
        queued: member.queued + member.current.len() as u32,
    }
}

/// A choice, where it names a candidate.
fn known(chosen: Chosen, team: &[Member]) -> Option<(AgentId, Choice)> {
    let member = team
        .iter()
        .find(|member| member.id.to_string() == chosen.agent)?;
    let confidence = match chosen.confidence {
        types::Confidence::High => Confidence::High,
        types::Confidence::Low => Confidence::Low,
        types::Confidence::Medium | types::Confidence::Other(_) => Confidence::Medium,
    };
    let reason = text::cut(&chosen.reason, REASON);
    Some((member.id, Choice { reason, confidence }))
}

/// The choice that counts.
fn first(choices: Vec<(AgentId, Choice)>, team: &[Member]) -> Result<(AgentId, Choice), String> {
    choices.into_iter().next().ok_or_else(|| {
        let names: Vec<&str> = team.iter().map(|member| member.name.as_str()).collect();
        format!(
            "the selector found nobody in the team that fits ({})",
            names.join(", ")
        )
    })
}
