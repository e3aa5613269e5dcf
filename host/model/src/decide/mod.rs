//! Transitions: one file for each, all working on a [`Tx`].
//!
//! A transition checks everything first and changes things after, so that a refused command changes
//! nothing. What follows from a change (a report to the boss, a join that is met, the next ticket in
//! a queue) happens in the same transition, and so is stored in the same transaction.

mod assign;
mod await_reports;
mod blockers;
mod budget;
mod bytes;
mod channel;
mod create;
mod delegate;
mod end;
mod external;
mod guest;
mod held;
mod memory;
mod queue;
mod resume;
mod retry;
mod silence;
mod start;
mod team;
mod timer;

use crate::{
    AgentId, ChannelId, Command, Event, EventKind, Limits, Message, Outcome, Plugin, Plugins,
    Record, Refusal, Reply, RunId, State, Ticket, TicketId, Timestamp, weight,
};
use std::sync::Arc;
use uuid::Uuid;

pub use end::will_retry;
pub use held::Held;
pub(crate) use queue::{Group, Pairs};
pub use retry::has_tries;
pub(crate) use silence::Heard;
pub use team::is_name;

/// What a transition knows besides the state.
pub struct Context<'a> {
    /// The time.
    pub now: Timestamp,
    /// Makes ids, each greater than those before.
    pub ids: &'a mut dyn FnMut() -> Uuid,
    /// Makes secrets that cannot be guessed.
    pub tokens: &'a mut dyn FnMut() -> Uuid,
    /// The host's plugins.
    pub plugins: &'a Plugins,
    /// The host's limits.
    pub limits: &'a Limits,
    /// Where the HTTP API is reached, for the reporting footer.
    pub base_url: &'a str,
}

/// What a transition has changed. Records are named; their new values are in the state.
#[derive(Debug, Default)]
pub struct Changes {
    /// Whether the workspace's settings changed.
    pub workspace: bool,
    /// Agents that are new or changed.
    pub agents: Vec<AgentId>,
    /// Agents whose activity changed.
    pub activity: Vec<AgentId>,
    /// Tickets that are new or changed.
    pub tickets: Vec<TicketId>,
    /// Runs that are new or changed.
    pub runs: Vec<RunId>,
    /// Roots whose tree has become live (true) or is over (false).
    pub roots: Vec<(TicketId, bool)>,
    /// Keys of agents' memories, with the new value, or none where it is removed.
    pub memory: Vec<(AgentId, String, Option<Vec<u8>>)>,
    /// Messages, with their place in their channel.
    pub messages: Vec<(ChannelId, u64, Message)>,
    /// Journal records, each list one stored record at that place of the run's journal.
    pub journal: Vec<(RunId, u64, Vec<Record>)>,
    /// What runs printed, with its place in the run's log: stream and text.
    pub logs: Vec<(RunId, u64, (Timestamp, String, String))>,
    /// Events for the log.
    pub events: Vec<Event>,
    /// What is to be done once all this is stored.
    pub effects: Vec<Effect>,
}

impl Changes {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        !self.workspace
            && self.agents.is_empty()
            && self.activity.is_empty()
            && self.tickets.is_empty()
            && self.runs.is_empty()
            && self.roots.is_empty()
            && self.memory.is_empty()
            && self.messages.is_empty()
            && self.journal.is_empty()
            && self.logs.is_empty()
            && self.events.is_empty()
    }
}

/// What is to be done outside once a transition is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start a run, or bring it back from its journal.
    Start(RunId),
    /// A run's wait is over: hand it the answer, or bring it back where it is not in memory.
    Wake {
        /// The run.
        run: RunId,
        /// When it was answered.
        at: Timestamp,
        /// The answer.
        reply: Reply,
    },
    /// Drop a run's instance, with all that it started.
    Stop(RunId),
    /// A ticket is over: bring its branches back and remove its worktree.
    Clean {
        /// The ticket.
        ticket: TicketId,
        /// Whether what was not committed is to be kept too.
        keep_changes: bool,
    },
    /// Ask the selector of a ticket's boss who is to have it next, and bring back
    /// [`Command::Chosen`].
    Choose {
        /// The ticket.
        ticket: TicketId,
        /// How many attempts at it have failed.
        tried: u32,
    },
    /// A run is over: count it for its plugin's version.
    Count {
        /// The plugin.
        plugin: Arc<Plugin>,
        /// Whether it ended by the guest's own fault; none where how it ended says nothing of the plugin:
        /// it was cancelled or stopped, or something outside failed.
        fault: Option<bool>,
    },
}

/// A transition under way.
pub struct Tx<'a> {
    /// The workspace.
    pub(crate) state: &'a mut State,
    /// What the transition knows besides.
    pub(crate) context: Context<'a>,
    /// What it has changed so far.
    pub(crate) changes: Changes,
    /// Agents that may have become free: their queues are looked at in the end.
    pub(crate) ready: Vec<AgentId>,
    /// Tickets that are over and that others may have waited for.
    pub(crate) ended: Vec<TicketId>,
    /// How many of those that waited for them may still fail in this transition.
    pub(crate) may_fail: usize,
}

