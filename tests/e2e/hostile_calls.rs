//! Strategies that do one thing without end, ids that are not theirs, and other answers on replay.

use crate::support::{Server, Setup, agent, boss, hand, team};
use serde_json::{Value, json};

/// The benchmark's hostile strategy: does what its configuration says, as often as it can.
fn hostile_plugin() -> Vec<u8> {
    include_bytes!(concat!(
        env!("OUT_DIR"),
        "/guests/wasm32-wasip2/release/bench_hostile.wasm"
    ))
    .to_vec()
}

/// What it does without end, and what is said of it.
const MODES: [(&str, &str); 21] = [
    ("spin", "computed for more than 500 ms"),
    ("spin_in_drop", "computed for more than 500 ms"),
    ("allocate", "wanted more memory than its 64 MiB"),
    ("recurse", "used up its stack"),
    ("panic", "on purpose"),
    ("exit", "exited with code 0"),
    ("print", "computed for more than 500 ms"),
    ("post", "has made 300 host calls"),
    ("progress", "journal has reached"),
    ("read", "limit"),
    ("create", "has made 300 host calls"),
    ("delegate", "which is its limit"),
    ("ask", "has made 300 host calls"),
    ("await", "has made 300 host calls"),
    ("call_for_report", "has made 300 host calls"),
    ("submit", "computed for more than 500 ms"),
    ("remember", "has made 300 host calls"),
    ("write", "has made 300 host calls"),
    ("run", "has made 300 host calls"),
    ("shout", "computed for more than 500 ms"),
    ("answer", ""),
];

