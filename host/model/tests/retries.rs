//! What follows when an attempt fails: a pause and another try, another agent, and in the end a report
//! with the history.

use crate::common::{Story, spec, task};
use adjutant_model::{
    AgentId, Assignment, Call, Choice, Command, Confidence, Effect, Ending, EventKind, Join,
    Limits, NewTicket, Refusal, ReportOutcome, Retry, Status, Terms, TicketId, Violation,
};

pub(crate) fn retry(attempts: u32, reassign: u32) -> Terms {
    Terms {
        retry: Some(Retry {
            attempts,
            backoff_ms: 100,
            max_backoff_ms: 250,
            reassign,
        }),
        ..Terms::default()
    }
}

/// How a ticket's attempt comes to its end.
type End = fn(&mut Story, TicketId);
/// What a selector says.
type Says = fn(&Story) -> Result<(AgentId, Choice), String>;

/// A ticket of kai's, and a part of it that is delegated to ada on these terms.
pub(crate) fn delegated(story: &mut Story, terms: Terms) -> (TicketId, TicketId) {
    let root = story.give("kai", "job");
    let part = Assignment {
        assignee: Some(story.agent("ada")),
        terms,
        ..task("part")
    };
    let part = story.delegate_all(root, vec![part]).expect("delegated")[0];
    (root, part)
}

fn broke(story: &mut Story, ticket: TicketId) {
    story.end(ticket, Ending::Broke("it trapped".to_owned()));
}

/// What was asked of a selector last: the ticket, and how often it was tried.
fn asked(story: &Story) -> Option<(TicketId, u32)> {
    let effects = story.last.effects.iter().rev();
    effects
        .filter_map(|effect| match effect {
            Effect::Choose { ticket, tried } => Some((*ticket, *tried)),
            _ => None,
        })
        .next()
}

fn choice(story: &Story, name: &str) -> (AgentId, Choice) {
    let choice = Choice {
        reason: "it can do it too".to_owned(),
        confidence: Confidence::Medium,
    };
    (story.agent(name), choice)
}

pub(crate) fn chosen(story: &mut Story, ticket: TicketId, tried: u32, name: &str) {
    let choice = Ok(choice(story, name));
    story
        .run(Command::Chosen {
            ticket,
            tried,
            choice,
        })
        .expect("it is waited for");
}

#[test]
fn a_failed_attempt_is_tried_again_after_a_pause_that_doubles() {
    let mut story = Story::new();
    let ticket = story.create(NewTicket {
        title: "hard".to_owned(),
        assignee: Some("sol".to_owned()),
        terms: retry(5, 0),
        ..NewTicket::default()
    });
    for (attempt, pause) in [(1, 100), (2, 200), (3, 250), (4, 250)] {
        if attempt % 2 == 0 {
            story.fails(ticket);
        } else {
            broke(&mut story, ticket);
        }
        let at = story.now + pause;
        assert_eq!(story.ticket(ticket).not_before, Some(at));
        assert_eq!(story.status(ticket), Status::Open);
        assert_eq!(story.desk("sol"), (vec![], 1), "it waits in the queue");
        let last = story.events.iter().rev().find_map(|event| match event {
            EventKind::TicketRetried {
                attempt,
                not_before,
                ..
            } => Some((*attempt, *not_before)),
            _ => None,
        });
        assert_eq!(last, Some((attempt, at)));
        story.later(pause - 1);
        assert_eq!(story.live(ticket), None, "not yet");
        story.later(1);
        assert_eq!(story.live(ticket).expect("a run").attempt, attempt + 1);
        assert_eq!(story.ticket(ticket).not_before, None);
    }
    story.done(ticket);
    let ticket = story.ticket(ticket);
    assert_eq!((ticket.status, ticket.attempts), (Status::Done, 5));
    let history: Vec<(u32, &str)> = ticket
        .history
        .iter()
        .map(|past| (past.attempt, past.reason.as_str()))
        .collect();
    assert_eq!(
        history,
        [
            (1, "it trapped"),
            (2, "no luck"),
            (3, "it trapped"),
            (4, "no luck")
        ]
    );
}

#[test]
fn a_ticket_that_pauses_holds_up_nobody() {
    let mut story = Story::new();
    let first = story.create(NewTicket {
        title: "hard".to_owned(),
        assignee: Some("sol".to_owned()),
        terms: retry(2, 0),
        ..NewTicket::default()
    });
    let second = story.give("sol", "easy");
    assert!(story.live(second).is_none());
    story.fails(first);
    assert!(
        story.live(second).is_some(),
        "its agent goes on with the next"
    );
    story.later(100);
    assert!(
        story.live(first).is_none(),
        "its agent is at something else"
    );
    story.done(second);
    assert!(story.live(first).is_some());
}

