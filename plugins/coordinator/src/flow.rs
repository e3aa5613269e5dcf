//! From parts to outcomes: plan, delegate, wait, try again.
//!
//! Invariant: every part ends with an outcome, whatever the host answers. Only a cancelled ticket, an
//! unreadable team and an empty one end the run itself.

use adjutant_sdk::text::{stem, words};
use adjutant_sdk::{
    Assignment, Delegated, Error, Failure, Joined, Member, Outcome as Ending, TaskReport,
    TrackingStatus, WorkPlan,
};
use serde_json::Value;

use crate::answer::{Outcome, Status};
use crate::config::Config;
use crate::team::Team;

/// One part that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) title: String,
    pub(crate) description: String,
    /// Whether it begins when all before it are over.
    pub(crate) later: bool,
    /// The member meant to do it, by id or name.
    pub(crate) to: Option<String>,
    pub(crate) schema: Option<Value>,
}

/// A coordinator at work.
pub(crate) struct Flow<'a, T> {
    team: T,
    config: &'a Config,
    /// The run's attempt: a new attempt makes new delegations.
    attempt: u32,
    members: Vec<Member>,
}

/// A part under way.
struct Doing<'a> {
    asked: &'a Asked,
    /// Its place in the request, from 1.
    number: usize,
    /// Who has it now.
    delegated: Option<Delegated>,
    /// Who has tried it, by id.
    tried: Vec<String>,
    /// Whom it is given to; none where the selector is to say.
    next: Option<String>,
    outcome: Option<Outcome>,
}

impl<'a, T: Team> Flow<'a, T> {
    pub(crate) fn new(team: T, config: &'a Config, attempt: u32) -> Self {
        Flow {
            team,
            config,
            attempt,
            members: Vec::new(),
        }
    }

    /// Have all parts done. The outcomes are in the order of the parts.
    pub(crate) fn run(mut self, parts: &'a [Asked]) -> Result<Vec<Outcome>, Failure> {
        self.members = self.team.members()?;
        if self.members.is_empty() {
            return Err(Failure::new(
                "This boss has no team: add agents whose boss it is, or ask another agent.",
            ));
        }
        let stages = stages(parts);
        match self.team.propose(&plan(&stages)) {
            Err(error @ Error::Cancelled(_)) => return Err(error.into()),
            // The plan is for people to see; the work does not need it.
            Err(error) => eprintln!("the work plan was refused: {error}"),
            Ok(()) => {}
        }
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(parts.len());
        for stage in stages {
            let before = outcomes.len();
            let notes = notes(&outcomes);
            let mut doing: Vec<Doing<'_>> = stage
                .iter()
                .enumerate()
                .map(|(i, asked)| self.begin(asked, before + i + 1))
                .collect();
            self.stage(&mut doing, &notes)?;
            outcomes.extend(doing.into_iter().map(Doing::end));
        }
        Ok(outcomes)
    }

