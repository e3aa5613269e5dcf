//! Commands: how they end, what they see, and that nothing of them stays.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::support::{Bench, Lines, gone, printed, request, run, sh};
use adjutant_connect::{Command, Discard, GitOptions, OutsideError, Worktrees};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_command_gives_status_and_output() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    let exit = run(&*tree, &sh("printf 'out\\377'; echo err >&2; exit 3")).await;
    assert_eq!((exit.code, exit.truncated), (Some(3), false));
    assert_eq!(
        (exit.stdout.as_str(), exit.stderr.as_str()),
        ("out\u{fffd}", "err\n")
    );
    assert_eq!(run(&*tree, &sh("kill -9 $$")).await.code, None);
    assert_eq!(
        run(&*tree, &Command::new(["cat"])).await.stdout,
        "",
        "there is no input"
    );
    // Not a shell: nothing is expanded.
    assert_eq!(
        run(&*tree, &Command::new(["echo", "$HOME", "*"]))
            .await
            .stdout,
        "$HOME *\n"
    );
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    let fail = async |argv: &[&str]| {
        let command = Command::new(argv.iter().copied());
        tree.run(&command, &Discard, CancellationToken::new())
            .await
            .unwrap_err()
    };
    assert!(matches!(
        fail(&["no-such-program"]).await,
        OutsideError::NotFound(_)
    ));
    assert!(matches!(
        fail(&["./missing"]).await,
        OutsideError::NotFound(_)
    ));
    assert!(matches!(
        fail(&["./README.md"]).await,
        OutsideError::Invalid(_)
    ));
    assert!(matches!(fail(&[]).await, OutsideError::Invalid(_)));
    assert!(matches!(fail(&[""]).await, OutsideError::Invalid(_)));
    assert!(matches!(
        fail(&["echo", "a\0b"]).await,
        OutsideError::Invalid(_)
    ));
    let long = "x".repeat(3 << 20);
    assert!(matches!(
        fail(&["echo", &long]).await,
        OutsideError::Limit(_)
    ));
}

#[tokio::test]
async fn a_command_sees_only_the_environment_it_is_given() {
    let extra = vec![("GREETING".to_owned(), "hi".to_owned())];
    let bench = Bench::with(GitOptions {
        command_env: extra,
        ..GitOptions::default()
    });
    let repo = bench.repo("app");
    let wish = request(&[&repo]);
    let tree = bench.provision(&wish).await;
    let mut names: Vec<_> = printed(&*tree, "env")
        .await
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.to_owned()))
        .filter(|name| name != "_" && name != "SHLVL" && name != "OLDPWD")
        .collect();
    names.sort();
    let expected = [
        "ADJUTANT_COMMAND",
        "ADJUTANT_TICKET",
        "ADJUTANT_WORKTREES",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_EDITOR",
        "GIT_PAGER",
        "GIT_TERMINAL_PROMPT",
        "GREETING",
        "HOME",
        "LANG",
        "PATH",
        "PWD",
        "TERM",
        "TMPDIR",
    ];
    assert_eq!(names, expected);
    let home = bench
        .folder(wish.ticket)
        .canonicalize()
        .unwrap()
        .join("home");
    assert_eq!(
        printed(&*tree, "echo $HOME").await,
        home.display().to_string()
    );
    assert_eq!(
        printed(&*tree, "test -d $TMPDIR && echo $GREETING").await,
        "hi"
    );
}

#[tokio::test]
async fn output_past_the_limit_is_drained_but_not_kept() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    let mut command = sh("yes | head -n 500000; echo end >&2; exit 4");
    command.max_output = 10;
    let exit = run(&*tree, &command).await;
    assert_eq!((exit.code, exit.truncated), (Some(4), true));
    assert_eq!(
        (exit.stdout.as_str(), exit.stderr.as_str()),
        ("y\ny\ny\ny\ny\n", "end\n")
    );
}

#[tokio::test]
async fn output_is_handed_on_while_the_command_runs() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    let (lines, mut seen) = Lines::new();
    // It ends only when it was heard.
    let command = sh("echo ready; while ! test -e go; do sleep 0.01; done; echo over");
    let running = tree.run(&command, &lines, CancellationToken::new());
    let answering = async {
        assert_eq!(seen.recv().await.unwrap(), "ready");
        tree.write("go", vec![]).await.unwrap();
    };
    let (exit, ()) = tokio::join!(running, answering);
    assert_eq!(exit.unwrap().stdout, "ready\nover\n");
    assert_eq!(seen.recv().await.unwrap(), "over");
}

/// Starts a child in the group, and one in a session of its own; tells both and itself.
const FAMILY: &str = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; echo $$; wait";

