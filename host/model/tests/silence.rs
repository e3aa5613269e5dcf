//! Runs that nobody hears of: their attempt has failed.

use crate::common::{Story, spec, task};
use adjutant_model::{
    Assignment, Author, Call, Command, Join, NewTicket, ReportOutcome, Retry, Status, Terms,
    TicketId,
};

/// How a run is heard of.
type Sign = fn(&mut Story, TicketId);

const WHY: &str = "it was silent for 100 ms, its limit (`silence_ms`)";

fn watched(story: &mut Story, to: &str) -> TicketId {
    story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some(to.to_owned()),
        terms: Terms {
            silence_ms: Some(100),
            ..Terms::default()
        },
        ..NewTicket::default()
    })
}

fn says(story: &mut Story, ticket: TicketId, author: Author) {
    story
        .run(Command::PostMessage {
            ticket,
            author,
            text: "still at it".to_owned(),
            reply_to: None,
        })
        .expect("it can be said");
}

#[test]
fn a_run_that_is_silent_for_too_long_has_failed() {
    let mut story = Story::new();
    let ticket = watched(&mut story, "sol");
    let run = story.run_of(ticket);
    story.later(99);
    assert!(story.live(ticket).is_some());
    story.later(1);
    assert_eq!(story.status(ticket), Status::Failed);
    assert_eq!(story.ticket(ticket).summary, WHY);
    let run = story.state.run(run).expect("known");
    assert!(
        run.broke && run.error.as_deref() == Some(WHY),
        "it can be resumed: {run:?}"
    );
    assert_eq!(story.state.next_timer(), None);
}

#[test]
fn every_sign_of_life_counts() {
    let table: [(&str, Sign); 3] = [
        ("a call", |story, ticket| {
            story.call(ticket, Call::Team).expect("answered");
        }),
        ("something printed", |story, ticket| {
            let run = story.run_of(ticket);
            let (stream, text) = ("stdout".to_owned(), "on".to_owned());
            story
                .run(Command::Output { run, stream, text })
                .expect("kept");
        }),
        ("a start of the host", |story, _| {
            story.run(Command::Recover).expect("it goes on");
        }),
    ];
    for (what, sign) in table {
        let mut story = Story::new();
        let ticket = watched(&mut story, "sol");
        for _ in 0..5 {
            story.later(80);
            sign(&mut story, ticket);
        }
        assert!(story.live(ticket).is_some(), "{what}");
        story.later(99);
        assert!(story.live(ticket).is_some(), "{what}");
        story.later(1);
        assert_eq!(story.status(ticket), Status::Failed, "{what}");
    }
}

#[test]
fn waits_for_reports_and_answers_do_not_count() {
    let mut story = Story::new();
    let root = watched(&mut story, "kai");
    let part = story.delegate(root, &[("ada", "part")]).expect("delegated")[0];
    let call = story.awaits(&[part], Join::All);
    story.waits(root, call);
    story.later(10_000);
    assert!(story.live(root).is_some());
    story.done(part);
    let ask = Call::Ask {
        member: "maria".to_owned(),
        text: "so?".to_owned(),
        timeout_ms: Some(10_000),
    };
    story.later(99);
    story.waits(root, ask);
    story.later(9_999);
    assert!(story.live(root).is_some());
    story.later(1);
    story.later(99);
    assert!(
        story.live(root).is_some(),
        "it counts again from the answer on"
    );
    story.later(1);
    assert_eq!(story.status(root), Status::Failed);
}

#[test]
fn someone_outside_who_says_nothing_has_failed_and_a_message_is_a_sign_of_life() {
    let mut story = Story::new();
    let root = story.give("kai", "job");
    let part = Assignment {
        assignee: Some(story.agent("ada")),
        terms: Terms {
            silence_ms: Some(100),
            ..Terms::default()
        },
        ..task("outside")
    };
    let part = story.delegate_all(root, vec![part]).expect("delegated")[0];
    let boss = story.run_of(root);
    let call = story.awaits(&[part], Join::All);
    story.waits(root, call);
    story.waits(
        part,
        Call::CallForReport {
            message: "please".to_owned(),
            timeout_ms: None,
        },
    );
    story.later(80);
    says(&mut story, part, Author::Person("maria".to_owned()));
    story.later(80);
    says(&mut story, part, Author::Host);
    assert!(story.live(part).is_some());
    story.later(20);
    assert_eq!(
        story.status(part),
        Status::Failed,
        "the host's words do not count"
    );
    let report = story.joined(boss).reports.remove(0);
    assert_eq!(
        (report.outcome, report.summary.as_str()),
        (ReportOutcome::Failed, WHY)
    );
}

#[test]
fn it_is_tried_again_like_any_failed_attempt() {
    let mut story = Story::new();
    let ticket = story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some("sol".to_owned()),
        terms: Terms {
            silence_ms: Some(100),
            retry: Some(Retry {
                attempts: 2,
                backoff_ms: 10,
                ..Retry::default()
            }),
            ..Terms::default()
        },
        ..NewTicket::default()
    });
    story.later(100);
    assert_eq!(story.status(ticket), Status::Open);
    story.later(10);
    assert_eq!(story.live(ticket).expect("a run").attempt, 2);
    story.later(100);
    assert!(story.ticket(ticket).summary.starts_with(WHY));
    assert_eq!(story.ticket(ticket).history.len(), 2);
}

#[test]
fn the_agents_limit_holds_where_the_ticket_names_none_and_may_change() {
    let mut story = Story::new();
    let limited = |silence_ms| {
        let mut sol = spec("sol", "worker", None);
        sol.limits.silence_ms = silence_ms;
        vec![sol]
    };
    let first = story.give("sol", "job");
    story.later(1_000_000);
    assert!(story.live(first).is_some(), "no limit, unless one is named");
    story.team(limited(100)).expect("a good team");
    story.later(99);
    assert!(story.live(first).is_some(), "it counts from the change on");
    story.later(1);
    assert_eq!(story.status(first), Status::Failed);

    let second = story.create(NewTicket {
        title: "slow".to_owned(),
        assignee: Some("sol".to_owned()),
        terms: Terms {
            silence_ms: Some(0),
            ..Terms::default()
        },
        ..NewTicket::default()
    });
    story.later(1_000);
    assert!(
        story.live(second).is_some(),
        "0 is no limit, whatever the agent has"
    );
}

#[test]
fn a_boss_cannot_lift_the_limit_of_an_agent() {
    for given in [0, 1_000] {
        let mut story = Story::new();
        let mut ada = spec("ada", "worker", Some("kai"));
        ada.limits.silence_ms = 100;
        story.team(vec![ada]).expect("a good team");
        let root = story.give("kai", "job");
        let part = Assignment {
            assignee: Some(story.agent("ada")),
            terms: Terms {
                silence_ms: Some(given),
                ..Terms::default()
            },
            ..task("part")
        };
        let part = story.delegate_all(root, vec![part]).expect("delegated")[0];
        story.later(99);
        assert!(story.live(part).is_some());
        story.later(1);
        assert_eq!(story.status(part), Status::Failed);
        assert_eq!(story.ticket(part).summary, WHY);
    }
}
