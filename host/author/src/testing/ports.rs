//! A test's world as a run sees it.

use super::world::World;
use adjutant_model::{
    CallError, ChannelId, GuestCall, Member, Message, Pending, RunId, TicketId, Timestamp,
};
use adjutant_run::{Called, Clock, Gone, Ledger};
use async_trait::async_trait;
use uuid::Uuid;

#[async_trait]
impl Ledger for World {
    async fn call(
        &self,
        run: RunId,
        pending: Vec<Pending>,
        _guest_us: u64,
        call: Option<GuestCall>,
        _durable: bool,
    ) -> Result<Called, Gone> {
        self.inner().call(run, pending, call)
    }

    async fn resume(&self, _run: RunId) -> Result<Called, Gone> {
        Err(Gone(
            "a test brings a run back when its wait is over".to_owned(),
        ))
    }

    async fn team(&self, _run: RunId) -> Result<Vec<Member>, Gone> {
        Ok(self.inner().team())
    }

    async fn channel(
        &self,
        run: RunId,
        ticket: Option<TicketId>,
    ) -> Result<Result<ChannelId, CallError>, Gone> {
        Ok(self.inner().state.channel_for(run, ticket))
    }

    async fn messages(
        &self,
        channel: ChannelId,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<Message>, bool), Gone> {
        let inner = self.inner();
        let all = inner.channels.get(&channel).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(all.len());
        let page: Vec<Message> = all[from..].iter().take(limit).cloned().collect();
        let more = from + page.len() < all.len();
        Ok((page, more))
    }

    async fn output(&self, _run: RunId, _stream: &'static str, _text: String) {
        // The story is told from a replay, where what is printed has its place among the calls.
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.inner().now
    }

    fn id(&self) -> Uuid {
        self.inner().id()
    }
}
