//! A world from its beginning to its rest: one life of the machine after the other.

use crate::dice::Dice;
use crate::engine::Crash;
use crate::life::{Ends, Life, Rest};
use crate::outside::{Counts, Outside};
use crate::people::Plan;
use crate::worktrees::SimWorktrees;
use adjutant_run::Clock as _;
use adjutant_store::testing::SimDisk;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Calls of the disk between two crashes of a sweep.
const CALLS_APART: u64 = 7;

/// One world, made of a seed.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// What decides everything.
    pub seed: u64,
    /// Whether its story is printed as it goes on.
    pub trace: bool,
    /// The one crash that it has, where it is not to have those of its seed: see [`sweep`].
    only: Option<Crash>,
}

/// What became of a world.
#[derive(Clone, Debug)]
pub struct Lived {
    /// Of everything that it has stored.
    pub digest: [u8; 32],
    /// What happened in it.
    pub counts: Counts,
}

/// An invariant does not hold.
#[derive(Clone, Debug, thiserror::Error)]
#[error("seed {seed}{}: {}\n  see it with: cargo run -p adjutant-sim -- --seed {seed} {}--trace", about(*.only), .violations.join("\n  "), again(*.only))]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    only: Option<Crash>,
    /// What was violated, as sentences.
    pub violations: Vec<String>,
}

fn about(only: Option<Crash>) -> String {
    only.map_or_else(String::new, |crash| format!(" with the crash {crash:?}"))
}

/// What has to be said to see a world of a sweep again: it is the last one that is shown.
fn again(only: Option<Crash>) -> String {
    let nth = match only {
        None | Some(Crash::Never) => return String::new(),
        Some(Crash::Before(nth) | Crash::After(nth)) => nth,
        Some(Crash::AtCall(nth)) => nth / CALLS_APART,
    };
    format!("--sweep {nth} ")
}

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64) -> World {
        World {
            seed,
            trace: false,
            only: None,
        }
    }

    /// Lets it live until it is at rest.
    ///
    /// # Errors
    /// Where an invariant does not hold, with all that was violated.
    pub fn live(self) -> Result<Lived, Failed> {
        let outside = Outside::new(self.trace);
        listen();
        let lived = catch_unwind(AssertUnwindSafe(|| self.lives(&outside)));
        let digest = lived.ok().flatten();
        let mut violations = outside.violations();
        violations.extend(heard().into_iter().map(|panic| format!("a panic: {panic}")));
        if digest.is_none() && violations.is_empty() {
            violations.push("it has ended before it came to rest".to_owned());
        }
        let mut counts = outside.lock().counts;
        counts.seeds = 1;
        match digest {
            Some(digest) if violations.is_empty() => Ok(Lived { digest, counts }),
            _ => Err(Failed {
                seed: self.seed,
                only: self.only,
                violations,
            }),
        }
    }

    fn lives(self, outside: &Outside) -> Option<[u8; 32]> {
        let mut dice = Dice::new(self.seed);
        let disk = SimDisk::default();
        let worktrees = SimWorktrees::new(dice.fork(), outside.clone());
        let plans = (0..dice.between(1, 3))
            .map(|n| Plan::new(format!("w{n}"), &mut dice))
            .collect::<Vec<_>>();
        let crashes = if self.only.is_some() { 1 } else { dice.roll(5) };
        for life in 0..=crashes {
            let last = life == crashes;
            let ends = match self.only {
                _ if last => Ends::AtRest,
                Some(crash) => Ends::AtDisk(crash),
                None => ending(&mut dice),
            };
            let life = Life {
                outside: outside.clone(),
                disk: disk.clone(),
                worktrees: worktrees.clone(),
                plans: plans.clone(),
                seed: self.seed,
                dice: dice.fork(),
                ends,
                people: dice.between(3, 15),
                meddles: [0, 30, 100][dice.roll(3) as usize],
                trouble: !matches!(ends, Ends::AtDisk(_)) && dice.chance(40),
            };
            let rest = run(life, outside);
            if !outside.violations().is_empty() || panicked() {
                return None;
            }
            if let Some(rest) = rest {
                return self.again(rest, disk, worktrees, plans, dice, outside);
            }
            // Killed, or without power: then what was not synced may be lost.
            let counted = match ends {
                Ends::AtDisk(Crash::Before(_)) => Some(0),
                Ends::AtDisk(Crash::After(_)) => Some(1),
                Ends::AtDisk(Crash::AtCall(_)) => Some(2),
                Ends::At(_) => Some(3),
                Ends::AtDisk(Crash::Never) | Ends::Stopped(_) | Ends::AtRest | Ends::Again => None,
            };
            if let Some(kind) = counted {
                let mut memory = outside.lock();
                memory.counts.crashes += 1;
                memory.counts.crash_kinds[kind] += 1;
            }
            if ends != Ends::AtRest && dice.chance(60) {
                disk.lose_power(dice.next());
            }
            disk.mend();
        }
        None
    }
}

