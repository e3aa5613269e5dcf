//! A guest's calls: the answered ones are journaled, the one to decide on is decided.

use super::Tx;
use crate::command::GuestCall;
use crate::{
    Agent, Answer, Call, CallError, Outcome, Pending, Record, Refusal, Reply, RunId, Status,
    TicketId, TicketView, Timestamp, Wait, WaitKind,
};

/// Tickets that one `tickets.list` answers with at most.
const LIST_LIMIT: usize = 1_000;

/// What a call comes to.
enum Decision {
    Now(Answer),
    Wait(WaitKind, Option<Timestamp>),
}

impl Tx<'_> {
    pub(super) fn guest(
        &mut self,
        run: RunId,
        pending: Vec<Pending>,
        guest_us: u64,
        call: Option<GuestCall>,
    ) -> Result<Outcome, Refusal> {
        let ticket = self.live_run(run)?.ticket;
        self.check_pending(run, &pending)?;
        if let Some(call) = &call {
            self.check_follows(run, call.index, pending.len() as u32)?;
        }
        // That it computes is no sign of life: one that spins for ever does nothing else.
        if !pending.is_empty() || call.is_some() || guest_us == 0 {
            self.heard_of(run);
        }
        let mut records = self.post_pending(ticket, run, pending);
        self.computed(run, guest_us);
        if let Some(why) = self.out_of_guest_time(run) {
            self.journal(run, records);
            self.end_ticket(ticket, Status::Failed, &why);
            let reply = Outcome::Reply(self.context.now, Err(CallError::Limit(why)));
            return Ok(call.map_or(Outcome::Done, |_| reply));
        }
        let Some(GuestCall {
            index,
            call,
            payload,
            choices,
            violations,
        }) = call
        else {
            self.journal(run, records);
            return Ok(Outcome::Done);
        };
        let at = self.context.now;
        let decision = self.decide(run, &call, payload, &choices, violations);
        let reply: Reply = match decision {
            Ok(Decision::Wait(kind, until)) => {
                records.push(Record::Begun { index, at, call });
                self.journal(run, records);
                self.wait(run, Wait { index, kind, until });
                return Ok(Outcome::Waiting);
            }
            Ok(Decision::Now(answer)) => Ok(answer),
            Err(refusal) => Err(CallError::from(refusal)),
        };
        records.push(Record::Done {
            index,
            at,
            call,
            reply: reply.clone(),
        });
        self.journal(run, records);
        Ok(Outcome::Reply(at, reply))
    }

    /// Refuses answered calls that do not follow what is journaled: they are from another instance.
    pub(super) fn check_pending(&self, run: RunId, pending: &[Pending]) -> Result<(), Refusal> {
        for (i, call) in pending.iter().enumerate() {
            self.check_follows(run, call.index, i as u32)?;
        }
        Ok(())
    }

    /// Refuses a call that is not the next one after what is journaled and `more`.
    fn check_follows(&self, run: RunId, index: u32, more: u32) -> Result<(), Refusal> {
        let record = &self.state.runs[&run];
        if record.wait.is_some() {
            return Err(Refusal::Conflict(format!(
                "run {run} waits, so its call {index} is from another instance"
            )));
        }
        let next = record.calls + more;
        if index == next {
            return Ok(());
        }
        Err(Refusal::Conflict(format!(
            "call {index} of run {run} is not the next one, which is {next}"
        )))
    }

    /// Posts what answered calls say, and turns them into records.
    pub(super) fn post_pending(
        &mut self,
        ticket: TicketId,
        run: RunId,
        pending: Vec<Pending>,
    ) -> Vec<Record> {
        let mut records = Vec::with_capacity(pending.len() + 1);
        for Pending {
            index,
            at,
            call,
            reply,
            message,
        } in pending
        {
            if let Some(mut message) = message {
                message.mentions = self.mentions(&message.text);
                self.change_run(run).messages += 1;
                self.append(ticket, message);
            }
            records.push(Record::Done {
                index,
                at,
                call,
                reply,
            });
        }
        records
    }

    fn decide(
        &mut self,
        run: RunId,
        call: &Call,
        payload: Option<Vec<u8>>,
        choices: &super::delegate::Choices,
        violations: Vec<crate::Violation>,
    ) -> Result<Decision, Refusal> {
        let record = &self.state.runs[&run];
        let (ticket, agent_id) = (record.ticket, record.agent);
        let agent = self.state.agents[&agent_id].clone();
        let now = self.context.now;
        let limits = self.context.limits;
        let answer = match call.clone() {
            Call::Team => Answer::Team(
                self.state
                    .team(agent_id)
                    .into_iter()
                    .map(|a| self.state.member(a))
                    .collect(),
            ),
            Call::BudgetLeft => Answer::Budget(self.state.budget_left(ticket, now)),
            Call::ProposePlan { plan } => {
                plan.check()?;
                let size = plan_size(&plan);
                if size > limits.text_bytes {
                    return Err(Refusal::Limit(format!(
                        "a plan has at most {} bytes of text (limit `text_bytes`)",
                        limits.text_bytes
                    )));
                }
                self.change_ticket(ticket).plan = Some(Box::new(plan));
                self.event(crate::EventKind::WorkPlanProposed { ticket, run });
                Answer::Unit
            }
            Call::Delegate { assignments } => {
                Answer::Delegated(self.delegate(&agent, ticket, assignments, choices)?)
            }
            Call::AwaitReports {
                tickets,
                join,
                timeout_ms,
            } => match self.await_reports(ticket, tickets, join, timeout_ms)? {
                Ok(joined) => Answer::Joined(joined),
                Err((kind, until)) => return Ok(Decision::Wait(kind, until)),
            },
            Call::CancelDelegated {
                ticket: child,
                reason,
            } => {
                self.cancel_delegated(ticket, child, &reason)?;
                Answer::Unit
            }
            Call::Reassign {
                ticket: child,
                assignee,
                reason,
            } => {
                self.reassign(&agent, ticket, child, assignee, &reason)?;
                Answer::Unit
            }
            Call::SubmitOutput { output } => {
                self.submit_output(run, output, violations)?;
                Answer::Unit
            }
            Call::CallForReport {
                message,
                timeout_ms,
            } => {
                self.call_for_report(run, &message)?;
                let until = now.saturating_add(timeout_ms.unwrap_or(limits.external_default_ms));
                return Ok(Decision::Wait(WaitKind::External, Some(until)));
            }
            Call::Ask {
                member,
                text,
                timeout_ms,
            } => {
                let kind = self.question(run, &member, text)?;
                let ms = timeout_ms
                    .unwrap_or(limits.ask_default_ms)
                    .min(limits.ask_max_ms);
                return Ok(Decision::Wait(kind, Some(now.saturating_add(ms))));
            }
            Call::Post {
                ticket,
                text,
                reply_to,
            } => {
                let mentions = self.mentions(&text);
                Answer::Message(self.post_elsewhere(run, ticket, text, mentions, reply_to)?)
            }
            Call::Mention { members, text } => {
                if members.len() > limits.collaborators {
                    return Err(self.too_many_collaborators());
                }
                let mut mentions = Vec::new();
                for key in &members {
                    mentions.push(match self.channel_member(ticket, key)? {
                        crate::Author::Agent(id) => id.to_string(),
                        _ => key.clone(),
                    });
                }
                Answer::Message(self.post_elsewhere(run, None, text, mentions, None)?)
            }
            other => {
                return self
                    .decide_on_board(run, &agent, ticket, other, payload)
                    .map(Decision::Now);
            }
        };
        Ok(Decision::Now(answer))
    }

    fn decide_on_board(
        &mut self,
        run: RunId,
        agent: &Agent,
        ticket: TicketId,
        call: Call,
        payload: Option<Vec<u8>>,
    ) -> Result<Answer, Refusal> {
        match call {
            Call::CreateTicket { draft } => self.draft(agent.id, ticket, draft).map(Answer::Ticket),
            Call::AssignTicket {
                ticket: child,
                agent: to,
            } => self
                .assign_by_agent(agent, ticket, child, &to)
                .map(|()| Answer::Unit),
            Call::GetTicket { ticket } => {
                self.visible(run, ticket)?;
                Ok(Answer::View(Box::new(TicketView::from(
                    &*self.state.tickets[&ticket],
                ))))
            }
            Call::ListTickets { filter } => {
                let mut views: Vec<&crate::Ticket> = self
                    .state
                    .tickets
                    .values()
                    .map(Box::as_ref)
                    .filter(|ticket| filter.fits(ticket) && self.visible(run, ticket.id).is_ok())
                    .collect();
                views.sort_by_key(|ticket| ticket.id);
                views.truncate(LIST_LIMIT);
                let mut room = self.context.limits.answer_bytes;
                views.retain(|ticket| {
                    let json =
                        |value: &Option<_>| value.as_ref().map_or(0, crate::call::json_bytes);
                    if room == 0 {
                        return false;
                    }
                    let texts = ticket.title.len() + ticket.description.len();
                    let json = json(&ticket.output) + json(&ticket.expected_output_schema);
                    let size = texts + ticket.summary.len() + json + 512;
                    let fits = size <= room;
                    room = if fits { room - size } else { 0 };
                    fits
                });
                Ok(Answer::Views(
                    views.into_iter().map(TicketView::from).collect(),
                ))
            }
            Call::Comment { ticket, text } => {
                self.comment(run, ticket, text).map(|()| Answer::Unit)
            }
            Call::AddCollaborator { agent } => {
                let agent = self.find_agent(&agent)?.id;
                self.add_collaborator(ticket, agent).map(|()| Answer::Unit)
            }
            Call::LinkTicket { ticket, kind } => {
                self.link(run, ticket, &kind).map(|()| Answer::Unit)
            }
            Call::MemoryGet { key } => self.memory_get(agent.id, &key).map(Answer::Bytes),
            Call::MemoryPut { key, .. } => self
                .memory_put(agent.id, key, payload.unwrap_or_default())
                .map(|()| Answer::Unit),
            Call::MemoryRemove { key } => self.memory_remove(agent.id, &key).map(|()| Answer::Unit),
            Call::MemoryKeys { prefix } => Ok(Answer::Keys(self.memory_keys(agent.id, &prefix))),
            other => Err(Refusal::Conflict(format!(
                "{} is answered by the host itself, not by the dispatcher",
                other.name()
            ))),
        }
    }

    /// Refuses a ticket that a run may not see.
    pub(super) fn visible(&self, run: RunId, id: TicketId) -> Result<(), Refusal> {
        let run = &self.state.runs[&run];
        let own_root = self.state.tickets[&run.ticket].root;
        let visible = self.state.tickets.get(&id).is_some_and(|ticket| {
            ticket.root == own_root
                || ticket.assignee == Some(run.agent)
                || ticket.collaborators.contains(&run.agent)
        });
        if visible {
            Ok(())
        } else {
            Err(Refusal::NotFound(format!(
                "there is no ticket {id} that this run can see"
            )))
        }
    }
}

fn plan_size(plan: &crate::WorkPlan) -> usize {
    let list = |ids: &[String]| ids.iter().map(|id| id.len() + 16).sum::<usize>();
    let tasks = plan.phases.iter().flat_map(|phase| &phase.tasks);
    plan.name.len()
        + plan.description.len()
        + plan
            .phases
            .iter()
            .map(|phase| phase.id.len() + phase.name.len() + list(&phase.depends_on) + 64)
            .sum::<usize>()
        + tasks
            .map(|task| {
                task.id.len()
                    + task.description.len()
                    + task.suggested_class.len()
                    + list(&task.blocked_by)
                    + 64
            })
            .sum::<usize>()
}
