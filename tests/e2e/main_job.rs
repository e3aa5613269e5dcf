//! The main job: one message to a boss, a real team, one report. From the command line with nothing
//! configured, and over HTTP.

use crate::support::{
    Repo, Server, adjutant, all_events, command, folder, names_in, of_kind, share_cache, until,
};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

const REQUEST: &str = "Count the lines by language. List every TODO and FIXME. Show who changed what most this month.";

/// A user's data folder, with nothing in it but what was compiled before.
fn home() -> TempDir {
    let home = folder();
    std::fs::create_dir(home.path().join("adjutant")).expect("made");
    share_cache(&home.path().join("adjutant"));
    home
}

fn nothing_left(home: &Path) {
    let asks = home.join("adjutant/asks");
    assert_eq!(
        names_in(&asks),
        Vec::<String>::new(),
        "a private host leaves nothing"
    );
}

#[test]
fn ask_answers_with_nothing_configured() {
    let (repo, home) = (Repo::new(), home());
    let before = repo.snapshot();
    let text = adjutant(home.path(), &["ask", "--repo", &repo.text(), REQUEST]).ended(0);

    // The answer: each part with its result.
    for part in [
        "Count the lines by language",
        "List every TODO and FIXME",
        "Show who changed what",
    ] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    for result in [
        "Rust",
        "Python",
        "Markdown",
        "greet somebody",
        "say more",
        "Ada Lovelace",
    ] {
        assert!(text.contains(result), "{result:?} is missing:\n{text}");
    }
    // How it went, as plain lines: who was chosen, and what each was doing.
    for name in ["counter", "searcher", "historian"] {
        assert!(text.contains(name), "{name:?} is missing:\n{text}");
    }
    assert!(
        !text.contains('\u{1b}') && !text.contains('\r'),
        "plain lines only:\n{text}"
    );
    let last = text.trim_end().lines().last().expect("a last line");
    assert!(last.starts_with("done after"), "{last}");
    assert_eq!(repo.snapshot(), before);
    nothing_left(home.path());
}

#[test]
fn ask_gives_programs_one_document() {
    let (repo, home) = (Repo::new(), home());
    let args = ["--json", "ask", "--repo", &repo.text(), REQUEST];
    let document = adjutant(home.path(), &args).json(0);
    assert_eq!(
        (&document["ok"], &document["status"]),
        (&json!(true), &json!("done"))
    );
    assert_eq!(document["failed"], json!([]));
    let parts = document["parts"].as_array().expect("parts");
    assert_eq!(parts.len(), 3);
    let agents: Vec<&str> = parts
        .iter()
        .filter_map(|part| part["agent"].as_str())
        .collect();
    assert_eq!(agents, ["counter", "searcher", "historian"]);
    for part in parts {
        assert_eq!(part["status"], "done");
        let why = part["reason"].as_str().expect("why it was chosen");
        assert!(why.contains(' '), "{why}");
        assert!(["high", "medium", "low"].contains(&part["confidence"].as_str().expect("a word")));
        assert_eq!(part["output"]["commands"][0]["exit_code"], 0, "{part:#}");
    }
    let rows = parts[0]["output"]["commands"][0]["rows"]
        .as_array()
        .expect("rows");
    let rust = rows
        .iter()
        .find(|row| row["language"] == "Rust")
        .expect("Rust is there");
    assert_eq!(rust["lines"].to_string().trim_matches('"'), "3", "{rust}");
    nothing_left(home.path());
}

