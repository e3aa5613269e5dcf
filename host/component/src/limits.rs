//! What a run may use: memory, tables, handles, output and time on a processor.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::permits::{Owner, Permit, Permits};

/// Elements of a table in the engine's pool.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// Time on a processor after which a run counts as one that computes for long.
const LONG: Duration = Duration::from_millis(30);
/// What a span counts for at most.
const SPAN: Duration = Duration::from_millis(10);

/// The limits of one run. The defaults fit every guest language that Adjutant is tested with.
#[derive(Clone, Debug)]
pub struct GuestLimits {
    /// How long the guest may keep a thread busy, waiting in host calls not counted. 10 s.
    pub guest_time: Duration,
    /// Bytes of all memories together. 256 MiB. One memory never gets more than the engine's
    /// `max_memory`.
    pub memory: usize,
    /// Elements of all tables together. 100,000, which is also the most that one table can have.
    pub table_elements: usize,
    /// WASI handles (streams, pollables) that are open at a time. 1,000.
    pub resources: usize,
    /// Bytes that may be printed; what comes after is dropped with one notice. 1 MiB.
    pub output: u64,
    /// Bytes that one host call, or the guest's answer, may hand to the host. 32 MiB.
    pub hostcall: usize,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            guest_time: Duration::from_secs(10),
            memory: 256 << 20,
            table_elements: TABLE_ELEMENTS,
            resources: 1_000,
            output: 1 << 20,
            hostcall: 32 << 20,
        }
    }
}

/// A growth that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Of a memory.
    Memory,
    /// Of a table.
    Table,
}

/// wasmtime asks this before any memory or table grows. It adds up over the whole store.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    table_limit: usize,
    memory: usize,
    table: usize,
    pub(crate) refused: Option<Refused>,
}

impl Limiter {
    pub(crate) fn new(limits: &GuestLimits) -> Self {
        Self {
            memory_limit: limits.memory,
            table_limit: limits.table_elements,
            memory: 0,
            table: 0,
            refused: None,
        }
    }
}

impl Limiter {
    /// Bytes of all memories so far.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.memory_limit {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // Past the memory's own maximum or past the size of the pool's slots.
        self.refused.get_or_insert(Refused::Memory);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table.saturating_sub(current).saturating_add(desired);
        if total > self.table_limit {
            self.refused = Some(Refused::Table);
            return Ok(false);
        }
        self.table = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused.get_or_insert(Refused::Table);
        Ok(())
    }
}

/// How long a guest has computed so far. Whoever makes a call keeps a clone, and can look meanwhile.
#[derive(Clone, Debug, Default)]
pub struct GuestTime(Arc<AtomicU64>);

impl GuestTime {
    /// Time on a processor since the call began, waiting in host calls not counted.
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// How long a run has kept a thread busy.
///
/// A span begins when the run's future is polled or the guest was last looked at, and ends when it
/// is looked at again (each tick) or the poll is over. Waiting in a host call happens between polls
/// and so never counts. A span counts for 10 ms at most: on a machine with too much to do the
/// thread may have stood still for longer, which is not the guest's fault.
///
/// A run that has computed for [`LONG`] shares fewer processors than there are with all others like
/// it, a tick at a time, so that runs which ask and wait find one free however many spin. A call within
/// another's poll has that one's turn.
#[derive(Debug)]
pub(crate) struct Meter {
    base: Instant,
    mark: AtomicU64,
    used: GuestTime,
    limit: u64,
    turns: Turns,
}

/// Where runs that compute for long wait for their turn.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    pub(crate) permits: Permits,
    pub(crate) owner: Owner,
}

impl Meter {
    pub(crate) fn new(limit: Duration, turns: Turns, used: GuestTime) -> Arc<Self> {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Arc::new(Self {
            base: Instant::now(),
            mark: AtomicU64::new(0),
            used,
            limit,
            turns,
        })
    }

    fn begin(&self, at: Instant) {
        self.mark.store(self.nanos(at), Ordering::Relaxed);
    }

