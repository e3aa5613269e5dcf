//! One start of a run, from the guest's first call to its last: replay, then live.

use crate::ending::RunStop;
use crate::offline::Offline;
use crate::output::Output;
use crate::ports::{Called, Chooser, Clock, Gone, Ledger};
use adjutant_component::{GuestClock, GuestTime, HostError, HostResult, HostStop};
use adjutant_connect::ports::{OutsideError, Worktree};
use adjutant_model::{
    Agent, Answer, Author, Authority, Call, CallError, Choice, GuestCall, Journal, Limits, Message,
    MessageId, MessageKind, Pending, Reply, RunId, Ticket, Timestamp, Violation, schema,
};
use serde_json::Value;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Calls that are gathered before they are journaled without being asked, and bytes of their answers.
/// Then the run waits for the disk: one that floods goes no faster than that, and no turn of the event
/// loop is long for its sake.
const GATHERED: usize = 16;
const GATHERED_BYTES: usize = 1 << 20;
/// Bytes that the arguments of one call may have; a file's content is named by its digest and does not
/// count. What is gathered, one more call and its answer together stay well below what the store takes
/// as one value.
const CALL_BYTES: usize = 4 << 20;

/// What a guest's host calls work on: the `H` of the component's store.
pub(crate) struct Session {
    pub(crate) run: RunId,
    /// Which of its ticket's runs it is, from 1.
    pub(crate) attempt: u32,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) agent: Arc<Agent>,
    /// What the run may use at most, whatever its agent is granted.
    pub(crate) authority: Authority,
    /// What the person who started it all asked for.
    pub(crate) request: String,
    pub(crate) limits: Arc<Limits>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) worktree: Option<Arc<dyn Worktree>>,
    /// The agent's selector, or why it has none.
    pub(crate) chooser: Result<Arc<dyn Chooser>, String>,
    pub(crate) cancel: CancellationToken,
    pub(crate) shared: Arc<Shared>,
    journal: Journal,
    /// The next call's place.
    next: u32,
    messages: u32,
    /// Bytes of answers since the last time that calls were handed in for being many.
    gathered_bytes: usize,
    /// Bytes of all calls and answers so far.
    journal_bytes: u64,
    clock: Arc<dyn Clock>,
    guest_clock: Arc<GuestClock>,
    /// The last output that was accepted early.
    pub(crate) accepted: Option<Value>,
    /// Set where there is no world behind it, only a journal, and somebody who looks on.
    offline: Option<Arc<Offline>>,
}

/// What the session and the task that drives it share.
pub(crate) struct Shared {
    /// Answered calls that are not journaled yet.
    pending: Mutex<Vec<Pending>>,
    pub(crate) output: Output,
    /// Whether the run waits for reports, an answer or an outside report.
    pub(crate) waiting: watch::Sender<bool>,
    /// What the guest has computed since this start.
    pub(crate) guest_time: GuestTime,
    /// What of it was handed in last, in microseconds.
    handed_in: AtomicU64,
    /// The host call that the guest made last.
    last_call: Mutex<Option<LastCall>>,
}

/// The host call that a guest made last, for whoever asks how it broke.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastCall {
    pub(crate) index: u32,
    pub(crate) name: &'static str,
    pub(crate) answered: bool,
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            pending: Mutex::default(),
            output: Output::default(),
            waiting: watch::Sender::new(false),
            guest_time: GuestTime::default(),
            handed_in: AtomicU64::new(0),
            last_call: Mutex::default(),
        }
    }

    fn called(&self, call: LastCall) {
        *self
            .last_call
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(call);
    }

    pub(crate) fn last_call(&self) -> Option<LastCall> {
        *self
            .last_call
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the guest has computed since this start, in microseconds, to be handed in.
    pub(crate) fn guest_us(&self) -> u64 {
        let used = u64::try_from(self.guest_time.used().as_micros()).unwrap_or(u64::MAX);
        self.handed_in.store(used, Ordering::Relaxed);
        used
    }

    /// How much of that was not handed in yet.
    pub(crate) fn not_handed_in(&self) -> Duration {
        let handed_in = Duration::from_micros(self.handed_in.load(Ordering::Relaxed));
        self.guest_time.used().saturating_sub(handed_in)
    }

    pub(crate) fn take_pending(&self) -> Vec<Pending> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a session begins with.
pub(crate) struct Begin {
    pub(crate) run: RunId,
    pub(crate) attempt: u32,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) agent: Arc<Agent>,
    pub(crate) authority: Authority,
    pub(crate) request: String,
    pub(crate) limits: Arc<Limits>,
    pub(crate) journal: Journal,
    pub(crate) worktree: Option<Arc<dyn Worktree>>,
    /// The agent's selector, or why it has none.
    pub(crate) chooser: Result<Arc<dyn Chooser>, String>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guest_clock: Arc<GuestClock>,
    pub(crate) cancel: CancellationToken,
    pub(crate) shared: Arc<Shared>,
}

