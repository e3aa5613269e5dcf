//! Making worktrees: from which repositories, where, and what is left when it does not work out.

use std::path::Path;

use crate::support::{self, Bench, git, printed, request};
use adjutant_connect::{GitOptions, GitWorktrees, OutsideError, Repo, RepoError, Worktrees};

#[tokio::test]
async fn any_folder_of_any_kind_of_repository_will_do() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let at = |name: &str| bench.user(name).to_str().unwrap().to_owned();
    git(
        &repo,
        &["worktree", "add", "-q", "-b", "side", &at("linked")],
    );
    std::fs::write(bench.user("linked").join("side.txt"), "side\n").unwrap();
    git(&bench.user("linked"), &["add", "-A"]);
    git(&bench.user("linked"), &["commit", "-q", "-m", "side"]);
    git(&repo, &["clone", "-q", "--bare", ".", &at("bare")]);
    git(&repo, &["commit", "-q", "--allow-empty", "-m", "second"]);
    let url = format!("file://{}", repo.display());
    git(&repo, &["clone", "-q", "--depth=1", &url, &at("shallow")]);
    git(
        &repo,
        &["init", "-q", "--object-format=sha256", &at("sha256")],
    );
    git(
        &bench.user("sha256"),
        &["commit", "-q", "--allow-empty", "-m", "x"],
    );
    git(&repo, &["clone", "-q", ".", &at("detached")]);
    git(&bench.user("detached"), &["checkout", "-q", "--detach"]);
    git(
        &bench.user("detached"),
        &["commit", "-q", "--allow-empty", "-m", "loose"],
    );
    for (path, file) in [
        (repo.join("src"), Some("README.md")),
        (bench.user("linked"), Some("side.txt")),
        (bench.user("bare"), Some("README.md")),
        (bench.user("shallow"), Some("README.md")),
        (bench.user("sha256"), None),
        (bench.user("detached"), Some("README.md")),
    ] {
        let shown = path.display();
        let wish = request(&[&path]);
        let head = git(&path, &["rev-parse", "HEAD"]);
        let tree = bench
            .worktrees
            .provision(&wish)
            .await
            .unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(printed(&*tree, "git rev-parse HEAD").await, head, "{shown}");
        if let Some(file) = file {
            tree.read(file)
                .await
                .unwrap_or_else(|e| panic!("{shown}: {e}"));
        }
        tree.write("made", b"made\n".to_vec()).await.unwrap();
        let branches = bench.worktrees.finish(&wish, true, "made").await;
        let branches = branches.unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(
            git(&path, &["rev-parse", &wish.branch]),
            branches[0].commit,
            "{shown}"
        );
        assert_eq!(
            git(&path, &["rev-parse", &format!("{}~", wish.branch)]),
            head,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_wrong_request_is_refused_with_a_sentence_and_leaves_nothing() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let based = |base: &str| {
        let mut wish = request(&[&repo]);
        wish.repos[0].base = Some(base.into());
        wish
    };
    let named = |name: &str| {
        let mut wish = request(&[&repo]);
        wish.repos[0].name = name.into();
        wish
    };
    let branched = |branch: &str| {
        let mut wish = request(&[&repo]);
        wish.branch = branch.into();
        wish
    };
    let twice = {
        let mut wish = request(&[&repo, &repo]);
        wish.repos[1].name = "APP".into();
        wish
    };
    // Outside of every repository, which the target folder may not be.
    let plain = tempfile::tempdir().unwrap();
    let table = [
        (request(&[plain.path()]), "in no git repository"),
        (request(&[&bench.user("missing")]), "There is no folder"),
        (request(&[]), "No repository"),
        (based("nowhere"), "`nowhere` is no commit"),
        (based("--all"), "`--all` is no commit"),
        (based(""), "no ref"),
        (named(".."), "cannot be called"),
        (named("a/b"), "cannot be called"),
        (named(".git"), "cannot be called"),
        (named("-x"), "cannot be called"),
        (branched("main"), "no branch for a ticket"),
        (branched("adjutant/../main"), "no branch for a ticket"),
        (branched("adjutant/"), "no branch for a ticket"),
        (twice, "Two repositories"),
    ];
    for (wish, part) in table {
        match bench.worktrees.provision(&wish).await {
            Err(OutsideError::Invalid(text)) => assert!(text.contains(part), "{part}: {text}"),
            Err(other) => panic!("{part}: {other:?}"),
            Ok(_) => panic!("{part}: accepted"),
        }
        assert_eq!(bench.left(), Vec::<String>::new(), "{part}");
    }
    let mut wish = based("HEAD");
    wish.repos[0].base = Some("main".into());
    bench.provision(&wish).await;
}

#[tokio::test]
async fn worktrees_are_kept_neither_in_tmp_nor_in_the_users_repository() {
    for root in ["/tmp/adjutant-never", "/var/tmp/adjutant-never"] {
        let refused = GitWorktrees::new(root, "git", GitOptions::default());
        assert!(matches!(refused, Err(OutsideError::Invalid(_))), "{root}");
        assert!(!Path::new(root).exists());
    }
    let bench = Bench::new();
    let repo = bench.repo("app");
    for inside in ["data", ".git/data"] {
        let worktrees = GitWorktrees::new(repo.join(inside), "git", GitOptions::default()).unwrap();
        let refused = worktrees
            .provision(&request(&[&repo.join("src")]))
            .await
            .err();
        assert!(
            matches!(refused, Some(OutsideError::Invalid(_))),
            "{refused:?}"
        );
    }
    // A ticket's clone is no repository of a user's.
    let wish = request(&[&repo]);
    bench.provision(&wish).await;
    let nested = request(&[&bench.folder(wish.ticket).join("tree/app")]);
    assert!(matches!(
        bench.worktrees.provision(&nested).await,
        Err(OutsideError::Invalid(_))
    ));
}

#[tokio::test]
async fn a_half_made_worktree_is_no_worktree() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let making = bench
        .dir
        .path()
        .join(format!("worktrees/{}.making", wish.ticket));
    std::fs::create_dir_all(making.join("tree/app")).unwrap();
    assert_eq!(bench.worktrees.known().await.unwrap(), [wish.ticket]);
    assert!(bench.worktrees.open(&wish).await.unwrap().is_none());
    assert_eq!(bench.left(), Vec::<String>::new());
    // Nor is one without its record.
    bench.provision(&wish).await;
    std::fs::remove_file(bench.folder(wish.ticket).join("ticket.json")).unwrap();
    assert!(bench.worktrees.open(&wish).await.unwrap().is_none());
    assert_eq!(bench.left(), Vec::<String>::new());
    // Discarding is removing, once or twice, read-only folders too.
    let tree = bench.provision(&wish).await;
    printed(
        &*tree,
        "mkdir -p $HOME/cache/deep && touch $HOME/cache/deep/x && chmod -R a-w $HOME/cache",
    )
    .await;
    bench.worktrees.discard(wish.ticket).await.unwrap();
    bench.worktrees.discard(wish.ticket).await.unwrap();
    assert_eq!(bench.left(), Vec::<String>::new());
    assert_eq!(bench.worktrees.finish(&wish, true, "").await.unwrap(), []);
}

