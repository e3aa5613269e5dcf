//! Work in a worktree of its own: it comes back as a branch, and the user's checkout stays as it is.

use crate::support::{Repo, Server, agent, boss, folder, hand, names_in, team, until};
use serde_json::{Value, json};

#[test]
fn work_comes_back_as_a_branch_and_nothing_else_of_the_users_changes() {
    let (repo, caught) = (Repo::new(), folder());
    // A checkout in the middle of something: staged, changed and new files.
    repo.write("staged.txt", "staged\n");
    repo.git(&["add", "staged.txt"]);
    repo.write("notes.md", "# Notes\n\nchanged, not staged\n");
    repo.write("new.txt", "untracked\n");
    repo.set_traps(caught.path());
    let before = repo.snapshot();
    let head = repo.git(&["rev-parse", "HEAD"]);

    let show = ["cat", "notes.md"];
    let agents = [boss("lead"), hand("ada", "lead").may_run(&show)];
    let server = Server::scripted(&team(Some(&repo), agents));
    let id = server.tell(
        "ada",
        "Write a report",
        json!([
            {"list": ""},
            {"read": "tool.py"},
            {"run": show},
            {"write": {"path": "docs/report.md", "text": "# Report\n"}},
            {"write": {"path": "tool.py", "text": "print('better')\n"}},
            {"remove": "src/main.rs"},
            {"diff": true},
            {"commit": "Report on it"},
            {"commit": "Nothing more"},
            {"write": {"path": "left.txt", "text": "not committed\n"}}
        ]),
    );
    let answers = server.answers(&id);
    let names: Vec<&str> = answers[0]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["notes.md", "src", "tool.py"],
        "what is committed, and no .git"
    );
    assert_eq!(answers[1], "print('hello')\nprint('world')\n");
    assert_eq!(answers[2]["stdout"], "# Notes\n\nFIXME: say more.\n");
    let diff = answers[6].as_str().expect("a text");
    assert!(
        diff.contains("+# Report") && diff.contains("+print('better')"),
        "{diff}"
    );
    assert_eq!(answers[8], Value::Null, "nothing had changed");

    let ticket = server.ticket(&id);
    let branch = &ticket["branches"][0];
    assert_eq!(branch["repo"], "app");
    let name = branch["branch"].as_str().expect("a name");
    assert!(name.starts_with("adjutant/write-a-report-"), "{name}");
    assert_eq!(repo.other_branches(), [name]);
    assert_eq!(branch["commit"], repo.git(&["rev-parse", name]));
    let log = repo.git(&["log", "--format=%s", &format!("{head}..{name}")]);
    assert!(
        log.lines().any(|subject| subject == "Report on it"),
        "{log}"
    );
    assert_eq!(
        answers[7],
        repo.git(&["rev-parse", &format!("{name}~1")]),
        "two commits: {log}"
    );
    let files = repo.git(&["ls-tree", "-r", "--name-only", name]);
    assert_eq!(files, "docs/report.md\nleft.txt\nnotes.md\ntool.py");
    assert_eq!(
        repo.git(&["show", &format!("{name}:tool.py")]),
        "print('better')"
    );

    assert_eq!(repo.snapshot(), before);
    assert_eq!(
        names_in(caught.path()),
        Vec::<String>::new(),
        "no hook has run"
    );
    repo.git(&["fsck", "--strict"]);
    until("the worktree's end", || {
        server.worktrees_left().is_empty().then_some(())
    });
}

