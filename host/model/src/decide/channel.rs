//! Channels: posting, mentioning, asking, and what runs print.

use super::{Tx, check_len, end::EVENT_TEXT};
use crate::{
    AgentId, Answer, Author, CallError, ChannelId, EventKind, Link, Message, MessageId,
    MessageKind, Outcome, Refusal, RunId, State, Ticket, TicketId, WaitKind, text,
};

impl State {
    /// The channel that a run means, if it may read and write it.
    pub fn channel_for(
        &self,
        run: RunId,
        ticket: Option<TicketId>,
    ) -> Result<ChannelId, CallError> {
        let gone = || CallError::Cancelled("the run is over".to_owned());
        let run = self.runs.get(&run).ok_or_else(gone)?;
        let Some(id) = ticket.filter(|id| *id != run.ticket) else {
            return Ok(ChannelId(run.ticket.0));
        };
        self.tickets
            .get(&id)
            .filter(|ticket| is_member(ticket, run.agent))
            .map(|ticket| ticket.channel)
            .ok_or_else(|| {
                CallError::NotFound(format!("this agent is not in the channel of a ticket {id}"))
            })
    }
}

/// Whether an agent is in a ticket's channel.
fn is_member(ticket: &Ticket, agent: AgentId) -> bool {
    ticket.assignee == Some(agent)
        || ticket.delegated_by == Some(agent)
        || ticket.collaborators.contains(&agent)
}

