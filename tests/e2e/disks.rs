//! The disk is full, damaged, or somebody else's: each is told in a sentence, what can be read is
//! read, and nothing that was acknowledged is lost.

use crate::support::{
    Client, Repo, Server, Setup, adjutant, boss, folder, hand, steps, team, text, until,
    until_there,
};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use std::path::Path;

/// Makes a ticket of some size; its id, or what the host says instead.
fn make(client: &Client, number: usize) -> Result<String, Value> {
    let reply = client.post(
        "/v1/tickets",
        &json!({"title": format!("Filler {number}"), "backlog": true, "description": "x".repeat(60_000)}),
    );
    if reply.status == 201 {
        return Ok(reply.ok()["id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(reply.status, 507, "{}", reply.text);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    let seconds = reply.headers["retry-after"].to_str().expect("digits");
    assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0));
    Err(serde_json::from_str(&reply.text).expect("JSON"))
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .count()
}

/// The host may make no file larger than its store is now; the limit is lifted later. Meanwhile a
/// command is under way, and ends.
#[test]
fn a_full_disk_passes_and_a_command_under_way_is_not_run_again() {
    let (repo, outside) = (Repo::new(), folder());
    let (ran, go) = (outside.path().join("ran"), outside.path().join("go"));
    let script = format!(
        "echo x >> '{}'; while [ ! -e '{}' ]; do sleep 0.05; done",
        text(&ran),
        text(&go)
    );
    let command = ["sh", "-c", &script];
    let mut server = Server::scripted(&team(
        Some(&repo),
        [boss("lead"), hand("slow", "lead").may_run(&command)],
    ));
    let busy = server.tell("slow", "Run", json!([{"run": command}, {"post": "after"}]));
    until("the command", || (lines(&ran) == 1).then_some(()));

    let store = server.data().join("store/store.redb");
    let size = std::fs::metadata(&store).expect("it is there").len();
    let all = getrlimit(Resource::Fsize).maximum;
    let limit = |current: Option<u64>| {
        let limit = Rlimit {
            current,
            maximum: all,
        };
        prlimit(Some(server.pid()), Resource::Fsize, limit).expect("it is limited");
    };
    limit(Some(size));
    let mut made = Vec::new();
    let problem = loop {
        match make(&server, made.len()) {
            Ok(id) => made.push(id),
            Err(problem) => break problem,
        }
    };
    assert_eq!(problem["type"], "/problems/no-room");
    let detail = problem["detail"].as_str().expect("a sentence");
    let folder = text(server.data().join("store"));
    assert!(
        detail.contains(&folder) && detail.contains("make room there"),
        "{detail}"
    );
    // The next is told at once, everything can be read, and the command's end is kept.
    let detail = make(&server, 0).expect_err("there is no room")["detail"].to_string();
    assert!(detail.contains("Nothing has changed"), "{detail}");
    std::fs::write(&go, "").expect("written");
    for id in made.iter().chain([&busy]) {
        server.ticket(id);
    }
    server.get("/v1/agents").ok();
    assert!(server.newest() > made.len() as u64);
    assert_eq!(server.ticket(&busy)["status"], "in_progress");

    limit(all);
    let ticket = server.done(&busy);
    assert_eq!(ticket["attempts"], 1);
    assert_eq!(lines(&ran), 1, "the command was run once");
    // The one that was kept is made too.
    let kept = format!("Filler {}", made.len());
    server.wait("the ticket that was kept", |client| {
        let page = client.get("/v1/tickets?limit=10").ok();
        let items = page["items"].as_array()?;
        items
            .iter()
            .any(|ticket| ticket["title"] == json!(kept))
            .then_some(())
    });
    made.push(make(&server, 0).expect("there is room"));
    server.kill();
    server.restart();
    for id in &made {
        assert_eq!(server.ticket(id)["status"], "backlog");
    }
    server.done(&busy);
    assert_eq!(lines(&ran), 1);
}

#[test]
fn below_the_floor_everything_can_be_read_and_nothing_new_is_stored() {
    let mut server = Server::with(Setup {
        config: Some(String::new()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(None, [boss("lead"), hand("ann", "lead")]));
    let id = server.tell(
        "ann",
        "Ask",
        json!([{"ask": {"member": "bob", "text": "well?"}}]),
    );
    server.waiting(&id);
    assert_eq!(server.end(), Some(0));

    let config = server.data().join("config.toml");
    std::fs::write(&config, "[store]\nfloor_bytes = 9000000000000000000\n").expect("written");
    server.restart();
    assert_eq!(server.ticket(&id)["status"], "in_progress");
    let problem = make(&server, 0).expect_err("there is no room");
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("9000000000000000000") && detail.contains("make room"),
        "{detail}"
    );
    let body = json!({"text": "yes", "author": "bob"});
    let path = format!("/v1/tickets/{id}/messages");
    assert_eq!(server.post(&path, &body).status, 507);
    let upload = server.upload("more", "1.0.0", crate::support::guest("spin"));
    assert_eq!(upload.status, 507, "{}", upload.text);
    let backup = server.post("/v1/backups", &json!({}));
    assert_eq!(backup.status, 507, "{}", backup.text);
    assert_eq!(server.end(), Some(0));

    std::fs::write(&config, "").expect("written");
    server.restart();
    server.post(&path, &body).ok();
    server.done(&id);
}

#[test]
fn a_second_host_on_the_same_data_is_refused() {
    let server = Server::start();
    let data = text(server.data());
    let second = adjutant(
        server.data(),
        &["serve", "--addr", "127.0.0.1:0", "--data", &data],
    );
    let said = second.complaint(1);
    assert!(
        said.contains("another adjutant uses") && said.contains(&data),
        "{said}"
    );
    server.get("/v1/plugins").ok();
}

#[test]
fn a_damaged_store_is_named_and_left_alone() {
    let mut server = Server::scripted(&team(None, [boss("lead")]));
    let body = json!({"title": "Kept", "backlog": true, "description": steps(json!([]))});
    let id = server.create(&body);
    assert_eq!(server.end(), Some(0));
    let file = server.data().join("store/store.redb");
    let whole = std::fs::read(&file).expect("it is there");
    let half = &whole[..whole.len() / 2];
    std::fs::write(&file, half).expect("written");
    let data = text(server.data());
    let line = ["serve", "--addr", "127.0.0.1:0", "--data", &data];
    let said = adjutant(server.data(), &line).complaint(1);
    assert!(
        said.contains("damaged") && said.contains("adjutant restore"),
        "{said}"
    );
    assert!(said.contains(&text(&file)), "{said}");
    assert_eq!(std::fs::read(&file).expect("it is there"), half);
    std::fs::write(&file, &whole).expect("written");
    server.restart();
    assert_eq!(server.ticket(&id)["title"], "Kept");
    until_there(&file);
}
