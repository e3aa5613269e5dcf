//! Worktrees with real git: what comes back, and that nothing else of the user's is touched.

use std::path::Path;

use crate::support::{Bench, git, printed, request, run, set_traps, sh, try_git};
use adjutant_connect::{GitOptions, GitWorktrees, OutsideError, Repo, Worktrees};

/// All that must stay as it is in the user's repository.
fn state(repo: &Path) -> (String, Vec<u8>, String, Vec<u8>, bool) {
    let refs = git(repo, &["for-each-ref"]);
    (
        git(
            repo,
            &[
                "--no-optional-locks",
                "status",
                "--porcelain=v2",
                "--branch",
            ],
        ),
        std::fs::read(repo.join(".git/index")).unwrap(),
        refs.lines()
            .filter(|line| !line.contains("refs/heads/adjutant/"))
            .collect(),
        std::fs::read(repo.join(".git/config")).unwrap(),
        repo.join(".git/FETCH_HEAD").exists(),
    )
}

#[tokio::test]
async fn a_ticket_leaves_only_its_branch_and_no_hook_ever_runs() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    // Dirty in every way: staged, changed, untracked.
    std::fs::write(repo.join("staged.txt"), "staged\n").unwrap();
    git(&repo, &["add", "staged.txt"]);
    std::fs::write(repo.join("src/a.txt"), "changed by the user\n").unwrap();
    std::fs::write(repo.join("untracked.txt"), "untracked\n").unwrap();
    let marker = bench.dir.path().join("trapped");
    set_traps(&repo, &marker);
    // The traps do work: the user's own git runs into them.
    git(&repo, &["update-ref", "refs/heads/probe", "HEAD"]);
    assert!(marker.exists(), "the trap must be able to fire");
    std::fs::remove_file(&marker).unwrap();
    let before = state(&repo);

    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    assert_eq!(
        tree.read("src/a.txt").await.unwrap(),
        b"one\n",
        "the base, not the user's changes"
    );
    tree.write("src/new/b.txt", b"two\n".to_vec())
        .await
        .unwrap();
    let first = tree
        .commit("Add b")
        .await
        .unwrap()
        .expect("something changed");
    assert_eq!(tree.commit("Nothing").await.unwrap(), None);
    printed(
        &*tree,
        "echo three > c.txt && git add c.txt && git commit -qm 'Add c'",
    )
    .await;
    tree.write("left.txt", b"left\n".to_vec()).await.unwrap();

    let branches = bench
        .worktrees
        .finish(&wish, true, "Keep the rest")
        .await
        .unwrap();
    assert_eq!(branches.len(), 1);
    assert_eq!(
        (branches[0].repo.as_str(), &branches[0].branch),
        ("app", &wish.branch)
    );
    let log = git(
        &repo,
        &[
            "log",
            "--format=%s|%an|%ae",
            &format!("main..{}", wish.branch),
        ],
    );
    let who = "Adjutant|adjutant@localhost";
    assert_eq!(
        log,
        format!("Keep the rest|{who}\nAdd c|{who}\nAdd b|{who}")
    );
    assert_eq!(git(&repo, &["rev-parse", &wish.branch]), branches[0].commit);
    assert_eq!(
        git(&repo, &["rev-parse", &format!("{}~2", wish.branch)]),
        first
    );
    git(&repo, &["fsck", "--connectivity-only"]);

    assert!(
        !marker.exists(),
        "ran: {:?}",
        std::fs::read_to_string(&marker)
    );
    assert_eq!(state(&repo), before);
    assert_eq!(bench.left(), Vec::<String>::new());
    // Once more, as after a crash: the same answer, nothing changed.
    assert_eq!(
        bench.worktrees.finish(&wish, true, "again").await.unwrap(),
        branches
    );
}

#[tokio::test]
async fn a_branch_comes_back_only_with_commits() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    for (keep, write, commit, expected) in [
        (true, false, false, 0),
        (false, true, false, 0),
        (true, true, false, 1),
        (false, true, true, 1),
    ] {
        let wish = request(&[&repo]);
        let tree = bench.provision(&wish).await;
        if write {
            tree.write("x", b"x".to_vec()).await.unwrap();
        }
        if commit {
            tree.commit("x").await.unwrap().unwrap();
        }
        let branches = bench.worktrees.finish(&wish, keep, "").await.unwrap();
        assert_eq!(
            branches.len(),
            expected,
            "keep {keep}, write {write}, commit {commit}"
        );
        let exists = try_git(&repo, &["rev-parse", "--verify", &wish.branch]).0;
        assert_eq!(exists, expected == 1);
        let again = bench.worktrees.finish(&wish, keep, "").await.unwrap();
        assert_eq!(again, branches, "finishing twice is finishing once");
    }
}

