//! A user's git repository, and whether anything in it has changed.

use super::{folder, text};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A user's repository, with three files and two commits.
pub(crate) struct Repo {
    folder: TempDir,
}

/// All that a host must leave alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    head: String,
    status: String,
    index: Vec<u8>,
    config: Vec<u8>,
    hooks: Vec<String>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Repo {
    /// Makes one.
    pub(crate) fn new() -> Repo {
        let repo = Repo { folder: folder() };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["config", "user.name", "Ada Lovelace"]);
        repo.git(&["config", "user.email", "ada@example.org"]);
        repo.write(
            "src/main.rs",
            "fn main() {\n    // TODO: greet somebody\n}\n",
        );
        repo.write("notes.md", "# Notes\n\nFIXME: say more.\n");
        repo.git(&["add", "."]);
        repo.git(&["commit", "-q", "-m", "Begin"]);
        repo.write("tool.py", "print('hello')\nprint('world')\n");
        repo.git(&["add", "."]);
        repo.git(&["commit", "-q", "-m", "Add a tool"]);
        repo
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where it is, as text.
    pub(crate) fn text(&self) -> String {
        text(self.path())
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    /// What git says.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .args(args)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .output()
            .expect("git starts");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Lets every hook leave a file behind in a folder.
    pub(crate) fn set_traps(&self, caught: &Path) {
        use std::os::unix::fs::PermissionsExt;
        let hooks = self.path().join(".git/hooks");
        std::fs::create_dir_all(&hooks).expect("made");
        for name in [
            "post-checkout",
            "pre-commit",
            "commit-msg",
            "post-commit",
            "reference-transaction",
            "pre-push",
            "update",
            "post-update",
            "post-index-change",
        ] {
            let path = hooks.join(name);
            let script = format!("#!/bin/sh\n: > '{}/{name}'\n", caught.display());
            std::fs::write(&path, script).expect("written");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
        }
    }

    /// How it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let read = |path: &str| std::fs::read(self.path().join(path)).unwrap_or_default();
        let mut files = Vec::new();
        collect(self.path(), &mut files);
        files.sort();
        Snapshot {
            head: self.git(&["symbolic-ref", "HEAD"]) + &self.git(&["rev-parse", "main"]),
            index: read(".git/index"),
            status: self.git(&["status", "--porcelain", "--branch"]),
            config: read(".git/config"),
            hooks: super::names_in(&self.path().join(".git/hooks")),
            files,
        }
    }

    /// Branches other than the user's own.
    pub(crate) fn other_branches(&self) -> Vec<String> {
        let format = "--format=%(refname:short)";
        let all = self.git(&["for-each-ref", format, "refs/heads"]);
        let others = all.lines().filter(|name| *name != "main");
        others.map(ToOwned::to_owned).collect()
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("it can be read").flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name == ".git") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push((path.clone(), std::fs::read(&path).expect("it can be read")));
        }
    }
}
