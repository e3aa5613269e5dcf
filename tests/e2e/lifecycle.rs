//! Changing strategies on a host that runs: swaps, canaries, rollbacks and drains. `scripted-sub` and
//! `scripted-mended` are two versions of one strategy: the step `greet` says `Hello.` in the first and
//! `Good day.` in the second, and the step `flaw` traps in the first only.

use crate::support::{
    Client, Events, Server, Setup, adjutant, agent, all_events, guest, of_kind, plugins, team,
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// A JSON string.
#[track_caller]
pub(crate) fn string(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// The strategy that traps on `flaw` and greets with `Hello.`.
pub(crate) fn flawed() -> Vec<u8> {
    guest("scripted-sub")
}

/// The strategy that does neither.
pub(crate) fn mended() -> Vec<u8> {
    guest("scripted-mended")
}

/// A component with a manifest.
pub(crate) fn with_manifest(component: Vec<u8>, manifest: &Value) -> Vec<u8> {
    plugins::with_manifest(&component, manifest.to_string().as_bytes())
}

pub(crate) fn manifest(name: &str, version: &str, more: Value) -> Value {
    let mut manifest = json!({
        "manifest": 1, "name": name, "version": version, "world": "subordinate"
    });
    for (key, value) in more.as_object().expect("an object") {
        manifest[key] = value.clone();
    }
    manifest
}

/// Uploads a component, with a query besides.
pub(crate) fn upload(client: &Client, query: &str, component: Vec<u8>) -> crate::support::Reply {
    let headers = [("content-type", "application/wasm")];
    let path = format!("/v1/plugins?{query}");
    client.send("POST", &path, &headers, Some(component))
}

fn step(client: &Client, name: &str, verb: &str, body: &Value) -> crate::support::Reply {
    client.post(&format!("/v1/plugins/{name}/{verb}"), body)
}

pub(crate) fn rollout(client: &Client, name: &str) -> Value {
    client.get(&format!("/v1/plugins/{name}/rollout")).ok()
}

/// What was changed last, and why.
#[track_caller]
pub(crate) fn last_turn(client: &Client, name: &str) -> Value {
    let rollout = rollout(client, name);
    let turn = rollout["history"].as_array().and_then(|all| all.last());
    turn.expect("a turn").clone()
}

/// How many ends its canary was counted by, while it has one.
pub(crate) fn counted_on_canary(client: &Client, name: &str) -> Option<u64> {
    rollout(client, name)["canary"]["ended"].as_u64()
}

/// Fails where the log does not have a canary's beginning, one that was dropped and one that was promoted.
#[track_caller]
pub(crate) fn canaries_are_in_the_log(server: &Server) {
    let all = all_events(server);
    for kind in [
        "PluginCanaryStarted",
        "PluginCanaryStopped",
        "PluginCanaryPromoted",
    ] {
        assert!(!of_kind(&all, kind).is_empty(), "{kind}");
    }
}

/// What has changed, as words.
pub(crate) fn history(client: &Client, name: &str) -> Vec<String> {
    let rollout = rollout(client, name);
    let turns = rollout["history"].as_array().expect("a list");
    let words = |turn: &Value| format!("{} {}", string(&turn["change"]), string(&turn["version"]));
    turns.iter().map(words).collect()
}

/// A host with one agent, `worker`, that runs the plugin `greeter`; version 1.0.0 is the good one.
fn greeter(setup: Setup, at_once: u32) -> Server {
    let server = Server::with(setup);
    server.upload("greeter", "1.0.0", mended()).ok();
    server.apply(&team(None, [agent("worker", "greeter").at_once(at_once)]));
    server
}

/// The versions that tickets' runs were pinned to.
fn versions_of(client: &Client, ticket: &str) -> Vec<String> {
    let runs = client.runs(ticket);
    let version = |run: &Value| string(&run["plugin"]["version"]);
    runs.iter().map(version).collect()
}

fn give(client: &Client, script: Value) -> String {
    client.tell("worker", "Do it", script)
}

#[test]
fn a_thousand_runs_go_on_while_their_strategy_is_swapped_and_the_host_is_killed() {
    const BEFORE: usize = 500;
    const AFTER: usize = 600;
    let mut server = Server::start();
    server.upload("greeter", "1.0.0", flawed()).ok();
    server.apply(&team(None, [agent("worker", "greeter").at_once(60)]));
    // Some of them are in flight for as long as the swap takes, and go on after it on their version.
    let script = |n: usize| {
        let mut script = vec![json!({"memory_put": [n.to_string(), "x"]})];
        if n.is_multiple_of(10) {
            script.push(json!({"call_for_report": {"text": "Wait.", "timeout_ms": 3_000}}));
        }
        script.push(json!({"greet": true}));
        Value::from(script)
    };
    let before: Vec<String> = (0..BEFORE).map(|n| give(&server, script(n))).collect();
    server.wait("some of them to be done", |client| {
        (client.ticket(&before[40])["status"] == "done").then_some(())
    });
    let added = server.upload("greeter", "2.0.0", mended()).ok();
    assert_eq!(added["state"], "active");
    let after: Vec<String> = (0..AFTER)
        .map(|n| {
            if n == AFTER / 2 {
                server.kill();
                server.restart();
            }
            give(&server, script(n))
        })
        .collect();
    for id in before.iter().chain(&after) {
        server.done(id);
    }
    let events = all_events(&server);
    let swapped = of_kind(&events, "PluginActivated")[0]["seq"].as_u64();
    let mut said: HashMap<&str, &str> = HashMap::new();
    for event in of_kind(&events, "MessagePosted") {
        let text = event["text"].as_str().unwrap_or_default();
        if matches!(text, "Hello." | "Good day.") {
            let old = said.insert(event["ticket"].as_str().unwrap_or_default(), text);
            assert_eq!(old, None, "each greets once: {event}");
        }
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    let started: HashMap<&str, u64> = of_kind(&events, "TicketStarted")
        .into_iter()
        .map(|event| {
            let seq = event["seq"].as_u64().unwrap_or_default();
            (event["ticket"].as_str().unwrap_or_default(), seq)
        })
        .collect();
    for id in before.iter().chain(&after) {
        let versions = versions_of(&server, id);
        let [version] = &versions[..] else {
            panic!("{id} took one run: {versions:?}");
        };
        let wanted = if version == "1.0.0" {
            "Hello."
        } else {
            "Good day."
        };
        assert_eq!(
            said.get(id.as_str()),
            Some(&wanted),
            "{id} ran on {version}"
        );
        if Some(started[id.as_str()]) > swapped {
            assert_eq!(version, "2.0.0", "{id} started after the swap");
        }
        *counts.entry(version.clone()).or_default() += 1;
    }
    for id in &after {
        assert_eq!(versions_of(&server, id), ["2.0.0"]);
    }
    // Runs were in flight when it was swapped, and came to their end on the version that they began with.
    let old_ended_later = of_kind(&events, "TicketCompleted")
        .into_iter()
        .filter(|event| event["seq"].as_u64() > swapped)
        .filter(|event| said.get(event["ticket"].as_str().unwrap_or_default()) == Some(&"Hello."))
        .count();
    println!("runs by version: {counts:?}; of the first, {old_ended_later} ended after the swap");
    assert!(
        old_ended_later > 10,
        "{old_ended_later} ended after the swap"
    );
    assert!(
        counts["1.0.0"] > 40 && counts["2.0.0"] >= AFTER,
        "{counts:?}"
    );
}

#[test]
fn a_version_that_keeps_trapping_is_taken_back_also_where_the_host_dies_meanwhile() {
    let mut server = greeter(Setup::default(), 1);
    server.upload("greeter", "2.0.0", flawed()).ok();
    let flaw = || json!([{"flaw": true}]);
    for _ in 0..3 {
        let why = server.failed(&give(&server, flaw()));
        assert!(why.contains("the flaw of this version"), "{why}");
    }
    // Failing is no fault: the strategy has answered.
    server.failed(&give(&server, json!([{"fail": "no"}])));
    server.wait("the count", |client| {
        (rollout(client, "greeter")["counted"]["faulted"] == 3).then_some(())
    });
    // The count is written a moment later.
    let rest = give(&server, flaw());
    server.failed(&rest);
    server.kill();
    server.restart();
    let counted = rollout(&server, "greeter")["counted"]["faulted"].as_u64();
    assert!(counted.is_some_and(|counted| counted >= 3), "{counted:?}");
    let events = Events::open(&server, "/v1/events", None);
    while rollout(&server, "greeter")["active"] == "2.0.0" {
        server.over(&give(&server, flaw()));
        if rollout(&server, "greeter")["counted"]["faulted"].as_u64() >= Some(5) {
            events.until(|frame| frame.data["type"] == "PluginTakenBack");
        }
    }
    let now = rollout(&server, "greeter");
    assert_eq!(now["active"], "1.0.0");
    let turn = &now["history"].as_array().expect("a list")[2];
    assert_eq!(turn["change"], "taken_back");
    assert_eq!(turn["from"], "2.0.0");
    let why = string(&turn["reason"]);
    assert!(
        why.contains("runs on 2.0.0 failed by their own fault"),
        "{why}"
    );
    let all = all_events(&server);
    assert_eq!(of_kind(&all, "PluginTakenBack").len(), 1);
    // The version before does the same work.
    let good = give(&server, flaw());
    assert_eq!(server.answers(&good), ["mended"]);
    // The same component again is nothing new, and stays where it was put.
    server.upload("greeter", "2.0.0", flawed()).ok();
    assert_eq!(rollout(&server, "greeter")["active"], "1.0.0");
    // Operators see it, from the command line too.
    let url = server.url.clone();
    let shown = adjutant(
        server.data(),
        &["--host", &url, "plugin", "inspect", "greeter"],
    )
    .ended(0);
    assert!(shown.contains("New runs of greeter take 1.0.0."), "{shown}");
    assert!(shown.contains("taken back"), "{shown}");
}

#[test]
fn a_canary_is_promoted_or_dropped_by_how_its_runs_end() {
    let config = "[limits]\ncanary_runs = 6\n".to_owned();
    let setup = Setup {
        config: Some(config),
        ..Setup::default()
    };
    let mut server = greeter(setup, 4);
    let query = "name=greeter&version=2.0.0&canary=50";
    let added = upload(&server, query, flawed()).ok();
    assert_eq!(
        (&added["state"], &added["percent"]),
        (&json!("canary"), &json!(50))
    );
    // The bad one: every run on it traps, and none on the active one.
    let mut on = HashMap::new();
    while !rollout(&server, "greeter")["canary"].is_null() {
        let id = give(&server, json!([{"flaw": true}]));
        let ended = server.over(&id);
        let version = versions_of(&server, &id).remove(0);
        assert_eq!(ended["status"] == "done", version == "1.0.0", "{ended}");
        *on.entry(version).or_insert(0) += 1;
    }
    // How many took the other is a matter of its lot.
    assert!(on["2.0.0"] >= 5, "{on:?}");
    assert_eq!(rollout(&server, "greeter")["active"], "1.0.0");
    assert_eq!(
        history(&server, "greeter"),
        [
            "activated 1.0.0",
            "canary_started 2.0.0",
            "canary_stopped 2.0.0"
        ]
    );
    // The good one, which the host's death in the middle does not forget.
    let good = with_manifest(mended(), &manifest("greeter", "2.0.1", json!({})));
    upload(&server, "canary=50", good).ok();
    let greet = || json!([{"greet": true}]);
    while counted_on_canary(&server, "greeter") < Some(3) {
        server.done(&give(&server, greet()));
    }
    server.kill();
    server.restart();
    let after = counted_on_canary(&server, "greeter");
    assert!(after >= Some(2), "it is counted on: {after:?}");
    while rollout(&server, "greeter")["active"] != "2.0.1" {
        server.done(&give(&server, greet()));
    }
    let last = last_turn(&server, "greeter");
    assert_eq!(last["change"], "canary_promoted");
    assert!(
        string(&last["reason"]).contains("0 of its 6 runs"),
        "{last}"
    );
    let id = give(&server, greet());
    server.done(&id);
    assert_eq!(versions_of(&server, &id), ["2.0.1"]);
    canaries_are_in_the_log(&server);
}

#[test]
fn a_pin_holds_against_an_upload_and_a_rollback_is_one_word() {
    let server = greeter(Setup::default(), 4);
    let url = server.url.clone();
    let plugin = |args: &[&str]| {
        let line = [&["--host", &url, "plugin"], args].concat();
        adjutant(server.data(), &line)
    };
    let said = plugin(&["pin", "greeter"]).ended(0);
    assert_eq!(
        said.trim(),
        "New runs of greeter take 1.0.0, which is pinned."
    );
    let added = server.upload("greeter", "2.0.0", flawed()).ok();
    assert_eq!(added["state"], "idle");
    let complaint = plugin(&["activate", "greeter@2.0.0"]).complaint(5);
    assert!(
        complaint.contains("pinned to 1.0.0; unpin it first"),
        "{complaint}"
    );
    // Whoever names a version, or a digest, is not concerned.
    let digest = string(&added["digest"]);
    server.apply(&team(
        None,
        [
            agent("worker", "greeter").at_once(4),
            agent("exact", "greeter@2.0.0"),
            agent("digest", &format!("greeter@{digest}")),
        ],
    ));
    for (name, version) in [("worker", "1.0.0"), ("exact", "2.0.0"), ("digest", "2.0.0")] {
        let id = server.tell(name, "Greet", json!([{"greet": true}]));
        server.done(&id);
        assert_eq!(versions_of(&server, &id), [version], "{name}");
    }
    plugin(&["unpin", "greeter"]).ended(0);
    plugin(&["activate", "greeter@2.0.0", "--reason", "it is time"]).ended(0);
    let list = plugin(&["list"]).ended(0);
    let row = list
        .lines()
        .find(|line| line.contains("greeter") && line.contains("2.0.0"));
    assert!(row.is_some_and(|row| row.contains("active")), "{list}");
    // A step that was meant for an earlier state is refused, and changes nothing.
    let stale = [("if-match", "\"1\"")];
    let refused = server.post_with("/v1/plugins/greeter/rollback", &stale, &json!({}));
    refused.problem(412);
    let said = plugin(&["rollback", "greeter", "--reason", "it greets too warmly"]).ended(0);
    assert_eq!(said.trim(), "New runs of greeter take 1.0.0.");
    let none = plugin(&["rollback", "greeter"]).complaint(5);
    assert!(
        none.contains("no version of plugin greeter was active before 1.0.0"),
        "{none}"
    );
    assert_eq!(
        history(&server, "greeter"),
        [
            "activated 1.0.0",
            "pinned 1.0.0",
            "added 2.0.0",
            "unpinned 1.0.0",
            "activated 2.0.0",
            "rolled_back 1.0.0"
        ]
    );
    assert!(!plugin(&["inspect", "nobody"]).complaint(3).is_empty());
}

/// Why nothing starts for an agent.
fn held(server: &Server, agent: &str) -> String {
    server.wait("the agent to be held", |client| {
        let agents = client.get("/v1/agents").ok();
        let agents = agents["items"].as_array().expect("a page").clone();
        let agent = agents.into_iter().find(|one| one["name"] == agent)?;
        agent["held"].as_str().map(ToOwned::to_owned)
    })
}

#[test]
fn a_drained_version_ends_what_it_has_and_without_another_tickets_wait_and_say_why() {
    let mut server = greeter(Setup::default(), 4);
    server.upload("greeter", "2.0.0", flawed()).ok();
    let wait =
        json!([{"call_for_report": {"text": "Wait.", "timeout_ms": 600_000}}, {"greet": true}]);
    let waiting = give(&server, wait);
    server.waiting(&waiting);
    let drained = step(&server, "greeter", "drain", &json!({"version": "2.0.0"})).ok();
    assert_eq!(drained["active"], "1.0.0");
    assert_eq!(drained["draining"][0]["runs"], 1);
    assert_eq!(drained["draining"][0]["drained_at"], Value::Null);
    // Who names it gets no other in its place, and waits.
    server.apply(&team(
        None,
        [
            agent("worker", "greeter").at_once(4),
            agent("exact", "greeter@2.0.0"),
        ],
    ));
    let exact = server.tell("exact", "Greet", json!([{"greet": true}]));
    let why = held(&server, "exact");
    assert!(why.contains("plugin greeter@2.0.0 is drained"), "{why}");
    assert_eq!(server.ticket(&exact)["status"], "open");
    server.kill();
    server.restart();
    // Its last run ends on it, and then it is drained.
    let agents = server.get("/v1/agents").ok();
    let worker = agents["items"].as_array().expect("a page").iter();
    let worker = worker
        .clone()
        .find(|one| one["name"] == "worker")
        .expect("it is there");
    let path = format!("/api/agents/{}/report-task", string(&worker["id"]));
    server
        .post(&path, &json!({"summary": "Waited.", "status": "completed"}))
        .ok();
    server.done(&waiting);
    assert_eq!(versions_of(&server, &waiting), ["2.0.0"]);
    server.wait("its drain", |client| {
        let state = rollout(client, "greeter");
        (!state["draining"][0]["drained_at"].is_null()).then_some(())
    });
    // Without any version left, tickets wait.
    step(&server, "greeter", "drain", &json!({"version": "1.0.0"})).ok();
    let id = give(&server, json!([{"greet": true}]));
    let held = held(&server, "worker");
    assert!(
        held.contains("plugin greeter has no active version"),
        "{held}"
    );
    assert_eq!(server.ticket(&id)["status"], "open");
    server.kill();
    server.restart();
    assert_eq!(server.ticket(&id)["status"], "open");
    step(&server, "greeter", "activate", &json!({"version": "1.0.0"})).ok();
    server.done(&id);
    assert_eq!(versions_of(&server, &id), ["1.0.0"]);
    assert!(!of_kind(&all_events(&server), "AgentHeld").is_empty());
}
