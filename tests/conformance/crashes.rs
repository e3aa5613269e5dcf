//! Kill -9 in the middle, while components of all languages work: at moments spread over the work, and
//! while everything waits. Each goes on where it was, and says and does nothing twice.

use crate::cast::{Cast, text};
use crate::languages::Language;
use crate::matrix::Matrix;
use crate::steps::{ask, delegate, from, hex, part, post, report, wait};
use crate::support::{Events, Repo, Server, folder};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;
use tempfile::TempDir;

/// The rows of the matrix, and after how many events of each language the host is killed.
pub(crate) const ROWS: [(&str, usize); 5] = [
    ("killed as it begins", 4),
    ("killed as work is handed out", 14),
    ("killed in the middle", 24),
    ("killed near the end", 34),
    ("killed while all wait", usize::MAX),
];

const HANDS: [&str; 3] = ["one", "two", "three"];

/// A language's agents from crash to crash.
pub(crate) struct Player {
    language: Language,
    ids: HashMap<String, String>,
}

impl Player {
    pub(crate) fn new(language: Language, cast: &Cast<'_>) -> Player {
        Player {
            language,
            ids: cast.ids.clone(),
        }
    }

    fn cast<'a>(&self, server: &'a Server) -> Cast<'a> {
        Cast {
            server,
            workspace: self.language.key.to_owned(),
            ids: self.ids.clone(),
        }
    }
}

/// Runs all crashes.
pub(crate) fn run(server: &mut Server, repo: &Repo, players: &[Player], matrix: &Matrix) {
    let outside = folder();
    for (round, (row, after)) in ROWS.into_iter().enumerate() {
        let roots: Vec<String> = players
            .iter()
            .map(|player| begin(&player.cast(server), round, after == usize::MAX, &outside))
            .collect();
        if after == usize::MAX {
            for (player, root) in players.iter().zip(&roots) {
                let cast = player.cast(server);
                for child in cast.children(root, HANDS.len()) {
                    cast.waiting(&text(&child["id"]));
                }
            }
        } else {
            follow(server, players, &roots, after);
        }
        let begun = Instant::now();
        server.kill();
        server.restart();
        for (player, root) in players.iter().zip(&roots) {
            let cast = player.cast(server);
            matrix.fill(row, &player.language, || {
                if after == usize::MAX {
                    for child in cast.server.children(root) {
                        cast.say(&text(&child["id"]), "maria", "Go on");
                    }
                }
                check(&cast, round, root, repo, outside.path())
            });
        }
        println!(
            "{row}: over {:.1} s after it",
            begun.elapsed().as_secs_f64()
        );
    }
}

/// A boss that hands out work, and hands that do several things each.
fn begin(cast: &Cast<'_>, round: usize, waits: bool, outside: &TempDir) -> String {
    let parts: Vec<Value> = HANDS
        .iter()
        .map(|name| {
            let mark = format!("{}-{round}-{name}", cast.workspace);
            let line = format!("echo x >> '{}/{mark}'; echo $0", outside.path().display());
            let pause = if waits {
                ask("maria", "Go on?")
            } else {
                json!({"do": "clock"})
            };
            let steps = json!([
                post("begin"),
                {"do": "random"},
                {"do": "memory.put", "key": mark, "value": hex("kept")},
                {"do": "worktree.write", "path": format!("{mark}.txt"), "content": hex(&mark)},
                {"do": "worktree.run", "command": ["sh", "-c", line, mark]},
                pause,
                {"do": "memory.get", "key": mark},
                post(from(json!([1]))),
                post("end"),
                report(&format!("{name} is done"), json!({"by": name})),
            ]);
            part(&format!("Part of {name}"), cast.id(name), steps)
        })
        .collect();
    let steps = json!([
        post("go"),
        {"do": "random"},
        post(from(json!([1]))),
        delegate(json!(parts)),
        {"do": "reporting.progress", "note": "handed out"},
        wait(json!("all")),
        post("all in"),
    ]);
    cast.tell("lead", &format!("Round {round}"), steps)
}

/// Waits until so many events of each language have come, or all is over.
fn follow(server: &Server, players: &[Player], roots: &[String], after: usize) {
    let (sender, frames) = mpsc::channel();
    for (player, root) in players.iter().zip(roots) {
        let path = format!("/v1/events?workspace={}", player.language.key);
        let events = Events::open(server, &path, None);
        let (sender, root) = (sender.clone(), root.clone());
        let over = server.ticket(&root)["ended_at"].is_string();
        std::thread::spawn(move || {
            let mut over = over;
            while !over {
                let Some(frame) = events.next() else { return };
                over = frame.event == "TicketCompleted" && frame.data["ticket"] == json!(root);
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let enough = after * players.len();
    frames.iter().take(enough).for_each(drop);
}

fn check(cast: &Cast<'_>, round: usize, root: &str, repo: &Repo, outside: &Path) -> Value {
    let answers = cast.answers(root);
    assert_eq!(answers[5]["met"], true, "{}", answers[5]);
    let said = |ticket: &str| -> Vec<String> {
        let all = cast.said(ticket).into_iter();
        all.filter(|(kind, _)| kind == "text")
            .map(|(_, text)| text)
            .collect()
    };
    let random = text(&answers[1]);
    assert_eq!(said(root), ["go", &random, "all in"], "each message once");
    assert_eq!(cast.server.runs(root).len(), 1, "a crash is no new attempt");
    for (child, name) in cast.server.children(root).iter().zip(HANDS) {
        let mark = format!("{}-{round}-{name}", cast.workspace);
        assert_eq!(child["output"], json!({"by": name}));
        assert_eq!(child["attempts"], 1, "a crash is no new attempt");
        let id = text(&child["id"]);
        let mut said = said(&id);
        said.retain(|text| text != "Go on");
        assert_eq!(
            (said.len(), &*said[0], &*said[2]),
            (3, "begin", "end"),
            "each message once: {said:?}"
        );
        assert_eq!(said[1].len(), 32);
        let branch = text(&child["branches"][0]["branch"]);
        assert_eq!(repo.git(&["show", &format!("{branch}:{mark}.txt")]), mark);
        // A command that was cut off runs again; one that was journaled never does.
        let lines = std::fs::read_to_string(outside.join(&mark)).unwrap_or_default();
        assert!((1..=2).contains(&lines.lines().count()), "{lines}");
    }
    let reports = answers[5]["reports"].as_array().expect("reports");
    let seen: Vec<Value> = reports
        .iter()
        .map(|report| json!({"title": report["title"], "outcome": report["outcome"], "output-json": report["output-json"]}))
        .collect();
    json!({ "reports": seen })
}