#[test]
fn a_ticket_that_is_reopened_goes_on_from_its_branch() {
    let repo = Repo::new();
    let server = Server::scripted(&team(Some(&repo), [boss("lead"), hand("ada", "lead")]));
    let script = json!([
        {"list": ""},
        {"on_attempt": {"attempt": 1, "steps": [{"write": {"path": "one.txt", "text": "1"}}]}},
        {"on_attempt": {"attempt": 2, "steps": [{"write": {"path": "two.txt", "text": "2"}}]}},
        {"diff": true}
    ]);
    let id = server.tell("ada", "Twice", script);
    server.done(&id);
    let first = server.ticket(&id)["branches"][0].clone();
    // Meanwhile the user goes on.
    repo.write("mine.txt", "mine\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "Mine"]);
    let path = format!("/v1/tickets/{id}/status");
    server
        .post(&path, &json!({"status": "open", "force": true}))
        .ok();
    server.wait("the second run", |client| {
        (client.runs(&id).len() == 2).then_some(())
    });
    let answers = server.answers(&id);
    assert!(answers[0].to_string().contains("one.txt"), "{answers:#?}");
    let diff = answers[3].as_str().expect("a text");
    assert!(
        diff.contains("one.txt") && diff.contains("two.txt"),
        "{diff}"
    );
    assert!(
        !diff.contains("mine.txt"),
        "the user's own work is no change of the ticket's: {diff}"
    );
    let second = server.ticket(&id)["branches"][0].clone();
    assert_eq!(second["branch"], first["branch"]);
    let name = second["branch"].as_str().expect("a name");
    assert_eq!(repo.other_branches(), [name]);
    let files = repo.git(&["ls-tree", "-r", "--name-only", name]);
    assert!(
        files.contains("one.txt") && files.contains("two.txt"),
        "{files}"
    );
}

#[test]
fn a_ticket_that_changes_nothing_leaves_no_branch() {
    let repo = Repo::new();
    let server = Server::scripted(&team(Some(&repo), [boss("lead"), hand("ada", "lead")]));
    let id = server.tell("ada", "Look", json!([{"list": ""}, {"diff": true}]));
    assert_eq!(server.answers(&id)[1], "");
    assert_eq!(server.ticket(&id)["branches"], json!([]));
    assert_eq!(repo.other_branches(), Vec::<String>::new());
}

#[test]
fn nothing_leads_out_of_a_worktree() {
    let repo = Repo::new();
    std::os::unix::fs::symlink("/etc/hostname", repo.path().join("out")).expect("linked");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "A link that leads out"]);
    let granted = ["echo", "hello"];
    let agents = [boss("lead"), hand("ada", "lead").may_run(&granted)];
    let server = Server::scripted(&team(Some(&repo), agents));
    let id = server.tell(
        "ada",
        "Break out",
        json!([
            {"read": "../../ticket.json"},
            {"read": "/etc/hostname"},
            {"read": "out"},
            {"write": {"path": "out", "text": "x"}},
            {"write": {"path": "../x", "text": "x"}},
            {"write": {"path": ".git/hooks/pre-commit", "text": "x"}},
            {"remove": "../../ticket.json"},
            {"list": ".."},
            {"run": ["echo", "hello", "world"]},
            {"run": ["sh", "-c", "echo hello"]},
            {"run": []},
            {"run": granted},
            {"read": "missing.txt"}
        ]),
    );
    let answers = server.answers(&id);
    let kind = |at: usize| {
        answers[at]["error"]["kind"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    for at in [0, 1, 4, 5, 6, 7, 8, 9] {
        assert_eq!(kind(at), "denied", "{at}: {}", answers[at]);
    }
    // A link is not followed; whether it is refused as such or as no file is the host's choice.
    assert_ne!(kind(2), "none", "{}", answers[2]);
    let said = answers[8]["error"]["text"].as_str().expect("a text");
    assert!(said.contains("grant"), "it names what is missing: {said}");
    assert_ne!(kind(10), "none", "{}", answers[10]);
    assert_eq!(answers[11]["stdout"], "hello\n");
    assert_eq!(kind(12), "not-found");
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    assert_ne!(host, "x", "nothing was written through the link");
}

#[test]
fn without_a_repository_there_is_no_worktree() {
    let agents = [
        boss("lead"),
        hand("ada", "lead"),
        agent("runner", "command")
            .config(json!({"commands": [{"name": "list", "run": ["ls"]}]}))
            .may_run(&["ls"]),
    ];
    let server = Server::scripted(&team(None, agents));
    let id = server.tell("ada", "Look", json!([{"list": ""}, {"commit": "x"}]));
    for answer in server.answers(&id) {
        assert_eq!(answer["error"]["kind"], "not-found", "{answer}");
    }
    let id = server.create(&json!({"title": "List", "assignee": "runner"}));
    let why = server.failed(&id);
    assert!(why.contains("repositor"), "{why}");
}

#[test]
fn a_command_that_takes_too_long_is_ended() {
    let repo = Repo::new();
    let slow = ["sleep", "600"];
    let agents = [
        boss("lead"),
        hand("ada", "lead")
            .may_run(&slow)
            .may_run(&["nosuchprogram"]),
    ];
    let server = Server::scripted(&team(Some(&repo), agents));
    let id = server.tell(
        "ada",
        "Wait",
        json!([
            {"run": {"argv": slow, "timeout_ms": 300}},
            {"run": ["nosuchprogram"]}
        ]),
    );
    let answers = server.answers(&id);
    assert_eq!(answers[0]["error"]["kind"], "deadline", "{answers:#?}");
    assert_eq!(answers[1]["error"]["kind"], "not-found");
}

#[test]
fn a_repository_that_is_gone_fails_its_ticket_and_says_so() {
    let repo = Repo::new();
    let server = Server::scripted(&team(Some(&repo), [boss("lead"), hand("ada", "lead")]));
    std::fs::remove_dir_all(repo.path()).expect("removed");
    let id = server.tell("ada", "Look", json!([{"list": ""}]));
    let why = server.failed(&id);
    assert!(why.contains(&repo.text()), "{why}");
    assert_eq!(server.worktrees_left(), Vec::<String>::new());
}
