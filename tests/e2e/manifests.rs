//! What a manifest bounds and names on a host that runs: calls, configurations, and the component itself.

use crate::lifecycle::{flawed, manifest, mended, rollout, string, upload, with_manifest};
use crate::support::{Repo, Server, agent, boss, hand, team};
use serde_json::{Value, json};

#[test]
fn what_is_granted_and_not_wanted_is_denied_and_the_other_way_round() {
    let (server, repo) = (Server::start(), Repo::new());
    let wants = json!({
        "wants": {
            "commands": [{"run": ["git", "*"], "why": "to read the history"}],
            "assign_to": [{"agent": "friend"}]
        }
    });
    let component = with_manifest(flawed(), &manifest("modest", "1.0.0", wants));
    upload(&server, "", component).ok();
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(
        Some(&repo),
        [
            agent("modest", "modest")
                .may_run(&["git", "status", "*"])
                .may_run(&["echo", "*"])
                .may_assign(&["friend", "stranger"]),
            hand("friend", "other"),
            hand("stranger", "other"),
            boss("other"),
        ],
    ));
    let script = json!([
        {"run": ["git", "status"]},
        {"run": ["echo", "hello"]},
        {"run": ["git", "push"]},
        {"create": {"title": "For the friend"}},
        {"assign": {"ticket": 0, "agent": "friend"}},
        {"create": {"title": "For the stranger"}},
        {"assign": {"ticket": 1, "agent": "stranger"}}
    ]);
    let id = server.tell("modest", "Try it", script);
    let answers = server.answers(&id);
    assert_eq!(answers[0]["code"], 0, "granted and wanted: {answers:?}");
    let denied = |answer: &Value| {
        assert_eq!(answer["error"]["kind"], "denied", "{answer}");
        string(&answer["error"]["text"])
    };
    let why = denied(&answers[1]);
    assert!(
        why.contains("`echo hello` is granted to modest, but the manifest of modest@1.0.0"),
        "{why}"
    );
    assert!(why.contains("`wants.commands`"), "{why}");
    let why = denied(&answers[2]);
    assert!(
        why.contains("no grant of modest covers the command `git push`"),
        "{why}"
    );
    assert!(
        why.contains("Its plugin wants it (to read the history): an operator may grant"),
        "{why}"
    );
    assert_eq!(answers[4], Value::Null, "granted and wanted");
    let why = denied(&answers[6]);
    assert!(
        why.contains("stranger is granted under `assign_to`, but the manifest of modest@1.0.0"),
        "{why}"
    );
}

