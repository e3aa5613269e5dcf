//! The clock that a guest sees: time passes only when the host says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::HostWallClock;

/// How far the clock moves at each reading, so that a guest that waits for time to pass by reading
/// the clock again and again gets on, and two readings are never equal.
const STEP: u64 = 1_000;

/// A run's clock, in Unix nanoseconds. It stands still until the host sets it (to the time of each
/// journal entry) and moves one microsecond at each reading. It never goes back. WASI's wall clock
/// and its monotonic clock (nanoseconds since the run's start) both read it.
#[derive(Debug)]
pub struct GuestClock {
    start: u64,
    now: AtomicU64,
}

impl GuestClock {
    /// A clock that shows `unix_nanos`, the run's start.
    pub fn new(unix_nanos: u64) -> Self {
        Self {
            start: unix_nanos,
            now: AtomicU64::new(unix_nanos),
        }
    }

    /// Moves the clock on to `unix_nanos`. An earlier time than it shows changes nothing.
    pub fn set(&self, unix_nanos: u64) {
        self.now.fetch_max(unix_nanos, Ordering::Relaxed);
    }

    /// Reads the clock as a guest does, in Unix nanoseconds.
    pub fn now(&self) -> u64 {
        self.now
            .fetch_add(STEP, Ordering::Relaxed)
            .saturating_add(STEP)
    }

    /// Reads the clock as nanoseconds since the run's start.
    pub fn since_start(&self) -> u64 {
        self.now().saturating_sub(self.start)
    }
}

/// The smallest difference between two readings.
pub(crate) const RESOLUTION: u64 = STEP;

/// WASI's wall clock over a [`GuestClock`].
pub(crate) struct Wall(pub(crate) std::sync::Arc<GuestClock>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(RESOLUTION)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_by_reading_and_by_setting_and_never_back() {
        let clock = GuestClock::new(1_000_000);
        assert_eq!(clock.now(), 1_001_000);
        assert_eq!(clock.since_start(), 2_000);
        clock.set(5_000_000);
        assert_eq!(clock.now(), 5_001_000);
        clock.set(2);
        assert_eq!(clock.now(), 5_002_000);
        assert_eq!(clock.since_start(), 4_003_000);
    }
}
