//! Stories of one run: its output, its calls in order, questions, reports from outside, limits.

use crate::common::{Story, spec};
use adjutant_model::{
    Author, Call, Command, Effect, EventKind, GuestCall, NewTicket, Pending, Refusal, Status,
    Tracking, Validation, Violation, will_retry,
};
use serde_json::json;
use uuid::Uuid;

fn new(title: &str) -> NewTicket {
    NewTicket {
        title: title.to_owned(),
        ..NewTicket::default()
    }
}

#[test]
fn an_output_that_breaks_the_schema_is_tried_again_and_then_fails() {
    let mut story = Story::new();
    let schema = json!({"required": ["n"]});
    let wrong = vec![Violation::new("", "\"n\" is a required property")];
    let ticket = story.create(NewTicket {
        assignee: Some("ada".to_owned()),
        expected_output_schema: Some(schema),
        ..new("a")
    });
    for attempt in 2..=3 {
        assert!(will_retry(
            story.ticket(ticket),
            story.state.find_agent("ada").expect("ada"),
            &wrong
        ));
        story.works(ticket, true, Some(json!({})), wrong.clone());
        assert_eq!(story.live(ticket).map(|run| run.attempt), Some(attempt));
        assert_eq!(
            story.ticket(ticket).violations,
            wrong,
            "the next run is told"
        );
        assert_eq!(
            story.ticket(ticket).output,
            None,
            "a refused output is no output"
        );
        assert_eq!(story.status(ticket), Status::InProgress);
    }
    story.works(ticket, true, Some(json!({})), wrong);
    assert_eq!(story.status(ticket), Status::Failed);
    assert!(
        story.ticket(ticket).summary.contains("refused 3 times"),
        "{}",
        story.ticket(ticket).summary
    );
    assert_eq!(story.state.tracking(story.agent("ada")), Tracking::Error);
    let refusals = story
        .events
        .iter()
        .filter(|event| matches!(event, EventKind::OutputRefused { .. }));
    assert_eq!(refusals.count(), 3);
}

#[test]
fn a_permissive_ticket_takes_the_output_with_its_warnings() {
    let mut story = Story::new();
    let ticket = story.create(NewTicket {
        assignee: Some("ada".to_owned()),
        validation: Validation::Permissive,
        expected_output_schema: Some(json!({"required": ["n"]})),
        ..new("a")
    });
    story.works(
        ticket,
        true,
        Some(json!({"m": 1})),
        vec![Violation::new("", "no n")],
    );
    assert_eq!(story.status(ticket), Status::Done);
    assert_eq!(story.ticket(ticket).output, Some(json!({"m": 1})));
    assert_eq!(story.ticket(ticket).violations.len(), 1);
}

#[test]
fn an_output_handed_in_early_is_mended_or_refused_once_too_often() {
    for mended in [true, false] {
        let mut story = Story::new();
        let ticket = story.give("ada", "a");
        let run = story.run_of(ticket);
        let submit = |story: &mut Story, wrong: bool| {
            let mut call = story.next_call(ticket, Call::SubmitOutput { output: json!(1) });
            call.violations = if wrong {
                vec![Violation::new("/n", "no")]
            } else {
                Vec::new()
            };
            story.guest(ticket, call).expect("at once")
        };
        for _ in 0..2 {
            let reply = submit(&mut story, true);
            assert_eq!(
                reply,
                Err(adjutant_model::CallError::Invalid(vec![Violation::new(
                    "/n", "no"
                )]))
            );
        }
        if mended {
            submit(&mut story, false).expect("accepted");
            assert_eq!(story.ticket(ticket).output, Some(json!(1)));
            assert!(story.ticket(ticket).violations.is_empty());
        } else {
            assert!(matches!(
                submit(&mut story, true),
                Err(adjutant_model::CallError::Limit(_))
            ));
            assert_eq!(story.status(ticket), Status::Failed);
            assert!(story.last.effects.contains(&Effect::Stop(run)));
        }
    }
}

#[test]
fn an_output_that_is_too_large_fails_the_ticket() {
    let mut story = Story::new();
    let ticket = story.give("ada", "a");
    story.works(ticket, true, Some(json!("x".repeat(300_000))), Vec::new());
    assert_eq!(story.status(ticket), Status::Failed);
    assert_eq!(story.ticket(ticket).output, None);
}