#[test]
fn a_configuration_gets_defaults_and_is_checked_when_saved_and_when_the_version_changes() {
    let server = Server::start();
    let schema = |more: Value| {
        let mut properties = json!({
            "steps": {"type": "array", "default": [{"post": "By default."}]},
            "depth": {"type": "integer", "default": 3, "minimum": 1}
        });
        for (key, value) in more.as_object().expect("an object") {
            properties[key] = value.clone();
        }
        json!({"config_schema": {
            "type": "object", "properties": properties, "additionalProperties": false
        }})
    };
    let one = with_manifest(flawed(), &manifest("deep", "1.0.0", schema(json!({}))));
    let added = upload(&server, "", one).ok();
    assert_eq!(
        added["manifest"]["config_schema"]["properties"]["depth"]["default"],
        3
    );
    // What does not fit is refused with its place, and nothing is saved.
    let wrong = team(
        None,
        [agent("worker", "deep").config(json!({"depth": "very", "colour": 1}))],
    );
    let problem = server.post("/v1/apply", &wrong).problem(422);
    let paths: Vec<&Value> = problem["violations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["path"])
        .collect();
    assert!(
        paths.contains(&&json!("/agents/0/config/depth")),
        "{problem}"
    );
    assert_eq!(
        server.get("/v1/agents").status,
        404,
        "there is no workspace yet"
    );
    // What is missing has its default: the script of an agent is its configuration's `steps`.
    server.apply(&team(
        None,
        [agent("worker", "deep").config(json!({"depth": 2}))],
    ));
    let id = server.create(&json!({"title": "Do it", "assignee": "worker"}));
    assert_eq!(server.answers(&id).len(), 1);
    let texts: Vec<String> = server
        .messages(&id)
        .iter()
        .map(|one| string(&one["text"]))
        .collect();
    assert!(texts.iter().any(|text| text == "By default."), "{texts:?}");
    // A version whose schema the agent does not fit is not activated, and nothing is registered.
    let strict = schema(json!({"depth": {"type": "integer", "minimum": 10}}));
    let two = || with_manifest(mended(), &manifest("deep", "2.0.0", strict.clone()));
    let problem = upload(&server, "", two()).problem(422);
    let text = problem.to_string();
    assert!(
        text.contains("/agents/default/worker/config/depth"),
        "{text}"
    );
    assert!(text.contains("agents do not fit deep@2.0.0"), "{text}");
    server.get("/v1/plugins/deep@2.0.0").problem(404);
    // By force it is, and the tickets of those agents say what is wrong.
    upload(&server, "force=true", two()).ok();
    let id = server.create(&json!({"title": "Do it", "assignee": "worker"}));
    let why = server.failed(&id);
    assert!(
        why.contains("does not fit plugin deep: /depth: 2 is less than"),
        "{why}"
    );
    assert_eq!(
        rollout(&server, "deep")["counted"]["faulted"],
        0,
        "no fault of its own"
    );
    server.apply(&team(
        None,
        [agent("worker", "deep").config(json!({"depth": 12}))],
    ));
    let id = server.create(&json!({"title": "Do it", "assignee": "worker"}));
    server.done(&id);
}

#[test]
fn a_manifest_names_its_component_and_a_contradiction_changes_nothing() {
    let server = Server::start();
    let named = || with_manifest(flawed(), &manifest("mine", "1.2.3", json!({})));
    let before = server.get("/v1/plugins").ok();
    let says_otherwise = upload(&server, "name=yours", named()).problem(422);
    assert!(
        says_otherwise
            .to_string()
            .contains("the component's manifest says"),
        "{says_otherwise}"
    );
    upload(&server, "version=2.0.0", named()).problem(422);
    let unnamed = upload(&server, "", flawed()).problem(422);
    assert!(
        unnamed
            .to_string()
            .contains("has no manifest: say its name"),
        "{unnamed}"
    );
    let wrong = with_manifest(
        flawed(),
        &json!({"manifest": 1, "name": "mine", "colour": "red"}),
    );
    let problem = upload(&server, "", wrong).problem(422);
    assert!(
        problem.to_string().contains("/manifest/colour"),
        "{problem}"
    );
    let twice = with_manifest(named(), &manifest("mine", "1.2.3", json!({})));
    let problem = upload(&server, "", twice).problem(422);
    assert!(
        problem
            .to_string()
            .contains("2 sections `adjutant:manifest`"),
        "{problem}"
    );
    let selector = manifest("mine", "1.2.3", json!({"world": "selector"}));
    upload(&server, "", with_manifest(flawed(), &selector)).problem(422);
    assert_eq!(
        server.get("/v1/plugins").ok(),
        before,
        "nothing has changed"
    );
    let added = upload(&server, "", named()).ok();
    assert_eq!(
        (&added["name"], &added["version"]),
        (&json!("mine"), &json!("1.2.3"))
    );
    upload(&server, "name=mine&version=1.2.3", named()).ok();
    assert_eq!(rollout(&server, "mine")["revision"], 1);
}

#[test]
fn a_boss_that_delegates_nothing_is_what_its_manifest_says() {
    let server = Server::start();
    let world = json!({ "world": "boss" });
    let component = with_manifest(flawed(), &manifest("lonely", "1.0.0", world));
    let added = upload(&server, "", component).ok();
    assert_eq!(added["world"], "boss", "{added}");
    assert_eq!(server.get("/v1/plugins/lonely").ok()["world"], "boss");
    // The other way round it is refused: it would call what its world has not.
    let world = json!({ "world": "selector" });
    let component = with_manifest(flawed(), &manifest("false", "1.0.0", world));
    let problem = upload(&server, "", component).problem(422);
    let told = problem["violations"][0]["path"].as_str();
    assert_eq!(told, Some("/manifest/world"), "{problem}");
}

#[test]
fn a_default_that_breaks_its_own_schema_is_refused_when_the_component_is_added() {
    let server = Server::start();
    let depth = json!({ "type": "integer", "default": 0, "minimum": 1 });
    let schema = json!({ "config_schema": { "properties": { "depth": depth } } });
    let component = with_manifest(flawed(), &manifest("deep", "1.0.0", schema));
    let problem = upload(&server, "", component).problem(422);
    assert_eq!(
        problem["violations"][0]["path"],
        "/manifest/config_schema/properties/depth/default"
    );
    let told = problem["violations"][0]["message"].to_string();
    assert!(told.contains("less than the minimum of 1"), "{told}");
    server.get("/v1/plugins/deep").problem(404);
}