#[test]
fn ask_ends_with_1_and_names_the_parts_that_failed() {
    let (repo, home) = (Repo::new(), home());
    let team = r#"
        [[agents]]
        name = "lead"
        plugin = "coordinator"
        grant_team_commands = true
        config.parts = [
            { title = "Say hello", to = "greeter" },
            { title = "Break things", to = "breaker" },
        ]

        [[agents]]
        name = "greeter"
        boss = "lead"
        plugin = "command"
        grant_own_commands = true
        config.commands = [{ name = "hello", run = ["echo", "hello there"] }]

        [[agents]]
        name = "breaker"
        boss = "lead"
        plugin = "command"
        grant_own_commands = true
        config.commands = [{ name = "break", run = ["sh", "-c", "echo no such luck >&2; exit 3"] }]
    "#;
    let file = home.path().join("team.toml");
    std::fs::write(&file, team).expect("written");
    let file = file.to_str().expect("a text");
    let repo_path = repo.text();
    let args = [
        "ask",
        "--repo",
        &repo_path,
        "--team",
        file,
        "Greet and break.",
    ];
    let ran = adjutant(home.path(), &args);
    assert!(
        ran.stderr.contains("not done: \"Break things\""),
        "{}",
        ran.stderr
    );
    let text = ran.ended(1);
    assert!(text.contains("1 of 2 parts failed: Break things"), "{text}");
    assert!(
        text.contains("hello there") && text.contains("no such luck"),
        "{text}"
    );

    let document = adjutant(home.path(), &[&["--json"], &args[..]].concat()).json(1);
    assert_eq!(document["ok"], false);
    assert_eq!(document["failed"], json!(["Break things"]));
    let stand: Vec<&Value> = document["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| &part["status"])
        .collect();
    assert_eq!(stand, ["done", "failed"]);
    nothing_left(home.path());
}

#[test]
fn ask_makes_no_sense_of_nonsense() {
    let home = home();
    adjutant(home.path(), &["ask", " "]).complaint(2);
    adjutant(home.path(), &["ask", "--repo", "/nowhere/at/all", "x"]).complaint(2);
    let nobody = adjutant(home.path(), &["ask", "--to", "nobody", "x"]);
    assert!(nobody.stderr.contains("nobody"), "{}", nobody.stderr);
    nobody.complaint(2);
    nothing_left(home.path());
}

#[test]
fn ask_cleans_up_when_it_is_interrupted() {
    let (repo, home) = (Repo::new(), home());
    let began = home.path().join("began");
    let team = format!(
        r#"
        [[agents]]
        name = "lead"
        plugin = "coordinator"
        grant_team_commands = true

        [[agents]]
        name = "slow"
        boss = "lead"
        plugin = "command"
        skills = ["sleep long"]
        grant_own_commands = true
        config.commands = [{{ name = "sleep", run = ["sh", "-c", "echo $$ > {}; sleep 600"] }}]
        "#,
        began.display()
    );
    let file = home.path().join("team.toml");
    std::fs::write(&file, team).expect("written");
    let mut child = command(home.path())
        .args(["ask", "--repo", &repo.text(), "--team"])
        .arg(&file)
        .arg("Sleep long.")
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = until("the command", || {
        let text = std::fs::read_to_string(&began).ok()?;
        text.trim().parse::<u32>().ok()
    });
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it is told");
    let code = child.wait().expect("it ends").code();
    assert_eq!(code, Some(130));
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "its command is ended with it"
    );
    nothing_left(home.path());
}

