//! Server-sent events: bytes in, frames out.
//!
//! Invariant: what is kept of an unfinished frame is bounded.

/// The most bytes of one frame; an event's texts are cut far below that by the host.
const MOST_BYTES: usize = 16 << 20;

/// One frame: what ends with an empty line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// The last `id`.
    pub(super) id: Option<String>,
    /// The `data` lines, joined.
    pub(super) data: String,
}

/// Cuts a stream of bytes into frames, wherever the chunks end.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The line that is not complete.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, whose line feed belongs to it.
    after_return: bool,
    frame: Frame,
    has_data: bool,
}

/// A frame that is larger than any of a host's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Parser {
    /// Takes in a chunk; gives back the frames that are complete with it. Comments are
    /// left out; a frame that has only an id says how far the stream is.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<Vec<Frame>, TooLarge> {
        let mut frames = Vec::new();
        for &byte in chunk {
            let lone_feed = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if lone_feed => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    frames.extend(self.end_line(&line));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.frame.data.len() > MOST_BYTES {
                return Err(TooLarge);
            }
        }
        Ok(frames)
    }

    fn end_line(&mut self, line: &[u8]) -> Option<Frame> {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            let has_data = std::mem::take(&mut self.has_data);
            return (has_data || frame.id.is_some()).then_some(frame);
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
            }
            "id" => self.frame.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: 7\nevent: TicketCreated\ndata: {\"a\":\ndata: 1}\n\n\
                          retry: 5\n\ndata:x\r\nid:8\r\n\r\ndata\n\nid: 9\n\n";

    fn frame(id: Option<&str>, data: &str) -> Frame {
        Frame {
            id: id.map(Into::into),
            data: data.into(),
        }
    }

    #[test]
    fn frames_are_the_same_wherever_chunks_end() {
        let expected = [
            frame(Some("7"), "{\"a\":\n1}"),
            frame(Some("8"), "x"),
            frame(None, ""),
            frame(Some("9"), ""),
        ];
        for size in 1..=STREAM.len() {
            let mut parser = Parser::default();
            let mut frames = Vec::new();
            for chunk in STREAM.as_bytes().chunks(size) {
                frames.extend(parser.feed(chunk).expect("small"));
            }
            assert_eq!(frames, expected, "chunks of {size}");
        }
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1 << 20];
        let fed = (0..20).try_for_each(|_| parser.feed(&chunk).map(|_| ()));
        assert_eq!(fed, Err(TooLarge));
    }
}
