//! An operator's steps: asked for twice, and on a host that comes to require signatures.

use crate::lifecycle;
use crate::support::plugins::{Signer, named};
use crate::support::{
    Client, Reply, Server, Setup, adjutant, agent, all_events, folder, guest, of_kind, team,
};
use serde_json::{Value, json};

fn history(client: &Client) -> Vec<String> {
    lifecycle::history(client, "greeter")
}

#[test]
fn a_step_under_a_key_is_taken_once_also_where_the_host_was_killed_in_between() {
    let mut server = Server::start();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        let component = named(&guest("mender"), "greeter", version, "subordinate");
        let headers = [("content-type", "application/wasm")];
        server
            .send("POST", "/v1/plugins", &headers, Some(component))
            .ok();
    }
    let take = |server: &Server, step: &str, key: &str, tag: &str, body: &Value| -> Reply {
        let mut headers = vec![("idempotency-key", key)];
        if !tag.is_empty() {
            headers.push(("if-match", tag));
        }
        server.post_with(&format!("/v1/plugins/greeter/{step}"), &headers, body)
    };
    let none = json!({});
    // Going back means something else each time, but not under the same key: not at once, not after the
    // host's death, and not where the caller insists on what it saw before.
    let tag = server.get("/v1/plugins/greeter/rollout").etag();
    for round in 0..3 {
        if round == 2 {
            server.kill();
            server.restart();
        }
        let view = take(&server, "rollback", "back", &tag, &none).ok();
        assert_eq!(view["active"], "2.0.0");
    }
    take(
        &server,
        "rollback",
        "back",
        "",
        &json!({"reason": "another"}),
    )
    .problem(422);
    take(&server, "rollback", "other", &tag, &none).problem(412);
    assert_eq!(history(&server).len(), 4, "{:?}", history(&server));
    // A step that changed nothing is over, too.
    take(&server, "unpin", "loose", "", &none).ok();
    take(&server, "pin", "fast", "", &none).ok();
    let pinned = take(&server, "unpin", "loose", "", &none).ok();
    assert!(!pinned["pinned"].is_null(), "{pinned}");
    take(&server, "unpin", "loose again", "", &none).ok();
    let share = json!({"version": "3.0.0", "percent": 30});
    for _ in 0..2 {
        take(&server, "canary", "try", "", &share).ok();
    }
    for _ in 0..2 {
        let view = take(&server, "promote", "good", "", &none).ok();
        assert_eq!(view["active"], "3.0.0");
    }
    let one = json!({"version": "1.0.0"});
    for _ in 0..2 {
        take(&server, "drain", "empty", "", &one).ok();
    }
    for _ in 0..2 {
        let key = [("idempotency-key", "away")];
        let path = "/v1/plugins/greeter@1.0.0";
        assert_eq!(server.send("DELETE", path, &key, None).status, 204);
    }
    server
        .send("DELETE", "/v1/plugins/greeter@1.0.0", &[], None)
        .problem(404);
    let steps: Vec<String> = history(&server).split_off(3);
    assert_eq!(
        steps,
        [
            "rolled_back 2.0.0",
            "pinned 2.0.0",
            "unpinned 2.0.0",
            "canary_started 3.0.0",
            "canary_promoted 3.0.0",
            "draining 1.0.0",
            "drained 1.0.0",
            "removed 1.0.0"
        ]
    );
}