#[test]
fn a_ticket_without_terms_fails_at_once_and_says_nothing_of_tries() {
    let mut story = Story::new();
    let (root, part) = delegated(&mut story, Terms::default());
    story.fails(part);
    assert_eq!(story.ticket(part).summary, "no luck");
    let call = story.awaits(&[part], Join::All);
    let reply = story.call(root, call);
    let Ok(adjutant_model::Answer::Joined(joined)) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(joined.reports[0].history.len(), 1);
    let text = adjutant_model::text::task_report(&joined.reports[0]);
    assert!(!text.contains("Attempt"), "{text}");
}

#[test]
fn what_people_end_and_what_is_out_of_time_is_not_tried_again() {
    let table: [(&str, End, Status); 4] = [
        ("cancelled", |story, id| story.cancel(id), Status::Cancelled),
        (
            "failed by hand",
            |story, id| story.set(id, Status::Failed, true),
            Status::Failed,
        ),
        ("deadline", |story, _| story.later(1_000), Status::Failed),
        (
            "no time for another try",
            |story, id| {
                story.later(950);
                story.fails(id);
            },
            Status::Failed,
        ),
    ];
    for (what, end, status) in table {
        let mut story = Story::new();
        let ticket = story.create(NewTicket {
            title: "hard".to_owned(),
            assignee: Some("sol".to_owned()),
            deadline_ms: Some(1_000),
            terms: retry(3, 0),
            ..NewTicket::default()
        });
        end(&mut story, ticket);
        assert_eq!(story.status(ticket), status, "{what}");
        assert_eq!(story.state.next_timer(), None, "{what}");
    }
}

#[test]
fn while_it_pauses_it_can_be_cancelled_and_its_deadline_holds() {
    for by_deadline in [false, true] {
        let mut story = Story::new();
        let ticket = story.create(NewTicket {
            title: "hard".to_owned(),
            assignee: Some("sol".to_owned()),
            deadline_ms: Some(150),
            terms: retry(3, 0),
            ..NewTicket::default()
        });
        let blocked = story.give("sol", "blocks the desk");
        story.fails(ticket);
        assert!(story.live(blocked).is_some());
        if by_deadline {
            story.later(150);
            assert_eq!(story.status(ticket), Status::Failed);
        } else {
            story.cancel(ticket);
            assert_eq!(story.status(ticket), Status::Cancelled);
        }
        assert_eq!(story.state.next_timer(), None);
        assert_eq!(story.desk("sol").1, 0);
    }
}

#[test]
fn outputs_refused_too_often_are_one_failed_attempt_and_are_told_to_the_next() {
    let mut story = Story::new();
    let (_, part) = delegated(&mut story, retry(2, 0));
    let wrong = vec![Violation::new("/n", "a number is wanted")];
    for _ in 0..3 {
        story.works(part, true, Some(1.into()), wrong.clone());
    }
    assert_eq!(story.status(part), Status::Open, "one attempt is used up");
    assert_eq!(
        story.ticket(part).rejections,
        0,
        "the next has as many outputs"
    );
    story.later(100);
    assert_eq!(story.live(part).expect("a run").given.violations, wrong);
    story.works(part, true, Some(2.into()), Vec::new());
    assert_eq!(story.status(part), Status::Done);
    assert_eq!(story.ticket(part).output, Some(2.into()));
}

#[test]
fn when_its_agent_has_no_try_left_another_of_the_team_gets_it() {
    let mut story = Story::new();
    let (root, part) = delegated(&mut story, retry(2, 1));
    story.fails(part);
    story.later(100);
    story.fails(part);
    assert_eq!(asked(&story), Some((part, 2)), "the selector is asked");
    let candidates = story.state.untried(story.ticket(part));
    let names: Vec<&str> = candidates.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["bob", "lead"], "ada has tried it");
    assert_eq!(
        story.desk("ada"),
        (vec![], 0),
        "it is in no queue meanwhile"
    );

    let old = Command::Chosen {
        ticket: part,
        tried: 1,
        choice: Ok(choice(&story, "bob")),
    };
    let refusal = story.refused(old);
    assert!(
        matches!(refusal, Refusal::Conflict(_)),
        "of an earlier asking: {refusal}"
    );

    chosen(&mut story, part, 2, "bob");
    assert_eq!(
        story.live(part).map(|run| run.agent),
        Some(story.agent("bob"))
    );
    story.done(part);
    let call = story.awaits(&[part], Join::All);
    let reply = story.call(root, call);
    let Ok(adjutant_model::Answer::Joined(joined)) = reply else {
        panic!("{reply:?}");
    };
    let report = &joined.reports[0];
    assert_eq!(report.agent_name, "bob");
    assert_eq!(
        (report.outcome, report.attempt),
        (ReportOutcome::Completed, 3)
    );
    let text = adjutant_model::text::task_report(report);
    assert!(
        text.ends_with("\nAttempt 1 by ada failed: no luck\nAttempt 2 by ada failed: no luck"),
        "{text}"
    );
}

