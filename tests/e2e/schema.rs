//! Outputs and their schemas: valid, mended, refused to the end, permissive; schemas that are none, and
//! schemas that would take for ever.

use crate::report_task::{asked, report};
use crate::support::{Server, agent, all_events, boss, hand, of_kind, steps, team};
use serde_json::{Value, json};

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"]
    })
}

fn server() -> Server {
    let wrong =
        |attempts: u32| json!({"bad": {"n": 0}, "good": {"n": 7}, "wrong_attempts": attempts});
    let server = Server::start();
    server.add(&["scripted", "scripted-sub", "mender", "bad-output"]);
    server.apply(&team(
        None,
        [
            boss("lead"),
            agent("mender", "mender").config(json!({"bad": {"n": "x"}, "good": {"n": 1}})),
            agent("twice", "bad-output").config(wrong(1)),
            agent("never", "bad-output").config(wrong(99)).under("lead"),
            agent("writer", "scripted-sub"),
        ],
    ));
    server
}

fn ask(server: &Server, agent: &str, validation: &str) -> String {
    server.create(&json!({
        "title": "Give me a number",
        "assignee": agent,
        "expected_output_schema": schema(),
        "validation": validation
    }))
}

#[test]
fn a_valid_output_is_the_tickets_output() {
    let server = server();
    let id = server.create(&json!({
        "title": "Give me a number",
        "description": steps(json!([{"report": {"output": {"n": 3}}}])),
        "assignee": "writer",
        "expected_output_schema": schema()
    }));
    let ticket = server.done(&id);
    assert_eq!(ticket["output"], json!({"n": 3}));
    assert_eq!(ticket["violations"], json!([]));
    assert_eq!(
        (&ticket["rejections"], &ticket["attempts"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn an_output_is_mended_within_the_run() {
    let server = server();
    let ticket = server.done(&ask(&server, "mender", "strict"));
    assert_eq!(ticket["output"], json!({"n": 1}));
    assert_eq!(
        (&ticket["rejections"], &ticket["attempts"]),
        (&json!(1), &json!(1))
    );
    let summary = ticket["summary"].as_str().expect("a text");
    assert!(summary.starts_with("mended: /n"), "{summary}");
}

#[test]
fn an_output_is_mended_by_a_second_attempt_that_knows_the_violations() {
    let server = server();
    let id = ask(&server, "twice", "strict");
    let ticket = server.done(&id);
    assert_eq!(ticket["output"], json!({"n": 7}));
    assert_eq!(
        (&ticket["rejections"], &ticket["attempts"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(ticket["violations"], json!([]), "they are mended");
    let summary = ticket["summary"].as_str().expect("a text");
    assert!(summary.starts_with("attempt 2, told: /n: "), "{summary}");
    let attempts: Vec<Value> = server
        .runs(&id)
        .iter()
        .map(|run| run["attempt"].clone())
        .collect();
    assert_eq!(attempts, [1, 2]);
}

#[test]
fn after_the_limit_the_ticket_fails_with_the_violations() {
    let server = server();
    let id = server.tell(
        "lead",
        "Get a number",
        json!([
            {"delegate": [{"title": "Number", "to": "never", "schema": schema()}]},
            {"await": {"join": "all"}}
        ]),
    );
    let answers = server.answers(&id);
    let report = &answers[1]["reports"][0];
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["violations"][0]["path"], "/n", "{report:#}");

    let ticket = &server.children(&id)[0];
    assert_eq!(ticket["status"], "failed");
    assert_eq!(
        (&ticket["rejections"], &ticket["attempts"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(ticket["violations"][0]["path"], "/n");
    assert_eq!(
        ticket["output"],
        Value::Null,
        "a refused output is not the ticket's"
    );
    let summary = ticket["summary"].as_str().expect("a text");
    assert!(
        summary.contains("refused 3 times") && summary.contains("/n"),
        "{summary}"
    );
    assert_eq!(of_kind(&all_events(&server), "OutputRefused").len(), 3);
}

#[test]
fn a_permissive_ticket_keeps_the_output_with_warnings() {
    let server = server();
    let ticket = server.done(&ask(&server, "never", "permissive"));
    assert_eq!(ticket["output"], json!({"n": 0}));
    assert_eq!(ticket["violations"][0]["path"], "/n");
    assert_eq!(ticket["attempts"], 1);
}

#[test]
fn no_output_is_refused_where_one_is_expected_and_any_is_taken_where_none_is() {
    let server = server();
    let script = |script: Value| steps(script);
    let none = server.create(&json!({
        "title": "Say nothing",
        "description": script(json!([{"report": {"summary": "nothing"}}])),
        "assignee": "writer",
        "expected_output_schema": schema()
    }));
    let why = server.failed(&none);
    assert!(why.contains("there is no output"), "{why}");

    let any = server.tell(
        "writer",
        "Anything",
        json!([{"report": {"output": [1, "two"]}}]),
    );
    assert_eq!(server.done(&any)["output"], json!([1, "two"]));
}

#[test]
fn a_schema_that_is_no_schema_is_refused_when_the_ticket_is_made() {
    let server = server();
    let before = server.newest();
    for wrong in [
        json!({"type": "sometimes"}),
        json!({"properties": 3}),
        json!("object"),
        json!({"$ref": "https://example.org/schema.json"}),
    ] {
        let problem = server
            .post(
                "/v1/tickets",
                &json!({"title": "x", "assignee": "writer", "expected_output_schema": wrong}),
            )
            .problem(422);
        let violation = &problem["violations"][0];
        assert_eq!(violation["path"], "/expected_output_schema", "{problem:#}");
        let message = violation["message"].as_str().expect("a text");
        assert!(message.contains("no JSON Schema"), "{message}");
    }
    assert_eq!(server.newest(), before, "nothing was made");

    let id = server.tell(
        "lead",
        "Delegate nonsense",
        json!([
            {"delegate": [
                {"title": "Good", "to": "never"},
                {"title": "Bad", "to": "never", "schema": {"type": "sometimes"}}
            ]},
            {"create": {"title": "Bad", "schema": {"type": "sometimes"}}}
        ]),
    );
    let answers = server.answers(&id);
    let error = &answers[0]["error"];
    assert_eq!(error["kind"], "invalid");
    let path = error["violations"][0]["path"].as_str().expect("a path");
    assert!(path.starts_with("/1"), "{error:#}");
    assert_eq!(answers[1]["error"]["kind"], "invalid");
    assert!(server.children(&id).is_empty(), "all or nothing");
}

/// A schema of 3 KB whose references double at each level: a whole check would take 2^45 steps.
fn doubling() -> Value {
    let mut parts = serde_json::Map::new();
    for n in 0..45 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        parts.insert(format!("d{n}"), json!({"allOf": [next, next]}));
    }
    parts.insert("d45".to_owned(), json!({"type": "object"}));
    json!({"$defs": parts, "$ref": "#/$defs/d0"})
}

const GIVEN_UP: &str = "takes more than 200000 steps; make the schema simpler";

#[test]
fn a_schema_that_doubles_without_end_fails_its_own_tickets_while_the_host_does_all_others() {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    let quick = agent("quick", "scripted-sub");
    server.apply(&team(None, [boss("lead"), hand("ada", "lead"), quick]));
    let mut beside = team(None, [agent("bob", "scripted-sub").at_once(12)]);
    beside["workspace"]["name"] = json!("beside");
    server.apply(&beside);

    // One below a boss, and twelve in another workspace, all at the same time.
    let answer = json!([{"report": {"output": {"n": 3}}}]);
    let part = json!({"title": "Number", "to": "ada", "schema": doubling(), "script": answer});
    let script = json!([{"delegate": [part]}, {"await": {"join": "all"}}]);
    let led = server.tell("lead", "Get a number", script);
    let many: Vec<String> = (0..12)
        .map(|n| {
            let new = json!({
                "title": format!("Number {n}"), "assignee": "bob", "description": steps(answer.clone()),
                "expected_output_schema": doubling(),
            });
            let made = server.post("/v1/tickets?workspace=beside", &new).ok();
            made["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    server.wait_in("beside", "the first check", |client| {
        let refused = |id: &String| client.ticket(id)["rejections"].as_u64() > Some(0);
        many.iter().any(refused).then_some(())
    });
    let id = server.tell("quick", "Something else", json!([{"post": "here"}]));
    server.done(&id);
    let over = |id: &&String| server.ticket(id)["status"] == "failed";
    let meanwhile = many.iter().filter(over).count();
    assert!(meanwhile < many.len(), "others waited for all of them");

    let report = &server.answers(&led)[1]["reports"][0];
    assert_eq!(report["outcome"], "failed");
    let why = &report["violations"][0]["message"];
    assert!(why.to_string().contains(GIVEN_UP), "{report:#}");
    for id in &many {
        let ticket = server.wait_in("beside", "its end", |client| {
            let ticket = client.ticket(id);
            (ticket["status"] == "failed").then_some(ticket)
        });
        assert_eq!(ticket["rejections"], 3);
        let why = ticket["summary"].as_str().expect("a text");
        assert!(why.contains(GIVEN_UP), "{why}");
    }
    server.no_runs();
}

#[test]
fn a_host_starts_with_tickets_whose_schema_doubles_without_end() {
    let mut server = Server::start();
    server.add(&["scripted-sub"]);
    let team = team(
        None,
        [agent("human", "external"), agent("writer", "scripted-sub")],
    );
    server.apply(&team);
    let ask = |server: &Server, agent: &str, validation: &str| {
        server.create(&json!({
            "title": "Number", "assignee": agent, "validation": validation,
            "description": steps(json!([{"report": {"output": {"n": 3}}}])),
            "expected_output_schema": doubling(),
        }))
    };
    // One is kept with a warning, one waits for somebody outside, one waits for that one.
    let kept = server.done(&ask(&server, "writer", "permissive"));
    assert_eq!(kept["output"], json!({"n": 3}));
    let why = &kept["violations"][0]["message"];
    assert!(why.to_string().contains(GIVEN_UP), "{kept:#}");
    let outside = ask(&server, "human", "strict");
    let queued = ask(&server, "human", "strict");
    server.waiting(&outside);
    server.kill();
    server.restart();

    let output = json!({"output": {"n": 3}});
    for id in [&outside, &queued] {
        for attempt in 1..=3 {
            let task = asked(&server, id, attempt);
            let reply = report(&server, "human", &task, &output).ok();
            assert_eq!(reply["accepted"], true, "{reply}");
        }
        let why = server.failed(id);
        assert!(why.contains(GIVEN_UP), "{why}");
    }
    server.no_runs();
}
