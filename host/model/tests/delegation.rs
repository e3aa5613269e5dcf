//! Stories of bosses: handing out, waiting, reports, cancelling all the way down.

use crate::common::{Story, chosen, spec, task};
use adjutant_model::{
    Answer, Assignment, Call, CallError, Command, Effect, Join, MessageKind, NewTicket,
    ReportOutcome, Status, Tracking, Violation,
};

/// A story with a ticket of kai's, two tasks handed out, and the run of kai's.
fn handed_out() -> (
    Story,
    adjutant_model::TicketId,
    Vec<adjutant_model::TicketId>,
) {
    let mut story = Story::new();
    let root = story.give("kai", "the whole");
    let parts = story
        .delegate(root, &[("ada", "one"), ("bob", "two")])
        .expect("handed out");
    (story, root, parts)
}

#[test]
fn all_is_handed_out_or_nothing() {
    let mut story = Story::new();
    let root = story.give("kai", "the whole");
    let ada = Some(story.agent("ada"));
    let good = || Assignment {
        assignee: ada,
        ..task("good")
    };
    let to = |story: &Story, name: &str| Assignment {
        assignee: Some(story.agent(name)),
        ..task("x")
    };
    let wrong = |result: Result<Vec<_>, CallError>| result.expect_err("refused");
    let result = story.delegate_all(
        root,
        vec![
            good(),
            Assignment {
                assignee: ada,
                ..task("")
            },
        ],
    );
    assert!(matches!(wrong(result), CallError::Invalid(list) if list[0].path == "/1/title"));
    let schema = Some(serde_json::json!(3));
    let result = story.delegate_all(
        root,
        vec![
            good(),
            Assignment {
                expected_output_schema: schema,
                ..good()
            },
        ],
    );
    assert!(
        matches!(wrong(result), CallError::Invalid(list) if list[0].path == "/1/expected-output-schema-json")
    );
    let result = story.delegate_all(
        root,
        vec![
            good(),
            Assignment {
                key: Some("k".repeat(2_000)),
                ..good()
            },
        ],
    );
    assert!(matches!(wrong(result), CallError::Invalid(list) if list[0].path == "/1/key"));
    for name in ["dev", "sol", "kai"] {
        let other = to(&story, name);
        let result = story.delegate_all(root, vec![good(), other]);
        assert!(
            matches!(wrong(result), CallError::Denied(why) if why.contains("ada, bob, lead")),
            "{name}"
        );
    }
    let nobody = adjutant_model::AgentId(uuid::Uuid::nil());
    let result = story.delegate_all(
        root,
        vec![
            good(),
            Assignment {
                assignee: Some(nobody),
                ..task("x")
            },
        ],
    );
    assert!(matches!(wrong(result), CallError::NotFound(_)));
    story.limits.children = 1;
    let result = story.delegate_all(root, vec![good(), good()]);
    assert!(matches!(wrong(result), CallError::Limit(_)));
    assert!(story.ticket(root).children.is_empty());
    assert_eq!(story.desk("ada"), (Vec::new(), 0));
}

#[test]
fn a_chain_is_neither_too_deep_nor_a_circle() {
    let mut story = Story::new();
    story.limits.depth = 2;
    let root = story.give("kai", "the whole");
    let middle = story
        .delegate(root, &[("lead", "half")])
        .expect("handed out")[0];
    let leaf = story
        .delegate(middle, &[("dev", "a quarter")])
        .expect("handed out")[0];
    assert_eq!(
        (story.ticket(leaf).depth, story.ticket(leaf).root),
        (2, root)
    );
    assert_eq!(story.ticket(leaf).delegated_by, Some(story.agent("lead")));
    let below = |name: &str| {
        Command::CreateTicket(NewTicket {
            title: "x".to_owned(),
            parent: Some(middle),
            assignee: Some(name.to_owned()),
            ..NewTicket::default()
        })
    };
    for name in ["kai", "lead"] {
        let refusal = story.refused(below(name));
        assert!(refusal.to_string().contains("cycle"), "{refusal}");
    }
    assert!(
        story
            .assign(leaf, "kai")
            .expect_err("a circle")
            .to_string()
            .contains("cycle")
    );
    story.limits.depth = 1;
    assert!(
        matches!(story.delegate(middle, &[("dev", "x")]), Err(CallError::Denied(why)) if why.contains("`depth`"))
    );
}

