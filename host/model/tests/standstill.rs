//! Stories of standstills: whatever waits for whatever, something goes on.

mod common;

use adjutant_model::{
    Answer, Assignment, Call, Draft, Join, NewTicket, Retry, Status, Terms, TicketId,
};
use common::{Story, spec, task};

/// A ticket that an agent makes and gives to another, outside its team.
fn hand(story: &mut Story, root: TicketId, to: &str) -> TicketId {
    let draft = Draft {
        key: None,
        title: "for you".to_owned(),
        description: String::new(),
        expected_output_schema: None,
    };
    let Ok(Answer::Ticket(child)) = story.call(root, Call::CreateTicket { draft }) else {
        panic!("made");
    };
    let agent = to.to_owned();
    let assign = Call::AssignTicket {
        ticket: child,
        agent,
    };
    story.call(root, assign).expect("granted");
    child
}

fn two_bosses() -> Story {
    let mut story = Story::new();
    let mut east = spec("east", "boss", None);
    east.grants.assign_to = vec!["west".to_owned()];
    let mut west = spec("west", "boss", None);
    west.grants.assign_to = vec!["east".to_owned()];
    story.team(vec![east, west]).expect("saved");
    story
}

#[test]
fn what_somebody_waits_for_starts_though_other_work_is_before_it_in_the_queue() {
    let mut story = two_bosses();
    let (one, two) = (story.give("east", "one"), story.give("west", "two"));
    let before = [
        story.give("east", "unrelated"),
        story.give("west", "unrelated"),
    ];
    let for_west = hand(&mut story, one, "west");
    story.waits(one, story.awaits(&[for_west], Join::All));
    let for_east = hand(&mut story, two, "east");
    story.waits(two, story.awaits(&[for_east], Join::All));
    let started = [for_west, for_east].map(|id| story.live(id).is_some());
    assert!(started.contains(&true), "{started:?}");
    assert!(
        before.iter().all(|id| story.live(*id).is_none()),
        "nobody waits for those"
    );
}

#[test]
fn what_a_child_comes_after_starts_though_its_agent_waits_for_the_child() {
    let mut story = Story::new();
    let root = story.give("kai", "one");
    let next = story.give("kai", "two");
    let child = Assignment {
        assignee: Some(story.agent("ada")),
        after: vec![next.to_string()],
        ..task("after the other")
    };
    let parts = story
        .delegate_all(root, vec![child])
        .expect("it can be seen");
    story.waits(root, story.awaits(&parts, Join::All));
    assert!(story.live(next).is_some(), "without it nothing goes on");
}

#[test]
fn groups_held_crosswise() {
    let mut story = Story::new();
    let of = |group: &str| Terms {
        group: Some(group.to_owned()),
        ..Terms::default()
    };
    story
        .team(vec![
            spec("kit", "boss", None),
            spec("kim", "worker", Some("kit")),
        ])
        .expect("saved");
    let give = |story: &mut Story, to: &str, group: &str| {
        story.create(NewTicket {
            title: "work".to_owned(),
            assignee: Some(to.to_owned()),
            terms: of(group),
            ..NewTicket::default()
        })
    };
    let one = give(&mut story, "kai", "a");
    let two = give(&mut story, "kit", "b");
    let ada = story.agent("ada");
    let kim = story.agent("kim");
    let part = |agent, group: &str| Assignment {
        assignee: Some(agent),
        terms: of(group),
        ..task("part")
    };
    let first = story.delegate_all(one, vec![part(ada, "b")]);
    let Ok(first) = first else { return };
    story.waits(one, story.awaits(&first, Join::All));
    let second = story.delegate_all(two, vec![part(kim, "a")]);
    let Ok(second) = second else { return };
    story.waits(two, story.awaits(&second, Join::All));
    panic!("each waits for the other's group");
}

