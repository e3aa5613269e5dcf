//! The main job, without HTTP: a boss delegates, subordinates work, reports come back.

use crate::common::{Bench, agent, steps};
use adjutant_dispatch::HostOptions;
use adjutant_model::{EventKind, Status};
use adjutant_run::RunnerOptions;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_subordinate_works_and_reports() {
    let bench = Bench::start().await;
    bench.team(vec![agent("sub", "scripted-sub", None)]).await;
    let script = json!([{"post": "hello"}, {"progress": "half"}, {"memory_put": ["k", "v"]},
        {"memory_get": "k"}, {"read_channel": {}}]);
    let id = bench.script("sub", script).await;
    let ticket = bench.over(id).await;
    assert_eq!(ticket.status, Status::Done, "{}", ticket.summary);
    let steps = steps(&ticket);
    assert_eq!(steps[3], "v");
    let texts: Vec<&str> = steps[4]["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|message| message["text"].as_str())
        .collect();
    assert_eq!(texts, ["hello", "half"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boss_delegates_awaits_and_sees_reports() {
    let bench = Bench::start().await;
    bench
        .team(vec![
            agent("boss", "scripted", None),
            agent("ada", "scripted-sub", Some("boss")),
            agent("bob", "scripted-sub", Some("boss")),
        ])
        .await;
    let id = bench
        .script(
            "boss",
            json!([
                {"delegate": [
                    {"title": "one", "to": "ada", "script": [{"report": {"summary": "one is done", "output": 1}}]},
                    {"title": "two", "to": "bob", "script": [{"fail": "no way"}]},
                ]},
                {"await": {"join": "all"}},
            ]),
        )
        .await;
    let ticket = bench.over(id).await;
    assert_eq!(ticket.status, Status::Done, "{}", ticket.summary);
    let joined = &steps(&ticket)[1];
    assert_eq!(joined["met"], true, "{joined}");
    assert_eq!(joined["reports"].as_array().map(Vec::len), Some(2));
    assert_eq!(joined["pending"], json!([]));
    let tree = bench
        .host
        .tree(bench.workspace, id)
        .await
        .expect("the tree");
    assert_eq!(tree.children.len(), 2);
    assert!(
        tree.children
            .iter()
            .all(|node| node.ticket.value.delegated_by.is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_boss_is_parked_and_woken() {
    let folder = Arc::new(
        tempfile::tempdir_in(adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR")))
            .expect("a folder"),
    );
    let runner = RunnerOptions {
        park_after: Duration::ZERO,
        ..RunnerOptions::default()
    };
    let bench = Bench::start_in(
        folder,
        HostOptions {
            runner,
            ..HostOptions::default()
        },
    )
    .await;
    bench
        .team(vec![
            agent("boss", "scripted", None),
            agent("sub", "scripted-sub", Some("boss")),
        ])
        .await;
    let child = json!([{"ask": {"member": "ann", "text": "which one?"}}, {"print": "after"}]);
    let script = json!([
        {"post": "before"}, {"random": 8}, {"delegate": [{"title": "one", "to": "sub", "script": child}]},
        {"await": {"join": "all"}}, {"random": 8}, {"post": "after"},
    ]);
    let id = bench.script("boss", script).await;
    bench
        .until(|event| matches!(event, EventKind::RunWaiting { what, .. } if what == "an answer"))
        .await;
    let bench = bench.restart().await;
    let child = bench
        .host
        .ticket(bench.workspace, id)
        .await
        .expect("the boss's")
        .value
        .children[0];
    let posted = bench
        .host
        .post_message(bench.workspace, child, "ann".into(), "this".into(), None);
    posted.await.expect("posted");
    let ticket = bench.over(id).await;
    assert_eq!(ticket.status, Status::Done, "{}", ticket.summary);
    assert_eq!(steps(&ticket)[3]["met"], true);
    let page = bench
        .host
        .messages(bench.workspace, id, 0, 100)
        .await
        .expect("messages");
    let texts: Vec<&str> = page
        .items
        .iter()
        .map(|view| view.message.text.as_str())
        .collect();
    assert_eq!((texts[0], texts[2]), ("before", "after"), "{texts:?}");
    assert_eq!(texts.len(), 3, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_and_a_trapping_guest_fail_alone() {
    let bench = Bench::start().await;
    let mut spin = agent("spin", "spin", None);
    spin.limits.guest_time_ms = 300;
    bench
        .team(vec![
            spin,
            agent("trap", "trapper", None),
            agent("good", "scripted-sub", None),
        ])
        .await;
    let spin = bench.script("spin", json!([])).await;
    let trap = bench.script("trap", json!([])).await;
    let good = bench.script("good", json!([{"post": "fine"}])).await;
    assert_eq!(bench.over(good).await.status, Status::Done);
    let spin = bench.over(spin).await;
    assert_eq!(spin.status, Status::Failed);
    assert!(spin.summary.contains("300 ms"), "{}", spin.summary);
    let trap = bench.over(trap).await;
    assert_eq!(trap.status, Status::Failed);
    assert!(trap.summary.contains("panicked"), "{}", trap.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_begins_with_the_same_task_whatever_has_changed_since() {
    let bench = Bench::start().await;
    let mut sub = agent("sub", "scripted-sub", None);
    let first = json!([{"task": true}, {"ask": {"member": "ann", "text": "well?"}}, {"report": {"summary": "as it was", "with_steps": true}}]);
    sub.config = Some(json!({ "steps": first }));
    bench.team(vec![sub.clone()]).await;
    let new = adjutant_model::NewTicket {
        title: "by configuration".to_owned(),
        assignee: Some("sub".to_owned()),
        ..Default::default()
    };
    let id = bench
        .host
        .create_ticket(bench.workspace, new)
        .await
        .expect("a ticket")
        .id;
    bench
        .until(|event| matches!(event, EventKind::RunWaiting { .. }))
        .await;
    sub.config = Some(json!({"steps": [{"post": "something else"}]}));
    sub.description = "someone else".to_owned();
    bench.team(vec![sub]).await;
    let bench = bench.restart().await;
    let posted = bench
        .host
        .post_message(bench.workspace, id, "ann".into(), "go on".into(), None);
    posted.await.expect("posted");
    let ticket = bench.over(id).await;
    assert_eq!(ticket.summary, "as it was");
    assert_eq!(ticket.status, Status::Done);
}
