//! Following and reading the log of events.

use super::{Client, DEADLINE, block, runtime};
use futures::StreamExt;
use serde_json::Value;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use tokio::task::AbortHandle;

/// An open event stream. It is closed when this is dropped.
pub(crate) struct Events {
    frames: Receiver<Frame>,
    reader: AbortHandle,
}

/// One frame of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    /// The sequence number.
    pub(crate) id: u64,
    /// The type.
    pub(crate) event: String,
    /// The event.
    pub(crate) data: Value,
}

impl Events {
    /// Opens the stream of a path, after a last event id if there is one.
    pub(crate) fn open(client: &Client, path: &str, last: Option<u64>) -> Events {
        let mut request = client.http.get(format!("{}{path}", client.url));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = block(request.send()).expect("the host answers");
        assert_eq!(response.status(), 200, "{path}");
        let kind = response.headers()["content-type"].to_str();
        assert!(kind.is_ok_and(|kind| kind.starts_with("text/event-stream")));
        let (sender, frames) = mpsc::channel();
        let reader = runtime().spawn(async move {
            let mut bytes = response.bytes_stream();
            let mut buffer = Vec::new();
            while let Some(Ok(part)) = bytes.next().await {
                buffer.extend_from_slice(&part);
                while let Some(end) = buffer.windows(2).position(|two| two == b"\n\n") {
                    let frame: Vec<u8> = buffer.drain(..end + 2).collect();
                    let text = String::from_utf8(frame).expect("a stream is UTF-8");
                    if let Some(frame) = parse(&text)
                        && sender.send(frame).is_err()
                    {
                        return;
                    }
                }
            }
        });
        Events {
            frames,
            reader: reader.abort_handle(),
        }
    }

    /// The next event; none where the stream has ended.
    pub(crate) fn next(&self) -> Option<Frame> {
        match self.frames.recv_timeout(DEADLINE) {
            Ok(frame) => Some(frame),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no event came for {DEADLINE:?}"),
        }
    }

    /// Passes over all that has come already.
    pub(crate) fn drain(&self) {
        loop {
            match self.frames.try_recv() {
                Ok(_) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// The events up to the first that fits, itself included.
    pub(crate) fn until(&self, fits: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut seen = Vec::new();
        loop {
            let frame = self.next().expect("the stream goes on");
            let last = fits(&frame);
            seen.push(frame);
            if last {
                return seen;
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn parse(text: &str) -> Option<Frame> {
    let mut frame = Frame::default();
    let mut data = String::new();
    for line in text.lines() {
        // A line that begins with a colon is a comment, to keep the connection alive.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => frame.id = value.parse().expect("an id is a number"),
            "event" => frame.event = value.to_owned(),
            "data" => data.push_str(value),
            _ => {}
        }
    }
    if data.is_empty() {
        return None;
    }
    frame.data = serde_json::from_str(&data).expect("data is JSON");
    Some(frame)
}

/// The whole log, by the page. Its sequence numbers are dense.
#[track_caller]
pub(crate) fn all_events(client: &Client) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let path = format!("/v1/events?after={}&limit=200", all.len());
        let headers = [("accept", "application/json")];
        let page = client.send("GET", &path, &headers, None).ok();
        let items = page["items"].as_array().expect("a page").clone();
        if items.is_empty() {
            break;
        }
        all.extend(items);
    }
    for (at, event) in all.iter().enumerate() {
        assert_eq!(event["seq"], at as u64 + 1, "the numbers are dense");
    }
    all
}

/// The events of a type.
pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["type"] == kind)
        .collect()
}