#[test]
fn a_served_host_does_the_same_job() {
    let repo = Repo::new();
    let before = repo.snapshot();
    let mut server = Server::start();
    let home = folder();
    // Through the command line, on a host that runs already.
    let on = server.url.clone();
    let args = [
        "--json",
        "ask",
        "--on",
        &on,
        "--repo",
        &repo.text(),
        REQUEST,
    ];
    let document = adjutant(home.path(), &args).json(0);
    assert_eq!(document["ok"], true);
    let id = document["ticket"].as_str().expect("an id");

    // And the same job once more over HTTP alone, with the team that is there now.
    let ticket = server.ticket(id);
    let workspace = ticket["workspace"].as_str().expect("an id");
    let new = json!({"title": REQUEST, "assignee": "coordinator"});
    let made = server
        .post(&format!("/v1/tickets?workspace={workspace}"), &new)
        .ok();
    let again = made["id"].as_str().expect("an id");
    let path = format!("/v1/events?ticket={again}&after=0");
    let events = crate::support::Events::open(&server, &path, None);
    let told = events.until(|frame| {
        let over = ["TicketCompleted", "TicketFailed"].contains(&frame.event.as_str());
        over && frame.data["ticket"] == again
    });
    let ticket = server.ticket(again);
    assert_eq!(ticket["status"], "done", "{ticket:#}");
    assert_eq!(ticket["output"]["failed"], json!([]));
    let plan = &ticket["plan"]["phases"][0];
    assert_eq!(plan["execution"], "parallel");
    assert_eq!(plan["tasks"].as_array().map(Vec::len), Some(3));
    let children = server.children(again);
    assert_eq!(children.len(), 3);
    for child in &children {
        assert_eq!(child["delegated_by"]["name"], "coordinator");
        assert!(
            child["choice"]["reason"]
                .as_str()
                .is_some_and(|why| !why.is_empty())
        );
        let run = child["run"].as_str().expect("a run");
        let log = server.log(run);
        assert!(
            !log.is_empty(),
            "what its command printed is in the run's log"
        );
        let journal = server.journal(run);
        let calls: Vec<&str> = journal
            .iter()
            .filter_map(|one| one["call"].as_str())
            .collect();
        assert!(calls.contains(&"worktree.run"), "{calls:?}");
    }
    // What the commands printed was streamed while they ran.
    let data: Vec<Value> = told.iter().map(|frame| frame.data.clone()).collect();
    assert!(!of_kind(&data, "RunOutput").is_empty());
    let progress = of_kind(&data, "MessagePosted");
    assert!(progress.iter().any(|event| event["kind"] == "progress"));
    until("the worktrees' end", || {
        server.worktrees_left().is_empty().then_some(())
    });
    assert_eq!(repo.snapshot(), before);
    assert_eq!(repo.other_branches(), Vec::<String>::new());

    // Nothing of it is lost when the host ends and starts again.
    let events = server.get(&format!("/v1/tickets/{again}/tree")).ok();
    assert_eq!(server.end(), Some(0));
    server.restart();
    assert_eq!(
        server.get(&format!("/v1/tickets/{again}/tree")).ok(),
        events
    );
}

#[test]
fn a_failing_part_is_in_the_summary_and_all_failing_is_a_failure() {
    use crate::support::{agent, team};
    let repo = Repo::new();
    let lead = |name: &str| agent(name, "coordinator").at_once(4).selector("skills");
    let hand = |name: &str, boss: &str, skill: &str, command: &[&str]| {
        agent(name, "command")
            .under(boss)
            .skills(&[skill])
            .may_run(command)
            .config(json!({"commands": [{"name": skill, "run": command}]}))
    };
    let server = Server::start();
    server.apply(&team(
        Some(&repo),
        [
            lead("lead")
                .may_run(&["echo", "bread"])
                .may_run(&["sh", "-c", "echo foam; exit 4"]),
            hand("baker", "lead", "bake bread", &["echo", "bread"]),
            hand(
                "brewer",
                "lead",
                "brew beer",
                &["sh", "-c", "echo foam; exit 4"],
            ),
            lead("gloomy")
                .may_run(&["false"])
                .config(json!({"parts": ["Brew beer", {"title": "Fly", "to": "nobody"}]})),
            hand("brewer2", "gloomy", "brew beer", &["false"]),
        ],
    ));
    let ask = |to: &str, title: &str| server.create(&json!({"title": title, "assignee": to}));
    let mixed = server.done(&ask("lead", "Bake bread. Brew beer."));
    let summary = mixed["summary"].as_str().expect("a text");
    assert!(
        summary.starts_with("1 of 2 parts failed: Brew beer"),
        "{summary}"
    );
    assert!(
        summary.contains("bread") && summary.contains("**failed**"),
        "{summary}"
    );
    assert_eq!(mixed["output"]["failed"], json!(["Brew beer."]));
    let beer = &mixed["output"]["parts"][1];
    assert_eq!(beer["output"]["commands"][0]["exit_code"], 4, "{beer:#}");

    let why = server.failed(&ask("gloomy", "Whatever"));
    assert!(
        why.starts_with("2 of 2 parts failed: Brew beer; Fly"),
        "{why}"
    );
    let events = all_events(&server);
    assert_eq!(of_kind(&events, "WorkPlanProposed").len(), 2);
}