#[test]
fn calls_that_do_not_follow_the_journal_are_refused() {
    let mut story = Story::new();
    let ticket = story.give("ada", "a");
    let run = story.run_of(ticket);
    let call = |index| {
        Some(GuestCall {
            index,
            call: Call::Team,
            payload: None,
            choices: Vec::new(),
            violations: Vec::new(),
        })
    };
    let said = |index| Pending {
        index,
        at: 1,
        call: Call::Progress {
            note: "n".to_owned(),
        },
        reply: Ok(adjutant_model::Answer::Unit),
        message: None,
    };
    let guest = |pending: Vec<Pending>, call| Command::Guest {
        run,
        pending,
        guest_us: 0,
        call,
    };
    for bad in [
        guest(Vec::new(), call(1)),
        guest(vec![said(1)], None),
        guest(vec![said(0), said(2)], None),
        guest(vec![said(0)], call(2)),
        guest(vec![said(0)], call(0)),
    ] {
        assert!(matches!(story.refused(bad), Refusal::Conflict(_)));
    }
    story
        .run(guest(vec![said(0), said(1)], call(2)))
        .expect("in order");
    assert_eq!(story.live(ticket).map(|run| run.calls), Some(3));
    story.waits(
        ticket,
        Call::Ask {
            member: "maria".to_owned(),
            text: "well?".to_owned(),
            timeout_ms: None,
        },
    );
    assert!(
        matches!(story.refused(guest(Vec::new(), call(4))), Refusal::Conflict(why) if why.contains("waits"))
    );
}

#[test]
fn an_ask_is_answered_by_whom_it_was_put_to_and_by_nothing_else() {
    let mut story = Story::new();
    let ticket = story.give("ada", "a");
    let run = story.run_of(ticket);
    let ask = |member: &str| Call::Ask {
        member: member.to_owned(),
        text: "which?".to_owned(),
        timeout_ms: Some(50),
    };
    assert!(
        story.call(ticket, ask("bob")).is_err(),
        "bob is not in the channel"
    );
    story.waits(ticket, ask("maria"));
    let question = story.messages.last().expect("the question").1.id;
    let say = |who: &str, reply_to| Command::PostMessage {
        ticket,
        author: Author::Person(who.to_owned()),
        text: "the red one".to_owned(),
        reply_to,
    };
    story.run(say("otto", None)).expect("posted");
    story
        .run(say("maria", Some(adjutant_model::MessageId(Uuid::nil()))))
        .expect("posted");
    assert_eq!(story.answered(run), None);
    story.run(say("maria", Some(question))).expect("posted");
    assert!(
        matches!(story.answered(run), Some(Ok(adjutant_model::Answer::Answer { message, .. })) if message.text == "the red one")
    );
    story.waits(ticket, ask("maria"));
    story.later(50);
    assert!(matches!(
        story.answered(run),
        Some(Err(adjutant_model::CallError::Deadline(_)))
    ));
    story
        .run(say("maria", Some(question)))
        .expect("too late, but said");
}

#[test]
fn a_report_from_outside_is_fenced() {
    let mut story = Story::new();
    let mut ada = spec("ada", "worker", Some("kai"));
    ada.limits.max_concurrent = 2;
    story.team(vec![ada]).expect("saved");
    let outside = || Call::CallForReport {
        message: "please".to_owned(),
        timeout_ms: None,
    };
    let (one, two) = (story.give("ada", "a"), story.give("ada", "b"));
    assert!(
        story
            .report("ada", None, None)
            .expect_err("none waits")
            .contains("no open delegation")
    );
    story.waits(one, outside());
    let token = story.live(one).map(|run| run.token);
    assert!(story.texts(one)[0].contains(&format!("token={}", token.expect("a run"))));
    assert!(
        story
            .report("bob", None, token)
            .expect_err("foreign")
            .contains("another agent")
    );
    assert!(
        story
            .report("ada", Some(two), token)
            .expect_err("foreign")
            .contains("another delegation")
    );
    assert!(
        story
            .report("ada", Some(two), None)
            .expect_err("not that one")
            .contains("never given")
    );
    story.waits(two, outside());
    assert!(
        story
            .report("ada", None, None)
            .expect_err("ambiguous")
            .contains("2 delegations")
    );
    story.report("ada", Some(one), token).expect("accepted");
    assert!(
        story
            .report("ada", Some(one), token)
            .expect_err("twice")
            .contains("does not wait")
    );
    story.done(one);
    assert!(
        story
            .report("ada", Some(one), token)
            .expect_err("stale")
            .contains("is over")
    );
    story
        .report("ada", None, None)
        .expect("just one is open now");
}