#[test]
fn a_run_is_resumed_once_under_a_key() {
    let server = Server::start();
    server.upload("flawed", "1.0.0", guest("scripted-sub")).ok();
    server.apply(&team(None, [agent("worker", "flawed")]));
    let id = server.tell("worker", "Do it", json!([{"flaw": true}, {"greet": true}]));
    server.failed(&id);
    server
        .upload("flawed", "2.0.0", guest("scripted-mended"))
        .ok();
    let run = server.runs(&id)[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let resume = || {
        let key = [("idempotency-key", "go on")];
        let resumed = server.post_with(&format!("/v1/runs/{run}/resume"), &key, &json!({}));
        resumed.ok()["id"].clone()
    };
    let first = resume();
    assert_eq!(first, resume());
    server.done(&id);
    assert_eq!(first, resume());
    assert_eq!(server.runs(&id).len(), 2);
}

#[test]
fn what_was_registered_unsigned_starts_nothing_once_signatures_are_required() {
    let signer = Signer::new();
    let mut server = Server::with(Setup {
        config: Some(String::new()),
        ..Setup::default()
    });
    let old = named(&guest("scripted-sub"), "greeter", "1.0.0", "subordinate");
    let wasm = [("content-type", "application/wasm")];
    server
        .send("POST", "/v1/plugins", &wasm, Some(old.clone()))
        .ok();
    server.add(&["scripted"]);
    let worker = agent("worker", "greeter").at_once(1);
    server.apply(&team(None, [worker]));
    // One that waits goes on, for it has started.
    let wait = json!([{"call_for_report": {"text": "Wait.", "timeout_ms": 600_000}}]);
    let waits = server.tell("worker", "Wait", wait);
    server.waiting(&waits);
    server.kill();
    let config = format!(
        "[plugins]\nrequire_signed = true\ntrusted_keys = [\"{}\"]\n",
        signer.public()
    );
    std::fs::write(server.data().join("config.toml"), config).expect("written");
    server.restart();

    // The host says it in a line, and so does the list.
    let logged = server.logged();
    let line = logged
        .lines()
        .find(|line| line.contains("nothing starts on these plugins"));
    let line = line.expect("a line");
    assert!(
        line.contains("greeter@1.0.0") && line.contains("scripted@0.1.0"),
        "{line}"
    );
    assert!(
        !line.contains("skills@"),
        "what comes with the host needs none: {line}"
    );
    assert_eq!(server.get("/v1/plugins/greeter").ok()["barred"], true);
    assert!(server.get("/v1/plugins/skills").ok()["barred"].is_null());
    let url = server.url.clone();
    let shown = adjutant(server.data(), &["--host", &url, "plugin", "list"]).ended(0);
    let row = shown
        .lines()
        .find(|row| row.starts_with("greeter"))
        .expect("a row");
    assert!(row.contains("not signed"), "{row}");

    // What would start on it waits, and says why; nobody can try it out or go back to it.
    server.waiting(&waits);
    server
        .post(&format!("/v1/tickets/{waits}/cancel"), &json!({}))
        .ok();
    let held = server.tell("worker", "Greet", json!([{"greet": true}]));
    let why = server.wait("the agent to be held", |client| {
        let events = all_events(client);
        let held = of_kind(&events, "AgentHeld");
        held.last().map(|event| event["reason"].to_string())
    });
    assert!(
        why.contains("greeter@1.0.0 is not signed by a key that this host trusts"),
        "{why}"
    );
    assert_eq!(server.runs(&held).len(), 0);
    let new = named(&guest("scripted-mended"), "greeter", "2.0.0", "subordinate");
    let files = folder();
    let signed = |component: &[u8]| {
        let path = files.path().join("greeter.wasm");
        std::fs::write(&path, component).expect("written");
        std::fs::write(
            files.path().join("greeter.wasm.minisig"),
            signer.sign(component),
        )
        .expect("written");
        server.post("/v1/plugins", &json!({"path": path}))
    };
    signed(&new).ok();
    server.done(&held);
    let back = server
        .post("/v1/plugins/greeter/rollback", &json!({}))
        .problem(403);
    assert!(
        back.to_string().contains("with its signature beside it"),
        "{back}"
    );
    let forced = json!({"version": "1.0.0", "percent": 10, "force": true});
    server
        .post("/v1/plugins/greeter/canary", &forced)
        .problem(403);

    // With its signature the same component is as good as any.
    let known = signed(&old).ok();
    assert!(
        known["signed_by"].is_string() && known["barred"].is_null(),
        "{known}"
    );
    server.post("/v1/plugins/greeter/rollback", &json!({})).ok();
    let id = server.tell("worker", "Greet", json!([{"greet": true}]));
    server.done(&id);
    assert_eq!(server.runs(&id)[0]["plugin"]["version"], "1.0.0");
    server.kill();
    server.restart();
    assert!(server.get("/v1/plugins/greeter@1.0.0").ok()["barred"].is_null());
}
