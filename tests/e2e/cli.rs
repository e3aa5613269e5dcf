//! The command line against a host that runs: what it prints, `--json`, and its exit codes.

use crate::support::plugins::named;
use crate::support::{Repo, Server, adjutant, base, boss, folder, guest, hand, team};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

const NOBODY: &str = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";

struct Desk {
    server: Server,
    home: TempDir,
}

fn desk() -> Desk {
    let server = Server::scripted(&team(None, [boss("lead"), hand("ada", "lead")]));
    Desk {
        server,
        home: folder(),
    }
}

impl Desk {
    fn run(&self, args: &[&str]) -> crate::support::Ran {
        adjutant(
            self.home.path(),
            &[&["--host", &self.server.url], args].concat(),
        )
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        self.run(&[&["--json"], args].concat()).json(code)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.home.path().join(name);
        std::fs::write(&path, content).expect("written");
        crate::support::text(path)
    }
}

fn items(list: &Value) -> Vec<Value> {
    list.as_array()
        .or_else(|| list["items"].as_array())
        .expect("a list")
        .clone()
}

#[test]
fn a_team_that_is_refused_leaves_the_plugins_as_they_were() {
    let desk = desk();
    let component = |version| named(&guest("scripted-sub"), "counter", version, "subordinate");
    for version in ["0.3.0", "0.4.0"] {
        let file = desk.file("old.wasm", component(version));
        desk.run(&["plugin", "install", &file]).ended(0);
    }
    let share = ["plugin", "canary", "counter@0.3.0", "--percent", "20"];
    desk.run(&share).ended(0);
    desk.file("new.wasm", component("0.5.0"));
    desk.file("extra.wasm", guest("scripted"));
    desk.file("broken.wasm", "no component");
    let before = desk.json(&["plugin", "list"], 0);

    let counter = "[[plugins]]\nname = \"counter\"\nversion = \"0.5.0\"\npath = \"new.wasm\"\n";
    let extra = |path: &str| {
        format!("[[plugins]]\nname = \"extra\"\nversion = \"1.0.0\"\npath = \"{path}\"\n")
    };
    let team = |repo: &str, plugins: &str| {
        let path = desk.home.path().join(repo);
        let repos = format!(
            "repos = [{{ name = \"app\", path = \"{}\" }}]",
            path.display()
        );
        let agents = "[[agents]]\nname = \"maria\"\nplugin = \"counter\"\n";
        desk.file(
            "team.toml",
            format!("[workspace]\nname = \"shop\"\n{repos}\n{plugins}{agents}"),
        )
    };
    // Its repository is not there: alone, and with another plugin.
    let both = format!("{counter}{}", extra("extra.wasm"));
    for plugins in [counter, &both] {
        let said = desk
            .run(&["apply", "-f", &team("nowhere", plugins)])
            .complaint(2);
        assert!(said.contains("Nothing was saved."), "{said}");
        assert!(
            said.contains(
                "counter@0.5.0, which was registered before that, is taken away again: new runs of \
                 counter take 0.4.0 as before."
            ),
            "{said}"
        );
        assert_eq!(said.contains("extra@1.0.0, which"), plugins == both);
        assert_eq!(desk.json(&["plugin", "list"], 0), before);
    }
    // The second plugin is none: the first one never was active.
    let turns = |of: &Value| of["rollout"]["history"].as_array().expect("a list").len();
    let turned = turns(&desk.json(&["plugin", "inspect", "counter"], 0));
    let plugins = format!("{counter}{}", extra("broken.wasm"));
    let said = desk
        .run(&["apply", "-f", &team("nowhere", &plugins)])
        .complaint(2);
    assert!(said.contains("This is not WebAssembly"), "{said}");
    assert!(said.contains("is taken away again"), "{said}");
    assert_eq!(desk.json(&["plugin", "list"], 0), before);
    let now = desk.json(&["plugin", "inspect", "counter"], 0);
    assert_eq!(turns(&now), turned + 2, "added and removed: {now:#}");

    // What is right is saved, with the same components.
    let repo = Repo::new();
    let path = repo.text();
    desk.run(&["apply", "-f", &team(&path, &both)]).ended(0);
    let rollout = desk.json(&["plugin", "inspect", "counter"], 0)["rollout"].clone();
    assert_eq!(rollout["active"], "0.5.0");
    let known = desk.json(&["plugin", "list"], 0);
    let names = known.as_array().expect("a list").iter();
    assert!(names.clone().any(|plugin| plugin["name"] == "extra"));
    // Once more changes nothing.
    desk.run(&["apply", "-f", &team(&path, &both)]).ended(0);
    assert_eq!(desk.json(&["plugin", "list"], 0), known);
}

