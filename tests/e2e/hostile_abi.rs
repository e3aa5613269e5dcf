//! Components that break the rules by hand, through the whole host: each fails its own ticket with a
//! sentence, and nothing of it stays.

use crate::support::hostile_kinds::kinds;
use crate::support::{Server, agent, boss, hand, team};
use serde_json::json;

#[test]
fn hand_written_horrors_fail_their_own_tickets_and_neighbours_go_on() {
    let kinds = kinds();
    assert!(kinds.len() >= 50, "{}", kinds.len());
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    for (n, kind) in kinds.iter().enumerate() {
        let reply = server.upload(&format!("horror-{n}"), "0.1.0", kind.component());
        assert!(reply.status < 300, "{}: {}", kind.name, reply.text);
    }
    let mut agents = vec![boss("lead"), hand("neighbour", "lead")];
    for (n, kind) in kinds.iter().enumerate() {
        let name = format!("horror-{n}");
        // Its stack is used up after thousands of calls, each of which is journaled.
        let deep = kind.name.contains("from every depth");
        agents.push(
            agent(&name, &name)
                .limit("guest_time_ms", if deep { 8_000 } else { 200 })
                .limit("memory_bytes", 128 << 20),
        );
    }
    server.apply(&team(None, agents));
    let give = |n: usize| {
        let agent = format!("horror-{n}");
        server.create(&json!({"title": kinds[n].name, "assignee": agent}))
    };
    let tickets: Vec<String> = (0..kinds.len()).map(give).collect();
    let script = || json!([{"post": "hello"}, {"memory_put": ["a", "b"]}, {"memory_get": "a"}]);
    // While they are at it, and after.
    for _ in 0..5 {
        let id = server.tell("neighbour", "As usual", script());
        assert_eq!(server.answers(&id)[2], "b");
    }
    let mut wrong = Vec::new();
    for (kind, ticket) in kinds.iter().zip(&tickets) {
        let why = server.failed(ticket);
        if !why.contains(kind.says) {
            wrong.push(format!("{}: {why}", kind.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let id = server.tell("neighbour", "As usual", script());
    assert_eq!(server.answers(&id)[2], "b");
    server.no_runs();
}
