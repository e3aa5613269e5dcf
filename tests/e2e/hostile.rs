//! Hostile guests: each ends as a clear failure of its own ticket, and a neighbour finishes as usual.

use crate::support::{Repo, Server, Setup, agent, all_events, boss, guest, hand, of_kind, team};
use serde_json::{Value, json};

fn server() -> Server {
    let server = Server::start();
    server.add(&[
        "scripted",
        "scripted-sub",
        "spin",
        "sleeper",
        "hoarder",
        "trapper",
    ]);
    server.apply(&team(
        None,
        [
            boss("lead"),
            agent("spinner", "spin")
                .limit("guest_time_ms", 6_000)
                .at_once(4)
                .under("lead"),
            agent("sleeper", "sleeper"),
            agent("hoarder", "hoarder").limit("memory_bytes", 64 << 20),
            agent("trapper", "trapper").under("lead"),
            hand("neighbour", "lead").at_once(4),
            hand("odd", "lead")
                .limit("memory_bytes", 32 << 20)
                .limit("max_calls", 50),
        ],
    ));
    server
}

fn give(server: &Server, agent: &str) -> String {
    server.create(&json!({"title": format!("For {agent}"), "assignee": agent}))
}

fn neighbours_work(server: &Server) {
    let script = json!([{"post": "hello"}, {"memory_put": ["a", "b"]}, {"memory_get": "a"}]);
    let id = server.tell("neighbour", "As usual", script);
    assert_eq!(server.answers(&id)[2], "b");
}

#[test]
fn guests_that_spin_are_stopped_while_a_neighbour_finishes() {
    let server = server();
    // More than there are processors to spin on.
    let spinners: Vec<String> = (0..4).map(|_| give(&server, "spinner")).collect();
    server.wait("the spinners", |client| {
        let started = spinners
            .iter()
            .all(|id| client.ticket(id)["status"] == "in_progress");
        started.then_some(())
    });
    neighbours_work(&server);
    for id in &spinners {
        let why = server.failed(id);
        assert!(why.contains("computed for more than 6000 ms"), "{why}");
    }
    let events = all_events(&server);
    let seqs = |kind: &str| -> Vec<u64> {
        let of = of_kind(&events, kind);
        of.iter()
            .filter_map(|event| event["seq"].as_u64())
            .collect()
    };
    let (completed, failed) = (seqs("TicketCompleted"), seqs("TicketFailed"));
    assert!(
        completed[0] < failed[0],
        "the neighbour did not have to wait for the spinners"
    );
    neighbours_work(&server);
}

#[test]
fn a_guest_that_sleeps_through_wasi_is_told_why_it_may_not() {
    let server = server();
    let why = server.failed(&give(&server, "sleeper"));
    assert!(why.contains("sleep through WASI's clock"), "{why}");
    neighbours_work(&server);
}

#[test]
fn a_guest_that_sleeps_in_a_host_call_wakes_at_the_calls_limit_or_the_tickets() {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub", "sleeper"]);
    let ask =
        |ms: u64| json!({"mode": "ask", "member": "godot", "text": "Coming?", "timeout_ms": ms});
    server.apply(&team(
        None,
        [
            agent("short", "sleeper").config(ask(500)),
            agent("long", "sleeper").config(ask(u64::from(u32::MAX))),
            hand("neighbour", "lead"),
            boss("lead"),
        ],
    ));
    let short = give(&server, "short");
    let long = server.create(&json!({"title": "Long", "assignee": "long", "deadline_ms": 2_000}));
    neighbours_work(&server);
    let why = server.failed(&short);
    assert!(why.contains("nobody answered in time"), "{why}");
    let why = server.failed(&long);
    assert!(why.contains("its deadline has passed"), "{why}");
}

#[test]
fn a_guest_that_allocates_without_end_is_stopped_at_its_limit() {
    let server = server();
    let why = server.failed(&give(&server, "hoarder"));
    assert!(why.contains("wanted more memory than its 64 MiB"), "{why}");
    neighbours_work(&server);
}

#[test]
fn a_guest_that_traps_is_shown_with_what_it_said_last() {
    let server = server();
    let id = give(&server, "trapper");
    let why = server.failed(&id);
    assert!(why.contains("The component failed"), "{why}");
    assert!(why.contains("this guest traps on purpose"), "{why}");
    let run = server.runs(&id).pop().expect("it ran");
    assert_eq!(run["status"], "failed");
    assert!(
        run["error"]
            .as_str()
            .is_some_and(|error| error.contains("failed"))
    );
    let log = server.log(run["id"].as_str().expect("an id"));
    assert!(log.contains("about to trap on \"For trapper\""), "{log}");
    let agent = server.get("/v1/agents/trapper").ok();
    assert_eq!(agent["tracking_status"], "error");
    neighbours_work(&server);
}

#[test]
fn a_component_of_the_wrong_world_is_refused_with_what_is_missing() {
    let server = server();
    let before = server.get("/v1/plugins").ok();
    let problem = server
        .upload("wrong", "0.1.0", guest("wrong-world"))
        .problem(422);
    let detail = problem["detail"].as_str().expect("a text");
    for word in ["work", "choose"] {
        assert!(detail.contains(word), "it names what is missing: {detail}");
    }
    let garbage = server
        .upload("garbage", "0.1.0", b"\0asm, or not".to_vec())
        .problem(422);
    assert!(
        garbage["detail"]
            .as_str()
            .is_some_and(|text| text.contains("component")),
        "{garbage}"
    );
    server.upload("empty", "0.1.0", Vec::new()).problem(422);
    let module = b"\0asm\x01\0\0\0".to_vec();
    server.upload("module", "0.1.0", module).problem(422);
    assert_eq!(server.get("/v1/plugins").ok(), before, "none is registered");
    // A version names one component for ever.
    server
        .upload("scripted", "0.1.0", guest("spin"))
        .problem(409);
    server
        .upload("no name", "0.1.0", guest("spin"))
        .problem(422);
    neighbours_work(&server);
}

