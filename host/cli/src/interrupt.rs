//! Ctrl-C, and the polite signal to end: the first one asks, the second one does not wait.

use crate::exit::{Code, Error, Result};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Lets a file that would become larger than the process may make one be an error like a full disk, and
/// not the end of the process, as it would be by default.
pub(crate) fn keep_large_files_from_ending_it() -> Result<()> {
    let too_large = SignalKind::from_raw(Signal::XFSZ.as_raw());
    // To have listened once is enough: what is delivered later goes nowhere.
    signal(too_large)
        .map(drop)
        .map_err(|error| Error::Failed(format!("signals cannot be received: {error}")))
}

/// Listens for signals as long as the process lives.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    came: watch::Receiver<bool>,
}

impl Interrupts {
    /// Starts to listen. From here on the first signal does nothing by itself, and the second one ends
    /// the process at once.
    pub(crate) fn listen() -> Result<Interrupts> {
        let failed = |error| Error::Failed(format!("signals cannot be received: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let (came, receiver) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = interrupt.recv() => {}
                    Some(()) = terminate.recv() => {}
                    else => return,
                }
                if came.send_replace(true) {
                    std::process::exit(Code::Interrupted as i32);
                }
            }
        });
        Ok(Interrupts { came: receiver })
    }

    /// Waits for the first signal; at once where it came already.
    pub(crate) async fn first(&self) {
        let mut came = self.came.clone();
        if came.wait_for(|came| *came).await.is_err() {
            // Nobody listens any more, so no signal will come.
            std::future::pending::<()>().await;
        }
    }

    /// The future's result, or an error where a signal comes first.
    pub(crate) async fn or<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            result = future => result,
            () = self.first() => Err(Error::Interrupted),
        }
    }
}
