//! A selector's versions: choices count for them as runs do for a strategy's. The selectors here pick the
//! first candidate, and say as their reason the configuration that they were given; or they trap.

use crate::lifecycle::{self, canaries_are_in_the_log, counted_on_canary, last_turn, upload};
use crate::support::plugins::with_manifest;
use crate::support::{
    Client, Events, Server, Setup, agent, all_events, assembled, boss, core_module, hand, of_kind,
    team,
};
use serde_json::{Value, json};

/// A component whose `choose` is these instructions; locals 6 and 7 are the configuration's text, 8 the
/// place of the first candidate, which begins with its id.
fn selector(choose: &str) -> Vec<u8> {
    let params = "i32 ".repeat(10);
    let choose = format!(r#"(func (export "choose") (param {params}) (result i32) {choose})"#);
    assembled("selector", &core_module("", &choose))
}

/// Picks the first.
fn good() -> Vec<u8> {
    selector(
        "(i32.store8 (i32.const 1024) (i32.const 0))
         (i32.store (i32.const 1028) (i32.const 2048))
         (i32.store (i32.const 1032) (i32.const 1))
         (i32.store (i32.const 2048) (i32.load (local.get 8)))
         (i32.store (i32.const 2052) (i32.load offset=4 (local.get 8)))
         (i32.store (i32.const 2056) (local.get 6))
         (i32.store (i32.const 2060) (local.get 7))
         (i32.store8 (i32.const 2064) (i32.const 0))
         (i32.const 1024)",
    )
}

/// Traps.
fn bad() -> Vec<u8> {
    selector("unreachable")
}

/// A version of `picker`. Its configuration is what `schema` says, and says by default which version was
/// asked.
fn picker(component: &[u8], version: &str, schema: Value) -> Vec<u8> {
    let mut schema = schema;
    schema["properties"]["asked"] = json!({"type": "string", "default": version});
    let manifest = json!({
        "manifest": 1, "name": "picker", "version": version, "world": "selector",
        "config_schema": schema,
    });
    with_manifest(component, manifest.to_string().as_bytes())
}

fn rollout(client: &Client) -> Value {
    lifecycle::rollout(client, "picker")
}

/// A host with the boss `lead`, whose selector is `picker`, and `ada` below it. Version 1.0.0 is active.
fn picking(setup: Setup) -> Server {
    let server = Server::with(setup);
    upload(&server, "", picker(&good(), "1.0.0", json!({}))).ok();
    server.add(&["scripted", "scripted-sub"]);
    let lead = boss("lead").selector("picker").at_once(20);
    server.apply(&team(None, [lead, hand("ada", "lead").at_once(20)]));
    server
}

/// Has the boss delegate a part to whom its selector finds. Gives back which version it asked, or why
/// there is no choice.
fn choose(client: &Client) -> Result<String, String> {
    let part = json!({"title": "A part", "description": json!({"steps": []}).to_string()});
    let script = json!([{"delegate": [part]}, {"await": {"join": "all"}}]);
    let id = client.tell("lead", "Hand it out", script);
    client.over(&id);
    match &client.children(&id)[..] {
        [] => {
            let runs = client.runs(&id);
            let journal = client.journal(runs[0]["id"].as_str().expect("an id"));
            Err(Value::from(journal).to_string())
        }
        [child] => Ok(asked(child)),
        more => panic!("one part was delegated: {more:?}"),
    }
}

/// Which version chose a ticket's assignee.
fn asked(child: &Value) -> String {
    let reason = child["choice"]["reason"].as_str().expect("a reason");
    let config: Value = serde_json::from_str(reason).expect("its configuration");
    config["asked"].as_str().expect("a version").to_owned()
}

#[test]
fn a_selector_that_keeps_trapping_is_taken_back_by_itself() {
    let server = picking(Setup::default());
    assert_eq!(choose(&server).as_deref(), Ok("1.0.0"));
    upload(&server, "", picker(&bad(), "2.0.0", json!({}))).ok();
    // A dry run says nothing about a version.
    for _ in 0..6 {
        let dry = server.get("/v1/agents/lead/choose?title=x").problem(409);
        assert!(dry.to_string().contains("the selector broke"), "{dry}");
    }
    assert_eq!(rollout(&server)["counted"]["ended"], 0);
    let events = Events::open(&server, "/v1/events", None);
    for n in 1..=5 {
        let why = choose(&server).expect_err("it traps");
        assert!(why.contains("the selector broke"), "{why}");
        if n < 5 {
            assert_eq!(rollout(&server)["counted"]["faulted"], n);
        }
    }
    events.until(|frame| frame.data["type"] == "PluginTakenBack");
    assert_eq!(rollout(&server)["active"], "1.0.0");
    let turn = last_turn(&server, "picker");
    assert_eq!(
        (&turn["change"], &turn["from"]),
        (&json!("taken_back"), &json!("2.0.0"))
    );
    assert_eq!(
        turn["reason"],
        "5 of the last 5 choices on 2.0.0 failed by their own fault"
    );
    assert_eq!(choose(&server).as_deref(), Ok("1.0.0"));
    assert!(
        server.logged().contains("a version was taken back"),
        "operators are told"
    );
    assert_eq!(of_kind(&all_events(&server), "PluginTakenBack").len(), 1);
}

#[test]
fn a_canary_of_a_selector_has_its_share_of_choices_and_is_promoted_or_dropped() {
    let setup = Setup {
        // So many that both versions are asked, however the lots fall.
        config: Some("[limits]\ncanary_runs = 20\nfault_runs = 0\n".to_owned()),
        ..Setup::default()
    };
    let mut server = picking(setup);
    let added = upload(&server, "canary=50", picker(&bad(), "2.0.0", json!({}))).ok();
    assert_eq!(
        (&added["state"], &added["percent"]),
        (&json!("canary"), &json!(50))
    );
    let (mut good_ones, mut faults) = (0, 0);
    while !rollout(&server)["canary"].is_null() {
        match choose(&server) {
            Ok(version) => {
                assert_eq!(version, "1.0.0");
                good_ones += 1;
            }
            Err(why) => {
                assert!(why.contains("the selector broke"), "{why}");
                faults += 1;
            }
        }
    }
    assert!(
        good_ones > 0 && faults == 20,
        "{good_ones} good, {faults} not"
    );
    assert_eq!(choose(&server).as_deref(), Ok("1.0.0"));

    // The good one: what was chosen stays, and is counted once, also where the host dies meanwhile.
    upload(&server, "canary=50", picker(&good(), "3.0.0", json!({}))).ok();
    let wait = json!([{"call_for_report": {"text": "Wait.", "timeout_ms": 600_000}}]);
    let part = json!({"title": "Long", "description": json!({"steps": wait}).to_string()});
    let script = json!([{"delegate": [part]}, {"await": {"join": "all"}}]);
    let id = server.tell("lead", "Hand it out", script);
    let child = server.wait("the part", |client| client.children(&id).pop());
    server.waiting(child["id"].as_str().expect("an id"));
    while counted_on_canary(&server, "picker") < Some(3) {
        choose(&server).expect("both are good");
    }
    let before = counted_on_canary(&server, "picker");
    server.kill();
    server.restart();
    server.waiting(child["id"].as_str().expect("an id"));
    let after = counted_on_canary(&server, "picker");
    assert!(
        after <= before && after >= Some(2),
        "a replay chooses nobody again: {before:?}, {after:?}"
    );
    assert_eq!(asked(&server.children(&id)[0]), asked(&child));
    let mut versions = std::collections::BTreeSet::new();
    while rollout(&server)["active"] != "3.0.0" {
        versions.insert(choose(&server).expect("both are good"));
    }
    let last = last_turn(&server, "picker");
    assert_eq!(last["change"], "canary_promoted");
    assert_eq!(
        last["reason"].as_str().map(|why| why.split(',').next()),
        Some(Some("0 of its 20 choices failed by their own fault"))
    );
    assert!(versions.contains("3.0.0"), "{versions:?}");
    assert_eq!(choose(&server).as_deref(), Ok("3.0.0"));
    canaries_are_in_the_log(&server);
}

#[test]
fn a_boss_is_configured_for_its_selector_too() {
    let server = picking(Setup::default());
    let lead = |config: Value| {
        let lead = boss("lead").selector("picker").config(config);
        team(None, [lead, hand("ada", "lead")])
    };
    let apply = |config: Value| server.post("/v1/apply", &lead(config));
    let wrong = apply(json!({"asked": 7})).problem(422);
    assert!(
        wrong.to_string().contains("/agents/0/config/asked"),
        "{wrong}"
    );
    // The selector gets it whole, with what is missing filled in.
    apply(json!({"depth": 3, "asked": "me"})).ok();
    assert_eq!(choose(&server).as_deref(), Ok("me"));
    // A version that wants more of it does not become active, unless by force; then no choice can be made,
    // which says nothing about the version.
    let strict = || picker(&good(), "2.0.0", json!({"required": ["width"]}));
    let refused = upload(&server, "", strict()).problem(422);
    assert!(refused.to_string().contains("default/lead"), "{refused}");
    upload(&server, "force=true", strict()).ok();
    let why = choose(&server).expect_err("it does not fit");
    assert!(why.contains("does not fit plugin picker"), "{why}");
    assert_eq!(rollout(&server)["counted"]["ended"], 0);
    apply(json!({"width": 1})).ok();
    assert_eq!(choose(&server).as_deref(), Ok("2.0.0"));
    // Somebody who has no team needs not fit it.
    server.apply(&team(None, [agent("solo", "scripted-sub")]));
}
