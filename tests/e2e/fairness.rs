//! Places in memory are shared fairly: workspaces take turns, and selectors never wait for runs.

use crate::support::{Server, Setup, agent, boss, hand, team};
use serde_json::{Value, json};

fn small(places: u32) -> Server {
    let server = Server::with(Setup {
        config: Some(format!("[runs]\ninstances = {places}\n")),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub", "spin"]);
    server
}

/// How many tickets of a workspace are over, by its log.
fn over(server: &Server, workspace: &str) -> usize {
    let mut count = 0;
    let mut after = 0;
    loop {
        let path = format!("/v1/events?workspace={workspace}&after={after}&limit=200");
        let page = server
            .send("GET", &path, &[("accept", "application/json")], None)
            .ok();
        let items = page["items"].as_array().expect("a page");
        let Some(last) = items.last() else {
            return count;
        };
        after = last["seq"].as_u64().expect("a number");
        let ends = |event: &&Value| {
            matches!(
                event["type"].as_str(),
                Some("TicketCompleted" | "TicketFailed" | "TicketCancelled")
            )
        };
        count += items.iter().filter(ends).count();
    }
}

#[test]
fn a_workspace_with_many_slow_runs_does_not_keep_anothers_single_run_waiting() {
    let server = small(2);
    let hog = agent("hog", "spin")
        .limit("guest_time_ms", 1_000)
        .at_once(60);
    let mut flood = team(None, [hog]);
    flood["workspace"]["name"] = json!("greedy");
    server.apply(&flood);
    server.apply(&team(None, [boss("lead"), hand("modest", "lead")]));
    let slow: Vec<String> = (0..60)
        .map(|n| {
            let new = json!({"title": format!("Slow {n}"), "assignee": "hog"});
            let reply = server.post("/v1/tickets?workspace=greedy", &new);
            reply.ok()["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    // Both places are taken, and all others wait for one.
    server.wait_in("greedy", "the flood", |client| {
        let status = client.get("/v1/status").ok();
        (status["instances"]["now"] == 2).then_some(())
    });
    let before = over(&server, "greedy");
    let id = server.tell("modest", "Quick", json!([{"post": "here"}]));
    server.done(&id);
    let meanwhile = over(&server, "greedy") - before;
    assert!(
        meanwhile < 20,
        "it waited for {meanwhile} of the 60 that were there before it"
    );
    for ticket in slow {
        // Some are over.
        server.post(&format!("/v1/tickets/{ticket}/cancel"), &json!({}));
    }
    server.no_runs();
}

#[test]
fn with_a_single_place_bosses_their_selectors_and_their_teams_all_get_their_turn() {
    let server = small(1);
    server.apply(&team(
        None,
        [
            boss("lead").selector("skills"),
            hand("ada", "lead").skills(&["rust"]).at_once(8),
            hand("bea", "lead").skills(&["go"]).at_once(8),
        ],
    ));
    // Each boss holds the only place while its selector is asked, and needs it again for its team.
    let delegate = json!([
        {"delegate": [{"title": "Write some Rust", "description": "rust"}]},
        {"await": {"join": "all"}}
    ]);
    let tickets: Vec<String> = (0..6)
        .map(|n| server.tell("lead", &format!("Lead {n}"), delegate.clone()))
        .collect();
    for id in &tickets {
        let answers = server.answers(id);
        assert_eq!(answers[0][0]["assignee_name"], "ada", "{answers:#?}");
        assert_eq!(answers[1]["met"], true, "{answers:#?}");
    }
    server.no_runs();
}
