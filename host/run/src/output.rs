//! What a guest and its commands print, gathered and handed to the run's log in larger pieces.

use adjutant_component::{GuestOutput, Stream};
use adjutant_connect::ports::{CommandOutput, OutputStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes that are gathered between two flushes; a guest or a command that prints faster loses the
/// middle, and is told so in the log.
const MOST: usize = 64 << 10;

/// Gathers output. Writing never blocks.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// While a run is replayed its output is dropped: it was logged the first time.
    pub(crate) muted: AtomicBool,
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    parts: Vec<(&'static str, Vec<u8>)>,
    bytes: usize,
    lost: usize,
}

impl Output {
    pub(crate) fn push(&self, stream: &'static str, bytes: &[u8]) {
        if self.muted.load(Ordering::Relaxed) {
            return;
        }
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.bytes + bytes.len() > MOST {
            gathered.lost += bytes.len();
            return;
        }
        gathered.bytes += bytes.len();
        match gathered.parts.last_mut() {
            Some((last, part)) if *last == stream => part.extend_from_slice(bytes),
            _ => gathered.parts.push((stream, bytes.to_vec())),
        }
    }

    /// Takes what there is, as text. An unfinished character at the end is replaced.
    pub(crate) fn take(&self) -> Vec<(&'static str, String)> {
        let gathered =
            std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        let mut texts: Vec<(&'static str, String)> = gathered
            .parts
            .into_iter()
            .map(|(stream, bytes)| (stream, String::from_utf8_lossy(&bytes).into_owned()))
            .collect();
        if gathered.lost > 0 {
            texts.push((
                "host",
                format!(
                    "[{} bytes of output came too fast and are left out]\n",
                    gathered.lost
                ),
            ));
        }
        texts
    }
}

impl GuestOutput for Output {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        self.push(name, bytes);
    }
}

impl CommandOutput for Output {
    fn chunk(&self, stream: OutputStream, bytes: &[u8]) {
        let name = match stream {
            OutputStream::Stdout => "command stdout",
            OutputStream::Stderr => "command stderr",
        };
        self.push(name, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_by_stream_drops_while_muted_and_tells_what_is_lost() {
        let output = Output::default();
        output.push("stdout", b"a");
        output.push("stdout", b"b");
        output.push("stderr", b"c");
        output.muted.store(true, Ordering::Relaxed);
        output.push("stderr", b"again");
        output.muted.store(false, Ordering::Relaxed);
        output.push("stdout", &vec![b'x'; MOST]);
        let texts = output.take();
        assert_eq!(texts[0], ("stdout", "ab".to_owned()));
        assert_eq!(texts[1], ("stderr", "c".to_owned()));
        assert!(texts[2].1.contains(&format!("{MOST} bytes")), "{texts:?}");
        assert!(output.take().is_empty());
    }
}
