//! An author's way: a project from nothing, built, checked, tested, installed, run; and then a change of the
//! source that the next run takes.

use crate::support::{Client, Ran, Server, adjutant, base, command, folder, text, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

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
        std::fs::write(&path, source.replace(from, to)).expect("it is writable");
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
    said: Arc<Mutex<Vec<Value>>>,
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
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let said: Arc<Mutex<Vec<Value>>> = Arc::default();
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                heard.lock().expect("no panic").push(line);
            }
        });
        Dev { child, said }
    }

    /// Waits until it has said something so often. Gives back the last text.
    fn until(&self, what: &str, times: usize) -> String {
        until(what, || {
            let said = self.said.lock().expect("no panic");
            let texts: Vec<&Value> = said.iter().filter(|line| line["what"] == what).collect();
            let text = texts.get(times - 1)?["text"].as_str()?;
            Some(text.to_owned())
        })
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

    let pid = Pid::from_raw(i32::try_from(dev.child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("it is there");
    assert_eq!(dev.child.wait().expect("it ends").code(), Some(0));
}