impl World {
    /// A world at rest that is woken for nothing: nothing happens.
    fn again(
        self,
        rest: Rest,
        disk: SimDisk,
        worktrees: SimWorktrees,
        plans: Vec<Plan>,
        mut dice: Dice,
        outside: &Outside,
    ) -> Option<[u8; 32]> {
        let life = Life {
            outside: outside.clone(),
            disk,
            worktrees,
            plans,
            seed: self.seed,
            dice: dice.fork(),
            ends: Ends::Again,
            people: 0,
            meddles: 0,
            trouble: false,
        };
        outside.audited();
        let again = run(life, outside)?;
        if again.digest != rest.digest {
            outside.violated("a start of a host that was at rest has changed what is stored");
        }
        Some(rest.digest)
    }
}

fn ending(dice: &mut Dice) -> Ends {
    match dice.roll(8) {
        0 | 1 => Ends::AtDisk(Crash::Before(dice.between(1, 60))),
        2 | 3 => Ends::AtDisk(Crash::After(dice.between(1, 60))),
        4 | 5 => Ends::AtDisk(Crash::AtCall(dice.between(1, 900))),
        6 => Ends::At(dice.roll(60_000)),
        _ => Ends::Stopped(dice.roll(60_000)),
    }
}

/// One life on a machine of its own.
fn run(life: Life, outside: &Outside) -> Option<Rest> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs only memory");
    let crash = outside.crash.clone();
    let disk = life.disk.clone();
    let mut dice = life.dice.clone();
    // A crash at the disk may never come, where little happens.
    let patience = std::time::Duration::from_secs(600);
    let waits = matches!(life.ends, Ends::AtDisk(_));
    let (rest, now) = runtime.block_on(async {
        // The machine before may have crashed twice over.
        tokio::select! {
            biased;
            () = crash.notified() => {}
            () = std::future::ready(()) => {}
        }
        let rest = tokio::select! {
            biased;
            () = crash.notified() => None,
            rest = life.live() => rest,
            () = tokio::time::sleep(patience), if waits => None,
        };
        (rest, outside.now())
    });
    if rest.is_none() {
        // Whatever still runs finds the disk dead.
        disk.fail_at(adjutant_store::testing::Call::Any, 1, true);
    }
    outside.switched_off(now, dice.roll(100_000));
    drop(runtime);
    rest
}

/// Lets a world crash at every boundary of its first commits, one world for each: before the sync,
/// after it, and at every few calls of the disk. Gives back what all of them counted.
///
/// # Errors
/// At the first that fails.
pub fn sweep(seed: u64, commits: u64, trace: bool) -> Result<Counts, Failed> {
    let mut counts = Counts::default();
    for nth in 1..=commits {
        let call = Crash::AtCall(nth * CALLS_APART);
        for crash in [Crash::Before(nth), Crash::After(nth), call] {
            let world = World {
                seed,
                trace,
                only: Some(crash),
            };
            counts.add(&world.live()?.counts);
        }
    }
    Ok(counts)
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Takes note of panics in this thread, wherever they are caught.
fn listen() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.to_string();
            PANICS.with_borrow_mut(|panics| panics.push(text));
            before(info);
        }));
    });
    PANICS.with_borrow_mut(Vec::clear);
}

fn panicked() -> bool {
    PANICS.with_borrow(|panics| !panics.is_empty())
}

fn heard() -> Vec<String> {
    PANICS.with_borrow_mut(std::mem::take)
}
