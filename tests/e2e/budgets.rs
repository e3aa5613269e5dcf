//! Budgets and grants: what a boss hands out never brings more than it has itself, and what runs out is
//! an error that it can act on.

use crate::support::{Repo, Server, agent, boss, hand, steps, team};
use serde_json::{Value, json};

/// A boss with two hands and somebody outside.
fn office() -> (Server, String) {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    let ids = server.apply(&team(
        None,
        [
            boss("lead"),
            hand("ada", "lead"),
            hand("bob", "lead"),
            agent("robot", "external").under("lead").at_once(2),
        ],
    ));
    let robot = ids["robot"].clone();
    (server, robot)
}

/// A ticket for the boss, with a budget.
fn ask(server: &Server, budget: &Value, script: Value) -> String {
    server.create(&json!({
        "title": "Have it done", "description": steps(script), "assignee": "lead", "budget": budget,
    }))
}

/// What a boss that ends with `with_steps` was answered, step by step.
fn answered(server: &Server, id: &str) -> Vec<Value> {
    let ticket = server.done(id);
    ticket["output"]["steps"]
        .as_array()
        .unwrap_or_else(|| panic!("no steps: {ticket:#}"))
        .clone()
}

#[track_caller]
fn limit(answer: &Value) -> &str {
    assert_eq!(answer["error"]["kind"], "limit", "{answer:#}");
    answer["error"]["text"].as_str().expect("a text")
}

fn part(to: &str) -> Value {
    json!({"title": format!("Part for {to}"), "to": to, "script": [{"progress": "here"}]})
}

#[test]
fn a_boss_with_three_children_to_spend_gets_a_limit_for_four_and_makes_do_with_three() {
    let (server, _) = office();
    let budget = json!({"children": 3, "tokens": 500});
    let four = [part("ada"), part("bob"), part("ada"), part("bob")];
    let mut greedy = part("ada");
    greedy["budget"] = json!({"tokens": 501});
    let id = ask(
        &server,
        &budget,
        json!([
            {"delegate": four},
            {"delegate": [greedy]},
            {"delegate": four[..3]},
            {"budget_left": true},
            {"await": {"join": "all"}},
            {"report": {"summary": "three were enough", "with_steps": true}}
        ]),
    );
    let answers = answered(&server, &id);
    let why = limit(&answers[0]);
    assert_eq!(
        why,
        format!(
            "4 more tickets are asked for, and ticket {id} has 3 tickets left (`children`, budget of \
             {id}: 3)"
        )
    );
    let why = limit(&answers[1]);
    assert_eq!(
        why,
        format!("/0/budget/tokens: 501 asked, ticket {id} has 500 left (budget of {id})")
    );
    assert_eq!(answers[3]["children"], 0);
    assert_eq!(answers[3]["tokens"], 500);
    assert_eq!(answers[3]["depth"], Value::Null, "it is not limited");
    assert_eq!(answers[4]["reports"].as_array().map(Vec::len), Some(3));
    let ticket = server.ticket(&id);
    assert_eq!(ticket["budget"]["children"], 3);
    assert_eq!(ticket["spent"]["children"], 3);
    // People cannot give more either.
    let more = json!({"title": "More", "parent": id, "budget": {"tokens": 501}});
    let problem = server.post("/v1/tickets", &more).any_problem();
    assert!(problem["detail"].is_string());
}

#[test]
fn guest_time_that_a_child_uses_up_is_a_failed_report_and_its_boss_can_answer() {
    let (server, _) = office();
    let spins = json!({"title": "Spin", "to": "ada", "script": [{"spin": true}]});
    let id = ask(
        &server,
        &json!({"guest_ms": 400}),
        json!([
            {"delegate": [spins]},
            {"await": {"join": "all"}},
            {"delegate": [part("bob")]},
            {"budget_left": true},
            {"report": {"summary": "it took too long", "with_steps": true}}
        ]),
    );
    let answers = answered(&server, &id);
    let report = &answers[1]["reports"][0];
    assert_eq!(report["outcome"], "failed");
    let why = report["summary"].as_str().expect("a text");
    assert!(
        why.starts_with(&format!("the budget of ticket {id} is used up: "))
            && why.contains("of 400 ms of guest time were left (`guest_ms`)"),
        "{why}"
    );
    let why = limit(&answers[2]);
    assert!(
        why.contains("of 400 ms of guest time are spent (`guest_ms`)"),
        "{why}"
    );
    assert_eq!(answers[3]["guest_ms"], 0);
    let tree = server.tree(&id);
    let spent = |ticket: &Value| ticket["spent"]["guest_ms"].as_u64().expect("a number");
    let (all, child) = (
        spent(&tree["ticket"]),
        spent(&tree["children"][0]["ticket"]),
    );
    assert!(all >= 400 && child > 200 && all >= child, "{all} {child}");
    // What is over cannot go on: a new child of the same ticket would not begin.
    let runs = server.runs(&id);
    assert_eq!(runs.len(), 1, "{runs:#?}");
}