#[test]
fn a_team_is_applied_from_a_file() {
    let desk = desk();
    let repo = Repo::new();
    let wasm = desk.file("mine.wasm", guest("scripted-sub"));
    let toml = format!(
        r#"
        [workspace]
        name = "shop"
        repos = [{{ name = "app", path = "{}" }}]

        [[plugins]]
        name = "mine"
        version = "1.2.3"
        path = "{wasm}"

        [[agents]]
        name = "chief"
        plugin = "coordinator"
        selector = "skills"
        grant_team_commands = true

        [[agents]]
        name = "lister"
        boss = "chief"
        plugin = "command"
        skills = ["list files"]
        grant_own_commands = true
        config.commands = [{{ name = "files", run = ["ls"] }}]

        [[agents]]
        name = "own"
        boss = "chief"
        plugin = "mine@1.2.3"
        "#,
        repo.text()
    );
    let file = desk.file("team.toml", toml);
    let text = desk.run(&["apply", "-f", &file]).ended(0);
    for word in ["shop", "chief", "lister", "own"] {
        assert!(text.contains(word), "{text}");
    }
    let applied = desk.json(&["apply", "-f", &file], 0);
    assert_eq!(applied["workspace"]["name"], "shop");
    assert_eq!(applied["agents"].as_array().map(Vec::len), Some(3));

    let agents = items(&desk.json(&["-w", "shop", "agent", "list"], 0));
    let names: Vec<&Value> = agents.iter().map(|agent| &agent["name"]).collect();
    assert_eq!(names, ["chief", "lister", "own"]);
    let tree = desk.run(&["-w", "shop", "agent", "tree"]).ended(0);
    assert!(
        tree.contains("chief (coordinator") && tree.contains("\n  lister (command"),
        "{tree}"
    );
    let trees = items(&desk.json(&["-w", "shop", "agent", "tree"], 0));
    assert_eq!(trees[0]["team"][0]["name"], "lister");

    let made = desk.json(
        &[
            "-w",
            "shop",
            "ticket",
            "create",
            "--to",
            "chief",
            "--wait",
            "List files.",
        ],
        0,
    );
    let id = made["id"]
        .as_str()
        .or_else(|| made["ticket"]["id"].as_str())
        .expect("an id");
    let ticket = desk.server.ticket(id);
    assert_eq!(ticket["status"], "done", "{ticket:#}");
    assert!(
        ticket["summary"]
            .as_str()
            .is_some_and(|text| text.contains("tool.py")),
        "{ticket:#}"
    );

    let plugins = items(&desk.json(&["plugin", "list"], 0));
    let mine = plugins
        .iter()
        .find(|plugin| plugin["name"] == "mine")
        .expect("it is there");
    assert_eq!(
        (&mine["version"], &mine["builtin"]),
        (&json!("1.2.3"), &json!(false))
    );

    // A mistake is named, and nothing of the file is saved.
    let bad = desk.file(
        "bad.toml",
        "[workspace]\nname = \"shop\"\n[[agents]]\nname = \"x\"\nplugin = \"no\"\n",
    );
    let why = desk.run(&["apply", "-f", &bad]).complaint(2);
    assert!(why.contains("no"), "{why}");
    let bad = desk.file("worse.toml", "[[agents]]\nname = \"x\"\nplugni = \"no\"\n");
    let why = desk.run(&["apply", "-f", &bad]).complaint(2);
    assert!(why.contains("plugni"), "{why}");
    desk.run(&["apply", "-f", "/nowhere.toml"]).complaint(2);
    let agents = items(&desk.json(&["-w", "shop", "agent", "list"], 0));
    assert_eq!(agents.len(), 3);
}