#[test]
fn when_all_have_failed_the_boss_gets_the_history() {
    let mut story = Story::new();
    let (root, part) = delegated(&mut story, retry(1, 5));
    let run = story.run_of(root);
    let call = story.awaits(&[part], Join::All);
    story.waits(root, call);
    for (tried, next) in [(1, "bob"), (2, "lead")] {
        broke(&mut story, part);
        assert_eq!(asked(&story), Some((part, tried)));
        assert!(
            story.live(root).is_some_and(|run| run.wait.is_some()),
            "no report yet"
        );
        chosen(&mut story, part, tried, next);
    }
    broke(&mut story, part);
    assert_eq!(asked(&story), None, "nobody is left");
    let report = story.joined(run).reports.remove(0);
    assert_eq!(report.outcome, ReportOutcome::Failed);
    let by: Vec<(u32, &str)> = report
        .history
        .iter()
        .map(|past| (past.attempt, past.agent_name.as_str()))
        .collect();
    assert_eq!(by, [(1, "ada"), (2, "bob"), (3, "lead")]);
    let told = "(It was tried 3 times, by ada, bob, lead.)";
    assert!(report.summary.ends_with(told), "{}", report.summary);
    assert!(
        report.summary.starts_with("it trapped"),
        "{}",
        report.summary
    );
}

#[test]
fn a_selector_that_finds_nobody_ends_it_with_the_history() {
    let table: [(&str, Says); 4] = [
        ("nobody fits", |_| Err("nobody fits".to_owned())),
        ("may not have it", |story| Ok(choice(story, "ada"))),
        ("may not have it", |story| Ok(choice(story, "sol"))),
        ("may not have it", |story| Ok(choice(story, "kai"))),
    ];
    for (why, says) in table {
        let mut story = Story::new();
        let (_, part) = delegated(&mut story, retry(1, 1));
        broke(&mut story, part);
        let choice = says(&story);
        story
            .run(Command::Chosen {
                ticket: part,
                tried: 1,
                choice,
            })
            .expect("it is waited for");
        assert_eq!(story.status(part), Status::Failed);
        let summary = &story.ticket(part).summary;
        assert!(
            summary.contains(why) && summary.contains("it trapped"),
            "{summary}"
        );
    }
}

#[test]
fn a_choice_that_was_being_made_is_asked_for_again_after_a_start() {
    let mut story = Story::new();
    let (_, part) = delegated(&mut story, retry(1, 1));
    broke(&mut story, part);
    story.run(Command::Recover).expect("it goes on");
    assert_eq!(asked(&story), Some((part, 1)));
    chosen(&mut story, part, 1, "bob");
    story.run(Command::Recover).expect("it goes on");
    assert_eq!(asked(&story), None);
}

#[test]
fn a_plugin_that_is_not_there_is_another_agents_turn() {
    let mut story = Story::new();
    let mut ada = spec("ada", "worker@1.0.0", Some("kai"));
    ada.limits.max_concurrent = 1;
    story.team(vec![ada]).expect("a good team");
    story
        .plugins
        .remove(
            "worker",
            "1.0.0",
            adjutant_model::Moment {
                now: 0,
                reason: "",
                keep: 50,
            },
        )
        .expect("it is there");
    let (_, part) = delegated(&mut story, retry(3, 1));
    assert_eq!(asked(&story), Some((part, 1)), "no pause would help");
    let past = &story.ticket(part).history[0];
    assert_eq!(past.run, None);
    assert!(
        past.reason.contains("there is no plugin worker@1.0.0"),
        "{past:?}"
    );
    chosen(&mut story, part, 1, "lead");
    assert!(story.live(part).is_some());
}

#[test]
fn a_boss_that_tries_again_keeps_what_is_done_and_delegates_the_rest_anew() {
    let mut story = Story::new();
    let root = story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some("kai".to_owned()),
        terms: retry(2, 0),
        ..NewTicket::default()
    });
    let parts = |story: &Story| -> Vec<Assignment> {
        [("ada", "a"), ("bob", "b"), ("lead", "c")]
            .map(|(name, key)| Assignment {
                assignee: Some(story.agent(name)),
                key: Some(key.to_owned()),
                ..task(key)
            })
            .to_vec()
    };
    let assignments = parts(&story);
    let first = story.delegate_all(root, assignments).expect("delegated");
    story.done(first[0]);
    story.fails(first[1]);
    broke(&mut story, root);
    assert_eq!(story.status(first[2]), Status::Cancelled, "its run is gone");
    story.later(100);
    let assignments = parts(&story);
    let second = story.delegate_all(root, assignments).expect("delegated");
    assert_eq!(second[0], first[0], "what is done is not done again");
    assert_ne!(second[1], first[1]);
    assert_ne!(second[2], first[2]);
    let assignments = parts(&story);
    let third = story.delegate_all(root, assignments).expect("delegated");
    assert_eq!(third, second, "within one run a key is one delegation");
}

