//! Delegation: a boss hands out tasks, cancels them, and gives them to others.

use super::{Tx, blockers::After, check_len, create::Make};
use crate::{
    Agent, AgentId, Assignment, Author, Choice, Confidence, Delegated, EventKind, Refusal, Status,
    Ticket, TicketId, Violation, weight,
};
use std::collections::{BTreeMap, HashSet};

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
        self.check_shares(parent, &assignments)?;
        let after = self.check_all_after(parent, &assignments)?;
        let mut delegated: Vec<Delegated> = Vec::with_capacity(assignments.len());
        let tasks = assignments.into_iter().zip(chosen).zip(after);
        for ((mut assignment, (agent, choice)), after) in tasks {
            if let Some(known) = self.by_key(parent, assignment.key.as_deref()) {
                delegated.push(known);
                continue;
            }
            let after = after.into_iter().map(|after| match after {
                After::Earlier(at) => delegated[at].ticket,
                After::Ticket(id) => id,
            });
            assignment.terms.blocked_by = after.collect();
            delegated.push(self.delegate_one(boss, parent, assignment, agent, choice));
        }
        let agents: Vec<AgentId> = delegated.iter().map(|d| d.assignee).collect();
        for agent in agents {
            self.ready.push(agent);
        }
        Ok(delegated)
    }

    fn check_all_after(
        &self,
        parent: TicketId,
        assignments: &[Assignment],
    ) -> Result<Vec<Vec<After>>, Refusal> {
        (0..assignments.len())
            .map(|at| self.check_after(at, parent, assignments))
            .collect()
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
            terms: assignment.terms,
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
        let root = self.state.tickets[&parent].root;
        self.count_pair(root, boss.id, agent);
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
        let new = self.new_of(parent, assignments);
        self.check_room(new.len())?;
        self.check_parent(parent, new.len())?;
        let bytes = new.iter().map(|at| {
            let one = &assignments[*at];
            let texts = [&*one.title, &*one.description, &*one.notes];
            weight::of_new(&texts, one.expected_output_schema.as_ref())
        });
        self.check_tree_bytes(parent, bytes.sum())?;
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
            note(self.check_group(&at, Some(parent), assignment.terms.group.as_ref()));
            note(self.check_retry(&at, &assignment.terms));
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
            self.check_demand(boss, parent, new.iter().map(|at| chosen[*at].0))?;
            Ok(chosen)
        } else {
            Err(Refusal::Invalid(wrong))
        }
    }

    /// The queues of those who are chosen have room, and none of them is asked too often.
    fn check_demand(
        &self,
        boss: &Agent,
        parent: TicketId,
        chosen: impl Iterator<Item = AgentId>,
    ) -> Result<(), Refusal> {
        let root = self.state.tickets[&parent].root;
        let mut demand: BTreeMap<AgentId, u32> = BTreeMap::new();
        for agent in chosen {
            *demand.entry(agent).or_default() += 1;
        }
        for (agent, more) in demand {
            self.check_queue(agent, more as usize)?;
            self.check_pair(root, boss.id, agent, more)?;
        }
        Ok(())
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

    /// Which assignments will be new tickets, by their place: those under a key that is known already,
    /// or that stands before in the same call, are not.
    pub(super) fn new_of(&self, parent: TicketId, assignments: &[Assignment]) -> Vec<usize> {
        let mut keys = HashSet::new();
        let all = assignments.iter().enumerate();
        let new = all.filter(|(_, one)| {
            let key = one.key.as_deref();
            key.is_none_or(|name| self.by_key(parent, key).is_none() && keys.insert(name))
        });
        new.map(|(at, _)| at).collect()
    }

    pub(super) fn by_key(&self, parent: TicketId, key: Option<&str>) -> Option<Delegated> {
        self.child_by_key(parent, key?).and_then(|child| {
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

    /// Whether a child is what is left of an earlier run of its parent, and not done: nobody waits for it
    /// any more, and the same key means a new one. What was done for that run need not be done again. (A
    /// run that was resumed is the same as the one that it goes on from.)
    pub(super) fn is_of_old(&self, parent: TicketId, child: &Ticket) -> bool {
        let run = self.state.tickets[&parent].run;
        let run = run.and_then(|run| self.state.runs.get(&run));
        // Ids are greater than those made before.
        let earlier = run.is_some_and(|run| child.id.0 < run.first().run.0);
        earlier && child.status.is_over() && child.status != Status::Done
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
        self.check_queue(agent, 1)?;
        let root = self.state.tickets[&parent].root;
        self.check_pair(root, boss.id, agent, 1)?;
        self.hand_over(id, agent, reason)?;
        // Whoever made it: from now on it is this boss's, and brings no more than the boss may do.
        self.change_ticket(id).delegated_by = Some(boss.id);
        self.count_pair(root, boss.id, agent);
        Ok(())
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