#[test]
fn tickets_are_made_found_and_cancelled() {
    let desk = desk();
    let script =
        crate::support::steps(json!([{"post": "hello"}, {"report": {"summary": "well done"}}]));
    let made = [
        "ticket",
        "create",
        "--to",
        "ada",
        "-d",
        &script,
        "--wait",
        "Say hello",
    ];
    let text = desk.run(&made).ended(0);
    assert!(text.contains("well done"), "{text}");

    let open = desk.json(&["ticket", "create", "Later"], 0);
    let id = open["id"].as_str().expect("an id");
    assert_eq!(open["status"], "open");
    let listed = items(&desk.json(&["ticket", "list", "--status", "open"], 0));
    let ids: Vec<&Value> = listed.iter().map(|ticket| &ticket["id"]).collect();
    assert_eq!(ids, [id]);
    let table = desk.run(&["ticket", "list"]).ended(0);
    assert!(
        table.contains("Later") && table.contains("Say hello"),
        "{table}"
    );
    let found = items(&desk.json(
        &["ticket", "list", "--text", "HELLO", "--assignee", "ada"],
        0,
    ));
    assert_eq!(found.len(), 1);
    let shown = desk.run(&["ticket", "get", id]).ended(0);
    assert!(shown.contains("Later") && shown.contains("open"), "{shown}");
    let shown = desk.json(&["ticket", "get", id], 0);
    assert_eq!(shown["ticket"]["id"], id);
    let cancelled = desk.json(&["ticket", "cancel", id, "--reason", "no need"], 0);
    assert_eq!(
        (&cancelled["status"], &cancelled["summary"]),
        (&json!("cancelled"), &json!("no need"))
    );

    // One that fails is exit code 1, one that is over cannot be cancelled: 5.
    let failing = crate::support::steps(json!([{"fail": "no luck"}]));
    let args = [
        "ticket", "create", "--to", "ada", "-d", &failing, "--wait", "Fail",
    ];
    let ran = desk.run(&args);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("no luck"), "{told}");
    ran.ended(1);
    let done = items(&desk.json(&["ticket", "list", "--status", "done"], 0));
    let done = done[0]["id"].as_str().expect("an id").to_owned();
    let why = desk.run(&["ticket", "cancel", &done]).complaint(5);
    assert!(why.contains("done"), "{why}");

    // A schema from a file.
    let schema = desk.file(
        "schema.json",
        "{\"type\": \"object\", \"required\": [\"n\"]}",
    );
    let good = crate::support::steps(json!([{"report": {"output": {"n": 1}}}]));
    let args = [
        "ticket", "create", "--to", "ada", "-d", &good, "--schema", &schema, "--wait", "Number",
    ];
    desk.run(&args).ended(0);
    let bad = desk.file("no-schema.json", "{\"type\": \"no\"}");
    desk.run(&["ticket", "create", "--schema", &bad, "Number"])
        .complaint(2);
}

