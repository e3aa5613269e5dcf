//! Tickets that wait for others: released, failed, refused; never left.

use crate::common::{Story, task};
use adjutant_model::{
    Assignment, BlockerPolicy, Call, Command, EventKind, Join, NewTicket, ReportOutcome, Status,
    Terms, TicketId,
};
use uuid::Uuid;

fn after(blockers: &[TicketId], policy: BlockerPolicy) -> Terms {
    Terms {
        blocked_by: blockers.to_vec(),
        on_blocker_failure: policy,
        ..Terms::default()
    }
}

fn waiting(story: &mut Story, to: &str, terms: Terms) -> TicketId {
    story.create(NewTicket {
        title: "later".to_owned(),
        assignee: Some(to.to_owned()),
        terms,
        ..NewTicket::default()
    })
}

/// A task for somebody, under a key, after others.
fn step(story: &Story, name: &str, key: &str, after: &[&str]) -> Assignment {
    Assignment {
        assignee: Some(story.agent(name)),
        key: Some(key.to_owned()),
        blocked_by: after.iter().map(|&word| word.to_owned()).collect(),
        ..task(key)
    }
}

#[test]
fn it_starts_when_all_that_it_waits_for_is_done() {
    let mut story = Story::new();
    let first = story.give("ada", "first");
    let second = story.give("bob", "second");
    let third = waiting(
        &mut story,
        "sol",
        after(&[first, second], BlockerPolicy::Fail),
    );
    let other = story.give("sol", "not held up");
    assert!(story.live(third).is_none());
    assert!(story.live(other).is_some(), "it passes the one that waits");
    story.done(other);
    story.done(first);
    assert!(story.live(third).is_none(), "one is not over");
    story.done(second);
    assert!(story.live(third).is_some());
    assert!(
        story
            .events
            .contains(&EventKind::TicketReleased { ticket: third })
    );
}

#[test]
fn when_one_fails_or_is_cancelled_the_policy_decides() {
    let table: [(BlockerPolicy, bool, Status); 4] = [
        (BlockerPolicy::Fail, false, Status::Failed),
        (BlockerPolicy::Fail, true, Status::Failed),
        (BlockerPolicy::Release, false, Status::InProgress),
        (BlockerPolicy::Release, true, Status::InProgress),
    ];
    for (policy, cancelled, status) in table {
        let mut story = Story::new();
        let first = story.give("ada", "first");
        let second = waiting(&mut story, "bob", after(&[first], policy));
        let third = waiting(&mut story, "sol", after(&[second], policy));
        if cancelled {
            story.cancel(first);
        } else {
            story.fails(first);
        }
        assert_eq!(story.status(second), status, "{policy:?} {cancelled}");
        if policy == BlockerPolicy::Fail {
            let told = format!("ticket {first} (\"first\"), for which it waited");
            assert!(story.ticket(second).summary.contains(&told));
            assert_eq!(
                story.status(third),
                Status::Failed,
                "and those that waited for it"
            );
        } else {
            assert_eq!(story.status(third), Status::Open);
            story.done(second);
            assert!(story.live(third).is_some());
        }
    }
}

#[test]
fn one_that_has_failed_already_fails_those_that_come_too_late() {
    for (policy, status) in [
        (BlockerPolicy::Fail, Status::Failed),
        (BlockerPolicy::Release, Status::InProgress),
    ] {
        let mut story = Story::new();
        let first = story.give("ada", "first");
        story.fails(first);
        let second = waiting(&mut story, "sol", after(&[first], policy));
        assert_eq!(story.status(second), status);
    }
    let mut story = Story::new();
    let first = story.give("ada", "first");
    story.done(first);
    let second = waiting(&mut story, "sol", after(&[first], BlockerPolicy::Fail));
    assert!(story.live(second).is_some());
}

#[test]
fn a_boss_delegates_a_chain_in_one_call() {
    let mut story = Story::new();
    let root = story.give("kai", "job");
    let steps = vec![
        step(&story, "ada", "design", &[]),
        step(&story, "bob", "build", &["design"]),
        step(&story, "lead", "test", &["build", "design"]),
    ];
    let steps = story.delegate_all(root, steps).expect("delegated");
    let late = step(&story, "ada", "ship", &[&steps[2].to_string()]);
    let ship = story.delegate_all(root, vec![late]).expect("delegated")[0];
    let run = story.run_of(root);
    let call = story.awaits(&[], Join::All);
    story.waits(root, call);
    for id in steps.iter().chain([&ship]) {
        let live: Vec<TicketId> = steps
            .iter()
            .chain([&ship])
            .filter(|id| story.live(**id).is_some())
            .copied()
            .collect();
        assert_eq!(live, [*id], "one after the other");
        story.done(*id);
    }
    assert!(story.joined(run).met);
}

#[test]
fn a_broken_chain_is_reported_whole_and_each_part_once() {
    let mut story = Story::new();
    let root = story.give("kai", "job");
    let steps = vec![
        step(&story, "ada", "design", &[]),
        step(&story, "bob", "build", &["design"]),
        step(&story, "lead", "test", &["build"]),
    ];
    let steps = story.delegate_all(root, steps).expect("delegated");
    let run = story.run_of(root);
    let call = story.awaits(&[], Join::All);
    story.waits(root, call);
    story.fails(steps[0]);
    let reports = story.joined(run).reports;
    let told: Vec<TicketId> = reports.iter().map(|report| report.ticket).collect();
    assert_eq!(told, steps);
    assert!(
        reports
            .iter()
            .all(|report| report.outcome == ReportOutcome::Failed)
    );
    let posted = story
        .texts(root)
        .iter()
        .filter(|text| text.starts_with("[TASK REPORT"))
        .count();
    assert_eq!(posted, 3);
}

