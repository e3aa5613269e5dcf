//! Tricks with paths and commands, in a worktree whose agent is granted a shell: nothing leads out,
//! nothing that it leaves runs in the host, and no process stays.

use crate::support::{Repo, Server, boss, folder, hand, names_in, processes_of, team, text, until};
use serde_json::{Value, json};

/// A server whose hand `ada` may run any shell command, `echo` and `sleep`.
fn server(repo: &Repo) -> Server {
    let ada = hand("ada", "lead")
        .may_run(&["sh", "-c", "*"])
        .may_run(&["echo", "*"])
        .at_once(4);
    Server::scripted(&team(
        Some(repo),
        [boss("lead"), ada, hand("neighbour", "lead")],
    ))
}

fn kind(answer: &Value) -> &str {
    answer["error"]["kind"].as_str().unwrap_or("none")
}

#[test]
fn no_name_and_no_link_that_a_command_makes_leads_out_or_into_git() {
    let (repo, outside) = (Repo::new(), folder());
    std::fs::write(outside.path().join("secret"), "secret").expect("written");
    let server = server(&repo);
    let outside_text = text(outside.path());
    let make = format!(
        "set -e; ln -s '{outside_text}' out; ln -s ../../.. up; ln -s .git git; ln -s a b; ln -s b a
         ln -s '{outside_text}/new' dangling; mkfifo pipe; mkdir -p deep
         ln -s / root; mkdir sub; cd sub; git init -q; git config core.fsmonitor false"
    );
    let deep = format!("{}end.txt", "d/".repeat(300));
    let long = format!("{}x", "long/".repeat(1_000));
    let steps = json!([
        {"run": ["sh", "-c", make]},
        // Reads: all refused.
        {"read": "out/secret"}, {"read": "up/ticket.json"}, {"read": "git/config"},
        {"read": "root/etc/hostname"}, {"read": "a"}, {"read": "pipe"}, {"read": "sub/.git/config"},
        {"read": "/etc/hostname"}, {"read": "deep/../../x"}, {"read": "nul\u{0}"}, {"read": long},
        {"list": "out"}, {"list": "git"}, {"list": "root"}, {"list": "up"},
        // Writes: all refused.
        {"write": {"path": "out/new", "text": "x"}},
        {"write": {"path": "dangling", "text": "x"}},
        {"write": {"path": "git/hooks/post-commit", "text": "x"}},
        {"write": {"path": ".git/config", "text": "x"}},
        {"write": {"path": ".GIT/config", "text": "x"}},
        {"write": {"path": "sub/.git/hooks/pre-commit", "text": "x"}},
        {"write": {"path": "a/x", "text": "x"}},
        {"write": {"path": "pipe", "text": "x"}},
        {"remove": "out/secret"}, {"remove": ".git"}, {"remove": "root/etc/hostname"}, {"remove": ""},
        // Odd and harmless.
        {"write": {"path": deep, "text": "deep"}}, {"read": deep},
        {"write": {"path": "line\nbreak.txt", "text": "odd"}}, {"read": "line\nbreak.txt"},
        {"write": {"path": "-rf", "text": "odd"}},
        {"remove": "out"}, {"remove": "pipe"},
        {"commit": "Odd names"}
    ]);
    let id = server.tell("ada", "Lead out", steps.clone());
    let answers = server.answers(&id);
    assert_eq!(answers[0]["code"], 0, "{}", answers[0]);
    for at in 1..28 {
        let refused = matches!(kind(&answers[at]), "denied" | "invalid" | "not-found");
        assert!(refused, "{}: {}", steps[at], answers[at]);
    }
    for at in [28, 30, 32, 33, 34] {
        assert!(answers[at].is_null(), "{}: {}", steps[at], answers[at]);
    }
    assert_eq!(
        (&answers[29], &answers[31]),
        (&json!("deep"), &json!("odd"))
    );
    assert!(answers[35].is_string(), "{}", answers[35]);
    assert_eq!(names_in(outside.path()), ["secret"]);
    let branch = server.ticket(&id)["branches"][0]["branch"].clone();
    let branch = branch.as_str().expect("it came back");
    let files = repo.git(&["ls-tree", "-rz", "--name-only", branch]);
    assert!(
        files.contains("line\nbreak.txt") && files.contains("-rf"),
        "{files}"
    );
    repo.git(&["fsck", "--strict"]);
}

#[test]
fn what_a_command_plants_in_its_clone_never_runs_in_the_host() {
    let (repo, caught) = (Repo::new(), folder());
    repo.set_traps(caught.path());
    let before = repo.snapshot();
    let server = server(&repo);
    let trap = format!(": > '{}'", text(caught.path().join("planted")));
    let plant = format!(
        "trap=\"{trap}; cat\"
         for hook in pre-commit post-commit post-checkout reference-transaction post-index-change; do
           printf '#!/bin/sh\\n%s\\n' \"$trap\" > .git/hooks/$hook; chmod +x .git/hooks/$hook
         done
         git config filter.x.clean \"$trap\"; git config filter.x.process \"$trap\"
         git config diff.x.textconv \"$trap\"; git config core.fsmonitor \"$trap\"
         git config core.sshCommand \"$trap\"; git config gpg.program \"$trap\"
         git config commit.gpgSign true; git config core.editor \"$trap\"
         git config include.path '{}'; git config uploadpack.packObjectsHook \"$trap\"
         echo '* filter=x diff=x' > .gitattributes
         printf '[submodule \"evil\"]\n path = evil\n url = ../evil\n' > .gitmodules
         mkdir evil; git -C evil init -q; git -C evil config core.fsmonitor \"$trap\"
         git -C evil commit -q --allow-empty -m x; rm -f '{}'; true",
        text(caught.path().join("config")),
        text(caught.path().join("planted")),
    );
    let id = server.tell(
        "ada",
        "Plant",
        json!([
            {"run": ["sh", "-c", plant]},
            {"write": {"path": "tool.py", "text": "print('changed')\n"}},
            {"diff": true},
            {"commit": "With company"},
            {"list": ""}
        ]),
    );
    let answers = server.answers(&id);
    let diff = answers[2].as_str().expect("a diff");
    assert!(diff.contains("+print('changed')"), "{diff}");
    assert!(answers[3].is_string(), "{answers:#?}");
    assert_eq!(names_in(caught.path()), Vec::<String>::new());
    assert_eq!(repo.snapshot(), before);
    repo.git(&["fsck", "--strict"]);
    until("the worktree's end", || {
        server.worktrees_left().is_empty().then_some(())
    });
}

