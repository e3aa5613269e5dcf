//! A host that dies while commands run, and while it cancels: at the next start nothing of the old one
//! is left, and what was cancelled is wholly cancelled.

use crate::support::{
    Client, Repo, Server, Setup, boss, folder, hand, processes_of, team, text, until,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Folders outside of the host: where commands leave lines, and where the gate of its `git` is.
struct Outside {
    folder: TempDir,
}

impl Outside {
    fn new() -> Outside {
        let outside = Outside { folder: folder() };
        std::fs::create_dir(outside.path("programs")).expect("made");
        outside
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The numbers that commands have left in a file.
    fn numbers(&self, name: &str) -> Vec<u32> {
        let lines = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        lines.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// A `git` that stops whatever it is asked for while the gate is shut, and then is the real one.
    fn gated_git(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let real = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH"))
            .map(|folder| folder.join("git"))
            .find(|path| path.is_file())
            .expect("git is installed");
        let script = format!(
            "#!/bin/sh\n\
             while [ -e '{gate}/shut' ]; do : > '{gate}/waiting'; sleep 0.05; done\n\
             exec '{real}' \"$@\"\n",
            gate = self.folder.path().display(),
            real = real.display()
        );
        let path = self.path("programs/git");
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
        self.path("programs")
    }

    fn shut(&self) {
        std::fs::write(self.path("shut"), "").expect("written");
    }

    fn open(&self) {
        std::fs::remove_file(self.path("shut")).expect("it was shut");
    }
}

/// Whether a process is there and not only waiting to be looked at once more.
fn lives(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| !environment.is_empty())
}

fn until_gone(pid: u32) {
    until(&format!("the end of process {pid}"), || {
        (!lives(pid)).then_some(())
    });
}

/// Nothing is left of anything: no process, no worktree, no instance, no run.
fn nothing_is_left(server: &Server) {
    until("the worktrees' end", || {
        server.worktrees_left().is_empty().then_some(())
    });
    let mark = text(server.worktrees().canonicalize().expect("it is there"));
    until("the processes' end", || {
        crate::support::processes_with("ADJUTANT_WORKTREES", &mark)
            .is_empty()
            .then_some(())
    });
    until("an idle host", || {
        let status = server.get("/v1/status").ok();
        let zero = [
            "/runs/live",
            "/runs/in_memory",
            "/runs/parked",
            "/tickets/live",
            "/tickets/queued",
            "/instances/now",
            "/worktrees",
        ];
        zero.iter()
            .all(|path| status.pointer(path) == Some(&json!(0)))
            .then_some(())
    });
}

#[test]
fn what_a_killed_host_left_running_is_gone_before_its_command_runs_again() {
    let (repo, outside) = (Repo::new(), Outside::new());
    // Says when another one lives; one more process leaves the group, and is nobody's child.
    let script = "\
        cd \"$1\"; \
        for old in $(cat pids 2>/dev/null); do \
            if tr -d '\\0' < /proc/$old/environ 2>/dev/null | grep -q .; then \
                echo $old >> overlaps; fi; done; \
        echo $$ >> pids; \
        setsid sh -c 'echo $$ >> pids; exec sleep 600' > log 2>&1 < log & \
        while [ ! -e go ]; do sleep 0.05; done; \
        echo over";
    let command = ["sh", "-c", script, "sh", "*"];
    let agents = [boss("lead"), hand("slow", "lead").may_run(&command)];
    std::fs::write(outside.path("log"), "").expect("written");
    let mut server = Server::scripted(&team(Some(&repo), agents));
    let here = text(outside.folder.path());
    let argv = ["sh", "-c", script, "sh", &here];
    let id = server.tell("slow", "Take long", json!([{"run": argv}]));

    let mut before = Vec::new();
    for round in 1..=3 {
        let all = until("two processes of each start", || {
            let pids = outside.numbers("pids");
            (pids.len() == 2 * round).then_some(pids)
        });
        let new = all[2 * (round - 1)..].to_vec();
        for pid in before {
            assert!(!lives(pid), "{pid} of an earlier host runs on");
        }
        assert!(new.iter().all(|pid| lives(*pid)));
        if round == 3 {
            break;
        }
        server.kill();
        assert!(
            new.iter().all(|pid| lives(*pid)),
            "the command outlives its host: there is something to end"
        );
        before = new;
        server.restart();
    }
    std::fs::write(outside.path("go"), "").expect("written");
    let answers = server.answers(&id);
    assert_eq!(answers[0]["stdout"], "over\n");
    assert_eq!(outside.numbers("overlaps"), [] as [u32; 0], "one at a time");
    for pid in outside.numbers("pids") {
        until_gone(pid);
    }
    assert_eq!(server.runs(&id).len(), 1);
    nothing_is_left(&server);
}

const HANDS: [&str; 3] = ["left", "right", "third"];

/// A tree of three levels, each ticket of which runs a command in its worktree.
struct Forest {
    server: Server,
    repo: Repo,
    outside: Outside,
    script: String,
    trees: usize,
}

impl Forest {
    fn new() -> Forest {
        let (repo, outside) = (Repo::new(), Outside::new());
        let file = text(outside.path("pids"));
        let script = format!("echo $$ >> '{file}-'$1; sleep 600 & wait");
        let command = ["sh", "-c", &script, "sh", "*"];
        let mut agents = vec![
            boss("top").may_run(&command),
            boss("middle").under("top").may_run(&command),
        ];
        agents.extend(HANDS.map(|name| hand(name, "middle").may_run(&command)));
        let server = Server::with(Setup {
            programs: Some(outside.gated_git()),
            ..Setup::default()
        });
        server.add(&["scripted", "scripted-sub"]);
        server.apply(&team(Some(&repo), agents));
        Forest {
            server,
            repo,
            outside,
            script,
            trees: 0,
        }
    }

    /// Makes a tree; gives back its tickets, the root first, when all of their commands run.
    fn grow(&mut self) -> Vec<String> {
        self.trees += 1;
        let mark = self.trees.to_string();
        let run = json!({"run": ["sh", "-c", self.script, "sh", mark]});
        let below: Vec<Value> = HANDS
            .iter()
            .map(|name| json!({"title": name, "to": name, "script": [run]}))
            .collect();
        let middle = json!([{"delegate": below}, run]);
        let root = self.server.tell(
            "top",
            "All of it",
            json!([
                {"delegate": [{"title": "Middle", "to": "middle", "script": middle}]},
                run
            ]),
        );
        self.until_all_run(1);
        let middle = id_of(&self.server.children(&root)[0]);
        let leaves = self.server.children(&middle);
        let mut tickets = vec![root, middle];
        tickets.extend(leaves.iter().map(id_of));
        assert_eq!(tickets.len(), 2 + HANDS.len());
        tickets
    }

    fn pids(&self) -> Vec<u32> {
        self.outside.numbers(&format!("pids-{}", self.trees))
    }

    /// Waits until each ticket of the newest tree runs its command for so many times.
    fn until_all_run(&self, times: usize) {
        until("all commands", || {
            (self.pids().len() >= times * (2 + HANDS.len())).then_some(())
        });
    }

    fn is_wholly_cancelled(&self, tickets: &[String]) {
        for id in tickets {
            assert_eq!(self.server.ticket(id)["status"], "cancelled");
            let runs = self.server.runs(id);
            assert_eq!(runs.len(), 1, "{runs:#?}");
            assert_eq!(runs[0]["status"], "cancelled");
            assert_eq!(processes_of(id), [] as [u32; 0]);
        }
        for pid in self.pids() {
            until_gone(pid);
        }
        nothing_is_left(&self.server);
        assert_eq!(self.repo.other_branches(), Vec::<String>::new());
    }
}

fn id_of(ticket: &Value) -> String {
    ticket["id"].as_str().expect("an id").to_owned()
}

fn cancel(client: &Client, id: &str) -> Option<u16> {
    let path = format!("/v1/tickets/{id}/cancel");
    client
        .try_send("POST", &path, &[], None)
        .map(|reply| reply.status)
}

#[test]
fn a_cancelling_that_a_crash_cuts_off_is_finished_at_the_next_start() {
    let mut forest = Forest::new();
    let tickets = forest.grow();
    // The git that ends the worktrees hangs, so the host certainly dies before they are ended.
    forest.outside.shut();
    assert_eq!(cancel(&forest.server, &tickets[0]), Some(200));
    until("a cleaning under way", || {
        forest.outside.path("waiting").exists().then_some(())
    });
    forest.server.kill();
    assert_eq!(
        forest.server.worktrees_left().len(),
        tickets.len(),
        "none was ended"
    );
    forest.outside.open();
    forest.server.restart();
    until("the worktrees' end", || {
        forest.server.worktrees_left().is_empty().then_some(())
    });
    forest.is_wholly_cancelled(&tickets);
    assert_eq!(forest.pids().len(), tickets.len(), "no command ran again");

    // And once more, in the very moment of the acknowledgement.
    let tickets = forest.grow();
    assert_eq!(cancel(&forest.server, &tickets[0]), Some(200));
    forest.server.kill();
    forest.server.restart();
    until("the worktrees' end", || {
        forest.server.worktrees_left().is_empty().then_some(())
    });
    forest.is_wholly_cancelled(&tickets);
}

#[test]
fn killed_before_the_acknowledgement_a_tree_is_cancelled_wholly_or_not_at_all() {
    let mut forest = Forest::new();
    let mut outcomes = Vec::new();
    for delay in [1, 5, 12, 25, 50] {
        let tickets = forest.grow();
        let client: Client = (*forest.server).clone();
        let root = tickets[0].clone();
        let asked = std::thread::spawn(move || cancel(&client, &root));
        // No synchronisation: the moment of the crash, somewhere around the decision.
        std::thread::sleep(Duration::from_millis(delay));
        forest.server.kill();
        let acknowledged = asked.join().expect("it ends") == Some(200);
        forest.server.restart();
        let statuses: Vec<Value> = tickets
            .iter()
            .map(|id| forest.server.ticket(id)["status"].clone())
            .collect();
        let cancelled = statuses.iter().filter(|s| **s == "cancelled").count();
        assert!(
            cancelled == 0 || cancelled == tickets.len(),
            "half of it: {statuses:?}"
        );
        assert!(
            cancelled > 0 || !acknowledged,
            "what was acknowledged holds"
        );
        outcomes.push((delay, acknowledged, cancelled > 0));
        if cancelled == 0 {
            // It goes on as if nobody had asked.
            forest.until_all_run(2);
            assert_eq!(cancel(&forest.server, &tickets[0]), Some(200));
        }
        until("the worktrees' end", || {
            forest.server.worktrees_left().is_empty().then_some(())
        });
        forest.is_wholly_cancelled(&tickets);
    }
    eprintln!("delay in ms, acknowledged, cancelled: {outcomes:?}");
}

#[test]
fn a_ticket_that_is_reopened_while_its_worktree_is_ended_waits_for_that() {
    let (repo, outside) = (Repo::new(), Outside::new());
    let server = Server::with(Setup {
        programs: Some(outside.gated_git()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(Some(&repo), [boss("lead"), hand("sub", "lead")]));
    let id = server.tell(
        "sub",
        "Twice",
        json!([
            {"on_attempt": {"attempt": 1, "steps": [
                {"write": {"path": "first.txt", "text": "first"}},
                {"ask": {"member": "maria", "text": "Shall I?"}}
            ]}},
            {"on_attempt": {"attempt": 2, "steps": [
                {"write": {"path": "second.txt", "text": "second"}}
            ]}},
            {"list": ""}
        ]),
    );
    server.waiting(&id);
    outside.shut();
    assert_eq!(cancel(&server, &id), Some(200));
    until("the cleaning", || {
        outside.path("waiting").exists().then_some(())
    });
    let reopen = json!({"status": "open", "force": true});
    server
        .post(&format!("/v1/tickets/{id}/status"), &reopen)
        .ok();
    let run = server.wait("the second run", |client| {
        client.runs(&id).into_iter().nth(1)
    });
    assert_eq!(run["status"], "provisioning");
    let git = processes_of(&id);
    assert!(!git.is_empty(), "the cleaning goes on");
    outside.open();
    let answers = server.answers(&id);
    let names: Vec<&Value> = answers[2]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert!(names.contains(&&json!("second.txt")), "{names:?}");
    assert!(
        !names.contains(&&json!("first.txt")),
        "what was cancelled is gone: {names:?}"
    );
    let ticket = server.ticket(&id);
    let branch = ticket["branches"][0]["branch"].as_str().expect("a branch");
    assert_eq!(
        repo.git(&["show", &format!("{branch}:second.txt")]),
        "second"
    );
    nothing_is_left(&server);
    let log = server.logged();
    assert!(
        !log.contains("tried again"),
        "nobody disturbed the cleaning"
    );
}

#[test]
fn a_tree_has_a_limit_in_bytes_and_a_full_one_is_cancelled_as_a_whole() {
    let server = Server::with(Setup {
        config: Some("[limits]\ntree_bytes = 400000\n".to_owned()),
        ..Setup::default()
    });
    server.add(&["scripted", "scripted-sub"]);
    server.apply(&team(None, [boss("lead").at_once(1), hand("sub", "lead")]));
    let status = server.get("/v1/status").ok();
    assert_eq!(status["limits"]["tree_bytes"], 400_000);
    let root = server.create(&json!({"title": "Root"}));
    let below = json!({
        "title": "Below", "parent": root, "assignee": "sub",
        "description": json!({"steps": [{"ask": {"member": "maria", "text": "Shall I?"}}],
            "padding": "x".repeat(60_000)}).to_string(),
    });
    let mut made = 0;
    let refused = loop {
        let reply = server.post("/v1/tickets", &below);
        if reply.status != 201 {
            break reply;
        }
        made += 1;
    };
    let problem = refused.any_problem();
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains("`tree_bytes`"), "{detail}");
    assert_eq!(made, 6, "{detail}");
    assert_eq!(cancel(&server, &root), Some(200));
    for child in server.children(&root) {
        assert_eq!(child["status"], "cancelled");
    }
    nothing_is_left(&server);
}
