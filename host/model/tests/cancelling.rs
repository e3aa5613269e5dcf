//! Stories of work that is not wanted any more: taken from its agent, taken out of work, and trees that
//! are small enough to be cancelled as a whole.

use crate::common::{self, Story, task};
use adjutant_model::{
    Answer, Assignment, Call, CallError, Command, Effect, EventKind, Join, NewTicket, Refusal,
    Status, TicketId,
};
use serde_json::json;

/// A root of kai's; a part of lead's, which has delegated a piece to dev and waits for it.
fn taken() -> (Story, TicketId, TicketId, TicketId) {
    let mut story = Story::new();
    let root = story.give("kai", "the whole");
    let part = story
        .delegate(root, &[("lead", "part")])
        .expect("handed out")[0];
    let keyed = Assignment {
        assignee: Some(story.agent("dev")),
        key: Some("k".to_owned()),
        ..task("piece")
    };
    let piece = story.delegate_all(part, vec![keyed]).expect("handed out")[0];
    let call = story.awaits(&[], Join::All);
    story.waits(part, call);
    (story, root, part, piece)
}

#[test]
fn what_a_boss_has_delegated_is_cancelled_when_its_ticket_is_given_to_another() {
    let (mut story, _, part, piece) = taken();
    let by_hand = story.create(NewTicket {
        title: "made by a person".to_owned(),
        parent: Some(part),
        ..NewTicket::default()
    });
    let run = story.run_of(piece);
    story.assign(part, "ada").expect("given to another");
    assert_eq!(story.status(piece), Status::Cancelled);
    assert_eq!(
        story.ticket(piece).summary,
        "its boss's ticket was given to another agent"
    );
    assert!(story.last.effects.contains(&Effect::Stop(run)));
    assert_eq!(
        story.status(by_hand),
        Status::Open,
        "what people made stays"
    );
    assert_eq!(story.desk("dev"), (vec![], 0));
    assert!(story.live(part).is_some(), "ada is at it");
    let cancelled = |event: &&EventKind| matches!(event, EventKind::TicketCancelled { .. });
    assert_eq!(story.events.iter().filter(cancelled).count(), 1);
}

#[test]
fn whoever_has_the_ticket_next_neither_waits_for_old_children_nor_is_given_them_for_a_key() {
    let (mut story, _, part, piece) = taken();
    story.assign(part, "ada").expect("given to another");
    story.assign(part, "lead").expect("and back");
    let wait = story.awaits(&[], Join::All);
    let Ok(Answer::Joined(joined)) = story.call(part, wait) else {
        panic!("there is nothing to wait for");
    };
    assert_eq!((joined.reports.len(), joined.pending.len()), (0, 0));
    let again = Assignment {
        assignee: Some(story.agent("dev")),
        key: Some("k".to_owned()),
        ..task("piece")
    };
    let new = story.delegate_all(part, vec![again]).expect("handed out")[0];
    assert_ne!(new, piece, "the same key is a new task for a new run");
    let wait = story.awaits(&[], Join::All);
    story.waits(part, wait);
    let run = story.run_of(part);
    story.done(new);
    assert_eq!(story.joined(run).reports.len(), 1);
}

#[test]
fn what_a_boss_has_delegated_is_cancelled_when_its_ticket_is_taken_out_of_work() {
    let (mut story, root, part, piece) = taken();
    story.set(part, Status::Backlog, true);
    assert_eq!(story.status(piece), Status::Cancelled);
    assert_eq!(
        story.ticket(piece).summary,
        "its boss's ticket was taken out of work by hand"
    );
    assert_eq!(story.status(root), Status::InProgress);
}

