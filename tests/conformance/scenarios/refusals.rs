//! Errors of every kind as values, limits, budgets, and numbers at their ends.

use crate::cast::{Cast, error, refused};
use crate::steps::{ask, assignment, delegate, fail, hex, part, post, report, wait};
use serde_json::{Value, json};

pub(super) fn errors(cast: &Cast<'_>) -> Value {
    let waits = |title: &str| part(title, cast.id("narrow"), json!([ask("godot", "?")]));
    let titled = |title: &str| assignment(json!({"title": title, "assignee": cast.id("one")}));
    let cases = [
        (
            "denied",
            delegate(json!([part("x", cast.id("apart"), json!([]))])),
        ),
        (
            "not-found",
            delegate(json!([part("x", "nobody", json!([]))])),
        ),
        ("invalid", delegate(json!([titled("good"), titled("")]))),
        (
            "limit",
            json!({"do": "memory.put", "key": "k".repeat(600), "value": ""}),
        ),
        ("limit", post("x".repeat(9_000))),
        (
            "deadline",
            json!({"do": "channels.ask", "member": "ann", "text": "?", "timeout-ms": 50}),
        ),
        (
            "unavailable",
            delegate(json!([waits("1"), waits("2"), waits("3"), waits("4")])),
        ),
        ("not-found", json!({"do": "worktree.read", "path": "x"})),
        ("not-found", json!({"do": "worktree.list", "path": ""})),
        ("not-found", json!({"do": "worktree.diff"})),
        (
            "not-found",
            json!({"do": "worktree.commit", "message": "x"}),
        ),
        (
            "not-found",
            json!({"do": "worktree.write", "path": "x", "content": hex("x")}),
        ),
        ("not-found", json!({"do": "worktree.remove", "path": "x"})),
    ];
    let steps: Vec<&Value> = cases.iter().map(|(_, step)| step).collect();
    let answers = cast.play("lead", "Go wrong", json!(steps));
    for (answer, (case, step)) in answers.iter().zip(&cases) {
        let is = error(answer).0;
        assert_eq!(is, *case, "{}: {answer}", step["do"]);
    }
    let violations = answers[2]["error"]["invalid"]
        .as_array()
        .expect("violations");
    let path = violations[0]["path"].as_str().expect("a path");
    assert!(path.starts_with("/1"), "{path}");
    json!(answers)
}

pub(super) fn budgets(cast: &Cast<'_>) -> Value {
    let quick = |title: &str| part(title, cast.id("one"), json!([report("done", json!(1))]));
    let mut greedy = quick("greedy");
    greedy["budget"] = json!({"tokens": 501});
    let left = json!({"do": "delegation.budget-left"});
    let steps = json!([
        left,
        delegate(json!([quick("1"), quick("2"), quick("3")])),
        delegate(json!([greedy])),
        delegate(json!([quick("1"), quick("2")])),
        wait(json!("all")),
        left,
    ]);
    let budget = json!({"children": 2, "tokens": 500, "cost_microusd": 10, "depth": 2});
    let ticket = cast.tell_with("lead", "Spend", steps, json!({"budget": budget}));
    let answers = cast.answers(&ticket);
    assert_eq!(
        answers[0],
        json!({"wall-ms": null, "guest-ms": null, "tokens": 500, "cost-microusd": 10,
            "children": 2, "depth": 2})
    );
    refused(&answers[1], "limit", "`children`");
    refused(&answers[2], "limit", "501");
    assert_eq!(answers[4]["reports"].as_array().map(Vec::len), Some(2));
    assert_eq!(answers[5]["children"], 0);
    json!(answers)
}

pub(super) fn numbers(cast: &Cast<'_>) -> Value {
    let failing = part("Exit", cast.id("one"), json!([fail("")]));
    let steps = json!([delegate(json!([])), delegate(json!([failing]))]);
    let empty = cast.play("lead", "Empty", steps);
    json!([counted(cast, json!(9_007_199_254_740_991_u64)), empty])
}

pub(super) fn large_numbers(cast: &Cast<'_>) -> Value {
    let numbers = [
        "9007199254740992",
        "9007199254740993",
        "18446744073709551615",
    ];
    numbers
        .map(|number| counted(cast, json!(number)))
        .into_iter()
        .collect()
}

/// A number on its way to the host and back.
fn counted(cast: &Cast<'_>, number: Value) -> Value {
    let plain = number.as_u64().or_else(|| number.as_str()?.parse().ok());
    let left = json!([{"do": "delegation.budget-left"}]);
    let mut rich = part("Rich", cast.id("deputy"), left);
    rich["budget"] = json!({"tokens": number, "cost-microusd": number});
    let steps = json!([
        delegate(json!([rich])),
        wait(json!("all")),
        {"do": "channels.read", "after": number, "limit": 4_294_967_295_u32},
    ]);
    let ticket = cast.tell("lead", "Count", steps);
    let answers = cast.answers(&ticket);
    let stored = cast.server.children(&ticket)[0]["budget"]["tokens"].clone();
    assert_eq!(stored.as_u64(), plain, "what the host was given");
    let output = answers[1]["reports"][0]["output-json"].as_str();
    let output: Value = serde_json::from_str(output.expect("an output")).expect("JSON");
    assert_eq!(output[0]["tokens"], number, "what the guest was given");
    json!([output, answers[2]])
}