    fn begin<'p>(&self, asked: &'p Asked, number: usize) -> Doing<'p> {
        let mut doing = Doing {
            asked,
            number,
            delegated: None,
            tried: Vec::new(),
            next: None,
            outcome: None,
        };
        if let Some(to) = &asked.to {
            match self
                .members
                .iter()
                .find(|one| one.agent.id == *to || one.agent.name == *to)
            {
                Some(member) => doing.next = Some(member.agent.id.clone()),
                None => doing.fail(
                    Status::Unassigned,
                    format!("There is no \"{to}\" in the team. {}", self.abilities()),
                ),
            }
        }
        doing
    }

    /// Delegate the parts of a stage, wait for them, and give the failed ones to others.
    fn stage(&mut self, doing: &mut [Doing<'_>], notes: &str) -> Result<(), Failure> {
        for round in 0..=self.config.retry_failed {
            self.delegate(doing, notes, round)?;
            self.wait(doing)?;
            if round == self.config.retry_failed {
                break;
            }
            let mut again = Vec::new();
            for part in doing.iter_mut().filter(|part| part.can_be_tried_again()) {
                if let Some(member) = best_of_the_others(&self.members, part) {
                    again.push(format!(
                        "\"{}\" goes to {}",
                        part.asked.title, member.agent.name
                    ));
                    part.next = Some(member.agent.id.clone());
                    part.outcome = None;
                    part.delegated = None;
                }
            }
            if again.is_empty() {
                break;
            }
            // Out of notes is no reason to stop.
            let _ = self
                .team
                .note(&format!("Trying again: {}.", again.join("; ")));
        }
        Ok(())
    }

    /// Delegate all parts that have neither a delegation nor an outcome, at once. Parts that nobody
    /// fits are left out.
    fn delegate(
        &mut self,
        doing: &mut [Doing<'_>],
        notes: &str,
        round: u32,
    ) -> Result<(), Failure> {
        loop {
            let open: Vec<usize> = (0..doing.len()).filter(|&i| doing[i].is_open()).collect();
            if open.is_empty() {
                return Ok(());
            }
            let assignments: Vec<Assignment> = open
                .iter()
                .map(|&i| self.assignment(&doing[i], notes, round))
                .collect();
            let error = match self.team.delegate(&assignments) {
                Ok(delegated) => {
                    for (&i, delegated) in open.iter().zip(delegated) {
                        doing[i].tried.push(delegated.assignee.clone());
                        doing[i].delegated = Some(delegated);
                    }
                    // Fewer than asked for would be a host's fault; the part must not be lost.
                    for part in doing.iter_mut().filter(|part| part.is_open()) {
                        part.fail(Status::Failed, "The host made no delegation of it.".into());
                    }
                    return Ok(());
                }
                Err(error @ Error::Cancelled(_)) => return Err(error.into()),
                Err(error) => error,
            };
            let mut dropped = false;
            for violation in error.violations() {
                let index = violation.path.trim_start_matches('/').split('/').next();
                let Some(&i) = index
                    .and_then(|n| n.parse::<usize>().ok())
                    .and_then(|n| open.get(n))
                else {
                    continue;
                };
                // Several violations may be about one part.
                if doing[i].is_open() {
                    let why = violation.message.trim_end_matches(['.', ' ']);
                    let text = format!("Nobody in the team fits: {why}. {}", self.abilities());
                    doing[i].fail(Status::Unassigned, text);
                    dropped = true;
                }
            }
            if !dropped {
                for &i in &open {
                    doing[i].fail(
                        Status::Failed,
                        format!("It could not be delegated: {error}"),
                    );
                }
                return Ok(());
            }
        }
    }

    fn assignment(&self, part: &Doing<'_>, notes: &str, round: u32) -> Assignment {
        let asked = part.asked;
        let mut assignment = match &part.next {
            Some(agent) => Assignment::to(agent.as_str(), asked.title.as_str()),
            None => Assignment::new(asked.title.as_str()),
        }
        .description(asked.description.as_str())
        .notes(notes)
        .key(format!(
            "attempt-{}-part-{}-try-{}",
            self.attempt,
            part.number,
            round + 1
        ));
        if let Some(schema) = &asked.schema {
            assignment = assignment.schema(schema);
        }
        assignment.deadline_ms = self.config.part_deadline_ms;
        assignment
    }

    /// Wait for the delegated parts that have no outcome yet.
    fn wait(&mut self, doing: &mut [Doing<'_>]) -> Result<(), Failure> {
        let tickets: Vec<String> = doing.iter().filter_map(Doing::awaited).collect();
        if tickets.is_empty() {
            return Ok(());
        }
        let join = self.config.join;
        let Joined { reports, .. } = match self.team.wait(&tickets, &join.join(tickets.len())) {
            Ok(joined) => joined,
            Err(error @ Error::Cancelled(_)) => return Err(error.into()),
            Err(error) => {
                for part in doing.iter_mut().filter(|part| part.awaited().is_some()) {
                    part.fail(
                        Status::Failed,
                        format!("The wait for its report failed: {error}"),
                    );
                }
                return Ok(());
            }
        };
        for report in reports {
            let whose = doing
                .iter_mut()
                .find(|part| part.awaited().as_ref() == Some(&report.ticket));
            if let Some(part) = whose {
                part.report(report);
            }
        }
        for part in doing.iter_mut() {
            let Some(ticket) = part.awaited() else {
                continue;
            };
            let enough = join.first_ones_are_enough();
            let (status, why) = if enough {
                (Status::NotNeeded, "Other parts were enough.")
            } else {
                (Status::Failed, "There was no report in time.")
            };
            // It may have ended this very moment: then there is nothing to cancel.
            let _ = self.team.cancel(&ticket, why);
            part.fail(status, why.to_string());
        }
        Ok(())
    }

    /// What the team can do, as a sentence.
    fn abilities(&self) -> String {
        const MOST: usize = 12;
        let mut can: Vec<String> = self
            .members
            .iter()
            .take(MOST)
            .map(|member| {
                let agent = &member.agent;
                if agent.skills.is_empty() {
                    agent.name.clone()
                } else {
                    format!("{} ({})", agent.name, agent.skills.join(", "))
                }
            })
            .collect();
        if self.members.len() > MOST {
            can.push(format!("and {} more", self.members.len() - MOST));
        }
        format!("The team can: {}.", can.join("; "))
    }
}

impl Doing<'_> {
    fn is_open(&self) -> bool {
        self.delegated.is_none() && self.outcome.is_none()
    }

    /// The ticket whose report is still missing.
    fn awaited(&self) -> Option<String> {
        match (&self.delegated, &self.outcome) {
            (Some(delegated), None) => Some(delegated.ticket.clone()),
            _ => None,
        }
    }

    fn can_be_tried_again(&self) -> bool {
        let failed = self
            .outcome
            .as_ref()
            .is_some_and(|one| one.status == Status::Failed);
        failed && !self.tried.is_empty() && self.asked.to.is_none()
    }

    fn fail(&mut self, status: Status, why: String) {
        let delegated = self.delegated.as_ref();
        self.outcome = Some(Outcome {
            part: self.asked.title.clone(),
            agent: delegated.map(|one| one.assignee.clone()),
            agent_name: delegated.map(|one| one.assignee_name.clone()),
            ticket: delegated.map(|one| one.ticket.clone()),
            status,
            summary: why,
            output: None,
            output_omitted: false,
        });
    }

    fn report(&mut self, report: TaskReport) {
        self.outcome = Some(Outcome {
            part: self.asked.title.clone(),
            status: match report.outcome {
                Ending::Completed => Status::Completed,
                Ending::Cancelled => Status::Cancelled,
                Ending::Failed | Ending::Other(_) => Status::Failed,
            },
            output: report.output(),
            agent: Some(report.agent),
            agent_name: Some(report.agent_name),
            ticket: Some(report.ticket),
            summary: report.summary,
            output_omitted: false,
        });
    }

    fn end(mut self) -> Outcome {
        if self.outcome.is_none() {
            self.fail(Status::Failed, "It was never done.".into());
        }
        self.outcome.expect("it was just set where it was missing")
    }
}

/// Parts that run at the same time, in the order of the request.
fn stages(parts: &[Asked]) -> Vec<&[Asked]> {
    let mut stages = Vec::new();
    let mut start = 0;
    for i in 1..=parts.len() {
        if i == parts.len() || parts[i].later {
            stages.push(&parts[start..i]);
            start = i;
        }
    }
    stages
}

fn plan(stages: &[&[Asked]]) -> WorkPlan {
    let count: usize = stages.iter().map(|stage| stage.len()).sum();
    let name = if count == 1 {
        "One part".to_string()
    } else {
        format!("{count} parts")
    };
    let about = if stages.len() > 1 {
        "Each stage begins when the one before it is over."
    } else {
        "All parts at the same time."
    };
    stages
        .iter()
        .enumerate()
        .fold(WorkPlan::new(name, about), |plan, (i, stage)| {
            plan.phase(
                format!("Stage {}", i + 1),
                stage.iter().map(|part| part.title.as_str()),
            )
        })
}

/// What a later stage should know of those before it.
fn notes(outcomes: &[Outcome]) -> String {
    const EACH: usize = 500;
    if outcomes.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = outcomes
        .iter()
        .map(|one| {
            format!(
                "- {}: {}",
                one.part,
                adjutant_sdk::text::clip(&one.summary, EACH)
            )
        })
        .collect();
    format!("What was done before this:\n{}", lines.join("\n"))
}

/// Of the members that have not tried a part, the one whose words fit it best; of equals the idle and
/// the less busy.
fn best_of_the_others<'m>(members: &'m [Member], part: &Doing<'_>) -> Option<&'m Member> {
    let stems = |text: &str| {
        words(text)
            .iter()
            .map(|word| stem(word))
            .collect::<Vec<_>>()
    };
    let asked = stems(&part.asked.description);
    members
        .iter()
        .filter(|member| !part.tried.contains(&member.agent.id))
        .map(|member| {
            let agent = &member.agent;
            let about = stems(&format!(
                "{} {} {}",
                agent.skills.join(" "),
                agent.class,
                agent.description
            ));
            (
                about.iter().filter(|word| asked.contains(word)).count(),
                member,
            )
        })
        .filter(|(shared, _)| *shared > 0)
        .max_by_key(|(shared, member)| {
            let idle = matches!(member.status, TrackingStatus::Idle);
            (*shared, idle, std::cmp::Reverse(member.queued))
        })
        .map(|(_, member)| member)
}

#[cfg(test)]
mod tests;