#[test]
fn collaborators_links_memory_and_logs_have_limits() {
    let mut story = Story::new();
    story.limits.collaborators = 1;
    story.limits.memory_bytes = 12;
    story.limits.memory_value_bytes = 10;
    story.limits.log_bytes = 10;
    let ticket = story.give("ada", "a");
    let other = story.give("bob", "b");
    let add = |agent: &str| Command::AddCollaborator {
        ticket,
        agent: agent.to_owned(),
    };
    story.run(add("bob")).expect("room");
    story.run(add("bob")).expect("already");
    assert!(matches!(story.refused(add("sol")), Refusal::Limit(_)));
    let link = |ticket| Call::LinkTicket {
        ticket,
        kind: "relates".to_owned(),
    };
    assert!(
        story.call(ticket, link(other)).is_err(),
        "ada cannot see bob's ticket"
    );
    story
        .run(Command::AddCollaborator {
            ticket: other,
            agent: "ada".to_owned(),
        })
        .expect("room");
    story.call(ticket, link(other)).expect("linked");
    assert_eq!(story.ticket(other).links.len(), 1, "on both");

    let put = |story: &mut Story, key: &str, bytes: usize| {
        let mut call = story.next_call(
            ticket,
            Call::MemoryPut {
                key: key.to_owned(),
                bytes: 0,
                digest: String::new(),
            },
        );
        call.payload = Some(vec![0; bytes]);
        story.guest(ticket, call).expect("at once").is_ok()
    };
    assert!(!put(&mut story, "", 1) && !put(&mut story, "k", 11));
    assert!(put(&mut story, "k", 10));
    assert!(!put(&mut story, "l", 1), "full");
    assert!(put(&mut story, "k", 1), "in place of what was there");
    assert!(put(&mut story, "l", 1));

    let run = story.run_of(ticket);
    let print = || Command::Output {
        run,
        stream: "stdout".to_owned(),
        text: "12345678".to_owned(),
    };
    let mut logged = Vec::new();
    for _ in 0..4 {
        story.run(print()).expect("a live run");
        logged.extend(
            story
                .last
                .logs
                .iter()
                .map(|(_, _, (_, _, text))| text.clone()),
        );
    }
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert!(logged[1].contains("limit of 10 bytes"));
}

#[test]
fn what_a_guest_hands_over_is_bounded() {
    let mut story = Story::new();
    let ticket = story.give("kai", "a");
    let long = "x".repeat(70_000);
    let child = story
        .delegate(ticket, &[("ada", "part")])
        .expect("delegated")[0];
    let bob = story.agent("bob");
    let plan = adjutant_model::WorkPlan {
        name: "p".to_owned(),
        description: String::new(),
        phases: vec![adjutant_model::PlanPhase {
            id: "1".to_owned(),
            name: "one".to_owned(),
            parallel: true,
            depends_on: Vec::new(),
            tasks: vec![adjutant_model::PlanTask {
                id: "t".to_owned(),
                description: "d".to_owned(),
                suggested_class: long.clone(),
                assign_to: None,
                priority: adjutant_model::Priority::Low,
                blocked_by: Vec::new(),
            }],
        }],
    };
    let calls = [
        Call::CancelDelegated {
            ticket: child,
            reason: long.clone(),
        },
        Call::Reassign {
            ticket: child,
            assignee: bob,
            reason: long.clone(),
        },
        Call::Ask {
            member: long.clone(),
            text: "?".to_owned(),
            timeout_ms: None,
        },
        Call::Mention {
            members: vec!["maria".to_owned(); 101],
            text: "!".to_owned(),
        },
        Call::ProposePlan { plan },
        Call::Comment {
            ticket: child,
            text: long.clone(),
        },
        Call::CallForReport {
            message: long,
            timeout_ms: None,
        },
    ];
    for call in calls {
        let name = call.name();
        assert!(story.call(ticket, call).is_err(), "{name}");
    }
    assert_eq!(story.desk("ada").0, [child], "nothing has happened to it");
}

#[test]
fn violations_do_not_repeat_the_whole_output() {
    let schema = json!({"items": {"type": "integer"}});
    let output = json!(vec!["x".repeat(10_000); 20]);
    let wrong = adjutant_model::schema::check_output(Some(&schema), Some(&output));
    assert_eq!(wrong.len(), 20);
    assert!(wrong.iter().all(|one| one.message.len() <= 500));
    assert_eq!(wrong[19].path, "/19");
}
