//! The thread on which groups are written.
//!
//! A thread of the runtime's pool would do, but for its priority: it has that of whoever needed one more
//! thread, and a caller may have a low one. Everybody waits for a commit.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Does one job after another on a thread of its own, which ends when this is dropped and all is done.
#[derive(Debug)]
pub(super) struct Worker(Sender<Job>);

impl Worker {
    /// Starts the thread, with the priority of the calling one.
    pub(super) fn start() -> io::Result<Worker> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("adjutant-store".to_owned())
            .spawn(move || queue.into_iter().for_each(|job| job()))?;
        Ok(Worker(jobs))
    }

    /// Does it, also where nobody waits any more. Where it panics, says with what; the thread goes on.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        let job = move || {
            let done = catch_unwind(AssertUnwindSafe(work));
            // Whoever asked may have left.
            drop(reply.send(done));
        };
        let gone = || "the thread that writes is gone".to_owned();
        self.0.send(Box::new(job)).map_err(|_| gone())?;
        let done = answer.await.map_err(|_| gone())?;
        done.map_err(|panic| said(panic.as_ref()))
    }
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a text"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::thread::current;

    #[tokio::test]
    async fn jobs_come_one_after_another_on_one_thread_and_a_panic_ends_none_but_its_own() {
        let worker = Worker::start().unwrap();
        let first = worker.run(|| current().id()).await.unwrap();
        assert_ne!(first, current().id());
        let panicked: Result<(), String> = worker.run(|| panic!("page {} is not there", 7)).await;
        assert_eq!(panicked.unwrap_err(), "panicked: page 7 is not there");
        assert_eq!(worker.run(|| current().id()).await, Ok(first));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_and_the_thread_ends_with_its_last_job() {
        let worker = Worker::start().unwrap();
        let (begin, begun) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let job = worker.run(move || {
            begun.recv().unwrap();
            tell.send(()).unwrap();
        });
        // It is handed in, and left alone.
        assert!(
            tokio::time::timeout(std::time::Duration::ZERO, job)
                .await
                .is_err()
        );
        drop(worker);
        begin.send(()).unwrap();
        told.recv().unwrap();
        assert!(told.recv().is_err(), "its sender is gone with the job");
    }
}
