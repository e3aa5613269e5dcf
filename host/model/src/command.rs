//! Commands: all that may happen to a workspace, whoever asks.

use crate::{
    AgentId, AgentLimits, Author, Branch, Call, Choice, Grants, Limits, Message, Refusal, Reply,
    Repo, ReportOutcome, RunId, Status, Ticket, TicketId, Timestamp, Token, Validation, Violation,
    WorkResult,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One command.
#[derive(Clone, Debug)]
pub enum Command {
    /// Save a workspace's settings and agents, all or nothing.
    SaveTeam(TeamSpec),
    /// Make a ticket, and dispatch it where it has an assignee.
    CreateTicket(NewTicket),
    /// Give a ticket to an agent and dispatch it.
    AssignTicket {
        /// The ticket.
        ticket: TicketId,
        /// Who is to do it: an id or a name.
        agent: String,
        /// Why, for whoever had it before.
        reason: String,
        /// Refuse unless the ticket is still as the caller saw it (its `updated_at` then).
        unchanged_since: Option<Timestamp>,
    },
    /// Move a ticket along the graph, or, forced, anywhere.
    SetStatus {
        /// The ticket.
        ticket: TicketId,
        /// Where to.
        status: Status,
        /// Whether the graph does not matter.
        force: bool,
    },
    /// Cancel a ticket and all below it.
    CancelTicket {
        /// The ticket.
        ticket: TicketId,
        /// Why.
        reason: String,
    },
    /// Say something in a ticket's channel.
    PostMessage {
        /// The ticket.
        ticket: TicketId,
        /// Who says it.
        author: Author,
        /// What.
        text: String,
        /// The message that it answers.
        reply_to: Option<crate::MessageId>,
    },
    /// Let an agent read and write a ticket's channel.
    AddCollaborator {
        /// The ticket.
        ticket: TicketId,
        /// The agent: an id or a name.
        agent: String,
    },
    /// A run's worktree is there.
    Provisioned {
        /// The run.
        run: RunId,
    },
    /// A guest's calls: those that the host answered by itself, then at most one to decide on.
    Guest {
        /// The run.
        run: RunId,
        /// Answered calls, to be journaled.
        pending: Vec<Pending>,
        /// Microseconds that this start of the run has computed so far; 0 where nobody looked.
        guest_us: u64,
        /// The call to decide on.
        call: Option<GuestCall>,
    },
    /// A run is over.
    EndRun {
        /// The run.
        run: RunId,
        /// Answered calls, to be journaled.
        pending: Vec<Pending>,
        /// Microseconds that this start of the run has computed; 0 where nobody looked.
        guest_us: u64,
        /// How it ended.
        ending: Ending,
    },
    /// Go on where a run broke, as a new run of its ticket.
    ResumeRun {
        /// The ticket.
        ticket: TicketId,
        /// The run that broke.
        run: RunId,
        /// The plugin to go on with, `name`, `name@version` or `name@sha256:…`; the active one of the same name where none
        /// is given.
        plugin: Option<String>,
        /// The journal of the run that broke, as it is stored.
        journal: Vec<Vec<crate::Record>>,
    },
    /// What a run's guest or command printed.
    Output {
        /// The run.
        run: RunId,
        /// `stdout`, `stderr`, or a command's name with one of them.
        stream: String,
        /// The text.
        text: String,
    },
    /// A ticket's branches were fetched into the linked repositories.
    Branches {
        /// The ticket.
        ticket: TicketId,
        /// The branches.
        branches: Vec<Branch>,
    },
    /// A report from outside.
    ExternalReport {
        /// Whose report.
        agent: AgentId,
        /// The delegation, where the reporter says it.
        delegation: Option<TicketId>,
        /// The run's token, where the reporter shows it.
        token: Option<Token>,
        /// How it went.
        outcome: ReportOutcome,
        /// What was done.
        summary: String,
        /// The structured result, where there is one.
        output: Option<Value>,
        /// What that took: tokens and cost.
        usage: crate::Spend,
    },
    /// The selector of a ticket's boss has chosen who is to have it next.
    Chosen {
        /// The ticket.
        ticket: TicketId,
        /// How many attempts at it had failed when the selector was asked.
        tried: u32,
        /// Whom it chose and why, or why nobody.
        choice: Result<(AgentId, Choice), String>,
    },
    /// What new runs of a plugin take has changed, or whether they can start at all. The events say how.
    PluginsChanged {
        /// The events, for the log.
        news: Vec<crate::EventKind>,
    },
    /// Time has passed: let whatever was due happen.
    Tick,
    /// The workspace was just loaded: let whatever should be going on go on.
    Recover,
}

/// A call that the host answered by itself.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The call's place in the journal.
    pub index: u32,
    /// When it was answered.
    pub at: Timestamp,
    /// What was asked.
    pub call: Call,
    /// What was answered.
    pub reply: Reply,
    /// What it says in the ticket's own channel.
    pub message: Option<Message>,
}

