//! Two who assign the same ticket at once, and agents that have more to do than they can.

use crate::support::{Server, agent, all_events, boss, hand, of_kind, team};
use serde_json::{Value, json};
use std::sync::Barrier;

#[test]
fn of_two_assignments_at_once_one_wins() {
    let agents = [
        boss("lead"),
        hand("one", "lead").at_once(50),
        hand("two", "lead").at_once(50),
    ];
    let server = Server::scripted(&team(None, agents));
    let wait = crate::support::steps(json!([{"ask": {"member": "maria", "text": "Go?"}}]));
    for round in 0..10 {
        let new = json!({"title": format!("Round {round}"), "description": wait});
        let reply = server.post("/v1/tickets", &new);
        let id = reply.ok()["id"].as_str().expect("an id").to_owned();
        let (tag, path) = (reply.etag(), format!("/v1/tickets/{id}/assign"));
        let barrier = Barrier::new(2);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let assign = |name: &'static str| {
                let (tag, path, barrier, server) = (&tag, &path, &barrier, &*server);
                scope.spawn(move || {
                    barrier.wait();
                    let body = json!({"agent": name, "reason": "it is mine"});
                    let reply = server.post_with(path, &[("if-match", tag)], &body);
                    if reply.status != 200 {
                        reply.any_problem();
                    }
                    reply.status
                })
            };
            let both = [assign("one"), assign("two")];
            both.map(|one| one.join().expect("it answers")).to_vec()
        });
        let won = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(won, 1, "{statuses:?}");
        assert!(
            statuses
                .iter()
                .all(|status| matches!(status, 200 | 409 | 412)),
            "{statuses:?}"
        );
        let winner = if statuses[0] == 200 { "one" } else { "two" };
        assert_eq!(server.ticket(&id)["assignee"]["name"], winner);
        let runs = server.runs(&id);
        assert_eq!(runs.len(), 1, "{runs:#?}");
        assert_eq!(runs[0]["agent"]["name"], winner);
    }
}

#[test]
fn an_old_entity_tag_is_refused_and_a_new_one_is_taken() {
    let server = Server::scripted(&team(None, [boss("lead"), hand("one", "lead")]));
    let reply = server.post(
        "/v1/tickets",
        &json!({"title": "Watch me", "description": "{}"}),
    );
    let id = reply.ok()["id"].as_str().expect("an id").to_owned();
    let old = reply.etag();
    let same = server.send(
        "GET",
        &format!("/v1/tickets/{id}"),
        &[("if-none-match", &old)],
        None,
    );
    assert_eq!(same.status, 304);
    let path = format!("/v1/tickets/{id}/collaborators");
    server.post(&path, &json!({"agent": "one"})).ok();
    let assign = format!("/v1/tickets/{id}/assign");
    let body = json!({"agent": "one"});
    server
        .post_with(&assign, &[("if-match", &old)], &body)
        .problem(412);
    let new = server.get(&format!("/v1/tickets/{id}"));
    assert_ne!(new.etag(), old);
    server
        .post_with(&assign, &[("if-match", &new.etag())], &body)
        .ok();
    server.over(&id);
}

#[test]
fn a_busy_agent_queues_and_takes_the_next_when_it_is_free() {
    let server = Server::scripted(&team(None, [boss("lead"), hand("only", "lead")]));
    let script = json!([{"ask": {"member": "maria", "text": "Next?"}}]);
    let tickets: Vec<String> = (1..=3)
        .map(|number| server.tell("only", &format!("Ticket {number}"), script.clone()))
        .collect();
    for (at, id) in tickets.iter().enumerate() {
        server.waiting(id);
        let agent = server.get("/v1/agents/only").ok();
        assert_eq!(agent["current"], json!([id]));
        assert_eq!(agent["queued"], tickets.len() - at - 1);
        assert_eq!(
            agent["tracking_status"], "blocked",
            "it waits for an answer"
        );
        for later in &tickets[at + 1..] {
            let ticket = server.ticket(later);
            assert_eq!(
                (&ticket["status"], &ticket["run"]),
                (&json!("open"), &Value::Null)
            );
        }
        let answer = json!({"text": "Go on", "author": "maria"});
        server
            .post(&format!("/v1/tickets/{id}/messages"), &answer)
            .ok();
        server.done(id);
    }
    let events = all_events(&server);
    let seq = |kind: &str, id: &String| {
        let found = of_kind(&events, kind)
            .into_iter()
            .find(|event| event["ticket"] == json!(id));
        found
            .and_then(|event| event["seq"].as_u64())
            .expect("a number")
    };
    for pair in tickets.windows(2) {
        assert!(seq("TicketCompleted", &pair[0]) < seq("TicketStarted", &pair[1]));
    }
    assert_eq!(
        server.get("/v1/agents/only").ok()["tracking_status"],
        "idle"
    );
}

#[test]
fn more_places_let_queued_tickets_start() {
    let server = Server::scripted(&team(None, [boss("lead"), hand("only", "lead")]));
    let script = json!([{"ask": {"member": "maria", "text": "Next?"}}]);
    let first = server.tell("only", "First", script.clone());
    let second = server.tell("only", "Second", script);
    server.waiting(&first);
    assert_eq!(server.ticket(&second)["status"], "open");
    server.apply(&team(None, [hand("only", "lead").at_once(2)]));
    server.waiting(&second);
    assert_eq!(server.ticket(&first)["status"], "in_progress");
}

#[test]
fn a_ticket_in_progress_is_taken_away_only_with_a_reason() {
    let agents = [
        boss("lead"),
        hand("one", "lead"),
        agent("two", "scripted-sub"),
    ];
    let server = Server::scripted(&team(None, agents));
    let id = server.tell(
        "one",
        "Mine",
        json!([{"ask": {"member": "maria", "text": "?"}}]),
    );
    server.waiting(&id);
    let path = format!("/v1/tickets/{id}/assign");
    let problem = server.post(&path, &json!({"agent": "two"})).problem(409);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("in progress with one"), "{detail}");
    server
        .post(
            &path,
            &json!({"agent": "two", "reason": "one is on holiday"}),
        )
        .ok();
    server.wait("the second run", |client| {
        (client.runs(&id).len() == 2).then_some(())
    });
    let runs = server.runs(&id);
    assert_eq!(runs[0]["status"], "cancelled");
    assert_eq!(runs[1]["agent"]["name"], "two");
    assert_eq!(server.get("/v1/agents/one").ok()["tracking_status"], "idle");
}