#[test]
fn a_commit_that_would_run_something_at_the_users_is_not_brought_back() {
    let repo = Repo::new();
    let before = repo.snapshot();
    let server = server(&repo);
    // Git itself once ran what such a file names; see gitmodules(5), `update`.
    let modules = "[submodule \"evil\"]\n path = evil\n url = ../evil\n update = !touch pwned\n";
    let id = server.tell(
        "ada",
        "Plant a submodule",
        json!([{"write": {"path": ".gitmodules", "text": modules}}, {"commit": "Harmless"}]),
    );
    let why = server.failed(&id);
    assert!(why.contains("could not be brought back"), "{why}");
    assert!(why.contains("disallowed submodule"), "{why}");
    assert_eq!(repo.snapshot(), before);
    assert_eq!(repo.other_branches(), Vec::<String>::new());
    repo.git(&["fsck", "--strict"]);
}

#[test]
fn an_argument_is_never_a_command_and_a_command_is_only_what_is_granted() {
    let repo = Repo::new();
    let server = server(&repo);
    let id = server.tell(
        "ada",
        "Inject",
        json!([
            {"run": ["echo", "; touch pwned", "$(touch pwned)", "`touch pwned`", "| sh", "-n", "\n"]},
            {"run": ["echo; touch pwned"]},
            {"run": ["/bin/sh", "-c", "touch pwned"]},
            {"run": ["./sh", "-c", "touch pwned"]},
            {"run": ["sh"]},
            {"run": ["sh", "pwned.sh"]},
            {"run": ["sh -c", "touch pwned"]},
            {"run": ["env", "sh", "-c", "touch pwned"]},
            {"run": ["PATH=.", "sh", "-c", "touch pwned"]},
            {"run": ["*", "x"]},
            {"run": [""]},
            {"run": ["echo", "nul\u{0}"]},
            {"run": ["sh", "-c", "env | grep -ci 'secret\\|token\\|password'"]},
            {"list": ""}
        ]),
    );
    let answers = server.answers(&id);
    let printed = answers[0]["stdout"].as_str().expect("a text");
    assert!(
        printed.starts_with("; touch pwned $(touch pwned) `touch"),
        "{printed}"
    );
    for answer in &answers[1..11] {
        assert!(matches!(kind(answer), "denied" | "invalid"), "{answer}");
    }
    assert_eq!(kind(&answers[11]), "invalid");
    assert_eq!(
        answers[12]["stdout"], "0\n",
        "nothing of the host's environment"
    );
    assert!(!answers[13].to_string().contains("pwned"));
}

#[test]
fn daemons_that_ignore_signals_and_output_without_end_end_with_their_command() {
    let repo = Repo::new();
    let server = server(&repo);
    let daemon = "setsid sh -c 'trap \"\" TERM HUP INT QUIT; while :; do sleep 1; done' & \
                  (setsid setsid sleep 1000 &) ; nohup sleep 1000 >/dev/null 2>&1 & echo started";
    let bomb = "for i in 1 2 3 4 5 6 7 8 9 10; do (for j in 1 2 3 4 5; do sleep 1000 & done; wait) & done; wait";
    let id = server.tell(
        "ada",
        "Leave somebody behind",
        json!([
            {"run": ["sh", "-c", daemon]},
            {"run": {"argv": ["sh", "-c", bomb], "timeout_ms": 1_500}},
            {"run": {"argv": ["sh", "-c", "yes"], "timeout_ms": 1_500}},
            {"run": {"argv": ["sh", "-c", "yes >&2 & exec yes"], "timeout_ms": 0}},
            {"run": ["sh", "-c", "kill -9 $$"]},
            {"run": ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' '\\377'"]},
            {"run": ["sh", "-c", "rm -rf -- * .git ../../home; cd ..; true"]},
            {"list": ""}
        ]),
    );
    server.tell("neighbour", "As usual", json!([{"post": "hello"}]));
    let ended = server.over(&id);
    until("the end of all processes", || {
        processes_of(&id).is_empty().then_some(())
    });
    let run = server.runs(&id).pop().expect("it ran");
    let journal = server.journal(run["id"].as_str().expect("an id"));
    let reply = |at: usize| journal[at].to_string();
    assert!(reply(0).contains("started"), "{}", reply(0));
    for at in [1, 2, 3] {
        assert!(reply(at).contains("deadline"), "{:.500}", reply(at));
    }
    assert!(reply(5).contains("\"truncated\":true"), "{:.300}", reply(5));
    assert!(journal.len() >= 7, "it has run all its commands: {ended:#}");
    let logged = run["log_bytes"].as_u64().expect("a number");
    assert!(logged <= 5 << 20, "{logged} bytes");
    let id = server.tell("neighbour", "As usual", json!([{"post": "hello"}]));
    server.done(&id);
    server.no_runs();
    repo.git(&["fsck", "--strict"]);
}
