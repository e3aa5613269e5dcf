//! What a guest prints: handed on to the host up to a limit, and its end remembered for error
//! messages.
//!
//! Invariant: writing never blocks and never fails, so a guest cannot be held up by its own log and
//! cannot see whether anyone reads it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Which of its two streams a guest wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes what a guest prints. Called on the guest's own thread: an implementation must not block.
pub trait GuestOutput: Send + Sync + 'static {
    /// Some bytes, in the order written. They may end in the middle of a line or of a character.
    fn write(&self, stream: Stream, bytes: &[u8]);
}

/// Drops everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutput;

impl GuestOutput for NoOutput {
    fn write(&self, _stream: Stream, _bytes: &[u8]) {}
}

/// How much of the latest output is kept for error messages.
const TAIL: usize = 2_048;
/// How much a guest may write in one call. Larger writes come in several.
const CHUNK: usize = 64 * 1_024;

/// One run's output: counts, cuts off, hands on.
pub(crate) struct Sink {
    to: Arc<dyn GuestOutput>,
    limit: u64,
    state: Mutex<State>,
}

struct State {
    left: u64,
    told: bool,
    tail: VecDeque<u8>,
}

impl Sink {
    pub(crate) fn new(to: Arc<dyn GuestOutput>, limit: u64) -> Arc<Self> {
        let state = State {
            left: limit,
            told: false,
            tail: VecDeque::new(),
        };
        Arc::new(Self {
            to,
            limit,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .tail
            .extend(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let surplus = state.tail.len().saturating_sub(TAIL);
        state.tail.drain(..surplus);

        let take = usize::try_from(state.left)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        state.left -= take as u64;
        // The lock is held while handing on, so that what two streams write keeps its order.
        if take > 0 {
            self.to.write(stream, &bytes[..take]);
        }
        if take < bytes.len() && !state.told {
            state.told = true;
            let notice = format!(
                "\n[the output limit of {} bytes is reached; the rest is dropped]\n",
                self.limit
            );
            self.to.write(Stream::Stderr, notice.as_bytes());
        }
    }

    /// The end of what was written, as text without surrounding blanks; empty where nothing was.
    pub(crate) fn tail(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = state.tail.as_slices();
        let bytes = [front, back].concat();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

/// One of the two streams of a [`Sink`], as WASI wants it.
#[derive(Clone)]
pub(crate) struct Pipe {
    pub(crate) sink: Arc<Sink>,
    pub(crate) stream: Stream,
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.sink.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.sink.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Mutex<Vec<(Stream, String)>>);

    impl GuestOutput for Log {
        fn write(&self, stream: Stream, bytes: &[u8]) {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0
                .lock()
                .expect("no test panics here")
                .push((stream, text));
        }
    }

    #[test]
    fn past_the_limit_there_is_one_notice_and_the_tail_still_moves_on() {
        let log = Arc::new(Log::default());
        let sink = Sink::new(log.clone(), 5);
        sink.write(Stream::Stdout, b"abc");
        sink.write(Stream::Stderr, b"defg");
        sink.write(Stream::Stdout, b"panicked: why\n");
        let log = log.0.lock().expect("no test panics here");
        assert_eq!(log[0], (Stream::Stdout, "abc".to_owned()));
        assert_eq!(log[1], (Stream::Stderr, "de".to_owned()));
        assert!(log[2].1.contains("limit of 5 bytes"), "{log:?}");
        assert_eq!(log.len(), 3);
        assert_eq!(sink.tail(), "abcdefgpanicked: why");
    }

    #[test]
    fn the_tail_is_bounded() {
        let sink = Sink::new(Arc::new(NoOutput), 0);
        sink.write(Stream::Stdout, &vec![b'x'; 10_000]);
        sink.write(Stream::Stdout, b"end");
        assert_eq!(sink.tail().len(), TAIL);
        assert!(sink.tail().ends_with("xend"));
    }
}