impl Session {
    pub(crate) fn new(begin: Begin) -> Session {
        begin
            .shared
            .output
            .muted
            .store(!begin.journal.entries.is_empty(), Ordering::Relaxed);
        Session {
            run: begin.run,
            attempt: begin.attempt,
            ticket: begin.ticket,
            agent: begin.agent,
            authority: begin.authority,
            request: begin.request,
            limits: begin.limits,
            ledger: begin.ledger,
            worktree: begin.worktree,
            chooser: begin.chooser,
            cancel: begin.cancel,
            shared: begin.shared,
            journal: begin.journal,
            next: 0,
            messages: 0,
            gathered_bytes: 0,
            journal_bytes: 0,
            clock: begin.clock,
            guest_clock: begin.guest_clock,
            accepted: None,
            offline: None,
        }
    }

    /// Cuts it off from the world: what the journal has is answered from it, shown to the onlooker, and
    /// what it does not have ends the replay.
    pub(crate) fn go_offline(&mut self, offline: Arc<Offline>) {
        self.shared.output.muted.store(false, Ordering::Relaxed);
        self.offline = Some(offline);
    }

    /// The calls that the journal has.
    pub(crate) fn journaled(&self) -> impl Iterator<Item = &Call> {
        self.journal.entries.iter().map(|entry| &entry.call)
    }

    /// The answer from the journal, if the call is in it.
    ///
    /// A call that was waiting when the run stopped waits again here; its effects are done.
    async fn replay(&mut self, call: &Call) -> HostResult<Option<Reply>> {
        self.shared.called(LastCall {
            index: self.next,
            name: call.name(),
            answered: false,
        });
        // Not journaled: the same on every replay, and nothing so large may get into the journal.
        if call.bytes() > CALL_BYTES {
            return Ok(Some(Err(CallError::Limit(format!(
                "a call has at most {CALL_BYTES} bytes of arguments"
            )))));
        }
        let index = self.next;
        let Some(entry) = self.journal.entries.get(index as usize) else {
            if index >= self.agent.limits.max_calls {
                return Err(stop(RunStop::TooManyCalls(index)));
            }
            if self.journal_bytes >= self.agent.limits.journal_bytes {
                return Err(stop(RunStop::JournalFull(self.agent.limits.journal_bytes)));
            }
            return match &self.offline {
                Some(offline) => Err(offline.past_the_end(index, call, &self.shared).await),
                None => Ok(None),
            };
        };
        if let Some(offline) = &self.offline {
            offline.printed(&self.shared).await;
        }
        if entry.call != *call {
            return Err(stop(RunStop::Diverged {
                index,
                journaled: Box::new(entry.call.clone()),
                asked: Box::new(call.clone()),
            }));
        }
        let (at, reply) = match &entry.reply {
            Some(reply) => (entry.at, reply.clone()),
            None if self.offline.is_some() => {
                return Err(stop(RunStop::StillWaits {
                    index,
                    call: Box::new(call.clone()),
                }));
            }
            None => {
                self.unmute(index);
                let called = self.ledger.resume(self.run).await;
                self.settle(called).await?
            }
        };
        if let Some(offline) = &self.offline {
            offline.replayed(index, at, call, &reply).await?;
        }
        self.answered(call, at, &reply);
        Ok(Some(reply))
    }

    /// From the last journaled call on, what the guest prints is new.
    fn unmute(&self, index: u32) {
        if index as usize + 1 >= self.journal.entries.len() {
            self.shared.output.muted.store(false, Ordering::Relaxed);
        }
    }

