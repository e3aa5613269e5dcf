//! Reports from outside, through `report-task`: fenced, so that a stale, duplicate or foreign one
//! changes nothing and is told why.

use super::{Tx, check_len};
use crate::{
    AgentId, Answer, Outcome, Refusal, ReportOutcome, Run, Spend, TicketId, Token, WaitKind,
};
use serde_json::Value;

impl Tx<'_> {
    pub(super) fn external_report(
        &mut self,
        agent: AgentId,
        delegation: Option<TicketId>,
        token: Option<Token>,
        (outcome, summary, output): (ReportOutcome, String, Option<Value>),
        usage: Spend,
    ) -> Result<Outcome, Refusal> {
        if !self.state.agents.contains_key(&agent) {
            return Err(Refusal::NotFound(format!("there is no agent {agent}")));
        }
        check_len("/summary", &summary, self.context.limits.text_bytes)?;
        self.check_output(output.as_ref())?;
        match self.reported_run(agent, delegation, token) {
            Ok(run) => {
                let (id, ticket) = (run.id, run.ticket);
                let boss = self.state.tickets[&ticket].delegated_by;
                self.spend(ticket, usage);
                self.answer(
                    id,
                    Ok(Answer::External {
                        outcome,
                        summary,
                        output,
                    }),
                );
                Ok(Outcome::External {
                    boss,
                    refused: None,
                })
            }
            Err(why) => Ok(Outcome::External {
                boss: None,
                refused: Some(why),
            }),
        }
    }

    /// An output lies in the journal before it is checked, so it is bounded when it comes.
    fn check_output(&self, output: Option<&Value>) -> Result<(), Refusal> {
        let bytes = output.map_or(0, |output| output.to_string().len());
        let limit = self.context.limits.output_bytes;
        if bytes <= limit {
            return Ok(());
        }
        Err(Refusal::invalid(
            "/output",
            format!("{bytes} bytes are too many; the limit `output_bytes` is {limit}"),
        ))
    }

    /// Why a token is of no live run.
    fn why_stale(&self, token: Token) -> String {
        let Some(run) = self.state.runs.values().find(|run| run.token == token) else {
            return "the token is of no open delegation: it is over, or was reported already, or the \
                    token is wrong"
                .to_owned();
        };
        let (ticket, attempt) = (run.ticket, run.attempt);
        let attempts = self.state.tickets.get(&ticket).map_or(0, |t| t.attempts);
        if attempts > attempt {
            return format!(
                "the token is of attempt {attempt} of delegation {ticket}, which is over; attempt \
                 {attempts} took its place"
            );
        }
        format!(
            "attempt {attempt} of delegation {ticket} is over already ({})",
            run.status
        )
    }

    /// The run that a report is for, or why it is for none.
    fn reported_run(
        &self,
        agent: AgentId,
        delegation: Option<TicketId>,
        token: Option<Token>,
    ) -> Result<&Run, String> {
        let desk = self.state.desks.get(&agent);
        let active = desk.map_or(&[][..], |desk| &desk.active).iter();
        let live = active.filter_map(|id| self.state.runs.get(&self.state.tickets.get(id)?.run?));
        let live = live.map(|run| &**run).filter(|run| !run.is_over());
        let waits = |run: &Run| {
            let wait = run.wait.as_ref();
            wait.is_some_and(|wait| wait.kind == WaitKind::External)
        };
        if let Some(token) = token {
            let Some(run) = live.clone().find(|run| run.token == token) else {
                let others = self.state.live_runs().any(|run| run.token == token);
                return Err(if others {
                    "the token belongs to another agent's delegation".to_owned()
                } else {
                    self.why_stale(token)
                });
            };
            if delegation.is_some_and(|ticket| ticket != run.ticket) {
                return Err("the token belongs to another delegation".to_owned());
            }
            if !waits(run) {
                return Err("this delegation does not wait for a report from outside".to_owned());
            }
            return Ok(run);
        }
        let named = |run: &&Run| delegation.is_none_or(|ticket| ticket == run.ticket);
        let open: Vec<&Run> = live.filter(|run| waits(run)).filter(named).collect();
        match open.as_slice() {
            [] if delegation.is_some() => {
                Err("that delegation is over, or was never given to this agent".to_owned())
            }
            [] => Err("this agent has no open delegation that waits for a report".to_owned()),
            // A late report on an earlier attempt would look the same.
            [run] if run.attempt > 1 => Err(format!(
                "this is attempt {} of delegation {}: report with the URL from the task's footer, whose \
                 token says which attempt it is about",
                run.attempt, run.ticket
            )),
            [run] => Ok(run),
            many => Err(format!(
                "{} delegations to this agent are open; report with the URL from the task's footer, \
                 which says which one",
                many.len()
            )),
        }
    }
}
