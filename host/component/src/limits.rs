//! What a run may use: memory, tables, handles, output and time on a processor.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::guests::thread_time;

/// Elements of a table in the engine's pool.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

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

/// How long a run has kept a processor busy.
///
/// A span begins when the run's future is polled or the guest was last looked at, and ends when it
/// is looked at again (each tick) or the poll is over. Waiting in a host call happens between polls
/// and so never counts, and neither does time in which the thread had no processor.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Where the span began, in nanoseconds of the polling thread's time.
    mark: AtomicU64,
    used: GuestTime,
    limit: u64,
}

impl Meter {
    pub(crate) fn new(limit: Duration, used: GuestTime) -> Arc<Self> {
        Arc::new(Self {
            mark: AtomicU64::new(0),
            used,
            limit: nanos(limit),
        })
    }

    fn begin(&self, at: Duration) {
        self.mark.store(nanos(at), Ordering::Relaxed);
    }

    /// Ends a span, begins the next, and says whether the limit is passed. To be called within the poll
    /// in which the span began, with that thread's time.
    pub(crate) fn charge(&self, at: Duration) -> bool {
        let now = nanos(at);
        let span = now.saturating_sub(self.mark.swap(now, Ordering::Relaxed));
        self.used.0.fetch_add(span, Ordering::Relaxed) + span > self.limit
    }

    /// Runs a future that runs guest code, and counts the time that its polls take.
    pub(crate) async fn measure<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            self.begin(thread_time());
            let polled = future.as_mut().poll(cx);
            self.charge(thread_time());
            polled
        })
        .await
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
    fn time_between_polls_does_not_count() {
        let used = GuestTime::default();
        let meter = Meter::new(Duration::from_millis(25), used.clone());
        let at = Duration::from_millis;
        meter.begin(at(5_000));
        assert!(!meter.charge(at(5_006)), "6 ms used");
        // Another thread, with a time of its own.
        meter.begin(at(60));
        assert!(!meter.charge(at(69)), "15 ms used");
        assert!(!meter.charge(at(79)), "25 ms used");
        assert!(meter.charge(at(80)), "26 ms used");
        assert_eq!(used.used(), Duration::from_millis(26));
    }
}
