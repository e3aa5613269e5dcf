//! Components that fail as programs of their language do. Each is a clear failure of its own ticket,
//! with the language's own words.

use crate::cast::Cast;
use crate::steps::{assignment, delegate, part, wait};
use serde_json::{Value, json};

/// What a component says that is well, to see that nothing is left behind.
fn as_usual(cast: &Cast<'_>) {
    let answers = cast.play(
        "frail",
        "As usual",
        json!([{"do": "allocate", "bytes": 1 << 20}]),
    );
    assert_eq!(answers, [json!(1 << 20)]);
}

pub(super) fn trap(cast: &Cast<'_>) -> Value {
    let trap =
        json!([{"do": "print", "text": "about to trap"}, {"do": "trap", "text": "my own mistake"}]);
    let steps = json!([
        delegate(json!([part("Trap", cast.id("frail"), trap)])),
        wait(json!("all"))
    ]);
    let answers = cast.play("lead", "Trap", steps);
    let report = &answers[1]["reports"][0];
    assert_eq!(report["outcome"], "failed", "{report}");
    let why = report["summary"].as_str().expect("a text");
    assert!(
        why.contains("my own mistake"),
        "the language's own words: {why}"
    );
    let child = report["ticket"].as_str().expect("an id");
    let log = cast.log(child);
    assert!(log.contains("about to trap"), "{log}");
    as_usual(cast);
    Value::Null
}

pub(super) fn selector_trap(cast: &Cast<'_>) -> Value {
    let open = assignment(json!({"title": "trap", "description": "the selector's own mistake"}));
    let answers = cast.play("lead", "Choose", json!([delegate(json!([open]))]));
    let told = answers[0].to_string();
    assert!(answers[0]["error"].is_object(), "{told}");
    assert!(
        told.contains("the selector's own mistake"),
        "the language's own words: {told}"
    );
    Value::Null
}

pub(super) fn spin(cast: &Cast<'_>) -> Value {
    let why = cast.failed(&cast.tell("frail", "Spin", json!([{"do": "spin"}])));
    assert!(why.contains("computed for more than 2000 ms"), "{why}");
    as_usual(cast);
    Value::Null
}

pub(super) fn allocate(cast: &Cast<'_>) -> Value {
    let steps = json!([{"do": "allocate", "bytes": 1_u64 << 30}]);
    let ticket = cast.tell("frail", "Allocate", steps);
    let why = cast.failed(&ticket);
    assert!(
        why.to_lowercase().contains("memory"),
        "it says what it ran out of: {why}"
    );
    as_usual(cast);
    Value::Null
}
