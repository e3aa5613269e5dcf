//! Conversations: questions to people, mentions, collaborators; and what an agent remembers.

use crate::support::{Server, boss, hand, team};
use serde_json::{Value, json};

fn server() -> Server {
    Server::scripted(&team(
        None,
        [
            boss("lead"),
            hand("ada", "lead"),
            hand("bea", "lead"),
            hand("cleo", "lead"),
        ],
    ))
}

fn said(server: &Server, ticket: &str) -> Vec<(String, String, String)> {
    let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    server
        .messages(ticket)
        .iter()
        .enumerate()
        .map(|(at, message)| {
            assert_eq!(message["index"], at, "indexes are dense");
            let author = &message["author"];
            let name = if author["name"].is_null() {
                &author["type"]
            } else {
                &author["name"]
            };
            (
                field(name),
                field(&message["kind"]),
                field(&message["text"]),
            )
        })
        .collect()
}

fn line(author: &str, kind: &str, text: &str) -> (String, String, String) {
    (author.into(), kind.into(), text.into())
}

#[test]
fn a_person_is_asked_and_the_answer_goes_on() {
    let server = server();
    let id = server.tell(
        "ada",
        "Ask",
        json!([
            {"post": "Let me ask."},
            {"progress": "half"},
            {"ask": {"member": "maria", "text": "Which colour?"}},
            {"post": {"text": "Thanks", "reply_to": null}},
            {"read_channel": {}}
        ]),
    );
    let run = server.waiting(&id);
    assert_eq!(run["wait"]["kind"], "answer");
    assert_eq!(
        run["wait"]["member"],
        json!({"type": "person", "name": "maria"})
    );
    let path = format!("/v1/tickets/{id}/messages");
    // Another person is not the one who was asked.
    server
        .post(&path, &json!({"text": "Green!", "author": "otto"}))
        .ok();
    assert_eq!(server.runs(&id)[0]["status"], "waiting");
    let question = run["wait"]["question"].clone();
    let answer = json!({"text": "Blue", "author": "maria", "reply_to": question});
    server.post(&path, &answer).ok();

    let answers = server.answers(&id);
    assert_eq!(answers[2]["text"], "Blue");
    assert_eq!(answers[2]["author"], json!({"person": "maria"}));
    assert_eq!(answers[2]["reply_to"], question);
    assert_eq!(
        said(&server, &id),
        [
            line("ada", "text", "Let me ask."),
            line("ada", "progress", "half"),
            line("ada", "question", "Which colour?"),
            line("otto", "text", "Green!"),
            line("maria", "text", "Blue"),
            line("ada", "text", "Thanks"),
        ]
    );
    assert_eq!(
        answers[4]["messages"].as_array().expect("messages").len(),
        6
    );
}

#[test]
fn a_question_without_an_answer_is_over_at_its_deadline() {
    let server = server();
    let ask = json!([{"ask": {"member": "maria", "text": "?", "timeout_ms": 300}}]);
    let id = server.tell("ada", "Ask", ask);
    let answers = server.answers(&id);
    assert_eq!(answers[0]["error"]["kind"], "deadline", "{answers:#?}");
}

#[test]
fn a_subordinate_asks_its_boss_and_gets_its_answer() {
    let server = server();
    let sub = json!([
        {"ask": {"member": "lead", "text": "Like this?"}},
        {"report": {"summary": "asked", "with_steps": true}}
    ]);
    let id = server.tell(
        "lead",
        "Work together",
        json!([
            {"delegate": [{"title": "Sub work", "to": "ada", "script": sub}]},
            {"await": {"join": "all", "timeout_ms": 2_000}},
            {"read_channel": {"ticket": 0}},
            {"comment": {"ticket": 0, "text": "Just so."}},
            {"await": {"join": "all"}}
        ]),
    );
    let answers = server.answers(&id);
    let asked = answers[2]["messages"].as_array().expect("messages");
    assert!(
        asked.iter().any(|message| message["text"] == "Like this?"),
        "{asked:#?}"
    );
    let report = &answers[4]["reports"][0];
    assert_eq!(
        report["output"]["steps"][0]["text"], "Just so.",
        "{report:#}"
    );
}