#[test]
fn child_after_a_ticket_of_its_parents_group() {
    let mut story = Story::new();
    let of = Terms {
        group: Some("a".to_owned()),
        ..Terms::default()
    };
    let one = story.create(NewTicket {
        title: "work".to_owned(),
        assignee: Some("kai".to_owned()),
        terms: of.clone(),
        ..NewTicket::default()
    });
    let other = story.create(NewTicket {
        title: "work".to_owned(),
        assignee: Some("sol".to_owned()),
        parent: Some(one),
        ..NewTicket::default()
    });
    let beside = story.create(NewTicket {
        title: "work".to_owned(),
        assignee: Some("sol".to_owned()),
        terms: of,
        collaborators: vec!["kai".to_owned()],
        ..NewTicket::default()
    });
    story.done(other);
    let child = Assignment {
        assignee: Some(story.agent("ada")),
        after: vec![beside.to_string()],
        ..task("after the other")
    };
    if let Ok(parts) = story.delegate_all(one, vec![child]) {
        story.waits(one, story.awaits(&parts, Join::All));
        panic!("{:?} {:?}", story.status(parts[0]), story.status(beside));
    }
}

#[test]
fn authority_of_a_draft_that_is_reassigned() {
    let mut story = Story::new();
    let root = story.give("kai", "one");
    let draft = Draft {
        key: None,
        title: "for you".to_owned(),
        description: String::new(),
        expected_output_schema: None,
    };
    let Ok(Answer::Ticket(child)) = story.call(root, Call::CreateTicket { draft }) else {
        panic!("made");
    };
    let assignee = story.agent("ada");
    let answer = story.call(
        root,
        Call::Reassign {
            ticket: child,
            assignee,
            reason: "it fits".to_owned(),
        },
    );
    if answer.is_ok() {
        let authority = story.state.authority(child);
        assert_eq!(authority.bosses.len(), 1, "{authority:?}");
        assert_eq!(story.ticket(child).delegated_by, Some(story.agent("kai")));
    }
}

#[test]
fn a_retried_boss_does_not_wait_for_failed_children_of_the_first_attempt() {
    let mut story = Story::new();
    let root = story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some("kai".to_owned()),
        terms: Terms {
            retry: Some(Retry {
                attempts: 2,
                backoff_ms: 0,
                ..Retry::default()
            }),
            ..Terms::default()
        },
        ..NewTicket::default()
    });
    let part = |story: &Story| Assignment {
        assignee: Some(story.agent("ada")),
        key: Some("a".to_owned()),
        ..task("a")
    };
    let parts = vec![part(&story)];
    let first = story.delegate_all(root, parts).expect("delegated");
    story.fails(first[0]);
    story.fails(root);
    let parts = vec![part(&story)];
    let second = story.delegate_all(root, parts).expect("delegated");
    assert_ne!(first, second);
    story.waits(root, story.awaits(&[], Join::All));
    let run = story.run_of(root);
    story.done(second[0]);
    let joined = story.joined(run);
    let tickets: Vec<TicketId> = joined.reports.iter().map(|one| one.ticket).collect();
    assert_eq!(tickets, second);
}

#[test]
fn an_idle_agent_with_no_queue_takes_work() {
    let mut story = Story::new();
    let mut sol = spec("sol", "worker", None);
    sol.limits.max_queued = 0;
    let saved = story.team(vec![sol]);
    if saved.is_ok() {
        let one = story.give("sol", "1");
        assert_eq!(story.status(one), Status::InProgress);
    }
}

#[test]
fn repeating_a_keyed_delegation_needs_no_room() {
    let mut story = Story::new();
    story.limits.children = 3;
    let root = story.give("kai", "one");
    let parts = |story: &Story| -> Vec<Assignment> {
        ["a", "b"]
            .map(|key| Assignment {
                assignee: Some(story.agent("ada")),
                key: Some(key.to_owned()),
                ..task(key)
            })
            .to_vec()
    };
    let all = parts(&story);
    let first = story.delegate_all(root, all).expect("delegated");
    let all = parts(&story);
    assert_eq!(story.delegate_all(root, all), Ok(first));
}
