//! What a component is told and says: its task, texts, channels, the board, its memory, its output.

use crate::cast::{Cast, error, refused, text};
use crate::steps::{ask, delegate, from, hex, part, post, read, wait};
use serde_json::{Value, json};

/// What every encoder must get through.
const TEXT: &str = "Ünï©ødé 🦀 \u{1}\u{7f} \t\"quoted\" \\ / <&> \u{2028} 日本語\nend";

pub(super) fn task(cast: &Cast<'_>) -> Value {
    let ticket = cast.tell("one", "Look at yourself", json!([{"do": "task"}]));
    let answers = cast.answers(&ticket);
    let task = &answers[0];
    assert_eq!(task["ticket"]["id"], ticket.as_str());
    assert_eq!(task["ticket"]["status"], "in-progress");
    assert_eq!(task["ticket"]["parent"], Value::Null);
    assert_eq!(task["agent"]["id"], cast.id("one"));
    assert_eq!(task["agent"]["skills"], json!(["alpha", "rust 🦀"]));
    assert_eq!(
        (&task["attempt"], &task["violations"]),
        (&json!(1), &json!([]))
    );
    let config: Value = serde_json::from_str(&text(&task["config-json"])).expect("JSON");
    assert_eq!(
        config["greeting"], "hello",
        "the manifest's default: {config}"
    );
    json!(answers)
}

pub(super) fn any_text(cast: &Cast<'_>) -> Value {
    // The same, once with escapes for all that is not ASCII and once without.
    let escaped: String = json!(TEXT)
        .to_string()
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let script = format!(
        r#" [ {{"text":{escaped},"do":"channels.post"}},
            {},
            {{"do" : "channels.read", "limit" : 10, "after" : 0, "ticket" : null}} ]"#,
        post(TEXT)
    );
    let new = json!({"title": TEXT, "description": script.trim(), "assignee": cast.id("one")});
    let answers = cast.answers(&cast.create(&new));
    let messages = answers[2]["messages"].as_array().expect("a page");
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message["text"] == TEXT));
    json!(answers)
}

pub(super) fn config(cast: &Cast<'_>) -> Value {
    let new = json!({"title": "Look", "description": "no script", "assignee": cast.id("one")});
    let answers = cast.answers(&cast.create(&new));
    assert_eq!(answers[0]["ticket"]["description"], "no script");
    let none = json!({"title": "Look", "description": "none", "assignee": cast.id("deputy")});
    assert_eq!(cast.failed(&cast.create(&none)), "There is no script.");
    json!(answers)
}

pub(super) fn prints(cast: &Cast<'_>) -> Value {
    let print = |to: &str, text: &str| json!({"do": to, "text": text});
    let steps = json!([
        print("print", TEXT),
        print("eprint", "to stderr"),
        ask("maria", "Go on?"),
        print("print", "after"),
    ]);
    let ticket = cast.tell("one", "Print", steps);
    cast.parked(&ticket);
    cast.say(&ticket, "maria", "Yes");
    cast.answers(&ticket);
    let log = cast.log(&ticket);
    for part in ["Ünï©ødé 🦀", "日本語", "to stderr", "after"] {
        assert_eq!(
            log.matches(part).count(),
            1,
            "{part}, once and whole: {log}"
        );
    }
    Value::Null
}

