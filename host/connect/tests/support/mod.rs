//! A user's repository with traps in it, and worktrees beside it.

pub(crate) mod registry;

use std::path::{Path, PathBuf};
use std::process::Command as Std;
use std::sync::{Arc, Mutex};

use adjutant_connect::{
    Command, CommandOutput, Exit, GitOptions, GitWorktrees, OutputStream, Provision, Repo,
    Worktree, Worktrees,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One folder with the user's things in `user`, and worktrees in `worktrees`.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) worktrees: GitWorktrees,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(GitOptions::default())
    }

    pub(crate) fn with(options: GitOptions) -> Self {
        let dir =
            tempfile::tempdir_in(adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let worktrees = GitWorktrees::new(dir.path().join("worktrees"), "git", options).unwrap();
        std::fs::create_dir(dir.path().join("user")).unwrap();
        Self { dir, worktrees }
    }

    pub(crate) fn user(&self, name: &str) -> PathBuf {
        self.dir.path().join("user").join(name)
    }

    pub(crate) fn folder(&self, ticket: Uuid) -> PathBuf {
        self.dir.path().join("worktrees").join(ticket.to_string())
    }

    /// A repository with one commit: `README.md` and `src/a.txt`.
    pub(crate) fn repo(&self, name: &str) -> PathBuf {
        let path = self.user(name);
        git(
            self.dir.path(),
            &["init", "-q", "-b", "main", path.to_str().unwrap()],
        );
        std::fs::create_dir(path.join("src")).unwrap();
        std::fs::write(path.join("README.md"), "hello\n").unwrap();
        std::fs::write(path.join("src/a.txt"), "one\n").unwrap();
        git(&path, &["add", "-A"]);
        git(&path, &["commit", "-q", "-m", "first"]);
        path
    }

    /// What `finish`, `discard` or `open` must not leave: anything of a ticket.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("worktrees")).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    pub(crate) async fn provision(&self, request: &Provision) -> Arc<dyn Worktree> {
        self.worktrees.provision(request).await.unwrap()
    }
}

pub(crate) fn request(repos: &[&Path]) -> Provision {
    let ticket = Uuid::now_v7();
    let short = &ticket.simple().to_string()[20..];
    let repos = repos.iter().map(|path| Repo {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        path: path.to_path_buf(),
        base: None,
    });
    Provision {
        ticket,
        branch: format!("adjutant/{short}"),
        repos: repos.collect(),
    }
}

/// The user's own git, as the user would call it.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let (ok, stdout, stderr) = try_git(dir, args);
    assert!(ok, "git {args:?}: {stderr}");
    stdout.trim_end().to_owned()
}

pub(crate) fn try_git(dir: &Path, args: &[&str]) -> (bool, String, String) {
    let done = Std::new("git")
        .args(["-c", "user.name=User", "-c", "user.email=user@localhost"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

/// Hooks of every kind that could fire, each of which would leave `marker`.
pub(crate) fn set_traps(repo: &Path, marker: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let hooks = repo.join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for name in [
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-merge",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "update",
        "post-update",
        "pre-receive",
        "post-receive",
    ] {
        let hook = hooks.join(name);
        let script = format!("#!/bin/sh\necho {name} >> '{}'\n", marker.display());
        std::fs::write(&hook, script).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

pub(crate) fn sh(script: &str) -> Command {
    Command::new(["sh", "-c", script])
}

pub(crate) async fn run(worktree: &dyn Worktree, command: &Command) -> Exit {
    worktree
        .run(
            command,
            &adjutant_connect::Discard,
            CancellationToken::new(),
        )
        .await
        .unwrap()
}

/// Runs a script that must succeed and gives what it printed.
pub(crate) async fn printed(worktree: &dyn Worktree, script: &str) -> String {
    let exit = run(worktree, &sh(script)).await;
    assert_eq!(
        exit.code,
        Some(0),
        "{script}: {}{}",
        exit.stdout,
        exit.stderr
    );
    exit.stdout.trim_end().to_owned()
}

/// Hands on each line of standard output as it comes.
pub(crate) struct Lines {
    partial: Mutex<String>,
    sender: mpsc::UnboundedSender<String>,
}

impl Lines {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self {
                partial: Mutex::default(),
                sender,
            },
            receiver,
        )
    }
}

impl CommandOutput for Lines {
    fn chunk(&self, stream: OutputStream, bytes: &[u8]) {
        if stream == OutputStream::Stderr {
            return;
        }
        let mut partial = self.partial.lock().unwrap();
        partial.push_str(&String::from_utf8_lossy(bytes));
        while let Some((line, rest)) = partial.clone().split_once('\n') {
            let _ = self.sender.send(line.to_owned());
            *partial = rest.to_owned();
        }
    }
}

/// Wait until a process is gone (a zombie that nobody has reaped yet is gone).
pub(crate) async fn gone(pid: &str) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    tokio::task::spawn_blocking(move || {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return true;
        };
        let mut watched = [PollFd::new(&handle, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        poll(&mut watched, Some(&limit)).unwrap() == 1
    })
    .await
    .unwrap()
}
