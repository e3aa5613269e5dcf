//! Work that does not go well: tried again, given to another, reported with its history; silence,
//! blockers, plugins that are taken away, and a crash in between.

use crate::support::{Events, Repo, Server, agent, all_events, boss, guest, hand, of_kind, team};
use serde_json::{Value, json};

fn server() -> Server {
    Server::scripted(&team(
        None,
        [
            boss("lead"),
            hand("one", "lead").skills(&["rust"]),
            hand("two", "lead").skills(&["rust"]),
        ],
    ))
}

fn id_of(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

/// Milliseconds of an event's time.
fn ms(event: &Value) -> u64 {
    let at: jiff::Timestamp = event["at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    u64::try_from(at.as_millisecond()).expect("after 1970")
}

#[test]
fn it_fails_twice_and_then_it_succeeds_in_the_same_worktree() {
    let repo = Repo::new();
    let server = Server::scripted(&team(Some(&repo), [boss("lead"), hand("one", "lead")]));
    let script = json!([
        {"on_attempt": {"attempt": 1, "steps": [
            {"write": {"path": "half.txt", "text": "half done"}},
            {"fail": "I slipped"}
        ]}},
        {"on_attempt": {"attempt": 2, "steps": [{"panic": "I fell"}]}},
        {"read": "half.txt"},
        {"report": {"summary": "third time lucky", "with_steps": true}}
    ]);
    let part = json!({
        "title": "Slippery", "to": "one", "script": script,
        "retry": {"attempts": 3, "backoff_ms": 20}
    });
    let id = server.tell(
        "lead",
        "Try",
        json!([{"delegate": part}, {"await": {"join": "all"}}]),
    );
    let report = server.answers(&id)[1]["reports"][0].clone();
    assert_eq!(report["outcome"], "completed", "{report:#}");
    assert_eq!(report["attempt"], 3);
    let reasons: Vec<&str> = report["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|past| past["reason"].as_str().expect("a text"))
        .collect();
    assert_eq!(reasons[0], "I slipped");
    assert!(
        reasons[1].contains("I fell") || reasons[1].contains("unreachable"),
        "{reasons:?}"
    );
    let told = report["text"].as_str().expect("a text");
    assert!(
        told.contains("\nAttempt 1 by one failed: I slipped\nAttempt 2 by one failed: "),
        "{told}"
    );
    let steps = &report["output"]["steps"];
    assert_eq!(steps[2], "half done", "the worktree is kept: {steps:#}");

    let events = all_events(&server);
    let retried = of_kind(&events, "TicketRetried");
    let pauses: Vec<u64> = retried
        .iter()
        .map(|event| event["not_before"].as_u64().expect("a time") - ms(event))
        .collect();
    assert_eq!(pauses, [20, 40], "the pause doubles");
    let child = &report["ticket"];
    let started = of_kind(&events, "TicketStarted");
    let started: Vec<u64> = started
        .iter()
        .filter(|event| event["ticket"] == *child)
        .map(|event| ms(event))
        .collect();
    for (retried, started) in retried.iter().zip(&started[1..]) {
        assert!(*started >= retried["not_before"].as_u64().expect("a time"));
    }
    let ticket = server.ticket(child.as_str().expect("an id"));
    assert_eq!(ticket["attempts"], 3);
    assert_eq!(ticket["history"][1]["attempt"], 2);
    assert_eq!(ticket["history"][1]["agent"]["name"], "one");
    assert_eq!(ticket["not_before"], Value::Null);
}

#[test]
fn what_one_cannot_do_the_selector_gives_to_another() {
    let server = server();
    let script = json!([
        {"on_attempt": {"attempt": 1, "steps": [{"fail": "not me"}]}},
        {"report": {"summary": "I can"}}
    ]);
    let part = json!({
        "title": "Write it in rust", "to": "one", "script": script,
        "retry": {"attempts": 1, "reassign": 1}
    });
    let id = server.tell(
        "lead",
        "Give",
        json!([{"delegate": part}, {"await": {"join": "all"}}]),
    );
    let report = server.answers(&id)[1]["reports"][0].clone();
    assert_eq!(
        (
            &report["outcome"],
            &report["agent_name"],
            &report["attempt"]
        ),
        (&json!("completed"), &json!("two"), &json!(2)),
        "{report:#}"
    );
    let events = all_events(&server);
    let names = server.get("/v1/agents/two").ok();
    let wanted = of_kind(&events, "AssigneeWanted");
    assert_eq!((wanted.len(), &wanted[0]["reason"]), (1, &json!("not me")));
    let given = of_kind(&events, "TicketReassigned");
    assert_eq!(given[0]["assignee"], names["id"]);
    let reason = given[0]["reason"].as_str().expect("a text");
    assert!(reason.contains("rust"), "the selector says why: {reason}");
}

#[test]
fn when_all_have_failed_the_boss_reads_who_tried_it_and_why_not() {
    let server = server();
    let part = json!({
        "title": "Impossible in rust", "to": "one", "script": [{"fail": "impossible"}],
        "retry": {"attempts": 2, "backoff_ms": 5, "reassign": 3}
    });
    let id = server.tell(
        "lead",
        "Despair",
        json!([{"delegate": part}, {"await": {"join": "all"}}]),
    );
    let report = server.answers(&id)[1]["reports"][0].clone();
    assert_eq!(report["outcome"], "failed");
    assert_eq!(
        report["history"].as_array().map(Vec::len),
        Some(4),
        "{report:#}"
    );
    let summary = report["summary"].as_str().expect("a text");
    assert!(summary.starts_with("impossible"), "{summary}");
    assert!(
        summary.contains("Nobody else in its boss's team is left"),
        "{summary}"
    );
    assert!(
        summary.ends_with("(It was tried 4 times, by one, two.)"),
        "{summary}"
    );
    let told = server.messages(&id);
    let told = told.iter().filter(|message| message["kind"] == "report");
    let told: Vec<&str> = told
        .map(|message| message["text"].as_str().expect("a text"))
        .collect();
    assert_eq!(told.len(), 1, "one report, at the end");
    assert!(
        told[0].contains("\nAttempt 3 by two failed: impossible"),
        "{}",
        told[0]
    );
}

#[test]
fn someone_outside_who_falls_silent_is_a_failed_report() {
    let server = server();
    let part = json!({
        "title": "Somebody outside", "to": "one", "script": [{"call_for_report": "Please."}],
        "silence_ms": 300
    });
    let id = server.tell(
        "lead",
        "Wait",
        json!([{"delegate": part}, {"await": {"join": "all"}}]),
    );
    let report = server.answers(&id)[1]["reports"][0].clone();
    assert_eq!(report["outcome"], "failed");
    assert_eq!(
        report["summary"],
        "it was silent for 300 ms, its limit (`silence_ms`)"
    );
    server.no_runs();
}

#[test]
fn a_chain_goes_one_by_one_and_breaks_as_a_whole() {
    let server = server();
    let step = |key: &str, to: &str, after: Value, script: Value| json!({"title": key, "key": key, "to": to, "blocked_by": after, "script": script});
    let good = |key: &str| json!([{"report": {"summary": key, "output": key}}]);
    let mut cleaning = step("clean", "one", json!(["build"]), good("clean"));
    cleaning["released_by_failure"] = json!(true);
    let parts = json!([
        step("design", "one", json!([]), good("design")),
        step(
            "build",
            "two",
            json!(["design"]),
            json!([{"fail": "it does not compile"}])
        ),
        step("ship", "one", json!(["build", "design"]), good("ship")),
        cleaning,
    ]);
    let id = server.tell(
        "lead",
        "Chain",
        json!([{"delegate": parts}, {"await": {"join": "all"}}]),
    );
    let joined = server.answers(&id)[1].clone();
    let children = server.children(&id);
    let stand: Vec<&Value> = children.iter().map(|child| &child["status"]).collect();
    assert_eq!(stand, ["done", "failed", "failed", "done"], "{joined:#}");
    assert_eq!(joined["reports"].as_array().map(Vec::len), Some(4));
    let why = children[2]["summary"].as_str().expect("a text");
    assert!(
        why.contains("(\"build\"), for which it waited, has failed"),
        "{why}"
    );
    assert_eq!(children[2]["attempts"], 0, "it never started");
    assert_eq!(children[3]["blocked_by"], json!([children[1]["id"]]));
    let events = all_events(&server);
    let seq = |kind: &str, child: &Value| {
        let found = of_kind(&events, kind);
        let found = found
            .into_iter()
            .find(|event| event["ticket"] == child["id"]);
        found.expect("it happened")["seq"].as_u64()
    };
    assert!(seq("TicketStarted", &children[1]) > seq("TicketCompleted", &children[0]));
    assert!(seq("TicketStarted", &children[3]) > seq("TicketFailed", &children[1]));
}

#[test]
fn people_make_tickets_wait_for_others_also_for_those_that_are_long_over() {
    let server = server();
    let done = server.tell("lead", "Done", json!([{"report": {"summary": "done"}}]));
    server.done(&done);
    let failed = server.tell("lead", "Failed", json!([{"fail": "no"}]));
    server.failed(&failed);
    let open = server.tell(
        "lead",
        "Open",
        json!([{"ask": {"member": "maria", "text": "Go?"}}]),
    );
    let make = |blockers: Value, policy: &str| {
        server.post(
            "/v1/tickets",
            &json!({
                "title": "Later", "assignee": "one", "blocked_by": blockers,
                "on_blocker_failure": policy,
                "description": crate::support::steps(json!([{"report": {"summary": "later"}}]))
            }),
        )
    };
    let after = make(json!([done, done]), "fail").ok();
    server.done(&id_of(&after["id"]));
    let late = make(json!([done, failed]), "fail").ok();
    assert_eq!(late["status"], "failed", "{late:#}");
    let released = make(json!([failed]), "release").ok();
    server.done(&id_of(&released["id"]));
    let unknown = make(json!([uuid::Uuid::now_v7()]), "fail").problem(422);
    assert!(unknown.to_string().contains("/blocked_by/0"), "{unknown:#}");

    let waits = make(json!([done, open]), "fail").ok();
    server.waiting(&open);
    assert_eq!(waits["status"], "open");
    let answer = json!({"text": "Go", "author": "maria"});
    server
        .post(&format!("/v1/tickets/{open}/messages"), &answer)
        .ok();
    server.done(&id_of(&waits["id"]));
}

#[test]
fn a_crash_in_the_middle_of_a_pause_changes_nothing() {
    let mut server = server();
    let script = json!([
        {"on_attempt": {"attempt": 1, "steps": [{"fail": "once"}]}},
        {"report": {"summary": "twice"}}
    ]);
    let part = json!({
        "title": "Patience", "to": "one", "script": script,
        "retry": {"attempts": 2, "backoff_ms": 1_500}
    });
    let script = json!([{"delegate": part}, {"await": {"join": "all"}}]);
    let events = Events::open(&server, "/v1/events", None);
    let id = server.tell("lead", "Patience", script);
    events.until(|frame| frame.event == "TicketRetried");
    server.kill();
    server.restart();
    let report = server.answers(&id)[1]["reports"][0].clone();
    assert_eq!(
        (&report["outcome"], &report["attempt"]),
        (&json!("completed"), &json!(2))
    );
    let events = all_events(&server);
    let retried = of_kind(&events, "TicketRetried");
    assert_eq!(retried.len(), 1);
    let not_before = retried[0]["not_before"].as_u64();
    let started = of_kind(&events, "TicketStarted");
    let second = started
        .iter()
        .find(|event| event["attempt"] == 2)
        .expect("it started");
    assert!(
        Some(ms(second)) >= not_before,
        "the pause is kept: {second}"
    );
}

#[test]
fn a_plugin_that_is_taken_away_stops_nothing_that_runs_and_its_queue_goes_to_others() {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    server.upload("mine", "1.0.0", guest("scripted-sub")).ok();
    let agents = [
        boss("lead"),
        agent("one", "mine@1.0.0").under("lead").skills(&["rust"]),
        hand("two", "lead").skills(&["rust"]),
    ];
    server.apply(&team(None, agents));
    let busy = json!({
        "title": "Busy", "to": "one",
        "script": [{"ask": {"member": "maria", "text": "Go on?"}}, {"report": {"summary": "went on"}}]
    });
    let queued = json!({
        "title": "Queued, in rust", "to": "one", "script": [{"report": {"summary": "done"}}],
        "retry": {"attempts": 3, "reassign": 1}
    });
    let lost = json!({
        "title": "Lost", "to": "one", "script": [{"report": {"summary": "done"}}]
    });
    let id = server.tell(
        "lead",
        "Away",
        json!([{"delegate": [busy, queued, lost]}, {"await": {"join": "all"}}]),
    );
    server.waiting(&id);
    let busy = id_of(&server.children(&id)[0]["id"]);
    server.waiting(&busy);

    let remove = |path: &str| server.send("DELETE", &format!("/v1/plugins/{path}"), &[], None);
    let refused = remove("mine@1.0.0").problem(409);
    let said = refused["detail"].as_str().expect("a text");
    assert!(said.contains("default/one"), "{said}");
    remove("mine").problem(422);
    remove("mine@2.0.0").problem(404);
    let skills = server.get("/v1/plugins/skills").ok();
    let builtin = format!("skills@{}", skills["version"].as_str().expect("a version"));
    remove(&format!("{builtin}?force=true")).problem(409);
    assert_eq!(remove("mine@1.0.0?force=true").status, 204);
    server.get("/v1/plugins/mine").problem(404);

    let answer = json!({"text": "Yes", "author": "maria"});
    server
        .post(&format!("/v1/tickets/{busy}/messages"), &answer)
        .ok();
    let reports = server.answers(&id)[1]["reports"].clone();
    let report = |title: &str| {
        let all = reports.as_array().expect("reports").iter();
        let mut found = all.filter(|report| report["title"] == title);
        found
            .next()
            .unwrap_or_else(|| panic!("{title}: {reports:#}"))
            .clone()
    };
    assert_eq!(
        report("Busy")["summary"],
        "went on",
        "it stays on what it started with"
    );
    let queued = report("Queued, in rust");
    assert_eq!(
        (&queued["outcome"], &queued["agent_name"]),
        (&json!("completed"), &json!("two"))
    );
    let lost = report("Lost");
    assert_eq!(lost["outcome"], "failed");
    let said = lost["summary"].as_str().expect("a text");
    assert!(said.contains("there is no plugin mine@1.0.0"), "{said}");
}