#[test]
fn a_tree_has_a_limit_in_bytes_wherever_it_grows() {
    let mut story = Story::new();
    story.limits.tree_bytes = 12_000;
    let root = story.give("kai", "the whole");
    let text = |bytes: usize| "x".repeat(bytes);
    let below = |bytes: usize| {
        Command::CreateTicket(NewTicket {
            title: "below".to_owned(),
            description: text(bytes),
            parent: Some(root),
            ..NewTicket::default()
        })
    };
    let large = |bytes: usize, story: &Story| Assignment {
        assignee: Some(story.agent("ada")),
        description: text(bytes),
        ..task("large")
    };
    // Two that fit alone do not fit together, and then neither is made.
    let two = vec![large(6_000, &story), large(6_000, &story)];
    let refused = story.delegate_all(root, two).expect_err("too much");
    assert!(
        matches!(&refused, CallError::Limit(why) if why.contains("`tree_bytes`")),
        "{refused:?}"
    );
    assert_eq!(story.ticket(root).children, []);

    let one = large(6_000, &story);
    let child = story.delegate_all(root, vec![one]).expect("it fits")[0];
    let why = story.refused(below(6_000));
    assert!(
        matches!(&why, Refusal::Limit(why) if why.contains("`tree_bytes`")),
        "{why:?}"
    );
    story.run(below(500)).expect("it fits");

    // An output counts too; one that does not fit fails its ticket, which says why.
    let output = Call::SubmitOutput {
        output: json!(text(9_000)),
    };
    let refused = story.call(child, output).expect_err("too much");
    assert!(
        matches!(&refused, CallError::Limit(why) if why.contains("`tree_bytes`")),
        "{refused:?}"
    );
    story.works(child, true, Some(json!(text(9_000))), Vec::new());
    assert_eq!(story.status(child), Status::Failed);
    assert!(story.ticket(child).summary.contains("`tree_bytes`"));

    // Another tree has bytes of its own, and a tree that is over gives them back with all else.
    let other = story.give("sol", "another");
    story.works(other, true, Some(json!(text(9_000))), Vec::new());
    assert_eq!(story.status(other), Status::Done);
}

#[test]
fn a_run_that_would_make_its_tree_too_large_is_not_started() {
    let mut story = Story::new();
    let root = story.give("kai", "the whole");
    story.limits.tree_bytes = 4_000;
    let mut agent = common::spec("ada", "worker", Some("kai"));
    agent.config = Some(json!({"prompt": "x".repeat(4_000)}));
    story.team(vec![agent]).expect("saved");
    let child = story.delegate(root, &[("ada", "one")]).expect("handed out")[0];
    assert_eq!(story.status(child), Status::Failed);
    let summary = &story.ticket(child).summary;
    assert!(
        summary.starts_with("ada cannot start") && summary.contains("`tree_bytes`"),
        "{summary}"
    );
}

#[test]
fn the_records_of_a_cancelled_tree_have_no_more_bytes_than_were_counted() {
    let mut story = Story::new();
    story.limits.children = 10_000;
    let root = story.give("kai", "the whole");
    let schema = json!({"type": "object", "properties": {"a": {"enum": vec!["e".repeat(99); 9]}}});
    let mut made = 0;
    story.limits.tree_bytes = 300_000;
    while made < 1_000 {
        let one = Assignment {
            assignee: Some(story.agent(["ada", "bob"][made % 2])),
            notes: "n".repeat(made * 7 % 900),
            description: "d".repeat(made * 31 % 3_000),
            expected_output_schema: Some(schema.clone()),
            key: Some(format!("key {made}")),
            ..task("part")
        };
        match story.delegate_all(root, vec![one]) {
            Ok(_) => made += 1,
            Err(CallError::Limit(why)) if why.contains("`tree_bytes`") => break,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!((50..1_000).contains(&made), "{made} fit");
    story.cancel(root);
    let (tickets, runs) = (&story.last.tickets, &story.last.runs);
    assert_eq!(tickets.len(), made + 1);
    let json = |value: serde_json::Result<Vec<u8>>| value.expect("JSON").len();
    let tickets = tickets
        .iter()
        .map(|id| json(serde_json::to_vec(story.ticket(*id))));
    let runs = runs
        .iter()
        .map(|id| json(serde_json::to_vec(story.state.run(*id).expect("a run"))));
    let bytes = tickets.sum::<usize>() + runs.sum::<usize>();
    // JSON is longer than what is stored; and a batch may have twice the limit.
    assert!(bytes < 2 * 300_000, "{bytes} bytes");
    assert!(
        bytes > 150_000,
        "the estimate is no wild one: {bytes} bytes"
    );
}
