//! The user's side: finding a repository, the commit to start from, and bringing a branch back.
//!
//! Invariant: the one write is the fetch of a ticket's branch into `refs/heads/`, with hooks off,
//! without tags, `FETCH_HEAD`, pruning or maintenance. It never reaches a checkout or an index.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::invoke::{Call, Git};
use crate::ports::{OutsideError, Repo, RepoError};

/// A user's repository, found.
#[derive(Debug)]
pub(super) struct Source {
    /// The repository's common git directory.
    pub(super) git_dir: PathBuf,
    /// The folders that belong to the user: no worktree of ours may be made below them.
    owned: Vec<PathBuf>,
    /// The commit to start from; none where the repository has no commit yet.
    pub(super) base: Option<String>,
}

impl Source {
    /// Find the repository that `repo` means.
    ///
    /// Errors: `Invalid` where it is none, or its base is no commit.
    pub(super) async fn find(git: &Git, repo: &Repo) -> Result<Self, OutsideError> {
        let (git_dir, owned) = locate(git, &repo.path).await?;
        let base = base(git, repo).await?;
        Ok(Self {
            git_dir,
            owned,
            base,
        })
    }

    /// Whether worktrees below `root` can be made of what `repo` means, and what of it is wrong.
    pub(super) async fn check(git: &Git, repo: &Repo, root: &Path) -> Result<(), RepoError> {
        let of = |wrong: fn(String) -> RepoError| {
            move |error| match error {
                OutsideError::Invalid(why) => wrong(why),
                other => RepoError::Unknown(other),
            }
        };
        let (git_dir, owned) = locate(git, &repo.path).await.map_err(of(RepoError::Path))?;
        let found = Self {
            git_dir,
            owned,
            base: None,
        };
        found.check_apart(root).map_err(of(RepoError::Path))?;
        // Where none is named, it is the repository that has no commit to start from.
        let wrong = match &repo.base {
            Some(_) => RepoError::Base,
            None => RepoError::Path,
        };
        base(git, repo).await.map_err(of(wrong))?;
        Ok(())
    }

    /// Refuse to keep worktrees inside the user's repository, or a repository inside the worktrees.
    pub(super) fn check_apart(&self, root: &Path) -> Result<(), OutsideError> {
        for owned in self.owned.iter().chain([&self.git_dir]) {
            if root.starts_with(owned) {
                return Err(OutsideError::Invalid(format!(
                    "Worktrees are kept in {}, which is inside the repository {}. Choose a data \
                     folder outside of it.",
                    root.display(),
                    owned.display()
                )));
            }
            if owned.starts_with(root) {
                return Err(OutsideError::Invalid(format!(
                    "The repository {} is itself inside {}, where worktrees are kept.",
                    owned.display(),
                    root.display()
                )));
            }
        }
        Ok(())
    }
}

/// The common git directory of the repository that `path` is in, and the folders that it owns.
pub(super) async fn locate(
    git: &Git,
    path: &Path,
) -> Result<(PathBuf, Vec<PathBuf>), OutsideError> {
    let shown = path.display();
    // What is in it is found by those only who may enter it.
    let inside = tokio::fs::metadata(path.join(".")).await;
    inside.map_err(|error| no_way_in(path, &error))?;
    let ask = [
        "rev-parse",
        "--path-format=absolute",
        "--git-common-dir",
        "--is-bare-repository",
    ];
    let answer = git.call(Call::new(path, ask)).await?;
    let Some(text) = answer.text() else {
        return Err(if answer.stderr().contains("Permission denied") {
            closed(path)
        } else if answer.stderr().contains("not a git repository") {
            OutsideError::Invalid(format!(
                "The folder {shown} is in no git repository. Run `git init` there, or name another."
            ))
        } else {
            OutsideError::Unavailable(answer.complaint())
        });
    };
    let Some((git_dir, bare)) = text.rsplit_once('\n') else {
        return Err(OutsideError::Unavailable(format!(
            "git did not say where {shown} keeps its data."
        )));
    };
    let git_dir = real(Path::new(git_dir))?;
    let mut owned = Vec::new();
    if bare != "true" {
        // Inside a `.git` folder there is no top level; the common directory's folder stands in.
        let top = git
            .call(Call::new(path, ["rev-parse", "--show-toplevel"]))
            .await?
            .text();
        if let Some(top) = top.filter(|top| !top.is_empty()) {
            owned.push(real(Path::new(&top))?);
        }
    }
    if git_dir.file_name().is_some_and(|name| name == ".git")
        && let Some(main) = git_dir.parent()
    {
        owned.push(main.to_owned());
    }
    Ok((git_dir, owned))
}

