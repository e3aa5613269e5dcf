//! Asking a selector whom a boss would pick.

use crate::convert;
use crate::ending::RunStop;
use crate::ports::{Chooser, Gone};
use crate::runner::Runner;
use crate::session::{Session, stop};
use adjutant_component::bindings::{Candidate, Choice as Chosen, Question, types};
use adjutant_component::{Component, Context, HostResult, PreparedSelector, Stop};
use adjutant_model::{AgentId, Assignment, Choice, Confidence, Lot, Member, WorkspaceId, text};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

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
        for (at, assignment) in assignments.iter().enumerate() {
            if assignment.assignee.is_some() {
                choices.push(None);
                continue;
            }
            // Asked again after a crash, it is the same choice.
            let number = u64::from(self.place()) << 32 | at as u64;
            let lot = Lot::of_choice(self.run.0, number);
            let choice = self.choose(assignment, &team, lot).await;
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
        lot: Lot,
    ) -> Result<(AgentId, Choice), String> {
        let chooser = self.chooser.as_ref().map_err(Clone::clone)?;
        let asked = Asked {
            workspace: self.agent.workspace,
            title: &assignment.title,
            description: &assignment.description,
            request: &self.request,
            config: &self.agent.config,
        };
        chooser.choose(&asked, team, lot).await
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
    /// The boss's configuration.
    pub config: &'a Value,
}

/// Why a selector has given no choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// By its own fault: it trapped, or hit a limit of its own.
    #[error("the selector broke: {0}")]
    Faulted(String),
    /// It has answered, and there is nobody.
    #[error("{0}")]
    Nobody(String),
    /// It could not be asked, which says nothing about it.
    #[error("the selector cannot be asked: {0}")]
    Unasked(String),
}

impl NoChoice {
    /// What it says of the selector's version, as the end of a run does of its plugin: true for a fault;
    /// none where it says nothing.
    pub fn fault(&self) -> Option<bool> {
        match self {
            NoChoice::Faulted(_) => Some(true),
            NoChoice::Nobody(_) => Some(false),
            NoChoice::Unasked(_) => None,
        }
    }
}

impl Runner {
    /// Whom a selector picks among candidates, the best first: a delegation takes the first, and there is
    /// one. It computes within the caller's task, which is to be one that the engine polls. Nothing is
    /// changed by asking.
    ///
    /// # Errors
    /// The selector broke, or found nobody.
    pub async fn choose(
        &self,
        selector: &Arc<Component>,
        asked: &Asked<'_>,
        team: &[Member],
    ) -> Result<Vec<(AgentId, Choice)>, NoChoice> {
        let prepared = self.selector(selector);
        let prepared = prepared.map_err(|error| NoChoice::Unasked(error.to_string()))?;
        ask(&prepared, asked, team).await
    }

    /// A chooser that always asks this component.
    ///
    /// # Errors
    /// A sentence: it is no selector.
    pub fn chooser(&self, selector: &Arc<Component>) -> Result<Arc<dyn Chooser>, String> {
        let prepared = self.selector(selector);
        prepared
            .map(|prepared| Arc::new(One(prepared)) as Arc<dyn Chooser>)
            .map_err(|error| error.to_string())
    }
}

/// A chooser that always asks the same component.
struct One(Arc<PreparedSelector>);

#[async_trait]
impl Chooser for One {
    async fn choose(
        &self,
        asked: &Asked<'_>,
        team: &[Member],
        _: Lot,
    ) -> Result<(AgentId, Choice), String> {
        let choices = ask(&self.0, asked, team).await;
        let choices = choices.map_err(|none| none.to_string())?;
        choices.into_iter().next().ok_or_else(|| nobody(team))
    }
}

async fn ask(
    selector: &PreparedSelector,
    asked: &Asked<'_>,
    team: &[Member],
) -> Result<Vec<(AgentId, Choice)>, NoChoice> {
    let question = Question {
        title: asked.title.to_owned(),
        description: asked.description.to_owned(),
        request: asked.request.to_owned(),
        config_json: asked.config.to_string(),
    };
    let candidates: Vec<Candidate> = team.iter().map(candidate).collect();
    let context = Context {
        owner: asked.workspace.0.as_u128(),
        ..Context::default()
    };
    let answer = selector.choose(context, &question, &candidates).await;
    let answer = answer.map_err(|stop| match stop {
        // A selector makes no host calls, so nobody else stops it.
        Stop::InstantiateFailed(_) => NoChoice::Unasked(stop.to_string()),
        stop => NoChoice::Faulted(stop.to_string()),
    })?;
    let choices = answer.map_err(|why| {
        let why = text::cut(&why, REASON);
        NoChoice::Nobody(format!("the selector could not choose: {why}"))
    })?;
    let choices = choices.into_iter();
    let choices: Vec<_> = choices.filter_map(|chosen| known(chosen, team)).collect();
    if choices.is_empty() {
        return Err(NoChoice::Nobody(nobody(team)));
    }
    Ok(choices)
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

fn nobody(team: &[Member]) -> String {
    let names: Vec<&str> = team.iter().map(|member| member.name.as_str()).collect();
    format!(
        "the selector found nobody in the team that fits ({})",
        names.join(", ")
    )
}
