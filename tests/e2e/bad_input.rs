//! Bad input to every route of the API: 4xx with a sentence, and nothing has changed.

use crate::support::{Reply, Server, boss, hand, team};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOBODY: &str = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";
const JSON: (&str, &str) = ("content-type", "application/json");

/// One operation of the OpenAPI document.
struct Operation {
    method: String,
    /// With what stands for the variable part, if there is one.
    path: String,
    /// Whether the variable part is an id and nothing else.
    by_id: bool,
    body: Option<String>,
    body_required: bool,
}

struct Subject {
    server: Server,
    ticket: String,
    run: String,
}

fn subject() -> Subject {
    let server = Server::scripted(&team(None, [boss("lead"), hand("ada", "lead")]));
    let done = server.tell("ada", "Done", json!([{"post": "x"}]));
    server.done(&done);
    let run = server.runs(&done)[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let ticket = server.create(&json!({"title": "Leave me alone"}));
    Subject {
        server,
        ticket,
        run,
    }
}

impl Subject {
    fn operations(&self) -> Vec<Operation> {
        let document = self.server.get("/openapi.json").ok();
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1"))
        );
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let parameters = operation["parameters"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let variable = parameters.iter().find(|one| one["in"] == "path");
                let content = operation["requestBody"]["content"].as_object();
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    by_id: variable.is_some_and(|one| one["schema"]["format"] == "uuid"),
                    body: content.and_then(|content| content.keys().next().cloned()),
                    body_required: operation["requestBody"]["required"] == true,
                });
            }
        }
        operations
    }

    /// The path with something that exists in it.
    fn good(&self, operation: &Operation) -> String {
        let value = match operation.path.as_str() {
            path if path.starts_with("/v1/tickets/") => &self.ticket,
            path if path.starts_with("/v1/runs/") => &self.run,
            path if path.starts_with("/v1/workspaces/") => "default",
            path if path.starts_with("/v1/plugins/") => "scripted",
            path if path.starts_with("/problems/") => "invalid",
            _ => "ada",
        };
        fill(&operation.path, value)
    }

    fn send(&self, operation: &Operation, path: &str, body: Option<&[u8]>) -> Reply {
        let kind = operation.body.as_deref().unwrap_or("application/json");
        let headers = [("content-type", kind)];
        let body = body.map(<[u8]>::to_vec);
        self.server.send(&operation.method, path, &headers, body)
    }

    /// Everything that bad input could have changed.
    fn state(&self) -> Value {
        let lists: Vec<Value> = [
            "/v1/workspaces",
            "/v1/agents",
            "/v1/plugins",
            "/v1/tickets?limit=200",
            &format!("/v1/tickets/{}/messages", self.ticket),
            &format!("/v1/runs/{}/journal", self.run),
        ]
        .iter()
        .map(|path| self.server.get(path).ok())
        .collect();
        json!([lists, self.server.newest()])
    }
}

fn fill(path: &str, value: &str) -> String {
    match (path.find('{'), path.find('}')) {
        (Some(from), Some(to)) => format!("{}{value}{}", &path[..from], &path[to + 1..]),
        _ => path.to_owned(),
    }
}

