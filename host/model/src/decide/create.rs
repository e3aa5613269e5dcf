//! Making tickets.

use super::{Tx, check_len};
use crate::{
    AgentId, Author, ChannelId, Choice, Draft, EventKind, NewTicket, Outcome, Refusal, Spend,
    Status, Terms, Ticket, TicketId, Timestamp, Validation, schema::Schema, state::Timer, weight,
};
use serde_json::Value;
use std::collections::HashSet;

/// What all ways of making a ticket have in common. All of it is checked already.
pub(super) struct Make {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) notes: String,
    pub(super) status: Status,
    pub(super) assignee: Option<AgentId>,
    pub(super) parent: Option<TicketId>,
    pub(super) delegated_by: Option<AgentId>,
    pub(super) choice: Option<Choice>,
    pub(super) schema: Option<Value>,
    pub(super) validation: Validation,
    pub(super) mode: String,
    pub(super) deadline: Option<Timestamp>,
    pub(super) collaborators: Vec<AgentId>,
    pub(super) terms: Terms,
    pub(super) key: Option<String>,
    pub(super) created_by: Author,
}

impl Tx<'_> {
    pub(super) fn create_ticket(&mut self, new: NewTicket) -> Result<Outcome, Refusal> {
        self.check_texts("", &new.title, &new.description)?;
        self.check_schema(
            new.expected_output_schema.as_ref(),
            "/expected_output_schema",
        )?;
        self.check_room(1)?;
        let assignee = match &new.assignee {
            Some(key) => Some(
                self.find_agent(key)
                    .map_err(|refusal| at("/assignee", refusal))?
                    .id,
            ),
            None => None,
        };
        self.check_group("", new.parent, new.terms.group.as_ref())?;
        let mut terms = new.terms;
        let mut seen = HashSet::new();
        terms.blocked_by.retain(|id| seen.insert(*id));
        self.check_blockers("/blocked_by", new.parent, &terms.blocked_by)?;
        self.check_retry("", &terms)?;
        if let Some(agent) = assignee {
            self.check_queue(agent, 1)?;
        }
        if let Some(parent) = new.parent {
            self.check_parent(parent, 1)
                .map_err(|refusal| at("/parent", refusal))?;
            self.check_budget(parent, &[("/budget".to_owned(), terms.budget)])?;
            let texts = [&*new.title, &*new.description];
            let bytes = weight::of_new(&texts, new.expected_output_schema.as_ref());
            self.check_tree_bytes(parent, bytes)?;
            if let Some(agent) = assignee {
                self.check_chain(parent, agent)?;
            }
        }
        let mut collaborators = Vec::new();
        for key in &new.collaborators {
            collaborators.push(
                self.find_agent(key)
                    .map_err(|refusal| at("/collaborators", refusal))?
                    .id,
            );
        }
        if collaborators.len() > self.context.limits.collaborators {
            return Err(self.too_many_collaborators());
        }
        if new.backlog && assignee.is_some() {
            return Err(Refusal::invalid(
                "/backlog",
                "a ticket in the backlog has no assignee yet",
            ));
        }
        let person = new.created_by.unwrap_or_else(|| "operator".to_owned());
        check_len("/created_by", &person, self.context.limits.title_bytes)?;
        let mode = new.conversation_mode.unwrap_or_else(|| "chat".to_owned());
        check_len("/conversation_mode", &mode, self.context.limits.title_bytes)?;
        let id = self.make(Make {
            title: new.title,
            description: new.description,
            notes: String::new(),
            status: if new.backlog {
                Status::Backlog
            } else {
                Status::Open
            },
            assignee,
            parent: new.parent,
            delegated_by: None,
            choice: None,
            schema: new.expected_output_schema,
            validation: new.validation,
            mode,
            deadline: new
                .deadline_ms
                .map(|ms| self.context.now.saturating_add(ms)),
            collaborators,
            terms,
            key: None,
            created_by: Author::Person(person),
        });
        if let Some(agent) = assignee {
            self.ready.push(agent);
        }
        Ok(self.ticket_outcome(id))
    }

    /// A guest's `tickets.create`.
    pub(super) fn draft(
        &mut self,
        agent: AgentId,
        parent: TicketId,
        draft: Draft,
    ) -> Result<TicketId, Refusal> {
        let key = draft.key.as_deref();
        check_len(
            "/key",
            key.unwrap_or_default(),
            self.context.limits.title_bytes,
        )?;
        if let Some(known) = key.and_then(|key| self.child_by_key(parent, key)) {
            return Ok(known.id);
        }
        self.check_texts("", &draft.title, &draft.description)?;
        self.check_schema(
            draft.expected_output_schema.as_ref(),
            "/expected-output-schema-json",
        )?;
        self.check_room(1)?;
        self.check_parent(parent, 1)?;
        self.check_budget(parent, &[(String::new(), None)])?;
        let texts = [&*draft.title, &*draft.description];
        let bytes = weight::of_new(&texts, draft.expected_output_schema.as_ref());
        self.check_tree_bytes(parent, bytes)?;
        Ok(self.make(Make {
            title: draft.title,
            description: draft.description,
            notes: String::new(),
            status: Status::Open,
            assignee: None,
            parent: Some(parent),
            delegated_by: None,
            choice: None,
            schema: draft.expected_output_schema,
            validation: Validation::Strict,
            mode: "chat".to_owned(),
            deadline: None,
            collaborators: Vec::new(),
            terms: Terms::default(),
            key: draft.key,
            created_by: Author::Agent(agent),
        }))
    }

    /// The child that was made under a key.
    pub(super) fn child_by_key(&self, parent: TicketId, key: &str) -> Option<&Ticket> {
        let children = self.state.tickets.get(&parent)?.children.iter();
        children
            .filter_map(|child| self.state.tickets.get(child))
            .map(|child| &**child)
            .find(|child| child.key.as_deref() == Some(key) && !self.is_of_old(parent, child))
    }

    /// Makes a ticket, puts it into its assignee's queue, and says so.
    pub(super) fn make(&mut self, make: Make) -> TicketId {
        let id = TicketId(self.id());
        let deadline = self.deadline_of(make.parent, make.deadline, make.terms.budget.as_ref());
        if let Some(parent) = make.parent {
            let children = 1;
            self.spend(
                parent,
                Spend {
                    children,
                    ..Spend::default()
                },
            );
        }
        let (root, depth) = match make.parent {
            Some(parent) => {
                let parent = self.change_ticket(parent);
                parent.children.push(id);
                (parent.root, parent.depth + 1)
            }
            None => (id, 0),
        };
        let now = self.context.now;
        let ticket = Ticket {
            id,
            workspace: self.state.workspace.id,
            title: make.title,
            description: make.description,
            notes: make.notes,
            status: make.status,
            assignee: make.assignee,
            parent: make.parent,
            root,
            depth,
            children: Vec::new(),
            delegated_by: make.delegated_by,
            choice: make.choice,
            expected_output_schema: make.schema,
            validation: make.validation,
            output: None,
            summary: String::new(),
            violations: Vec::new(),
            rejections: 0,
            attempts: 0,
            run: None,
            runs: Vec::new(),
            channel: ChannelId(id.0),
            conversation_mode: make.mode,
            collaborators: make.collaborators,
            links: Vec::new(),
            deadline,
            terms: (!make.terms.is_plain()).then(|| Box::new(make.terms)),
            history: Vec::new(),
            not_before: None,
            tries: None,
            spent: Spend::default(),
            key: make.key,
            plan: None,
            branches: Vec::new(),
            created_by: make.created_by,
            created_at: now,
            updated_at: now,
            started_at: None,
            ended_at: None,
        };
        self.event(EventKind::TicketCreated {
            ticket: id,
            title: ticket.title.clone(),
            parent: ticket.parent,
            assignee: ticket.assignee,
        });
        if let Some(assignee) = ticket.assignee {
            self.event(EventKind::TicketAssigned {
                ticket: id,
                assignee,
            });
        }
        if let Some(deadline) = ticket.deadline {
            self.state.timers.insert((deadline, Timer::Ticket(id)));
        }
        let live = self.state.live.entry(root).or_default();
        *live += 1;
        if *live == 1 {
            self.changes.roots.push((root, true));
        }
        *self.state.trees.entry(root).or_default() += 1;
        let bytes = weight::of_ticket(&ticket);
        self.state.weights.made(root, id.0, bytes);
        self.state.channels.insert(ticket.channel, 0);
        self.changes.tickets.push(id);
        let assignee = ticket.assignee;
        self.state.tickets.insert(id, Box::new(ticket));
        if let Some(agent) = assignee {
            self.state.enqueue(agent, id);
        }
        self.new_blockers(id);
        id
    }

    pub(super) fn check_texts(
        &self,
        path: &str,
        title: &str,
        description: &str,
    ) -> Result<(), Refusal> {
        let limits = self.context.limits;
        if title.trim().is_empty() {
            return Err(Refusal::invalid(
                format!("{path}/title"),
                "a ticket has a title",
            ));
        }
        check_len(&format!("{path}/title"), title, limits.title_bytes)?;
        check_len(
            &format!("{path}/description"),
            description,
            limits.text_bytes,
        )
    }

    pub(super) fn check_schema(&self, schema: Option<&Value>, path: &str) -> Result<(), Refusal> {
        let Some(schema) = schema else { return Ok(()) };
        check_len(path, &schema.to_string(), self.context.limits.schema_bytes)?;
        Schema::compile(schema, path).map(|_| ())
    }

    /// Refuses where the workspace has as many live tickets as it may.
    pub(super) fn check_room(&self, more: usize) -> Result<(), Refusal> {
        if self.state.has_room(more, self.context.limits) {
            return Ok(());
        }
        Err(Refusal::Busy(format!(
            "workspace {:?} has as many tickets that are not over as it may ({}, limit \
             `live_tickets`); try again when some have ended",
            self.state.workspace.name, self.context.limits.live_tickets
        )))
    }

    /// Refuses a parent that is over, too deep, or has too many children.
    pub(super) fn check_parent(&self, parent: TicketId, more: usize) -> Result<(), Refusal> {
        let parent = self.ticket(parent)?;
        let limits = self.context.limits;
        if parent.status.is_over() {
            return Err(Refusal::Conflict(format!(
                "ticket {} is {}",
                parent.id, parent.status
            )));
        }
        if parent.children.len() + more > limits.children {
            return Err(Refusal::Limit(format!(
                "ticket {} would have more than {} children (limit `children`)",
                parent.id, limits.children
            )));
        }
        let tree = self
            .state
            .trees
            .get(&parent.root)
            .copied()
            .unwrap_or_default();
        if tree + more > limits.tree_tickets {
            return Err(Refusal::Limit(format!(
                "the tree of ticket {} would have more than {} tickets (limit `tree_tickets`)",
                parent.root, limits.tree_tickets
            )));
        }
        if parent.depth + 1 > limits.depth {
            return Err(Refusal::Denied(format!(
                "the chain would be {} tickets deep below its root, and {} is the limit (`depth`)",
                parent.depth + 1,
                limits.depth
            )));
        }
        Ok(())
    }

    /// Refuses an agent that already works further up the same chain.
    pub(super) fn check_chain(&self, parent: TicketId, agent: AgentId) -> Result<(), Refusal> {
        let mut above = Some(parent);
        while let Some(ticket) = above.and_then(|id| self.state.tickets.get(&id)) {
            if ticket.assignee == Some(agent) {
                let name = self
                    .state
                    .agents
                    .get(&agent)
                    .map_or("it", |agent| &agent.name);
                return Err(Refusal::Denied(format!(
                    "{name} already works on ticket {} above this one: that would be a cycle",
                    ticket.id
                )));
            }
            above = ticket.parent;
        }
        Ok(())
    }

    pub(super) fn too_many_collaborators(&self) -> Refusal {
        Refusal::Limit(format!(
            "a ticket has at most {} collaborators, and as many links (limit `collaborators`)",
            self.context.limits.collaborators
        ))
    }
}

/// A refusal about one field of a command.
fn at(path: &str, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::NotFound(text) => Refusal::invalid(path, text),
        other => other,
    }
}
