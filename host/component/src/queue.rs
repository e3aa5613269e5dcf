//! Who compiles next. Compiling uses all processors, so it is one component at a time; the others wait
//! here, in the order of their coming.
//!
//! Invariants:
//! - Whoever waits is a future and holds no thread: dropped, it has left the queue.
//! - Of callers from outside only so many wait; one more is told at once.
//! - A turn lasts as long as the compiling, whoever has left meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The line before the compiler.
pub(crate) struct CompileQueue {
    /// One permit: who has it compiles.
    turn: Arc<Semaphore>,
    /// A permit for each caller from outside that waits, and one for the one that compiles.
    places: Arc<Semaphore>,
    /// How many of them may wait.
    most: usize,
    /// For brief looks at components, which compile nothing: each has a whole component in memory.
    looks: Arc<Semaphore>,
}

/// The right to compile.
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    /// None where the place in the line was not counted.
    _place: Option<OwnedSemaphorePermit>,
}

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded {
    /// How many that is.
    pub(crate) limit: usize,
}

impl CompileQueue {
    /// A queue in which so many may wait, and so many looks happen at once.
    pub(crate) fn new(most: usize, looks: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS - 1);
        Self {
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(most + 1)),
            most,
            looks: Arc::new(Semaphore::new(looks.max(1))),
        }
    }

    /// Waits for the turn of a caller from outside.
    pub(crate) async fn enter(&self) -> Result<Turn, Crowded> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Crowded { limit: self.most })?;
        Ok(Turn {
            _place: Some(place),
            ..self.wait().await
        })
    }

    /// Waits for a turn however many wait already: for what is bounded otherwise.
    pub(crate) async fn wait(&self) -> Turn {
        Turn {
            _turn: permit(&self.turn).await,
            _place: None,
        }
    }

    /// The same, for code that is not asynchronous.
    pub(crate) fn wait_blocking(&self) -> Turn {
        block_on(self.wait())
    }

    /// Waits until one more may look at a component.
    pub(crate) async fn look(&self) -> OwnedSemaphorePermit {
        permit(&self.looks).await
    }
}

async fn permit(of: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = of.clone().acquire_owned().await;
    permit.expect("these semaphores are never closed")
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            // It may wake for nothing, which costs one more look.
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, EngineOptions, LoadError};

    fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn past_the_bound_a_caller_is_told_and_who_leaves_makes_room() {
        let queue = CompileQueue::new(1, 1);
        let turn = poll(&mut Box::pin(queue.enter())).expect("nobody is there");
        let turn = turn.expect("nobody is there");
        let mut second = Box::pin(queue.enter());
        assert!(poll(&mut second).is_none(), "it waits");
        let third = poll(&mut Box::pin(queue.enter())).expect("it is told at once");
        assert_eq!(third.err(), Some(Crowded { limit: 1 }));
        drop(second);
        let mut fourth = Box::pin(queue.enter());
        assert!(poll(&mut fourth).is_none(), "the second has left");
        let mut uncounted = Box::pin(queue.wait());
        assert!(poll(&mut uncounted).is_none(), "it stands behind");
        drop(turn);
        let turn = poll(&mut fourth).expect("its turn").expect("its turn");
        assert!(poll(&mut uncounted).is_none());
        drop(turn);
        drop(poll(&mut uncounted).expect("its turn"));
        drop(queue.wait_blocking());
    }

    #[test]
    fn a_queue_for_nobody_lets_one_compile() {
        let queue = CompileQueue::new(0, 1);
        let turn = poll(&mut Box::pin(queue.enter())).expect("at once");
        assert!(turn.is_ok());
        let next = poll(&mut Box::pin(queue.enter())).expect("at once");
        assert_eq!(next.err(), Some(Crowded { limit: 0 }));
    }

    /// A component that exports nothing of the contract's: it is refused, but only where it is its turn.
    fn component(number: u8) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        // A custom section: its id, its size, the length of its name, its name, what it holds.
        bytes.extend([0, 3, 1, b'a', number]);
        bytes
    }

    #[tokio::test]
    async fn uploads_whose_caller_left_hold_no_thread_and_no_place() {
        let engine = Engine::new(&EngineOptions {
            pooling: false,
            compile_queue: 1,
            ..EngineOptions::default()
        });
        let engine = engine.expect("an engine");
        let turn = engine.compile_queue().wait().await;
        for number in 0..20 {
            let mut left = Box::pin(engine.load_async(component(number), None));
            // Until it has been looked at and stands in the line.
            while engine.compile_queue().places.available_permits() == 2 {
                tokio::select! {
                    biased;
                    early = &mut left => panic!("{:?}", early.err()),
                    () = tokio::task::yield_now() => {}
                }
            }
            if number == 0 {
                let second = engine.load_async(component(99), None);
                let mut second = Box::pin(second);
                while engine.compile_queue().places.available_permits() == 1 {
                    tokio::select! {
                        biased;
                        early = &mut second => panic!("{:?}", early.err()),
                        () = tokio::task::yield_now() => {}
                    }
                }
                let told = engine.load_async(component(98), None).await;
                let told = told.expect_err("no place is left");
                assert!(matches!(told, LoadError::Crowded { limit: 1 }), "{told}");
                assert!(told.to_string().contains("`compile_queue`"), "{told}");
            }
        }
        // All have left, and the next one is looked at when it is its turn.
        let places = engine.compile_queue().places.available_permits();
        assert_eq!(places, 2);
        let mut last = Box::pin(engine.load_async(component(50), None));
        assert!(poll(&mut last).is_none());
        drop(turn);
        let refused = last.await.expect_err("it exports nothing");
        assert!(matches!(refused, LoadError::NoWorld { .. }), "{refused}");
    }
}
