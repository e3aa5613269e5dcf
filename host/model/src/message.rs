//! Channels and what is said in them.

use crate::{AgentId, MessageId, RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// Something said in a channel. Its place there is its index in the channel's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who said it.
    pub author: Author,
    /// What it is.
    pub kind: MessageKind,
    /// The text, Markdown.
    pub text: String,
    /// Ids of the agents and names of the people that it mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The run that said it; none where a person or the host did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// That run's number among its ticket's, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When it was said.
    pub at: Timestamp,
}

/// Who said or did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "who")]
pub enum Author {
    /// An agent.
    Agent(AgentId),
    /// A person, by name.
    Person(String),
    /// The host itself.
    Host,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Anything.
    Text,
    /// How far the work is.
    Progress,
    /// A question that waits for an answer.
    Question,
    /// A delegated task, as given to a subordinate.
    Task,
    /// A subordinate's report.
    Report,
}