/// A call to decide on.
#[derive(Clone, Debug)]
pub struct GuestCall {
    /// The call's place in the journal.
    pub index: u32,
    /// What is asked.
    pub call: Call,
    /// Bytes that the call names by their digest: a value to remember.
    pub payload: Option<Vec<u8>>,
    /// For `delegate`: whom the selector chose for each assignment without an assignee, or why nobody.
    pub choices: Vec<Option<Result<(AgentId, Choice), String>>>,
    /// For `submit-output`: what is wrong with the output.
    pub violations: Vec<Violation>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The strategy answered.
    Worked {
        /// What it answered; the output is the one that counts.
        result: WorkResult,
        /// What is wrong with the output.
        violations: Vec<Violation>,
        /// The branches that its work was fetched to.
        branches: Vec<Branch>,
    },
    /// It was stopped, or could not go on; the text says why.
    Broke(String),
    /// It broke by the guest's own fault: it trapped, hit a limit of its own, or diverged. The text says
    /// why.
    Faulted(String),
}

/// What a command came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It happened.
    Done,
    /// A ticket was made or changed: this is it now.
    Ticket(Box<Ticket>),
    /// A message was posted.
    Posted(Box<Message>),
    /// Agents were saved, by name.
    Saved(Vec<(String, AgentId)>),
    /// A guest's call was answered.
    Reply(Timestamp, Reply),
    /// A guest's call waits.
    Waiting,
    /// An external report: the boss it went to, if any, or why it was not accepted.
    External {
        /// The boss of the delegation.
        boss: Option<AgentId>,
        /// Why it was refused.
        refused: Option<String>,
    },
}

/// A ticket to make.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewTicket {
    /// What is to be done, in a line.
    pub title: String,
    /// In full.
    pub description: String,
    /// Who is to do it: an agent's id or name.
    pub assignee: Option<String>,
    /// The ticket above.
    pub parent: Option<TicketId>,
    /// `true` leaves it in the backlog.
    pub backlog: bool,
    /// JSON Schema for the output.
    pub expected_output_schema: Option<Value>,
    /// What happens when the output does not fulfil it.
    pub validation: Validation,
    /// How people talk in the channel; `chat` unless told otherwise.
    pub conversation_mode: Option<String>,
    /// Milliseconds from now until it fails if it is not over.
    pub deadline_ms: Option<u64>,
    /// On what terms it is worked on.
    #[serde(flatten)]
    pub terms: crate::Terms,
    /// Other agents in its channel, ids or names.
    pub collaborators: Vec<String>,
    /// The person who makes it.
    pub created_by: Option<String>,
}

/// A workspace with its agents, as an operator writes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TeamSpec {
    /// The workspace.
    pub workspace: WorkspaceSpec,
    /// Agents to add, or to replace where the name is taken. Others stay as they are.
    pub agents: Vec<AgentSpec>,
}

/// A workspace, as an operator writes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspaceSpec {
    /// Its name; `default` where none is given.
    pub name: String,
    /// Its repositories; where none is given they stay as they are.
    pub repos: Option<Vec<Repo>>,
    /// How many of its runs may be busy at a time; where none is given it stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wip: Option<crate::Wip>,
}

/// An agent, as an operator writes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSpec {
    /// Its name.
    pub name: String,
    /// A free label.
    pub class: String,
    /// A sentence for people and models.
    pub description: String,
    /// What it is good at.
    pub skills: Vec<String>,
    /// Its strategy, `name` or `name@version`.
    pub plugin: String,
    /// Who chooses for it when it delegates, `name` or `name@version`.
    pub selector: Option<String>,
    /// The strategy's configuration, an object.
    pub config: Option<Value>,
    /// Its boss's name.
    pub boss: Option<String>,
    /// How much it may use.
    pub limits: AgentLimits,
    /// What it may do.
    pub grants: Grants,
}

impl WorkspaceSpec {
    /// Whether it links no more repositories than a workspace may. One that has more already keeps them.
    ///
    /// # Errors
    /// Names the limit.
    pub fn check_repos(&self, linked: &[Repo], limits: &Limits) -> Result<(), Refusal> {
        let most = limits.repos;
        match self.repos.as_ref() {
            Some(repos) if repos.len() > most && *repos != linked => Err(Refusal::Limit(format!(
                "a workspace links at most {most} repositories (limit `repos`), and here are {}",
                repos.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Its name, `default` where none is given.
    pub fn name(&self) -> &str {
        if self.name.is_empty() {
            "default"
        } else {
            &self.name
        }
    }
}