#[test]
fn whoever_gets_it_by_hand_gets_all_tries() {
    let mut story = Story::new();
    let (_, part) = delegated(&mut story, retry(1, 1));
    broke(&mut story, part);
    story.assign(part, "bob").expect("a person decides");
    assert!(story.live(part).is_some());
    let late = Command::Chosen {
        ticket: part,
        tried: 1,
        choice: Ok(choice(&story, "lead")),
    };
    story.refused(late);
    broke(&mut story, part);
    assert_eq!(asked(&story), Some((part, 2)), "one reassigning is left");
}

#[test]
fn the_history_keeps_the_newest_and_terms_are_bounded() {
    let mut story = Story::new();
    story.limits = Limits {
        history: 2,
        attempts: 6,
        ..Limits::default()
    };
    for (attempts, reassign, good) in [(6, 0, true), (3, 1, true), (0, 0, false), (7, 0, false)] {
        let new = NewTicket {
            title: "hard".to_owned(),
            terms: retry(attempts, reassign),
            ..NewTicket::default()
        };
        let made = story.run(Command::CreateTicket(new));
        assert_eq!(made.is_ok(), good, "{attempts} {reassign}: {made:?}");
    }
    let root = story.give("kai", "job");
    let part = Assignment {
        assignee: Some(story.agent("ada")),
        terms: retry(4, 1),
        ..task("part")
    };
    let error = story.call(
        root,
        Call::Delegate {
            assignments: vec![part],
        },
    );
    let error = error.expect_err("8 runs are too many").to_string();
    assert!(error.contains("limit `attempts`"), "{error}");

    let part = Assignment {
        assignee: Some(story.agent("ada")),
        terms: retry(4, 0),
        ..task("part")
    };
    let part = story.delegate_all(root, vec![part]).expect("delegated")[0];
    for _ in 0..4 {
        story.fails(part);
        story.later(1_000);
    }
    let history = &story.ticket(part).history;
    let kept: Vec<u32> = history.iter().map(|past| past.attempt).collect();
    assert_eq!(kept, [3, 4]);
    assert!(story.ticket(part).summary.contains("tried 4 times"));
}

#[test]
fn a_boss_that_tries_again_does_not_get_the_failed_reports_of_its_first_attempt() {
    let mut story = Story::new();
    let root = story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some("kai".to_owned()),
        terms: retry(2, 0),
        ..NewTicket::default()
    });
    let part = |story: &Story| {
        vec![Assignment {
            assignee: Some(story.agent("ada")),
            key: Some("a".to_owned()),
            ..task("a")
        }]
    };
    let parts = part(&story);
    let first = story.delegate_all(root, parts).expect("delegated");
    story.fails(first[0]);
    story.fails(root);
    story.later(100);
    let parts = part(&story);
    let second = story.delegate_all(root, parts).expect("delegated");
    assert_ne!(first, second);
    story.waits(root, story.awaits(&[], Join::All));
    let run = story.run_of(root);
    story.done(second[0]);
    let reports = story.joined(run).reports;
    let tickets: Vec<TicketId> = reports.iter().map(|one| one.ticket).collect();
    assert_eq!(tickets, second);
}

#[test]
fn a_ticket_that_a_person_gave_may_be_tried_by_another_of_its_agents_team() {
    let mut story = Story::new();
    let ticket = story.create(NewTicket {
        title: "by hand".to_owned(),
        assignee: Some("ada".to_owned()),
        terms: retry(1, 1),
        ..NewTicket::default()
    });
    broke(&mut story, ticket);
    assert_eq!(asked(&story), Some((ticket, 1)), "kai's selector is asked");
    chosen(&mut story, ticket, 1, "bob");
    assert_eq!(
        story.live(ticket).map(|run| run.agent),
        Some(story.agent("bob"))
    );
}

#[test]
fn a_report_without_a_token_is_not_taken_for_a_later_attempt() {
    let mut story = Story::new();
    let (_, part) = delegated(&mut story, retry(2, 0));
    let call = |story: &mut Story| {
        let call = Call::CallForReport {
            message: "please".to_owned(),
            timeout_ms: None,
        };
        story.waits(part, call);
    };
    call(&mut story);
    broke(&mut story, part);
    story.later(100);
    call(&mut story);
    let why = story.report("ada", Some(part), None).expect_err("refused");
    assert!(why.contains("attempt 2"), "{why}");
    let token = story.live(part).map(|run| run.token);
    story
        .report("ada", Some(part), token)
        .expect("its own token");
}
