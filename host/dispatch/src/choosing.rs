//! Giving a ticket to another agent: the selector of its boss is asked in a task of its own, and what it
//! says comes back as a command.
//!
//! Invariant: each asking comes back, with a choice or with why there is none. Only a host that stops
//! lets one go; the next start asks again.

use crate::effects::DEFAULT_SELECTOR;
use crate::event_loop::{Dispatcher, Msg};
use crate::execute::Execute;
use crate::inspect::CHOOSE_WITHIN;
use adjutant_model::{
    AgentId, Choice, Command, Member, Outcome, PluginRef, RunId, State, Ticket, TicketId,
    WorkspaceId, text,
};
use adjutant_run::Asked;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is needed to ask a selector who is to have a ticket next.
struct Choosing {
    workspace: WorkspaceId,
    title: String,
    description: String,
    request: String,
    config_json: String,
    selector: PluginRef,
    /// Those that may have it.
    team: Vec<Member>,
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
        let asked = Choosing::of(&world.state, ticket).and_then(|choosing| {
            let plugins = self.shelf.table();
            let found = plugins.take(&choosing.selector, RunId(ticket.0), true);
            let digest = found.map(|plugin| plugin.digest.clone());
            let why = |why| format!("its boss has no selector: {why}");
            digest.map(|digest| (choosing, digest)).map_err(why)
        });
        let (execute, messages) = (self.execute.clone(), self.messages.clone());
        tokio::spawn(async move {
            let choice = match asked {
                Ok((choosing, digest)) => tokio::spawn(choosing.ask(execute, digest))
                    .await
                    .unwrap_or_else(|_| Err("asking its boss's selector failed".to_owned())),
                Err(why) => Err(why),
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
}

impl Choosing {
    fn of(state: &State, ticket: TicketId) -> Result<Choosing, String> {
        let gone = || "the ticket or its boss is not there any more".to_owned();
        let ticket = state.ticket(ticket).ok_or_else(gone)?;
        let boss = state.boss_of(ticket).and_then(|boss| state.agent(boss));
        let boss = boss.ok_or_else(gone)?;
        let selector = boss.selector.clone();
        let team = state.untried(ticket).into_iter();
        Ok(Choosing {
            workspace: state.workspace.id,
            title: ticket.title.clone(),
            description: ticket.description.clone(),
            request: state
                .ticket(ticket.root)
                .map_or("", text::request)
                .to_owned(),
            config_json: boss.config.to_string(),
            selector: selector.unwrap_or_else(|| PluginRef::parse(DEFAULT_SELECTOR)),
            team: team.map(|agent| state.member(agent)).collect(),
        })
    }

    async fn ask(
        self,
        execute: Arc<dyn Execute>,
        digest: String,
    ) -> Result<(AgentId, Choice), String> {
        let asked = Asked {
            workspace: self.workspace,
            title: &self.title,
            description: &self.description,
            request: &self.request,
            config_json: self.config_json,
        };
        let choosing = execute.choose(&digest, &asked, &self.team);
        match tokio::time::timeout(CHOOSE_WITHIN, choosing).await {
            Ok(choices) => choices?
                .into_iter()
                .next()
                .ok_or_else(|| "the selector chose nobody".to_owned()),
            Err(_) => Err(format!(
                "the selector {} has not answered within {} s",
                self.selector,
                CHOOSE_WITHIN.as_secs()
            )),
        }
    }
}
