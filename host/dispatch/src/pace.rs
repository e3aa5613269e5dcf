//! How much one workspace may have stored while others have something stored too: their batches share
//! writes with its own, so what it sends makes them wait.
//!
//! Invariants: a workspace that is alone is never held back by weight; one that is not has at most
//! [`HEAVIEST`] on its way, and rests after each batch that is heavier than [`LIGHT`], so that most writes
//! are as short for the others as if it were not there.

use crate::world::Worlds;
use adjutant_model::WorkspaceId;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Batches of one workspace that may be on their way: another's never waits behind more of them.
const MOST: u32 = 256;
/// What batches of one workspace may weigh (records, and their bytes by the KiB) while it is not alone.
const HEAVIEST: usize = 128;
/// What a batch may weigh without a rest after it: several times what a delegation does.
const LIGHT: usize = 64;
/// What a rest is long for: so much a millisecond, a fifth of what a common disk takes.
const WEIGHT_PER_MS: f64 = 16.0;
/// How long a workspace counts as busy after something of its was stored.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// Who had something stored lately, and who rests.
#[derive(Debug)]
pub(crate) struct Pace {
    last_sender: Option<WorkspaceId>,
    /// Until when several workspaces count as busy.
    shared_until: Instant,
    /// Those that have sent something heavy, until when.
    resting: BTreeMap<WorkspaceId, Instant>,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Pace {
        Pace {
            last_sender: None,
            shared_until: now,
            resting: BTreeMap::new(),
        }
    }

    /// Takes note of a batch that is sent, with what it weighs.
    pub(crate) fn sent(&mut self, workspace: WorkspaceId, weight: usize, now: Instant) {
        let last = self.last_sender.replace(workspace);
        if last.is_some_and(|last| last != workspace) {
            self.shared_until = now + SHARED_FOR;
        }
        if weight > LIGHT {
            let rest = Duration::from_secs_f64((weight - LIGHT) as f64 / WEIGHT_PER_MS / 1_000.0);
            self.resting.insert(workspace, now + rest);
        }
    }

    /// Whether a workspace may send one more batch before one of its own has arrived.
    pub(crate) fn may_send(&self, workspace: WorkspaceId, worlds: &Worlds, now: Instant) -> bool {
        let Some(world) = worlds.get(&workspace) else {
            return true;
        };
        if now >= self.shared_until {
            return world.in_flight < MOST;
        }
        world.in_flight_weight < HEAVIEST
            && self.resting.get(&workspace).is_none_or(|end| *end <= now)
    }

    /// How long until somebody who rests may send again, at most: nobody rests from others that are
    /// no longer there.
    pub(crate) fn rest_left(&mut self, now: Instant) -> Option<Duration> {
        self.resting.retain(|_, end| *end > now);
        let first = self.resting.values().min()?;
        Some(
            (*first)
                .min(self.shared_until)
                .saturating_duration_since(now),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;
    use adjutant_model::{State, Timestamp, Wip, Workspace};
    use adjutant_store::records;
    use uuid::Uuid;

    const MS: Duration = Duration::from_millis(1);

    fn workspace(n: u128) -> WorkspaceId {
        WorkspaceId(Uuid::from_u128(n))
    }

    /// Two workspaces with nothing on its way.
    fn worlds() -> Worlds {
        let world = |n| {
            let id = workspace(n);
            let state = State::new(Workspace {
                id,
                name: n.to_string(),
                repos: Vec::new(),
                wip: Wip::default(),
                created_at: Timestamp::default(),
            });
            (id, World::new(state, records::partition(id), 1))
        };
        [world(1), world(2)].into_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_is_never_held_back_by_weight() {
        let (mut pace, worlds, now) = (Pace::new(Instant::now()), worlds(), Instant::now());
        for _ in 0..100 {
            pace.sent(workspace(1), 10_000, now);
            assert!(pace.may_send(workspace(1), &worlds, now));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn beside_others_a_heavy_batch_is_followed_by_a_rest_and_light_ones_are_not() {
        let (mut pace, worlds, now) = (Pace::new(Instant::now()), worlds(), Instant::now());
        pace.sent(workspace(2), LIGHT, now);
        pace.sent(workspace(1), LIGHT + 160, now);
        assert!(pace.may_send(workspace(2), &worlds, now));
        assert!(!pace.may_send(workspace(1), &worlds, now));
        assert_eq!(pace.rest_left(now), Some(10 * MS));
        let later = now + 10 * MS;
        assert_eq!(pace.rest_left(later), None);
        assert!(pace.may_send(workspace(1), &worlds, later));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_rests_from_others_that_are_gone() {
        let (mut pace, worlds, now) = (Pace::new(Instant::now()), worlds(), Instant::now());
        pace.sent(workspace(2), 1, now);
        pace.sent(workspace(1), 1 << 20, now);
        assert!(!pace.may_send(workspace(1), &worlds, now));
        assert_eq!(pace.rest_left(now), Some(SHARED_FOR));
        assert!(pace.may_send(workspace(1), &worlds, now + SHARED_FOR));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_much_on_its_way_waits_beside_others_for_some_of_it_to_arrive() {
        let (mut pace, mut worlds, now) = (Pace::new(Instant::now()), worlds(), Instant::now());
        let busy = worlds.get_mut(&workspace(1)).expect("it is there");
        (busy.in_flight, busy.in_flight_weight) = (10, HEAVIEST);
        assert!(pace.may_send(workspace(1), &worlds, now), "it is alone");
        pace.sent(workspace(2), 1, now);
        pace.sent(workspace(1), 1, now);
        assert!(!pace.may_send(workspace(1), &worlds, now));
        assert!(pace.may_send(workspace(2), &worlds, now));
        let later = now + SHARED_FOR;
        assert!(pace.may_send(workspace(1), &worlds, later));
        let busy = worlds.get_mut(&workspace(1)).expect("it is there");
        busy.in_flight = MOST;
        assert!(!pace.may_send(workspace(1), &worlds, later));
    }
}
