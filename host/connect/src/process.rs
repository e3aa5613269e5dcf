//! Runs one child process to its end and guarantees that nothing of it stays.
//!
//! Invariants:
//! - The child leads a process group of its own, and the whole group is killed when the child has
//!   exited, on timeout, on cancellation, and when the future is dropped.
//! - Both pipes are drained to their end, but no longer than [`GRACE`] past the child's exit: a
//!   grandchild which keeps a pipe open cannot hold the caller.
//! - At most `max_output` bytes of each stream are held in memory.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::leftovers;
use crate::ports::{CommandOutput, OutputStream};

/// How long output is awaited from what a child left behind when it exited.
const GRACE: Duration = Duration::from_millis(500);

/// How long a killed child may take until it is gone; longer only when it hangs in the kernel.
const REAP: Duration = Duration::from_secs(5);

const CHUNK: usize = 16 * 1024;

/// What to start.
pub(crate) struct Spec {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) dir: PathBuf,
    /// The whole environment; nothing is inherited.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Fed to the child at once. Must be smaller than a pipe (64 KiB), or writing may block.
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
    pub(crate) max_output: usize,
    /// An entry of `env`; whoever still bears it after the end is killed too.
    pub(crate) mark: Option<String>,
}

/// A child that exited by itself.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) truncated: bool,
}

/// Why there is no [`Finished`].
#[derive(Debug)]
pub(crate) enum Failure {
    Start(io::Error),
    Wait(io::Error),
    Deadline,
    Cancelled,
}

/// Run `spec` to its end.
pub(crate) async fn run(
    spec: Spec,
    output: &dyn CommandOutput,
    cancel: &CancellationToken,
) -> Result<Finished, Failure> {
    if cancel.is_cancelled() {
        return Err(Failure::Cancelled);
    }
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .current_dir(&spec.dir)
        .env_clear()
        .envs(spec.env)
        .stdin(if spec.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(Failure::Start)?;
    // Declared after the child, so dropped before it: the group is killed while its leader's number
    // is certainly still its own.
    let mut group = Group {
        id: child.id(),
        mark: spec.mark,
    };
    if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), spec.stdin) {
        // A child that exits without reading breaks the pipe; its exit status says what happened.
        let _ = pipe.write_all(&bytes).await;
    }
    let ended = follow(&mut child, spec.timeout, spec.max_output, output, cancel).await;
    group.kill();
    if ended.is_err() {
        let _ = timeout(REAP, child.wait()).await;
    }
    group.sweep().await;
    ended
}

async fn follow(
    child: &mut Child,
    limit: Duration,
    max_output: usize,
    output: &dyn CommandOutput,
    cancel: &CancellationToken,
) -> Result<Finished, Failure> {
    let mut stdout = Pipe::new(child.stdout.take(), max_output);
    let mut stderr = Pipe::new(child.stderr.take(), max_output);
    let deadline = sleep(limit);
    let grace = sleep(limit);
    tokio::pin!(deadline, grace);
    let mut status = None;
    loop {
        if let Some(status) = status
            && stdout.reader.is_none()
            && stderr.reader.is_none()
        {
            return Ok(finished(status, stdout, stderr, false));
        }
        tokio::select! {
            // In this order, so that a flood of output starves neither clock nor cancellation.
            biased;
            () = cancel.cancelled() => return Err(Failure::Cancelled),
            () = &mut deadline, if status.is_none() => return Err(Failure::Deadline),
            () = &mut grace, if status.is_some() => {
                let Some(status) = status else { continue };
                return Ok(finished(status, stdout, stderr, true));
            }
            exited = child.wait(), if status.is_none() => {
                status = Some(exited.map_err(Failure::Wait)?);
                grace.as_mut().reset(Instant::now() + GRACE);
            }
            count = stdout.read(), if stdout.reader.is_some() => {
                stdout.keep(count, OutputStream::Stdout, output);
            }
            count = stderr.read(), if stderr.reader.is_some() => {
                stderr.keep(count, OutputStream::Stderr, output);
            }
        }
    }
}

fn finished<A, B>(status: ExitStatus, stdout: Pipe<A>, stderr: Pipe<B>, cut: bool) -> Finished {
    Finished {
        status,
        truncated: cut && (stdout.flowing || stderr.flowing)
            || stdout.truncated
            || stderr.truncated,
        stdout: stdout.kept,
        stderr: stderr.kept,
    }
}

/// One stream of a child: what is kept of it, and where the next piece goes.
struct Pipe<R> {
    reader: Option<R>,
    buffer: Vec<u8>,
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
    /// Whether the last read filled the buffer, so that more was most likely waiting.
    flowing: bool,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(reader: Option<R>, limit: usize) -> Self {
        let buffer = vec![0; CHUNK];
        Self {
            reader,
            buffer,
            kept: Vec::new(),
            limit,
            truncated: false,
            flowing: false,
        }
    }

    /// Cancel safe: a read that is dropped has taken nothing.
    async fn read(&mut self) -> usize {
        match &mut self.reader {
            // A broken pipe ends the stream as its end does.
            Some(reader) => reader.read(&mut self.buffer).await.unwrap_or(0),
            None => 0,
        }
    }

    fn keep(&mut self, count: usize, stream: OutputStream, output: &dyn CommandOutput) {
        self.flowing = count == CHUNK;
        if count == 0 {
            self.reader = None;
            return;
        }
        let bytes = &self.buffer[..count];
        output.chunk(stream, bytes);
        let room = self.limit.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..count.min(room)]);
        self.truncated |= count > room;
    }
}

/// Kills what it stands for when it is dropped.
struct Group {
    id: Option<u32>,
    mark: Option<String>,
}

impl Group {
    fn kill(&mut self) {
        let id = self
            .id
            .take()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(id) = id {
            // It fails where nobody is left, which is what we want.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }

    async fn sweep(&mut self) {
        if let Some(mark) = self.mark.clone() {
            // Dropped while it waits, the guard still holds the mark and sweeps by itself.
            let _ = tokio::task::spawn_blocking(move || leftovers::end(&mark)).await;
            self.mark = None;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        if let Some(mark) = self.mark.take() {
            leftovers::end(&mark);
        }
    }
}
