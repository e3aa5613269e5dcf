//! The dispatcher as a run sees it: messages to the loop, and reads.

use crate::event_loop::Msg;
use crate::load::{goes_on, ticket_of};
use adjutant_model::{
    CallError, ChannelId, Command, GuestCall, Member, Message, Pending, RunId, TicketId,
    WorkspaceId,
};
use adjutant_run::{Called, Gone, Ledger};
use adjutant_store::{Store, records};
use async_trait::async_trait;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// One workspace's ledger.
pub(crate) struct LoopLedger {
    pub(crate) messages: mpsc::Sender<Msg>,
    pub(crate) store: Store,
    pub(crate) workspace: WorkspaceId,
    /// How long the run was held up for lack of room.
    pub(crate) held_up: Mutex<HeldUp>,
}

/// Time for which a run could not hand anything in.
#[derive(Default)]
pub(crate) struct HeldUp {
    so_far: Duration,
    since: Option<Instant>,
}

fn gone() -> Gone {
    Gone("the host is stopping".to_owned())
}

impl LoopLedger {
    /// Waits while the store has no room. What a run hands in meanwhile would only pile up.
    pub(crate) async fn room(&self) {
        let mut held = self.store.held();
        if held.borrow().is_none() {
            return;
        }
        self.held_up().since.get_or_insert(Instant::now());
        // An error says that the store is gone: then so is the loop, which tells.
        let _ = held.wait_for(Option::is_none).await;
        let mut held_up = self.held_up();
        if let Some(since) = held_up.since.take() {
            held_up.so_far += since.elapsed();
        }
    }

    fn held_up(&self) -> MutexGuard<'_, HeldUp> {
        self.held_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in the last that a run says. Even a host that is stopping lets it go on to its end.
    pub(crate) async fn last(
        &self,
        run: RunId,
        pending: Vec<Pending>,
        guest_us: u64,
    ) -> Result<(), Gone> {
        self.room().await;
        let workspace = self.workspace;
        let said = self.ask(|reply| Msg::Guest {
            workspace,
            run,
            pending,
            guest_us,
            call: None,
            durable: true,
            barrier: false,
            reply,
        });
        said.await?.map(|_| ())
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Msg) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.messages
            .send(message(reply))
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&adjutant_model::State) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let workspace = self.workspace;
        let answer = self.ask(|reply| {
            Msg::Query(Box::new(move |worlds| {
                let answer = worlds.get(&workspace).map(|world| question(&world.state));
                let _ = reply.send(answer);
            }))
        });
        answer.await?.ok_or_else(gone)
    }
}

#[async_trait]
impl Ledger for LoopLedger {
    async fn call(
        &self,
        run: RunId,
        pending: Vec<Pending>,
        guest_us: u64,
        call: Option<GuestCall>,
        durable: bool,
    ) -> Result<Called, Gone> {
        self.room().await;
        let workspace = self.workspace;
        let barrier = durable && call.is_none();
        self.ask(|reply| Msg::Guest {
            workspace,
            run,
            pending,
            guest_us,
            call,
            durable,
            barrier,
            reply,
        })
        .await?
    }

    fn held_up(&self) -> Duration {
        let held_up = LoopLedger::held_up(self);
        held_up.so_far + held_up.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    async fn resume(&self, run: RunId) -> Result<Called, Gone> {
        let workspace = self.workspace;
        self.ask(|reply| Msg::Resume {
            workspace,
            run,
            reply,
        })
        .await?
    }

    async fn team(&self, run: RunId) -> Result<Vec<Member>, Gone> {
        self.query(move |state| {
            let boss = state.run(run).map(|run| run.agent);
            let team = boss.map(|boss| state.team(boss)).unwrap_or_default();
            team.into_iter().map(|agent| state.member(agent)).collect()
        })
        .await
    }

    async fn channel(
        &self,
        run: RunId,
        ticket: Option<TicketId>,
    ) -> Result<Result<ChannelId, CallError>, Gone> {
        self.query(move |state| state.channel_for(run, ticket))
            .await
    }

    async fn messages(
        &self,
        channel: ChannelId,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Message>, bool), Gone> {
        let unreadable = |error: String| {
            Gone(format!(
                "the channel of ticket {} cannot be read: {error}",
                ticket_of(channel)
            ))
        };
        let partition = records::partition(self.workspace);
        let stream = records::channel_stream(channel);
        let page = self.store.read_stream(partition, &stream, from, limit);
        let page = page.await.map_err(|error| unreadable(error.to_string()))?;
        let last = page.last().map(|(index, _)| *index);
        let more = goes_on(&self.store, partition, &stream, last).await;
        let more = more.map_err(|error| unreadable(error.to_string()))?;
        let messages = page
            .iter()
            .map(|(_, bytes)| records::decode("message", bytes));
        let messages: Result<Vec<Message>, _> = messages.collect();
        Ok((
            messages.map_err(|error| unreadable(error.to_string()))?,
            more,
        ))
    }

    async fn output(&self, run: RunId, stream: &'static str, text: String) {
        let command = Command::Output {
            run,
            stream: stream.to_owned(),
            text,
        };
        self.room().await;
        // What a run printed may be lost when the run is; nobody waits for the answer.
        let (reply, _) = oneshot::channel();
        let message = Msg::Command {
            workspace: self.workspace,
            command,
            reply,
        };
        let _ = self.messages.send(message).await;
    }
}
