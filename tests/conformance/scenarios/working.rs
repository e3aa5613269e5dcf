//! Work in a worktree: files, commits, commands, and paths that lead nowhere good.

use crate::cast::{Cast, error, refused, text};
use crate::steps::hex;
use serde_json::{Value, json};

fn write(path: &str, content: &[u8]) -> Value {
    json!({"do": "worktree.write", "path": path, "content": hex(content)})
}

fn at(function: &str, path: &str) -> Value {
    json!({"do": format!("worktree.{function}"), "path": path})
}

fn run(command: Value, timeout_ms: Option<u64>) -> Value {
    json!({"do": "worktree.run", "command": command, "timeout-ms": timeout_ms})
}

pub(super) fn files(cast: &Cast<'_>) -> Value {
    let commit = |message: &str| json!({"do": "worktree.commit", "message": message});
    let bytes: Vec<u8> = (0..=255).collect();
    let steps = json!([
        at("list", ""),
        at("read", "tool.py"),
        write("docs/Ünï/bytes.bin", &bytes),
        at("read", "docs/Ünï/bytes.bin"),
        write("tool.py", b"print('better')\n"),
        at("remove", "src/main.rs"),
        {"do": "worktree.diff"},
        commit("Work on it"),
        commit("Nothing more"),
        commit(""),
        at("list", "docs/Ünï"),
        at("read", "src/main.rs"),
        at("read", "docs"),
    ]);
    let ticket = cast.tell("one", "Work", steps);
    let answers = cast.answers(&ticket);
    let names: Vec<&Value> = answers[0]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["notes.md", "src", "tool.py"]);
    assert_eq!(answers[0][1]["kind"], "directory");
    assert_eq!(answers[1], hex("print('hello')\nprint('world')\n"));
    assert_eq!(answers[3], hex(&bytes));
    assert!(text(&answers[6]).contains("+print('better')"));
    assert_eq!(text(&answers[7]).len(), 40, "a commit");
    assert_eq!(answers[8], Value::Null, "nothing had changed");
    assert_eq!(error(&answers[9]).0, "invalid", "{}", answers[9]);
    assert_eq!(
        answers[10],
        json!([{"name": "bytes.bin", "kind": "file", "size": 256}])
    );
    assert_eq!(error(&answers[11]).0, "not-found");
    assert_eq!(error(&answers[12]).0, "invalid");
    let branch = &cast.server.ticket(&ticket)["branches"][0];
    assert_eq!(branch["commit"], answers[7], "the branch has it");
    json!(answers)
}

pub(super) fn commands(cast: &Cast<'_>) -> Value {
    let sh = |line: &str| json!(["sh", "-c", line]);
    let steps = json!([
        run(sh("echo out 🦀; echo err >&2; exit 3"), None),
        run(
            json!(["sh", "-c", "echo \"$0\"", "with an \"argument\""]),
            Some(60_000)
        ),
        run(sh("kill -9 $$"), None),
        run(sh("sleep 600"), Some(200)),
        run(json!(["ls", "-l"]), None),
        run(json!(["no-such-program"]), None),
        run(json!([]), None),
    ]);
    let answers = cast.play("one", "Run", steps);
    let first = &answers[0];
    assert_eq!(
        (
            &first["code"],
            &first["stdout"],
            &first["stderr"],
            &first["truncated"]
        ),
        (
            &json!(3),
            &json!("out 🦀\n"),
            &json!("err\n"),
            &json!(false)
        )
    );
    assert_eq!(answers[1]["stdout"], "with an \"argument\"\n");
    assert_eq!(answers[2]["code"], Value::Null, "a signal ended it");
    assert_eq!(error(&answers[3]).0, "deadline");
    refused(&answers[4], "denied", "grant");
    // It is granted, and not in `wants` of the manifest.
    refused(&answers[5], "denied", "manifest");
    assert_eq!(error(&answers[6]).0, "invalid");
    json!(answers)
}

pub(super) fn paths(cast: &Cast<'_>) -> Value {
    let steps = json!([
        at("read", "../../ticket.json"),
        at("read", "/etc/hostname"),
        write("../x", b"x"),
        write(".git/hooks/pre-commit", b"x"),
        at("remove", ".."),
        at("list", ".."),
        at("read", "missing"),
        at("remove", "missing"),
        write("src", b"x"),
        at("remove", "src"),
    ]);
    let answers = cast.play("one", "Break out", steps);
    for (at, answer) in answers.iter().enumerate().take(6) {
        assert_eq!(error(answer).0, "denied", "{at}: {answer}");
    }
    assert_eq!(
        (error(&answers[6]).0, error(&answers[7]).0),
        ("not-found", "not-found")
    );
    assert_eq!(
        (error(&answers[8]).0, error(&answers[9]).0),
        ("invalid", "invalid")
    );
    json!(answers)
}
