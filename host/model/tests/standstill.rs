//! Stories of standstills: whatever waits for whatever, something goes on.

use crate::common::{Story, spec, task};
use adjutant_model::{
    Answer, Assignment, Call, CallError, Draft, Join, NewTicket, Terms, TicketId,
};

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
        blocked_by: vec![next.to_string()],
        ..task("after the other")
    };
    let parts = story
        .delegate_all(root, vec![child])
        .expect("it can be seen");
    story.waits(root, story.awaits(&parts, Join::All));
    assert!(story.live(next).is_some(), "without it nothing goes on");
}

/// A ticket of a group.
fn of(story: &mut Story, to: &str, group: &str) -> TicketId {
    story.create(NewTicket {
        title: "work".to_owned(),
        assignee: Some(to.to_owned()),
        terms: in_group(group),
        collaborators: vec!["kai".to_owned()],
        ..NewTicket::default()
    })
}

fn in_group(group: &str) -> Terms {
    Terms {
        group: Some(group.to_owned()),
        ..Terms::default()
    }
}

#[test]
fn a_group_that_would_wait_crosswise_for_another_is_refused() {
    let mut story = Story::new();
    let others = vec![
        spec("kit", "boss", None),
        spec("kim", "worker", Some("kit")),
    ];
    story.team(others).expect("saved");
    let (one, two) = (of(&mut story, "kai", "a"), of(&mut story, "kit", "b"));
    let part = |story: &Story, to: &str, group: &str| Assignment {
        assignee: Some(story.agent(to)),
        terms: in_group(group),
        ..task("part")
    };
    let first = vec![part(&story, "ada", "b")];
    let first = story
        .delegate_all(one, first)
        .expect("it waits for the other");
    story.waits(one, story.awaits(&first, Join::All));
    let second = vec![part(&story, "kim", "a")];
    let refused = story.delegate_all(two, second);
    assert!(
        matches!(&refused, Err(CallError::Invalid(list))
            if list[0].path == "/0/group" && list[0].message.contains(&one.to_string())),
        "{refused:?}"
    );
    story.done(two);
    story.done(first[0]);
    story.done(one);
}

#[test]
fn a_child_that_would_come_after_a_ticket_of_its_parents_group_is_refused() {
    let mut story = Story::new();
    let one = of(&mut story, "kai", "a");
    let beside = of(&mut story, "sol", "a");
    assert!(story.live(beside).is_none(), "the first has the group");
    let child = Assignment {
        assignee: Some(story.agent("ada")),
        blocked_by: vec![beside.to_string()],
        ..task("after the other")
    };
    let refused = story.delegate_all(one, vec![child]);
    assert!(
        matches!(&refused, Err(CallError::Invalid(list)) if list[0].path == "/0/blocked_by/0"),
        "{refused:?}"
    );
}
