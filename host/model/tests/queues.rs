//! Stories of queues: who is next, what is never done at the same time, and how much at a time.

use crate::common::{Story, spec, task};
use adjutant_model::{
    Assignment, Call, CallError, Command, Join, NewTicket, Outcome, Priority, Refusal, Status,
    TeamSpec, Terms, TicketId, Wip, WorkspaceSpec,
};

pub(crate) fn on(terms: Terms, to: &str) -> NewTicket {
    NewTicket {
        title: "work".to_owned(),
        assignee: Some(to.to_owned()),
        terms,
        ..NewTicket::default()
    }
}

pub(crate) fn urgent(priority: Priority) -> Terms {
    Terms {
        priority,
        ..Terms::default()
    }
}

pub(crate) fn of_group(group: &str) -> Terms {
    Terms {
        group: Some(group.to_owned()),
        ..Terms::default()
    }
}

pub(crate) fn wip(story: &mut Story, wip: Wip) {
    story
        .run(Command::SaveTeam(TeamSpec {
            workspace: WorkspaceSpec {
                wip: Some(wip),
                ..WorkspaceSpec::default()
            },
            ..TeamSpec::default()
        }))
        .expect("saved");
}

pub(crate) fn at_work(story: &Story, tickets: &[TicketId]) -> Vec<bool> {
    let live = |id: &TicketId| story.live(*id).is_some();
    tickets.iter().map(live).collect()
}

#[test]
fn an_urgent_ticket_is_next_and_the_same_urgency_keeps_its_order() {
    let mut story = Story::new();
    let first = story.give("ada", "first");
    let mut give = |priority| story.create(on(urgent(priority), "ada"));
    let low = give(Priority::Low);
    let medium = give(Priority::Medium);
    let high = give(Priority::High);
    let other = give(Priority::High);
    let mut order = Vec::new();
    for ticket in [first, high, other, medium, low] {
        let (current, _) = story.desk("ada");
        order.push(current[0]);
        story.done(ticket);
    }
    assert_eq!(order, [first, high, other, medium, low]);
}

#[test]
fn a_full_queue_refuses_for_now_and_loses_nothing() {
    let mut story = Story::new();
    let mut sol = spec("sol", "worker", None);
    sol.limits.max_queued = 2;
    story.team(vec![sol]).expect("saved");
    let first = story.give("sol", "1");
    story.give("sol", "2");
    story.give("sol", "3");
    let new = NewTicket {
        title: "4".to_owned(),
        assignee: Some("sol".to_owned()),
        ..NewTicket::default()
    };
    let refusal = story.refused(Command::CreateTicket(new.clone()));
    assert!(
        matches!(&refusal, Refusal::Busy(why) if why.contains("queue of sol") && why.contains("max_queued")),
        "{refusal:?}"
    );
    story.done(first);
    assert!(matches!(
        story.run(Command::CreateTicket(new)),
        Ok(Outcome::Ticket(_))
    ));
}

#[test]
fn a_boss_learns_that_a_queue_is_full_and_can_try_again() {
    let mut story = Story::new();
    let mut ada = spec("ada", "worker", Some("kai"));
    ada.limits.max_queued = 1;
    story.team(vec![ada]).expect("saved");
    let root = story.give("kai", "the whole");
    let many = [("ada", "1"), ("ada", "2"), ("ada", "3")];
    let refused = story.delegate(root, &many);
    assert!(
        matches!(&refused, Err(CallError::Unavailable(why)) if why.contains("max_queued")),
        "{refused:?}"
    );
    assert_eq!(story.ticket(root).children, [], "all or nothing");
    story.delegate(root, &many[..1]).expect("room for one");
}

#[test]
fn tickets_of_a_group_are_worked_on_one_after_the_other_whoever_does_them() {
    let mut story = Story::new();
    let a = story.create(on(of_group("release"), "ada"));
    let b = story.create(on(of_group("release"), "bob"));
    let c = story.create(on(
        Terms {
            priority: Priority::High,
            ..of_group("release")
        },
        "sol",
    ));
    let behind = story.give("bob", "of no group");
    assert_eq!(
        at_work(&story, &[a, b, c, behind]),
        [true, false, false, true],
        "who waits for a group holds up none behind it"
    );
    story.done(a);
    assert_eq!(at_work(&story, &[b, c]), [false, true], "the urgent first");
    story.cancel(c);
    assert_eq!(
        at_work(&story, &[b]),
        [false],
        "bob works on something else"
    );
    story.done(behind);
    assert_eq!(at_work(&story, &[b]), [true]);
}

#[test]
fn a_child_of_its_parents_group_is_refused_for_it_would_wait_for_ever() {
    let mut story = Story::new();
    let root = story.create(on(of_group("g"), "kai"));
    let child = Assignment {
        assignee: Some(story.agent("ada")),
        terms: of_group("g"),
        ..task("part")
    };
    let refused = story.delegate_all(root, vec![child]);
    assert!(
        matches!(&refused, Err(CallError::Invalid(list)) if list[0].path == "/0/group"),
        "{refused:?}"
    );
}

#[test]
fn a_workspace_has_so_many_busy_runs_and_those_that_wait_do_not_count() {
    let mut story = Story::new();
    wip(
        &mut story,
        Wip {
            runs: Some(2),
            ..Wip::default()
        },
    );
    let root = story.give("kai", "the whole");
    let other = story.give("sol", "beside");
    let parts = story
        .delegate(root, &[("ada", "1"), ("bob", "2")])
        .expect("handed out");
    assert_eq!(at_work(&story, &[root, other]), [true, true]);
    assert_eq!(at_work(&story, &parts), [false, false], "two are busy");
    story.waits(root, story.awaits(&parts, Join::All));
    assert_eq!(at_work(&story, &parts), [true, false], "the boss waits");
    story.done(other);
    assert_eq!(at_work(&story, &parts), [true, true]);
    story.done(parts[0]);
    story.done(parts[1]);
    story.done(root);
}

