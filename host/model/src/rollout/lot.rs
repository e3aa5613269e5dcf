//! What decides whether a use of a plugin takes the version that is tried.
//!
//! Invariant: the same lot is in the same shares for ever, and one that is in a share is in each greater
//! one.

use crate::RunId;
use uuid::Uuid;

/// What a run, or one choice of a selector, draws: it decides whether that takes a canary. Drawn again it
/// is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot(Option<u64>);

impl Lot {
    /// One that takes the active version, whatever is tried.
    pub const ACTIVE: Lot = Lot(None);

    /// A run's.
    pub fn of_run(run: RunId) -> Lot {
        Lot(Some(mixed(folded(run.0))))
    }

    /// That of one choice among those that a run, or a ticket, asks for: its number among them.
    pub fn of_choice(asker: Uuid, number: u64) -> Lot {
        // The step of SplitMix64: neighbours share nothing.
        let step = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Lot(Some(mixed(folded(asker).wrapping_add(step))))
    }

    /// Whether it is in a share of so many percent.
    pub(super) fn is_in(self, percent: u8) -> bool {
        self.0.is_some_and(|drawn| drawn % 100 < u64::from(percent))
    }
}

/// Ids begin with the time, so all their bits count.
fn folded(id: Uuid) -> u64 {
    let bits = id.as_u128();
    (bits as u64) ^ ((bits >> 64) as u64).rotate_left(32)
}

/// The finalizer of SplitMix64: each bit changes half of the result's.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
