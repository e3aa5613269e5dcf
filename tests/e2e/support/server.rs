//! A host as a child process, on data of its own.

use super::process::command;
use super::{Client, DEADLINE, base, folder, guest};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tempfile::TempDir;

/// How many hosts may run at a time; more make a small machine too slow for the deadlines.
const MOST: usize = 3;

/// How a host is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// A folder that is looked into for programs first.
    pub(crate) programs: Option<PathBuf>,
    /// Its settings, TOML.
    pub(crate) config: Option<String>,
}

/// A host. It is killed when this is dropped; its data goes too.
pub(crate) struct Server {
    client: Client,
    child: Child,
    stderr: Arc<Mutex<String>>,
    data: TempDir,
    setup: Setup,
    _place: Place,
}

impl Server {
    /// Starts a host.
    pub(crate) fn start() -> Server {
        Server::with(Setup::default())
    }

    /// Starts a host that is set up in some way.
    pub(crate) fn with(setup: Setup) -> Server {
        let place = Place::take();
        let data = folder();
        share_cache(data.path());
        if let Some(config) = &setup.config {
            std::fs::write(data.path().join("config.toml"), config).expect("written");
        }
        let stderr = Arc::default();
        let (child, url) = launch(data.path(), &setup, &stderr);
        Server {
            client: Client::new(&url),
            child,
            stderr,
            data,
            setup,
            _place: place,
        }
    }

    /// Starts a host that has the guests `scripted` and `scripted-sub`, and a team.
    pub(crate) fn scripted(team: &Value) -> Server {
        let server = Server::start();
        server.add(&["scripted", "scripted-sub"]);
        server.client.apply(team);
        server
    }

    /// Registers guests.
    pub(crate) fn add(&self, guests: &[&str]) {
        for name in guests {
            self.client.upload(name, "0.1.0", guest(name)).ok();
        }
    }

    /// Kills it, without any warning.
    pub(crate) fn kill(&mut self) {
        kill_group(&self.child);
        self.child.wait().expect("it is gone");
    }

    /// Asks it to end, and waits for it; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.exited()
    }

    /// Starts a host on data that is there already.
    pub(crate) fn on(data: TempDir) -> Server {
        let (place, setup, stderr) = (Place::take(), Setup::default(), Arc::default());
        share_cache(data.path());
        let (child, url) = launch(data.path(), &setup, &stderr);
        Server {
            client: Client::new(&url),
            child,
            stderr,
            data,
            setup,
            _place: place,
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.expect("it has a number")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("it is told");
    }

    /// Waits for its end; its exit code.
    pub(crate) fn exited(&mut self) -> Option<i32> {
        self.child.wait().expect("it is gone").code()
    }

    /// Starts it again on the same data, after [`Server::kill`] or [`Server::end`].
    pub(crate) fn restart(&mut self) {
        let (child, url) = launch(self.data.path(), &self.setup, &self.stderr);
        self.child = child;
        self.client = Client::new(&url);
    }

    /// Where it keeps its data.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where it keeps worktrees.
    pub(crate) fn worktrees(&self) -> PathBuf {
        self.data.path().join("worktrees")
    }

    /// Tickets that there is something of among the worktrees.
    pub(crate) fn worktrees_left(&self) -> Vec<String> {
        let mut names = super::names_in(&self.worktrees());
        names.retain(|name| {
            name.split('.')
                .next()
                .is_some_and(|id| uuid::Uuid::try_parse(id).is_ok())
        });
        names
    }

    /// Waits until no run is left: none that goes on, none in memory, and no instance.
    #[track_caller]
    pub(crate) fn no_runs(&self) {
        super::until("the end of all runs", || {
            let status = self.client.get("/v1/status").ok();
            let zero = |path: &str| status.pointer(path).is_some_and(|value| *value == 0);
            let all = [
                "/runs/live",
                "/runs/in_memory",
                "/instances/now",
                "/worktrees",
            ];
            all.into_iter().all(zero).then_some(())
        });
    }

    /// What it has logged so far.
    pub(crate) fn logged(&self) -> String {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl std::ops::Deref for Server {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the host's log\n{}\n---", self.logged());
        }
        kill_group(&self.child);
        // It may have been awaited already.
        let _ = self.child.wait();
    }
}

fn launch(data: &Path, setup: &Setup, stderr: &Arc<Mutex<String>>) -> (Child, String) {
    let mut command = command(data);
    command
        .args(["--json", "serve", "--addr", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("ADJUTANT_LOG", "info,adjutant_dispatch=debug")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if setup.config.is_some() {
        command.arg("--config").arg(data.join("config.toml"));
    }
    if let Some(programs) = &setup.programs {
        let mut path = OsString::from(programs);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
    }
    let mut child = command.spawn().expect("the host starts");
    let pipe = child.stderr.take().expect("a pipe");
    let kept = stderr.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_str(&line);
            kept.push('\n');
        }
    });
    let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, first) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = pipe.read_line(&mut line);
        // Whoever wanted to know may have given up.
        let _ = sender.send(read.map(|_| line));
        let _ = pipe.read_to_end(&mut Vec::new());
    });
    let line = match first.recv_timeout(DEADLINE) {
        Ok(Ok(line)) if !line.is_empty() => line,
        other => {
            kill_group(&child);
            let said = stderr
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            panic!("the host did not start: {other:?}\n{said}");
        }
    };
    let told: Value = serde_json::from_str(&line).expect("one line of JSON");
    let url = told["url"].as_str().expect("its URL").to_owned();
    (child, url)
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // An error says that it is gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Lets all hosts share what they have compiled, so that each component is compiled once.
pub(crate) fn share_cache(data: &Path) {
    let cache = base().join("compiled");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&cache)
        .expect("made");
    symlink(&cache, data.join("compiled")).expect("linked");
}

/// A place among the hosts that may run at a time.
struct Place;

static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Place {
    fn take() -> Place {
        let taken = TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = TAKEN
            .1
            .wait_while(taken, |taken| *taken >= MOST)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        TAKEN.1.notify_one();
    }
}
