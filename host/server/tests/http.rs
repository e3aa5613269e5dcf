//! The API over real HTTP.

use crate::support::{Api, Events};
use reqwest::Method;
use serde_json::{Value, json};

/// An id that is nobody's.
const NOBODY: &str = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_from_its_making_to_its_report() {
    let api = Api::start().await;
    let lead = api.get("/v1/agents/lead").await;
    assert_eq!(lead["team"][0]["name"], "ada");
    let by_id = format!("/v1/agents/{}", lead["id"].as_str().expect("an id"));
    assert_eq!(api.get(&by_id).await, lead);
    let tree = api.get("/v1/agents/tree").await;
    assert_eq!(tree["items"][0]["team"][0]["tracking_status"], "idle");

    let mut all = Events::open(&api, "/v1/events?after=0", None).await;
    let new = json!({"title": "Look at it", "assignee": "ada"});
    let response = api
        .request(Method::POST, "/v1/tickets")
        .json(&new)
        .send()
        .await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(response.headers().contains_key("etag"));
    let ticket: Value = response.json().await.expect("JSON");
    let id = ticket["id"].as_str().expect("an id").to_owned();
    assert_eq!(location, format!("/v1/tickets/{id}"));
    assert_eq!(ticket["assignee"]["name"], "ada");
    assert_eq!(
        ticket["created_by"],
        json!({"type": "person", "name": "operator"})
    );

    let seen = all.until("RunWaiting").await;
    let numbers: Vec<u64> = seen.iter().map(|(seq, _, _)| *seq).collect();
    assert_eq!(numbers, (1..=seen.len() as u64).collect::<Vec<_>>());
    assert!(
        seen.iter()
            .all(|(seq, kind, data)| data["seq"] == *seq && data["type"] == *kind)
    );

    let run = api.get(&location).await["run"]
        .as_str()
        .expect("a run")
        .to_owned();
    let run_path = format!("/v1/runs/{run}");
    let shown = api.get(&run_path).await;
    assert_eq!(shown["status"], "waiting");
    assert_eq!(shown["wait"]["kind"], "external");
    assert!(shown.get("token").is_none());
    let journal = api.get(&format!("{run_path}/journal")).await;
    let last = journal["items"]
        .as_array()
        .expect("items")
        .last()
        .expect("a record")
        .clone();
    assert_eq!(last["state"], "begun");
    assert_eq!(last["call"], "reporting.call-for-report");
    assert!(api.get(&format!("{run_path}/log")).await["items"].is_array());
    let plain = api.request(Method::GET, &format!("{run_path}/log"));
    let plain = plain
        .header("accept", "text/plain")
        .send()
        .await
        .expect("a log");
    assert!(
        plain.headers()["content-type"]
            .to_str()
            .expect("text")
            .starts_with("text/plain")
    );

    let report = "/api/agents/ada/report-task";
    let foreign = api
        .post(&format!("{report}?token={NOBODY}"), &json!({}))
        .await;
    assert_eq!(
        (&foreign["success"], &foreign["accepted"]),
        (&json!(false), &json!(false))
    );
    assert!(foreign["reason"].as_str().expect("a reason").contains(' '));
    assert_eq!(foreign["bossName"], "lead");
    let receipt = api
        .post(
            &format!("{report}?delegation={id}"),
            &json!({"summary": "It is fine"}),
        )
        .await;
    assert_eq!(receipt["success"], true, "{receipt}");
    assert_eq!(receipt["taskStatus"], "completed");
    assert_eq!(receipt["subordinateName"], "ada");
    all.until("TicketCompleted").await;
    let again = api.post(report, &json!({"status": "failed"})).await;
    assert_eq!(again["accepted"], false);
    let empty = api
        .request(Method::POST, report)
        .send()
        .await
        .expect("an answer");
    assert_eq!(empty.status(), 200);

    let done = api.get(&location).await;
    assert_eq!(
        (&done["status"], &done["summary"]),
        (&json!("done"), &json!("It is fine"))
    );
    let runs = api.get(&format!("{location}/runs")).await;
    assert_eq!(runs["items"][0]["status"], "completed");
    api.stop().await;
    assert!(all.next().await.is_none() || all.next().await.is_none());
}