#[test]
fn who_is_mentioned_and_who_may_speak() {
    let server = server();
    let agents = server.get("/v1/agents").ok();
    let id_of = |name: &str| {
        let items = agents["items"].as_array().expect("agents");
        items
            .iter()
            .find(|one| one["name"] == name)
            .expect("it is there")["id"]
            .clone()
    };
    let id = server.tell(
        "ada",
        "Talk",
        json!([
            {"mention": {"members": ["bea"], "text": "Look, Bea"}},
            {"ask": {"member": "cleo", "text": "And you?", "timeout_ms": 1000}},
            {"add_collaborator": "bea"},
            {"mention": {"members": ["bea", "maria"], "text": "Now then"}},
            {"post": "@bea and @nobody, and mail@bea"},
            {"ask": {"member": "bea", "text": "What do you say?"}},
            {"add_collaborator": "nobody"}
        ]),
    );
    server.waiting(&id);
    // The collaborator works on a ticket of her own, and speaks in this one.
    let other = server.tell(
        "bea",
        "Help",
        json!([
            {"read_channel": {"ticket": id}},
            {"post": {"ticket": id, "text": "I say yes."}},
            {"get_ticket": id}
        ]),
    );
    let helped = server.answers(&other);
    assert!(
        helped[0]["messages"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
    assert_eq!(helped[2]["title"], "Talk");

    let answers = server.answers(&id);
    assert_eq!(
        answers[0]["error"]["kind"], "not-found",
        "bea is no member yet"
    );
    let why = answers[0]["error"]["text"].as_str().expect("a text");
    assert!(why.contains("bea is not in the channel"), "{why}");
    assert_eq!(answers[1]["error"]["kind"], "not-found");
    assert_eq!(answers[5]["text"], "I say yes.");
    assert_eq!(answers[6]["error"]["kind"], "not-found");
    let messages = server.messages(&id);
    let mentions = |text: &str| {
        let found = messages.iter().find(|message| message["text"] == text);
        found.expect("it was said")["mentions"].clone()
    };
    assert_eq!(mentions("Now then"), json!([id_of("bea"), "maria"]));
    let named = mentions("@bea and @nobody, and mail@bea");
    assert_eq!(named[0], id_of("bea"), "{named}");
    let ticket = server.ticket(&id);
    assert_eq!(
        ticket["collaborators"],
        json!([{"id": id_of("bea"), "name": "bea"}])
    );

    // Whoever is no member can neither read nor speak.
    let stranger = server.tell(
        "cleo",
        "Listen",
        json!([{"read_channel": {"ticket": id}}, {"post": {"ticket": id, "text": "x"}}, {"get_ticket": id}]),
    );
    for answer in server.answers(&stranger) {
        assert_eq!(answer["error"]["kind"], "not-found", "{answer}");
    }
}

#[test]
fn memory_is_kept_from_ticket_to_ticket_and_over_a_restart() {
    let mut server = server();
    let first = server.tell(
        "ada",
        "Note",
        json!([
            {"memory_put": ["colour", "blue"]},
            {"memory_put": ["size", "L"]},
            {"memory_put": ["gone", "x"]},
            {"memory_remove": "gone"},
            {"memory_keys": ""},
            {"memory_put": ["k".repeat(600), "x"]}
        ]),
    );
    let answers = server.answers(&first);
    assert_eq!(answers[4], json!(["colour", "size"]));
    assert_eq!(answers[5]["error"]["kind"], "limit");
    assert_eq!(server.end(), Some(0), "asked to end, it ends well");
    server.restart();

    let recall = json!([{"memory_get": "colour"}, {"memory_get": "gone"}, {"memory_keys": "si"}]);
    let second = server.tell("ada", "Recall", recall.clone());
    assert_eq!(
        server.answers(&second),
        [json!("blue"), Value::Null, json!(["size"])]
    );
    let other = server.tell("bea", "Peek", recall);
    assert_eq!(
        server.answers(&other),
        [Value::Null, Value::Null, json!([])]
    );
}

#[test]
fn the_board_shows_a_run_its_own_tree() {
    let server = server();
    let apart = server.tell("bea", "Apart", json!([{"report": {"summary": "apart"}}]));
    server.done(&apart);
    let id = server.tell(
        "lead",
        "Board",
        json!([
            {"create": {"title": "For nobody yet", "description": "Later."}},
            {"assign": {"ticket": 0, "agent": "ada"}},
            {"await": {"tickets": [0], "join": "all"}},
            {"create": {"title": "Stays open"}},
            {"list_tickets": {"parent": "self"}},
            {"get_ticket": apart},
            {"link": {"ticket": 0, "kind": "relates"}},
            {"link": {"ticket": 0, "kind": ""}},
            {"get_ticket": 0}
        ]),
    );
    let answers = server.answers(&id);
    assert_eq!(
        answers[2]["reports"][0]["outcome"], "completed",
        "{answers:#?}"
    );
    let titles: Vec<&Value> = answers[4]
        .as_array()
        .expect("a list")
        .iter()
        .map(|ticket| &ticket["title"])
        .collect();
    assert_eq!(titles, ["For nobody yet", "Stays open"]);
    assert_eq!(answers[5]["error"]["kind"], "not-found", "another tree");
    assert_eq!(answers[6], Value::Null);
    assert_eq!(answers[7]["error"]["kind"], "invalid");
    assert_eq!(answers[8]["status"], "done");
    let ticket = server.ticket(&id);
    assert_eq!(ticket["links"][0]["kind"], "relates");
    let children = server.children(&id);
    assert_eq!(children[0]["delegated_by"]["name"], "lead");
    assert_eq!(
        (&children[1]["status"], &children[1]["assignee"]),
        (&json!("open"), &Value::Null)
    );
}
