//! Handing out work: what an assignment says, who chooses, what goes wrong, and a change of mind.

use crate::cast::{Cast, error, refused, text};
use crate::steps::{ask, assignment, delegate, fail, from, part, report, script, wait, wait_for};
use serde_json::{Value, json};

pub(super) fn team(cast: &Cast<'_>) -> Value {
    let (mate, cook) = (cast.id("mate"), cast.id("cook"));
    let waits = |title: &str| part(title, cook, json!([ask("godot", "?")]));
    let done = part("Tie", mate, json!([report("tied", json!(1))]));
    let steps = json!([
        {"do": "delegation.team"},
        delegate(json!([done, waits("Stew"), waits("Soup")])),
        wait_for(json!([from(json!([1, 0, "ticket"]))]), json!("all"), 60_000),
        ask("maria", "Look now?"),
        {"do": "delegation.team"},
    ]);
    let ticket = cast.tell("captain", "Aboard", steps);
    let stew = text(&cast.children(&ticket, 3)[1]["id"]);
    cast.waiting(&stew);
    cast.wait(&ticket, |client| {
        (client.runs(&ticket)[0]["wait"]["kind"] == "answer").then_some(())
    });
    cast.say(&ticket, "maria", "Now");
    let answers = cast.answers(&ticket);
    let (before, after) = (&answers[0], &answers[4]);
    assert_eq!(before[0]["agent"]["id"], mate);
    assert_eq!(
        (&before[0]["agent"]["class"], &before[0]["agent"]["skills"]),
        (&json!("sailor"), &json!(["knots"]))
    );
    assert_eq!(before[0]["last-report-at"], Value::Null);
    assert_eq!(before[1]["status"], "idle");
    assert!(after[0]["last-report-at"].as_u64() > Some(1_600_000_000_000));
    assert_eq!(after[1]["status"], "blocked", "it waits for an answer");
    assert_eq!(
        (&after[1]["current"], &after[1]["queued"]),
        (&json!([stew]), &json!(1))
    );
    json!(answers)
}

pub(super) fn every_field(cast: &Cast<'_>) -> Value {
    let schema = r#"{"type":"array"}"#;
    let first = assignment(json!({
        "title": "Every field 🦀", "description": script(&json!([{"do": "task"}])),
        "assignee": cast.id("one"), "notes": "Be kind.", "expected-output-schema-json": schema,
        "permissive": true, "deadline-ms": 600_000, "key": "k", "priority": "high",
        "group": "release", "on-blocker-failure": "release",
        "retry": {"attempts": 3, "backoff-ms": 10, "max-backoff-ms": 20, "reassign": 1},
        "budget": {"wall-ms": 500_000, "guest-ms": 5_000, "tokens": 7, "cost-microusd": 8,
            "children": 9, "depth": 1},
        "silence-ms": 30_000,
    }));
    let second = assignment(json!({
        "title": "After it", "description": script(&json!([{"do": "task"}])),
        "assignee": cast.id("two"), "blocked-by": ["k"], "priority": "low",
    }));
    let ticket = cast.tell(
        "lead",
        "Say it all",
        json!([
            delegate(json!([first, second])),
            delegate(json!([first])),
            wait(json!("all"))
        ]),
    );
    let answers = cast.answers(&ticket);
    assert_eq!(
        answers[0][0], answers[1][0],
        "the same key is the same delegation"
    );
    let children = cast.server.children(&ticket);
    assert_eq!(children.len(), 2);
    let stored = &children[0];
    for (field, expected) in [
        ("title", json!("Every field 🦀")),
        ("notes", json!("Be kind.")),
        ("validation", json!("permissive")),
        ("expected_output_schema", json!({"type": "array"})),
        ("priority", json!("high")),
        ("group", json!("release")),
        ("on_blocker_failure", json!("release")),
        ("silence_ms", json!(30_000)),
    ] {
        assert_eq!(stored[field], expected, "{field}");
    }
    for (pointer, expected) in [
        ("/retry/attempts", 3),
        ("/retry/backoff_ms", 10),
        ("/retry/max_backoff_ms", 20),
        ("/retry/reassign", 1),
        ("/budget/wall_ms", 500_000),
        ("/budget/guest_ms", 5_000),
        ("/budget/tokens", 7),
        ("/budget/cost_microusd", 8),
        ("/budget/children", 9),
        ("/budget/depth", 1),
    ] {
        assert_eq!(
            stored.pointer(pointer),
            Some(&json!(expected)),
            "{pointer}: {stored}"
        );
    }
    assert!(stored["deadline"].is_string());
    assert_eq!(children[1]["priority"], "low");
    assert_eq!(children[1]["blocked_by"], json!([stored["id"]]));
    let briefing = stored["output"][0]["briefing"].as_str().expect("the task");
    assert!(briefing.contains("Be kind."), "{briefing}");
    json!([answers, stored["output"]])
}