impl Tx<'_> {
    /// A person's message.
    pub(super) fn post_message(
        &mut self,
        id: TicketId,
        author: Author,
        text: String,
        reply_to: Option<MessageId>,
    ) -> Result<Outcome, Refusal> {
        self.ticket(id)?;
        if text.trim().is_empty() {
            return Err(Refusal::invalid("/text", "a message has a text"));
        }
        check_len("/text", &text, self.context.limits.message_bytes)?;
        let mentions = self.mentions(&text);
        let message = self.post(id, author, MessageKind::Text, text, mentions, reply_to);
        Ok(Outcome::Posted(Box::new(message)))
    }

    /// Posts a message; whoever waits for it as an answer gets it.
    pub(super) fn post(
        &mut self,
        id: TicketId,
        author: Author,
        kind: MessageKind,
        text: String,
        mentions: Vec<String>,
        reply_to: Option<MessageId>,
    ) -> Message {
        let message = Message {
            id: MessageId(self.id()),
            author,
            kind,
            text,
            mentions,
            reply_to,
            run: None,
            attempt: None,
            at: self.context.now,
        };
        self.append(id, message.clone());
        message
    }

    /// Posts what a run says.
    pub(super) fn post_by(
        &mut self,
        run: RunId,
        id: TicketId,
        kind: MessageKind,
        text: String,
        mentions: Vec<String>,
        reply_to: Option<MessageId>,
    ) -> Message {
        let message_id = MessageId(self.id());
        let record = &self.state.runs[&run];
        let message = Message {
            id: message_id,
            author: Author::Agent(record.agent),
            kind,
            text,
            mentions,
            reply_to,
            run: Some(run),
            attempt: Some(record.attempt),
            at: self.context.now,
        };
        self.append(id, message.clone());
        message
    }

    /// Appends a message that has its id already.
    pub(super) fn append(&mut self, id: TicketId, message: Message) {
        let channel = self.state.tickets[&id].channel;
        let next = self.state.channels.entry(channel).or_default();
        let index = *next;
        *next += 1;
        self.event(EventKind::MessagePosted {
            ticket: id,
            channel,
            message: message.id,
            author: message.author.clone(),
            kind: message.kind,
            text: text::cut(&message.text, EVENT_TEXT),
        });
        self.changes
            .messages
            .push((channel, index, message.clone()));
        self.heard_in(id, &message.author);
        self.answer_question(id, &message, index);
    }

    /// The next message of whoever was asked is the answer, unless it answers something else.
    fn answer_question(&mut self, id: TicketId, message: &Message, index: u64) {
        let Some(run) = self.state.tickets[&id].run else {
            return;
        };
        let wait = self.state.runs.get(&run).and_then(|run| run.wait.as_ref());
        let Some(WaitKind::Answer { question, member }) = wait.map(|wait| &wait.kind) else {
            return;
        };
        if *member == message.author && message.reply_to.is_none_or(|id| id == *question) {
            self.answer(
                run,
                Ok(Answer::Answer {
                    message: message.clone(),
                    index,
                }),
            );
        }
    }

    /// A guest's post to a channel that is not its own ticket's, or that has to be looked at first.
    pub(super) fn post_elsewhere(
        &mut self,
        run: RunId,
        ticket: Option<TicketId>,
        text: String,
        mentions: Vec<String>,
        reply_to: Option<MessageId>,
    ) -> Result<MessageId, Refusal> {
        self.state
            .channel_for(run, ticket)
            .map_err(|error| Refusal::NotFound(error.to_string()))?;
        check_len("/text", &text, self.context.limits.message_bytes)?;
        self.count_message(run)?;
        let id = ticket.unwrap_or(self.state.runs[&run].ticket);
        Ok(self
            .post_by(run, id, MessageKind::Text, text, mentions, reply_to)
            .id)
    }

    /// Counts a message against what a run may post.
    pub(super) fn count_message(&mut self, run: RunId) -> Result<(), Refusal> {
        let limit = self.context.limits.messages_per_run;
        if self.state.runs[&run].messages >= limit {
            return Err(Refusal::Limit(format!(
                "this run has posted {limit} messages (limit `messages_per_run`)"
            )));
        }
        self.change_run(run).messages += 1;
        Ok(())
    }

    /// A comment on a ticket that the run can see.
    pub(super) fn comment(
        &mut self,
        run: RunId,
        id: TicketId,
        text: String,
    ) -> Result<(), Refusal> {
        self.visible(run, id)?;
        check_len("/text", &text, self.context.limits.message_bytes)?;
        self.count_message(run)?;
        let mentions = self.mentions(&text);
        self.post_by(run, id, MessageKind::Text, text, mentions, None);
        Ok(())
    }

    /// Who is meant by a name: a member of the ticket's channel, or a person.
    pub(super) fn channel_member(&self, ticket: TicketId, key: &str) -> Result<Author, Refusal> {
        check_len("/member", key, self.context.limits.title_bytes)?;
        match self.state.find_agent(key) {
            None if key.trim().is_empty() => Err(Refusal::invalid("/member", "a name is wanted")),
            None => Ok(Author::Person(key.to_owned())),
            Some(agent) if is_member(&self.state.tickets[&ticket], agent.id) => {
                Ok(Author::Agent(agent.id))
            }
            Some(agent) => Err(Refusal::NotFound(format!(
                "{} is not in the channel of ticket {ticket}; add it as a collaborator",
                agent.name
            ))),
        }
    }

    /// Posts a question; the answer is waited for.
    pub(super) fn question(
        &mut self,
        run: RunId,
        member: &str,
        text: String,
    ) -> Result<WaitKind, Refusal> {
        let ticket = self.state.runs[&run].ticket;
        let member = self.channel_member(ticket, member)?;
        check_len("/text", &text, self.context.limits.message_bytes)?;
        let (from, root) = (
            self.state.runs[&run].agent,
            self.state.tickets[&ticket].root,
        );
        if let Author::Agent(to) = member {
            self.check_pair(root, from, to, 1)?;
        }
        self.count_message(run)?;
        if let Author::Agent(to) = member {
            self.count_pair(root, from, to);
        }
        let name = match &member {
            Author::Agent(id) => id.to_string(),
            Author::Person(name) => name.clone(),
            Author::Host => String::new(),
        };
        let question = self
            .post_by(run, ticket, MessageKind::Question, text, vec![name], None)
            .id;
        Ok(WaitKind::Answer { question, member })
    }

    /// Posts a task for someone outside, with the footer that says how to report.
    pub(super) fn call_for_report(&mut self, run: RunId, message: &str) -> Result<(), Refusal> {
        check_len("/message", message, self.context.limits.message_bytes)?;
        self.count_message(run)?;
        let record = &self.state.runs[&run];
        let ticket = &self.state.tickets[&record.ticket];
        let wanted = text::expected_output(ticket, &record.given.violations);
        let footer = text::report_footer(self.context.base_url, record.agent, ticket, record.token);
        let (id, author) = (
            ticket.id,
            ticket.delegated_by.map_or(Author::Host, Author::Agent),
        );
        self.post(
            id,
            author,
            MessageKind::Task,
            format!("{message}{wanted}{footer}"),
            Vec::new(),
            None,
        );
        Ok(())
    }

    /// Agents that a text mentions by name, as ids; other names are people's.
    pub(super) fn mentions(&self, text: &str) -> Vec<String> {
        text::mentions(text)
            .into_iter()
            .map(|name| match self.state.names.get(&name) {
                Some(id) => id.to_string(),
                None => name,
            })
            .collect()
    }

    pub(super) fn add_collaborator(&mut self, id: TicketId, agent: AgentId) -> Result<(), Refusal> {
        let ticket = self.ticket(id)?;
        if is_member(ticket, agent) {
            return Ok(());
        }
        if ticket.collaborators.len() >= self.context.limits.collaborators {
            return Err(self.too_many_collaborators());
        }
        self.change_ticket(id).collaborators.push(agent);
        self.event(EventKind::TicketCollaboratorAdded { ticket: id, agent });
        Ok(())
    }

    pub(super) fn link(&mut self, run: RunId, other: TicketId, kind: &str) -> Result<(), Refusal> {
        if kind.trim().is_empty() {
            return Err(Refusal::invalid("/kind", "a link has a kind"));
        }
        check_len("/kind", kind, self.context.limits.memory_key_bytes)?;
        self.visible(run, other)?;
        let id = self.state.runs[&run].ticket;
        let limit = self.context.limits.collaborators;
        if [id, other]
            .iter()
            .any(|id| self.state.tickets[id].links.len() >= limit)
        {
            return Err(self.too_many_collaborators());
        }
        for (from, to) in [(id, other), (other, id)] {
            let link = Link {
                kind: kind.to_owned(),
                ticket: to,
            };
            if !self.state.tickets[&from].links.contains(&link) {
                self.change_ticket(from).links.push(link);
            }
        }
        self.event(EventKind::TicketLinked {
            ticket: id,
            other,
            kind: kind.to_owned(),
        });
        Ok(())
    }

    /// What a run's guest or command printed.
    pub(super) fn output(
        &mut self,
        run: RunId,
        stream: String,
        text: String,
    ) -> Result<Outcome, Refusal> {
        let record = self.live_run(run)?;
        let (ticket, bytes) = (record.ticket, record.log_bytes);
        self.heard_of(run);
        let limit = self.context.limits.log_bytes;
        if bytes > limit {
            return Ok(Outcome::Done);
        }
        let now = self.context.now;
        let record = self.change_run(run);
        record.log_bytes += text.len() as u64;
        let at = record.log_len;
        record.log_len += 1;
        let text = if record.log_bytes > limit {
            format!("[the rest is left out: this log has reached its limit of {limit} bytes]\n")
        } else {
            text
        };
        self.event(EventKind::RunOutput {
            ticket,
            run,
            stream: stream.clone(),
            text: text::cut(&text, EVENT_TEXT),
        });
        self.changes.logs.push((run, at, (now, stream, text)));
        Ok(Outcome::Done)
    }
}
