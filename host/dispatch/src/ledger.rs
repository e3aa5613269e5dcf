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
        self.note(true);
        // An error says that the store is gone: then so is the loop, which tells.
        let _ = held.wait_for(Option::is_none).await;
        self.note(false);
    }

    /// Waits for an answer, and counts the time for which there was no room: what was handed in before
    /// is held up as well.
    async fn answered<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut held = self.store.held();
        tokio::pin!(answer);
        loop {
            let no_room = held.borrow_and_update().is_some();
            self.note(no_room);
            tokio::select! {
                biased;
                answer = &mut answer => {
                    self.note(false);
                    return answer;
                }
                // An error says that the store is gone: then so is the loop, and that ends the wait.
                Ok(()) = held.changed() => {}
            }
        }
    }

    /// Takes note of whether the run is held up now.
    fn note(&self, no_room: bool) {
        let mut held_up = self.held_up();
        if no_room {
            held_up.since.get_or_insert(Instant::now());
        } else if let Some(since) = held_up.since.take() {
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
        self.answered(answer).await.map_err(|_| gone())
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
        held_up.so_far
            + held_up
                .since
                .map_or(Duration::ZERO, |since| since.elapsed())
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

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_store::testing::SimDisk;
    use adjutant_store::{Batch, Options, RedbEngine, RedbOptions};
    use std::sync::Arc;
    use uuid::Uuid;

    #[tokio::test]
    async fn what_was_handed_in_before_the_disk_was_full_is_held_up_as_well() {
        let disk = SimDisk::default();
        let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default()).await;
        let engine = Arc::new(engine.expect("a database"));
        let store = Store::open(engine, Options::default()).await;
        let store = store.expect("a store");
        let epoch = store.acquire(records::HOST).await.expect("the partition");
        let (messages, mut loops) = mpsc::channel(1);
        let ledger = Arc::new(LoopLedger {
            messages,
            store: store.clone(),
            workspace: WorkspaceId(Uuid::nil()),
            held_up: Mutex::default(),
        });
        let call = ledger.clone();
        let call = tokio::spawn(async move {
            call.call(RunId(Uuid::nil()), Vec::new(), 0, None, true)
                .await
        });
        let Some(Msg::Guest { reply, .. }) = loops.recv().await else {
            panic!("it was handed in")
        };
        assert_eq!(Ledger::held_up(&*ledger), Duration::ZERO);
        disk.hold_at_most(Some(disk.size()));
        let mut batch = Batch::new(records::HOST, [1; 16], epoch);
        batch.put.push((b"large".to_vec(), Some(vec![1; 8 << 20])));
        let written = store.submit(batch);
        while Ledger::held_up(&*ledger) == Duration::ZERO {
            tokio::task::yield_now().await;
        }
        disk.hold_at_most(None);
        written.await.expect("there is room again");
        reply.send(Ok(Called::Journaled)).expect("it waits");
        call.await.expect("no panic").expect("it is answered");
        let held_up = Ledger::held_up(&*ledger);
        assert!(held_up > Duration::ZERO);
        assert_eq!(
            Ledger::held_up(&*ledger),
            held_up,
            "it is held up no longer"
        );
    }
}
