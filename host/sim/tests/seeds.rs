//! Simulated worlds, each from a seed of its own. `cargo run -p adjutant-sim -- --seeds N` lets more of
//! them live.

use adjutant_sim::{Counts, World, sweep};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lets many worlds live, on as many threads as there are processors: each world has one.
fn live(seeds: std::ops::Range<u64>) -> Counts {
    let counts = Mutex::new(Counts::default());
    let failures = Mutex::new(Vec::new());
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match World::new(seed).live() {
                        Ok(lived) => counts.lock().expect("no panic here").add(&lived.counts),
                        Err(failed) => failures.lock().expect("no panic here").push(failed),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic here");
    let first = failures.iter().min_by_key(|failed| failed.seed);
    if let Some(first) = first {
        panic!(
            "{} of the seeds {seeds:?} fail; the first of them:\n{first}",
            failures.len()
        );
    }
    counts.into_inner().expect("no panic here")
}

#[test]
fn two_hundred_worlds_keep_every_promise() {
    let counts = live(0..200);
    println!("{counts:#?}");
    assert_eq!(counts.seeds, 200);
    // All that a world is for has happened, and often.
    assert!(
        counts.crash_kinds.iter().all(|kind| *kind >= 20),
        "{counts:?}"
    );
    assert!(
        counts.failures > 100 && counts.replayed > 1_000,
        "{counts:?}"
    );
    assert!(counts.effects > 100 && counts.diverged > 10, "{counts:?}");
    assert!(counts.refused > 100 && counts.looks > 10_000, "{counts:?}");
}

#[test]
fn the_same_seed_is_the_same_world_to_the_last_byte() {
    let mut digests = Vec::new();
    for seed in 1_000..1_006 {
        let first = World::new(seed).live().expect("it holds");
        let again = World::new(seed).live().expect("it holds");
        assert_eq!(first.digest, again.digest, "seed {seed}");
        assert_eq!(first.counts.events, again.counts.events, "seed {seed}");
        digests.push(first.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 6, "another seed is another world");
}

#[test]
fn a_crash_at_each_of_the_first_commits_loses_nothing() {
    let counts = sweep(7, 8, false).expect("it holds");
    assert_eq!(counts.seeds, 24);
    assert_eq!(counts.crashes, 24);
}
