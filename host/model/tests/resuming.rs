//! Stories of runs that broke, and are gone on from.

use crate::common::{Story, spec};
use adjutant_model::{
    Answer, Budget, Call, Command, Effect, Ending, Join, NewTicket, Outcome, Plugin, Record,
    Refusal, RunId, RunStatus, Status, Terms, TicketId, World,
};

/// A story whose plugin `worker` has a fixed version.
fn story() -> Story {
    let mut story = Story::new();
    for (name, world) in [("worker", World::Subordinate), ("boss", World::Boss)] {
        let fixed = Plugin {
            name: name.to_owned(),
            version: "1.0.1".to_owned(),
            digest: format!("sha256:{name}-fixed"),
            world,
            size: 1,
            builtin: false,
            added_at: 1,
            source: Default::default(),
        };
        story.plugins.add(fixed).expect("a new version");
    }
    story
}

fn breaks(story: &mut Story, ticket: TicketId) -> RunId {
    let run = story.run_of(ticket);
    story.end(ticket, Ending::Broke("it trapped".to_owned()));
    run
}

/// A run's journal, each record stored by itself.
fn journal(story: &Story, run: RunId) -> Vec<Vec<Record>> {
    let records = story.journal.iter().filter(|(of, _)| *of == run);
    records.map(|(_, record)| vec![record.clone()]).collect()
}

fn resume(story: &Story, ticket: TicketId, run: RunId) -> Command {
    Command::ResumeRun {
        ticket,
        run,
        plugin: None,
        journal: journal(story, run),
    }
}

fn note(text: &str) -> Call {
    Call::MemoryPut {
        key: text.to_owned(),
        bytes: 0,
        digest: String::new(),
    }
}

#[test]
fn a_run_that_broke_is_gone_on_from_by_a_new_one_with_its_journal() {
    let mut story = story();
    let ticket = story.give("ada", "a");
    story.call(ticket, note("one")).expect("kept");
    let token = story.live(ticket).expect("live").token;
    let old = breaks(&mut story, ticket);
    assert_eq!(story.status(ticket), Status::Failed);
    let old_start = story.state.run(old).expect("it is here").queued_at;
    story.now += 50;
    let command = resume(&story, ticket, old);
    let Ok(Outcome::Ticket(shown)) = story.run(command) else {
        panic!("it can be resumed");
    };
    assert_eq!((shown.status, shown.attempts), (Status::InProgress, 2));
    assert_eq!((shown.ended_at, shown.summary.as_str()), (None, ""));
    let new = story.live(ticket).expect("live").clone();
    assert_eq!(shown.run, Some(new.id));
    assert_eq!((new.calls, new.journal_len, new.attempt), (1, 1, 2));
    assert_eq!(new.plugin.version, "1.0.1", "the version registered last");
    assert_ne!(new.token, token, "the old one writes no more");
    let resumed = new.resumed.as_deref().expect("it says so");
    assert_eq!((resumed.from, resumed.calls), (old, 1));
    assert_eq!(
        (new.first().run, new.first().attempt, new.first().queued_at),
        (old, 1, old_start),
        "the guest sees the start of the first"
    );
    assert_eq!(story.last.effects, [Effect::Start(new.id)]);
    assert_eq!(story.last.journal.len(), 1, "the journal is taken over");
    assert_eq!(story.desk("ada"), (vec![ticket], 0));
    // It goes on after what was taken over.
    story.call(ticket, note("two")).expect("kept");
    story.done(ticket);
    assert_eq!(story.status(ticket), Status::Done);

    // Once more from a run that was resumed itself: the first stays the first.
    let ticket = story.give("ada", "b");
    let first = breaks(&mut story, ticket);
    let command = resume(&story, ticket, first);
    story.run(command).expect("resumed");
    let second = breaks(&mut story, ticket);
    let command = resume(&story, ticket, second);
    story.run(command).expect("resumed again");
    let third = story.live(ticket).expect("live");
    assert_eq!(third.first().run, first);
    assert_eq!(third.resumed.as_ref().map(|from| from.from), Some(second));
}

#[test]
fn what_cannot_be_resumed_is_refused_and_says_why() {
    let mut story = story();
    let alive = story.give("ada", "alive");
    let live = story.run_of(alive);
    let done = story.give("bob", "done");
    let ended = story.run_of(done);
    story.done(done);
    let gave_up = story.give("bob", "gave up");
    let gone = story.run_of(gave_up);
    story.fails(gave_up);
    let by_hand = story.give("bob", "by hand");
    let stopped = story.run_of(by_hand);
    story.set(by_hand, Status::Failed, false);
    let cancelled = story.give("sol", "cancelled later");
    let broke = breaks(&mut story, cancelled);
    story.set(cancelled, Status::Cancelled, true);
    let again = story.give("sol", "again");
    let before = breaks(&mut story, again);
    story.set(again, Status::Open, true);
    story.done(again);
    let table = [
        (alive, live, "goes on by itself"),
        (done, ended, "did not break"),
        (gave_up, gone, "did not break"),
        (by_hand, stopped, "did not break"),
        (
            cancelled,
            broke,
            "is cancelled; only a ticket that has failed",
        ),
        (again, before, "not the last one"),
        (alive, ended, "not the last one"),
        (TicketId(uuid::Uuid::nil()), ended, "there is no ticket"),
    ];
    for (ticket, run, why) in table {
        let command = resume(&story, ticket, run);
        let refusal = story.refused(command).to_string();
        assert!(refusal.contains(why), "{why:?}: {refusal}");
    }
}

