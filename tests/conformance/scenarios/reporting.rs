//! Outputs and their schemas, failures, and reports from outside.

use crate::cast::{Cast, refused, text};
use crate::steps::{assignment, delegate, script, wait};
use crate::support::Client;
use serde_json::{Value, json};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"]
    })
}

fn strict() -> Value {
    json!({"expected_output_schema": schema(), "validation": "strict"})
}

pub(super) fn mended(cast: &Cast<'_>) -> Value {
    // What was wrong stands in the second attempt's task, which goes into memory to be looked at.
    let steps = json!([
        {"do": "report", "summary": "wrong", "output": {"n": 0}, "if-attempt": 1},
        {"do": "task"},
        {"do": "channels.post", "text": {"$": [1, "violations", 0, "message"]}},
        {"do": "report", "summary": "mended", "output": {"n": 7}},
    ]);
    let ticket = cast.tell_with("one", "A number", steps, strict());
    let done = cast.done(&ticket);
    assert_eq!(
        (&done["output"], &done["summary"]),
        (&json!({"n": 7}), &json!("mended"))
    );
    assert_eq!(
        (&done["attempts"], &done["rejections"]),
        (&json!(2), &json!(1))
    );
    let said = cast.said(&ticket);
    assert!(
        said.iter().any(|(_, text)| text.contains("minimum")),
        "the violation: {said:?}"
    );
    json!(said)
}

pub(super) fn refused_to_the_end(cast: &Cast<'_>) -> Value {
    let wrong = json!([{"do": "report", "summary": "wrong", "output": {"n": "x"}}]);
    let number = assignment(json!({
        "title": "Number", "assignee": cast.id("one"), "description": script(&wrong),
        "expected-output-schema-json": schema().to_string(),
    }));
    let answers = cast.play(
        "lead",
        "Get one",
        json!([delegate(json!([number])), wait(json!("all"))]),
    );
    let report = &answers[1]["reports"][0];
    assert_eq!(
        (&report["outcome"], &report["attempt"]),
        (&json!("failed"), &json!(3))
    );
    assert_eq!(report["violations"][0]["path"], "/n", "{report}");
    assert_eq!(report["output-json"], Value::Null);
    json!(answers)
}

pub(super) fn permissive(cast: &Cast<'_>) -> Value {
    let wrong = json!([{"do": "report", "summary": "as it is", "output": {"n": 0}}]);
    let number = assignment(json!({
        "title": "Number", "assignee": cast.id("one"), "description": script(&wrong),
        "expected-output-schema-json": schema().to_string(), "permissive": true,
    }));
    let answers = cast.play(
        "lead",
        "Get one",
        json!([delegate(json!([number])), wait(json!("all"))]),
    );
    let report = &answers[1]["reports"][0];
    assert_eq!(
        (&report["outcome"], &report["attempt"]),
        (&json!("completed"), &json!(1))
    );
    assert_eq!(report["violations"][0]["path"], "/n");
    let output: Value = serde_json::from_str(&text(&report["output-json"])).expect("JSON");
    assert_eq!(output, json!({"n": 0}));
    json!(answers[1]["reports"][0]["violations"])
}

pub(super) fn submit_output(cast: &Cast<'_>) -> Value {
    let submit = |text: &str| json!({"do": "reporting.submit-output", "output-json": text});
    let steps = json!([
        {"do": "reporting.progress", "note": "half"},
        submit("{\"n\": 0}"),
        submit("no JSON"),
        submit("{\"n\": 5}"),
        {"do": "channels.post", "text": {"$": [1, "error", "invalid", 0, "path"]}},
        {"do": "report", "summary": "handed in before"},
    ]);
    let ticket = cast.tell_with("one", "A number", steps, strict());
    let done = cast.done(&ticket);
    assert_eq!(
        done["output"],
        json!({"n": 5}),
        "the last that was accepted counts"
    );
    let said = cast.said(&ticket);
    assert!(
        said.contains(&("progress".to_owned(), "half".to_owned())),
        "{said:?}"
    );
    assert!(
        said.contains(&("text".to_owned(), "/n".to_owned())),
        "{said:?}"
    );
    json!([said, done["rejections"]])
}

pub(super) fn failure(cast: &Cast<'_>) -> Value {
    let steps =
        json!([{"do": "fail", "summary": "Nothing to be **done**.\n", "output": [1, null]}]);
    let ticket = cast.tell("one", "Fail", steps);
    let why = cast.failed(&ticket);
    assert!(why.contains("Nothing to be **done**."), "{why}");
    let unknown = cast.tell(
        "one",
        "Misspell",
        json!([{"do": "chanels.post", "text": "x"}]),
    );
    assert_eq!(cast.failed(&unknown), "unknown step: chanels.post");
    json!([why, cast.server.ticket(&ticket)["output"]])
}

/// The task's message with the line that says how to report.
fn line(client: &Client, ticket: &str) -> Option<String> {
    let messages = client.messages(ticket);
    let task = messages.iter().find(|message| message["kind"] == "task")?;
    let line = task["text"]
        .as_str()?
        .lines()
        .find(|line| line.starts_with("curl "))?;
    Some(line.to_owned())
}

pub(super) fn call_for_report(cast: &Cast<'_>) -> Value {
    let call = |timeout: u64| json!([{"do": "reporting.call-for-report", "message": "Who does it?", "timeout-ms": timeout}]);
    let ticket = cast.tell("one", "Outside", call(600_000));
    let line = cast.wait(&ticket, |client| line(client, &ticket));
    let query = &line[line.find('?').expect("a query")..];
    let query = &query[..query.find('\'').expect("the URL ends")];
    let path = format!("/api/agents/{}/report-task{query}", cast.id("one"));
    let report = json!({"summary": "I did 🦀", "status": "completed", "output": {"n": [1, "2"]}});
    let taken = cast.server.post(&path, &report).ok();
    assert_eq!(taken["accepted"], true, "{taken}");
    let mut answers = cast.answers(&ticket);
    assert_eq!(
        (&answers[0]["outcome"], &answers[0]["summary"]),
        (&json!("completed"), &json!("I did 🦀"))
    );
    let output: Value = serde_json::from_str(&text(&answers[0]["output-json"])).expect("JSON");
    assert_eq!(output, json!({"n": [1, "2"]}));
    let vain = cast.play("one", "Nobody", call(100));
    refused(&vain[0], "deadline", "");
    answers.extend(vain);
    json!(answers)
}
