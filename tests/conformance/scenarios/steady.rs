//! What stands still while the world moves: clocks, randomness and answers over replays, and runs that
//! are evicted or cancelled.

use crate::cast::{Cast, text};
use crate::steps::{ask, delegate, from, hex, part, post, read, wait};
use serde_json::{Value, json};

fn number(value: &Value) -> u64 {
    text(value)
        .parse()
        .unwrap_or_else(|_| panic!("no number: {value}"))
}

pub(super) fn clock_and_randomness(cast: &Cast<'_>) -> Value {
    let (clock, random) = (json!({"do": "clock"}), json!({"do": "random"}));
    // What was read before the wait is told to the host at once: if a replay read something else, it
    // would say something else, and the run would end as diverged.
    let steps = json!([
        clock,
        random,
        post(from(json!([0, "wall-ms"]))),
        post(from(json!([0, "monotonic-ns"]))),
        post(from(json!([1]))),
        random,
        clock,
        ask("maria", "Go on?"),
        clock,
        random,
        post(from(json!([5]))),
        post(from(json!([9]))),
    ]);
    let before = now();
    let ticket = cast.tell("one", "Clock", steps);
    cast.parked(&ticket);
    cast.say(&ticket, "maria", "Yes");
    let answers = cast.answers(&ticket);
    let said = cast.said(&ticket);
    let told: Vec<&String> = said
        .iter()
        .filter(|(kind, _)| kind == "text")
        .map(|(_, text)| text)
        .collect();
    let answered = [
        &answers[0]["wall-ms"],
        &answers[0]["monotonic-ns"],
        &answers[1],
    ];
    for (told, answered) in told.iter().zip(answered) {
        assert_eq!(*told, &text(answered), "the replay read the same");
    }
    let wall: Vec<u64> = [0, 6, 8].map(|at| number(&answers[at]["wall-ms"])).into();
    let monotonic: Vec<u64> = [0, 6, 8]
        .map(|at| number(&answers[at]["monotonic-ns"]))
        .into();
    assert!(
        wall.is_sorted() && monotonic.is_sorted(),
        "{wall:?} {monotonic:?}"
    );
    assert!(
        wall[0] + 60_000 > before && wall[2] < now() + 60_000,
        "it is about now: {wall:?}"
    );
    let random: Vec<String> = [1, 5, 9].map(|at| text(&answers[at])).into();
    for (at, one) in random.iter().enumerate() {
        assert!(
            one.len() == 32 && one.bytes().all(|b| b.is_ascii_hexdigit()),
            "{one}"
        );
        assert!(
            !random[..at].contains(one),
            "randomness goes on: {random:?}"
        );
    }
    let other = cast.play("one", "Another run", json!([{"do": "random"}]));
    assert!(!random.contains(&text(&other[0])), "each run has its own");
    json!(answers.len())
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("before the year 500 million")
}

pub(super) fn eviction(cast: &Cast<'_>) -> Value {
    let sub = json!([
        post("before"),
        {"do": "memory.put", "key": "evicted", "value": hex("1")},
        ask("maria", "Go on?"),
        {"do": "memory.get", "key": "evicted"},
        post("after"),
        read(),
    ]);
    let steps = json!([
        post("I begin"),
        {"do": "print", "text": "once only"},
        delegate(json!([part("Sub", cast.id("one"), sub)])),
        wait(json!("all")),
        post("I end"),
    ]);
    let ticket = cast.tell("lead", "Wait long", steps);
    let child = text(&cast.children(&ticket, 1)[0]["id"]);
    cast.parked(&ticket);
    cast.parked(&child);
    cast.say(&child, "maria", "Yes");
    let answers = cast.answers(&ticket);
    let said: Vec<String> = cast
        .said(&ticket)
        .into_iter()
        .filter(|(kind, _)| kind == "text")
        .map(|(_, text)| text)
        .collect();
    assert_eq!(said, ["I begin", "I end"], "nothing is said twice");
    assert_eq!(cast.server.runs(&ticket).len(), 1);
    let log = cast.log(&ticket);
    assert_eq!(log.matches("once only").count(), 1, "{log}");
    json!([answers, cast.said(&child)])
}

pub(super) fn many_calls(cast: &Cast<'_>) -> Value {
    // A description may have 64 KiB.
    let mut steps: Vec<Value> = vec![json!({"do": "memory.get", "key": "k"}); 1_000];
    steps.push(ask("maria", "?"));
    let ticket = cast.tell("one", "Many", json!(steps));
    cast.parked(&ticket);
    cast.say(&ticket, "maria", "Yes");
    let answers = cast.answers(&ticket);
    assert_eq!(answers.len(), 1_001);
    Value::Null
}

pub(super) fn large_values(cast: &Cast<'_>) -> Value {
    let half = hex("Large ü ".repeat(2_000));
    let mut steps = vec![json!({"do": "memory.put", "key": "large", "value": half})];
    // Read back several times, so that the report is large too.
    steps.extend(vec![json!({"do": "memory.get", "key": "large"}); 6]);
    let answers = cast.play("one", "Large", json!(steps));
    assert!(
        answers[1..].iter().all(|answer| *answer == half),
        "it comes back whole"
    );
    json!(answers.len())
}

pub(super) fn cancelled(cast: &Cast<'_>) -> Value {
    let endless =
        |title: &str, name: &str| part(title, cast.id(name), json!([ask("godot", "?"), post("x")]));
    let steps = json!([
        delegate(json!([endless("1", "one"), endless("2", "two")])),
        wait(json!("all")),
        post("never"),
    ]);
    let ticket = cast.tell("lead", "To be cancelled", steps);
    let children = cast.children(&ticket, 2);
    let ids: Vec<String> = children.iter().map(|child| text(&child["id"])).collect();
    for id in ids.iter().chain([&ticket]) {
        cast.waiting(id);
    }
    let path = format!("/v1/tickets/{ticket}/cancel");
    cast.server
        .post(&path, &json!({"reason": "changed my mind"}))
        .ok();
    for id in ids.iter().chain([&ticket]) {
        assert_eq!(cast.over(id)["status"], "cancelled");
        assert!(
            cast.said(id).iter().all(|(kind, _)| kind != "text"),
            "nothing was said after it"
        );
    }
    // One that computes is ended as well.
    let spins = cast.tell("one", "Spin", json!([post("begun"), {"do": "spin"}]));
    cast.wait(&spins, |client| {
        (!client.messages(&spins).is_empty()).then_some(())
    });
    let path = format!("/v1/tickets/{spins}/cancel");
    cast.server.post(&path, &json!({"reason": "enough"})).ok();
    let over = cast.over(&spins);
    json!([
        cast.server.ticket(&ticket)["summary"],
        over["status"],
        over["summary"]
    ])
}