#[test]
fn a_key_makes_a_delegation_happen_once() {
    let (mut story, root, _) = handed_out();
    let keyed = |story: &Story| Assignment {
        assignee: Some(story.agent("lead")),
        key: Some("k".to_owned()),
        ..task("once")
    };
    let two = vec![keyed(&story), keyed(&story)];
    let first = story.delegate_all(root, two).expect("handed out");
    assert_eq!(first[0], first[1]);
    let again = vec![keyed(&story)];
    assert_eq!(story.delegate_all(root, again).expect("known"), [first[0]]);
    assert_eq!(story.ticket(root).children.len(), 3);
}

#[test]
fn the_selectors_choice_is_kept_and_its_silence_has_a_place() {
    let mut story = Story::new();
    let root = story.give("kai", "the whole");
    let (ada, sol) = (story.agent("ada"), story.agent("sol"));
    let two = || {
        vec![
            Assignment {
                assignee: Some(ada),
                ..task("named")
            },
            task("open"),
        ]
    };
    let refused =
        story.delegate_chosen(root, two(), vec![None, Some(Err("nobody fits".to_owned()))]);
    assert_eq!(
        refused,
        Err(CallError::Invalid(vec![Violation::new(
            "/1",
            "nobody fits"
        )]))
    );
    let refused = story.delegate_chosen(root, two(), Vec::new());
    assert!(
        matches!(refused, Err(CallError::Invalid(list)) if list[0].path == "/1" && list[0].message.contains("no selector"))
    );
    assert!(matches!(
        story.delegate_chosen(root, two(), vec![None, chosen(sol)]),
        Err(CallError::Denied(_))
    ));
    let Ok(Answer::Delegated(list)) = story.delegate_chosen(root, two(), vec![None, chosen(ada)])
    else {
        panic!("handed out");
    };
    assert_eq!(list[1].reason, "it fits");
    let choice = story.ticket(list[1].ticket).choice.clone().expect("kept");
    assert_eq!(choice.reason, "it fits");
}

