//! `report-task`: how an outside program or a person reports, by the very line that it was given.

use crate::support::{Client, Reply, Server, Setup, agent, boss, hand, shell, team};
use serde_json::{Value, json};
use std::collections::HashMap;

struct Office {
    server: Server,
    ids: HashMap<String, String>,
}

/// A boss with two subordinates that work outside.
fn office() -> Office {
    let server = Server::start();
    server.add(&["scripted", "scripted-sub"]);
    let ids = server.apply(&team(
        None,
        [
            boss("lead"),
            agent("human", "external").under("lead").at_once(2),
            agent("robot", "external").under("lead").at_once(2),
            hand("inside", "lead"),
        ],
    ));
    Office { server, ids }
}

impl Office {
    /// Delegates tasks, and gives back the boss's ticket and those below it when all of them wait.
    fn delegate(&self, title: &str, to: &[&str]) -> (String, Vec<String>) {
        let parts: Vec<Value> = to
            .iter()
            .map(|to| json!({"title": title, "description": "Look at it.", "to": to, "notes": "Be kind."}))
            .collect();
        let script = json!([
            {"delegate": parts},
            {"await": {"join": "all"}},
            {"report": {"summary": "all in", "with_steps": true}}
        ]);
        let id = self
            .server
            .tell("lead", &format!("Have done: {title}"), script);
        let children: Vec<String> = self.server.wait("the delegations", |client| {
            let children = client.children(&id);
            (children.len() == to.len()).then(|| children.iter().map(id_of).collect())
        });
        for child in &children {
            self.server.waiting(child);
        }
        (id, children)
    }

    /// The line to copy from the task's message.
    fn line(&self, ticket: &str) -> String {
        let message = self.task(ticket);
        let line = message.lines().find(|line| line.starts_with("curl "));
        line.unwrap_or_else(|| panic!("no line to copy: {message}"))
            .to_owned()
    }

    fn task(&self, ticket: &str) -> String {
        let messages = self.server.messages(ticket);
        let task = messages.iter().find(|message| message["kind"] == "task");
        let task = task.unwrap_or_else(|| panic!("no task: {messages:#?}"));
        task["text"].as_str().expect("a text").to_owned()
    }

    /// Reports by hand.
    fn report(&self, agent: &str, query: &str, body: &Value) -> Reply {
        self.server
            .post(&format!("/api/agents/{agent}/report-task{query}"), body)
    }
}

fn id_of(ticket: &Value) -> String {
    ticket["id"].as_str().expect("an id").to_owned()
}

/// The query of a line: `?delegation=…&token=…`.
fn query(line: &str) -> String {
    let from = line.find('?').expect("a query");
    let to = line[from..].find('\'').expect("the URL ends");
    line[from..from + to].to_owned()
}

/// The task as somebody outside is asked for the n-th time, counted from 1.
pub(crate) fn asked(client: &Client, ticket: &str, attempt: usize) -> String {
    client.wait("the task's next attempt", |client| {
        let messages = client.messages(ticket);
        let mut tasks = messages.iter().filter(|message| message["kind"] == "task");
        let text = tasks.nth(attempt - 1)?["text"].as_str()?.to_owned();
        let run = client.ticket(ticket)["attempts"] == attempt;
        run.then_some(text)
    })
}

/// Reports by the line of a task.
pub(crate) fn report(client: &Client, agent: &str, task: &str, body: &Value) -> Reply {
    let line = task.lines().find(|line| line.starts_with("curl "));
    let query = query(line.expect("a line"));
    client.post(&format!("/api/agents/{agent}/report-task{query}"), body)
}