#[test]
fn whatever_it_does_without_end_its_own_ticket_ends_and_nothing_stays() {
    let server = Server::with(Setup {
        config: Some("[limits]\nmessages_per_run = 100\nchildren = 50\n".to_owned()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server
        .upload("bench-hostile", "0.1.0", hostile_plugin())
        .ok();
    let mut agents = vec![boss("lead"), hand("neighbour", "lead").at_once(4)];
    for (mode, _) in MODES {
        agents.push(
            agent(mode, "bench-hostile")
                .config(json!({ "mode": mode }))
                .limit("guest_time_ms", 500)
                .limit("memory_bytes", 64 << 20)
                .limit("max_calls", 300)
                .limit("journal_bytes", 4 << 20),
        );
    }
    agents.push(hand("pawn", "delegate"));
    server.apply(&team(None, agents));
    let give = |mode: &str| server.create(&json!({"title": mode, "assignee": mode}));
    let tickets: Vec<String> = MODES.iter().map(|(mode, _)| give(mode)).collect();
    for _ in 0..5 {
        let id = server.tell("neighbour", "As usual", json!([{"post": "hello"}]));
        server.done(&id);
    }
    let mut wrong = Vec::new();
    for ((mode, says), ticket) in MODES.iter().zip(&tickets) {
        let ended = server.over(ticket);
        let summary = ended["summary"].as_str().expect("a text");
        // Its answer was cut; that is all that it could do.
        let well = *mode == "answer" && ended["status"] == "done" && summary.len() <= 64 << 10;
        if !well && (ended["status"] != "failed" || !summary.contains(says)) {
            let status = &ended["status"];
            wrong.push(format!("{mode}: {status}, {summary:.500}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let of = |mode: &str| {
        &tickets[MODES
            .iter()
            .position(|(m, _)| *m == mode)
            .expect("it is one")]
    };
    assert!(
        server.messages(of("post")).len() <= 101,
        "`messages_per_run`"
    );
    assert!(server.children(of("create")).len() <= 50, "`children`");
    let run = server.runs(of("print")).pop().expect("it ran");
    let logged = run["log_bytes"].as_u64().expect("a number");
    assert!(logged < 8 << 20, "{logged} bytes");
    // What it delegated ends with it; what it made is nobody's, and waits for whoever wants it.
    for child in server.children(of("delegate")) {
        server.over(child["id"].as_str().expect("an id"));
    }
    let id = server.tell("neighbour", "As usual", json!([{"post": "hello"}]));
    server.done(&id);
    server.no_runs();
}

#[test]
fn ids_of_others_and_ids_of_nobody_are_refused_and_change_nothing() {
    let agents = [
        boss("lead"),
        hand("ada", "lead"),
        boss("thief"),
        hand("pawn", "thief"),
    ];
    let server = Server::scripted(&team(None, agents));
    // Somebody's tree: a boss that waits for a hand that waits for a person.
    let root = server.tell(
        "lead",
        "Private",
        json!([
            {"delegate": [{"title": "Ask", "to": "ada",
                "script": [{"ask": {"member": "maria", "text": "Well?"}}]}]},
            {"await": {"join": "all"}}
        ]),
    );
    let child = server.wait("the child", |client| client.children(&root).pop());
    let child = child["id"].as_str().expect("an id").to_owned();
    server.waiting(&child);
    let look = || {
        let about = |id: &str| (server.ticket(id), server.messages(id), server.runs(id));
        (about(&root), about(&child))
    };
    let before = look();
    let nil = "00000000-0000-0000-0000-000000000000".to_owned();
    let long = "x".repeat(2_000);
    let made_up = [
        nil,
        String::new(),
        "..".to_owned(),
        "\u{0}".to_owned(),
        long,
    ];
    let mut script = Vec::new();
    for id in [&root, &child].into_iter().chain(&made_up) {
        script.extend(attempts(id));
    }
    let id = server.tell("thief", "Steal", Value::from(script.clone()));
    let answers = server.answers(&id);
    assert_eq!(answers.len(), script.len());
    let mut wrong = Vec::new();
    for (step, answer) in script.iter().zip(&answers) {
        let kind = answer["error"]["kind"].as_str();
        let nothing = *answer == json!([]);
        if !nothing && !matches!(kind, Some("not-found" | "denied" | "invalid" | "limit")) {
            wrong.push(format!("{step:.200}: {answer:.500}"));
        }
        let told = answer["error"]["text"].as_str().unwrap_or_default();
        assert!(told.len() < 3_000, "{} bytes", told.len());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(look(), before);
    // Memory is each agent's own, whatever the key.
    let id = server.tell("ada", "Later", json!([]));
    server.post(
        &format!("/v1/tickets/{root}/cancel"),
        &json!({"reason": "over"}),
    );
    server.done(&id);
    server.no_runs();
}

/// All that can be tried with an id.
fn attempts(id: &str) -> Vec<Value> {
    vec![
        json!({"get_ticket": id}),
        json!({"comment": {"ticket": id, "text": "mine"}}),
        json!({"link": {"ticket": id, "kind": "relates"}}),
        json!({"assign": {"ticket": id, "agent": "pawn"}}),
        json!({"read_channel": {"ticket": id}}),
        json!({"post": {"ticket": id, "text": "mine"}}),
        json!({"list_tickets": {"parent": id}}),
        json!({"add_collaborator": id}),
        json!({"cancel": {"ticket": id}}),
        json!({"reassign": {"ticket": id, "to": "pawn"}}),
        json!({"await": {"tickets": [id], "timeout_ms": 1}}),
        json!({"delegate": [{"title": "Mine", "to": id}]}),
    ]
}

#[test]
fn another_answer_on_replay_stops_the_run_as_diverged_with_both_sides_shown() {
    let mut server = Server::with(Setup {
        config: Some("[runs]\npark_after_ms = 0\n".to_owned()),
        ..Setup::default()
    });
    server
        .upload("bench-hostile", "0.1.0", hostile_plugin())
        .ok();
    let greedy = |mib: u64| {
        let config = json!({"mode": "allocate_and_ask"});
        let greedy = agent("greedy", "bench-hostile").config(config);
        team(None, [greedy.limit("memory_bytes", mib << 20)])
    };
    server.apply(&greedy(32));
    let id = server.create(&json!({"title": "How much?", "assignee": "greedy"}));
    server.waiting(&id);
    // It says how much memory it got, and now gets less.
    server.apply(&greedy(16));
    server.kill();
    server.restart();
    let messages = server.messages(&id);
    let question = messages
        .iter()
        .find(|message| message["kind"] == "question");
    let question = question.expect("it asked")["id"].clone();
    let answer = json!({"author": "ada", "text": "Enough.", "reply_to": question});
    server
        .post(&format!("/v1/tickets/{id}/messages"), &answer)
        .ok();
    let why = server.failed(&id);
    assert!(why.contains("diverged from its journal at call 0"), "{why}");
    let said = why.matches("MiB").count();
    assert_eq!(said, 2, "both sides: {why}");
    server.no_runs();
}