    /// Moves on past an answered call.
    fn answered(&mut self, call: &Call, at: Timestamp, reply: &Reply) {
        self.unmute(self.next);
        self.shared.called(LastCall {
            index: self.next,
            name: call.name(),
            answered: true,
        });
        self.next += 1;
        let answer = reply.as_ref().map_or(0, adjutant_model::Answer::bytes);
        let bytes = call.bytes() + answer;
        self.journal_bytes += bytes as u64;
        self.gathered_bytes += bytes;
        self.guest_clock.set(at.saturating_mul(1_000_000));
        if reply.is_err() {
            return;
        }
        match call {
            Call::Post { .. }
            | Call::Progress { .. }
            | Call::Mention { .. }
            | Call::Comment { .. }
            | Call::Ask { .. }
            | Call::CallForReport { .. } => self.messages += 1,
            Call::SubmitOutput { output } => self.accepted = Some(output.clone()),
            _ => {}
        }
    }

    /// A call that the dispatcher decides on.
    pub(crate) async fn decided(&mut self, call: Call) -> HostResult<Reply> {
        self.decided_with(call, None, Vec::new()).await
    }

    /// A call that the dispatcher decides on, with what goes along with it.
    pub(crate) async fn decided_with(
        &mut self,
        call: Call,
        payload: Option<Vec<u8>>,
        choices: Vec<Option<Result<(adjutant_model::AgentId, Choice), String>>>,
    ) -> HostResult<Reply> {
        if let Some(reply) = self.replay(&call).await? {
            return Ok(reply);
        }
        let pending = self.shared.take_pending();
        let violations = match &call {
            Call::SubmitOutput { output } => check_output(&self.ticket, Some(output)),
            _ => Vec::new(),
        };
        let guest_call = GuestCall {
            index: self.next,
            call: call.clone(),
            payload,
            choices,
            violations,
        };
        let called = self
            .ledger
            .call(
                self.run,
                pending,
                self.shared.guest_us(),
                Some(guest_call),
                false,
            )
            .await;
        let (at, reply) = self.settle(called).await?;
        self.answered(&call, at, &reply);
        Ok(reply)
    }

    /// The place in the journal of the call that the guest makes now.
    pub(crate) fn place(&self) -> u32 {
        self.next
    }

    /// Whether a call is still to be replayed: then nothing need be prepared for it.
    pub(crate) fn is_replaying(&self) -> bool {
        (self.next as usize) < self.journal.entries.len() || self.offline.is_some()
    }

    /// The answer of the dispatcher, waited for if need be.
    async fn settle(&self, called: Result<Called, Gone>) -> HostResult<(Timestamp, Reply)> {
        let gone = |why: String| stop(RunStop::Gone(why));
        match called.map_err(|Gone(why)| gone(why))? {
            Called::Reply(at, reply) => Ok((at, reply)),
            Called::Waiting(answer) => {
                self.shared.waiting.send_replace(true);
                let answer = answer
                    .await
                    .map_err(|_| gone("its wait was given up".to_owned()))?;
                self.shared.waiting.send_replace(false);
                Ok(answer)
            }
            Called::Journaled => Err(gone("the dispatcher gave no answer".to_owned())),
        }
    }

    /// A message in the ticket's own channel: its id is known at once, and it is stored with the
    /// run's next commit.
    pub(crate) async fn say(
        &mut self,
        call: Call,
        kind: MessageKind,
        message: String,
        reply_to: Option<MessageId>,
    ) -> HostResult<Reply> {
        if let Some(reply) = self.replay(&call).await? {
            return Ok(reply);
        }
        let at = self.clock.now();
        let most = self.limits.message_bytes;
        let (reply, message) = if message.len() > most {
            (
                Err(CallError::Limit(format!(
                    "a message has at most {most} bytes (limit `message_bytes`)"
                ))),
                None,
            )
        } else if self.messages >= self.limits.messages_per_run {
            let most = self.limits.messages_per_run;
            (
                Err(CallError::Limit(format!(
                    "this run has posted {most} messages (limit `messages_per_run`)"
                ))),
                None,
            )
        } else {
            let id = MessageId(self.clock.id());
            let message = Message {
                id,
                author: Author::Agent(self.agent.id),
                kind,
                mentions: Vec::new(),
                text: message,
                reply_to,
                run: Some(self.run),
                attempt: Some(self.attempt),
                at,
            };
            let answer = if kind == MessageKind::Text {
                Answer::Message(id)
            } else {
                Answer::Unit
            };
            (Ok(answer), Some(message))
        };
        self.push(call, at, reply.clone(), message).await?;
        Ok(reply)
    }