/// What a selector saw, from the reason that it gave.
fn saw(reason: &Value) -> Value {
    let reason = text(reason);
    serde_json::from_str(&reason).unwrap_or_else(|error| panic!("{error}: {reason}"))
}

pub(super) fn selector(cast: &Cast<'_>) -> Value {
    let open = |title: &str, skill: &str| {
        delegate(json!([assignment(
            json!({"title": title, "description": skill})
        )]))
    };
    let answers = cast.play(
        "lead",
        "Who fits?",
        json!([
            open("For a crab", "rust 🦀"),
            open("For nobody", "gamma"),
            open("error: I \"cannot\" say", "alpha"),
            wait(json!("all")),
        ]),
    );
    let chosen = &answers[0][0];
    assert_eq!(chosen["assignee"], cast.id("one"), "{chosen}");
    refused(&answers[1], "invalid", "/0");
    assert_eq!(error(&answers[2]).0, "invalid", "{}", answers[2]);
    assert!(answers[2].to_string().contains("cannot"), "{}", answers[2]);
    assert_eq!(answers[3]["reports"][0]["outcome"], "completed");

    // A dry run, with little enough that the reason is not cut.
    let query = "choose?title=Dry&description=alpha&request=Please%20%F0%9F%A6%80";
    let path = format!("/v1/agents/{}/{query}", cast.id("lead"));
    let dry = cast.server.get(&path).ok();
    let picks = dry["choices"]
        .as_array()
        .unwrap_or_else(|| panic!("no choices: {dry}"));
    let names: Vec<&Value> = picks.iter().map(|pick| &pick["agent"]["name"]).collect();
    assert_eq!(names, ["one", "two"], "{dry}");
    let seen = saw(&picks[0]["reason"]);
    let question = &seen["question"];
    for (field, expected) in [
        ("title", "Dry"),
        ("description", "alpha"),
        ("request", "Please 🦀"),
    ] {
        assert_eq!(question[field], expected, "{question}");
    }
    let agent = &seen["candidate"]["agent"];
    assert_eq!(
        agent,
        &json!({"id": cast.id("one"), "name": "one", "class": "builder",
            "skills": ["alpha", "rust 🦀"], "description": "The first."})
    );
    // How busy they are depends on what else is going on.
    assert!(seen["candidate"]["queued"].is_number(), "{seen}");
    assert!(!seen["candidate"]["status"].is_null(), "{seen}");
    json!([question, agent, answers[1], answers[2]])
}