#[test]
fn each_join_is_met_when_it_is_met() {
    // What happens to one and two, and what the wait then answers: none while it goes on.
    type Row = (Join, &'static str, Option<(bool, usize)>);
    let table: [Row; 17] = [
        (Join::All, "", None),
        (Join::All, "+", None),
        (Join::All, "+-", Some((true, 2))),
        (Join::Any, "-", None),
        (Join::Any, "+", Some((true, 1))),
        (Join::Any, "-+", Some((true, 2))),
        (Join::Any, "--", Some((false, 2))),
        (Join::Any, "xx", Some((false, 2))),
        (Join::Quorum(1), "-", None),
        (Join::Quorum(1), "+", Some((true, 1))),
        (Join::Quorum(2), "+", None),
        (Join::Quorum(2), "++", Some((true, 2))),
        (Join::Quorum(2), "-", Some((false, 1))),
        (Join::Quorum(2), "x", Some((false, 1))),
        (Join::Deadline(100), "+", None),
        (Join::Deadline(100), "+-", Some((true, 2))),
        (Join::Deadline(100), "+t", Some((true, 1))),
    ];
    // Once with the wait before the ends, and once after them: the answer is the same.
    for ((join, what, answer), first) in table
        .into_iter()
        .flat_map(|row| [(row, true), (row, false)])
    {
        if !first && what.contains('t') {
            continue;
        }
        let (mut story, root, parts) = handed_out();
        let run = story.run_of(root);
        let call = story.awaits(&[], join);
        if first {
            story.waits(root, call.clone());
            assert_eq!(
                story.state.tracking(story.agent("kai")),
                Tracking::WaitingSubordinates
            );
        }
        for (part, end) in parts.iter().zip(what.chars()) {
            // The join may be met before all is told.
            match end {
                '+' => story.done(*part),
                '-' => story.fails(*part),
                'x' => story.cancel(*part),
                _ => story.later(100),
            }
        }
        let met = if first {
            story.answered(run).cloned()
        } else {
            let call = story.next_call(root, call);
            story.guest(root, call)
        };
        let label = format!("{join:?} {what:?} {first}");
        match (answer, met) {
            (None, None) => {}
            (Some((met, reports)), Some(Ok(Answer::Joined(joined)))) => {
                assert_eq!(joined.met, met, "{label}");
                let at_least = joined.reports.len();
                // With the wait first it ends at once, with what is in by then.
                assert!(
                    at_least == reports || first && at_least <= reports,
                    "{label} {joined:?}"
                );
                assert_eq!(joined.pending.len() + at_least, 2, "{label}");
            }
            (wanted, got) => panic!("{label}: {wanted:?}, {got:?}"),
        }
    }
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let (mut story, root, parts) = handed_out();
    let foreign = story.give("sol", "elsewhere");
    let quorum = story.awaits(&parts, Join::Quorum(3));
    assert!(
        matches!(story.call(root, quorum), Err(CallError::Invalid(list)) if list[0].path == "/join")
    );
    let call = story.awaits(&[foreign], Join::All);
    assert!(matches!(
        story.call(root, call),
        Err(CallError::NotFound(_))
    ));
    let idle = story.create(NewTicket {
        title: "idle".to_owned(),
        parent: Some(root),
        ..NewTicket::default()
    });
    let call = story.awaits(&[idle], Join::All);
    assert!(
        matches!(story.call(root, call), Err(CallError::Invalid(_))),
        "nobody would report"
    );
}

#[test]
fn a_wait_with_a_timeout_answers_what_is_in() {
    let (mut story, root, parts) = handed_out();
    let run = story.run_of(root);
    story.waits(
        root,
        Call::AwaitReports {
            tickets: Vec::new(),
            join: Join::All,
            timeout_ms: Some(50),
        },
    );
    story.done(parts[1]);
    story.later(49);
    assert_eq!(story.answered(run), None);
    story.later(1);
    let joined = story.joined(run);
    assert!(!joined.met);
    assert_eq!(
        (joined.reports[0].ticket, joined.pending),
        (parts[1], vec![parts[0]])
    );
    assert_eq!(story.state.next_timer(), None);
}

#[test]
fn a_child_that_nobody_delegated_is_waited_for_too() {
    let (mut story, root, _) = handed_out();
    let run = story.run_of(root);
    let child = story.create(NewTicket {
        title: "by hand".to_owned(),
        parent: Some(root),
        assignee: Some("sol".to_owned()),
        ..NewTicket::default()
    });
    let call = story.awaits(&[child], Join::All);
    story.waits(root, call);
    story.done(child);
    assert_eq!(
        story.joined(run).reports[0].outcome,
        ReportOutcome::Completed
    );
    assert!(
        story
            .texts(root)
            .iter()
            .all(|text| !text.contains("by hand")),
        "its end is no report to kai"
    );
}

#[test]
fn a_child_that_is_reopened_counts_once() {
    let (mut story, root, parts) = handed_out();
    let run = story.run_of(root);
    let call = story.awaits(&parts, Join::Quorum(2));
    story.waits(root, call);
    story.done(parts[0]);
    story.set(parts[0], Status::Open, true);
    story.done(parts[0]);
    assert_eq!(story.answered(run), None, "one is not two");
    story.done(parts[1]);
    assert_eq!(story.joined(run).reports.len(), 2);
}

#[test]
fn a_boss_is_told_in_the_known_form_and_woken_in_the_same_step() {
    let (mut story, root, parts) = handed_out();
    let run = story.run_of(root);
    let call = story.awaits(&parts[..1], Join::All);
    story.waits(root, call);
    story.done(parts[0]);
    let ada = story.agent("ada");
    let text = format!(
        "[TASK REPORT from ada ({ada})]\nStatus: COMPLETED\nOriginal task: one\nSummary: all good"
    );
    assert_eq!(story.texts(root), [text.as_str()]);
    assert_eq!(story.messages[0].1.kind, MessageKind::Report);
    assert!(
        story
            .last
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Wake { run: woken, .. } if *woken == run))
    );
    assert!(
        story.last.journal.iter().any(|(owner, ..)| *owner == run),
        "the answer is journaled with the end"
    );
    story.fails(parts[1]);
    assert!(story.texts(root)[1].contains("Status: FAILED"));
}

#[test]
fn cancelling_goes_all_the_way_down_and_wakes_nobody() {
    let (mut story, root, parts) = handed_out();
    let middle = story
        .delegate(root, &[("lead", "half")])
        .expect("handed out")[0];
    let leaf = story
        .delegate(middle, &[("dev", "a quarter")])
        .expect("handed out")[0];
    let all = [root, parts[0], parts[1], middle, leaf];
    let runs: Vec<_> = all.iter().map(|id| story.run_of(*id)).collect();
    for boss in [root, middle] {
        let call = story.awaits(&[], Join::All);
        story.waits(boss, call);
    }
    story.cancel(root);
    assert!(all.iter().all(|id| story.status(*id) == Status::Cancelled));
    assert!(
        runs.iter()
            .all(|run| story.last.effects.contains(&Effect::Stop(*run)))
    );
    assert!(
        !story
            .last
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Wake { .. } | Effect::Start(_)))
    );
    assert!(story.last.journal.is_empty() && story.last.messages.is_empty());
    assert_eq!(story.last.roots, [(root, false)]);
    assert_eq!(
        (story.state.live_tickets(), story.state.live_runs().count()),
        (0, 0)
    );
}

