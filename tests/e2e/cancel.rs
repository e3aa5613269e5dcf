//! Cancelling: while a worktree is being made, all below a ticket, and a command that runs.

use crate::support::{
    Repo, Server, Setup, all_events, boss, folder, hand, of_kind, processes_of, team, text, until,
    until_there,
};
use serde_json::{Value, json};
use std::path::Path;

/// A `git` that stops at `clone` until a file is there, and then is the real one.
fn slow_git(programs: &Path, gate: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let real = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH"))
        .map(|folder| folder.join("git"))
        .find(|path| path.is_file())
        .expect("git is installed");
    let (gate, real) = (gate.display(), real.display());
    let script = format!(
        "#!/bin/sh\n\
         for a; do\n\
         if [ \"$a\" = clone ]; then\n\
         : > '{gate}/cloning'\n\
         while [ ! -e '{gate}/go' ]; do sleep 0.05; done\n\
         fi\n\
         done\n\
         exec '{real}' \"$@\"\n"
    );
    let path = programs.join("git");
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
}

#[test]
fn a_ticket_that_is_cancelled_while_its_worktree_is_made_never_runs() {
    let (repo, programs, gate) = (Repo::new(), folder(), folder());
    slow_git(programs.path(), gate.path());
    let server = Server::with(Setup {
        programs: Some(programs.path().to_owned()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(Some(&repo), [hand("worker", "lead"), boss("lead")]));
    let before = repo.snapshot();

    let id = server.tell(
        "worker",
        "Never",
        json!([{"post": "I am here"}, {"list": ""}]),
    );
    until_there(&gate.path().join("cloning"));
    assert_eq!(server.runs(&id)[0]["status"], "provisioning");
    assert!(!processes_of(&id).is_empty(), "git is at it");

    let path = format!("/v1/tickets/{id}/cancel");
    let cancelled = server
        .post(&path, &json!({"reason": "changed my mind"}))
        .ok();
    assert_eq!(cancelled["status"], "cancelled");
    until("the end of git", || {
        processes_of(&id).is_empty().then_some(())
    });
    until("the worktree's end", || {
        server.worktrees_left().is_empty().then_some(())
    });

    // The gate opens too late for the first ticket; the next one is the first to go through it.
    std::fs::write(gate.path().join("go"), "").expect("written");
    let next = server.tell("worker", "Next", json!([{"list": ""}]));
    server.done(&next);
    let run = &server.runs(&id)[0];
    assert_eq!(
        (&run["status"], &run["calls"]),
        (&json!("cancelled"), &json!(0))
    );
    assert_eq!(server.runs(&id).len(), 1);
    let ticket = server.ticket(&id);
    assert_eq!(
        (&ticket["status"], &ticket["branches"]),
        (&json!("cancelled"), &json!([]))
    );
    assert_eq!(ticket["summary"], "changed my mind");
    assert_eq!(server.messages(&id), Vec::<Value>::new());
    let events = all_events(&server);
    let started = of_kind(&events, "TicketStarted");
    assert_eq!(
        started
            .iter()
            .filter(|event| event["ticket"] == json!(id))
            .count(),
        1
    );
    until("the worktrees' end", || {
        server.worktrees_left().is_empty().then_some(())
    });
    assert_eq!(repo.snapshot(), before);
    assert_eq!(repo.other_branches(), Vec::<String>::new());
}

#[test]
fn cancelling_a_ticket_cancels_all_below_it_and_ends_what_runs() {
    let (repo, pids) = (Repo::new(), folder());
    let script = format!("echo $$ > '{}/'$1; sleep 600 & wait", text(pids.path()));
    let command = ["sh", "-c", &script, "sh", "*"];
    let agents = [
        boss("top").may_run(&command),
        boss("middle").under("top").may_run(&command),
        hand("left", "middle").may_run(&command),
        hand("right", "middle").may_run(&command),
    ];
    let server = Server::scripted(&team(Some(&repo), agents));
    let run = |name: &str| json!([{"run": ["sh", "-c", script, "sh", name]}, {"post": "after"}]);
    let middle = json!([
        {"delegate": [
            {"title": "Left", "to": "left", "script": run("left")},
            {"title": "Right", "to": "right", "script": run("right")}
        ]},
        {"await": {"join": "all"}}
    ]);
    let root = server.tell(
        "top",
        "All of it",
        json!([
            {"delegate": [{"title": "Middle", "to": "middle", "script": middle}]},
            {"await": {"join": "all"}}
        ]),
    );
    let pid = |name: &str| {
        let path = pids.path().join(name);
        until(name, || {
            std::fs::read_to_string(&path)
                .ok()?
                .trim()
                .parse::<u32>()
                .ok()
        })
    };
    let pids = [pid("left"), pid("right")];
    let tree = server.tree(&root);
    let middle = &tree["children"][0];
    let mut tickets = vec![root.clone(), id_of(middle)];
    tickets.extend(
        middle["children"]
            .as_array()
            .expect("children")
            .iter()
            .map(id_of),
    );
    assert_eq!(tickets.len(), 4);

    let cancelled = server
        .send("POST", &format!("/v1/tickets/{root}/cancel"), &[], None)
        .ok();
    assert_eq!(cancelled["status"], "cancelled");
    for id in &tickets {
        assert_eq!(server.ticket(id)["status"], "cancelled");
        for run in server.runs(id) {
            assert_eq!(run["status"], "cancelled");
        }
        until("the end of its processes", || {
            processes_of(id).is_empty().then_some(())
        });
    }
    for pid in pids {
        let path = format!("/proc/{pid}");
        until("the command's end", || {
            (!Path::new(&path).exists()).then_some(())
        });
    }
    until("the worktrees' end", || {
        server.worktrees_left().is_empty().then_some(())
    });
    for id in &tickets {
        let said = server.messages(id);
        assert!(
            said.iter().all(|message| message["text"] != "after"),
            "{said:#?}"
        );
    }
    let agents = server.get("/v1/agents").ok();
    for agent in agents["items"].as_array().expect("agents") {
        assert_eq!(agent["tracking_status"], "idle", "{agent:#}");
        assert_eq!(agent["current"], json!([]));
    }
    assert_eq!(repo.other_branches(), Vec::<String>::new());

    // What is over cannot be cancelled; cancelling twice is once.
    let again = server
        .send("POST", &format!("/v1/tickets/{root}/cancel"), &[], None)
        .ok();
    assert_eq!(again["status"], "cancelled");
    let done = server.tell("left", "Quick", json!([{"report": {}}]));
    server.done(&done);
    server
        .send("POST", &format!("/v1/tickets/{done}/cancel"), &[], None)
        .problem(409);
}

#[test]
fn an_answer_after_the_cancelling_wakes_nobody() {
    let server = Server::scripted(&team(None, [boss("lead"), hand("sub", "lead")]));
    let ask = json!([{"ask": {"member": "maria", "text": "Shall I?"}}, {"post": "I shall"}]);
    let id = server.tell("sub", "Ask first", ask);
    server.waiting(&id);
    server
        .send("POST", &format!("/v1/tickets/{id}/cancel"), &[], None)
        .ok();
    // An answer that comes too late wakes nobody.
    let answer = json!({"text": "Yes", "author": "maria"});
    server
        .post(&format!("/v1/tickets/{id}/messages"), &answer)
        .ok();
    let next = server.tell("sub", "Next", json!([{"report": {}}]));
    server.done(&next);
    assert_eq!(server.runs(&id)[0]["status"], "cancelled");
    let said = server.messages(&id);
    assert!(
        said.iter().all(|message| message["text"] != "I shall"),
        "{said:#?}"
    );
}

fn id_of(node: &Value) -> String {
    node["ticket"]["id"].as_str().expect("an id").to_owned()
}
