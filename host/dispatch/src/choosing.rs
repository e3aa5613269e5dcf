//! Asking selectors: in a run that delegates, when a ticket is given to another agent, and for a dry run.
//!
//! Each choice takes the version that its selector's rollout says then, and how it ends counts for that
//! version as the end of a run does; a dry run counts nothing. Choices are journaled with the call that
//! they are for, so a replay asks nobody; a call that was not journaled before a crash draws the same
//! [`Lot`] again.
//!
//! Invariant: each asking for a ticket comes back, with a choice or with why there is none. Only a host
//! that stops lets one go; the next start asks again.

use crate::event_loop::{Dispatcher, Msg};
use crate::execute::Execute;
use crate::plugins::{Operator, complete};
use adjutant_model::{
    Agent, AgentId, Choice, Command, Lot, Member, Outcome, Plugin, PluginRef, Ticket, TicketId,
    WorkspaceId, text,
};
use adjutant_run::{Asked, Chooser, NoChoice};
use async_trait::async_trait;
use futures::FutureExt as _;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The selector of bosses that name none.
pub(crate) const DEFAULT_SELECTOR: &str = "skills";

/// How long a selector may take in all, where no run's limits hold. It is stopped for computing too long
/// before that.
const CHOOSE_WITHIN: Duration = Duration::from_secs(15);

/// How often a selector is asked whose version is removed while it is asked.
const ASKED_AGAIN: usize = 3;

/// A boss's selector, at whatever version it is asked.
pub(crate) struct BossSelector {
    wanted: PluginRef,
    execute: Arc<dyn Execute>,
    operator: Operator,
}

/// Whom a selector picks, the best first, and which version of it that was.
type Picked = (Arc<Plugin>, Vec<(AgentId, Choice)>);

impl BossSelector {
    pub(crate) fn of(boss: &Agent, execute: Arc<dyn Execute>, operator: Operator) -> BossSelector {
        BossSelector {
            wanted: selector_of(boss),
            execute,
            operator,
        }
    }

    /// Asks it, in a task that the engine polls. There is at least one choice. The error is a sentence.
    async fn pick(
        &self,
        asked: &Asked<'_>,
        team: &[Member],
        lot: Lot,
        counts: bool,
    ) -> Result<Picked, String> {
        for _ in 1..ASKED_AGAIN {
            let picked = self.pick_now(asked, team, lot, counts).await;
            match picked {
                // Its version was removed between the look at the table and this: it takes another now.
                Err((_, Some(digest))) if !self.operator.shelf.table().names(&digest) => {}
                picked => return picked.map_err(|(why, _)| why),
            }
        }
        let picked = self.pick_now(asked, team, lot, counts).await;
        picked.map_err(|(why, _)| why)
    }

    /// Asks the version of this moment. The error comes with the digest of one that could not be asked.
    async fn pick_now(
        &self,
        asked: &Asked<'_>,
        team: &[Member],
        lot: Lot,
        counts: bool,
    ) -> Result<Picked, (String, Option<String>)> {
        let table = self.operator.shelf.table();
        let plugin = table.take(&self.wanted, lot, true);
        let plugin = plugin.map_err(|why| (format!("this boss has no selector: {why}"), None))?;
        let config = match table.described(&plugin.digest) {
            Some(described) => complete(described, asked.config).map_err(|why| (why, None))?,
            None => None,
        };
        let asked = Asked {
            config: config.as_ref().unwrap_or(asked.config),
            ..asked.clone()
        };
        let chosen = self.execute.choose(&plugin.digest, &asked, team).await;
        if counts {
            let fault = match &chosen {
                Ok(_) => Some(false),
                Err(none) => none.fault(),
            };
            self.operator.count(plugin, fault);
        }
        let choices = chosen.map_err(|none| {
            let unasked = matches!(none, NoChoice::Unasked(_)).then(|| plugin.digest.clone());
            (none.to_string(), unasked)
        })?;
        Ok((plugin.clone(), choices))
    }
}

#[async_trait]
impl Chooser for BossSelector {
    async fn choose(
        &self,
        asked: &Asked<'_>,
        team: &[Member],
        lot: Lot,
    ) -> Result<(AgentId, Choice), String> {
        let (_, choices) = self.pick(asked, team, lot, true).await?;
        the_first(choices)
    }
}