#[tokio::test]
async fn finish_can_be_repeated_after_a_crash_between_fetch_and_removal() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    tree.write("x", b"x".to_vec()).await.unwrap();
    tree.commit("x").await.unwrap();
    // As if the fetch had been done and the host had died: the branch is there, and the folder.
    let clone = bench.folder(wish.ticket).join("git/app");
    let refs = format!("refs/heads/{0}:refs/heads/{0}", wish.branch);
    git(&repo, &["fetch", "-q", clone.to_str().unwrap(), &refs]);
    let restarted = GitWorktrees::new(
        bench.dir.path().join("worktrees"),
        "git",
        GitOptions::default(),
    )
    .unwrap();
    assert_eq!(restarted.known().await.unwrap(), [wish.ticket]);
    let branches = restarted.finish(&wish, true, "rest").await.unwrap();
    assert_eq!(branches[0].commit, git(&repo, &["rev-parse", &wish.branch]));
    // As if it had died while it removed the folder.
    let gone = bench
        .dir
        .path()
        .join(format!("worktrees/{}.gone", wish.ticket));
    std::fs::create_dir_all(gone.join("tree/app")).unwrap();
    assert_eq!(restarted.known().await.unwrap(), [wish.ticket]);
    assert_eq!(
        restarted.finish(&wish, true, "rest").await.unwrap(),
        branches
    );
    assert_eq!(restarted.known().await.unwrap(), Vec::<uuid::Uuid>::new());
}

#[tokio::test]
async fn a_lock_that_a_killed_git_left_on_the_tickets_branch_is_no_obstacle() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    tree.write("x", b"x".to_vec()).await.unwrap();
    let lock = repo.join(format!(".git/refs/heads/{}.lock", wish.branch));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let branches = bench.worktrees.finish(&wish, true, "x").await.unwrap();
    assert_eq!(branches[0].commit, git(&repo, &["rev-parse", &wish.branch]));
    assert!(!lock.exists());
}

#[tokio::test]
async fn a_worktree_that_is_made_again_goes_on_from_the_branch_that_came_back() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    tree.write("one.txt", b"1\n".to_vec()).await.unwrap();
    let first = bench.worktrees.finish(&wish, true, "One").await.unwrap();
    assert_eq!(first.len(), 1);
    // The user's own branch moves on meanwhile.
    git(&repo, &["commit", "-q", "--allow-empty", "-m", "Mine"]);

    // The host was killed before it had noted the branch: the same once more, with nothing to do.
    bench.provision(&wish).await;
    let again = bench.worktrees.finish(&wish, true, "One").await.unwrap();
    assert_eq!(again, first);

    // Or the ticket was reopened, and there is more to do.
    let tree = bench.provision(&wish).await;
    assert_eq!(tree.read("one.txt").await.unwrap(), b"1\n");
    tree.write("two.txt", b"2\n".to_vec()).await.unwrap();
    let diff = tree.diff().await.unwrap();
    assert!(
        diff.contains("one.txt") && diff.contains("two.txt"),
        "{diff}"
    );
    let more = bench.worktrees.finish(&wish, true, "Two").await.unwrap();
    let parent = git(&repo, &["rev-parse", &format!("{}~1", more[0].commit)]);
    assert_eq!(parent.trim(), first[0].commit);
}

#[tokio::test]
async fn the_clone_is_an_ordinary_repository_on_the_tickets_branch() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    assert_eq!(printed(&*tree, "git log --format=%s").await, "first");
    assert_eq!(
        printed(&*tree, "git branch --show-current").await,
        wish.branch
    );
    assert_eq!(printed(&*tree, "git status --porcelain").await, "");
    assert_eq!(
        printed(&*tree, "git remote").await,
        "",
        "nothing to push to"
    );
    assert_eq!(
        printed(
            &*tree,
            "git rev-parse --verify -q refs/remotes/origin/main | wc -l"
        )
        .await,
        "1"
    );
    // And after a restart.
    let again = bench
        .worktrees
        .open(&wish)
        .await
        .unwrap()
        .expect("complete");
    assert_eq!(printed(&*again, "git log --format=%s").await, "first");
}

#[tokio::test]
async fn a_diff_shows_changed_new_and_removed_files_and_leaves_the_index_alone() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    assert_eq!(tree.diff().await.unwrap(), "");
    tree.write("README.md", b"hullo\n".to_vec()).await.unwrap();
    tree.write("docs/n\u{e9}w.txt", b"new\n".to_vec())
        .await
        .unwrap();
    tree.remove("src/a.txt").await.unwrap();
    let status = printed(&*tree, "git status --porcelain").await;
    let diff = tree.diff().await.unwrap();
    for part in [
        "-hello\n+hullo",
        "--- /dev/null\n+++ b/docs/n\u{e9}w.txt",
        "-one",
        "deleted file",
    ] {
        assert!(diff.contains(part), "{part:?} is missing in {diff}");
    }
    assert_eq!(printed(&*tree, "git status --porcelain").await, status);
    tree.commit("all").await.unwrap().unwrap();
    assert_eq!(
        tree.diff().await.unwrap(),
        diff,
        "against the base, not the last commit"
    );
}