#[test]
fn every_route_refuses_what_is_wrong_and_changes_nothing() {
    let subject = subject();
    let operations = subject.operations();
    let known: BTreeSet<String> = operations
        .iter()
        .map(|one| format!("{} {}", one.method, one.path))
        .collect();
    // The routes of the task; a new one is covered by itself below.
    for route in [
        "GET /healthz",
        "GET /openapi.json",
        "POST /v1/apply",
        "GET /v1/workspaces",
        "GET /v1/agents",
        "GET /v1/agents/tree",
        "POST /v1/tickets",
        "GET /v1/tickets",
        "GET /v1/tickets/{id}",
        "GET /v1/tickets/{id}/tree",
        "POST /v1/tickets/{id}/assign",
        "POST /v1/tickets/{id}/cancel",
        "GET /v1/tickets/{id}/messages",
        "POST /v1/tickets/{id}/messages",
        "GET /v1/runs/{id}/log",
        "GET /v1/runs/{id}/journal",
        "GET /v1/plugins",
        "GET /v1/plugins/{name}",
        "GET /v1/events",
        "POST /api/agents/{id}/report-task",
    ] {
        assert!(known.contains(route), "{route} is missing: {known:#?}");
    }
    let before = subject.state();
    for operation in &operations {
        let good = subject.good(operation);
        let name = format!("{} {}", operation.method, operation.path);
        // A query that nobody knows.
        subject
            .send(operation, &format!("{good}?nonsense=1"), None)
            .any_problem();
        // Another method.
        subject
            .server
            .send("PATCH", &good, &[JSON], None)
            .problem(405);
        if good != operation.path {
            let wrong = fill(&operation.path, "not-an-id");
            let status =
                subject.send(operation, &wrong, Some(b"{}")).any_problem()["status"].clone();
            if operation.by_id {
                assert!(
                    [400, 404, 422].contains(&status.as_u64().unwrap_or_default()),
                    "{name}"
                );
            }
            if operation.method == "GET" {
                subject
                    .send(operation, &fill(&operation.path, NOBODY), None)
                    .problem(404);
            }
            for odd in ["%00", "%ff", "..%2f..%2fetc", &"x".repeat(5_000)] {
                subject
                    .send(operation, &fill(&operation.path, odd), None)
                    .any_problem();
            }
        }
        if operation.body.as_deref() != Some("application/json") {
            continue;
        }
        // Bodies that are no JSON, JSON of another kind, and fields that nobody knows.
        let deep = "[".repeat(100_000);
        let no_json: [&[u8]; 7] = [
            b"{",
            b"{]",
            b"\xff\xfe",
            b"{} {}",
            b"{\"title\": \"\x01\"}",
            b"nul",
            deep.as_bytes(),
        ];
        for body in no_json {
            subject.send(operation, &good, Some(body)).any_problem();
        }
        for body in ["[]", "[1, 2]", "3", "\"text\"", "true", "{\"nonsense\": 1}"] {
            subject
                .send(operation, &good, Some(body.as_bytes()))
                .problem(422);
        }
        if operation.body_required {
            subject.send(operation, &good, None).any_problem();
            subject.send(operation, &good, Some(b"null")).problem(422);
        }
        // The right body as something else.
        let headers = [("content-type", "text/plain")];
        let plain = Some(b"{\"title\": \"x\"}".to_vec());
        subject
            .server
            .send(&operation.method, &good, &headers, plain)
            .problem(415);
        // Ten megabytes.
        let mut large = vec![b' '; 10 << 20];
        large.push(b'x');
        subject.send(operation, &good, Some(&large)).problem(413);
        assert_eq!(subject.state(), before, "{name} has changed something");
    }
    assert_eq!(subject.state(), before);
}

#[test]
fn a_title_of_ten_megabytes_and_other_sizes_are_refused() {
    let subject = subject();
    let before = subject.state();
    let title = |bytes: usize| json!({"title": "x".repeat(bytes), "assignee": "ada"});
    subject
        .server
        .post("/v1/tickets", &title(10 << 20))
        .problem(413);
    let problem = subject
        .server
        .post("/v1/tickets", &title(1 << 20))
        .problem(422);
    assert_eq!(problem["violations"][0]["path"], "/title");
    let large = json!({"title": "x", "description": "x".repeat(1 << 20)});
    let problem = subject.server.post("/v1/tickets", &large).problem(422);
    assert_eq!(problem["violations"][0]["path"], "/description");
    let large = json!({"text": "x".repeat(1 << 20)});
    let path = format!("/v1/tickets/{}/messages", subject.ticket);
    subject.server.post(&path, &large).problem(422);
    let large =
        json!({"title": "x", "expected_output_schema": {"description": "x".repeat(1_900_000)}});
    subject.server.post("/v1/tickets", &large).problem(422);
    assert_eq!(subject.state(), before);
}

