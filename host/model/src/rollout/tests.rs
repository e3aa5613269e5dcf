use super::*;
use crate::{Limits, RunId, World};
use uuid::Uuid;

const AT: Moment<'static> = Moment {
    now: 7,
    reason: "",
    keep: 50,
};

/// A rollout with versions that became active in this order.
fn rollout(versions: &[&str]) -> Rollout {
    let mut rollout = Rollout::new("p");
    for (n, version) in versions.iter().enumerate() {
        let at = Moment {
            now: n as u64,
            ..AT
        };
        assert_eq!(rollout.activate(version, at), Ok(true));
    }
    rollout
}

fn changes(rollout: &Rollout) -> Vec<(&str, &str)> {
    let turns = rollout.history.iter();
    turns
        .map(|turn| (turn.change.as_str(), turn.version.as_str()))
        .collect()
}

#[test]
fn rolling_back_goes_to_the_version_before_and_never_to_one_that_was_left() {
    let mut rollout = rollout(&["1", "2", "3"]);
    assert_eq!(rollout.roll_back(AT).as_deref(), Ok("3"));
    assert_eq!(rollout.active.as_deref(), Some("2"));
    assert_eq!(rollout.roll_back(AT).as_deref(), Ok("2"));
    assert_eq!(rollout.active.as_deref(), Some("1"));
    let refusal = rollout.roll_back(AT).expect_err("there is none before");
    assert!(
        refusal.to_string().contains("was active before 1"),
        "{refusal}"
    );
    // What was left can be made active, and then 1 is the one before.
    assert_eq!(rollout.activate("3", AT), Ok(true));
    assert_eq!(rollout.take_back(AT).as_deref(), Ok("3"));
    assert_eq!(
        changes(&rollout)[3..],
        [
            ("rolled_back", "2"),
            ("rolled_back", "1"),
            ("activated", "3"),
            ("taken_back", "1")
        ]
    );
    assert_eq!(rollout.activate("1", AT), Ok(false), "it is active");
}

#[test]
fn a_pin_holds_against_everything_but_unpinning() {
    let mut rollout = rollout(&["1", "2"]);
    assert_eq!(rollout.try_out("3", 10, AT), Ok(true));
    assert_eq!(rollout.pin(AT), Ok(true));
    assert_eq!(rollout.pin(AT), Ok(false));
    assert_eq!(rollout.canary, None);
    for refused in [
        rollout.activate("3", AT).map(drop),
        rollout.roll_back(AT).map(drop),
        rollout.take_back(AT).map(drop),
        rollout.try_out("3", 10, AT).map(drop),
        rollout.drain("2", AT).map(drop),
    ] {
        let refusal = refused.expect_err("it is pinned").to_string();
        assert!(refusal.contains("pinned to 2; unpin it first"), "{refusal}");
    }
    assert_eq!(rollout.drain("1", AT), Ok(true), "another may be drained");
    assert!(rollout.unpin(AT));
    assert!(!rollout.unpin(AT));
    assert_eq!(rollout.activate("3", AT), Ok(true));
    assert!(
        Rollout::new("p").pin(AT).is_err(),
        "there is nothing to pin"
    );
}

#[test]
fn draining_the_active_version_brings_back_the_one_before_or_leaves_none() {
    let mut rollout = rollout(&["1", "2"]);
    assert_eq!(rollout.drain("2", AT), Ok(true));
    assert_eq!(rollout.active.as_deref(), Some("1"));
    assert_eq!(rollout.drain("2", AT), Ok(false));
    assert!(rollout.drained("2", AT));
    assert!(!rollout.drained("2", AT), "it is known");
    assert_eq!(rollout.drain("1", AT), Ok(true));
    assert_eq!(rollout.active, None);
    assert_eq!(rollout.version_for(Lot::ACTIVE), None);
    // Making one active lifts its drain.
    assert_eq!(rollout.activate("2", AT), Ok(true));
    assert!(!rollout.drains("2") && rollout.drains("1"));
}

