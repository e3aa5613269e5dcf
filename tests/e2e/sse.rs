//! Event streams: whoever reconnects with the last number misses nothing and sees nothing twice.

use crate::support::{Events, Server, all_events, block, boss, hand, team};
use serde_json::{Value, json};

fn server() -> Server {
    Server::scripted(&team(
        None,
        [boss("lead"), hand("one", "lead"), hand("two", "lead")],
    ))
}

fn work(server: &Server) -> String {
    let part = |name: &str| {
        let script = json!([{"post": "a"}, {"progress": "b"}, {"report": {"summary": "c"}}]);
        json!({"title": format!("Part of {name}"), "to": name, "script": script})
    };
    let script = json!([{"delegate": [part("one"), part("two")]}, {"await": {"join": "all"}}]);
    server.tell("lead", "Work", script)
}

#[test]
fn reconnecting_misses_and_repeats_nothing() {
    let mut server = server();
    let first = work(&server);
    // Three events at a time, and a connection of its own for each three, while work goes on.
    let mut seen: Vec<(u64, Value)> = Vec::new();
    let mut second = None;
    loop {
        let last = seen.last().map_or(0, |(id, _)| *id);
        let events = Events::open(&server, "/v1/events", Some(last));
        let mut over = false;
        for _ in 0..3 {
            let frame = events.next().expect("the stream goes on");
            assert_eq!(frame.data["seq"], frame.id);
            assert_eq!(frame.data["type"], frame.event);
            let done = |id: &Option<String>| {
                Some(frame.data["ticket"].clone()) == id.clone().map(Value::from)
            };
            if frame.event == "TicketCompleted" && done(&Some(first.clone())) {
                second = Some(work(&server));
            }
            over |= frame.event == "TicketCompleted" && done(&second);
            seen.push((frame.id, frame.data));
            if over {
                break;
            }
        }
        if over {
            break;
        }
    }
    let log = all_events(&server);
    let ids: Vec<u64> = seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=log.len() as u64).collect::<Vec<_>>());
    let data: Vec<&Value> = seen.iter().map(|(_, data)| data).collect();
    assert_eq!(
        data,
        log.iter().collect::<Vec<_>>(),
        "streams and pages say the same"
    );

    // Also over a crash: the number is good on the host that comes after.
    let middle = log.len() as u64 / 2;
    server.kill();
    server.restart();
    let events = Events::open(&server, "/v1/events", Some(middle));
    for seq in middle + 1..=log.len() as u64 {
        assert_eq!(events.next().expect("the stream goes on").id, seq);
    }
    server
        .post("/v1/tickets", &json!({"title": "One more"}))
        .ok();
    assert_eq!(
        events.next().expect("the stream goes on").id,
        log.len() as u64 + 1
    );
}

#[test]
fn a_tickets_stream_has_its_tree_and_nothing_else() {
    let server = server();
    let apart = server.tell("two", "Apart", json!([{"post": "apart"}]));
    server.done(&apart);
    let id = work(&server);
    let path = format!("/v1/events?ticket={id}&after=0");
    let events = Events::open(&server, &path, None);
    let seen =
        events.until(|frame| frame.event == "TicketCompleted" && frame.data["ticket"] == json!(id));
    let mut tree: Vec<String> = server
        .children(&id)
        .iter()
        .map(|child| child["id"].as_str().expect("an id").to_owned())
        .collect();
    tree.push(id);
    let expected: Vec<u64> = all_events(&server)
        .iter()
        .filter(|event| {
            event["ticket"]
                .as_str()
                .is_some_and(|id| tree.iter().any(|one| one == id))
        })
        .map(|event| event["seq"].as_u64().expect("a number"))
        .collect();
    let ids: Vec<u64> = seen.iter().map(|frame| frame.id).collect();
    assert_eq!(ids, expected);
}

#[test]
fn a_stream_begins_now_unless_it_is_told_and_ends_with_the_host() {
    let mut server = server();
    server.done(&work(&server));
    let before = server.newest();
    let events = Events::open(&server, "/v1/events", None);
    // It says where that is before anything happens, so that its reader can come back there.
    let opened = server.http.get(format!("{}/v1/events", server.url)).send();
    let mut opened = block(opened).expect("the host answers");
    let first = block(opened.chunk()).expect("the stream goes on");
    let first = first.expect("a frame");
    assert_eq!(String::from_utf8_lossy(&first), format!("id: {before}\n\n"));
    server.post("/v1/tickets", &json!({"title": "Now"})).ok();
    let first = events.next().expect("the stream goes on");
    assert_eq!(
        (first.id, first.event.as_str()),
        (before + 1, "TicketCreated")
    );
    server
        .send("GET", "/v1/events", &[("last-event-id", "x")], None)
        .problem(400);
    let later = (before + 100).to_string();
    server
        .send("GET", "/v1/events", &[("last-event-id", &later)], None)
        .problem(400);
    assert_eq!(server.end(), Some(0));
    assert_eq!(
        events.next(),
        None,
        "an open stream does not keep the host from ending"
    );
}

#[test]
fn workspaces_have_logs_of_their_own() {
    let server = server();
    let mut other = team(None, [hand("far", "away"), boss("away")]);
    other["workspace"] = json!({"name": "other"});
    server.apply(&other);
    let here = Events::open(&server, "/v1/events", None);
    let there = Events::open(&server, "/v1/events?workspace=other", None);
    let new = json!({"title": "There", "assignee": "far", "description": "{\"steps\": []}"});
    let ticket = server.post("/v1/tickets?workspace=other", &new).ok();
    server.post("/v1/tickets", &json!({"title": "Here"})).ok();
    assert_eq!(there.next().expect("an event").data["title"], "There");
    assert_eq!(here.next().expect("an event").data["title"], "Here");
    let path = "/v1/tickets?workspace=default&text=there";
    assert_eq!(server.get(path).ok()["items"], json!([]));
    assert_eq!(
        server.ticket(ticket["id"].as_str().expect("an id"))["title"],
        "There"
    );
    server
        .post("/v1/tickets?workspace=nowhere", &new)
        .problem(404);
    // The same names elsewhere are other agents.
    let refused = json!({"title": "x", "assignee": "far"});
    server.post("/v1/tickets", &refused).problem(422);
}
