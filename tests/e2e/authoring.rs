//! An author's way: a project from nothing, built, checked, tested, installed, run; and then a change of the
//! source that the next run takes.

use crate::support::{Client, Ran, Server, adjutant, agent, base, command, folder, team, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long `adjutant plugin dev` may say nothing that is waited for: a build on a busy machine is slow.
const BUILD_DEADLINE: Duration = Duration::from_secs(300);

/// A place with one project, `counter`, in Rust.
struct Desk {
    home: TempDir,
}

impl Desk {
    /// A new project.
    fn new(world: &str) -> Desk {
        let desk = Desk { home: folder() };
        desk.run(&[
            "plugin",
            "new",
            "--lang",
            "rust",
            "--world",
            world,
            "counter",
            &desk.dir(),
        ])
        .ended(0);
        desk
    }

    /// The same with what cargo made of the dependencies before: that is compiled once, and kept.
    fn warm(world: &str) -> Desk {
        static WARM: OnceLock<()> = OnceLock::new();
        let kept = base().join("authoring-target");
        WARM.get_or_init(|| {
            let lock = File::create(base().join("authoring.lock")).expect("a lock");
            lock.lock().expect("it is free some time");
            let desk = Desk::new("subordinate");
            if kept.exists() {
                std::fs::rename(&kept, desk.root().join("target")).expect("it moves");
            }
            desk.run(&["plugin", "build", &desk.dir()]).ended(0);
            std::fs::rename(desk.root().join("target"), &kept).expect("it moves");
        });
        let desk = Desk::new(world);
        let target = text(desk.root().join("target"));
        let copied = Command::new("cp")
            .args(["-a", &text(kept), &target])
            .status();
        assert!(copied.expect("cp starts").success());
        desk
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("counter")
    }

    fn dir(&self) -> String {
        text(self.root())
    }

    fn run(&self, args: &[&str]) -> Ran {
        adjutant(self.home.path(), args)
    }

    fn on(&self, server: &Server, args: &[&str]) -> Ran {
        self.run(&[&["--host", &server.url], args].concat())
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.root().join(file);
        let source = std::fs::read_to_string(&path).expect("it is there");
        assert!(source.contains(from), "{from} is in {source}");
        // Saved in one step, as good editors do: half a file is another story.
        let new = path.with_extension("new~");
        std::fs::write(&new, source.replace(from, to)).expect("it is writable");
        std::fs::rename(new, path).expect("it moves");
    }
}

fn ask(client: &Client, agent: &str, task: &str) -> Value {
    let ticket = client.create(&json!({ "title": task, "assignee": agent }));
    client.done(&ticket)
}

#[test]
fn a_rust_plugin_goes_from_an_empty_folder_to_a_run() {
    let desk = Desk::warm("subordinate");
    let dir = desk.dir();
    let built = desk.run(&["--json", "plugin", "build", &dir]).json(0);
    assert_eq!(built["name"], "counter");
    assert_eq!(built["version"], "0.1.0");
    let path = built["path"].as_str().expect("a path").to_owned();
    assert_eq!(Path::new(&path), desk.root().join("target/counter.wasm"));

    let checked = desk.run(&["--json", "plugin", "check", &path]).json(0);
    assert_eq!(checked["fits"], true);
    assert_eq!(checked["world"], "subordinate");
    assert_eq!(
        checked["manifest"]["config_schema"]["properties"]["minimum"]["default"],
        1
    );
    assert_eq!(checked["digest"], built["digest"]);
    let told = desk.run(&["plugin", "check", &path]).ended(0);
    assert!(told.contains("adjutant:agent/memory@"), "{told}");
    assert!(told.contains("get, put (of 4)"), "{told}");
    assert!(told.contains("minimum: integer, 1 unless given"), "{told}");

    // For another world it does not fit, and says why.
    let told = desk
        .run(&["plugin", "check", "--world", "selector", &path])
        .ended(1);
    assert!(
        told.contains("does not export the function `choose`"),
        "{told}"
    );

    let told = desk.run(&["plugin", "test", "--dir", &dir]).ended(0);
    assert!(told.contains("3 tests passed"), "{told}");
    let tests = desk
        .run(&["--json", "plugin", "test", "--dir", &dir, "counts"])
        .json(0);
    assert_eq!(tests["tests"][0]["cuts"], tests["tests"][0]["calls"]);

    let server = Server::start();
    desk.on(&server, &["plugin", "install", &path]).ended(0);
    server.apply(&json!({
        "agents": [{ "name": "ada", "plugin": "counter", "config": { "minimum": 4 } }]
    }));
    let done = ask(&server, "ada", "the quick brown fox");
    assert_eq!(done["output"], json!({ "words": 2, "tickets": 1 }));
    let done = ask(&server, "ada", "again");
    assert_eq!(done["output"], json!({ "words": 1, "tickets": 2 }));

    // A misspelt key is told, and not passed over.
    let misspelt = json!({
        "agents": [{ "name": "ada", "plugin": "counter", "config": { "minimun": 4 } }]
    });
    let problem = server.post("/v1/apply", &misspelt).problem(422);
    let told = problem["violations"].to_string();
    assert!(told.contains("minimun"), "{problem:#}");
}

#[test]
fn a_new_plugin_is_not_called_as_one_that_every_host_has() {
    let home = folder();
    let dir = text(home.path().join("mine"));
    let args = ["plugin", "new", "--lang", "python", "skills", &dir];
    let said = adjutant(home.path(), &args).complaint(2);
    assert!(
        said.contains("\"skills\" is a plugin that every host has already"),
        "{said}"
    );
    assert!(!Path::new(&dir).exists());
}

#[test]
fn a_test_that_comes_out_otherwise_is_shown_and_kept_by_update() {
    let desk = Desk::warm("subordinate");
    let dir = desk.dir();
    desk.change("src/lib.rs", "counting words", "counting letters");
    let told = desk.run(&["plugin", "test", "--dir", &dir]).ended(1);
    assert!(told.contains("-    note: \"counting words\""), "{told}");
    assert!(told.contains("+    note: \"counting letters\""), "{told}");
    assert!(told.contains("3 of 3 tests failed"), "{told}");
    desk.run(&["plugin", "test", "--dir", &dir, "--update"])
        .ended(0);
    desk.run(&["plugin", "test", "--dir", &dir]).ended(0);

    // What is wrong with the source is told by the compiler.
    desk.change("src/lib.rs", ".text()", ".txt()");
    let said = desk.run(&["plugin", "build", &dir]).complaint(1);
    assert!(said.contains("no method named `txt`"), "{said}");
    // And what is wrong with the project by its place.
    desk.change("plugin.toml", "world = ", "wrld = ");
    let said = desk.run(&["plugin", "build", &dir]).complaint(2);
    assert!(
        said.contains("plugin.toml") && said.contains("wrld"),
        "{said}"
    );
    let said = desk
        .run(&["plugin", "build", &text(desk.home.path())])
        .complaint(2);
    assert!(said.contains("`adjutant plugin new` makes one"), "{said}");
}

/// `adjutant plugin dev`, and what it has said.
struct Dev {
    child: Child,
    lines: Receiver<Value>,
    said: Vec<Value>,
    complaints: Option<JoinHandle<String>>,
}

impl Dev {
    fn start(desk: &Desk, server: &Server) -> Dev {
        let mut child = command(desk.home.path())
            .args([
                "--json",
                "--host",
                &server.url,
                "plugin",
                "dev",
                &desk.dir(),
            ])
            .args(["--agent", "ada", "--ask", "one two three"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line);
                if tell.send(line.expect("a line of JSON")).is_err() {
                    return;
                }
            }
        });
        let complaints = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is missing from what a failure shows, and no more.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Dev {
            child,
            lines,
            said: Vec::new(),
            complaints: Some(complaints),
        }
    }

    /// Waits until it has said something so often. Gives back the text of that time.
    fn until(&mut self, what: &str, times: usize) -> String {
        let end = Instant::now() + BUILD_DEADLINE;
        loop {
            let texts = self.said.iter().filter(|line| line["what"] == what);
            let text = texts.map(|line| &line["text"]).nth(times - 1);
            if let Some(text) = text.and_then(Value::as_str) {
                return text.to_owned();
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(why) => self.gave_up(what, times, why),
            }
        }
    }

    fn gave_up(&mut self, what: &str, times: usize, why: RecvTimeoutError) -> ! {
        let why = match why {
            RecvTimeoutError::Timeout => "did not come in time",
            RecvTimeoutError::Disconnected => "will not come, for it has ended",
        };
        // So that all that it has said is there.
        let _ = self.child.kill();
        let status = self.child.wait();
        let complaints = self.complaints.take().map(JoinHandle::join);
        let said: Vec<String> = self.said.iter().map(Value::to_string).collect();
        panic!(
            "\"{what}\" number {times} {why} ({status:?})\n--- stdout\n{}\n--- stderr\n{}",
            said.join("\n"),
            complaints.and_then(Result::ok).unwrap_or_default()
        );
    }

    /// Stops it as a person does.
    fn interrupt(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, Signal::INT).expect("it is there");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_saved_file_is_what_the_next_run_takes() {
    let desk = Desk::warm("subordinate");
    let server = Server::start();
    let mut dev = Dev::start(&desk, &server);
    let loaded = dev.until("loaded", 1);
    assert!(loaded.starts_with("counter@0.1.0-dev.1,"), "{loaded}");
    dev.until("made", 1);
    // It was asked, it ran, and that was shown.
    dev.until("ended", 1);

    desk.change("src/lib.rs", "The task has", "There are");
    let loaded = dev.until("loaded", 2);
    assert!(loaded.starts_with("counter@0.1.0-dev.2,"), "{loaded}");
    dev.until("ended", 2);
    let done = ask(&server, "ada", "four words are here");
    assert_eq!(
        done["summary"],
        "There are 4 words. Tickets done so far: 3."
    );

    // What cannot be built changes nothing.
    desk.change("src/lib.rs", ".text()", ".txt()");
    let error = dev.until("error", 1);
    assert!(error.contains("no method named `txt`"), "{error}");
    let done = ask(&server, "ada", "two words");
    assert_eq!(
        done["summary"],
        "There are 2 words. Tickets done so far: 4."
    );
    dev.interrupt();

    // A version that was removed names what it named: what is saved now is another one.
    for number in 1..=2 {
        let path = format!("/v1/plugins/counter@0.1.0-dev.{number}?force=true");
        assert_eq!(server.send("DELETE", &path, &[], None).status, 204);
    }
    desk.change("src/lib.rs", ".txt()", ".text()");
    let mut dev = Dev::start(&desk, &server);
    let loaded = dev.until("loaded", 1);
    assert!(
        loaded.starts_with("counter@0.1.0-dev.") && !loaded.starts_with("counter@0.1.0-dev.1,"),
        "{loaded}"
    );
    dev.until("ended", 1);
    dev.interrupt();
}