impl<'a> Tx<'a> {
    /// Carries out a command: the state changes and the changes come back, or nothing changes.
    pub fn run(
        state: &'a mut State,
        context: Context<'a>,
        command: Command,
    ) -> Result<(Outcome, Changes), Refusal> {
        state.weights.begin();
        let mut tx = Tx {
            state,
            context,
            changes: Changes::default(),
            ready: Vec::new(),
            ended: Vec::new(),
            may_fail: blockers::AT_ONCE,
        };
        let outcome = tx.command(command)?;
        loop {
            tx.settle_blockers();
            tx.start_all();
            if tx.ended.is_empty() && tx.ready.is_empty() {
                break;
            }
        }
        tx.weigh();
        Ok((tx.refreshed(outcome), tx.changes))
    }

    fn command(&mut self, command: Command) -> Result<Outcome, Refusal> {
        match command {
            Command::SaveTeam(spec) => self.save_team(&spec),
            Command::CreateTicket(new) => self.create_ticket(new),
            Command::AssignTicket {
                ticket,
                agent,
                reason,
                unchanged_since,
            } => self.assign_ticket(ticket, &agent, &reason, unchanged_since),
            Command::SetStatus {
                ticket,
                status,
                force,
            } => self.set_status(ticket, status, force),
            Command::CancelTicket { ticket, reason } => self.cancel_ticket(ticket, &reason),
            Command::PostMessage {
                ticket,
                author,
                text,
                reply_to,
            } => self.post_message(ticket, author, text, reply_to),
            Command::AddCollaborator { ticket, agent } => {
                let agent = self.find_agent(&agent)?.id;
                self.add_collaborator(ticket, agent)?;
                Ok(self.ticket_outcome(ticket))
            }
            Command::Provisioned { run } => self.provisioned(run),
            Command::Guest {
                run,
                pending,
                guest_us,
                call,
            } => self.guest(run, pending, guest_us, call),
            Command::EndRun {
                run,
                pending,
                guest_us,
                ending,
            } => self.end_run(run, pending, guest_us, ending),
            Command::ResumeRun {
                ticket,
                run,
                plugin,
                journal,
            } => self.resume_run(ticket, run, plugin.as_deref(), journal),
            Command::Output { run, stream, text } => self.output(run, stream, text),
            Command::Branches { ticket, branches } => self.branches(ticket, branches),
            Command::ExternalReport {
                agent,
                delegation,
                token,
                outcome,
                summary,
                output,
                usage,
            } => {
                let report = (outcome, summary, output);
                self.external_report(agent, delegation, token, report, usage)
            }
            Command::Chosen {
                ticket,
                tried,
                choice,
            } => self.chosen(ticket, tried, choice),
            Command::PluginsChanged { news } => {
                self.plugins_changed(news);
                Ok(Outcome::Done)
            }
            Command::Tick => {
                self.tick();
                Ok(Outcome::Done)
            }
            Command::Recover => {
                self.ready.extend(self.state.desks.keys().copied());
                // The same state gives the same changes, however its maps are laid out.
                self.ready.sort_unstable();
                self.watch_all();
                self.choose_again();
                self.tick();
                Ok(Outcome::Done)
            }
        }
    }

    pub(crate) fn id(&mut self) -> Uuid {
        (self.context.ids)()
    }

    pub(crate) fn event(&mut self, kind: EventKind) {
        self.changes.events.push(Event {
            at: self.context.now,
            kind,
        });
    }

    pub(crate) fn ticket(&self, id: TicketId) -> Result<&Ticket, Refusal> {
        self.state
            .tickets
            .get(&id)
            .map(Box::as_ref)
            .ok_or_else(|| Refusal::NotFound(format!("there is no ticket {id}")))
    }

    pub(crate) fn find_agent(&self, key: &str) -> Result<&crate::Agent, Refusal> {
        self.state.find_agent(key).ok_or_else(|| {
            let mut names: Vec<&str> = self.state.names.keys().map(String::as_str).collect();
            names.sort_unstable();
            names.truncate(20);
            Refusal::NotFound(format!(
                "there is no agent {key:?} in workspace {:?}; there are: {}",
                self.state.workspace.name,
                names.join(", ")
            ))
        })
    }

    /// A ticket to change. It counts as changed from here on.
    pub(crate) fn change_ticket(&mut self, id: TicketId) -> &mut Ticket {
        let ticket = self
            .state
            .tickets
            .get_mut(&id)
            .expect("a transition changes tickets it has checked");
        // One that was made in this transition counts as touched, and as changed, already.
        if self.state.weights.touch(id.0, || weight::of_ticket(ticket)) {
            self.changes.tickets.push(id);
        }
        ticket.updated_at = self.context.now;
        ticket
    }

    /// A run to change. It counts as changed from here on.
    pub(crate) fn change_run(&mut self, id: RunId) -> &mut crate::Run {
        let run = self
            .state
            .runs
            .get_mut(&id)
            .expect("a transition changes runs it has checked");
        if self.state.weights.touch(id.0, || weight::of_run(run)) {
            self.changes.runs.push(id);
        }
        run
    }

    /// The ticket as it is in the end.
    fn refreshed(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Ticket(ticket) => self.ticket_outcome(ticket.id),
            other => other,
        }
    }

    pub(crate) fn ticket_outcome(&self, id: TicketId) -> Outcome {
        Outcome::Ticket(self.state.tickets[&id].clone())
    }
}

/// Refuses a text that is too long.
pub(crate) fn check_len(path: &str, text: &str, limit: usize) -> Result<(), Refusal> {
    if text.len() <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(
        path,
        format!("{} bytes are too many; the limit is {limit}", text.len()),
    ))
}
