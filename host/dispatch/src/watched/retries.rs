//! Files that could not be used for a reason that passes: when each is looked at again.
//!
//! Invariant: a file is looked at [`MOST_TRIES`] times at most before it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How often a file is looked at while it stays the same and what keeps it from being used may pass: over
/// five minutes.
pub(super) const MOST_TRIES: u32 = 11;
/// The pause after the first time. Each is twice the one before.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Files that are looked at again.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<PathBuf, Retry>);

#[derive(Debug)]
struct Retry {
    tries: u32,
    at: Instant,
    at_start: bool,
}

/// A file that is looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) path: PathBuf,
    pub(super) at: Instant,
    /// Whether it lay there when the host started.
    pub(super) at_start: bool,
}

impl Retries {
    /// Takes note of a file that could not be used. Gives back the pause before the next look; none where
    /// there have been enough.
    pub(super) fn failed(&mut self, path: &Path, at_start: bool, now: Instant) -> Option<Duration> {
        let retry = self.0.entry(path.to_owned()).or_insert(Retry {
            tries: 0,
            at: now,
            at_start,
        });
        retry.tries += 1;
        let doubled = FIRST_PAUSE.saturating_mul(1 << (retry.tries - 1).min(30));
        let pause = doubled.min(LONGEST_PAUSE);
        if retry.tries >= MOST_TRIES {
            self.0.remove(path);
            return None;
        }
        retry.at = now + pause;
        Some(pause)
    }

    /// A file that is used, is another one now, or cannot be used whatever happens.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// Whether no file is looked at again.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file that is looked at first.
    pub(super) fn next(&self) -> Option<Again> {
        let (path, retry) = self.0.iter().min_by_key(|(_, retry)| retry.at)?;
        Some(Again {
            path: path.clone(),
            at: retry.at,
            at_start: retry.at_start,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_tried_again_ever_later_and_not_for_ever() {
        let mut retries = Retries::default();
        let (file, other) = (Path::new("a.wasm"), Path::new("b.wasm"));
        let start = Instant::now();
        let mut now = start;
        let mut pauses = Vec::new();
        while let Some(pause) = retries.failed(file, true, now) {
            let next = retries.next().expect("it is tried again");
            assert_eq!((next.at, next.at_start), (now + pause, true));
            now = next.at;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(retries.next(), None, "enough");
        // When it changes it begins anew; one that is forgotten is not tried.
        assert_eq!(retries.failed(file, false, now), Some(FIRST_PAUSE));
        retries.failed(other, false, start);
        assert_eq!(retries.next().expect("the earlier").path, other);
        retries.forget(other);
        assert_eq!(retries.next().expect("the other").path, file);
        retries.forget(file);
        assert_eq!(retries.next(), None);
    }
}