/// Somebody on holiday does not stop a workspace.
#[test]
fn a_run_that_waits_for_a_report_from_outside_is_not_busy() {
    let mut story = Story::new();
    wip(
        &mut story,
        Wip {
            runs: Some(1),
            ..Wip::default()
        },
    );
    let (one, two) = (story.give("ada", "1"), story.give("bob", "2"));
    assert_eq!(at_work(&story, &[one, two]), [true, false]);
    let call = Call::CallForReport {
        message: "please".to_owned(),
        timeout_ms: None,
    };
    story.waits(one, call);
    assert_eq!(at_work(&story, &[one, two]), [true, true]);
}

#[test]
fn a_plugin_has_so_many_busy_runs_and_a_changed_limit_holds_at_once() {
    let mut story = Story::new();
    let one = |plugin: &str| Wip {
        runs: None,
        plugins: [(plugin.to_owned(), 1)].into(),
    };
    wip(&mut story, one("worker"));
    let a = story.give("ada", "1");
    let b = story.create(on(urgent(Priority::Low), "bob"));
    let c = story.give("sol", "3");
    let boss = story.give("kai", "another plugin");
    assert_eq!(
        at_work(&story, &[a, b, c, boss]),
        [true, false, false, true]
    );
    story.done(a);
    assert_eq!(at_work(&story, &[b, c]), [false, true], "by urgency");
    wip(&mut story, Wip::default());
    assert_eq!(at_work(&story, &[b, c]), [true, true]);
}

/// Two bosses that give each other work across two trees, each busy with one ticket at a time, would
/// wait for each other for ever.
#[test]
fn bosses_that_wait_for_each_other_go_on() {
    let mut story = Story::new();
    let mut east = spec("east", "boss", None);
    east.grants.assign_to = vec!["west".to_owned()];
    let mut west = spec("west", "boss", None);
    west.grants.assign_to = vec!["east".to_owned()];
    story.team(vec![east, west]).expect("saved");
    let (one, two) = (story.give("east", "one"), story.give("west", "two"));
    let mut hand = |root: TicketId, to: &str| {
        let draft = adjutant_model::Draft {
            key: None,
            title: "for you".to_owned(),
            description: String::new(),
            expected_output_schema: None,
        };
        let Ok(adjutant_model::Answer::Ticket(child)) =
            story.call(root, Call::CreateTicket { draft })
        else {
            panic!("made");
        };
        let agent = to.to_owned();
        let assign = Call::AssignTicket {
            ticket: child,
            agent,
        };
        story.call(root, assign).expect("granted");
        story.waits(root, story.awaits(&[child], Join::All));
        child
    };
    let for_west = hand(one, "west");
    let for_east = hand(two, "east");
    let started = at_work(&story, &[for_west, for_east]);
    assert!(
        started.contains(&true),
        "one of them starts beside the one that waits: {started:?}"
    );
    // From there on all end.
    for _ in 0..4 {
        for ticket in [for_west, for_east, one, two] {
            let waits = story.live(ticket).is_some_and(|run| run.wait.is_some());
            if story.live(ticket).is_some() && !waits {
                story.done(ticket);
            }
        }
    }
    for ticket in [for_west, for_east, one, two] {
        assert_eq!(story.status(ticket), Status::Done);
    }
}

#[test]
fn a_boss_that_waits_takes_up_nothing_else_where_nobody_waits_for_it() {
    let mut story = Story::new();
    let root = story.give("kai", "one");
    let parts = story.delegate(root, &[("ada", "1")]).expect("handed out");
    story.waits(root, story.awaits(&parts, Join::All));
    let next = story.give("kai", "two");
    assert_eq!(at_work(&story, &[next]), [false]);
}

#[test]
fn one_agent_asks_another_only_so_often_in_one_tree_and_minute() {
    let mut story = Story::new();
    story.limits.pair_per_minute = 3;
    let root = story.give("kai", "ping");
    story
        .delegate(root, &[("ada", "1"), ("ada", "2"), ("bob", "1")])
        .expect("handed out");
    let refused = story.delegate(root, &[("ada", "3"), ("ada", "4")]);
    assert!(
        matches!(&refused, Err(CallError::Unavailable(why)) if why.contains("`pair_per_minute`") && why.contains("60 s")),
        "{refused:?}"
    );
    story.delegate(root, &[("ada", "3")]).expect("the third");
    let ask = Call::Ask {
        member: "ada".to_owned(),
        text: "pong?".to_owned(),
        timeout_ms: None,
    };
    story
        .run(Command::AddCollaborator {
            ticket: root,
            agent: "ada".to_owned(),
        })
        .expect("in the channel");
    assert!(
        matches!(
            story.call(root, ask.clone()),
            Err(CallError::Unavailable(_))
        ),
        "questions count too"
    );
    let other = story.give("lead", "another tree");
    story
        .delegate(other, &[("dev", "1")])
        .expect("its own count");
    story.later(60_000);
    story.waits(root, ask);
}

#[test]
fn what_starts_at_once_needs_no_room_in_the_queue() {
    let mut story = Story::new();
    let mut sol = spec("sol", "worker", None);
    sol.limits.max_queued = 0;
    story.team(vec![sol]).expect("saved");
    let first = story.give("sol", "1");
    assert_eq!(at_work(&story, &[first]), [true]);
    let refusal = story.refused(Command::CreateTicket(on(Terms::default(), "sol")));
    assert!(matches!(&refusal, Refusal::Busy(_)), "{refusal:?}");
    story.done(first);
    story.give("sol", "2");
}