#[tokio::test]
async fn a_timeout_ends_the_command_with_all_that_it_started() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    let (lines, mut seen) = Lines::new();
    let mut command = sh(FAMILY);
    command.timeout = Duration::from_secs(2);
    let ended = tree.run(&command, &lines, CancellationToken::new()).await;
    assert!(matches!(ended, Err(OutsideError::Deadline(_))), "{ended:?}");
    drop(lines);
    for _ in 0..3 {
        let pid = seen.recv().await.unwrap();
        assert!(gone(&pid).await, "{pid} still runs");
    }
}

#[tokio::test]
async fn cancelling_and_dropping_end_it_too() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    for drop_it in [false, true] {
        let (lines, mut seen) = Lines::new();
        let cancel = CancellationToken::new();
        let mut pids = Vec::new();
        let command = sh(FAMILY);
        {
            let running = tree.run(&command, &lines, cancel.clone());
            tokio::pin!(running);
            while pids.len() < 3 {
                tokio::select! {
                    ended = &mut running => panic!("ended by itself: {ended:?}"),
                    pid = seen.recv() => pids.push(pid.unwrap()),
                }
            }
            if !drop_it {
                cancel.cancel();
                let ended = running.await;
                assert!(
                    matches!(ended, Err(OutsideError::Cancelled(_))),
                    "{ended:?}"
                );
            }
        }
        for pid in pids {
            assert!(gone(&pid).await, "{pid} still runs, dropped: {drop_it}");
        }
    }
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let ended = tree.run(&sh("touch made"), &Discard, cancelled).await;
    assert!(matches!(ended, Err(OutsideError::Cancelled(_))));
    assert!(tree.read("made").await.is_err(), "it was not even started");
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it_and_cannot_hold_the_caller() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    // Both keep the pipes open past the end of the shell.
    let started = Instant::now();
    let text = printed(&*tree, "sleep 1000 & echo $!; setsid sleep 1000 & echo $!").await;
    assert!(started.elapsed() < Duration::from_secs(30));
    for pid in text.lines() {
        assert!(gone(pid).await, "{pid} still runs");
    }
}

/// A process that sleeps and bears a mark. It is given back once the mark can be seen: spawning may come
/// back while the kernel has not laid out the new program's environment yet.
fn asleep(mark: &str, value: impl AsRef<OsStr>) -> std::process::Child {
    let mut sleep = std::process::Command::new("sleep");
    let child = sleep.arg("1000").env(mark, value).spawn().unwrap();
    let environment = format!("/proc/{}/environ", child.id());
    while std::fs::read(&environment).unwrap().is_empty() {
        std::thread::yield_now();
    }
    child
}

#[tokio::test]
async fn processes_that_a_dead_host_left_are_ended_before_its_work_is_taken_up() {
    let bench = Bench::new();
    let repo = bench.repo("app");
    for how in ["open", "finish", "discard"] {
        let wish = request(&[&repo]);
        bench.provision(&wish).await;
        let mut orphan = asleep("ADJUTANT_TICKET", wish.ticket.to_string());
        let mut stranger = asleep("ADJUTANT_TICKET", uuid::Uuid::now_v7().to_string());
        match how {
            "open" => assert!(bench.worktrees.open(&wish).await.unwrap().is_some()),
            "finish" => assert!(
                bench
                    .worktrees
                    .finish(&wish, true, "")
                    .await
                    .unwrap()
                    .is_empty()
            ),
            _ => bench.worktrees.discard(wish.ticket).await.unwrap(),
        }
        assert!(gone(&orphan.id().to_string()).await, "{how}");
        orphan.wait().unwrap();
        assert!(
            stranger.try_wait().unwrap().is_none(),
            "{how} must spare other tickets"
        );
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}

#[tokio::test]
async fn a_host_that_starts_ends_what_bears_its_mark_and_spares_other_hosts() {
    let (bench, other) = (Bench::new(), Bench::new());
    let root = |bench: &Bench| bench.dir.path().join("worktrees").canonicalize().unwrap();
    let sleeper = |bench: &Bench| asleep("ADJUTANT_WORKTREES", root(bench));
    let (mut orphan, mut stranger) = (sleeper(&bench), sleeper(&other));
    bench.worktrees.end_orphans().await.unwrap();
    assert!(gone(&orphan.id().to_string()).await);
    orphan.wait().unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "another host's");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    // What the host starts bears that mark: commands, and git on its behalf.
    let repo = bench.repo("app");
    let tree = bench.provision(&request(&[&repo])).await;
    assert_eq!(
        printed(&*tree, "echo $ADJUTANT_WORKTREES").await,
        root(&bench).display().to_string()
    );
}