#[tokio::test]
async fn provisioning_that_is_dropped_leaves_no_process_and_no_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir_in(adjutant_build::scratch(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    // A git that tells its process and its child's when it clones, and then hangs.
    let told = dir.path().join("told");
    let mkfifo = std::process::Command::new("mkfifo")
        .arg(&told)
        .status()
        .unwrap();
    assert!(mkfifo.success());
    let slow = dir.path().join("slow-git");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *' clone '*) sleep 1000 & echo \"$$ $!\" > '{}'; wait;; esac\n\
         exec git \"$@\"\n",
        told.display()
    );
    std::fs::write(&slow, script).unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    let bench = Bench::new();
    let repo = bench.repo("app");
    let root = dir.path().join("worktrees");
    let worktrees = GitWorktrees::new(&root, &slow, GitOptions::default()).unwrap();
    let wish = request(&[&repo]);
    let pids = {
        let heard = tokio::task::spawn_blocking(move || std::fs::read_to_string(told).unwrap());
        tokio::select! {
            _ = worktrees.provision(&wish) => panic!("it hangs"),
            heard = heard => heard.unwrap(),
        }
    };
    for pid in pids.split_whitespace() {
        assert!(support::gone(pid).await, "{pid} still runs");
    }
    assert_eq!(worktrees.known().await.unwrap(), [wish.ticket]);
    assert!(worktrees.open(&wish).await.unwrap().is_none());
    assert_eq!(worktrees.known().await.unwrap(), Vec::<uuid::Uuid>::new());
    worktrees.discard(wish.ticket).await.unwrap();
}