#[test]
fn a_bad_plugin_never_replaces_a_good_one() {
    let server = server();
    server
        .upload("scripted-sub", "0.2.0", guest("wrong-world"))
        .problem(422);
    neighbours_work(&server);
    // A good one does, for the runs that start after it.
    server
        .upload("scripted-sub", "0.2.0", guest("trapper"))
        .ok();
    let id = server.tell("neighbour", "New", json!([{"post": "x"}]));
    server.failed(&id);
    let run = server.runs(&id).pop().expect("it ran");
    assert_eq!(run["plugin"]["version"], "0.2.0");
}

#[test]
fn odd_guests_fail_by_themselves() {
    let server = server();
    let table: [(&str, Value, &str); 5] = [
        ("Recurse", json!([{"recurse": true}]), "used up its stack"),
        ("Panic", json!([{"panic": "good bye"}]), "good bye"),
        (
            "Allocate",
            json!([{"allocate": 1u64 << 30}]),
            "memory than its 32 MiB",
        ),
        (
            "Call",
            json!([{"repeat": {"times": 1_000, "steps": [{"memory_get": "x"}]}}]),
            "50 host calls",
        ),
        ("Misspell", json!([{"pots": "x"}]), "does not exist"),
    ];
    for (title, script, expected) in table {
        let why = server.failed(&server.tell("odd", title, script));
        assert!(why.contains(expected), "{title}: {why}");
    }
    // A flood of output is cut, and is no failure.
    let id = server.tell(
        "odd",
        "Flood",
        json!([{"print_bytes": 20 << 20}, {"post": "dry"}]),
    );
    server.done(&id);
    let run = server.runs(&id).pop().expect("it ran");
    assert!(
        run["log_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes < 8 << 20),
        "{run:#}"
    );
    neighbours_work(&server);
}

#[test]
fn what_is_too_large_is_refused_and_the_limit_is_named() {
    let server = Server::with(Setup {
        config: Some("[limits]\nmessage_bytes = 1000\noutput_bytes = 20000\n".to_owned()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(None, [boss("lead"), hand("talker", "lead")]));
    let id = server.tell(
        "talker",
        "Talk",
        json!([{"post": "x".repeat(1_001)}, {"progress": "x".repeat(1_001)}, {"post": "x".repeat(1_000)}]),
    );
    let answers = server.answers(&id);
    for answer in &answers[..2] {
        assert_eq!(answer["error"]["kind"], "limit", "{answer}");
        let said = answer["error"]["text"].as_str().expect("a text");
        assert!(
            said.contains("1000 bytes (limit `message_bytes`)"),
            "{said}"
        );
    }
    assert!(answers[2].is_string());
    let large = json!([{"report": {"output": "x".repeat(20_000)}}]);
    let why = server.failed(&server.tell("talker", "Large", large));
    assert!(why.contains("its output is too large"), "{why}");
    let fits = json!([{"report": {"output": "x".repeat(19_000)}}]);
    server.done(&server.tell("talker", "Fits", fits));
}

#[test]
fn a_run_that_is_busy_for_too_long_is_stopped_with_its_command() {
    let repo = Repo::new();
    let command = ["sleep", "600"];
    let busy = hand("busy", "lead")
        .may_run(&command)
        .limit("run_time_ms", 2_000);
    let server = Server::scripted(&team(Some(&repo), [boss("lead"), busy]));
    let id = server.tell("busy", "Be busy", json!([{"run": command}]));
    let why = server.failed(&id);
    assert!(why.contains("`run_time_ms`"), "{why}");
    crate::support::until("the command's end", || {
        crate::support::processes_of(&id).is_empty().then_some(())
    });
    crate::support::until("the worktree's end", || {
        server.worktrees_left().is_empty().then_some(())
    });
}

#[test]
fn a_dead_subordinate_is_a_failed_report_and_never_silence() {
    let server = server();
    let id = server.tell(
        "lead",
        "Lead the dead",
        json!([
            {"delegate": [
                {"title": "Trap", "to": "trapper"},
                {"title": "Spin", "to": "spinner"},
                {"title": "Work", "to": "neighbour", "script": [{"report": {"summary": "fine"}}]}
            ]},
            {"await": {"join": "all"}}
        ]),
    );
    let answers = server.answers(&id);
    let reports = answers[1]["reports"].as_array().expect("reports");
    let of = |title: &str| {
        let found = reports.iter().find(|report| report["title"] == title);
        found.unwrap_or_else(|| panic!("no report of {title}: {reports:#?}"))
    };
    assert_eq!(of("Trap")["outcome"], "failed");
    assert_eq!(of("Spin")["outcome"], "failed");
    assert_eq!(of("Work")["summary"], "fine");
    let text = of("Trap")["text"].as_str().expect("a text");
    assert!(
        text.contains("Status: FAILED") && text.contains("traps on purpose"),
        "{text}"
    );
}