pub(super) fn channel(cast: &Cast<'_>) -> Value {
    let page =
        |after: u64, limit: u64| json!({"do": "channels.read", "after": after, "limit": limit});
    let steps = json!([
        post("first"),
        {"do": "channels.post", "text": "answer", "reply-to": from(json!([0]))},
        {"do": "reporting.progress", "note": "going on"},
        page(0, 2),
        {"do": "channels.read", "after": from(json!([3, "cursor"])), "limit": 10},
        page(99, 10),
        {"do": "channels.post", "ticket": "no-such-ticket", "text": "x"},
        {"do": "channels.read", "ticket": "no-such-ticket", "after": 0, "limit": 1},
    ]);
    let answers = cast.play("one", "Talk", steps);
    let (two, rest) = (&answers[3], &answers[4]);
    assert_eq!(two["messages"][1]["reply-to"], answers[0]);
    assert_eq!(
        two["messages"][0]["author"],
        json!({"agent": cast.id("one")})
    );
    assert_eq!((&two["cursor"], &two["more"]), (&json!(2), &json!(true)));
    assert_eq!(rest["messages"][0]["kind"], "progress");
    assert_eq!(
        (&rest["messages"][0]["index"], &rest["more"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(answers[5]["messages"], json!([]));
    refused(&answers[6], "not-found", "no-such-ticket");
    refused(&answers[7], "not-found", "no-such-ticket");
    json!(answers)
}

pub(super) fn mention(cast: &Cast<'_>) -> Value {
    let mention =
        |members: Value| json!({"do": "channels.mention", "members": members, "text": "Look"});
    let steps = json!([
        mention(json!(["two"])),
        {"do": "tickets.add-collaborator", "agent": "two"},
        mention(json!(["two", "maria"])),
        mention(json!([])),
        post("@two and @nobody"),
        read(),
    ]);
    let answers = cast.play("one", "Mention", steps);
    refused(&answers[0], "not-found", "two");
    let said = &answers[5]["messages"];
    assert_eq!(said[0]["mentions"], json!([cast.id("two"), "maria"]));
    let last = said
        .as_array()
        .and_then(|all| all.last())
        .expect("a message");
    assert_eq!(last["mentions"][0], cast.id("two"));
    json!(answers)
}

pub(super) fn ask_person(cast: &Cast<'_>) -> Value {
    let steps = json!([ask("maria", "Which colour?"), post("Thanks"), read()]);
    let ticket = cast.tell("one", "Ask", steps);
    cast.waiting(&ticket);
    cast.say(&ticket, "otto", "Green!");
    cast.say(&ticket, "maria", "Blue 🦀");
    let answers = cast.answers(&ticket);
    assert_eq!(answers[0]["text"], "Blue 🦀");
    assert_eq!(answers[0]["author"], json!({"person": "maria"}));
    let all = answers[2]["messages"].as_array().expect("messages");
    assert_eq!((all.len(), &all[0]["kind"]), (4, &json!("question")));
    json!(answers)
}

pub(super) fn ask_boss(cast: &Cast<'_>) -> Value {
    let child = from(json!([0, 0, "ticket"]));
    let asks = part("Sub", cast.id("one"), json!([ask("lead", "Like this?")]));
    let steps = json!([
        delegate(json!([asks])),
        ask("maria", "Shall I answer?"),
        {"do": "tickets.comment", "ticket": child, "text": "Just so."},
        wait(json!("all")),
    ]);
    let ticket = cast.tell("lead", "Together", steps);
    let child = text(&cast.children(&ticket, 1)[0]["id"]);
    cast.waiting(&child);
    cast.waiting(&ticket);
    cast.say(&ticket, "maria", "Do");
    let answers = cast.answers(&ticket);
    let report = &answers[3]["reports"][0];
    let output: Value = serde_json::from_str(&text(&report["output-json"])).expect("JSON");
    assert_eq!(output[0]["text"], "Just so.", "{output}");
    assert_eq!(output[0]["author"], json!({"agent": cast.id("lead")}));
    json!([answers[0], answers[1], answers[2], output])
}

pub(super) fn ask_in_vain(cast: &Cast<'_>) -> Value {
    let asks = |member: &str| json!({"do": "channels.ask", "member": member, "text": "?", "timeout-ms": 100});
    let answers = cast.play("one", "In vain", json!([asks("maria"), asks("two")]));
    assert_eq!(error(&answers[0]).0, "deadline", "{}", answers[0]);
    assert_eq!(error(&answers[1]).0, "not-found", "{}", answers[1]);
    json!(answers)
}

pub(super) fn tickets(cast: &Cast<'_>) -> Value {
    let create = |title: &str, schema: Option<&str>, key: Option<&str>| {
        json!({"do": "tickets.create", "draft": {"title": title, "description": "[{\"do\": \"task\"}]",
            "expected-output-schema-json": schema, "key": key}})
    };
    let ticket = from(json!([0]));
    let assign = |to: &str| json!({"do": "tickets.assign", "ticket": ticket, "agent": to});
    let list = |filter: Value| json!({"do": "tickets.list", "filter": filter});
    let link = |kind: &str| json!({"do": "tickets.link", "ticket": ticket, "kind": kind});
    let steps = json!([
        create("Child", Some(r#"{"type": "array"}"#), Some("k")),
        create("Child", None, Some("k")),
        create("Open", None, None),
        create("", None, None),
        create("Bad", Some(r#"{"type": "sometimes"}"#), None),
        {"do": "tickets.get", "ticket": ticket},
        assign("apart"),
        assign("nobody"),
        assign("two"),
        {"do": "delegation.await-reports", "tickets": [ticket], "join": "all"},
        {"do": "tickets.get", "ticket": ticket},
        list(json!({"status": "open"})),
        list(json!({"status": "done", "assignee": cast.id("two"), "parent": null})),
        list(json!({"status": {"other": "asleep"}})),
        {"do": "tickets.comment", "ticket": ticket, "text": "Well done"},
        link("relates"),
        link(""),
        {"do": "tickets.get", "ticket": "no-such-ticket"},
        {"do": "tickets.add-collaborator", "agent": "nobody"},
    ]);
    let id = cast.tell("lead", "Board", steps);
    let answers = cast.answers(&id);
    assert_eq!(answers[0], answers[1], "the same key is the same ticket");
    refused(&answers[3], "invalid", "title");
    assert_eq!(error(&answers[4]).0, "invalid", "{}", answers[4]);
    assert_eq!(answers[5]["status"], "open");
    assert_eq!(answers[5]["parent"], id.as_str());
    refused(&answers[6], "denied", "apart");
    refused(&answers[7], "not-found", "nobody");
    assert_eq!(answers[8], Value::Null);
    assert_eq!(
        (&answers[10]["status"], &answers[10]["title"]),
        (&json!("done"), &json!("Child"))
    );
    assert!(answers[10]["output-json"].is_string());
    assert_eq!(answers[11][0]["title"], "Open");
    assert_eq!(answers[12][0]["id"], answers[0]);
    assert_eq!((&answers[14], &answers[15]), (&Value::Null, &Value::Null));
    refused(&answers[16], "invalid", "kind");
    refused(&answers[17], "not-found", "no-such-ticket");
    refused(&answers[18], "not-found", "nobody");
    let said = cast.said(&text(&answers[0]));
    assert!(said.iter().any(|(_, text)| text == "Well done"), "{said:?}");
    // How the child told of its task holds the time; the rest is the same everywhere.
    let seen: Vec<&Value> = answers
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 9)
        .map(|(_, one)| one)
        .collect();
    json!(seen)
}

pub(super) fn memory(cast: &Cast<'_>) -> Value {
    let put =
        |key: &str, value: &[u8]| json!({"do": "memory.put", "key": key, "value": hex(value)});
    let get = |key: &str| json!({"do": "memory.get", "key": key});
    let remove = |key: &str| json!({"do": "memory.remove", "key": key});
    let keys = |prefix: &str| json!({"do": "memory.keys", "prefix": prefix});
    let bytes: Vec<u8> = (0..=255).collect();
    let steps = json!([
        put("m/bytes", &bytes),
        put("m/empty", b""),
        put("m/Ünï", b"x"),
        put("m/gone", b"x"),
        remove("m/gone"),
        remove("m/never"),
        keys("m/"),
        get("m/bytes"),
        get("m/empty"),
        get("m/gone"),
        put(&"k".repeat(600), b"x"),
    ]);
    let first = cast.play("three", "Note", steps);
    assert_eq!(first[6], json!(["m/bytes", "m/empty", "m/Ünï"]));
    assert_eq!(first[7], hex(&bytes));
    assert_eq!((&first[8], &first[9]), (&json!(""), &Value::Null));
    assert_eq!(error(&first[10]).0, "limit", "{}", first[10]);
    let second = cast.play("three", "Recall", json!([get("m/bytes"), keys("m/e")]));
    assert_eq!(second, [json!(hex(&bytes)), json!(["m/empty"])]);
    let other = cast.play("two", "Peek", json!([get("m/bytes"), keys("m/")]));
    assert_eq!(other, [Value::Null, json!([])]);
    json!([first, second, other])
}
