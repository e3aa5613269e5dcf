//! One ticket's clone of one repository, as the host handles it.
//!
//! Invariants:
//! - The git directory lies outside the tree that an agent's files are in, and the host always names
//!   both; it never follows what the `.git` in the tree says.
//! - Before the host runs git on a clone, the clone's configuration is put back to what it was when
//!   the clone was made ([`TicketClone::guard`]), so that nothing which a command of the agent's
//!   left there (filters, drivers, hooks) is run by the host.
//! - Commits of the host are on the ticket's branch, whatever branch an agent has switched to.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::blocking;
use super::invoke::{Answer, Call, Git};
use super::source::{self, Source};
use crate::ports::OutsideError;

/// What is recorded about a clone when it is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CloneRecord {
    pub(super) name: String,
    /// The common git directory of the user's repository.
    pub(super) source: PathBuf,
    /// The commit that the ticket began at; none where there was no commit yet.
    pub(super) base: Option<String>,
    /// The clone's `config` file.
    config: String,
}

/// Where the git directories, and where the trees, of a ticket are.
pub(super) fn git_dir(folder: &Path, name: &str) -> PathBuf {
    folder.join("git").join(name)
}

pub(super) fn tree(folder: &Path, name: &str) -> PathBuf {
    folder.join("tree").join(name)
}

/// Make a clone of `source` in `folder`, on `branch`. Where an earlier worktree of the ticket has
/// brought that branch back, the work goes on there: the ticket was reopened, or the host was killed
/// after it had brought the branch back and before it had noted so.
pub(super) async fn make(
    git: &Git,
    folder: &Path,
    name: &str,
    source: &Source,
    branch: &str,
    limit: std::time::Duration,
) -> Result<CloneRecord, OutsideError> {
    let (git_dir, tree) = (git_dir(folder, name), tree(folder, name));
    let mut separate = OsString::from("--separate-git-dir=");
    separate.push(&git_dir);
    let mut args: Vec<OsString> = ["clone", "--quiet", "--shared", "--no-tags", "--no-checkout"]
        .map(OsString::from)
        .to_vec();
    // An empty template: no sample hooks, no `info/exclude`.
    args.extend(["--template=", "--no-recurse-submodules"].map(OsString::from));
    args.extend([
        separate,
        "--".into(),
        source.git_dir.clone().into(),
        tree.clone().into(),
    ]);
    git.text(Call::new(folder, args).timeout(limit)).await?;

    // Relative, for the folder is renamed when it is complete.
    let (link, pointer) = (tree.join(".git"), format!("gitdir: ../../git/{name}\n"));
    blocking(move || fs::write(&link, pointer).map_err(|error| broken(&link, &error))).await?;
    let earlier = source::tip(git, &source.git_dir, branch).await?;
    let base = match (&source.base, &earlier) {
        (Some(base), Some(earlier)) => {
            // The user's own branch may have moved on since.
            let fork = Call::new(&git_dir, ["merge-base", base.as_str(), earlier.as_str()]);
            git.call(fork).await?.text().or_else(|| Some(base.clone()))
        }
        (base, _) => base.clone(),
    };
    let clone = TicketClone {
        git,
        git_dir,
        tree,
        branch,
        base: base.as_deref(),
    };
    // Without an address nothing can be pushed to the user's repository by mistake; the refs under
    // `refs/remotes/origin` stay to be looked at.
    clone
        .text(["config", "--local", "--remove-section", "remote.origin"])
        .await?;
    match earlier.as_ref().or(base.as_ref()) {
        Some(start) => {
            let args = [
                "checkout",
                "--quiet",
                "--no-track",
                "-b",
                branch,
                start,
                "--",
            ];
            let call = clone.call_of(args).timeout(limit);
            git.text(call).await?;
        }
        None => {
            clone
                .text(["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")])
                .await?;
        }
    }
    let file = clone.git_dir.join("config");
    let config =
        blocking(move || fs::read_to_string(&file).map_err(|error| broken(&file, &error))).await?;
    Ok(CloneRecord {
        name: name.to_owned(),
        source: source.git_dir.clone(),
        base,
        config,
    })
}

/// A clone to work on.
pub(super) struct TicketClone<'a> {
    git: &'a Git,
    pub(super) git_dir: PathBuf,
    tree: PathBuf,
    branch: &'a str,
    base: Option<&'a str>,
}

