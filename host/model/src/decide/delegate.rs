//! Delegation: a boss hands out tasks, cancels them, and gives them to others.

use super::{Tx, check_len, create::Make};
use crate::{
    Agent, AgentId, Assignment, Author, Choice, Confidence, Delegated, EventKind, Refusal, Status,
    TicketId, Violation,
};

/// Whom the selector chose for an assignment, or why nobody.
pub(super) type Choices = Vec<Option<Result<(AgentId, Choice), String>>>;

impl Tx<'_> {
    /// All children are made, or none.
    pub(super) fn delegate(
        &mut self,
        boss: &Agent,
        parent: TicketId,
        assignments: Vec<Assignment>,
        choices: &Choices,
    ) -> Result<Vec<Delegated>, Refusal> {
        let chosen = self.check_assignments(boss, parent, &assignments, choices)?;
        let mut delegated = Vec::with_capacity(assignments.len());
        for (assignment, (agent, choice)) in assignments.into_iter().zip(chosen) {
            if let Some(known) = self.by_key(parent, assignment.key.as_deref()) {
                delegated.push(known);
                continue;
            }
            delegated.push(self.delegate_one(boss, parent, assignment, agent, choice));
        }
        let agents: Vec<AgentId> = delegated.iter().map(|d| d.assignee).collect();
        for agent in agents {
            self.ready.push(agent);
        }
        Ok(delegated)
    }

    fn delegate_one(
        &mut self,
        boss: &Agent,
        parent: TicketId,
        assignment: Assignment,
        agent: AgentId,
        choice: Choice,
    ) -> Delegated {
        let ticket = self.make(Make {
            title: assignment.title,
            description: assignment.description,
            notes: assignment.notes,
            status: Status::Open,
            assignee: Some(agent),
            parent: Some(parent),
            delegated_by: Some(boss.id),
            choice: Some(choice.clone()),
            schema: assignment.expected_output_schema,
            validation: assignment.validation,
            mode: "chat".to_owned(),
            deadline: assignment
                .deadline_ms
                .map(|ms| self.context.now.saturating_add(ms)),
            collaborators: Vec::new(),
            key: assignment.key,
            created_by: Author::Agent(boss.id),
        });
        self.event(EventKind::TicketDelegated {
            ticket,
            parent,
            delegated_by: boss.id,
            assignee: agent,
            reason: choice.reason.clone(),
            confidence: choice.confidence,
        });
        Delegated {
            ticket,
            assignee: agent,
            assignee_name: self.state.agents[&agent].name.clone(),
            reason: choice.reason,
            confidence: choice.confidence,
        }
    }

    fn check_assignments(
        &self,
        boss: &Agent,
        parent: TicketId,
        assignments: &[Assignment],
        choices: &Choices,
    ) -> Result<Vec<(AgentId, Choice)>, Refusal> {
        self.check_room(assignments.len())?;
        self.check_parent(parent, assignments.len())?;
        let mut chosen = Vec::with_capacity(assignments.len());
        let mut wrong = Vec::new();
        for (i, assignment) in assignments.iter().enumerate() {
            let at = format!("/{i}");
            let mut note = |result: Result<(), Refusal>| match result {
                Err(Refusal::Invalid(violations)) => wrong.extend(violations),
                Err(other) => wrong.push(Violation::new(at.clone(), other.to_string())),
                Ok(()) => {}
            };
            note(self.check_texts(&at, &assignment.title, &assignment.description));
            note(check_len(
                &format!("{at}/notes"),
                &assignment.notes,
                self.context.limits.text_bytes,
            ));
            note(check_len(
                &format!("{at}/key"),
                assignment.key.as_deref().unwrap_or_default(),
                self.context.limits.title_bytes,
            ));
            note(self.check_schema(
                assignment.expected_output_schema.as_ref(),
                &format!("{at}/expected-output-schema-json"),
            ));
            let choice = match assignment.assignee {
                Some(agent) => Ok((
                    agent,
                    Choice {
                        reason: String::new(),
                        confidence: Confidence::High,
                    },
                )),
                None => match choices.get(i).cloned().flatten() {
                    Some(choice) => choice,
                    None => Err("nobody was named, and this boss has no selector".to_owned()),
                },
            };
            match choice {
                Ok((agent, choice)) => {
                    self.check_target(boss, parent, agent)?;
                    chosen.push((agent, choice));
                }
                Err(why) => wrong.push(Violation::new(at, why)),
            }
        }
        if wrong.is_empty() {
            Ok(chosen)
        } else {
            Err(Refusal::Invalid(wrong))
        }
    }

    /// The target exists, is the boss's subordinate, and makes no cycle.
    fn check_target(&self, boss: &Agent, parent: TicketId, agent: AgentId) -> Result<(), Refusal> {
        let target = self
            .state
            .agents
            .get(&agent)
            .ok_or_else(|| Refusal::NotFound(format!("there is no agent {agent}")))?;
        if target.boss != Some(boss.id) {
            let team: Vec<&str> = self
                .state
                .team(boss.id)
                .into_iter()
                .map(|agent| agent.name.as_str())
                .collect();
            return Err(Refusal::Denied(format!(
                "{} is no direct subordinate of {}; its team: {}",
                target.name,
                boss.name,
                if team.is_empty() {
                    "nobody".to_owned()
                } else {
                    team.join(", ")
                }
            )));
        }
        self.check_chain(parent, agent)
    }

    fn by_key(&self, parent: TicketId, key: Option<&str>) -> Option<Delegated> {
        let key = key?;
        self.state.tickets[&parent]
            .children
            .iter()
            .filter_map(|child| self.state.tickets.get(child))
            .find(|child| child.key.as_deref() == Some(key))
            .and_then(|child| {
                let assignee = child.assignee?;
                let choice = child.choice.clone();
                Some(Delegated {
                    ticket: child.id,
                    assignee,
                    assignee_name: self.state.agents.get(&assignee)?.name.clone(),
                    reason: choice
                        .as_ref()
                        .map(|c| c.reason.clone())
                        .unwrap_or_default(),
                    confidence: choice.map_or(Confidence::High, |c| c.confidence),
                })
            })
    }

    pub(super) fn cancel_delegated(
        &mut self,
        parent: TicketId,
        id: TicketId,
        reason: &str,
    ) -> Result<(), Refusal> {
        self.check_child(parent, id)?;
        check_len("/reason", reason, self.context.limits.text_bytes)?;
        if !self.state.tickets[&id].status.is_over() {
            self.end_ticket(id, Status::Cancelled, reason);
        }
        Ok(())
    }

    pub(super) fn reassign(
        &mut self,
        boss: &Agent,
        parent: TicketId,
        id: TicketId,
        agent: AgentId,
        reason: &str,
    ) -> Result<(), Refusal> {
        self.check_child(parent, id)?;
        self.check_target(boss, parent, agent)?;
        self.hand_over(id, agent, reason)
    }

    pub(super) fn check_child(&self, parent: TicketId, id: TicketId) -> Result<(), Refusal> {
        if self.state.tickets[&parent].children.contains(&id) {
            return Ok(());
        }
        Err(Refusal::NotFound(format!(
            "ticket {id} is not a child of this run's ticket"
        )))
    }
}
