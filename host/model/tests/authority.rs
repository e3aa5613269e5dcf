//! Grants: a ticket never brings more than whoever delegated it may do.

use crate::common::{Story, spec};
use adjutant_model::{Answer, Call, CallError, Draft, Join, NewTicket};

#[test]
fn nobody_assigns_to_whom_a_boss_above_may_not() {
    let mut story = Story::empty();
    let may = |name: &str, plugin: &str, boss: Option<&str>, to: &[&str]| {
        let mut agent = spec(name, plugin, boss);
        agent.grants.assign_to = to.iter().map(|name| (*name).to_owned()).collect();
        agent
    };
    let team = |kai: &[&str]| {
        vec![
            may("kai", "boss", None, kai),
            may("lead", "boss", Some("kai"), &["sol"]),
            spec("sol", "worker", None),
        ]
    };
    story.team(team(&[])).expect("a good team");
    let job = story.give("kai", "job");
    let lead = story.delegate(job, &[("lead", "part")]).expect("delegated")[0];
    let draft = Call::CreateTicket {
        draft: Draft {
            title: "for sol".to_owned(),
            description: String::new(),
            expected_output_schema: None,
            key: None,
        },
    };
    let Ok(Answer::Ticket(child)) = story.call(lead, draft) else {
        panic!("a ticket")
    };
    let assign = || Call::AssignTicket {
        ticket: child,
        agent: "sol".to_owned(),
    };
    assert_eq!(
        story.call(lead, assign()),
        Err(CallError::Denied(
            "grant `assign_to`: sol is not granted to boss kai, which delegated this ticket; a ticket \
             never brings more than its boss may do itself"
                .to_owned()
        ))
    );
    story.team(team(&["sol"])).expect("a good team");
    story.call(lead, assign()).expect("both may");
    let bosses = story.state.authority(child).bosses;
    let names: Vec<(&str, bool)> = bosses.iter().map(|b| (&*b.name, b.direct)).collect();
    assert_eq!(names, [("lead", true), ("kai", false)]);
    let why = bosses[1].lacks("commands", "make");
    assert!(
        why.contains(&format!(
            "boss kai, which delegated ticket {lead} above this one"
        )),
        "{why}"
    );
}

#[test]
fn a_person_who_gives_a_ticket_begins_a_chain() {
    let mut story = Story::new();
    let job = story.give("kai", "job");
    let lead = story.delegate(job, &[("lead", "part")]).expect("delegated")[0];
    let by_hand = story.create(NewTicket {
        title: "by hand".to_owned(),
        parent: Some(lead),
        assignee: Some("sol".to_owned()),
        ..NewTicket::default()
    });
    assert_eq!(story.state.authority(by_hand).bosses, []);
    assert_eq!(story.state.authority(lead).bosses.len(), 1);
}

/// A boss could have its own draft worked on with all that a subordinate is granted, whatever the boss
/// may do itself.
#[test]
fn a_ticket_that_a_boss_gives_away_by_reassigning_brings_no_more_than_the_boss_may() {
    let mut story = Story::new();
    let root = story.give("kai", "one");
    let draft = Draft {
        key: None,
        title: "for you".to_owned(),
        description: String::new(),
        expected_output_schema: None,
    };
    let made = story.call(root, Call::CreateTicket { draft });
    let Ok(Answer::Ticket(drafted)) = made else {
        panic!("made: {made:?}");
    };
    let by_hand = story.create(NewTicket {
        title: "made by a person".to_owned(),
        assignee: Some("bob".to_owned()),
        parent: Some(root),
        ..NewTicket::default()
    });
    for ticket in [drafted, by_hand] {
        let call = Call::Reassign {
            ticket,
            assignee: story.agent("ada"),
            reason: "it fits".to_owned(),
        };
        story.call(root, call).expect("a subordinate");
        let bosses = story.state.authority(ticket).bosses;
        let names: Vec<&str> = bosses.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["kai"]);
    }
    // So it is waited for, too.
    story.waits(root, story.awaits(&[], Join::All));
}