#[tokio::test]
async fn a_git_that_hangs_or_is_missing_is_an_error_in_time() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let root = bench.dir.path().join("other");
    let missing = GitWorktrees::new(&root, "/no/such/git", GitOptions::default()).unwrap();
    let error = missing.provision(&request(&[&repo])).await.err();
    assert!(
        matches!(&error, Some(OutsideError::Unavailable(text)) if text.contains("Is git installed")),
        "{error:?}"
    );
    let options = GitOptions {
        git_timeout: std::time::Duration::from_millis(50),
        ..GitOptions::default()
    };
    let hanging = bench.dir.path().join("hanging");
    std::fs::write(&hanging, "#!/bin/sh\nsleep 1000\n").unwrap();
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(&hanging)
        .status()
        .unwrap();
    let hanging = GitWorktrees::new(&root, &hanging, options).unwrap();
    let error = hanging.provision(&request(&[&repo])).await.err();
    assert!(
        matches!(error, Some(OutsideError::Deadline(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn more_worktrees_than_may_be_made_at_once_wait() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let root = bench.dir.path().join("few");
    let lines = bench.dir.path().join("lines");
    let slow = bench.dir.path().join("counting-git");
    // Each clone says when it begins and when it ends.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *' clone '*) echo begin >> '{0}'; sleep 0.1; git \"$@\"; \
         code=$?; echo end >> '{0}'; exit $code;; esac\nexec git \"$@\"\n",
        lines.display()
    );
    std::fs::write(&slow, script).unwrap();
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(&slow)
        .status()
        .unwrap();
    let options = GitOptions {
        at_once: 1,
        ..GitOptions::default()
    };
    let worktrees = GitWorktrees::new(&root, &slow, options).unwrap();
    let wishes = [request(&[&repo]), request(&[&repo]), request(&[&repo])];
    let (a, b, c) = tokio::join!(
        worktrees.provision(&wishes[0]),
        worktrees.provision(&wishes[1]),
        worktrees.provision(&wishes[2])
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let lines = std::fs::read_to_string(lines).unwrap();
    assert_eq!(lines, "begin\nend\n".repeat(3), "one after the other");
}

#[tokio::test]
async fn what_is_wrong_with_a_repository_is_said_of_its_path_or_of_its_base() {
    let bench = Bench::new();
    let app = bench.repo("app");
    let fresh = bench.user("fresh");
    git(&app, &["init", "-q", fresh.to_str().unwrap()]);
    let unborn = bench.user("unborn");
    git(&app, &["init", "-q", unborn.to_str().unwrap()]);
    std::fs::write(unborn.join(".git/HEAD"), format!("{}\n", "1".repeat(40))).unwrap();
    let (file, nowhere) = (app.join("README.md"), bench.user("nowhere"));
    let base = |name: &str| Some(name.to_owned());
    for (path, base, part) in [
        (&app, None, ""),
        (&app, base("main"), ""),
        (&fresh, None, ""),
        (&app, base("nothing"), "base: `nothing` is no commit"),
        (&app, base(""), "base: The base to start from is no ref"),
        (&unborn, None, "path: `HEAD` is no commit"),
        (&file, base("main"), "path: There is no folder"),
        (&nowhere, base("main"), "path: There is no folder"),
    ] {
        let repo = Repo {
            name: "app".to_owned(),
            path: path.clone(),
            base,
        };
        let said = match bench.worktrees.check_repo(&repo).await {
            Ok(()) => String::new(),
            Err(RepoError::Path(why)) => format!("path: {why}"),
            Err(RepoError::Base(why)) => format!("base: {why}"),
            Err(RepoError::Unknown(error)) => panic!("{error}"),
        };
        assert!(
            said.starts_with(part) && said.is_empty() == part.is_empty(),
            "{said}"
        );
    }
}