#[test]
fn it_goes_on_with_a_version_of_its_own_plugin_and_its_whole_journal() {
    let mut story = story();
    let ticket = story.give("sol", "a");
    story.call(ticket, note("one")).expect("kept");
    let run = breaks(&mut story, ticket);
    let with = |plugin: &str, journal: Vec<Vec<Record>>| Command::ResumeRun {
        ticket,
        run,
        plugin: Some(plugin.to_owned()),
        journal,
    };
    let whole = journal(&story, run);
    let other = story.refused(with("boss@1.0.0", whole.clone()));
    assert!(matches!(&other, Refusal::Invalid(_)), "{other}");
    let unknown = story.refused(with("worker@7", whole.clone()));
    assert!(matches!(&unknown, Refusal::NotFound(_)), "{unknown}");
    let part = story.refused(with("worker", Vec::new())).to_string();
    assert!(part.contains("has 1 calls and not the 0"), "{part}");
    story
        .run(with("worker@1.0.0", whole))
        .expect("the same version");
    assert_eq!(story.live(ticket).expect("live").plugin.version, "1.0.0");
}

#[test]
fn a_wait_that_nobody_answered_is_asked_again() {
    let mut story = story();
    let ticket = story.give("kai", "a");
    let children = story.delegate(ticket, &[("ada", "b")]).expect("delegated");
    let wait = story.awaits(&children, Join::All);
    story.waits(ticket, wait);
    let run = breaks(&mut story, ticket);
    let command = resume(&story, ticket, run);
    story.run(command).expect("resumed");
    let new = story.live(ticket).expect("live").clone();
    assert_eq!(new.calls, 1, "the delegation");
    assert_eq!(new.wait, None);
    assert_eq!(
        story.status(children[0]),
        Status::Cancelled,
        "what it delegated was cancelled when it broke"
    );
    // Asked again, the wait has its report at once: it is from before, and still this run's.
    let all = story.awaits(&[], Join::All);
    let Ok(Answer::Joined(joined)) = story.call(ticket, all) else {
        panic!("it is answered at once");
    };
    assert_eq!(joined.reports.len(), 1);
}

#[test]
fn a_boss_that_waits_has_the_report_still_to_come() {
    let mut story = story();
    let ticket = story.give("kai", "a");
    let children = story
        .delegate(ticket, &[("ada", "b"), ("bob", "c")])
        .expect("delegated");
    let wait = story.awaits(&children, Join::All);
    story.waits(ticket, wait);
    let boss = story.run_of(ticket);
    let run = breaks(&mut story, children[0]);
    let command = resume(&story, children[0], run);
    story.run(command).expect("resumed");
    story.done(children[1]);
    assert!(
        story
            .live(ticket)
            .is_some_and(|run| run.status == RunStatus::Waiting),
        "one report is still to come"
    );
    story.done(children[0]);
    let joined = story.joined(boss);
    assert!(joined.met, "{joined:?}");
    assert!(
        joined
            .reports
            .iter()
            .all(|report| report.summary == "all good"),
        "{joined:?}"
    );
}

#[test]
fn below_a_ticket_that_is_over_nothing_is_resumed() {
    let mut story = story();
    let ticket = story.give("kai", "a");
    let children = story.delegate(ticket, &[("ada", "b")]).expect("delegated");
    let run = breaks(&mut story, children[0]);
    story.done(ticket);
    let command = resume(&story, children[0], run);
    let refusal = story.refused(command).to_string();
    assert!(
        refusal.contains("nobody would take the report"),
        "{refusal}"
    );
}

#[test]
fn it_starts_at_once_or_not_at_all() {
    let mut story = story();
    let mut one = spec("sol", "worker", None);
    one.limits.max_concurrent = 1;
    story.team(vec![one]).expect("a good team");
    let ticket = story.give("sol", "a");
    let run = breaks(&mut story, ticket);
    let other = story.give("sol", "b");
    let command = resume(&story, ticket, run);
    let refusal = story.refused(command.clone());
    assert!(matches!(&refusal, Refusal::Busy(_)), "{refusal}");
    assert!(refusal.to_string().contains("max_concurrent"), "{refusal}");
    story.done(other);
    story.run(command.clone()).expect("it is free now");
    story.done(ticket);

    story.limits.live_tickets = 1;
    let ticket = story.give("sol", "c");
    let run = breaks(&mut story, ticket);
    let other = story.create(NewTicket {
        title: "in the way".to_owned(),
        ..NewTicket::default()
    });
    let command = resume(&story, ticket, run);
    let refusal = story.refused(command.clone());
    assert!(refusal.to_string().contains("live_tickets"), "{refusal}");
    story.cancel(other);
    story.run(command).expect("there is room now");
}

/// Found by the random walk: it went on beyond its grace, with what the one before it had used of it.
#[test]
fn a_run_whose_guest_time_is_used_up_is_not_gone_on_from() {
    let mut story = story();
    let terms = Terms {
        budget: Some(Budget {
            guest_ms: Some(100),
            ..Budget::default()
        }),
        ..Terms::default()
    };
    let ticket = story.create(NewTicket {
        title: "a".to_owned(),
        assignee: Some("ada".to_owned()),
        terms,
        ..NewTicket::default()
    });
    let run = story.run_of(ticket);
    let ending = Command::EndRun {
        run,
        pending: Vec::new(),
        guest_us: 100_000,
        ending: Ending::Broke("it trapped".to_owned()),
    };
    story.run(ending).expect("it broke");
    let command = resume(&story, ticket, run);
    let refusal = story.refused(command);
    assert!(
        matches!(&refusal, Refusal::Limit(why) if why.contains("is used up") && why.contains("`guest_ms`")),
        "{refusal:?}"
    );
}
