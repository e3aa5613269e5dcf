//! What an operator is told: about versions that were here already, about what is to be removed, about what
//! waits, and about what cannot be used. Each with what to do.

use crate::support::plugins::named;
use crate::support::{
    Client, Ran, Repo, Server, Setup, adjutant, agent, block, boss, folder, guest, hand, team,
    until,
};
use adjutant_store::{Batch, Options, RedbEngine, RedbOptions, Store, records};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn sub(version: &str) -> Vec<u8> {
    named(&guest("scripted-sub"), "greeter", version, "subordinate")
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

/// The command line as people use it.
fn cli(server: &Server, args: &[&str]) -> Ran {
    let args = [&["--host", server.url.as_str()], args].concat();
    adjutant(server.data(), &args)
}

fn states(client: &Client) -> Vec<String> {
    let plugins = client.get("/v1/plugins").ok();
    let items = plugins["items"].as_array().expect("a list").clone();
    let mine = items.iter().filter(|plugin| plugin["name"] == "greeter");
    mine.map(|plugin| {
        let word = |field: &str| plugin[field].as_str().expect("a word").to_owned();
        format!("{} {}", word("version"), word("state"))
    })
    .collect()
}

#[test]
fn a_version_that_is_here_already_is_tried_where_that_is_asked_for_and_told_otherwise() {
    let server = Server::start();
    let root = folder();
    let [old, new] = ["1.0.0", "2.0.0"].map(|version| {
        let path = file(root.path(), &format!("{version}.wasm"), &sub(version));
        path.to_str().expect("text").to_owned()
    });
    let install = |args: &[&str]| cli(&server, &[&["plugin", "install"], args].concat());
    let said = install(&[&old]).ended(0);
    assert!(
        said.starts_with("registered greeter@1.0.0") && said.trim().ends_with(": active"),
        "{said}"
    );
    install(&["--no-activate", &new]).ended(0);
    // Without a flag it stays as it stands, and how to change that is told.
    let said = install(&[&new]).ended(0);
    assert!(
        said.contains("greeter@2.0.0 was here already")
            && said.contains("`adjutant plugin activate greeter@2.0.0`"),
        "{said}"
    );
    assert_eq!(states(&server), ["1.0.0 active", "2.0.0 idle"]);
    let said = install(&["--canary", "20", &new]).ended(0);
    assert!(
        said.contains("greeter@2.0.0 was here already") && said.trim().ends_with("canary 20 %"),
        "{said}"
    );
    assert_eq!(states(&server), ["1.0.0 active", "2.0.0 canary"]);
    let said = install(&["--canary", "20", &old]).complaint(5);
    assert!(said.contains("greeter@1.0.0 is active already"), "{said}");

    // Over HTTP the same, and what is explicit there is done.
    let wasm = [("content-type", "application/wasm")];
    let add = |query: &str, version: &str| {
        let path = format!("/v1/plugins?{query}");
        server.send("POST", &path, &wasm, Some(sub(version)))
    };
    let reply = add("canary=30", "2.0.0");
    assert_eq!((reply.status, &reply.ok()["percent"]), (200, &json!(30)));
    assert_eq!(reply.ok()["known"], true);
    let reply = add("", "3.0.0");
    assert_eq!((reply.status, &reply.ok()["known"]), (201, &Value::Null));
    add("canary=10", "3.0.0").problem(409);
    add("", "2.0.0").ok();
    assert_eq!(
        states(&server),
        ["1.0.0 idle", "2.0.0 idle", "3.0.0 active"]
    );
    add("activate=true", "2.0.0").ok();
    assert_eq!(
        states(&server),
        ["1.0.0 idle", "2.0.0 active", "3.0.0 idle"]
    );
}

#[test]
fn the_active_version_goes_where_another_takes_its_place_or_by_force() {
    let server = Server::start();
    let wasm = [("content-type", "application/wasm")];
    let add = |query: &str, version: &str| {
        let path = format!("/v1/plugins?{query}");
        server.send("POST", &path, &wasm, Some(sub(version))).ok();
    };
    add("", "1.0.0");
    add("activate=false", "2.0.0");
    server.apply(&team(None, [agent("worker", "greeter")]));
    let remove = |args: &[&str]| cli(&server, &[&["plugin", "remove"], args].concat());
    let said = remove(&["greeter@1.0.0"]).complaint(5);
    assert!(
        said.contains("(default/worker)")
            && said.contains("`adjutant plugin activate greeter@VERSION` (there are 2.0.0)"),
        "{said}"
    );
    server
        .send("DELETE", "/v1/plugins/greeter@1.0.0", &[], None)
        .problem(409);
    assert_eq!(states(&server), ["1.0.0 active", "2.0.0 idle"]);
    // What is idle goes, and what new runs take is told.
    let said = remove(&["greeter@2.0.0"]).ended(0);
    assert!(said.contains("New runs of greeter take 1.0.0."), "{said}");
    // The only version goes by force while agents use it.
    let said = remove(&["greeter@1.0.0"]).complaint(5);
    assert!(said.contains("the only version of greeter"), "{said}");
    add("activate=false", "2.0.0");
    // Under a key it happens once, by force too.
    for _ in 0..2 {
        let key = [("idempotency-key", "away")];
        let path = "/v1/plugins/greeter@1.0.0?force=true";
        assert_eq!(server.send("DELETE", path, &key, None).status, 204);
    }
    assert_eq!(states(&server), ["2.0.0 idle"]);
    let id = server.tell("worker", "Greet", json!([{"greet": true}]));
    let ticket = server.ticket(&id);
    assert!(
        ticket["held"]
            .as_str()
            .is_some_and(|why| why.contains("adjutant plugin activate greeter@VERSION")),
        "{ticket:#}"
    );
    cli(&server, &["plugin", "activate", "greeter@2.0.0"]).ended(0);
    let done = server.done(&id);
    assert_eq!(done["held"], Value::Null);
}

#[test]
fn the_watched_folder_shows_what_was_removed_and_how_it_comes_back() {
    let root = folder();
    let server = Server::with(Setup {
        config: Some(format!(
            "[plugins]\nwatch = \"{}\"\n",
            root.path().display()
        )),
        ..Setup::default()
    });
    let path = file(root.path(), "greeter.wasm", &sub("1.0.0"));
    let row = |wanted: &str| {
        until(&format!("the file to be {wanted}"), || {
            let shown = cli(&server, &["plugin", "watched"]).ended(0);
            let row = shown.lines().find(|row| row.starts_with("greeter.wasm"))?;
            row.contains(wanted).then(|| row.to_owned())
        })
    };
    row("greeter@1.0.0");
    cli(&server, &["plugin", "remove", "greeter@1.0.0"]).ended(0);
    let gone = row("removed: greeter@1.0.0");
    assert!(gone.contains("copy the file here once more"), "{gone}");
    let folder = server.get("/v1/watched").ok();
    let shown = &folder["files"][0];
    assert_eq!(
        (&shown["removed"], &shown["plugin"]),
        (&json!("greeter@1.0.0"), &Value::Null)
    );
    // Installing it is one of the ways.
    let path = path.to_str().expect("text");
    cli(&server, &["plugin", "install", path]).ended(0);
    assert!(!row("greeter@1.0.0").contains("removed"));
}

#[test]
fn a_team_with_a_repository_that_is_none_is_refused_and_nothing_is_saved() {
    let server = Server::start();
    // Other folders of these tests may lie in a repository.
    let root = tempfile::tempdir().expect("a folder");
    let plain = root.path().join("plain");
    std::fs::create_dir(&plain).expect("made");
    let with = |path: &Path| {
        json!({
            "workspace": {"name": "shop", "repos": [{"name": "app", "path": path}]},
            "agents": [{"name": "worker", "plugin": "command", "config": {
                "commands": [{"name": "files", "run": ["ls"]}]
            }}]
        })
    };
    let nowhere = root.path().join("nowhere");
    for (path, what) in [
        (&nowhere, "There is no folder"),
        (&plain, "in no git repository"),
    ] {
        let refused = server.post("/v1/apply", &with(path)).problem(422);
        let violation = &refused["violations"][0];
        assert_eq!(violation["path"], "/workspace/repos/0/path");
        let said = violation["message"].as_str().expect("a text");
        assert!(
            said.contains(what) && said.contains(path.to_str().expect("text")),
            "{said}"
        );
        assert!(said.contains("Nothing was saved"), "{said}");
        server.get("/v1/workspaces/shop").problem(404);
    }
    let toml = format!(
        "[workspace]\nname = \"shop\"\nrepos = [{{ name = \"app\", path = \"{}\" }}]\n",
        nowhere.display()
    );
    let toml = file(root.path(), "team.toml", toml.as_bytes());
    let said = cli(&server, &["apply", "-f", toml.to_str().expect("text")]).complaint(2);
    assert!(said.contains("/workspace/repos/0/path"), "{said}");

    let repo = Repo::new();
    let mut based = with(repo.path());
    based["workspace"]["repos"][0]["base"] = json!("nowhere");
    let refused = server.post("/v1/apply", &based).problem(422);
    let violation = &refused["violations"][0];
    assert_eq!(violation["path"], "/workspace/repos/0/base", "{refused:#}");

    // A workspace whose repository has gone since is there, and its agents can be changed; so can the name that
    // the repository goes by.
    server.post("/v1/apply", &with(repo.path())).ok();
    let away = repo.path().with_extension("away");
    std::fs::rename(repo.path(), &away).expect("moved");
    server.get("/v1/workspaces/shop").ok();
    server.post("/v1/apply", &with(repo.path())).ok();
    let mut renamed = with(repo.path());
    renamed["workspace"]["repos"][0]["name"] = json!("shop");
    server.post("/v1/apply", &renamed).ok();
    server.post("/v1/apply", &with(&nowhere)).problem(422);
    std::fs::rename(&away, repo.path()).expect("moved back");
}

#[test]
fn a_ticket_behind_a_busy_agent_says_what_it_waits_for() {
    let server = Server::scripted(&team(None, [boss("lead"), hand("ada", "lead").at_once(1)]));
    let wait = json!([{"call_for_report": {"text": "Wait.", "timeout_ms": 600_000}}]);
    let first = server.tell("ada", "First", wait);
    server.waiting(&first);
    let second = server.tell("ada", "Second", json!([{"greet": true}]));
    let why = "ada works on 1 ticket, and 1 at a time is its limit (`max_concurrent`)";
    assert_eq!(server.ticket(&second)["held"], why);
    assert_eq!(server.ticket(&first)["held"], Value::Null);
    let shown = cli(&server, &["ticket", "get", &second]).ended(0);
    assert!(
        shown
            .lines()
            .any(|line| line.contains("held") && line.contains(why)),
        "{shown}"
    );
    let tree = cli(&server, &["agent", "tree"]).ended(0);
    assert!(tree.contains(&format!("nothing starts: {why}")), "{tree}");
    server
        .post(&format!("/v1/tickets/{first}/cancel"), &json!({}))
        .ok();
    let done = server.done(&second);
    assert_eq!(done["held"], Value::Null);
    let tree = cli(&server, &["agent", "tree"]).ended(0);
    assert!(!tree.contains("nothing starts"), "{tree}");
}

#[test]
fn what_comes_with_the_host_checks_its_agents_configurations_too() {
    let server = Server::start();
    let refused = |plugin: &str, config: Value| {
        let team = team(None, [agent("worker", plugin).config(config)]);
        let refused = server.post("/v1/apply", &team).problem(422);
        let all = refused["violations"].as_array().expect("a list").iter();
        let all = all.map(|one| format!("{}: {}", one["path"], one["message"]));
        all.collect::<Vec<_>>().join("\n")
    };
    let said = refused("command", json!({"comands": []}));
    assert!(
        said.contains("/agents/0/config") && said.contains("comands"),
        "{said}"
    );
    let said = refused(
        "command",
        json!({"commands": [{"name": "x", "run": ["ls"], "timeout": 3}]}),
    );
    assert!(said.contains("/agents/0/config/commands/0"), "{said}");
    let said = refused("coordinator", json!({"retries": 1}));
    assert!(said.contains("retries"), "{said}");
    let said = refused("external", json!({"timeout_ms": "soon"}));
    assert!(said.contains("/agents/0/config/timeout_ms"), "{said}");

    let good = [
        agent("lead", "coordinator").config(json!({
            "join": {"quorum": 2}, "retry_failed": 1, "parts": ["a", {"title": "b", "to": "hand"}]
        })),
        agent("hand", "command").under("lead").config(json!({
            "commands": [{
                "name": "files", "run": ["ls"], "match": ["list"], "format": "tsv", "columns": ["n"],
                "ok_exit_codes": [0, 1], "timeout_ms": 1_000, "empty": "nothing"
            }],
            "stop_on_failure": true
        })),
        agent("outside", "external").config(json!({"timeout_ms": 1_000})),
    ];
    server.apply(&team(None, good));
    let shown = cli(&server, &["plugin", "inspect", "command"]).ended(0);
    assert!(
        shown.contains("configuration: commands: array") && shown.contains("wants to run: *"),
        "{shown}"
    );
}

#[test]
fn a_component_that_this_host_cannot_use_any_more_says_so_and_the_others_work() {
    let mut server = Server::start();
    let wasm = [("content-type", "application/wasm")];
    let add = |server: &Server| {
        let reply = server.send("POST", "/v1/plugins", &wasm, Some(sub("1.0.0")));
        reply.ok()
    };
    let digest = add(&server)["digest"].as_str().expect("text").to_owned();
    server.upload("other", "1.0.0", guest("scripted-sub")).ok();
    server.apply(&team(
        None,
        [agent("worker", "greeter"), agent("sound", "other")],
    ));
    assert_eq!(server.end(), Some(0));
    // Its record and its file are damaged: there is nothing left to read what bounds it from.
    let hex = digest.trim_start_matches("sha256:");
    let plugins = server.data().join("plugins");
    std::fs::write(plugins.join(format!("{hex}.wasm")), "nothing of it").expect("damaged");
    damage(server.data(), &digest);
    server.restart();

    let list = cli(&server, &["plugin", "list"]).ended(0);
    let row = list.lines().find(|row| row.starts_with("greeter"));
    assert!(
        row.is_some_and(|row| row.contains("unusable: nothing starts on it")),
        "{list}"
    );
    let shown = cli(&server, &["plugin", "inspect", "greeter"]).ended(0);
    assert!(
        shown.contains("Nothing starts on it: ")
            && shown.contains("install the component once more"),
        "{shown}"
    );
    let logged = server.logged();
    assert!(
        logged
            .lines()
            .any(|line| line.contains("nothing starts on a plugin")
                && line.contains("greeter@1.0.0")),
        "{logged}"
    );
    let id = server.tell("worker", "Greet", json!([{"greet": true}]));
    let ticket = server.ticket(&id);
    assert!(
        ticket["held"]
            .as_str()
            .is_some_and(|why| why.contains("nothing starts on greeter@1.0.0")),
        "{ticket:#}"
    );
    let other = server.tell("sound", "Greet", json!([{"greet": true}]));
    server.done(&other);
    assert_eq!(server.ticket(&id)["status"], "open");
    // As it says: the same component once more mends it, and what waits goes on.
    assert_eq!(add(&server)["known"], true);
    server.done(&id);
    let list = cli(&server, &["plugin", "list"]).ended(0);
    assert!(!list.contains("unusable"), "{list}");
}

/// Writes something into the record of a component's manifest that no host reads.
fn damage(data: &Path, digest: &str) {
    let (store, key) = (data.join("store"), records::manifest_key(digest));
    block(async move {
        let engine = RedbEngine::open(store, RedbOptions::default()).await;
        let engine = Arc::new(engine.expect("a database"));
        let store = Store::open(engine, Options::default())
            .await
            .expect("a store");
        let epoch = store.acquire(records::HOST).await.expect("the partition");
        let mut batch = Batch::new(records::HOST, *uuid::Uuid::now_v7().as_bytes(), epoch);
        batch.put = vec![(key, Some(vec![9, 1]))];
        store.commit(batch).await.expect("stored");
        store.close().await;
    });
}