#[tokio::test]
async fn a_long_diff_and_a_blank_or_long_message_are_refused() {
    let bench = Bench::with(GitOptions {
        max_diff: 1000,
        ..GitOptions::default()
    });
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    tree.write("big", "line\n".repeat(1000).into_bytes())
        .await
        .unwrap();
    assert!(matches!(tree.diff().await, Err(OutsideError::Limit(_))));
    assert!(matches!(
        tree.commit(" \n").await,
        Err(OutsideError::Invalid(_))
    ));
    assert!(matches!(
        tree.commit(&"m".repeat(20_000)).await,
        Err(OutsideError::Limit(_))
    ));
}

#[tokio::test]
async fn several_repositories_stand_side_by_side() {
    let bench = Bench::new();
    let (app, lib) = (bench.repo("app"), bench.repo("lib"));
    let wish = request(&[&app, &lib]);
    let tree = bench.provision(&wish).await;
    let names: Vec<_> = tree
        .list("")
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["app", "lib"]);
    assert_eq!(tree.read("lib/README.md").await.unwrap(), b"hello\n");
    assert!(matches!(
        tree.read("README.md").await,
        Err(OutsideError::NotFound(_))
    ));
    assert!(matches!(tree.read("").await, Err(OutsideError::Invalid(_))));
    assert!(matches!(
        tree.write("new/x", vec![]).await,
        Err(OutsideError::NotFound(_))
    ));
    assert_eq!(printed(&*tree, "ls -A").await, "app\nlib");
    assert_ne!(
        run(&*tree, &sh("git status")).await.code,
        Some(0),
        "no repository above is found"
    );
    tree.write("lib/x", b"x\n".to_vec()).await.unwrap();
    assert!(tree.diff().await.unwrap().contains("+++ b/lib/x"));
    let ids = tree.commit("one of them").await.unwrap().unwrap();
    assert!(!ids.contains(' '), "only one has changed: {ids}");
    tree.write("lib/y", b"y\n".to_vec()).await.unwrap();
    tree.write("app/y", b"y\n".to_vec()).await.unwrap();
    assert_eq!(
        tree.commit("both")
            .await
            .unwrap()
            .unwrap()
            .split(' ')
            .count(),
        2
    );
    let branches = bench.worktrees.finish(&wish, true, "").await.unwrap();
    let repos: Vec<_> = branches.iter().map(|branch| branch.repo.as_str()).collect();
    assert_eq!(repos, ["app", "lib"]);
}

#[tokio::test]
async fn an_empty_repository_gets_its_first_commit_on_the_branch() {
    let bench = Bench::new();
    let repo = bench.user("fresh");
    git(bench.dir.path(), &["init", "-q", repo.to_str().unwrap()]);
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    assert_eq!(tree.diff().await.unwrap(), "");
    assert_eq!(tree.commit("nothing").await.unwrap(), None);
    tree.write("a", b"a\n".to_vec()).await.unwrap();
    assert!(tree.diff().await.unwrap().contains("+++ b/a"));
    tree.commit("first").await.unwrap().unwrap();
    assert_eq!(
        bench.worktrees.finish(&wish, true, "").await.unwrap().len(),
        1
    );
    assert_eq!(git(&repo, &["log", "--format=%s", &wish.branch]), "first");
    assert!(!repo.join("a").exists());
    // Nothing was done: nothing comes back.
    let wish = request(&[&repo]);
    bench.provision(&wish).await;
    assert_eq!(bench.worktrees.finish(&wish, true, "").await.unwrap(), []);
}

