//! Backups of a host that goes on, and hosts that go on from them.

use crate::support::{
    Client, Server, adjutant, all_events, boss, command, folder, hand, names_in, team, text,
};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes small tickets one after the other until it is told to stop; those that were acknowledged.
fn load(client: &Client, stop: &AtomicBool) -> Vec<String> {
    let mut made = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        made.push(client.tell(
            "clerk",
            &format!("Small {}", made.len()),
            json!([{"post": "x"}]),
        ));
    }
    made
}

#[test]
fn a_backup_under_load_goes_on_elsewhere() {
    let agents = [
        boss("lead"),
        hand("ann", "lead"),
        hand("clerk", "lead").at_once(4),
    ];
    let server = Server::scripted(&team(None, agents));
    let child = json!([{"post": "I ask"}, {"ask": {"member": "bob", "text": "well?"}},
        {"report": {"summary": "bob has answered"}}]);
    let root = server.tell(
        "lead",
        "Delegate",
        json!([{"delegate": [{"title": "Part", "to": "ann", "script": child}]},
            {"await": {"join": "all"}}, {"post": "all in"}]),
    );
    let part = server.wait("the delegation", |client| client.children(&root).pop());
    let part = part["id"].as_str().expect("an id").to_owned();
    server.waiting(&part);
    let before: Vec<String> = (0..10)
        .map(|n| server.tell("clerk", &format!("Before {n}"), json!([{"post": "x"}])))
        .collect();

    let place = folder();
    let file = text(place.path().join("host.tar"));
    let stop = AtomicBool::new(false);
    let client: Client = (*server).clone();
    let (told, during) = std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(&client, &stop));
        let line = ["--host", &server.url, "--json", "backup", &file];
        let told = adjutant(server.data(), &line).json(0);
        stop.store(true, Ordering::Relaxed);
        (told, loading.join().expect("it stops"))
    });
    assert!(!during.is_empty(), "the host went on");
    assert_eq!(
        told["bytes"],
        std::fs::metadata(&file).expect("there").len()
    );
    assert_eq!(
        names_in(place.path()),
        ["host.tar"],
        "and nothing unfinished"
    );
    server.done(&during[during.len() - 1]);
    let newest = server.newest();
    drop(server);

    let data = folder();
    let line = ["--json", "restore", &file, "--data", &text(data.path())];
    let told = adjutant(data.path(), &line).json(0);
    assert!(told["members"].as_u64().expect("a number") > 5);
    let server = Server::on(data);
    for id in &before {
        server.done(id);
    }
    let events = all_events(&server);
    assert!((events.len() as u64) < newest + 1_000);
    let made = |event: &Value| event["type"] == "TicketCreated";
    for event in events.iter().filter(|event| made(event)) {
        let id = event["ticket"].as_str().expect("an id");
        if id != root && id != part {
            server.done(id);
        }
    }
    let path = format!("/v1/tickets/{part}/messages");
    server
        .post(&path, &json!({"text": "yes", "author": "bob"}))
        .ok();
    assert_eq!(server.answers(&root)[1]["met"], true);
    assert_eq!(server.ticket(&part)["summary"], "bob has answered");
    assert_eq!(server.runs(&root).len(), 1);
    let said: Vec<Value> = server.messages(&root);
    assert_eq!(said.iter().filter(|one| one["text"] == "all in").count(), 1);
}

#[test]
fn a_host_that_goes_in_the_middle_leaves_no_backup() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let host = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request).expect("a request");
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-tar\r\ncontent-length: 99999\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&[7; 5_000]).expect("sent");
    });
    let place = folder();
    let line = ["--host", &url, "backup", &text(place.path())];
    let said = adjutant(place.path(), &line).complaint(6);
    assert!(said.contains(&url), "{said}");
    host.join().expect("it was asked");
    assert!(
        names_in(place.path()).is_empty(),
        "{:?}",
        names_in(place.path())
    );
}

#[test]
fn a_target_without_room_leaves_no_backup() {
    let server = Server::start();
    let place = folder();
    let file = text(place.path().join("host.tar"));
    let binary = command(place.path());
    // In units of 512 or of 1024 bytes: less than a backup either way.
    let line = format!(
        "ulimit -f 200; exec '{}' --host {} backup '{file}'",
        text(binary.get_program()),
        server.url
    );
    let said = crate::support::shell(&line).complaint(1);
    assert!(
        said.contains("make room") && said.contains("no backup was kept"),
        "{said}"
    );
    assert!(
        names_in(place.path()).is_empty(),
        "{:?}",
        names_in(place.path())
    );
}

#[test]
fn nothing_is_replaced_and_nothing_damaged_is_restored() {
    let server = Server::start();
    let place = folder();
    let file = text(place.path().join("host.tar"));
    let backup = || adjutant(place.path(), &["--host", &server.url, "backup", &file]);
    let told = backup().ended(0);
    assert!(told.contains("adjutant restore"), "{told}");
    let said = backup().complaint(2);
    assert!(said.contains("there already"), "{said}");

    let said = adjutant(
        place.path(),
        &["restore", &file, "--data", &text(server.data())],
    );
    assert!(said.complaint(2).contains("not empty"));
    let mut bytes = std::fs::read(&file).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bad = text(place.path().join("bad.tar"));
    std::fs::write(&bad, bytes).expect("written");
    let data = place.path().join("data");
    let said = adjutant(place.path(), &["restore", &bad, "--data", &text(&data)]).complaint(1);
    assert!(said.contains("damaged"), "{said}");
    assert!(!data.exists());
    let none = adjutant(place.path(), &["restore", "no.tar", "--data", &text(&data)]);
    assert!(none.complaint(1).contains("no.tar"));
    adjutant(place.path(), &["restore", &file, "--data", &text(&data)]).ended(0);
    assert_eq!(names_in(&data), ["plugins", "store"]);
}