#[test]
fn a_version_that_goes_away_leaves_no_trace_but_in_the_history() {
    let mut rollout = rollout(&["1", "2", "3"]);
    rollout.removed("2", AT);
    assert_eq!(rollout.former, ["1"]);
    assert_eq!(rollout.pin(AT), Ok(true));
    rollout.removed("3", AT);
    assert_eq!(
        (rollout.active.as_deref(), rollout.pinned),
        (Some("1"), None)
    );
    assert_eq!(rollout.try_out("4", 50, AT), Ok(true));
    rollout.removed("4", AT);
    assert_eq!(rollout.canary, None);
    rollout.removed("1", AT);
    assert_eq!(rollout.active, None);
}

#[test]
fn a_first_version_is_told_to_be_installed_wholly_and_another_to_be_activated() {
    let mut first = Rollout::new("p");
    let refusal = first.try_out("1", 50, AT).expect_err("there is no other");
    assert!(
        refusal
            .to_string()
            .ends_with("; install it without --canary"),
        "{refusal}"
    );
    first.added("1", AT);
    let refusal = first.try_out("1", 50, AT).expect_err("none is active");
    assert!(
        refusal
            .to_string()
            .contains("; activate it instead, or install it without --canary"),
        "{refusal}"
    );
}

#[test]
fn a_canary_has_its_share_of_runs_and_each_run_and_choice_its_version_for_ever() {
    let mut rollout = rollout(&["1"]);
    for wrong in [0, 100, 255] {
        assert!(rollout.try_out("2", wrong, AT).is_err(), "{wrong} %");
    }
    assert!(rollout.try_out("1", 10, AT).is_err(), "it is active");
    assert!(
        Rollout::new("p").try_out("1", 10, AT).is_err(),
        "against what?"
    );
    for percent in [1, 10, 50, 99] {
        assert_eq!(rollout.try_out("2", percent, AT), Ok(true));
        // Ids as they are made: a time that hardly moves, and random bits.
        let ids = (0..20_000_u128).map(|n| {
            let time = 0x0192_0000_0000_7000_u128 + n / 50;
            let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0x3fff_ffff_ffff_ffff;
            Uuid::from_u128(time << 64 | 0x8000_0000_0000_0000 | random)
        });
        let ids: Vec<Uuid> = ids.collect();
        let taken = |lots: &mut dyn Iterator<Item = Lot>| {
            let lots = lots.filter(|lot| {
                let version = rollout.version_for(*lot);
                assert_eq!(version, rollout.clone().version_for(*lot));
                version == Some("2")
            });
            lots.count()
        };
        let runs = taken(&mut ids.iter().map(|id| Lot::of_run(RunId(*id))));
        // Choices: of many runs one each, of one run many, and of many runs the same few.
        let firsts = taken(&mut ids.iter().map(|id| Lot::of_choice(*id, 0)));
        let one = taken(&mut (0..20_000).map(|n| Lot::of_choice(ids[7], n)));
        let few = ids.iter().take(2_500);
        let few = taken(&mut few.flat_map(|id| (0..8).map(|n| Lot::of_choice(*id, (3 << 32) | n))));
        let wanted = usize::from(percent) * 200;
        for share in [runs, firsts, one, few] {
            assert!(
                share.abs_diff(wanted) < 250,
                "{percent} %: {share} of 20,000"
            );
        }
        assert_eq!(rollout.version_for(Lot::ACTIVE), Some("1"));
    }
    assert_eq!(rollout.canary.as_ref().map(|one| one.since), Some(7));
    assert_eq!(rollout.try_out("2", 99, AT), Ok(false));
    assert_eq!(rollout.promote(AT).as_deref(), Ok("2"));
    assert_eq!(rollout.former, ["1"]);
    assert!(rollout.promote(AT).is_err());
    assert!(rollout.stop_canary(AT).is_err());
}

#[test]
fn the_history_has_a_limit() {
    let mut rollout = rollout(&["1"]);
    for n in 2..30 {
        let at = Moment { keep: 5, ..AT };
        assert_eq!(rollout.activate(&n.to_string(), at), Ok(true));
        assert!(rollout.history.len() <= 5);
    }
    assert_eq!(rollout.history.len(), 5);
    assert_eq!(rollout.history[4].version, "29");
    assert_eq!(rollout.history[4].from.as_deref(), Some("28"));
    assert_eq!(rollout.revision, 29);
}

