//! What this program reads of the host's answers. Fields that it has no use for are left out, so that
//! a newer host's answers can be read too.

use adjutant_model::{RunId, TicketId};
use serde::Deserialize;
use serde_json::Value;

/// A part of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// What to ask for next.
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// Something with an id and a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
}

/// Why an assignee was chosen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    /// A sentence.
    pub(crate) reason: String,
    /// `high`, `medium` or `low`.
    pub(crate) confidence: String,
}

/// A branch with a ticket's work.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Branch {
    /// The repository's name.
    pub(crate) repo: String,
    /// The branch.
    pub(crate) branch: String,
}

/// A run that failed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PastAttempt {
    /// The agent.
    pub(crate) agent: Named,
    /// Its number, from 1.
    pub(crate) attempt: u32,
    /// Why it failed.
    pub(crate) reason: String,
}

/// A ticket.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TicketView {
    /// Its id.
    pub(crate) id: TicketId,
    /// What is to be done, in a line.
    #[serde(default)]
    pub(crate) title: String,
    /// In full.
    #[serde(default)]
    pub(crate) description: String,
    /// Where it stands.
    #[serde(default)]
    pub(crate) status: String,
    /// Who is to do it.
    #[serde(default)]
    pub(crate) assignee: Option<Named>,
    /// Who delegated it.
    #[serde(default)]
    pub(crate) delegated_by: Option<Named>,
    /// Why its assignee was chosen.
    #[serde(default)]
    pub(crate) choice: Option<Choice>,
    /// The result.
    #[serde(default)]
    pub(crate) output: Option<Value>,
    /// What was done, or why it failed.
    #[serde(default)]
    pub(crate) summary: String,
    /// When it was made.
    #[serde(default)]
    pub(crate) created_at: String,
    /// Branches with its work.
    #[serde(default)]
    pub(crate) branches: Vec<Branch>,
    /// What it and all below it may spend.
    #[serde(default)]
    pub(crate) budget: Option<serde_json::Map<String, Value>>,
    /// What they have spent, where that is anything.
    #[serde(default)]
    pub(crate) spent: Option<serde_json::Map<String, Value>>,
    /// `high`, `medium` or `low`.
    #[serde(default)]
    pub(crate) priority: String,
    /// Never worked on at the same time as another with this word.
    #[serde(default)]
    pub(crate) group: Option<String>,
    /// Tickets that must be over before it starts.
    #[serde(default)]
    pub(crate) blocked_by: Vec<String>,
    /// When it fails if it is not over.
    #[serde(default)]
    pub(crate) deadline: Option<String>,
    /// Why it does not start yet.
    #[serde(default)]
    pub(crate) held: Option<String>,
    /// When it is tried again.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// Runs that failed.
    #[serde(default)]
    pub(crate) history: Vec<PastAttempt>,
}

impl TicketView {
    /// Whether nothing more happens to it.
    pub(crate) fn is_over(&self) -> bool {
        adjutant_model::Status::parse(&self.status).is_some_and(adjutant_model::Status::is_over)
    }

    /// Its assignee's name.
    pub(crate) fn who(&self) -> &str {
        self.assignee
            .as_ref()
            .map_or("nobody", |agent| agent.name.as_str())
    }
}

/// A ticket with all below it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TicketNode {
    /// The ticket.
    pub(crate) ticket: TicketView,
    /// The tickets below.
    #[serde(default)]
    pub(crate) children: Vec<TicketNode>,
}

/// An agent with what it is doing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AgentView {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// A free label.
    pub(crate) class: String,
    /// What it is good at.
    pub(crate) skills: Vec<String>,
    /// Its strategy.
    pub(crate) plugin: String,
    /// Its boss.
    pub(crate) boss: Option<Named>,
    /// What it is doing.
    pub(crate) tracking_status: String,
    /// Its tickets.
    pub(crate) current: Vec<String>,
    /// How many more wait for it.
    pub(crate) queued: u64,
    /// Why nothing starts for it.
    #[serde(default)]
    pub(crate) held: Option<String>,
    /// Its subordinates, with theirs; in a tree only.
    #[serde(default)]
    pub(crate) team: Vec<AgentView>,
}

/// Who said something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Author {
    /// `agent`, `person` or `host`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Whose, but for the host.
    pub(crate) name: String,
}

/// A message with its place in the channel.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MessageView {
    /// Its place.
    pub(crate) index: u64,
    /// Who said it.
    #[serde(default)]
    pub(crate) author: Author,
    /// What it is.
    #[serde(default)]
    pub(crate) kind: String,
    /// The text.
    #[serde(default)]
    pub(crate) text: String,
    /// When.
    #[serde(default)]
    pub(crate) at: String,
}

/// Something that a run printed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LogLine {
    /// Its place.
    pub(crate) index: u64,
    /// When.
    #[serde(default)]
    pub(crate) at: String,
    /// Which stream.
    #[serde(default)]
    pub(crate) stream: String,
    /// The text.
    #[serde(default)]
    pub(crate) text: String,
}

/// A run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunView {
    /// Its id.
    pub(crate) id: RunId,
    /// The ticket.
    pub(crate) ticket: TicketId,
    /// Where it stands.
    #[serde(default)]
    pub(crate) status: String,
}

impl RunView {
    /// Whether it goes no further.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "cancelled")
    }
}

/// A plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PluginView {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// What it can be used as.
    pub(crate) world: String,
    /// What its bytes are.
    pub(crate) digest: String,
    /// How many bytes.
    pub(crate) size: u64,
    /// Whether it came with the host.
    pub(crate) builtin: bool,
    /// How it came in: `built-in`, `upload`, `path`, `watched` or `registry`.
    pub(crate) origin: String,
    /// The number of the trusted key that signed it.
    pub(crate) signed_by: Option<String>,
    /// Whether nothing starts on it, for the host requires a signature.
    #[serde(default)]
    pub(crate) barred: bool,
    /// Why nothing starts on it, where the host cannot use what it says of itself.
    #[serde(default)]
    pub(crate) unusable: Option<String>,
    /// Whether it was there before it was registered just now.
    pub(crate) known: bool,
    /// How it stands: `active`, `canary`, `draining`, `drained` or `idle`.
    pub(crate) state: String,
    /// Its share of the new runs, where it is tried.
    pub(crate) percent: Option<u8>,
    /// Whether it is held.
    pub(crate) pinned: bool,
    /// The version that its name is held to, where that is another one.
    #[serde(default)]
    pub(crate) pinned_to: Option<String>,
    /// Its runs in flight.
    pub(crate) runs: Option<u64>,
    /// When it was registered.
    pub(crate) added_at: String,
}