    /// Ends a span, begins the next, and says whether the limit is passed.
    pub(crate) fn charge(&self, at: Instant) -> bool {
        let now = self.nanos(at);
        let span = now.saturating_sub(self.mark.swap(now, Ordering::Relaxed));
        let span = span.min(SPAN.as_nanos() as u64);
        self.used.0.fetch_add(span, Ordering::Relaxed) + span > self.limit
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Runs a future that runs guest code, and counts the time that its polls take.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> F::Output {
        let mut future = Box::pin(future);
        let mut turn: Option<Pin<Box<dyn Future<Output = Permit> + Send>>> = None;
        std::future::poll_fn(move |cx| {
            let within = Within::begin();
            // Held for this one poll. A call within another's poll, a selector's that a run asks, is
            // part of that one, whose time it counts for too: were it to wait for a turn of its own, it
            // could be given the turn that its caller needs to go on.
            let _turn = if self.is_long() && !within.another {
                let waiting = turn.get_or_insert_with(|| {
                    let Turns { permits, owner } = self.turns.clone();
                    Box::pin(async move { permits.acquire(owner, 1).await })
                });
                let permit = std::task::ready!(waiting.as_mut().poll(cx));
                turn = None;
                Some(permit)
            } else {
                None
            };
            self.begin(Instant::now());
            let polled = future.as_mut().poll(cx);
            self.charge(Instant::now());
            polled
        })
        .await
    }

    fn is_long(&self) -> bool {
        self.used.used() > LONG
    }
}

thread_local! {
    /// Whether a guest is being polled on this thread.
    static POLLING: Cell<bool> = const { Cell::new(false) };
}

/// One poll of a guest, until it is dropped.
struct Within {
    /// Whether it is within the poll of another.
    another: bool,
}

impl Within {
    // Not inlined: guests run on stacks that move from thread to thread between polls, and a thread's
    // variable must not be looked up once for several polls.
    #[inline(never)]
    fn begin() -> Within {
        Within {
            another: POLLING.replace(true),
        }
    }
}

impl Drop for Within {
    #[inline(never)]
    fn drop(&mut self) {
        POLLING.set(self.another);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_added_up_and_a_refusal_is_remembered() {
        let mut limiter = Limiter::new(&GuestLimits {
            memory: 100,
            ..GuestLimits::default()
        });
        assert!(limiter.memory_growing(0, 60, None).expect("never traps"));
        assert!(limiter.memory_growing(0, 30, None).expect("never traps"));
        assert!(limiter.refused.is_none());
        assert!(!limiter.memory_growing(30, 41, None).expect("never traps"));
        assert_eq!(limiter.refused, Some(Refused::Memory));
        assert!(limiter.memory_growing(30, 40, None).expect("never traps"));
    }

    #[test]
    fn time_between_polls_does_not_count_and_a_span_counts_for_so_much_at_most() {
        let used = GuestTime::default();
        let turns = turns(&Permits::new(1));
        let meter = Meter::new(Duration::from_millis(25), turns, used.clone());
        let at = |ms| meter.base + Duration::from_millis(ms);
        meter.begin(at(5_000));
        assert!(!meter.charge(at(5_006)), "6 ms used");
        meter.begin(at(60_000));
        assert!(!meter.charge(at(60_009)), "15 ms used");
        assert!(
            !meter.charge(at(61_000)),
            "25 ms used: the long span counts for 10 ms"
        );
        assert!(meter.charge(at(61_001)), "26 ms used");
        assert_eq!(used.used(), Duration::from_millis(26));
    }

    fn turns(permits: &Permits) -> Turns {
        Turns {
            permits: permits.clone(),
            owner: 0,
        }
    }

    /// A run that delegates asks its selector within its own poll.
    #[test]
    fn a_call_within_a_call_needs_no_turn_of_its_own() {
        use std::task::{Context, Poll, Waker};
        let permits = Permits::new(1);
        let long = || {
            let meter = Meter::new(
                Duration::from_secs(1),
                turns(&permits),
                GuestTime::default(),
            );
            for tick in 1..=4 {
                meter.charge(meter.base + SPAN * tick);
            }
            meter
        };
        let (outer, inner) = (long(), long());
        let mut ticks = 5;
        let computing = std::future::poll_fn(|_| {
            ticks -= 1;
            if ticks == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let mut call = Box::pin(outer.measure(async { inner.measure(computing).await }));
        let cx = &mut Context::from_waker(Waker::noop());
        let polls = (1..=5).find(|_| call.as_mut().poll(cx).is_ready());
        assert_eq!(polls, Some(5), "the two wait for each other's turn");
        drop(call);
        assert_eq!((permits.available_permits(), permits.waiting()), (1, 0));
    }

    #[test]
    fn who_computes_for_long_waits_for_a_turn_and_who_does_not_never_waits() {
        use std::task::{Context, Poll, Waker};
        let permits = Permits::new(1);
        let polls = std::cell::Cell::new(0);
        let guest = || {
            std::future::poll_fn(|_| {
                polls.set(polls.get() + 1);
                Poll::<()>::Pending
            })
        };
        let (brief, long) = (
            Meter::new(
                Duration::from_secs(1),
                turns(&permits),
                GuestTime::default(),
            ),
            Meter::new(
                Duration::from_secs(1),
                turns(&permits),
                GuestTime::default(),
            ),
        );
        for tick in 1..=4 {
            long.charge(long.base + SPAN * tick);
        }
        let (mut brief, mut long) = (
            Box::pin(brief.measure(guest())),
            Box::pin(long.measure(guest())),
        );
        let cx = &mut Context::from_waker(Waker::noop());
        // Somebody else has the only turn.
        let Poll::Ready(taken) = Box::pin(permits.acquire(0, 1)).as_mut().poll(cx) else {
            panic!("it is free")
        };
        assert!(long.as_mut().poll(cx).is_pending());
        assert_eq!(polls.get(), 0, "it is not its turn");
        assert!(brief.as_mut().poll(cx).is_pending());
        assert_eq!(polls.get(), 1, "it need not wait");
        drop(taken);
        assert!(long.as_mut().poll(cx).is_pending());
        assert_eq!(polls.get(), 2);
        assert_eq!(permits.available_permits(), 1, "a turn is one poll");
        // Gone while it waits: the turn goes to nobody.
        let Poll::Ready(taken) = Box::pin(permits.acquire(0, 1)).as_mut().poll(cx) else {
            panic!("it is free")
        };
        assert!(long.as_mut().poll(cx).is_pending());
        drop(long);
        drop(taken);
        assert_eq!((permits.available_permits(), permits.waiting()), (1, 0));
    }
}