#[test]
fn the_line_from_the_task_reports_once() {
    let office = office();
    let (root, children) = office.delegate("Review the change", &["human"]);
    let child = &children[0];

    let task = office.task(child);
    let head = format!(
        "[DELEGATED TASK from boss \"lead\" ({})]\n\n",
        office.ids["lead"]
    );
    assert!(task.starts_with(&head), "{task}");
    for part in ["Review the change", "Look at it.", "Be kind.", "\n---\n"] {
        assert!(task.contains(part), "{part:?} is missing: {task}");
    }
    let footer =
        "This task was delegated by your boss agent. When you finish, report completion using:";
    assert!(task.contains(footer), "{task}");

    let line = office.line(child);
    let first = shell(&line).json(0);
    assert_eq!(
        first,
        json!({
            "success": true,
            "subordinateId": office.ids["human"],
            "subordinateName": "human",
            "bossId": office.ids["lead"],
            "bossName": "lead",
            "taskStatus": "completed",
            "accepted": true,
            "forwarded": true
        })
    );
    let second = shell(&line).json(0);
    assert_eq!(
        (&second["success"], &second["accepted"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(second["forwarded"], false);
    let reason = second["reason"].as_str().expect("a reason");
    assert!(reason.split(' ').count() > 4, "{reason}");

    let answers = office.server.answers(&root);
    let report = &answers[1]["reports"][0];
    assert_eq!(report["outcome"], "completed");
    assert_eq!(report["summary"], "Brief result summary");
    assert_eq!(
        report["text"],
        format!(
            "[TASK REPORT from human ({})]\nStatus: COMPLETED\nOriginal task: Review the change\n\
             Summary: Brief result summary",
            office.ids["human"]
        )
    );
    // And once more when all is over: stale.
    let third = shell(&line).json(0);
    assert_eq!(third["accepted"], false);
    assert!(
        third["reason"]
            .as_str()
            .is_some_and(|why| why.contains("over")),
        "{third}"
    );
    let messages = office.server.messages(&root);
    let reports = messages
        .iter()
        .filter(|message| message["kind"] == "report")
        .count();
    assert_eq!(reports, 1, "a report stands once");
}

#[test]
fn a_stale_report_does_not_end_the_next_task_of_the_same_agent() {
    let office = office();
    let (first, children) = office.delegate("First", &["human"]);
    let old = office.line(&children[0]);
    assert_eq!(shell(&old).json(0)["accepted"], true);
    office.server.done(&first);

    let (second, children) = office.delegate("Second", &["human"]);
    let answer = shell(&old).json(0);
    assert_eq!(answer["accepted"], false, "{answer}");
    assert!(
        answer["reason"]
            .as_str()
            .is_some_and(|why| why.contains("token")),
        "{answer}"
    );
    assert_eq!(office.server.ticket(&children[0])["status"], "in_progress");
    let new = office.line(&children[0]);
    assert_ne!(query(&new), query(&old));
    assert_eq!(shell(&new).json(0)["accepted"], true);
    office.server.done(&second);
}

#[test]
fn a_foreign_report_is_refused() {
    let office = office();
    let (root, children) = office.delegate("Both", &["human", "robot"]);
    let (humans, robots) = (office.line(&children[0]), office.line(&children[1]));
    let body = json!({"summary": "mine!"});
    let foreign = office
        .report(&office.ids["robot"], &query(&humans), &body)
        .ok();
    assert_eq!(foreign["accepted"], false, "{foreign}");
    let reason = foreign["reason"].as_str().expect("a reason");
    assert!(reason.contains("another agent"), "{reason}");

    // The right token with another delegation is no better.
    let token = query(&humans);
    let token = token.split("token=").nth(1).expect("a token");
    let mixed = format!("?delegation={}&token={token}", children[1]);
    let mixed = office.report(&office.ids["human"], &mixed, &body).ok();
    assert_eq!(mixed["accepted"], false, "{mixed}");

    // A made-up token too; and nothing has moved.
    let made_up = "?token=0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";
    assert_eq!(
        office.report("human", made_up, &body).ok()["accepted"],
        false
    );
    for child in &children {
        assert_eq!(office.server.ticket(child)["status"], "in_progress");
    }
    assert_eq!(shell(&humans).json(0)["accepted"], true);
    assert_eq!(shell(&robots).json(0)["accepted"], true);
    office.server.done(&root);
}

#[test]
fn without_a_token_a_report_counts_while_exactly_one_task_is_open() {
    let office = office();
    let body = json!({"summary": "I looked."});
    let none = office.report("human", "", &body).ok();
    assert_eq!(none["accepted"], false);
    assert!(
        none["reason"]
            .as_str()
            .is_some_and(|why| why.contains("no open delegation"))
    );

    let (two, children) = office.delegate("Two at once", &["human", "human"]);
    let unclear = office.report("human", "", &body).ok();
    assert_eq!(unclear["accepted"], false, "{unclear}");
    let reason = unclear["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("2 delegations"), "{reason}");

    assert_eq!(shell(&office.line(&children[0])).json(0)["accepted"], true);
    office.server.done(&children[0]);
    // Now only one is open. A body is not needed either: it is completed.
    let path = format!("/api/agents/{}/report-task", office.ids["human"]);
    let bare = office.server.send("POST", &path, &[], None).ok();
    assert_eq!(
        (&bare["accepted"], &bare["taskStatus"]),
        (&json!(true), &json!("completed"))
    );
    office.server.done(&two);
}

#[test]
fn a_failed_report_fails_the_task_and_not_the_boss() {
    let office = office();
    let (root, children) = office.delegate("Hopeless", &["human"]);
    let body = json!({"summary": "I could not.", "status": "failed"});
    let answer = office
        .report("human", &query(&office.line(&children[0])), &body)
        .ok();
    assert_eq!(
        (&answer["accepted"], &answer["taskStatus"]),
        (&json!(true), &json!("failed"))
    );
    let report = &office.server.answers(&root)[1]["reports"][0];
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["summary"], "I could not.");
}

/// A ticket with a schema that is worked on outside could once never be done.
#[test]
fn an_output_from_outside_is_asked_for_refused_with_what_is_wrong_and_taken() {
    let server = Server::with(Setup {
        config: Some("[limits]\noutput_bytes = 1000\n".to_owned()),
        ..Setup::default()
    });
    server.apply(&team(None, [agent("human", "external")]));
    let ticket = server.create(&json!({
        "title": "Count the files",
        "assignee": "human",
        "expected_output_schema": {
            "type": "object",
            "properties": {"files": {"type": "integer", "minimum": 1}},
            "required": ["files"]
        }
    }));
    let asked = |attempt: usize| asked(&server, &ticket, attempt);
    let report = |task: &str, body: &Value| report(&server, "human", task, body);

    let first = asked(1);
    for part in ["\"output\":{…}", "\"minimum\":1", "must fulfil"] {
        assert!(first.contains(part), "{part:?} is missing: {first}");
    }
    assert!(!first.contains("What was wrong"), "{first}");

    let large = json!({"output": {"files": 1, "names": "x".repeat(1_000)}});
    let problem = report(&first, &large).problem(422);
    assert_eq!(problem["violations"][0]["path"], "/output", "{problem:#}");
    let detail = problem["violations"][0]["message"].as_str();
    assert!(
        detail.is_some_and(|detail| detail.contains("`output_bytes` is 1000")),
        "{problem:#}"
    );

    let none = report(&first, &json!({"summary": "Many."})).ok();
    assert_eq!(none["accepted"], true, "{none}");
    let second = asked(2);
    assert!(
        second.contains("What was wrong with the last output:\n- ")
            && second.contains("there is no output"),
        "{second}"
    );
    let wrong = report(&second, &json!({"output": {"files": 0}})).ok();
    assert_eq!(wrong["accepted"], true, "{wrong}");
    let third = asked(3);
    assert!(third.contains("\n- /files: "), "{third}");

    let right = json!({"summary": "Seven.", "output": {"files": 7}});
    assert_eq!(report(&third, &right).ok()["accepted"], true);
    let done = server.done(&ticket);
    assert_eq!(done["output"], json!({"files": 7}));
    assert_eq!(done["summary"], "Seven.");
    assert_eq!(
        (&done["rejections"], &done["attempts"], &done["violations"]),
        (&json!(2), &json!(3), &json!([]))
    );
}

#[test]
fn wrong_reports_are_refused_with_a_reason() {
    let office = office();
    let (_, children) = office.delegate("Stay open", &["human"]);
    let body = json!({"summary": "x"});
    let nobody = "0195e0a2-7c1e-7cc3-9f51-6d1a2b3c4d5e";
    office.report(nobody, "", &body).problem(404);
    office.report("nobody", "", &body).problem(404);
    let status = json!({"summary": "x", "status": "done"});
    let problem = office.report("human", "", &status).problem(422);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(
        detail.contains("completed") && detail.contains("failed"),
        "{detail}"
    );
    office
        .report("human", "", &json!({"sumary": "x"}))
        .problem(422);
    office.report("human", "?token=secret", &body).problem(400);

    // An agent that works inside is not reported for.
    let script = json!([{"ask": {"member": "maria", "text": "Well?"}}]);
    let inside = office.server.tell("inside", "Inside", script);
    office.server.waiting(&inside);
    let answer = office.report("inside", "", &body).ok();
    assert_eq!(answer["accepted"], false, "{answer}");
    assert_eq!(office.server.ticket(&children[0])["status"], "in_progress");
    assert_eq!(office.server.ticket(&inside)["status"], "in_progress");
}

#[test]
fn an_open_task_survives_a_crash_with_its_line() {
    let mut office = office();
    let (root, children) = office.delegate("Take your time", &["human"]);
    let line = office.line(&children[0]);
    let before = office.server.url.clone();
    office.server.kill();
    office.server.restart();
    // It listens on another port now; the rest of the line is as good as before.
    let line = line.replace(&before, &office.server.url);
    assert_eq!(shell(&line).json(0)["accepted"], true);
    let report = &office.server.answers(&root)[1]["reports"][0];
    assert_eq!(report["summary"], "Brief result summary");
    assert_eq!(shell(&line).json(0)["accepted"], false);
}