#[test]
fn what_is_cancelled_as_a_whole_ends_once() {
    let mut story = Story::new();
    let root = story.give("kai", "job");
    let steps = vec![
        step(&story, "ada", "design", &[]),
        step(&story, "bob", "build", &["design"]),
    ];
    let steps = story.delegate_all(root, steps).expect("delegated");
    let outside = waiting(&mut story, "sol", after(&[steps[1]], BlockerPolicy::Fail));
    story.cancel(root);
    assert_eq!(
        story.status(steps[1]),
        Status::Cancelled,
        "with its boss, not for its blocker"
    );
    assert_eq!(story.status(outside), Status::Failed, "in another tree");
    let ends = story.events.iter().filter(|event| {
        matches!(event, EventKind::TicketCancelled { ticket, .. } | EventKind::TicketFailed { ticket, .. }
            if *ticket == steps[1])
    });
    assert_eq!(ends.count(), 1);
}

#[test]
fn its_deadline_holds_while_it_waits() {
    let mut story = Story::new();
    let first = story.give("ada", "first");
    let second = story.create(NewTicket {
        title: "later".to_owned(),
        assignee: Some("sol".to_owned()),
        deadline_ms: Some(50),
        terms: after(&[first], BlockerPolicy::Fail),
        ..NewTicket::default()
    });
    story.later(50);
    assert_eq!(story.status(second), Status::Failed);
    story.done(first);
    assert_eq!(story.status(second), Status::Failed);
}

#[test]
fn what_would_wait_for_ever_is_refused() {
    let mut story = Story::new();
    story.limits.blockers = 2;
    story.limits.children = 3;
    let root = story.give("kai", "job");
    let child = story.delegate(root, &[("ada", "part")]).expect("delegated")[0];
    let waits = waiting(&mut story, "sol", after(&[root], BlockerPolicy::Fail));
    let many: Vec<TicketId> = (0..3).map(|_| story.give("bob", "other")).collect();
    let table: [(&str, Option<TicketId>, Vec<TicketId>); 4] = [
        (
            "there is no ticket",
            None,
            vec![TicketId(Uuid::from_u128(9))],
        ),
        ("above it, or waits for one that is", Some(root), vec![root]),
        (
            "above it, or waits for one that is",
            Some(root),
            vec![waits],
        ),
        ("limit `blockers`", None, many.clone()),
    ];
    for (why, parent, blockers) in table {
        let refusal = story.refused(Command::CreateTicket(NewTicket {
            title: "never".to_owned(),
            parent,
            terms: after(&blockers, BlockerPolicy::Fail),
            ..NewTicket::default()
        }));
        assert!(refusal.to_string().contains(why), "{refusal}");
        assert!(refusal.to_string().contains("/blocked_by"), "{refusal}");
    }
    for (why, words) in [
        ("neither the key", vec!["ship".to_owned()]),
        ("neither the key", vec!["part".to_owned()]),
        ("neither the key", vec![waits.to_string()]),
        ("above it", vec![root.to_string()]),
    ] {
        let assignment = Assignment {
            assignee: Some(story.agent("bob")),
            key: Some("part".to_owned()),
            blocked_by: words,
            ..task("part")
        };
        let call = Call::Delegate {
            assignments: vec![assignment],
        };
        let error = story
            .call(root, call)
            .expect_err("it would wait for ever")
            .to_string();
        assert!(
            error.contains(why) && error.contains("/0/blocked_by"),
            "{error}"
        );
    }
    // As many may wait for one as it may have children.
    for _ in 0..3 {
        waiting(&mut story, "sol", after(&[child], BlockerPolicy::Fail));
    }
    let refusal = story.refused(Command::CreateTicket(NewTicket {
        title: "one too many".to_owned(),
        terms: after(&[child], BlockerPolicy::Fail),
        ..NewTicket::default()
    }));
    assert!(
        refusal.to_string().contains("limit `children`"),
        "{refusal}"
    );
}

#[test]
fn a_blocker_whose_tree_is_forgotten_is_over() {
    let mut story = Story::new();
    let first = story.give("ada", "first");
    let second = story.give("bob", "second");
    let third = waiting(
        &mut story,
        "sol",
        after(&[first, second], BlockerPolicy::Fail),
    );
    story.done(first);
    story.state.forget_tree(first, |_| {});
    story.done(second);
    assert!(story.live(third).is_some());
}

#[test]
fn a_blocker_of_very_many_fails_them_a_few_at_a_time_and_starts_none() {
    let mut story = Story::new();
    let first = story.give("ada", "first");
    let many: Vec<TicketId> = (0..250)
        .map(|_| waiting(&mut story, "sol", after(&[first], BlockerPolicy::Fail)))
        .collect();
    let over = |story: &Story| {
        let ended = many
            .iter()
            .filter(|id| story.status(**id) == Status::Failed);
        ended.count()
    };
    story.fails(first);
    for so_far in [100, 200, 250] {
        assert_eq!(over(&story), so_far);
        assert!(many.iter().all(|id| story.ticket(*id).attempts == 0));
        story.later(1);
    }
    assert_eq!(story.state.next_timer(), None);
}
