//! Following the events of a ticket's tree.
//!
//! Invariant: each event is given once and in order, whatever happens to the connection.

use super::sse::Parser;
use super::{Client, is_passing};
use crate::exit::{Error, Result};
use adjutant_model::{Event, TicketId};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a host may be away before following it is given up.
const AWAY_FOR: Duration = Duration::from_secs(30);
/// How long the first wait before another attempt is; each next one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How long it becomes at most.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The events of a ticket and all below it, from the first one on, or of a workspace from now on, as they
/// come.
pub(crate) struct Events {
    client: Client,
    /// None for all of the workspace.
    ticket: Option<TicketId>,
    /// The last sequence number that was taken in, or where the host began.
    last: Option<u64>,
    ready: VecDeque<Event>,
    open: Option<(BoxStream<'static, reqwest::Result<Vec<u8>>>, Parser)>,
}

impl Events {
    pub(super) fn new(client: Client, ticket: Option<TicketId>) -> Events {
        Events {
            client,
            ticket,
            last: None,
            ready: VecDeque::new(),
            open: None,
        }
    }

    /// Opens the stream, so that whatever happens from then on is among its events. [`Events::next`] does it
    /// too, but as late as it is asked.
    ///
    /// # Errors
    /// The host does not answer, or refuses.
    pub(crate) async fn open(&mut self) -> Result<()> {
        // A host says first where it begins.
        self.read().await.map(drop)
    }

    /// The next event; waits for it. A lost connection is made again from where it was lost.
    ///
    /// May be dropped while it waits; nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        let mut away = Duration::ZERO;
        let mut wait = FIRST_WAIT;
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let failed = match self.read().await {
                Ok(true) => {
                    (away, wait) = (Duration::ZERO, FIRST_WAIT);
                    continue;
                }
                // The stream has ended; a host that stops does that.
                Ok(false) => None,
                Err(error) if is_passing(&error) => Some(error),
                Err(error) => return Err(error),
            };
            self.open = None;
            if away >= AWAY_FOR {
                return Err(failed.unwrap_or_else(|| Error::Unreachable {
                    url: self.client.url().to_owned(),
                    why: "it keeps ending the event stream".to_owned(),
                }));
            }
            tokio::time::sleep(wait).await;
            away += wait;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Reads a chunk. False where there is no more.
    async fn read(&mut self) -> Result<bool> {
        let (stream, parser) = match &mut self.open {
            Some(open) => open,
            None => {
                let query = match self.ticket {
                    Some(ticket) => vec![
                        ("ticket", ticket.to_string()),
                        ("after", self.last.unwrap_or(0).to_string()),
                    ],
                    // Without a number it begins with what happens from now on.
                    None => self.client.scope(),
                };
                let response = self.client.stream(&query, self.last).await?;
                let chunks = response.bytes_stream().map(|chunk| chunk.map(Vec::from));
                self.open.insert((chunks.boxed(), Parser::default()))
            }
        };
        let Some(chunk) = stream.next().await else {
            return Ok(false);
        };
        let chunk = chunk.map_err(|error| self.client.unreachable(&error))?;
        let frames = parser.feed(&chunk).map_err(|_| {
            Error::Failed(format!(
                "an event of {} is larger than any event is",
                self.client.url()
            ))
        })?;
        for frame in frames {
            let Some(seq) = frame.id.and_then(|id| id.parse::<u64>().ok()) else {
                continue;
            };
            if self.last.is_some_and(|last| seq <= last) {
                continue;
            }
            self.last = Some(seq);
            self.ready.extend(read(&frame.data));
        }
        Ok(true)
    }
}

/// An event of the stream; none where it is only a sign of life, or of a kind that this version does
/// not know: a newer host may have such, and they do no harm.
fn read(data: &str) -> Option<Event> {
    let mut event: Value = serde_json::from_str(data).ok()?;
    let at: jiff::Timestamp = event.get("at")?.as_str()?.parse().ok()?;
    event["at"] = u64::try_from(at.as_millisecond()).ok()?.into();
    serde_json::from_value(event).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjutant_model::EventKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const ID: &str = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";

    fn frame(seq: u64) -> String {
        format!(
            "id: {seq}\nevent: TicketDetailsUpdated\ndata: {{\"seq\":{seq},\"at\":\"1970-01-01T00:00:00.00{seq}Z\",\
             \"type\":\"TicketDetailsUpdated\",\"ticket\":\"{ID}\"}}\n\n"
        )
    }

    #[tokio::test]
    async fn a_stream_of_what_happens_from_now_on_begins_where_it_was_opened() {
        let (url, server) = serve(vec!["id: 7\n\n".to_owned(), frame(8)]).await;
        let client = Client::new(&url, None).expect("a client");
        // The connection is lost before anything has happened.
        let mut events = client.events_from_now().await.expect("a stream");
        assert_eq!(events.next().await.expect("an event").at, 8);
        let asked = server.await.expect("it served");
        assert!(!asked[0].to_lowercase().contains("last-event-id"));
        let again = asked[1].to_lowercase();
        assert!(again.contains("last-event-id: 7\r\n"), "{again}");
    }

    /// Serves each body to one connection, and gives back what was asked.
    async fn serve(bodies: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            let mut asked = Vec::new();
            for body in bodies {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut head = vec![0; 4096];
                let n = stream.read(&mut head).await.expect("a request");
                asked.push(String::from_utf8_lossy(&head[..n]).into_owned());
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.expect("written");
            }
            asked
        });
        (url, task)
    }

    #[tokio::test]
    async fn a_lost_connection_is_made_again_where_it_was_lost() {
        let unknown = "id: 3\nevent: New\ndata: {\"at\":\"1970-01-01T00:00:00Z\",\"type\":\"NotYetThought\"}\n\n";
        let broken = format!("{}{}", frame(1), &frame(2)[..20]);
        let again = format!("{}{unknown}{}{}", frame(2), frame(2), frame(4));
        let (url, server) = serve(vec![broken, again]).await;
        let client = Client::new(&url, None).expect("a client");
        let mut events = client.events(ID.parse().expect("an id"));
        let mut seen = Vec::new();
        for _ in 0..3 {
            let one = events.next().await.expect("an event");
            assert!(matches!(one.kind, EventKind::TicketDetailsUpdated { .. }));
            seen.push(one.at);
        }
        assert_eq!(seen, [1, 2, 4]);
        let asked = server.await.expect("it served");
        assert!(asked[0].contains(&format!("ticket={ID}")), "{}", asked[0]);
        assert!(!asked[0].to_lowercase().contains("last-event-id"));
        assert!(
            asked[1].to_lowercase().contains("last-event-id: 1\r\n"),
            "{}",
            asked[1]
        );
    }
}
