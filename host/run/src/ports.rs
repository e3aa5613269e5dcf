//! What a run needs of the dispatcher above it.

use crate::selecting::Asked;
use adjutant_model::{
    AgentId, CallError, ChannelId, Choice, GuestCall, Lot, Member, Message, Pending, Reply, RunId,
    TicketId, Timestamp,
};
use async_trait::async_trait;
use tokio::sync::oneshot;
use uuid::Uuid;

/// The dispatcher, as a run sees it. All that changes a ticket goes through it.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Journals answered calls, then decides on one more, if there is one. `guest_us` is what this start
    /// of the run has computed so far, in microseconds.
    ///
    /// Returns as soon as it is decided. With `durable` it returns when all of it, and all that the
    /// run has handed in before, is on disk.
    async fn call(
        &self,
        run: RunId,
        pending: Vec<Pending>,
        guest_us: u64,
        call: Option<GuestCall>,
        durable: bool,
    ) -> Result<Called, Gone>;

    /// For how long, so far, the run was held up through no fault of its own: it does not count as
    /// running time.
    fn held_up(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    /// Takes up the wait in which a replayed run stopped.
    async fn resume(&self, run: RunId) -> Result<Called, Gone>;

    /// The team of a run's agent, with its live status.
    async fn team(&self, run: RunId) -> Result<Vec<Member>, Gone>;

    /// The channel that a run means, if it may read it.
    async fn channel(
        &self,
        run: RunId,
        ticket: Option<TicketId>,
    ) -> Result<Result<ChannelId, CallError>, Gone>;

    /// Messages of a channel from an index on, and whether there are more.
    async fn messages(
        &self,
        channel: ChannelId,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Message>, bool), Gone>;

    /// Logs what the guest or a command printed.
    async fn output(&self, run: RunId, stream: &'static str, text: String);
}

/// A boss's selector.
#[async_trait]
pub trait Chooser: Send + Sync + 'static {
    /// Whom it picks among candidates. It computes within the caller's own task. `lot` decides which of
    /// its versions is asked where one is tried: the same question draws the same lot.
    ///
    /// # Errors
    /// A sentence: there is none that can be used, it broke, or found nobody.
    async fn choose(
        &self,
        asked: &Asked<'_>,
        team: &[Member],
        lot: Lot,
    ) -> Result<(AgentId, Choice), String>;
}

/// What became of a call.
#[derive(Debug)]
pub enum Called {
    /// There was none: what was handed in is journaled.
    Journaled,
    /// It was answered, at that time.
    Reply(Timestamp, Reply),
    /// It waits; the answer comes here. The sender is dropped when the run is no longer wanted.
    Waiting(oneshot::Receiver<(Timestamp, Reply)>),
}

/// The run is over for the dispatcher: cancelled, reassigned, or the host stops. Whatever it still
/// wanted to write is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Gone(pub String);

/// Time and ids, so that tests can decide them.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> Timestamp;
    /// A new id, greater than those before.
    fn id(&self) -> Uuid;
    /// A new secret, which cannot be guessed.
    fn token(&self) -> Uuid {
        Uuid::new_v4()
    }
}