#[test]
fn logs_show_what_was_said_and_printed() {
    let desk = desk();
    let ask = json!([
        {"print": "printed line"},
        {"post": "posted line"},
        {"ask": {"member": "maria", "text": "asked line"}},
        {"post": "last line"}
    ]);
    let id = desk.server.tell("ada", "Log", ask);
    desk.server.waiting(&id);
    let follow = std::thread::scope(|scope| {
        let follow = scope.spawn(|| desk.run(&["logs", "-f", &id]).ended(0));
        let answer = json!({"text": "answered line", "author": "maria"});
        desk.server
            .post(&format!("/v1/tickets/{id}/messages"), &answer)
            .ok();
        follow.join().expect("it ends with the ticket")
    });
    for line in ["printed", "posted", "asked", "answered", "last"] {
        let wanted = format!("{line} line");
        assert_eq!(follow.matches(&wanted).count(), 1, "{wanted}:\n{follow}");
    }
    let json = desk.run(&["--json", "logs", &id]).ended(0);
    let entries: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document in each line"))
        .collect();
    assert_eq!(entries.len(), 5, "{entries:#?}");
    let run = desk.server.ticket(&id)["run"]
        .as_str()
        .expect("an id")
        .to_owned();
    let printed = desk.run(&["logs", &run]).ended(0);
    assert!(
        printed.contains("printed line") && !printed.contains("posted line"),
        "{printed}"
    );
}

#[test]
fn plugins_are_added_and_refused() {
    let desk = desk();
    let good = desk.file("good.wasm", guest("mender"));
    let added = desk.json(&["plugin", "add", "mender@1.0.0", &good], 0);
    assert_eq!(
        (&added["world"], &added["builtin"]),
        (&json!("subordinate"), &json!(false))
    );
    let table = desk.run(&["plugin", "list"]).ended(0);
    for word in ["mender", "coordinator", "external", "skills", "command"] {
        assert!(table.contains(word), "{table}");
    }
    let wrong = desk.file("wrong.wasm", guest("wrong-world"));
    let why = desk
        .run(&["plugin", "add", "wrong@1.0.0", &wrong])
        .complaint(2);
    assert!(why.contains("work"), "{why}");
    let other = desk.file("other.wasm", guest("spin"));
    desk.run(&["plugin", "add", "mender@1.0.0", &other])
        .complaint(5);
    desk.run(&["plugin", "add", "mender", &good]).complaint(2);
}

#[test]
fn exit_codes_say_what_happened() {
    let desk = desk();
    desk.run(&["ticket", "get", NOBODY]).complaint(3);
    desk.run(&["logs", NOBODY]).complaint(3);
    desk.run(&["-w", "nowhere", "agent", "list"]).complaint(3);
    desk.run(&["ticket", "get", "not-an-id"]).complaint(2);
    desk.run(&["ticket", "create", "--to", "nobody", "x"])
        .complaint(2);
    desk.run(&["ticket", "create", ""]).complaint(2);
    desk.run(&["dance"]).complaint(2);
    desk.run(&["ticket", "list", "--status", "finished"])
        .complaint(2);
    // Nobody listens there: the port was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let why = adjutant(base(), &["--host", &url, "agent", "list"]).complaint(6);
    assert!(
        why.contains(&url) && why.contains("adjutant serve"),
        "{why}"
    );
    // With --json an error is JSON too.
    let ran = desk.run(&["--json", "ticket", "get", NOBODY]);
    let error: Value = serde_json::from_str(&ran.stderr).expect("JSON");
    assert!(error.to_string().contains(NOBODY), "{error}");
    ran.ended(3);
}

#[test]
fn serve_refuses_what_it_cannot_do() {
    let home = folder();
    let data = crate::support::text(home.path().join("data"));
    let serve =
        |args: &[&str]| adjutant(home.path(), &[&["serve", "--data", &data], args].concat());
    let why = serve(&["--addr", "0.0.0.0:0"]).complaint(2);
    assert!(why.contains("loopback"), "{why}");
    let config = crate::support::text(home.path().join("config.toml"));
    std::fs::write(&config, "[limits]\ndepht = 3\n").expect("written");
    let why = serve(&["--config", &config]).complaint(2);
    assert!(why.contains("depht"), "{why}");
    // Two hosts on the same data would spoil it.
    let server = Server::start();
    let taken = crate::support::text(server.data());
    let why = adjutant(
        home.path(),
        &["serve", "--addr", "127.0.0.1:0", "--data", &taken],
    )
    .complaint(1);
    assert!(!why.contains("panicked"), "{why}");
}