/// Why a folder cannot be entered.
fn no_way_in(path: &Path, error: &io::Error) -> OutsideError {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => OutsideError::Invalid(format!(
            "There is no folder {shown} on the host's machine. Name the folder of a git repository there."
        )),
        io::ErrorKind::PermissionDenied => closed(path),
        _ => OutsideError::Unavailable(format!("The folder {shown} cannot be entered: {error}.")),
    }
}

/// What is refused to the host's user.
fn closed(path: &Path) -> OutsideError {
    OutsideError::Invalid(format!(
        "The host may not enter {}, or not read the repository there: permission is denied to the user that \
         it runs as. Permit that, or name another.",
        path.display()
    ))
}

async fn base(git: &Git, repo: &Repo) -> Result<Option<String>, OutsideError> {
    let wanted = repo.base.as_deref().unwrap_or("HEAD");
    if wanted.is_empty() || wanted.contains('\0') {
        return Err(OutsideError::Invalid(
            "The base to start from is no ref.".into(),
        ));
    }
    let commit = format!("{wanted}^{{commit}}");
    let ask = [
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &commit,
    ];
    if let Some(found) = git.call(Call::new(&repo.path, ask)).await?.text() {
        return Ok(Some(found));
    }
    let head = ["symbolic-ref", "--quiet", "HEAD"];
    if repo.base.is_none() && git.call(Call::new(&repo.path, head)).await?.success() {
        return Ok(None);
    }
    let path = repo.path.display();
    Err(OutsideError::Invalid(format!(
        "`{wanted}` is no commit of the repository {path}."
    )))
}

/// The commit that `branch` is at in the user's repository.
pub(super) async fn tip(
    git: &Git,
    git_dir: &Path,
    branch: &str,
) -> Result<Option<String>, OutsideError> {
    let dir = format!("--git-dir={}", git_dir.display());
    let name = format!("refs/heads/{branch}^{{commit}}");
    let ask = [&dir, "rev-parse", "--verify", "--quiet", &name];
    Ok(git.call(Call::new(git_dir, ask)).await?.text())
}

/// Bring `branch` from a clone into the user's repository; replaces what it was there.
pub(super) async fn bring_back(
    git: &Git,
    git_dir: &Path,
    clone: &Path,
    branch: &str,
    limit: Duration,
) -> Result<(), OutsideError> {
    // A git that was killed while it wrote this branch has left its lock. The branch is the ticket's
    // own, and of the ticket's processes none is left, so nobody holds it.
    let lock = git_dir.join(format!("refs/heads/{branch}.lock"));
    if let Err(error) = tokio::fs::remove_file(&lock).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(lock = %lock.display(), %error, "a lock that was left cannot be removed");
    }
    let dir = format!("--git-dir={}", git_dir.display());
    let refs = format!("+refs/heads/{branch}:refs/heads/{branch}");
    let clone = clone.display().to_string();
    let args = [
        dir.as_str(),
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--no-recurse-submodules",
        "--no-write-commit-graph",
        "--no-prune",
        "--refmap=",
        "--",
        &clone,
        &refs,
    ];
    let answer = git.call(Call::new(git_dir, args).timeout(limit)).await?;
    if answer.success() {
        return Ok(());
    }
    Err(OutsideError::Unavailable(format!(
        "The branch `{branch}` could not be brought into {}. {}",
        git_dir.display(),
        answer.complaint()
    )))
}

/// An existing path without links.
pub(super) fn real(path: &Path) -> Result<PathBuf, OutsideError> {
    path.canonicalize().map_err(|error| {
        OutsideError::Unavailable(format!("{} cannot be opened: {error}.", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_the_host_may_not_enter_is_said_to_be_closed() {
        let path = Path::new("/srv/app");
        let said = |kind| no_way_in(path, &io::Error::from(kind));
        let refused = |error| match error {
            OutsideError::Invalid(why) => why,
            other => panic!("{other:?}"),
        };
        let closed = refused(said(io::ErrorKind::PermissionDenied));
        assert!(
            closed.contains("may not enter /srv/app") && closed.contains("permission is denied")
        );
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory] {
            assert!(refused(said(kind)).contains("There is no folder /srv/app"));
        }
        // That may pass.
        let late = said(io::ErrorKind::TimedOut);
        assert!(matches!(late, OutsideError::Unavailable(_)), "{late:?}");
    }
}