pub(super) fn blockers(cast: &Cast<'_>) -> Value {
    let fails = json!([fail("no")]);
    let mut first = part("1 fails", cast.id("one"), fails);
    first["key"] = json!("first");
    let after = |title: &str, policy: &str| {
        let mut after = part(title, cast.id("two"), json!([report("went on", json!(1))]));
        after["blocked-by"] = json!(["first"]);
        after["on-blocker-failure"] = json!(policy);
        after
    };
    let script = json!([
        delegate(json!([
            first,
            after("2 fails too", "fail"),
            after("3 goes on", "release")
        ])),
        wait(json!("all")),
    ]);
    let answers = cast.play("lead", "One after the other", script);
    let mut reports = answers[1]["reports"].as_array().expect("reports").clone();
    reports.sort_by_key(|report| report["title"].to_string());
    let outcomes: Vec<&Value> = reports.iter().map(|report| &report["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "failed", "completed"]);
    json!(answers)
}

pub(super) fn retries(cast: &Cast<'_>) -> Value {
    let mut slippery = part(
        "Slippery",
        cast.id("one"),
        json!([
            {"do": "fail", "summary": "I slipped", "if-attempt": 1},
            {"do": "fail", "summary": "I fell", "output": {"n": 2}, "if-attempt": 2},
            {"do": "task"},
        ]),
    );
    slippery["retry"] =
        json!({"attempts": 3, "backoff-ms": 5, "max-backoff-ms": 10, "reassign": 0});
    let script = json!([delegate(json!([slippery])), wait(json!("all"))]);
    let answers = cast.play("lead", "Try again", script);
    let report = &answers[1]["reports"][0];
    assert_eq!(
        (&report["outcome"], &report["attempt"]),
        (&json!("completed"), &json!(3))
    );
    let history = report["history"].as_array().expect("a history");
    let reasons: Vec<&Value> = history.iter().map(|past| &past["reason"]).collect();
    assert_eq!(reasons, ["I slipped", "I fell"]);
    assert!(
        history
            .iter()
            .all(|past| past["at"].as_u64() > Some(1_600_000_000_000))
    );
    json!(answers)
}

pub(super) fn plan(cast: &Cast<'_>) -> Value {
    let task = |id: &str, blocked_by: Value| {
        json!({"id": id, "description": format!("Do {id}"), "suggested-class": "builder",
            "assign-to-agent": null, "priority": "high", "blocked-by": blocked_by})
    };
    let mut named = task("b", json!(["a"]));
    named["assign-to-agent"] = json!(cast.id("one"));
    let plan = json!({
        "name": "The plan", "description": "In two steps.",
        "phases": [
            {"id": "p1", "name": "First", "parallel": true, "depends-on": [],
                "tasks": [task("a", json!([])), named]},
            {"id": "p2", "name": "Then", "parallel": false, "depends-on": ["p1"],
                "tasks": [task("c", json!(["a", "b"]))]},
        ],
    });
    let mut wrong = plan.clone();
    wrong["phases"][1]["depends-on"] = json!(["p9"]);
    let propose = |plan: &Value| json!({"do": "delegation.propose-plan", "plan": plan});
    let ticket = cast.tell("lead", "Plan", json!([propose(&plan), propose(&wrong)]));
    let answers = cast.answers(&ticket);
    assert_eq!(answers[0], Value::Null);
    refused(&answers[1], "invalid", "p9");
    let shown = cast.server.ticket(&ticket)["plan"].clone();
    for word in [
        "The plan",
        "In two steps.",
        "Do c",
        "First",
        "builder",
        cast.id("one"),
    ] {
        assert!(shown.to_string().contains(word), "{word}: {shown}");
    }
    assert_ne!(
        shown["phases"][0]["execution"], shown["phases"][1]["execution"],
        "{shown}"
    );
    json!([answers, shown])
}

pub(super) fn cancel_and_reassign(cast: &Cast<'_>) -> Value {
    let endless = |title: &str, name: &str| {
        part(
            title,
            cast.id(name),
            json!([ask("godot", "Are you coming?")]),
        )
    };
    let (first, second) = (from(json!([0, 0, "ticket"])), from(json!([0, 1, "ticket"])));
    let give = |to: &str| {
        json!({"do": "delegation.reassign", "ticket": second, "assignee": to,
            "reason": "three is quicker"})
    };
    let cancel = |ticket: &Value| json!({"do": "delegation.cancel", "ticket": ticket, "reason": "not needed"});
    let ticket = cast.tell(
        "lead",
        "Change my mind",
        json!([
            delegate(json!([endless("1", "one"), endless("2", "two")])),
            cancel(&first),
            give(cast.id("three")),
            give(cast.id("apart")),
            give("nobody"),
            wait_for(json!([first]), json!("all"), 60_000),
            cancel(&second),
            cancel(&json!("no-such-ticket")),
            give(cast.id("three")),
            wait(json!("all")),
        ]),
    );
    let answers = cast.answers(&ticket);
    for at in [1, 2, 6] {
        assert_eq!(answers[at], Value::Null, "{at}");
    }
    refused(&answers[3], "denied", "apart");
    refused(&answers[4], "not-found", "nobody");
    refused(&answers[7], "not-found", "no-such-ticket");
    assert_eq!(
        error(&answers[8]).0,
        "invalid",
        "it is over: {}",
        answers[8]
    );
    assert_eq!(answers[5]["reports"][0]["outcome"], "cancelled");
    let children = cast.server.children(&ticket);
    assert_eq!(children[0]["summary"], "not needed");
    assert_eq!(children[1]["assignee"]["name"], "three");
    let seen: Vec<&Value> = answers.iter().take(9).collect();
    json!(seen)
}
