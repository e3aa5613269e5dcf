//! Eight subordinates work at the same time.

use crate::support::{
    Repo, Server, agent, all_events, boss, folder, names_in, of_kind, team, text,
};
use serde_json::json;

const NAMES: [&str; 8] = ["ada", "bea", "cleo", "dora", "elsa", "fay", "gwen", "hana"];

#[test]
fn eight_subordinates_are_at_work_at_the_same_time() {
    let repo = Repo::new();
    let meeting = folder();
    // Each goes on only when all eight are there: one after the other would never end.
    let script = format!(
        ": > '{0}'/$1; while [ $(ls '{0}' | wc -l) -lt 8 ]; do sleep 0.05; done; echo met",
        text(meeting.path())
    );
    let subordinates = NAMES.map(|name| {
        let command = ["sh", "-c", &script, "sh", name];
        agent(name, "command")
            .under("lead")
            .may_run(&command)
            .config(json!({
                "commands": [{"name": "meet", "run": command, "timeout_ms": 50_000}]
            }))
    });
    let lead = NAMES.into_iter().fold(boss("lead"), |lead, name| {
        lead.may_run(&["sh", "-c", &script, "sh", name])
    });
    let server = Server::start();
    server.add(&["scripted"]);
    server.apply(&team(Some(&repo), [lead].into_iter().chain(subordinates)));
    let parts = NAMES.map(|name| json!({"title": format!("Part of {name}"), "to": name}));
    let id = server.tell(
        "lead",
        "Meet",
        json!([{"delegate": parts}, {"await": {"join": "all"}}]),
    );

    let answers = server.answers(&id);
    assert_eq!(answers[1]["met"], true);
    let reports = answers[1]["reports"].as_array().expect("reports");
    assert_eq!(reports.len(), 8);
    for report in reports {
        assert_eq!(report["outcome"], "completed", "{report:#}");
        assert_eq!(report["output"]["commands"][0]["stdout"], "met\n");
    }
    assert_eq!(names_in(meeting.path()), NAMES);

    // The same in the log: all have begun before the first has ended.
    let events = all_events(&server);
    let seqs = |kind: &str| -> Vec<u64> {
        of_kind(&events, kind)
            .into_iter()
            .filter(|event| event["ticket"] != json!(id))
            .map(|event| event["seq"].as_u64().expect("a number"))
            .collect()
    };
    let (started, ended) = (seqs("TicketStarted"), seqs("RunEnded"));
    assert_eq!((started.len(), ended.len()), (8, 8));
    assert!(started.iter().max() < ended.iter().min());
}