#[test]
fn tokens_that_reports_name_are_charged_all_the_way_up_and_survive_a_crash() {
    let (mut server, robot) = office();
    let outside = |title: &str| json!({"title": title, "description": "Do it.", "to": "robot"});
    let id = ask(
        &server,
        &json!({"tokens": 1_000}),
        json!([
            {"delegate": [outside("Think")]},
            {"await": {"join": "all"}},
            {"delegate": [outside("Think again")]},
            {"report": {"summary": "one thought was enough", "with_steps": true}}
        ]),
    );
    let child = server.wait("the delegation", |client| {
        let child = client.children(&id).pop()?;
        Some(child["id"].as_str()?.to_owned())
    });
    server.waiting(&child);
    let report = |server: &Server, usage: Value| {
        let path = format!("/api/agents/{robot}/report-task?delegation={child}");
        server.post(&path, &json!({"summary": "thought", "usage": usage}))
    };
    for wrong in [
        json!({"cost_usd": -1}),
        json!({"tokens": -1}),
        json!({"tokens": 1.5}),
        json!({"minutes": 5}),
    ] {
        report(&server, wrong).any_problem();
    }
    let taken = report(&server, json!({"tokens": 1_200, "cost_usd": 0.0125})).ok();
    assert_eq!(taken["accepted"], true);
    let again = report(&server, json!({"tokens": 9_999})).ok();
    assert_eq!(
        again["accepted"], false,
        "a duplicate changes nothing: {again}"
    );
    server.kill();
    server.restart();
    let answers = answered(&server, &id);
    assert_eq!(
        limit(&answers[2]),
        format!("the budget of ticket {id} is used up: 1200 of 1000 tokens are spent (`tokens`)")
    );
    for ticket in [&id, &child] {
        let spent = &server.ticket(ticket)["spent"];
        assert_eq!(spent["tokens"], 1_200, "{spent}");
        assert_eq!(spent["cost_microusd"], 12_500, "{spent}");
    }
}

#[test]
fn wall_time_that_is_used_up_ends_the_ticket_and_all_below_it() {
    let (server, _) = office();
    let waits = json!({"title": "Wait", "to": "ada",
        "script": [{"ask": {"member": "ann", "text": "Are you there?"}}]});
    let id = ask(
        &server,
        &json!({"wall_ms": 4_000}),
        json!([{"delegate": [waits]}, {"await": {"join": "all"}}]),
    );
    assert_eq!(
        server.failed(&id),
        format!("the budget of ticket {id} is used up: it had 4000 ms of wall time (`wall_ms`)")
    );
    let child = server.children(&id).pop().expect("a child");
    assert_eq!(child["deadline"], server.ticket(&id)["deadline"]);
    assert_ne!(child["status"], "done");
    let over = server.over(child["id"].as_str().expect("an id"));
    assert!(
        matches!(over["status"].as_str(), Some("cancelled" | "failed")),
        "{over:#}"
    );
}

#[test]
fn a_command_is_denied_where_the_boss_that_delegated_it_is_not_granted_it() {
    let repo = Repo::new();
    let command = ["echo", "hello"];
    let agents = [
        boss("lead").may_run(&["ls"]),
        hand("ada", "lead").may_run(&command),
    ];
    let server = Server::scripted(&team(Some(&repo), agents));
    let run = json!([{"run": command}]);
    let delegate = json!([
        {"delegate": [{"title": "Say hello", "to": "ada", "script": run}]},
        {"await": {"join": "all"}},
        {"report": {"summary": "heard", "with_steps": true}}
    ]);
    let id = server.tell("lead", "Have hello said", delegate.clone());
    let report = &answered(&server, &id)[1]["reports"][0];
    let denied = &report["output"]["steps"][0]["error"];
    assert_eq!(denied["kind"], "denied", "{report:#}");
    assert_eq!(
        denied["text"],
        "grant `commands`: echo hello is not granted to boss lead, which delegated this ticket; a \
         ticket never brings more than its boss may do itself; granted to lead: ls"
    );
    // A person may give ada what ada is granted.
    let direct = server.tell("ada", "Say hello", run);
    assert_eq!(server.answers(&direct)[0]["stdout"], "hello\n");
    // And so may the boss, once it is granted it.
    let agents = [
        boss("lead").may_run(&command),
        hand("ada", "lead").may_run(&command),
    ];
    server.apply(&team(Some(&repo), agents));
    let id = server.tell("lead", "Have hello said", delegate);
    let report = &answered(&server, &id)[1]["reports"][0];
    assert_eq!(
        report["output"]["steps"][0]["stdout"], "hello\n",
        "{report:#}"
    );
}