/// An operator sees which components a host takes before any is uploaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_which_versions_of_the_contract_are_offered() {
    let api = Api::start().await;
    let contract = api.get("/v1/status").await["contract"].clone();
    let versions = adjutant_component::contract_versions();
    let package = "adjutant:agent";
    assert_eq!(contract, json!({"package": package, "versions": versions}));
    assert!(!versions.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_pages_versions_and_streams() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let new = json!({"title": format!("t{number}"), "backlog": true});
        ids.push(
            api.post("/v1/tickets", &new).await["id"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
    }
    let mut listed = Vec::new();
    let mut after = String::new();
    loop {
        let page = api
            .get(&format!("/v1/tickets?limit=2&status=backlog&after={after}"))
            .await;
        for item in page["items"].as_array().expect("items") {
            listed.push(item["id"].as_str().expect("an id").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    listed.reverse();
    assert_eq!(listed, ids, "newest first, each once");
    assert_eq!(
        api.get("/v1/tickets?text=T3").await["items"][0]["title"],
        "t3"
    );
    let none = api.get("/v1/tickets?assignee=ada").await;
    assert_eq!(none["items"], json!([]));

    let path = format!("/v1/tickets/{}", ids[0]);
    let first = api
        .request(Method::GET, &path)
        .send()
        .await
        .expect("a ticket");
    let tag = first.headers()["etag"].clone();
    let same = api
        .request(Method::GET, &path)
        .header("if-none-match", &tag)
        .send()
        .await;
    let same = same.expect("an answer");
    assert_eq!(
        (same.status().as_u16(), &same.headers()["etag"]),
        (304, &tag)
    );
    let moved = api
        .post(&format!("{path}/status"), &json!({"status": "open"}))
        .await;
    assert_eq!(moved["status"], "open");
    for action in ["assign", "status", "cancel", "collaborators"] {
        let body = match action {
            "status" => json!({"status": "blocked"}),
            "cancel" => json!({}),
            _ => json!({"agent": "ada"}),
        };
        let stale = api
            .request(Method::POST, &format!("{path}/{action}"))
            .json(&body);
        api.problem(stale.header("if-match", &tag), 412).await;
    }
    let said = api
        .post(&format!("{path}/messages"), &json!({"text": "Hello"}))
        .await;
    assert_eq!(said["author"]["name"], "operator");
    let messages = api.get(&format!("{path}/messages?from=0")).await;
    assert_eq!(
        messages["items"]
            .as_array()
            .expect("items")
            .last()
            .expect("one")["text"],
        "Hello"
    );
    let child = json!({"title": "below", "parent": ids[0], "backlog": true});

    let mut tree = Events::open(&api, &format!("/v1/events?ticket={}", ids[0]), None).await;
    let mut now = Events::open(&api, "/v1/events", None).await;
    api.post(
        &format!("/v1/tickets/{}/cancel", ids[1]),
        &json!({"reason": "no"}),
    )
    .await;
    let below = api.post("/v1/tickets", &child).await;
    assert_eq!(below["depth"], 1);
    let (seq, kind, data) = tree.next().await.expect("an event");
    assert_eq!(
        (kind.as_str(), &data["ticket"]),
        ("TicketCreated", &below["id"])
    );
    let (first_now, _, data) = now.next().await.expect("an event");
    assert_eq!(
        data["ticket"],
        ids[1].as_str(),
        "from now on, and all of it"
    );
    let mut again = Events::open(&api, "/v1/events", Some(first_now)).await;
    assert_eq!(again.next().await.expect("an event").0, first_now + 1);
    let page = api
        .request(
            Method::GET,
            &format!("/v1/events?ticket={}&after={}", ids[0], seq - 1),
        )
        .header("accept", "application/json");
    let page: Value = page
        .send()
        .await
        .expect("a page")
        .json()
        .await
        .expect("JSON");
    assert_eq!(page["items"][0]["seq"], seq);
    let shown = api.get(&format!("{path}/tree")).await;
    assert_eq!(shown["children"][0]["ticket"]["id"], below["id"]);
    assert_eq!(api.get("/healthz").await["status"], "ok");
    assert_eq!(
        api.get("/v1/plugins/external").await["world"],
        "subordinate"
    );
    assert_eq!(api.get("/v1/workspaces/default").await["name"], "default");
    api.stop().await;
    while tree.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_to_every_route_is_a_problem_and_changes_nothing() {
    let api = Api::start().await;
    let ticket = api
        .post("/v1/tickets", &json!({"title": "t", "backlog": true}))
        .await;
    let path = format!("/v1/tickets/{}", ticket["id"].as_str().expect("an id"));
    let newest = |api: &Api| {
        let page = api.request(Method::GET, "/v1/events?limit=200");
        page.header("accept", "application/json").send()
    };
    let before: Value = newest(&api)
        .await
        .expect("a page")
        .json()
        .await
        .expect("JSON");

    let document = api.get("/openapi.json").await;
    for (template, item) in document["paths"].as_object().expect("paths") {
        let nobody = template.replace("{id}", NOBODY).replace("{key}", "nobody");
        let nobody = nobody
            .replace("{name}", "nobody")
            .replace("{kind}", "nobody");
        for method in ["GET", "POST"] {
            let Some(operation) = item.get(method.to_lowercase()) else {
                let wrong = api.request(method.parse().expect("a method"), &nobody);
                api.problem(wrong, 405).await;
                continue;
            };
            let method: Method = method.parse().expect("a method");
            let query = format!("{nobody}?no_such_parameter=1");
            let with_json = |path: &str| {
                let request = api.request(method.clone(), path);
                request.header("content-type", "application/json")
            };
            api.problem(with_json(&query).body("{}"), 400).await;
            if template.contains("{id}") && !template.starts_with("/api/") {
                let no_id = template.replace("{id}", "seven");
                let body = operation
                    .get("requestBody")
                    .map(|_| json!({"agent": "a", "text": "t", "status": "open"}).to_string());
                // A body that is wrong for the route is told first or last; either is the caller's.
                let sent = with_json(&no_id)
                    .body(body.unwrap_or_default())
                    .send()
                    .await;
                let status = sent.expect("an answer").status().as_u16();
                assert!(matches!(status, 400 | 422), "{template}: {status}");
            }
            if operation.get("requestBody").is_some() && template != "/v1/plugins" {
                api.problem(with_json(&nobody).body("{"), 400).await;
                api.problem(with_json(&nobody).body(r#"{"lost": 1}"#), 422)
                    .await;
                api.problem(with_json(&nobody).body("[1]"), 422).await;
                let text = api.request(method.clone(), &nobody).body("x");
                api.problem(text, 415).await;
                api.problem(with_json(&nobody).body(vec![b'x'; 10 << 20]), 413)
                    .await;
            }
        }
    }
    let post = |path: &str, body: Value| api.request(Method::POST, path).json(&body);
    let tickets = "/v1/tickets";
    for body in [
        json!({"title": ""}),
        json!({"title": "x".repeat(100_000)}),
        json!({"title": "t", "expected_output_schema": {"type": "strange"}}),
        json!({"title": "t", "expected_output_schema": 3}),
        json!({"title": "t", "parent": "seven"}),
        json!({"title": 3}),
        json!({"title": "t", "validation": "maybe"}),
    ] {
        let problem = api.problem(post(tickets, body), 422).await;
        assert!(problem["violations"][0]["message"].is_string(), "{problem}");
    }
    // What a body names and is not there is a wrong value.
    for (path, body) in [
        (
            tickets.to_owned(),
            json!({"title": "t", "assignee": "nobody"}),
        ),
        (tickets.to_owned(), json!({"title": "t", "parent": NOBODY})),
        (format!("{path}/assign"), json!({"agent": "nobody"})),
        (format!("{path}/collaborators"), json!({"agent": "nobody"})),
        (
            "/v1/apply".to_owned(),
            json!({"agents": [{"name": "a", "plugin": "nope"}]}),
        ),
    ] {
        let sent = post(&path, body).send().await.expect("an answer");
        let status = sent.status().as_u16();
        assert!(matches!(status, 404 | 422), "{path}: {status}");
        let problem: Value = sent.json().await.expect("JSON");
        assert!(problem["detail"].as_str().expect("a detail").contains(' '));
    }
    api.problem(
        post("/v1/tickets?workspace=nowhere", json!({"title": "t"})),
        404,
    )
    .await;
    api.problem(
        post(&format!("{path}/status"), json!({"status": "done"})),
        409,
    )
    .await;
    api.problem(
        post(&format!("{path}/status"), json!({"status": "finished"})),
        422,
    )
    .await;
    api.problem(post(&format!("{path}/messages"), json!({"text": 1})), 422)
        .await;
    api.problem(
        post(&format!("/v1/tickets/{NOBODY}/cancel"), json!({})),
        404,
    )
    .await;
    api.problem(
        post(
            "/v1/apply",
            json!({"agents": [{"name": "a b", "plugin": "external"}]}),
        ),
        422,
    )
    .await;
    api.problem(post("/api/agents/nobody/report-task", json!({})), 404)
        .await;
    api.problem(
        post("/api/agents/ada/report-task", json!({"status": "done"})),
        422,
    )
    .await;
    api.problem(post("/api/agents/ada/report-task?token=x", json!({})), 400)
        .await;
    for (path, status) in [
        ("/v1/tickets?limit=0", 400),
        ("/v1/tickets?limit=201", 400),
        ("/v1/tickets?limit=x", 400),
        ("/v1/tickets?status=finished", 400),
        ("/v1/tickets?parent=seven", 400),
        ("/v1/tickets?after=seven", 422),
        ("/v1/tickets?assignee=nobody", 404),
        ("/v1/tickets?workspace=nowhere", 404),
        ("/v1/agents/nobody", 404),
        ("/v1/workspaces/nowhere", 404),
        ("/v1/plugins/nope", 404),
        ("/v1/events?after=1000000", 400),
        ("/v1/events?ticket=seven", 400),
        ("/nowhere", 404),
    ] {
        api.problem(api.request(Method::GET, path), status).await;
    }
    let last = u64::MAX;
    for far in [
        format!("{path}/messages?from={last}"),
        format!("/v1/events?after={last}"),
    ] {
        let page = api
            .request(Method::GET, &far)
            .header("accept", "application/json");
        let page: Value = page
            .send()
            .await
            .expect("a page")
            .json()
            .await
            .expect("JSON");
        assert_eq!(page, json!({"items": [], "next": null}), "{far}");
    }
    let plugin = "/v1/plugins?name=p&version=1.0.0";
    let wasm = |body: &'static str| {
        let request = api.request(Method::POST, plugin);
        request
            .header("content-type", "application/wasm")
            .body(body)
    };
    api.problem(wasm("this is no component"), 422).await;
    api.problem(api.request(Method::POST, plugin).body("x"), 415)
        .await;
    let rebound = api
        .request(Method::GET, "/healthz")
        .header("host", "example.com");
    api.problem(rebound, 403).await;
    let foreign = post(tickets, json!({"title": "t"})).header("origin", "http://example.com");
    api.problem(foreign, 403).await;

    let after: Value = newest(&api)
        .await
        .expect("a page")
        .json()
        .await
        .expect("JSON");
    assert_eq!(after, before, "nothing has changed");
    api.stop().await;
}