#[tokio::test]
async fn what_an_agent_does_to_its_clone_does_not_run_in_the_host() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    let marker = bench.dir.path().join("escaped");
    let trap = format!("touch '{}'; cat", marker.display());
    printed(
        &*tree,
        &format!(
            "trap=\"{trap}\"
             git config filter.evil.clean \"$trap\"
             git config filter.evil.smudge \"$trap\"
             git config diff.evil.textconv \"$trap\"
             git config diff.evil.command \"$trap\"
             git config diff.external \"$trap\"
             git config core.fsmonitor \"$trap\"
             git config core.hooksPath \"$PWD/hooks\"
             mkdir hooks && printf '#!/bin/sh\\n%s\\n' \"$trap\" > hooks/pre-commit
             cp hooks/pre-commit hooks/reference-transaction && chmod +x hooks/*
             echo '* filter=evil diff=evil' > .gitattributes
             mkdir -p \"$(git rev-parse --git-dir)/info\"
             cp .gitattributes \"$(git rev-parse --git-dir)/info/attributes\"
             touch \"$(git rev-parse --git-dir)/index.lock\"
             echo changed > README.md
             echo 'gitdir: /nowhere' > .git"
        ),
    )
    .await;
    let _ = std::fs::remove_file(&marker);
    assert!(tree.diff().await.unwrap().contains("+changed"));
    tree.commit("changed").await.unwrap().unwrap();
    assert_eq!(
        bench.worktrees.finish(&wish, true, "").await.unwrap().len(),
        1
    );
    assert!(!marker.exists());
}

#[tokio::test]
async fn work_on_other_branches_and_odd_files_still_comes_back() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let scripts = [
        "git checkout -q -b mine && echo x > x && git add x && git commit -qm mine",
        "git checkout -q --detach && echo x > x && git add x && git commit -qm mine",
        "git branch -m renamed && echo x > x && git add x && git commit -qm mine",
        "git checkout -q --orphan alone && echo x > x",
        "git init -q nested && echo x > x",
        "git rm -q -r . && echo x > x",
        "echo x > x && mkdir empty && mkfifo pipe && ln -s /etc outside",
    ];
    for script in scripts {
        let wish = request(&[&repo]);
        let tree = bench.provision(&wish).await;
        printed(&*tree, script).await;
        let branches = bench.worktrees.finish(&wish, true, "rest").await;
        let branches = branches.unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(branches.len(), 1, "{script}");
        assert_eq!(
            git(&repo, &["show", &format!("{}:x", wish.branch)]),
            "x",
            "{script}"
        );
        git(
            &repo,
            &["merge-base", "--is-ancestor", "main", &wish.branch],
        );
    }
    // A tree that was removed altogether, and one that a link stands for.
    for script in [
        "rm -rf \"$PWD\"",
        "d=\"$PWD\"; rm -rf \"$d\"; ln -s /etc \"$d\"",
    ] {
        let wish = request(&[&repo]);
        let tree = bench.provision(&wish).await;
        printed(&*tree, script).await;
        assert!(tree.read("README.md").await.is_err(), "{script}");
        assert!(tree.read("passwd").await.is_err(), "{script}");
        bench.worktrees.finish(&wish, true, "rest").await.unwrap();
        assert_eq!(git(&repo, &["ls-tree", "-r", &wish.branch]), "", "{script}");
    }
}

#[tokio::test]
async fn many_tickets_of_one_repository_at_once() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tickets: Vec<_> = (0..8).map(|_| request(&[&repo])).collect();
    let work = tickets.iter().enumerate().map(|(number, wish)| {
        let worktrees = &bench.worktrees;
        // The last characters of ids that are made at once may be alike; branches must differ.
        let wish = adjutant_connect::Provision {
            branch: format!("adjutant/many-{number}"),
            ..wish.clone()
        };
        async move {
            let tree = worktrees.provision(&wish).await?;
            tree.write("n", number.to_string().into_bytes()).await?;
            worktrees.finish(&wish, true, "n").await
        }
    });
    let mut set = Vec::new();
    for one in work {
        set.push(Box::pin(one));
    }
    let done = join_all(set).await;
    for (number, branches) in done.into_iter().enumerate() {
        assert_eq!(branches.unwrap().len(), 1);
        let shown = git(&repo, &["show", &format!("adjutant/many-{number}:n")]);
        assert_eq!(shown, number.to_string());
    }
    assert_eq!(bench.left(), Vec::<String>::new());
}

/// Polls all futures on this task.
async fn join_all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = std::pin::Pin::new(future).poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(outputs.iter_mut().filter_map(Option::take).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_finish_that_cannot_bring_back_keeps_the_work() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    tree.write("x", b"x\n".to_vec()).await.unwrap();
    // The user has checked out a branch of the same name: git refuses to move it underneath.
    git(&repo, &["checkout", "-q", "-b", &wish.branch]);
    let refused = bench.worktrees.finish(&wish, true, "x").await;
    assert!(
        matches!(&refused, Err(OutsideError::Unavailable(text)) if text.contains(&wish.branch))
    );
    assert!(bench.worktrees.open(&wish).await.unwrap().is_some());
    git(&repo, &["checkout", "-q", "main"]);
    let renamed = Repo {
        name: "other".into(),
        path: repo.clone(),
        base: None,
    };
    let later = adjutant_connect::Provision {
        repos: vec![renamed],
        ..wish.clone()
    };
    let branches = bench.worktrees.finish(&later, true, "x").await.unwrap();
    assert_eq!(branches[0].repo, "app", "what was recorded holds");
}
