//! A shell that a guide's commands are typed into, one after the other, in an empty folder.

use crate::support::{DEADLINE, base, command, folder, text};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long one command may take: the first one for a language fetches its tools.
const PATIENCE: Duration = Duration::from_secs(600);

/// The shell. All that was started in it is gone when this is dropped.
pub(crate) struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    port: u16,
    folder: TempDir,
    typed: usize,
}

impl Shell {
    /// Opens one in an empty folder.
    pub(crate) fn open() -> Shell {
        let folder = folder();
        let [home, bin, data] = ["guide", "bin", "data"].map(|name| folder.path().join(name));
        for made in [&home, &bin] {
            std::fs::create_dir(made).expect("made");
        }
        // A port that was free a moment ago.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        link(&bin.join("adjutant"), port);
        let mut shell = std::process::Command::new("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .current_dir(&home)
            .env("PATH", format!("{}:{path}", text(&bin)))
            .env("ADJUTANT_DATA", &data)
            .env("ADJUTANT_HOST", format!("http://127.0.0.1:{port}"))
            .env("GIT_CONFIG_GLOBAL", git_config(folder.path()))
            .env("COLUMNS", "100")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0);
        for name in [
            "ADJUTANT_WORKSPACE",
            "ADJUTANT_LOG",
            "CARGO_TARGET_DIR",
            "RUSTFLAGS",
        ] {
            shell.env_remove(name);
        }
        let mut child = shell.spawn().expect("sh starts");
        let (stdin, stdout) = (
            child.stdin.take().expect("a pipe"),
            child.stdout.take().expect("a pipe"),
        );
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let mut shell = Shell {
            child,
            stdin,
            lines,
            port,
            folder,
            typed: 0,
        };
        writeln!(shell.stdin, "exec 2>&1").expect("it listens");
        shell
    }

    /// The folder that the guide began in.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("guide")
    }

    /// Types a command, and waits for its end: its exit status and what it printed.
    pub(crate) fn run(&mut self, typed: &str) -> (i32, String) {
        self.typed += 1;
        let mark = format!("--- command {} ended with ", self.typed);
        writeln!(self.stdin, "{typed}\nprintf '\\n{mark}%s\\n' \"$?\"").expect("it listens");
        self.stdin.flush().expect("it listens");
        let end = Instant::now() + PATIENCE;
        let mut printed = String::new();
        let status = loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                return (-1, format!("{printed}\n(it did not end, or the shell did)"));
            };
            if let Some(status) = line.strip_prefix(&mark) {
                break status.parse().unwrap_or(-1);
            }
            printed.push_str(&line);
            printed.push('\n');
        };
        if typed.trim_end().ends_with('&') && typed.contains("adjutant serve") {
            self.listening();
        }
        (status, printed)
    }

    /// Waits for the host that was started in the background, as a person would.
    fn listening(&self) {
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Instant::now() < end, "the host does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            // An error says that all are gone already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Puts the real binary on the path. A host listens where no other does; all else is as it was typed.
fn link(path: &Path, port: u16) {
    let real = command(base())
        .get_program()
        .to_str()
        .expect("tests' paths are text")
        .to_owned();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = serve ]; then shift; exec '{real}' serve --addr 127.0.0.1:{port} \"$@\"; fi\nexec '{real}' \"$@\"\n"
    );
    std::fs::write(path, script).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
}

/// A person's git settings.
fn git_config(folder: &Path) -> PathBuf {
    let path = folder.join("gitconfig");
    std::fs::write(
        &path,
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n",
    )
    .expect("written");
    path
}
