//! Queues over HTTP: urgency, groups, work in progress, and a full queue.

use crate::support::{Server, boss, hand, steps, team};
use serde_json::{Value, json};

/// A script that waits for a person.
fn waits() -> String {
    steps(json!([{"ask": {"member": "maria", "text": "Go?"}}]))
}

fn create(server: &Server, new: &Value) -> String {
    server.create(new)
}

fn answer(server: &Server, ticket: &str) {
    let body = json!({"text": "Go on", "author": "maria"});
    server
        .post(&format!("/v1/tickets/{ticket}/messages"), &body)
        .ok();
    server.done(ticket);
}

#[test]
fn the_urgent_ticket_is_next_also_after_a_restart() {
    let mut server = Server::scripted(&team(None, [boss("lead"), hand("one", "lead")]));
    let new = |title: &str, priority: &str| {
        let text = waits();
        json!({"title": title, "description": text, "assignee": "one", "priority": priority})
    };
    let first = create(&server, &new("first", "low"));
    server.waiting(&first);
    let medium = create(&server, &new("medium", "medium"));
    let high = create(&server, &new("high", "high"));
    server.kill();
    server.restart();
    assert_eq!(server.ticket(&high)["priority"], "high");
    answer(&server, &first);
    server.waiting(&high);
    assert_eq!(server.ticket(&medium)["status"], "open");
    answer(&server, &high);
    server.waiting(&medium);
}

#[test]
fn tickets_of_a_group_never_run_at_the_same_time() {
    let server = Server::scripted(&team(
        None,
        [boss("lead"), hand("one", "lead"), hand("two", "lead")],
    ));
    let new = |who: &str| {
        let text = waits();
        json!({"title": "release", "description": text, "assignee": who, "group": "release"})
    };
    let one = create(&server, &new("one"));
    server.waiting(&one);
    let two = create(&server, &new("two"));
    assert_eq!(server.ticket(&two)["status"], "open");
    assert_eq!(server.get("/v1/agents/two").ok()["queued"], 1);
    answer(&server, &one);
    server.waiting(&two);
}

#[test]
fn a_workspace_has_so_many_busy_runs_at_a_time() {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    let wip = |runs: u32| {
        let outside = |name| crate::support::agent(name, "external").under("lead");
        let mut all = team(None, [boss("lead"), outside("one"), outside("two")]);
        all["workspace"]["wip"] = json!({ "runs": runs });
        all
    };
    server.apply(&wip(0));
    let one = create(&server, &json!({"title": "1", "assignee": "one"}));
    let two = create(&server, &json!({"title": "2", "assignee": "two"}));
    for ticket in [&one, &two] {
        assert_eq!(server.ticket(ticket)["status"], "open", "nothing starts");
    }
    server.apply(&wip(1));
    // One after the other: the first that waits for somebody leaves room for the second.
    server.waiting(&one);
    server.waiting(&two);
    let shown = server.get("/v1/workspaces").ok();
    assert!(
        shown.to_string().contains("\"wip\":{\"runs\":1}"),
        "{shown}"
    );
}

#[test]
fn a_full_queue_answers_429_with_retry_after_and_drops_nothing() {
    let server = Server::scripted(&team(
        None,
        [boss("lead"), hand("one", "lead").limit("max_queued", 2)],
    ));
    let new = json!({"title": "T", "description": waits(), "assignee": "one"});
    let tickets: Vec<String> = (0..3).map(|_| create(&server, &new)).collect();
    let reply = server.post("/v1/tickets", &new);
    let problem = reply.problem(429);
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("`max_queued`"), "{detail}");
    assert!(
        reply
            .headers
            .get("retry-after")
            .is_some_and(|seconds| seconds
                .to_str()
                .is_ok_and(|text| text.parse::<u32>().is_ok())),
        "{:?}",
        reply.headers
    );
    for ticket in &tickets {
        server.waiting(ticket);
        answer(&server, ticket);
    }
}
