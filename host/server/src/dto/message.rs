//! Channels: what is said in them, and by whom.

use super::{MessageKind, time};
use crate::names::Names;
use adjutant_model::{self as model, AgentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Something said in a ticket's channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// Its place in the channel, from 0; missing in the answer to a new message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Who said it.
    pub author: Author,
    /// What it is.
    pub kind: MessageKind,
    /// The text, Markdown.
    pub text: String,
    /// Ids of the agents and names of the people that it mentions.
    pub mentions: Vec<String>,
    /// The message that it answers.
    pub reply_to: Option<Uuid>,
    /// The run that said it; null where a person or the host did.
    pub run: Option<Uuid>,
    /// That run's number among its ticket's, from 1.
    pub attempt: Option<u32>,
    /// When it was said.
    pub at: Timestamp,
}

/// Who said or did something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Author {
    /// An agent.
    Agent {
        /// Its id.
        id: Uuid,
        /// Its name.
        name: String,
    },
    /// A person.
    Person {
        /// The person's name.
        name: String,
    },
    /// The host itself.
    Host,
}

impl Author {
    /// The agent that it is, if it is one.
    pub(crate) fn agent(author: &model::Author) -> Option<AgentId> {
        match author {
            model::Author::Agent(id) => Some(*id),
            model::Author::Person(_) | model::Author::Host => None,
        }
    }

    /// Shows an author. `names` knows it, if it is an agent.
    pub(crate) fn new(author: &model::Author, names: &Names) -> Author {
        match author {
            model::Author::Agent(id) => {
                let agent = names.agent(*id);
                Author::Agent {
                    id: agent.id,
                    name: agent.name,
                }
            }
            model::Author::Person(name) => Author::Person { name: name.clone() },
            model::Author::Host => Author::Host,
        }
    }
}

impl Message {
    /// Shows a message, with its place where that is known. `names` knows its author.
    pub(crate) fn new(message: &model::Message, index: Option<u64>, names: &Names) -> Message {
        Message {
            id: message.id.0,
            index,
            author: Author::new(&message.author, names),
            kind: message.kind.into(),
            text: message.text.clone(),
            mentions: message.mentions.clone(),
            reply_to: message.reply_to.map(|id| id.0),
            run: message.run.map(|id| id.0),
            attempt: message.attempt,
            at: time(message.at),
        }
    }
}

/// Something to say in a ticket's channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// The text, Markdown. `@name` mentions an agent.
    pub text: String,
    /// The name of the person who says it; `operator` where none is given.
    #[serde(default)]
    pub author: Option<String>,
    /// The message that it answers.
    #[serde(default)]
    pub reply_to: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::names;
    use serde_json::json;

    #[test]
    fn a_message_shows_who_and_when() {
        let message = model::Message {
            id: model::MessageId(Uuid::from_u128(9)),
            author: model::Author::Agent(AgentId(Uuid::from_u128(1))),
            kind: model::MessageKind::Progress,
            text: "half".into(),
            mentions: vec![],
            reply_to: None,
            run: None,
            attempt: None,
            at: 1_000,
        };
        assert_eq!(
            json!(Message::new(&message, Some(4), &names(&[1]))),
            json!({
                "id": "00000000-0000-0000-0000-000000000009",
                "index": 4,
                "author": {
                    "type": "agent",
                    "id": "00000000-0000-0000-0000-000000000001",
                    "name": "agent-1",
                },
                "kind": "progress",
                "text": "half",
                "mentions": [],
                "reply_to": null,
                "run": null,
                "attempt": null,
                "at": "1970-01-01T00:00:01Z",
            })
        );
        assert_eq!(
            json!(Author::new(&model::Author::Host, &names(&[]))),
            json!({"type": "host"})
        );
    }
}
