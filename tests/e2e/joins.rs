//! Joins: all, any, a quorum, a deadline; and what becomes of those that nobody waits for any more.

use crate::support::{Server, boss, hand, team};
use serde_json::{Value, json};

fn server() -> Server {
    Server::scripted(&team(
        None,
        [
            boss("lead"),
            hand("one", "lead"),
            hand("two", "lead"),
            hand("three", "lead"),
        ],
    ))
}

fn part(name: &str, script: Value) -> Value {
    json!({"title": format!("Part of {name}"), "to": name, "script": script})
}

/// It ends at once.
fn quick(name: &str) -> Value {
    part(
        name,
        json!([{"report": {"summary": format!("{name} is done"), "output": {"by": name}}}]),
    )
}

/// It fails at once.
fn failing(name: &str) -> Value {
    part(name, json!([{"fail": format!("{name} could not")}]))
}

/// It waits for somebody who never answers.
fn endless(name: &str) -> Value {
    part(
        name,
        json!([{"ask": {"member": "godot", "text": "Are you coming?"}}]),
    )
}

/// The answer to a join over parts, and the boss's ticket when it is over.
fn joined(server: &Server, parts: Value, wait: Value) -> (Value, String) {
    let id = server.tell(
        "lead",
        "Join",
        json!([{"delegate": parts}, {"await": wait}]),
    );
    (server.answers(&id)[1].clone(), id)
}

fn outcomes(joined: &Value) -> Vec<String> {
    let reports = joined["reports"].as_array().expect("reports");
    let mut outcomes: Vec<String> = reports
        .iter()
        .map(|report| format!("{} {}", report["agent_name"], report["outcome"]).replace('"', ""))
        .collect();
    outcomes.sort();
    outcomes
}

#[test]
fn all_waits_for_everyone_also_for_who_fails() {
    let server = server();
    let parts = json!([quick("one"), failing("two"), quick("three")]);
    let (joined, id) = joined(&server, parts, json!({"join": "all"}));
    assert_eq!(
        outcomes(&joined),
        ["one completed", "three completed", "two failed"]
    );
    assert_eq!(
        (&joined["met"], &joined["pending"]),
        (&json!(true), &json!([]))
    );
    let reports = joined["reports"].as_array().expect("reports");
    let failed = reports
        .iter()
        .find(|one| one["agent_name"] == "two")
        .expect("it is there");
    let agent = failed["agent"].as_str().expect("an id");
    assert_eq!(
        failed["text"],
        format!(
            "[TASK REPORT from two ({agent})]\nStatus: FAILED\nOriginal task: Part of two\n\
             Summary: two could not"
        )
    );
    // The same reports stand in the boss's channel, each once.
    let messages = server.messages(&id);
    let told = messages
        .iter()
        .filter(|message| message["kind"] == "report");
    assert_eq!(told.count(), 3);
}

#[test]
fn any_is_over_with_the_first_and_the_others_are_cancelled_with_the_boss() {
    let server = server();
    let parts = json!([endless("one"), quick("two"), endless("three")]);
    let (joined, id) = joined(&server, parts, json!({"join": "any"}));
    assert_eq!(outcomes(&joined), ["two completed"]);
    assert_eq!(joined["met"], true);
    assert_eq!(joined["pending"].as_array().expect("a list").len(), 2);
    let children = server.children(&id);
    let stand: Vec<&Value> = children.iter().map(|child| &child["status"]).collect();
    assert_eq!(stand, ["cancelled", "done", "cancelled"]);
    let why = children[0]["summary"].as_str().expect("a text");
    assert!(
        why.contains("its boss has finished without waiting for it"),
        "{why}"
    );
    let run = server
        .runs(children[0]["id"].as_str().expect("an id"))
        .pop();
    assert_eq!(run.expect("it ran")["status"], "cancelled");
}

#[test]
fn any_goes_past_failures() {
    let server = server();
    let parts = json!([failing("one"), failing("two"), failing("three")]);
    let (joined, _) = joined(&server, parts, json!({"join": "any"}));
    assert_eq!(
        outcomes(&joined),
        ["one failed", "three failed", "two failed"]
    );
    assert_eq!(joined["pending"], json!([]));
}

