//! `Idempotency-Key`: what is asked for again under the same key happens once, also across a crash.

use crate::support::{Server, agent, all_events, boss, hand, of_kind, steps, team};
use serde_json::{Value, json};

const KEY: (&str, &str) = ("idempotency-key", "order-66");

fn id(ticket: &Value) -> String {
    ticket["id"].as_str().expect("an id").to_owned()
}

fn created(server: &Server) -> usize {
    of_kind(&all_events(server), "TicketCreated").len()
}

#[test]
fn a_ticket_is_made_once_even_where_the_host_was_killed_in_between() {
    let mut server = Server::scripted(&team(None, [boss("lead"), hand("one", "lead")]));
    let new = json!({"title": "Once", "description": "{}"});
    let first = server.post_with("/v1/tickets", &[KEY], &new);
    assert_eq!(first.status, 201);
    let again = server.post_with("/v1/tickets", &[KEY], &new);
    assert_eq!(again.status, 201);
    assert_eq!(id(&first.ok()), id(&again.ok()));
    server.kill();
    server.restart();
    let later = server.post_with("/v1/tickets", &[KEY], &new);
    assert_eq!(id(&later.ok()), id(&first.ok()));
    assert_eq!(created(&server), 1);

    let other = json!({"title": "Twice", "description": "{}"});
    let problem = server.post_with("/v1/tickets", &[KEY], &other).problem(422);
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("Idempotency-Key")),
        "{problem}"
    );
    server
        .post_with("/v1/tickets", &[("idempotency-key", "")], &new)
        .problem(400);
    assert_eq!(created(&server), 1);
}

#[test]
fn twenty_at_once_under_one_key_are_one() {
    let server = Server::scripted(&team(None, [boss("lead"), hand("one", "lead")]));
    let new = json!({"title": "Once", "description": "{}"});
    let ids: Vec<String> = std::thread::scope(|scope| {
        let one = || id(&server.post_with("/v1/tickets", &[KEY], &new).ok());
        let all: Vec<_> = (0..20).map(|_| scope.spawn(one)).collect();
        all.into_iter()
            .map(|one| one.join().expect("it answers"))
            .collect()
    });
    assert!(ids.iter().all(|other| *other == ids[0]), "{ids:?}");
    assert_eq!(created(&server), 1);
}

#[test]
fn a_refused_request_leaves_its_key_free() {
    let server = Server::scripted(&team(None, [boss("lead")]));
    let new = json!({"title": "For someone new", "assignee": "newcomer", "description": "{}"});
    server.post_with("/v1/tickets", &[KEY], &new).problem(422);
    server.apply(&team(None, [hand("newcomer", "lead")]));
    server.done(&id(&server.post_with("/v1/tickets", &[KEY], &new).ok()));
}

#[test]
fn messages_cancels_and_assignments_happen_once_whatever_the_version_is_by_then() {
    let agents = [boss("lead"), hand("one", "lead"), hand("two", "lead")];
    let server = Server::scripted(&team(None, agents));
    let wait = steps(json!([{"ask": {"member": "maria", "text": "Go?"}}]));
    let made = server.post("/v1/tickets", &json!({"title": "T", "description": wait}));
    let (ticket, tag) = (id(&made.ok()), made.etag());

    let path = format!("/v1/tickets/{ticket}/messages");
    let message = json!({"text": "Hello", "author": "maria"});
    let first = server.post_with(&path, &[KEY], &message).ok();
    let again = server.post_with(&path, &[KEY], &message).ok();
    assert_eq!(first["id"], again["id"]);
    let said = server.messages(&ticket);
    assert_eq!(said.iter().filter(|one| one["text"] == "Hello").count(), 1);

    let path = format!("/v1/tickets/{ticket}/assign");
    let headers = [("idempotency-key", "assign"), ("if-match", &tag)];
    let body = json!({"agent": "one"});
    server.post_with(&path, &headers, &body).ok();
    server.waiting(&ticket);
    let again = server.post_with(&path, &headers, &body).ok();
    assert_eq!(again["assignee"]["name"], "one");
    assert_eq!(server.runs(&ticket).len(), 1, "it was not given anew");

    let path = format!("/v1/tickets/{ticket}/cancel");
    let body = json!({"reason": "enough"});
    for _ in 0..2 {
        let cancelled = server.post_with(&path, &[("idempotency-key", "cancel")], &body);
        assert_eq!(cancelled.ok()["status"], "cancelled");
    }
}

#[test]
fn a_report_from_outside_is_taken_once_and_its_repetition_gets_the_same_receipt() {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    let ids = server.apply(&team(
        None,
        [boss("lead"), agent("human", "external").under("lead")],
    ));
    let script = json!([
        {"delegate": [{"title": "Look", "description": "Look.", "to": "human"}]},
        {"await": {"join": "all"}},
    ]);
    let root = server.tell("lead", "Have it done", script);
    let child = server.wait("the delegation", |client| {
        client.children(&root).first().map(id)
    });
    server.waiting(&child);
    let path = format!("/api/agents/{}/report-task", ids["human"]);
    let body = json!({"summary": "Looked.", "status": "completed"});
    let first = server.post_with(&path, &[KEY], &body).ok();
    assert_eq!(first["accepted"], true, "{first}");
    let again = server.post_with(&path, &[KEY], &body).ok();
    assert_eq!(again, first);
    let unkeyed = server.post(&path, &body).ok();
    assert_eq!(unkeyed["accepted"], false, "{unkeyed}");
    server.done(&root);
    let report = server
        .messages(&root)
        .into_iter()
        .find(|message| message["kind"] == "report")
        .expect("a report");
    let run = &server.runs(&child)[0];
    assert_eq!(report["run"], run["id"], "it says whose it is");
    assert_eq!(report["attempt"], 1);
}