/// The selector that a boss names, or the one of those who name none.
pub(crate) fn selector_of(boss: &Agent) -> PluginRef {
    let named = boss.selector.clone();
    named.unwrap_or_else(|| PluginRef::parse(DEFAULT_SELECTOR))
}

fn the_first(choices: Vec<(AgentId, Choice)>) -> Result<(AgentId, Choice), String> {
    let first = choices.into_iter().next();
    first.ok_or_else(|| "the selector chose nobody".to_owned())
}

/// A question that no run asks. It is asked in a task of its own, in the workspace's share of time.
pub(crate) struct Question {
    pub(crate) workspace: WorkspaceId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) request: String,
    /// The boss's configuration.
    pub(crate) config: Value,
    /// Those who may be chosen.
    pub(crate) team: Vec<Member>,
    pub(crate) selector: BossSelector,
}

/// Why a question has no answer; each is a sentence.
pub(crate) enum Unanswered {
    /// There is nobody, or no selector that could say.
    Nobody(String),
    /// It took too long.
    Slow(String),
}

impl Question {
    /// Whom its selector picks, the best first. A dry run counts for no version.
    pub(crate) async fn ask(self, lot: Lot, counts: bool) -> Result<Picked, Unanswered> {
        let (tell, told) = oneshot::channel();
        let (execute, workspace) = (self.selector.execute.clone(), self.workspace);
        let wanted = self.selector.wanted.clone();
        let asking = async move {
            let asked = Asked {
                workspace,
                title: &self.title,
                description: &self.description,
                request: &self.request,
                config: &self.config,
            };
            let picking = self.selector.pick(&asked, &self.team, lot, counts);
            // Whoever asked may have left.
            let _ = tell.send(tokio::time::timeout(CHOOSE_WITHIN, picking).await);
        };
        execute.begin(workspace, asking.boxed());
        match told.await {
            Ok(Ok(picked)) => picked.map_err(Unanswered::Nobody),
            Ok(Err(_)) => Err(Unanswered::Slow(format!(
                "the selector {wanted} has not answered within {} s",
                CHOOSE_WITHIN.as_secs()
            ))),
            Err(_) => Err(Unanswered::Nobody(format!(
                "asking the selector {wanted} failed"
            ))),
        }
    }
}

impl Dispatcher {
    /// Asks who is to have a ticket that has been tried so often.
    pub(crate) fn choose(&mut self, workspace: WorkspaceId, ticket: TicketId, tried: u32) {
        let Some(world) = self.worlds.get(&workspace) else {
            return;
        };
        // The same transition may have ended it.
        let known = world.state.ticket(ticket);
        if !known.is_some_and(Ticket::is_choosing) {
            return;
        }
        let question = self.question(workspace, ticket);
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let choice = match question {
                Some(question) => {
                    let lot = Lot::of_choice(ticket.0, u64::from(tried));
                    match question.ask(lot, true).await {
                        Ok((_, choices)) => the_first(choices),
                        Err(Unanswered::Nobody(why) | Unanswered::Slow(why)) => Err(why),
                    }
                }
                None => Err("the ticket or its boss is not there any more".to_owned()),
            };
            let command = Command::Chosen {
                ticket,
                tried,
                choice,
            };
            // Nobody waits for this answer. Where the choice is not wanted any more, so be it.
            let (reply, _) = oneshot::channel::<Result<Outcome, _>>();
            let _ = messages
                .send(Msg::Command {
                    workspace,
                    command,
                    reply,
                })
                .await;
        });
    }

    /// Who is to have a ticket next, of those who have not tried it.
    fn question(&self, workspace: WorkspaceId, ticket: TicketId) -> Option<Question> {
        let state = &self.worlds.get(&workspace)?.state;
        let ticket = state.ticket(ticket)?;
        let boss = state.agent(state.boss_of(ticket)?)?;
        let team = state.untried(ticket).into_iter();
        Some(Question {
            workspace,
            title: ticket.title.clone(),
            description: ticket.description.clone(),
            request: state
                .ticket(ticket.root)
                .map_or("", text::request)
                .to_owned(),
            config: boss.config.clone(),
            team: team.map(|agent| state.member(agent)).collect(),
            selector: BossSelector::of(boss, self.execute.clone(), self.operator()),
        })
    }
}
