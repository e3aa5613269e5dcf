//! `channels`: post, mention, read, ask.

use super::{answer, converted};
use crate::convert;
use crate::ending::RunStop;
use crate::ports::Gone;
use crate::session::{Session, stop};
use adjutant_component::HostResult;
use adjutant_component::bindings::channels::{Host, Message, Page};
use adjutant_component::bindings::types::Error;
use adjutant_model::{Answer, Call, MessageId, MessageKind, Reply, TicketId};

/// Messages that one `read` gives at most, as the contract says.
const MOST: u32 = 200;

impl Host for Session {
    async fn post(
        &mut self,
        ticket: Option<String>,
        text: String,
        reply_to: Option<String>,
    ) -> HostResult<Result<String, Error>> {
        let ticket: Option<TicketId> =
            converted!(ticket.map(|text| convert::id("ticket", &text)).transpose());
        let reply_to: Option<MessageId> = converted!(
            reply_to
                .map(|text| convert::id("message", &text))
                .transpose()
        );
        let call = Call::Post {
            ticket,
            text: text.clone(),
            reply_to,
        };
        let reply = if ticket.is_none_or(|ticket| ticket == self.ticket.id) {
            self.say(call, MessageKind::Text, text, reply_to).await?
        } else {
            self.decided(call).await?
        };
        Ok(answer!(reply, Answer::Message(id) => id.to_string()))
    }

    async fn mention(
        &mut self,
        members: Vec<String>,
        text: String,
    ) -> HostResult<Result<String, Error>> {
        let reply = self.decided(Call::Mention { members, text }).await?;
        Ok(answer!(reply, Answer::Message(id) => id.to_string()))
    }

    async fn read(
        &mut self,
        ticket: Option<String>,
        after: u64,
        limit: u32,
    ) -> HostResult<Result<Page, Error>> {
        let ticket = converted!(ticket.map(|text| convert::id("ticket", &text)).transpose());
        let limit = limit.min(MOST);
        let page = if self.is_replaying() {
            Err(adjutant_model::CallError::Other(String::new()))
        } else {
            // What this run has said itself must be there to read.
            self.flush(true).await?;
            self.read_page(ticket, after, limit).await?
        };
        let call = Call::ReadChannel {
            ticket,
            after,
            limit,
        };
        let reply = self.outside(call, false, async { page }).await?;
        Ok(answer!(reply, Answer::Page { messages, first, more } => {
            let cursor = first + messages.len() as u64;
            let messages = (first..).zip(messages);
            let messages =
                messages.map(|(index, message)| convert::message(index, message)).collect();
            Page { messages, cursor, more }
        }))
    }

    async fn ask(
        &mut self,
        member: String,
        text: String,
        timeout_ms: Option<u64>,
    ) -> HostResult<Result<Message, Error>> {
        let reply = self
            .decided(Call::Ask {
                member,
                text,
                timeout_ms,
            })
            .await?;
        Ok(answer!(reply, Answer::Answer { message, index } => convert::message(index, message)))
    }
}

impl Session {
    async fn read_page(
        &self,
        ticket: Option<TicketId>,
        after: u64,
        limit: u32,
    ) -> HostResult<Reply> {
        let gone = |Gone(why)| stop(RunStop::Gone(why));
        let channel = match self.ledger.channel(self.run, ticket).await.map_err(gone)? {
            Ok(channel) => channel,
            Err(error) => return Ok(Err(error)),
        };
        let (mut messages, mut more) = self
            .ledger
            .messages(channel, after, limit as usize)
            .await
            .map_err(gone)?;
        let mut room = self.limits.answer_bytes;
        let fitting = messages.iter().take_while(|message| {
            let fits = message.text.len() <= room;
            room = room.saturating_sub(message.text.len());
            fits
        });
        let fitting = fitting.count();
        more |= fitting < messages.len();
        messages.truncate(fitting);
        Ok(Ok(Answer::Page {
            messages,
            first: after,
            more,
        }))
    }
}
