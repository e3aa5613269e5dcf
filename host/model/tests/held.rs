//! Stories of what waits: why it does not start yet.

use crate::common::Story;
use crate::queues::{at_work, of_group, on, urgent, wip};
use crate::retries::{chosen, delegated, retry};
use adjutant_model::{Priority, Terms, Wip};

#[test]
fn what_waits_in_a_queue_says_why() {
    let mut story = Story::new();
    let held = |story: &Story, id| story.state.held(story.now).ticket(id);
    let why = |story: &Story, id| held(story, id).expect("it waits");
    // Its agent has as much to do as it may have.
    let busy = story.give("ada", "busy");
    assert_eq!(held(&story, busy), None, "it is worked on");
    let queued = story.give("ada", "queued");
    let said = why(&story, queued);
    assert_eq!(
        said,
        "ada works on 1 ticket, and 1 at a time is its limit (`max_concurrent`)"
    );
    let ada = story.agent("ada");
    assert_eq!(story.state.held(story.now).agent(ada), Some(said));
    assert_eq!(story.state.held(story.now).agent(story.agent("sol")), None);

    // It comes after another one, or one of its group is worked on.
    let after = story.create(on(
        Terms {
            blocked_by: vec![queued],
            ..Terms::default()
        },
        "sol",
    ));
    assert!(why(&story, after).contains(&format!("comes after {queued} (`blocked_by`)")));
    let first = story.create(on(of_group("db"), "sol"));
    let second = story.create(on(of_group("db"), "sol"));
    assert!(why(&story, second).contains(&format!("ticket {first} of its group \"db\"")));
    story.cancel(after);
    story.cancel(second);
    story.done(first);

    // The workspace has as many busy runs as it may.
    let most = |runs, plugin: Option<u32>| Wip {
        runs,
        plugins: plugin
            .map(|most| ("worker".to_owned(), most))
            .into_iter()
            .collect(),
    };
    wip(&mut story, most(Some(1), None));
    let scarce = story.give("sol", "scarce");
    assert!(why(&story, scarce).contains("the workspace works on 1 ticket, and 1 at a time"));
    wip(&mut story, most(None, Some(1)));
    assert!(why(&story, scarce).contains("works on 1 ticket with plugin worker, and 1 at a time"));
    story.done(busy);
    assert_eq!(held(&story, queued), None, "it has started");
}

#[test]
fn an_agent_says_what_keeps_its_whole_queue_before_what_keeps_the_first_in_it() {
    let mut story = Story::new();
    let ada = story.agent("ada");
    let why = |story: &Story| story.state.held(story.now).agent(ada).unwrap_or_default();
    let before = story.give("sol", "before");
    let busy = story.give("ada", "busy");
    let blocked = story.create(on(
        Terms {
            blocked_by: vec![before],
            ..urgent(Priority::High)
        },
        "ada",
    ));
    let free = story.give("ada", "free");
    let after = format!("it comes after {before} (`blocked_by`)");
    // The second in the queue could start, and does not.
    assert_eq!(
        why(&story),
        "ada works on 1 ticket, and 1 at a time is its limit (`max_concurrent`)"
    );
    let held = story.state.held(story.now);
    assert_eq!(held.ticket(blocked).as_ref(), Some(&after));

    story.done(busy);
    assert_eq!(at_work(&story, &[free, blocked]), [true, false]);
    wip(
        &mut story,
        Wip {
            runs: Some(1),
            ..Wip::default()
        },
    );
    story.done(free);
    let scarce = story.give("ada", "scarce");
    assert!(
        why(&story).contains("the workspace works on 1 ticket, and 1 at a time"),
        "{}",
        why(&story)
    );
    story.cancel(scarce);
    wip(&mut story, Wip::default());
    // Its own reason says whose it is.
    assert_eq!(
        why(&story),
        format!("ticket {blocked} is first in the queue: {after}")
    );
    story.done(before);
    assert_eq!(why(&story), "");
}

#[test]
fn what_is_tried_again_says_why_it_has_not_started() {
    let mut story = Story::new();
    let (_, part) = delegated(&mut story, retry(2, 1));
    let ada = story.agent("ada");
    let why = |story: &Story| story.state.held(story.now).ticket(part);
    let of_ada = |story: &Story| story.state.held(story.now).agent(ada);
    assert_eq!(why(&story), None);
    story.fails(part);
    let pauses = "its last try failed, and it pauses before the next one";
    assert_eq!(why(&story).as_deref(), Some(pauses));
    assert_eq!(
        of_ada(&story),
        Some(format!("ticket {part} is first in the queue: {pauses}"))
    );
    story.later(100);
    assert_eq!(why(&story), None, "it has started");
    story.fails(part);
    // It is in nobody's queue, and nobody but the selector has anything to say.
    assert_eq!(
        why(&story).as_deref(),
        Some("another agent is being chosen for it")
    );
    assert_eq!(of_ada(&story), None);
    chosen(&mut story, part, 2, "bob");
    assert_eq!(why(&story), None);
}
