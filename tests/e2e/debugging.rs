//! What happened: runs told as stories, replayed on this machine, held against another version, and gone
//! on from where they broke. And whom a boss would pick.

use crate::support::{
    Repo, Server, adjutant, agent, assembled, boss, core_module, folder, guest, hand, steps, team,
    text as path_text,
};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A host and a person's own folder.
struct Desk {
    server: Server,
    home: TempDir,
}

impl Desk {
    fn with(team: &Value) -> Desk {
        Desk {
            server: Server::scripted(team),
            home: folder(),
        }
    }

    fn run(&self, args: &[&str]) -> crate::support::Ran {
        let host = ["--host", &self.server.url];
        adjutant(self.home.path(), &[&host, args].concat())
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        self.run(&[&["--json"], args].concat()).json(code)
    }

    /// The next version of `scripted-sub`, as a file.
    fn mended(&self) -> String {
        let path = self.home.path().join("mended.wasm");
        std::fs::write(&path, guest("scripted-mended")).expect("written");
        path_text(path)
    }

    /// The last run of a ticket.
    fn last_run(&self, ticket: &str) -> Value {
        self.server.runs(ticket).pop().expect("a run")
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_run_is_told_as_a_story() {
    let desk = Desk::with(&team(None, [boss("lead"), hand("ada", "lead")]));
    let script = json!([
        {"print": "about to begin"},
        {"post": "hello"},
        {"memory_put": ["a", "1"]},
        {"read": "no/such/file"},
        {"report": {"summary": "all done", "output": {"n": 1}}},
    ]);
    let ticket = desk.server.tell("ada", "Say hello", script);
    desk.server.done(&ticket);
    let run = id(&desk.last_run(&ticket));
    let story = desk.run(&["run", "show", &run[run.len() - 8..]]).ended(0);
    let parts = [
        "Say hello",
        "scripted-sub@0.1.0",
        "queued",
        "#0 channels.post \"hello\"",
        "→ message ",
        "#1 memory.put bytes 1, digest \"sha256:",
        "#2 worktree.read \"no/such/file\"",
        "→ refused, not found: ",
        "completed: \"all done\" with {\"n\":1}",
    ];
    let mut rest = story.as_str();
    for part in parts {
        let at = rest.find(part);
        rest = &rest[at.unwrap_or_else(|| panic!("{part:?} in its place in {story}"))..];
    }
    // Its place is where it was handed in, which is after the calls of such a short run.
    assert!(story.contains("stdout | about to begin"), "{story}");
    let data = desk.json(&["run", "show", &run], 0);
    assert_eq!(data["run"]["id"], json!(run));
    assert_eq!(data["journal"].as_array().map(Vec::len), Some(3));
    assert_eq!(data["log"][0]["text"], "about to begin\n");
    let whole = desk.run(&["run", "show", "--full", &run]).ended(0);
    assert!(whole.contains("\"text\": \"hello\""), "{whole}");

    let listed = desk.run(&["run", "list", "--ticket", &ticket]).ended(0);
    assert!(
        listed.contains(&run) && listed.contains("completed"),
        "{listed}"
    );
    let all = desk.json(&["run", "list", "--status", "completed"], 0);
    assert_eq!(all[0]["id"], json!(run));
    for (name, code) in [
        ("0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e", 3),
        ("abc", 2),
        ("ffffffff", 2),
        ("nothing", 2),
    ] {
        desk.run(&["run", "show", name]).complaint(code);
    }
}

#[test]
fn a_replay_ends_as_the_run_did_and_changes_nothing() {
    let desk = Desk::with(&team(None, [boss("lead"), hand("ada", "lead")]));
    let script = json!([
        {"print": "planning"},
        {"random": 8},
        {"clock": true},
        {"delegate": [{"title": "part", "to": "ada", "script": [{"post": "working"}]}]},
        {"await": {"join": "all"}},
        {"memory_get": "nothing"},
        {"random": 8},
        {"report": {"summary": "together", "with_steps": true}},
    ]);
    let ticket = desk.server.tell("lead", "Together", script);
    desk.server.done(&ticket);
    let run = id(&desk.last_run(&ticket));
    let before = desk.server.newest();
    let told = desk.run(&["run", "replay", &run]).ended(0);
    for part in [
        "stdout | planning",
        "#1 delegation.delegate",
        "#2 delegation.await-reports",
        "→ 1 report: ada completed:",
        "the same 4 calls and the same end: completed: \"together\"",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    let part = desk.run(&["run", "replay", "--until", "1", &run]).ended(0);
    assert!(part.contains("#1 ") && !part.contains("#2 "), "{part}");
    assert!(part.contains("stopped after 2 calls of 4"), "{part}");
    let data = desk.json(&["run", "replay", &run], 0);
    assert_eq!((&data["same"], &data["calls"]), (&json!(true), &json!(4)));
    assert_eq!(desk.server.newest(), before, "nothing has happened");

    // A run that waits still.
    let script = json!([{"post": "one moment"}, {"ask": {"member": "godot", "text": "Coming?"}}]);
    let ticket = desk.server.tell("ada", "Wait", script);
    let run = id(&desk.server.waiting(&ticket));
    let told = desk.run(&["run", "replay", &run]).ended(0);
    assert!(
        told.contains("here the run stood (waiting): it waits in channels.ask"),
        "{told}"
    );
}

#[test]
fn another_version_that_does_something_else_is_told_with_both_sides() {
    let desk = Desk::with(&team(None, [boss("lead"), hand("ada", "lead")]));
    let script = json!([{"post": "first"}, {"greet": true}, {"report": {"summary": "done"}}]);
    let ticket = desk.server.tell("ada", "Greet", script);
    desk.server.done(&ticket);
    let run = id(&desk.last_run(&ticket));
    let mended = desk.mended();
    let told = desk
        .run(&["run", "replay", &run, "--plugin", &mended])
        .ended(1);
    for part in [
        "it differs at call 1:",
        "the run     asks channels.post \"Hello.\"",
        "the replay  asks channels.post \"Good day.\"",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    let data = desk.json(&["run", "replay", &run, "--plugin", &mended], 1);
    assert_eq!(data["same"], false);
    assert_eq!(data["difference"]["call"], 1);

    // Where the versions do the same, that is what is said.
    let script = json!([{"post": "first"}, {"report": {"summary": "done"}}]);
    let ticket = desk.server.tell("ada", "Just say it", script);
    desk.server.done(&ticket);
    let run = id(&desk.last_run(&ticket));
    let told = desk
        .run(&["run", "replay", &run, "--plugin", &mended])
        .ended(0);
    assert!(told.contains("the same 1 call and the same end"), "{told}");
}

#[test]
fn a_run_that_trapped_goes_on_with_a_fixed_version_and_repeats_nothing() {
    let repo = Repo::new();
    let desk = Desk::with(&team(Some(&repo), [boss("lead"), hand("ada", "lead")]));
    let script = json!([
        {"post": "once"},
        {"random": 4},
        {"write": {"path": "app/notes.txt", "text": "kept"}},
        {"memory_put": ["n", "1"]},
        {"flaw": true},
        {"random": 4},
        {"read": "app/notes.txt"},
        {"post": "after"},
    ]);
    let ticket = desk.server.tell("ada", "Trap", script);
    let why = desk.server.failed(&ticket);
    assert!(why.contains("the flaw of this version"), "{why}");
    let old = desk.last_run(&ticket);
    assert_eq!(old["broke"], true);
    let broken = id(&old);
    let story = desk.run(&["run", "show", &broken]).ended(0);
    assert!(story.contains("broke: The component failed"), "{story}");
    // In full: the guest's functions that were running, and where it was among its calls.
    let full = desk.run(&["run", "show", &broken, "--full"]).ended(0);
    assert!(full.contains("after host call #2"), "{full}");
    assert!(full.contains("  at "), "{full}");

    // The pinned version breaks again in the same place; the fixed one would go on.
    let told = desk.run(&["run", "replay", &broken]).ended(0);
    assert!(
        told.contains("the same 3 calls and the same end: broke"),
        "{told}"
    );
    let mended = desk.mended();
    let told = desk
        .run(&["run", "replay", &broken, "--plugin", &mended])
        .ended(1);
    assert!(
        told.contains("at the end, after 3 calls")
            && told.contains("goes on and asks worktree.read"),
        "{told}"
    );

    let added = desk.run(&["plugin", "add", "scripted-sub@0.2.0", &mended]);
    added.ended(0);
    let said = desk.run(&["run", "resume", &broken]).ended(0);
    assert!(
        said.contains("after 3 calls with scripted-sub@0.2.0, as attempt 2"),
        "{said}"
    );
    let answers = desk.server.answers(&ticket);
    assert_eq!(answers[4], "mended");
    assert_eq!(answers[6], "kept", "its worktree goes on from its branch");
    let posted = desk.server.messages(&ticket);
    let times = |text: &str| {
        let same = posted.iter().filter(|message| message["text"] == text);
        same.count()
    };
    assert_eq!((times("once"), times("after")), (1, 1), "{posted:#?}");

    let new = desk.last_run(&ticket);
    assert_eq!(new["resumed"], json!({"from": broken, "calls": 3}));
    assert_eq!(new["plugin"]["version"], "0.2.0");
    let (journal, before) = (desk.server.journal(&id(&new)), desk.server.journal(&broken));
    assert_eq!(journal[..before.len()], before[..]);
    let story = desk.run(&["run", "show", &id(&new)]).ended(0);
    assert!(
        story.contains("goes on  from run") && story.contains("queued, to go on from here"),
        "{story}"
    );
    // What was resumed replays as a whole.
    let told = desk.run(&["run", "replay", &id(&new)]).ended(0);
    assert!(told.contains("the same 5 calls and the same end"), "{told}");

    let refused = desk.run(&["run", "resume", &broken]).complaint(5);
    assert!(refused.contains("not the last one"), "{refused}");
    let refused = desk.run(&["run", "resume", &id(&new)]).complaint(5);
    assert!(refused.contains("did not break"), "{refused}");
}

#[test]
fn a_resumed_run_survives_kill_minus_nine() {
    let mut desk = Desk::with(&team(None, [boss("lead"), hand("ada", "lead")]));
    let script = json!([
        {"post": "once"},
        {"flaw": true},
        {"ask": {"member": "godot", "text": "Coming?"}},
        {"report": {"summary": "there"}},
    ]);
    let ticket = desk.server.tell("ada", "Trap", script);
    desk.server.failed(&ticket);
    desk.server
        .upload("scripted-sub", "0.2.0", guest("scripted-mended"))
        .ok();
    let broken = id(&desk.last_run(&ticket));
    let resumed = desk
        .server
        .post(&format!("/v1/runs/{broken}/resume"), &json!({}));
    assert_eq!(resumed.status, 201);
    desk.server.waiting(&ticket);
    desk.server.kill();
    desk.server.restart();
    desk.server.waiting(&ticket);
    let question = desk.server.messages(&ticket);
    let question = question.last().expect("the question")["id"].clone();
    let answer = json!({"text": "Yes.", "author": "godot", "reply_to": question});
    let path = format!("/v1/tickets/{ticket}/messages");
    desk.server.post(&path, &answer).ok();
    assert_eq!(desk.server.done(&ticket)["summary"], "there");
    let posted = desk.server.messages(&ticket);
    let once = posted.iter().filter(|message| message["text"] == "once");
    assert_eq!(once.count(), 1, "{posted:#?}");
}

/// A boss whose selector is gone, and one whose selector traps.
fn odd_bosses(desk: &Desk) {
    let params = "i32 ".repeat(10);
    let traps = format!(r#"(func (export "choose") (param {params}) (result i32) unreachable)"#);
    let traps = assembled("selector", &core_module("", &traps));
    for name in ["gone", "trapping"] {
        desk.server.upload(name, "1.0.0", traps.clone()).ok();
    }
    desk.server.apply(&team(
        None,
        [
            boss("lost").selector("gone"),
            hand("eve", "lost"),
            boss("unlucky").selector("trapping"),
            hand("uma", "unlucky"),
        ],
    ));
    let removed = desk
        .server
        .send("DELETE", "/v1/plugins/gone@1.0.0?force=true", &[], None);
    assert_eq!(removed.status, 204, "{}", removed.text);
}

#[test]
fn whom_a_boss_would_pick_is_told_and_nothing_changes() {
    let desk = Desk::with(&team(
        None,
        [
            boss("lead"),
            hand("ada", "lead").skills(&["count lines", "lines of code"]),
            hand("bob", "lead").skills(&["write documents"]),
        ],
    ));
    odd_bosses(&desk);
    let (title, description) = ("Count the lines", steps(json!([{"post": "counted"}])));
    let query = [
        ("title", title),
        ("description", &description),
        ("request", "how large is it?"),
    ];
    let before = desk.server.newest();
    let url = reqwest::Url::parse_with_params(
        &format!("{}/v1/agents/lead/choose", desk.server.url),
        query,
    );
    let url = url.expect("a URL").to_string();
    let picks = desk.server.get(&url[desk.server.url.len()..]).ok();
    let again = desk.server.get(&url[desk.server.url.len()..]).ok();
    assert_eq!(picks, again);
    assert_eq!(desk.server.newest(), before, "nothing has happened");
    assert_eq!(picks["selector"]["name"], "skills");
    assert!(
        picks["selector"]["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );
    assert_eq!(picks["candidates"].as_array().map(Vec::len), Some(2));
    assert_eq!(picks["candidates"][0]["tracking_status"], "idle");
    let first = &picks["choices"][0];
    assert_eq!(first["agent"]["name"], "ada", "{picks:#}");

    // What a delegation then does is the same.
    let ticket = desk.server.create(&json!({
        "title": "how large is it?", "assignee": "lead",
        "description": json!({"steps": [
            {"delegate": [{"title": title, "description": description}]}, {"await": {}},
        ]}).to_string(),
    }));
    desk.server.done(&ticket);
    let child = desk.server.children(&ticket).pop().expect("a child");
    assert_eq!(child["assignee"], first["agent"]);
    assert_eq!(child["choice"]["reason"], first["reason"]);
    assert_eq!(child["choice"]["confidence"], first["confidence"]);

    let told = desk.run(&["agent", "choose", "lead", title]).ended(0);
    assert!(
        told.starts_with("lead would pick ada (") && told.contains("asked skills@"),
        "{told}"
    );
    let data = desk.json(&["agent", "choose", "lead", title], 0);
    assert_eq!(data["boss"]["name"], "lead");
    for (who, status, why) in [
        ("ada", 409, "has no team"),
        ("lost", 409, "has no selector"),
        ("unlucky", 409, "the selector broke: The component failed"),
        ("nobody", 404, "there is no agent"),
    ] {
        let problem = desk.server.get(&format!("/v1/agents/{who}/choose?title=x"));
        let detail = problem.problem(status)["detail"].to_string();
        assert!(detail.contains(why), "{detail}");
    }
    desk.server
        .get("/v1/agents/lead/choose?title=")
        .problem(422);
    desk.server.get("/v1/agents/lead/choose").problem(422);
}

#[test]
fn a_component_can_be_had_by_its_digest_and_no_other_file() {
    let desk = Desk::with(&team(None, [agent("solo", "scripted-sub")]));
    let plugins = desk.server.get("/v1/plugins").ok();
    let plugins = plugins["items"].as_array().expect("a list").clone();
    let own = plugins
        .iter()
        .find(|plugin| plugin["name"] == "scripted-sub")
        .expect("it is there");
    let digest = own["digest"].as_str().expect("a digest");
    for key in [digest, "scripted-sub", "scripted-sub@0.1.0"] {
        let url = format!("{}/v1/plugins/{key}/component", desk.server.url);
        let bytes = crate::support::block(async {
            let response = desk.server.http.get(url).send().await.expect("an answer");
            assert_eq!(response.headers()["content-type"], "application/wasm");
            response.bytes().await.expect("bytes")
        });
        assert!(bytes == guest("scripted-sub"), "{key}");
    }
    let below = Path::new(desk.server.data()).join("plugins");
    assert!(below.is_dir());
    for key in [
        "nobody",
        "sha256:..%2F..%2Fconfig",
        "sha256:%2e%2e%2fstore",
        &format!("sha256:{}", "0".repeat(64)),
        &digest.to_uppercase().replace("SHA256", "sha256"),
    ] {
        let reply = desk.server.get(&format!("/v1/plugins/{key}/component"));
        reply.problem(404);
    }
}
