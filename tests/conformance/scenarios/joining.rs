//! Every join, over parts that end well, badly, or not at all.

use crate::cast::{Cast, refused};
use crate::steps::{ask, delegate, fail, part, report, wait, wait_for};
use serde_json::{Value, json};

fn quick(cast: &Cast<'_>, name: &str) -> Value {
    let done = report(&format!("{name} is done"), json!({"by": name}));
    part(&format!("Part of {name}"), cast.id(name), json!([done]))
}

fn failing(cast: &Cast<'_>, name: &str) -> Value {
    let failed = fail(&format!("{name} could not"));
    part(&format!("Part of {name}"), cast.id(name), json!([failed]))
}

fn endless(cast: &Cast<'_>, name: &str) -> Value {
    let waits = ask("godot", "Are you coming?");
    part(&format!("Part of {name}"), cast.id(name), json!([waits]))
}

/// What a join over parts answers.
fn joined(cast: &Cast<'_>, parts: Value, join: Value) -> Value {
    cast.play("lead", "Join", json!([delegate(parts), wait(join)]))[1].clone()
}

fn outcomes(joined: &Value) -> Vec<String> {
    let reports = joined["reports"]
        .as_array()
        .unwrap_or_else(|| panic!("no reports: {joined}"));
    let told = |one: &Value| format!("{} {}", one["agent-name"], one["outcome"]).replace('"', "");
    let mut outcomes: Vec<String> = reports.iter().map(told).collect();
    outcomes.sort();
    outcomes
}

fn pending(joined: &Value) -> usize {
    joined["pending"].as_array().expect("a list").len()
}

pub(super) fn all(cast: &Cast<'_>) -> Value {
    let parts = json!([
        quick(cast, "one"),
        failing(cast, "two"),
        quick(cast, "three")
    ]);
    let all = joined(cast, parts, json!("all"));
    assert_eq!(
        outcomes(&all),
        ["one completed", "three completed", "two failed"]
    );
    assert_eq!((&all["met"], pending(&all)), (&json!(true), 0));
    let mut reports = all["reports"].as_array().expect("reports").iter();
    let two = reports.find(|one| one["agent-name"] == "two").expect("two");
    let told = two["text"].as_str().expect("a text");
    assert!(
        told.starts_with("[TASK REPORT from two (") && told.ends_with("two could not"),
        "{told}"
    );
    all
}

pub(super) fn any(cast: &Cast<'_>) -> Value {
    let parts = json!([
        endless(cast, "one"),
        quick(cast, "two"),
        endless(cast, "three")
    ]);
    let any = joined(cast, parts, json!("any"));
    assert_eq!(outcomes(&any), ["two completed"]);
    assert_eq!((&any["met"], pending(&any)), (&json!(true), 2));
    any
}

pub(super) fn quorum(cast: &Cast<'_>) -> Value {
    let quorum = json!({"quorum": 2});
    let parts = json!([
        quick(cast, "one"),
        endless(cast, "two"),
        quick(cast, "three")
    ]);
    let met = joined(cast, parts, quorum.clone());
    assert_eq!(outcomes(&met), ["one completed", "three completed"]);
    assert_eq!((&met["met"], pending(&met)), (&json!(true), 1));
    let parts = json!([
        failing(cast, "one"),
        endless(cast, "two"),
        failing(cast, "three")
    ]);
    let missed = joined(cast, parts, quorum.clone());
    assert_eq!(outcomes(&missed), ["one failed", "three failed"]);
    assert_eq!(missed["met"], false);
    let too_many = joined(cast, json!([quick(cast, "one")]), quorum);
    refused(&too_many, "invalid", "quorum of 2");
    json!([met, missed, too_many])
}

pub(super) fn deadline(cast: &Cast<'_>) -> Value {
    let parts = json!([endless(cast, "one")]);
    let late = joined(cast, parts, json!({"deadline": 200}));
    assert_eq!((outcomes(&late).len(), pending(&late)), (0, 1), "{late}");
    let parts = json!([quick(cast, "one"), quick(cast, "two")]);
    let early = joined(cast, parts, json!({"deadline": 1_800_000}));
    assert_eq!(outcomes(&early), ["one completed", "two completed"]);
    let unknown = joined(cast, json!([quick(cast, "one")]), json!({"other": "most"}));
    refused(&unknown, "invalid", "most");
    json!([late, early, unknown])
}

pub(super) fn timeout(cast: &Cast<'_>) -> Value {
    let script = json!([
        delegate(json!([endless(cast, "one")])),
        wait_for(json!([{"$": [0, 0, "ticket"]}]), json!("all"), 200),
        wait_for(json!(["no-such-ticket"]), json!("all"), 200),
    ]);
    let answers = cast.play("lead", "Wait in vain", script);
    assert_eq!(
        (&answers[1]["met"], pending(&answers[1])),
        (&json!(false), 1)
    );
    refused(&answers[2], "not-found", "no-such-ticket");
    json!(answers)
}
