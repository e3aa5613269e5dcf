//! The event stream: a workspace's log, followed from where the client stopped.
//!
//! Invariants:
//! - The log itself is read, page by page, after the last number that was read; the watch only says
//!   that there is more. So nothing is lost, repeated or out of order, however slow the client is.
//! - Memory per stream is one page of events and, for a ticket's stream, the ids of its tree.
//! - The stream ends when the server closes.

use crate::dto;
use crate::problem::{Kind, Problem, Result};
use adjutant_dispatch::{Host, HostError};
use adjutant_model::{Event, EventKind, TicketId, WorkspaceId};
use axum::response::sse;
use futures::Stream;
use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

/// Events read at once.
const PAGE: usize = 200;
/// Events that a stream passes over before it tells the client how far it is.
const QUIET: u64 = 500;
/// Tickets of a tree that a stream follows.
const MOST_TICKETS: usize = 100_000;

/// Where events are read from.
pub(crate) trait Log: Send + 'static {
    /// Events after a sequence number, with theirs.
    fn after(
        &self,
        seq: u64,
        limit: usize,
    ) -> impl Future<Output = std::result::Result<Vec<(u64, Event)>, HostError>> + Send;
}

/// A workspace's log.
pub(crate) struct HostLog {
    /// Whose.
    pub(crate) host: Host,
    /// Of which workspace.
    pub(crate) workspace: WorkspaceId,
}

impl Log for HostLog {
    async fn after(
        &self,
        seq: u64,
        limit: usize,
    ) -> std::result::Result<Vec<(u64, Event)>, HostError> {
        self.host.events(self.workspace, seq, limit).await
    }
}