impl<'a> TicketClone<'a> {
    /// Take up a clone; undoes what was done to its configuration, and what a killed git left
    /// locked. None of the ticket's commands may be running.
    pub(super) async fn guard(
        git: &'a Git,
        folder: &Path,
        record: &'a CloneRecord,
        branch: &'a str,
    ) -> Result<Self, OutsideError> {
        let (git_dir, tree) = (git_dir(folder, &record.name), tree(folder, &record.name));
        let (dir, files) = (git_dir.clone(), tree.clone());
        let (config, own) = (record.config.clone(), branch.to_owned());
        blocking(move || {
            put_back(&dir, &config, &own)
                .and_then(|()| keep_folder(&files))
                .map_err(|error| broken(&dir, &error))
        })
        .await?;
        Ok(Self {
            git,
            git_dir,
            tree,
            branch,
            base: record.base.as_deref(),
        })
    }

    fn call_of(&self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Call<'_> {
        let mut dir = OsString::from("--git-dir=");
        dir.push(&self.git_dir);
        let mut tree = OsString::from("--work-tree=");
        tree.push(&self.tree);
        let all = [dir, tree]
            .into_iter()
            .chain(args.into_iter().map(Into::into));
        Call::new(&self.tree, all)
    }

    async fn ask(
        &self,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Answer, OutsideError> {
        self.git.call(self.call_of(args)).await
    }

    async fn text(
        &self,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<String, OutsideError> {
        self.git.text(self.call_of(args)).await
    }

    fn full_branch(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    async fn commit_of(&self, name: &str) -> Result<Option<String>, OutsideError> {
        let name = format!("{name}^{{commit}}");
        Ok(self
            .ask(["rev-parse", "--verify", "--quiet", &name])
            .await?
            .text())
    }

    async fn contains(&self, older: &str, newer: &str) -> Result<bool, OutsideError> {
        Ok(self
            .ask(["merge-base", "--is-ancestor", older, newer])
            .await?
            .success())
    }

    /// Put HEAD on the ticket's branch, the files as they are. Commits that an agent made elsewhere
    /// on top of the branch are taken along.
    pub(super) async fn settle(&self) -> Result<(), OutsideError> {
        let full = self.full_branch();
        if self
            .ask(["symbolic-ref", "--quiet", "HEAD"])
            .await?
            .text()
            .as_ref()
            == Some(&full)
        {
            return Ok(());
        }
        let head = self.commit_of("HEAD").await?;
        let target = match (self.commit_of(&full).await?, head) {
            (Some(tip), Some(head)) if self.contains(&tip, &head).await? => Some(head),
            (Some(tip), _) => Some(tip),
            (None, Some(head)) => match self.base {
                Some(base) if !self.contains(base, &head).await? => Some(base.to_owned()),
                _ => Some(head),
            },
            (None, None) => self.base.map(str::to_owned),
        };
        if let Some(target) = target {
            self.text(["update-ref", &full, &target]).await?;
        }
        self.text(["symbolic-ref", "HEAD", &full]).await?;
        Ok(())
    }

    /// Commit all changes to the ticket's branch; the commit's id, or none where nothing changed.
    pub(super) async fn commit(&self, message: &str) -> Result<Option<String>, OutsideError> {
        self.settle().await?;
        self.add(&["-A"], None).await?;
        let tree = self.text(["write-tree"]).await?;
        let before = match self.commit_of("HEAD").await? {
            Some(head) => {
                self.text(["rev-parse", &format!("{head}^{{tree}}")])
                    .await?
            }
            None => self.empty_tree().await?,
        };
        if tree == before {
            return Ok(None);
        }
        let args = [
            "commit",
            "--quiet",
            "--no-verify",
            "--no-status",
            "--cleanup=whitespace",
            "--file=-",
        ];
        self.git
            .text(self.call_of(args).stdin(message.as_bytes().to_vec()))
            .await?;
        self.text(["rev-parse", "HEAD"]).await.map(Some)
    }

    /// Tell the index of all files. One that git refuses (unreadable, or a nested repository without
    /// a commit) is left out rather than keeping all others from being kept.
    async fn add(&self, flags: &[&str], index: Option<&Path>) -> Result<(), OutsideError> {
        let attempt = |ignore: Option<&'static str>| {
            let args = ["add"]
                .into_iter()
                .chain(flags.iter().copied())
                .chain(ignore);
            let call = self.call_of(args.chain(["--", "."]).collect::<Vec<_>>());
            match index {
                Some(index) => call.env("GIT_INDEX_FILE", index),
                None => call,
            }
        };
        if self.git.call(attempt(None)).await?.success() {
            return Ok(());
        }
        let answer = self.git.call(attempt(Some("--ignore-errors"))).await?;
        if !matches!(answer.code, Some(0 | 1)) {
            return Err(OutsideError::Unavailable(answer.complaint()));
        }
        tracing::warn!(tree = %self.tree.display(), "{}", answer.complaint());
        Ok(())
    }

    async fn empty_tree(&self) -> Result<String, OutsideError> {
        // Not a constant: it depends on the repository's hash function.
        self.git
            .text(self.call_of(["mktree"]).stdin(Vec::new()))
            .await
    }

    /// The unified diff of all files against the base; `prefix` goes before each path. The agent's
    /// own index is left as it is.
    pub(super) async fn diff(&self, prefix: &str, limit: usize) -> Result<Vec<u8>, OutsideError> {
        let scratch = self
            .git_dir
            .join(format!("adjutant-index-{}", Uuid::now_v7()));
        let (from, to) = (self.git_dir.join("index"), scratch.clone());
        blocking(move || copy_index(&from, &to).map_err(|error| broken(&to, &error))).await?;
        let result = self.diff_with(&scratch, prefix, limit).await;
        blocking(move || {
            // Left behind by a crash it costs a few kilobytes until the ticket ends.
            let _ = fs::remove_file(scratch);
            Ok(())
        })
        .await?;
        result
    }

    async fn diff_with(
        &self,
        index: &Path,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<u8>, OutsideError> {
        self.add(&["--intent-to-add"], Some(index)).await?;
        let base = match self.base {
            Some(base) => base.to_owned(),
            None => self.empty_tree().await?,
        };
        let (old, new) = (
            format!("--src-prefix=a/{prefix}"),
            format!("--dst-prefix=b/{prefix}"),
        );
        let call = self
            .call_of([
                "diff",
                "--no-ext-diff",
                "--no-textconv",
                "--no-color",
                "--ignore-submodules=all",
                &old,
                &new,
                &base,
                "--",
            ])
            .env("GIT_INDEX_FILE", index)
            .max_output(limit);
        let answer = self.git.call(call).await?;
        if answer.truncated {
            return Err(OutsideError::Limit(format!(
                "The diff is longer than {limit} bytes."
            )));
        }
        if !answer.success() {
            return Err(OutsideError::Unavailable(answer.complaint()));
        }
        Ok(answer.stdout)
    }

    /// The tip of the ticket's branch, if it has commits beyond its base.
    pub(super) async fn ahead(&self) -> Result<Option<String>, OutsideError> {
        let Some(tip) = self.commit_of(&self.full_branch()).await? else {
            return Ok(None);
        };
        let Some(base) = self.base else {
            return Ok(Some(tip));
        };
        let range = format!("{base}..{tip}");
        let first = self
            .text(["rev-list", "--max-count=1", &range, "--"])
            .await?;
        Ok((!first.is_empty()).then_some(tip))
    }
}

/// Undo what may have been done to a git directory; see [`TicketClone::guard`].
fn put_back(git_dir: &Path, config: &str, branch: &str) -> io::Result<()> {
    if !fs::symlink_metadata(git_dir)?.is_dir() {
        return Err(io::Error::other("it is no folder any more"));
    }
    let file = git_dir.join("config");
    let plain = fs::symlink_metadata(&file).is_ok_and(|about| about.is_file());
    if !plain || fs::read(&file)? != config.as_bytes() {
        let fresh = git_dir.join("config.adjutant");
        remove_if_there(&fresh)?;
        fs::write(&fresh, config)?;
        fs::rename(&fresh, &file)?;
    }
    let lock = format!("refs/heads/{branch}.lock");
    let stale = [
        "config.worktree",
        "commondir",
        "info/attributes",
        "index.lock",
        "HEAD.lock",
    ];
    for name in stale
        .into_iter()
        .chain(["packed-refs.lock", "config.lock", &lock])
    {
        remove_if_there(&git_dir.join(name))?;
    }
    Ok(())
}

/// A command may have removed the tree, or put a link in its place that git would follow.
fn keep_folder(tree: &Path) -> io::Result<()> {
    match fs::symlink_metadata(tree) {
        Ok(about) if about.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(tree)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(tree)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// The copy keeps its time: git takes an entry that is as young as the index for unsure, and a
/// younger index would make it sure of files that have changed since.
fn copy_index(from: &Path, to: &Path) -> io::Result<()> {
    let modified = match fs::symlink_metadata(from) {
        Ok(about) => about.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    fs::copy(from, to)?;
    fs::File::options()
        .write(true)
        .open(to)?
        .set_modified(modified)
}

fn broken(path: &Path, error: &io::Error) -> OutsideError {
    OutsideError::Unavailable(format!("{} cannot be used: {error}.", path.display()))
}