#[test]
fn wrong_values_are_refused_one_by_one() {
    let subject = subject();
    let before = subject.state();
    let ticket = |rest: &str| format!("/v1/tickets/{}{rest}", subject.ticket);
    let agent = |agent: Value| json!({"agents": [agent]});
    let table: Vec<(String, Value, u16)> = vec![
        ("/v1/tickets".into(), json!({}), 422),
        ("/v1/tickets".into(), json!({"title": ""}), 422),
        ("/v1/tickets".into(), json!({"title": "  \n"}), 422),
        ("/v1/tickets".into(), json!({"title": 7}), 422),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "titel": "y"}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "assignee": "nobody"}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "assignee": NOBODY}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "parent": NOBODY}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "parent": "up"}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "deadline_ms": -1}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "deadline_ms": 1.5}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "validation": "maybe"}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "collaborators": ["nobody"]}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "backlog": true, "assignee": "ada"}),
            422,
        ),
        (
            "/v1/tickets".into(),
            json!({"title": "x", "expected_output_schema": {"type": "no"}}),
            422,
        ),
        (
            "/v1/tickets?workspace=nowhere".into(),
            json!({"title": "x"}),
            404,
        ),
        (ticket("/assign"), json!({"agent": "nobody"}), 404),
        (ticket("/assign"), json!({"agent": ""}), 404),
        (ticket("/assign"), json!({}), 422),
        (ticket("/status"), json!({"status": "finished"}), 422),
        (ticket("/status"), json!({"status": "in_review"}), 409),
        (
            ticket("/status"),
            json!({"status": "done", "force": "yes"}),
            422,
        ),
        (ticket("/cancel"), json!({"reason": 1}), 422),
        (ticket("/collaborators"), json!({"agent": "nobody"}), 404),
        (ticket("/messages"), json!({"text": " "}), 422),
        (
            ticket("/messages"),
            json!({"text": "x", "reply_to": "y"}),
            422,
        ),
        (
            format!("/v1/tickets/{NOBODY}/assign"),
            json!({"agent": "ada"}),
            404,
        ),
        (format!("/v1/tickets/{NOBODY}/cancel"), json!({}), 404),
        (
            format!("/v1/tickets/{NOBODY}/status"),
            json!({"status": "open"}),
            404,
        ),
        (
            format!("/v1/tickets/{NOBODY}/messages"),
            json!({"text": "x"}),
            404,
        ),
        (
            format!("/v1/tickets/{NOBODY}/collaborators"),
            json!({"agent": "ada"}),
            404,
        ),
        ("/v1/apply".into(), agent(json!({"name": "x"})), 422),
        (
            "/v1/apply".into(),
            agent(json!({"name": "no spaces", "plugin": "scripted"})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "nothing"})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "scripted@9.9.9"})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "skills"})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "command", "boss": "nobody"})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "lead", "plugin": "scripted", "boss": "ada"})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "scripted", "config": 3})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "scripted", "limits": {"max_concurrent": 0}})),
            422,
        ),
        (
            "/v1/apply".into(),
            agent(json!({"name": "x", "plugin": "scripted", "grants": {"commands": [["*"]]}})),
            422,
        ),
        (
            "/v1/apply".into(),
            json!({"workspace": {"repos": [{"name": "r", "path": "relative"}]}}),
            422,
        ),
        (
            "/v1/apply".into(),
            json!({"workspace": {"name": "no spaces"}, "agents": []}),
            422,
        ),
    ];
    for (path, body, status) in table {
        let reply = subject.server.post(&path, &body);
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        reply.problem(status);
    }
    for query in [
        "/v1/tickets?limit=0",
        "/v1/tickets?limit=201",
        "/v1/tickets?limit=x",
        "/v1/tickets?status=finished",
        "/v1/tickets?parent=x",
        "/v1/events?after=-1",
        "/v1/events?ticket=x",
    ] {
        subject.server.get(query).problem(400);
    }
    subject.server.get("/v1/tickets?after=%25%25").problem(422);
    subject
        .server
        .get("/v1/tickets?assignee=nobody")
        .problem(404);
    subject
        .server
        .get(&format!("/v1/events?ticket={NOBODY}"))
        .problem(404);
    subject.server.get("/nowhere").problem(404);
    // A tag that is no tag, and one of another version.
    let assign = ticket("/assign");
    let body = json!({"agent": "ada"});
    subject
        .server
        .post_with(&assign, &[("if-match", "7")], &body)
        .problem(400);
    subject
        .server
        .post_with(&assign, &[("if-match", "\"999\"")], &body)
        .problem(412);
    assert_eq!(subject.state(), before);
}

#[test]
fn who_comes_from_elsewhere_is_refused() {
    let subject = subject();
    let before = subject.state();
    let body = || Some(b"{\"title\": \"x\"}".to_vec());
    let foreign = [JSON, ("origin", "https://example.org")];
    subject
        .server
        .send("POST", "/v1/tickets", &foreign, body())
        .problem(403);
    let rebound = [JSON, ("host", "example.org")];
    subject
        .server
        .send("POST", "/v1/tickets", &rebound, body())
        .problem(403);
    assert_eq!(subject.state(), before);
}

#[test]
fn every_kind_of_problem_is_explained() {
    let subject = subject();
    for reply in [
        subject.server.get("/nowhere").problem(404),
        subject
            .server
            .post("/v1/tickets", &json!({"title": ""}))
            .problem(422),
        subject.server.get("/v1/tickets/x").problem(400),
    ] {
        let kind = reply["type"].as_str().expect("a path");
        let explained = subject.server.get(kind);
        assert_eq!(explained.status, 200);
        assert!(explained.text.split(' ').count() > 8, "{}", explained.text);
    }
}