/// The newest sequence number of a log, 0 where it is empty.
///
/// A log is dense from 1, so it is found by doubling and halving, in a few reads of one event.
pub(crate) async fn newest(log: &impl Log) -> Result<u64> {
    let (mut there, mut beyond) = (0, 1);
    while holds(log, beyond).await? {
        there = beyond;
        beyond *= 2;
    }
    while beyond - there > 1 {
        let middle = there + (beyond - there) / 2;
        if holds(log, middle).await? {
            there = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(there)
}

/// Whether a log has an event of this sequence number; it always has 0, its beginning.
pub(crate) async fn holds(log: &impl Log, seq: u64) -> Result<bool> {
    match seq.checked_sub(1) {
        None => Ok(true),
        Some(before) => Ok(!log.after(before, 1).await?.is_empty()),
    }
}

/// Which events a client wants: all, or those of a ticket and all below it.
pub(crate) struct Scope(Option<HashSet<TicketId>>);

impl Scope {
    /// All of a workspace.
    pub(crate) fn all() -> Scope {
        Scope(None)
    }

    /// Those of a tree's tickets, and of the tickets that are made below them.
    pub(crate) fn tree(tickets: impl IntoIterator<Item = TicketId>) -> Result<Scope> {
        let known: HashSet<TicketId> = tickets.into_iter().collect();
        if known.len() > MOST_TICKETS {
            return Err(Problem::new(
                Kind::Limit,
                format!(
                    "The ticket has more than {MOST_TICKETS} tickets below it, too many to follow; \
                     follow the whole workspace, or a ticket further down"
                ),
            ));
        }
        Ok(Scope(Some(known)))
    }

    /// Whether an event belongs to it. Learns of new tickets, so each event is shown to it once and
    /// in order.
    pub(crate) fn takes(&mut self, event: &EventKind) -> bool {
        let Some(known) = &mut self.0 else {
            return true;
        };
        let Some(ticket) = event.ticket() else {
            return false;
        };
        if let EventKind::TicketCreated {
            parent: Some(parent),
            ..
        } = event
            && known.contains(parent)
            && known.len() < MOST_TICKETS
        {
            known.insert(ticket);
        }
        known.contains(&ticket)
    }
}

/// A client's stream.
pub(crate) struct Feed<L> {
    /// The log.
    pub(crate) log: L,
    /// Changes whenever the log grows.
    pub(crate) grows: watch::Receiver<u64>,
    /// What the client wants.
    pub(crate) scope: Scope,
    /// The last sequence number that was read.
    pub(crate) seq: u64,
    /// Ends the stream.
    pub(crate) closing: CancellationToken,
    /// The stream's place among those that may be open.
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl<L: Log> Feed<L> {
    /// The stream, for as long as the client reads it.
    pub(crate) fn stream(self) -> impl Stream<Item = std::result::Result<sse::Event, Infallible>> {
        let told = self.seq;
        let state = (self, VecDeque::new(), told);
        futures::stream::unfold(state, |(mut feed, mut ready, mut told)| async move {
            loop {
                if let Some((seq, event)) = ready.pop_front() {
                    return Some((Ok(event), (feed, ready, seq)));
                }
                ready = feed.next_page().await?;
                if ready.is_empty() && feed.seq.saturating_sub(told) >= QUIET {
                    // A number without data moves on what the client will reconnect with.
                    told = feed.seq;
                    ready.push_back((told, sse::Event::default().id(told.to_string())));
                }
            }
        })
    }

    /// The next page's events for the client, perhaps none; nothing at all when the stream is over.
    async fn next_page(&mut self) -> Option<VecDeque<(u64, sse::Event)>> {
        loop {
            if self.closing.is_cancelled() {
                return None;
            }
            // Seen before the log is read: what is written from here on is a change.
            self.grows.borrow_and_update();
            let page = tokio::select! {
                biased;
                () = self.closing.cancelled() => return None,
                page = self.log.after(self.seq, PAGE) => page,
            };
            match page {
                Ok(events) if !events.is_empty() => return Some(self.take(&events)),
                Ok(_) => {}
                Err(error) => {
                    // The client reconnects with the last number that it saw.
                    tracing::warn!(%error, seq = self.seq, "an event stream ends early");
                    return None;
                }
            }
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return None,
                changed = self.grows.changed() => changed.ok()?,
            }
        }
    }

    fn take(&mut self, events: &[(u64, Event)]) -> VecDeque<(u64, sse::Event)> {
        let mut ready = VecDeque::new();
        for (seq, event) in events {
            self.seq = *seq;
            if self.scope.takes(&event.kind) {
                ready.push_back((*seq, frame(*seq, event)));
            }
        }
        ready
    }
}

/// An event as the stream has it.
fn frame(seq: u64, event: &Event) -> sse::Event {
    let shown = dto::Event::new(seq, event);
    let data = serde_json::to_string(&shown).expect("an event is plain JSON");
    sse::Event::default()
        .id(seq.to_string())
        .event(shown.kind)
        .data(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use axum::response::{IntoResponse, Sse};
    use std::sync::{Arc, Mutex};
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<Event>>>);

    impl Memory {
        fn add(&self, kind: EventKind) -> u64 {
            let mut events = self.0.lock().expect("a lock");
            events.push(Event { at: 0, kind });
            events.len() as u64
        }
    }

    impl Log for Memory {
        async fn after(
            &self,
            seq: u64,
            limit: usize,
        ) -> std::result::Result<Vec<(u64, Event)>, HostError> {
            let events = self.0.lock().expect("a lock");
            Ok((seq + 1..)
                .zip(events.iter().skip(seq as usize).cloned())
                .take(limit)
                .collect())
        }
    }

    fn id(number: u128) -> TicketId {
        TicketId(Uuid::from_u128(number))
    }

    fn created(ticket: u128, parent: Option<u128>) -> EventKind {
        EventKind::TicketCreated {
            ticket: id(ticket),
            title: "two\nlines".into(),
            parent: parent.map(id),
            assignee: None,
        }
    }

    fn feed(
        log: &Memory,
        seq: u64,
        scope: Scope,
    ) -> (watch::Sender<u64>, CancellationToken, Feed<Memory>) {
        let newest = log.0.lock().expect("a lock").len() as u64;
        let (sender, receiver) = watch::channel(newest);
        let closing = CancellationToken::new();
        let permit = Arc::new(Semaphore::new(1))
            .try_acquire_owned()
            .expect("a permit");
        let feed = Feed {
            log: log.clone(),
            grows: receiver,
            scope,
            seq,
            closing: closing.clone(),
            _permit: permit,
        };
        (sender, closing, feed)
    }

    async fn text(feed: Feed<Memory>) -> String {
        let body = Sse::new(feed.stream()).into_response().into_body();
        let bytes = to_bytes(body, 1 << 24).await.expect("the stream");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    fn ids(text: &str) -> Vec<u64> {
        text.lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .map(|id| id.parse().expect("a number"))
            .collect()
    }

    #[tokio::test]
    async fn a_frame_has_id_type_and_one_line_of_data() {
        let log = Memory::default();
        log.add(created(1, None));
        let (sender, _closing, feed) = feed(&log, 0, Scope::all());
        drop(sender);
        let text = text(feed).await;
        assert_eq!(
            text,
            "id: 1\nevent: TicketCreated\ndata: {\"seq\":1,\"at\":\"1970-01-01T00:00:00Z\",\
             \"type\":\"TicketCreated\",\"ticket\":\"00000000-0000-0000-0000-000000000001\",\
             \"title\":\"two\\nlines\"}\n\n"
        );
    }

    #[tokio::test]
    async fn nothing_is_lost_or_repeated_while_the_log_grows() {
        let log = Memory::default();
        for number in 0..450 {
            log.add(created(number, None));
        }
        let (sender, closing, feed) = feed(&log, 10, Scope::all());
        let reader = tokio::spawn(text(feed));
        for number in 450..1_000 {
            let seq = log.add(created(number, None));
            // Not every change is told at once: the watch keeps only the newest.
            if number % 7 == 0 {
                sender.send_replace(seq);
                tokio::task::yield_now().await;
            }
        }
        sender.send_replace(1_000);
        drop(sender);
        let text = reader.await.expect("the reader");
        assert_eq!(ids(&text), (11..=1_000).collect::<Vec<u64>>());
        assert!(!closing.is_cancelled());
    }

    #[tokio::test]
    async fn what_was_there_before_is_read_though_the_log_does_not_grow() {
        let log = Memory::default();
        log.add(created(1, None));
        let (sender, closing, mut feed) = feed(&log, 0, Scope::all());
        // A watch that has not yet been told anything.
        let (_silent, receiver) = watch::channel(0);
        feed.grows = receiver;
        assert_eq!(feed.next_page().await.expect("a page").len(), 1);
        drop((sender, closing));
    }

    #[tokio::test]
    async fn the_newest_number_is_found() {
        let log = Memory::default();
        for number in 0..70 {
            assert_eq!(newest(&log).await, Ok(number));
            log.add(created(u128::from(number), None));
        }
        assert_eq!(holds(&log, 70).await, Ok(true));
        assert_eq!(holds(&log, 71).await, Ok(false));
        assert_eq!(holds(&log, 0).await, Ok(true));
    }

    #[tokio::test]
    async fn it_ends_when_the_server_closes() {
        let log = Memory::default();
        let (sender, closing, feed) = feed(&log, 0, Scope::all());
        let reader = tokio::spawn(text(feed));
        tokio::task::yield_now().await;
        closing.cancel();
        assert_eq!(reader.await.expect("the reader"), "");
        drop(sender);
    }

    #[tokio::test]
    async fn a_ticket_s_stream_follows_its_tree_as_it_grows() {
        let log = Memory::default();
        log.add(created(1, None));
        log.add(created(2, Some(1)));
        log.add(created(3, None));
        log.add(created(4, Some(2)));
        log.add(EventKind::TicketDetailsUpdated { ticket: id(4) });
        log.add(EventKind::TicketDetailsUpdated { ticket: id(3) });
        log.add(EventKind::WorkspaceSaved { name: "w".into() });
        let scope = Scope::tree([id(1)]).expect("a small tree");
        let (sender, _closing, feed) = feed(&log, 0, scope);
        drop(sender);
        assert_eq!(ids(&text(feed).await), [1, 2, 4, 5]);
    }

    #[tokio::test]
    async fn a_quiet_stream_tells_how_far_it_is() {
        let log = Memory::default();
        for number in 0..700 {
            log.add(created(number + 10, None));
        }
        let scope = Scope::tree([id(1)]).expect("a small tree");
        let (sender, _closing, feed) = feed(&log, 0, scope);
        drop(sender);
        let text = text(feed).await;
        assert_eq!(text, "id: 600\n\n");
    }
}