/// Ended runs as words: `.` for one of the active version and `x` for its fault, `c` and `f` for the
/// canary's. What follows from the last, as a word.
fn judged(runs: &str, limits: &Limits, canary: bool) -> &'static str {
    let mut rollout = rollout(&["1", "2"]);
    if canary {
        rollout.try_out("3", 10, AT).expect("it may be tried");
    }
    let mut tally = Tally::default();
    let mut last = None;
    for (n, run) in runs.replace(' ', "").chars().enumerate() {
        assert_eq!(last, None, "run {n} of {runs} decides it already");
        let version = if matches!(run, 'c' | 'f') { "3" } else { "2" };
        last = tally.count(
            &rollout,
            version,
            World::Boss,
            matches!(run, 'x' | 'f'),
            limits,
        );
    }
    match last {
        None => "",
        Some(Verdict::TakeBack { version, .. }) => {
            assert_eq!(version, "2");
            "taken back"
        }
        Some(Verdict::Promote { version, .. }) => {
            assert_eq!(version, "3");
            "promoted"
        }
        Some(Verdict::Stop { version, .. }) => {
            assert_eq!(version, "3");
            "stopped"
        }
    }
}

#[test]
fn what_follows_from_how_runs_end() {
    let limits = Limits {
        canary_runs: 10,
        canary_margin_percent: 10,
        fault_window: 6,
        fault_runs: 3,
        ..Limits::default()
    };
    let table = [
        // Three faults among the last six runs.
        ("xx", ""),
        ("xxx", "taken back"),
        ("x...x.x", ""),
        ("x...xx", "taken back"),
        ("xx....x.x...x", ""),
        ("xx...x", "taken back"),
    ];
    for (runs, wanted) in table {
        assert_eq!(judged(runs, &limits, false), wanted, "{runs}");
    }
    let table = [
        ("ccccccccc", ""),
        ("cccccccccc", "promoted"),
        // One of ten is no more than ten points worse than none.
        ("fccccccccc", "promoted"),
        ("fcccccfccc", "stopped"),
        // It is held against what the active version did meanwhile.
        ("x......... fcccccfccc", "promoted"),
        ("fff", "stopped"),
        ("cccfccff", "stopped"),
        ("........................", ""),
        ("xxx", "taken back"),
    ];
    for (runs, wanted) in table {
        assert_eq!(judged(runs, &limits, true), wanted, "{runs}");
    }
    let never = Limits {
        fault_runs: 0,
        ..limits
    };
    assert_eq!(judged("xxxxxxxxxxxxxxxxxxxxxxxx", &never, false), "");
}

#[test]
fn counts_begin_anew_with_each_activation_and_each_trial() {
    let limits = Limits::default();
    let mut rollout = rollout(&["1", "2"]);
    let mut tally = Tally::default();
    for _ in 0..4 {
        assert_eq!(
            tally.count(&rollout, "2", World::Selector, true, &limits),
            None
        );
    }
    assert!(tally.matters());
    assert_eq!(
        tally.count(&rollout, "1", World::Selector, true, &limits),
        None,
        "not active"
    );
    rollout.roll_back(Moment { now: 8, ..AT }).expect("to 1");
    rollout
        .activate("2", Moment { now: 9, ..AT })
        .expect("to 2");
    assert_eq!(
        tally.count(&rollout, "2", World::Selector, true, &limits),
        None
    );
    assert_eq!((tally.active.ended, tally.active.faulted), (1, 1));
    let stored = serde_json::to_string(&tally).expect("it is JSON");
    let mut read: Tally = serde_json::from_str(&stored).expect("it reads");
    assert_eq!(read, tally);
    for _ in 0..3 {
        assert_eq!(
            read.count(&rollout, "2", World::Selector, true, &limits),
            None
        );
    }
    assert!(matches!(
        read.count(&rollout, "2", World::Selector, true, &limits),
        Some(Verdict::TakeBack { reason, .. })
            if reason == "5 of the last 5 choices on 2 failed by their own fault"
    ));
    rollout.try_out("3", 10, AT).expect("it may be tried");
    assert_eq!(
        read.count(&rollout, "3", World::Selector, false, &limits),
        None
    );
    assert_eq!((read.canary.ended, read.beside.ended), (1, 0));
}
