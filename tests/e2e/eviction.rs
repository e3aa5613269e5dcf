//! A run that waits leaves memory, and is brought back from its journal when its wait is over.

use crate::support::{Repo, Server, Setup, boss, folder, hand, team, text, until};
use serde_json::json;

#[test]
fn a_waiting_boss_is_parked_and_goes_on_where_it_was() {
    let (repo, out) = (Repo::new(), folder());
    let file = out.path().join("runs");
    let count = format!("echo x >> '{}'; date +%s%N", text(&file));
    let command = ["sh", "-c", &count];
    let server = Server::with(Setup {
        config: Some("[runs]\npark_after_ms = 100\n".to_owned()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    let agents = [
        boss("lead").may_run(&command),
        hand("sub", "lead").may_run(&command),
    ];
    server.apply(&team(Some(&repo), agents));
    let sub = json!([
        {"post": "before"},
        {"run": command},
        {"random": 16},
        {"ask": {"member": "maria", "text": "Go on?"}},
        {"random": 16},
        {"clock": true},
        {"run": command},
        {"report": {"summary": "asked", "with_steps": true}}
    ]);
    let id = server.tell(
        "lead",
        "Wait long",
        json!([
            {"post": "I begin"},
            {"run": command},
            {"random": 16},
            {"clock": true},
            {"print": "once only"},
            {"delegate": [{"title": "Sub", "to": "sub", "script": sub}]},
            {"await": {"join": "all"}},
            {"random": 16},
            {"post": "I end"}
        ]),
    );
    // Both the boss and its subordinate leave memory.
    let parked = || {
        server
            .logged()
            .matches("has left memory while it waits")
            .count()
    };
    until("two parked runs", || (parked() >= 2).then_some(()));
    let run = server.waiting(&id);
    assert_eq!(run["wait"]["kind"], "reports");
    let lead = server.get("/v1/agents/lead").ok();
    assert_eq!(lead["tracking_status"], "waiting_subordinates");
    let child = server.children(&id)[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let answer = json!({"text": "Yes", "author": "maria"});
    server
        .post(&format!("/v1/tickets/{child}/messages"), &answer)
        .ok();

    let answers = server.answers(&id);
    assert_eq!(
        answers[6]["reports"][0]["outcome"], "completed",
        "{answers:#?}"
    );
    assert_ne!(
        answers[2], answers[7],
        "randomness goes on, it does not start over"
    );
    let steps = &answers[6]["reports"][0]["output"]["steps"];
    assert_eq!(steps[3]["text"], "Yes");
    assert_ne!(steps[2], steps[4]);
    // Nothing happened twice: neither commands, nor messages, nor what was printed.
    let lines = std::fs::read_to_string(&file).expect("it was written");
    assert_eq!(lines.lines().count(), 3);
    let said: Vec<String> = server
        .messages(&id)
        .iter()
        .filter(|message| message["kind"] == "text")
        .map(|message| message["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(said, ["I begin", "I end"]);
    assert_eq!(server.runs(&id).len(), 1, "it is one run all the time");
    let log = server.log(run["id"].as_str().expect("an id"));
    assert_eq!(log.matches("once only").count(), 1, "{log}");
}

#[test]
fn many_waits_of_one_run_are_all_taken_up_again() {
    let server = Server::with(Setup {
        config: Some("[runs]\npark_after_ms = 0\n".to_owned()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(None, [boss("lead"), hand("sub", "lead").at_once(4)]));
    let part = json!([{"progress": "on it"}, {"report": {"output": 1}}]);
    let round = json!([
        {"delegate": [{"title": "A", "to": "sub", "script": part}, {"title": "B", "to": "sub", "script": part}]},
        {"await": {"join": "all"}}
    ]);
    let script = json!([{"repeat": {"times": 10, "steps": round}}]);
    let tickets: Vec<String> = (0..4)
        .map(|number| server.tell("lead", &format!("Rounds {number}"), script.clone()))
        .collect();
    for id in tickets {
        let answers = server.answers(&id);
        let rounds = answers[0].as_array().expect("rounds");
        assert_eq!(rounds.len(), 10);
        for (at, joined) in rounds.iter().enumerate() {
            assert_eq!(joined["met"], true);
            assert_eq!(
                joined["reports"].as_array().map(Vec::len),
                Some(2 * (at + 1))
            );
        }
        assert_eq!(server.children(&id).len(), 20);
    }
}
