//! The real clock.

use adjutant_model::Timestamp;
use adjutant_run::Clock;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The system's clock, and ids of UUID version 7.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