#[test]
fn a_quorum_is_over_when_so_many_are_done_or_no_longer_can_be() {
    let server = server();
    let parts = json!([quick("one"), endless("two"), quick("three")]);
    let (met, _) = joined(&server, parts, json!({"join": {"quorum": 2}}));
    assert_eq!(outcomes(&met), ["one completed", "three completed"]);
    assert_eq!(met["met"], true);
    assert_eq!(met["pending"].as_array().expect("a list").len(), 1);

    let parts = json!([failing("one"), endless("two"), failing("three")]);
    let (missed, _) = joined(&server, parts, json!({"join": {"quorum": 2}}));
    assert_eq!(missed["met"], false);
    assert_eq!(outcomes(&missed), ["one failed", "three failed"]);

    let parts = json!([quick("one")]);
    let (refused, _) = joined(&server, parts, json!({"join": {"quorum": 2}}));
    assert_eq!(refused["error"]["kind"], "invalid");
    let said = refused["error"]["text"].as_str().expect("a text");
    assert!(said.contains("quorum of 2"), "{said}");
}

#[test]
fn a_deadline_takes_what_there_is() {
    let server = server();
    let parts = json!([quick("one"), endless("two")]);
    let (late, _) = joined(&server, parts.clone(), json!({"join": {"deadline": 3_000}}));
    assert_eq!(outcomes(&late), ["one completed"]);
    assert_eq!(late["pending"].as_array().expect("a list").len(), 1);

    let (given_up, _) = joined(&server, parts, json!({"join": "all", "timeout_ms": 3_000}));
    assert_eq!(given_up["met"], false);
    assert_eq!(outcomes(&given_up), ["one completed"]);

    // When all are over there is nothing to wait for.
    let parts = json!([quick("one"), quick("two")]);
    let (early, id) = joined(&server, parts, json!({"join": {"deadline": 1_800_000}}));
    assert_eq!(outcomes(&early), ["one completed", "two completed"]);
    server.done(&id);
}

#[test]
fn an_assignments_own_deadline_makes_a_failed_report() {
    let server = server();
    let mut slow = endless("two");
    slow["deadline_ms"] = json!(1_000);
    let (joined, _) = joined(&server, json!([quick("one"), slow]), json!({"join": "all"}));
    assert_eq!(outcomes(&joined), ["one completed", "two failed"]);
    let reports = joined["reports"].as_array().expect("reports");
    let late = reports
        .iter()
        .find(|one| one["agent_name"] == "two")
        .expect("it is there");
    let said = late["summary"].as_str().expect("a text");
    assert!(said.contains("deadline has passed"), "{said}");
}

#[test]
fn an_unknown_join_is_refused_and_says_so() {
    let server = server();
    let (joined, _) = joined(&server, json!([quick("one")]), json!({"join": "most"}));
    assert_eq!(joined["error"]["kind"], "invalid");
    let said = joined["error"]["text"].as_str().expect("a text");
    assert!(said.contains("most"), "{said}");
}

#[test]
fn a_boss_cancels_and_reassigns() {
    let server = server();
    let id = server.tell(
        "lead",
        "Change my mind",
        json!([
            {"delegate": [endless("one"), endless("two")]},
            {"cancel": {"ticket": 0, "reason": "not needed"}},
            {"reassign": {"ticket": 1, "to": "three", "reason": "three is quicker"}},
            {"await": {"join": "all", "timeout_ms": 500}},
            {"cancel": 1},
            {"await": {"join": "all"}}
        ]),
    );
    let answers = server.answers(&id);
    assert_eq!(outcomes(&answers[3]), ["one cancelled"]);
    assert_eq!(outcomes(&answers[5]), ["one cancelled", "three cancelled"]);
    let children = server.children(&id);
    assert_eq!(children[0]["summary"], "not needed");
    assert_eq!(children[1]["assignee"]["name"], "three");
    assert!(
        children[1]["attempts"].as_u64() >= Some(2),
        "{:#}",
        children[1]
    );
}

#[test]
fn the_same_key_is_the_same_delegation() {
    let server = server();
    let mut keyed = quick("one");
    keyed["key"] = json!("k");
    let id = server.tell(
        "lead",
        "Say it twice",
        json!([{"delegate": [keyed.clone()]}, {"delegate": [keyed]}, {"await": {"join": "all"}}]),
    );
    let answers = server.answers(&id);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(server.children(&id).len(), 1);
}