#[test]
fn a_pin_keeps_runs_from_what_is_saved_and_is_told() {
    let desk = Desk::warm("subordinate");
    let server = Server::start();
    // A compiler's warning is shown, and is no obstacle.
    desk.change(
        "src/lib.rs",
        "struct WordCounter;",
        "struct WordCounter;\n\nfn forgotten() {}",
    );
    let built = desk.run(&["plugin", "build", &desk.dir()]).ended(0);
    assert!(
        built.contains("\nwarning: function `forgotten` is never used\n --> src/lib.rs:"),
        "{built}"
    );
    // It is told again, though cargo has nothing to do.
    let built = desk
        .run(&["--json", "plugin", "build", &desk.dir()])
        .json(0);
    let warning = built["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("function `forgotten`"), "{warning}");
    let path = built["path"].as_str().expect("a path");
    desk.on(&server, &["plugin", "install", path]).ended(0);
    desk.on(&server, &["plugin", "pin", "counter"]).ended(0);
    server.apply(&team(None, [agent("ada", "counter@0.1.0")]));

    let mut dev = Dev::start(&desk, &server);
    let loaded = dev.until("loaded", 1);
    assert!(
        loaded.starts_with("counter@0.1.0-dev.1,") && loaded.contains(" there after "),
        "{loaded}"
    );
    let warning = dev.until("warning", 1);
    assert!(warning.contains("`forgotten` is never used"), "{warning}");
    let pinned = dev.until("pinned", 1);
    assert_eq!(
        pinned,
        "new runs of counter take 0.1.0; `adjutant plugin unpin counter` lets them take what is saved next"
    );
    let held = dev.until("pinned", 2);
    assert!(
        held.starts_with("held by the team: ada to counter@0.1.0; "),
        "{held}"
    );
    let story = dev.until("started", 1);
    assert!(story.contains("ada with 0.1.0,"), "{story}");
    dev.until("ended", 1);

    // Without the one and the other it is live.
    desk.on(&server, &["plugin", "unpin", "counter"]).ended(0);
    server.apply(&team(None, [agent("ada", "counter")]));
    desk.change("src/lib.rs", "The task has", "There are");
    let loaded = dev.until("loaded", 2);
    assert!(loaded.contains(" live after "), "{loaded}");
    let story = dev.until("started", 2);
    assert!(story.contains("ada with 0.1.0-dev.2,"), "{story}");
    let pinned = dev.said.iter().filter(|line| line["what"] == "pinned");
    assert_eq!(pinned.count(), 2, "nothing is held any more");
    dev.interrupt();
}