#[test]
fn a_boss_that_is_done_takes_along_what_it_delegated_and_leaves_what_it_made() {
    let (mut story, root, parts) = handed_out();
    let draft = adjutant_model::Draft {
        key: None,
        title: "later".to_owned(),
        description: String::new(),
        expected_output_schema: None,
    };
    let Ok(Answer::Ticket(made)) = story.call(root, Call::CreateTicket { draft }) else {
        panic!("made")
    };
    assert!(matches!(
        story.call(
            root,
            Call::AssignTicket {
                ticket: made,
                agent: "sol".to_owned()
            }
        ),
        Err(CallError::Denied(_))
    ));
    story
        .call(
            root,
            Call::AssignTicket {
                ticket: made,
                agent: "lead".to_owned(),
            },
        )
        .expect("of its team");
    story.done(parts[0]);
    story.done(root);
    assert_eq!(story.status(parts[0]), Status::Done);
    assert_eq!(story.status(parts[1]), Status::Cancelled);
    assert_eq!(story.status(made), Status::InProgress);
    story.done(made);
    assert_eq!(story.state.live_tickets(), 0);
    let mut failing = handed_out();
    failing.0.fails(failing.1);
    assert!(
        failing
            .2
            .iter()
            .all(|id| failing.0.status(*id) == Status::Cancelled)
    );
}

#[test]
fn a_boss_cancels_and_reassigns_its_own_children_only() {
    let (mut story, root, parts) = handed_out();
    let foreign = story.give("sol", "elsewhere");
    let cancel = |ticket| Call::CancelDelegated {
        ticket,
        reason: "enough".to_owned(),
    };
    assert!(matches!(
        story.call(root, cancel(foreign)),
        Err(CallError::NotFound(_))
    ));
    story.call(root, cancel(parts[0])).expect("cancelled");
    story.call(root, cancel(parts[0])).expect("already");
    assert_eq!(story.ticket(parts[0]).summary, "enough");
    let (ada, sol) = (story.agent("ada"), story.agent("sol"));
    let give = |assignee| Call::Reassign {
        ticket: parts[1],
        assignee,
        reason: "faster".to_owned(),
    };
    assert!(matches!(
        story.call(root, give(sol)),
        Err(CallError::Denied(_))
    ));
    let old = story.run_of(parts[1]);
    story.call(root, give(ada)).expect("given to ada");
    assert!(story.last.effects.contains(&Effect::Stop(old)));
    assert_eq!(story.desk("ada").0, [parts[1]]);
}

#[test]
fn a_subordinate_that_cannot_start_is_a_failed_report() {
    let mut story = Story::new();
    let root = story.give("kai", "the whole");
    let run = story.run_of(root);
    let mut plugins = adjutant_model::Plugins::default();
    std::mem::swap(&mut plugins, &mut story.plugins);
    let part = story.delegate(root, &[("ada", "one")]).expect("handed out")[0];
    assert_eq!(story.status(part), Status::Failed);
    assert!(story.texts(root)[0].contains("Status: FAILED"));
    let call = story.awaits(&[part], Join::All);
    let call = story.next_call(root, call);
    assert!(matches!(story.guest(root, call), Some(Ok(Answer::Joined(joined))) if joined.met));
    assert!(story.state.run(run).is_some_and(|run| !run.is_over()));
    story.plugins = plugins;
    story
        .team(vec![spec("ada", "worker", Some("kai"))])
        .expect("saved");
}

#[test]
fn the_same_keys_again_need_no_room() {
    let mut story = Story::new();
    story.limits.children = 3;
    let root = story.give("kai", "one");
    let parts = |story: &Story| {
        ["a", "b"].map(|key| Assignment {
            assignee: Some(story.agent("ada")),
            key: Some(key.to_owned()),
            ..task(key)
        })
    };
    let all = parts(&story).to_vec();
    let first = story.delegate_all(root, all).expect("delegated");
    let all = parts(&story).to_vec();
    assert_eq!(story.delegate_all(root, all), Ok(first));
}