    /// Something done outside. All that came before is on disk first where `barrier` says that the
    /// outside can see it; the answer is handed in for the journal at once.
    pub(crate) async fn outside(
        &mut self,
        call: Call,
        barrier: bool,
        effect: impl Future<Output = Reply> + Send,
    ) -> HostResult<Reply> {
        if let Some(reply) = self.replay(&call).await? {
            return Ok(reply);
        }
        if barrier {
            self.flush(true).await?;
        }
        let reply = effect.await;
        let at = self.clock.now();
        self.push(call, at, reply.clone(), None).await?;
        if barrier {
            self.flush(false).await?;
        }
        Ok(reply)
    }

    async fn push(
        &mut self,
        call: Call,
        at: Timestamp,
        reply: Reply,
        message: Option<Message>,
    ) -> HostResult<()> {
        let index = self.next;
        self.answered(&call, at, &reply);
        let gathered = {
            let mut pending = self
                .shared
                .pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            pending.push(Pending {
                index,
                at,
                call,
                reply,
                message,
            });
            pending.len()
        };
        if gathered >= GATHERED || self.gathered_bytes >= GATHERED_BYTES {
            self.gathered_bytes = 0;
            self.flush(true).await
        } else {
            Ok(())
        }
    }

    /// Hands in what is gathered; with `durable` waits until the disk has it, and all before it.
    pub(crate) async fn flush(&self, durable: bool) -> HostResult<()> {
        let pending = self.shared.take_pending();
        if pending.is_empty() && !durable {
            return Ok(());
        }
        // Where nothing is to be journaled, nothing is to be written.
        let guest_us = if pending.is_empty() {
            0
        } else {
            self.shared.guest_us()
        };
        self.ledger
            .call(self.run, pending, guest_us, None, durable)
            .await
            .map(|_| ())
            .map_err(|Gone(why)| stop(RunStop::Gone(why)))
    }

    /// Ends with an error where the guest has ended before its journal.
    pub(crate) fn check_end(&self) -> Result<(), RunStop> {
        match self.journal.entries.get(self.next as usize) {
            None => Ok(()),
            Some(entry) => Err(RunStop::EndedEarly {
                made: self.next,
                journaled: Box::new(entry.call.clone()),
            }),
        }
    }
}

/// How much longer than `output_bytes` an output's text may be with all its blanks before it is refused
/// unread: reading takes time too.
const BLANKS: usize = 4;

/// Refuses the text of an output that cannot be within the limit.
pub(crate) fn check_text(text: &str, limits: &Limits) -> Result<(), CallError> {
    let most = limits.output_bytes;
    if text.len() <= most.saturating_mul(BLANKS) {
        return Ok(());
    }
    Err(CallError::Limit(format!(
        "an output of {} bytes is too large; the limit is {most} (limit `output_bytes`)",
        text.len()
    )))
}

/// What is wrong with an output. A schema may be slow to check; that is a part of the run's own task, and
/// its workspace's time.
pub(crate) fn check_output(ticket: &Ticket, output: Option<&Value>) -> Vec<Violation> {
    let schema = ticket.expected_output_schema.as_ref();
    schema::check_output(schema, output)
}

/// An error that ends the run.
pub(crate) fn stop(stop: RunStop) -> HostError {
    HostStop::new(stop).into()
}

/// A failure of the world outside, as the guest gets it.
pub(crate) fn outside_error(error: OutsideError) -> CallError {
    match error {
        OutsideError::Denied(text) => CallError::Denied(text),
        OutsideError::NotFound(text) => CallError::NotFound(text),
        OutsideError::Invalid(text) => CallError::Invalid(vec![Violation::new("", text)]),
        OutsideError::Limit(text) => CallError::Limit(text),
        OutsideError::Deadline(text) => CallError::Deadline(text),
        OutsideError::Cancelled(text) => CallError::Cancelled(text),
        OutsideError::Unavailable(text) => CallError::Unavailable(text),
        OutsideError::Other(text) => CallError::Other(text),
    }
}
