//! What a run may use beside what its agent may: guest time that a budget has left, and the grants of
//! the agents above.

use crate::common::{self, Desk, agent, job, runner, shared};
use adjutant_model::{
    Authority, Call, CallError, Dimension, Ending, Granter, Grants, Left, Limits, Record, TicketId,
};
use adjutant_run::{Finished, Job, RunnerOptions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Microseconds between two looks at a guest's time, twice: how far past a limit a guest may get.
const TWO_LOOKS: u64 = 20_000;

fn root() -> TicketId {
    TicketId(uuid::Uuid::from_u128(77))
}

/// Guest time that the budget of a ticket above has left.
fn guest_time(budget: u64, left: u64) -> Authority {
    Authority {
        guest_time: Some(Left {
            what: Dimension::GuestTime,
            ticket: root(),
            budget,
            spent: budget - left,
        }),
        ..Authority::default()
    }
}

/// How a start ended: the run's figure in microseconds, the end, and what was handed in on the way.
async fn start(steps: &Value, change: impl FnOnce(&mut Job)) -> (u64, Ending, Vec<u64>) {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let mut job = job(shared(), steps, Vec::new(), &desk);
    change(&mut job);
    let limits = Limits {
        budget_grace_ms: 50,
        ..Limits::default()
    };
    let finished = runner(shared(), RunnerOptions::default(), limits)
        .execute(job)
        .await;
    let Finished::Ended {
        guest_us, ending, ..
    } = finished
    else {
        panic!("the run ended, and not {finished:?}");
    };
    let kept = desk.kept.lock().expect("no test panics here");
    (guest_us, ending, kept.guest_us.clone())
}

#[track_caller]
fn broke(ending: &Ending) -> &str {
    match ending {
        Ending::Broke(why) | Ending::Faulted(why) => why,
        other @ Ending::Worked { .. } => panic!("it was to break: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_computes_for_as_long_as_its_budget_has_left_and_says_so_meanwhile() {
    let (used, ending, handed_in) = start(&json!([{"spin": true}]), |job| {
        job.authority = guest_time(2_000, 500);
    })
    .await;
    assert_eq!(
        broke(&ending),
        format!(
            "the budget of ticket {} is used up: 500 of 2000 ms of guest time were left (`guest_ms`), \
             and the run wanted more",
            root()
        )
    );
    assert!((500_000..500_000 + TWO_LOOKS).contains(&used), "{used}");
    assert!(!handed_in.is_empty(), "it is seen while it computes");
    assert!(handed_in.is_sorted(), "{handed_in:?}");
    assert!(handed_in.last().is_some_and(|last| *last <= used));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_computes_again_is_not_taken_from_what_is_left() {
    // It computed for 200 ms before, and others have used up the budget since: it may still answer.
    let replayed = |job: &mut Job| {
        job.run.guest_us = 200_000;
        job.run.calls = 1;
        job.authority = guest_time(2_000, 0);
    };
    let (used, ending, _) = start(&json!([{"spin": true}]), replayed).await;
    assert!(broke(&ending).contains("0 of 2000 ms"), "{ending:?}");
    assert!((250_000..250_000 + TWO_LOOKS).contains(&used), "{used}");
    let (_, ending, _) = start(&json!([{"report": {"summary": "sorry"}}]), replayed).await;
    assert!(matches!(ending, Ending::Worked { .. }), "{ending:?}");
    // What is left comes on top of what was computed before.
    let (used, ending, _) = start(&json!([{"spin": true}]), |job| {
        job.run.guest_us = 200_000;
        job.authority = guest_time(2_000, 100);
    })
    .await;
    broke(&ending);
    assert!((300_000..300_000 + TWO_LOOKS).contains(&used), "{used}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_budget_is_used_up_does_not_begin() {
    let (used, ending, handed_in) = start(&json!([{"print": "here"}]), |job| {
        job.authority = guest_time(30, 0);
    })
    .await;
    assert!(
        broke(&ending).contains("0 of 30 ms of guest time were left"),
        "{ending:?}"
    );
    assert_eq!((used, handed_in), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_limit_holds_where_it_is_less_than_what_is_left() {
    let (_, ending, _) = start(&json!([{"spin": true}]), |job| {
        let mut agent = (*job.agent).clone();
        agent.limits.guest_time_ms = 60;
        job.agent = Arc::new(agent);
        job.authority = guest_time(5_000, 4_000);
    })
    .await;
    assert!(broke(&ending).contains("more than 60 ms"), "{ending:?}");
}

/// An agent above that may run these commands.
fn boss(name: &str, direct: bool, commands: &[&[&str]]) -> Granter {
    let words = |command: &&[&str]| command.iter().map(|word| (*word).to_owned()).collect();
    Granter {
        name: name.to_owned(),
        grants: Grants {
            commands: commands.iter().map(words).collect(),
            assign_to: Vec::new(),
        },
        ticket: root(),
        direct,
    }
}

/// What a run of `cargo test` is answered, below these bosses and with this journal.
async fn cargo_test(bosses: Vec<Granter>, journal: Vec<Record>) -> (Value, Vec<Record>) {
    let steps = json!([{"run": ["cargo", "test"]}]);
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let mut granted = agent();
    granted.grants.commands = vec![vec!["cargo".to_owned(), "*".to_owned()]];
    let job = Job {
        agent: Arc::new(granted),
        authority: Authority {
            bosses,
            ..Authority::default()
        },
        ..job(shared(), &steps, journal, &desk)
    };
    let finished = runner(shared(), RunnerOptions::default(), Limits::default())
        .execute(job)
        .await;
    let Finished::Ended {
        pending, ending, ..
    } = finished
    else {
        panic!("{finished:?}")
    };
    let Ending::Worked { result, .. } = ending else {
        panic!("{ending:?}")
    };
    let kept = desk.kept.lock().expect("no test panics here");
    let mut records = kept.records.clone();
    records.extend(pending.into_iter().map(|one| Record::Done {
        index: one.index,
        at: one.at,
        call: one.call,
        reply: one.reply,
    }));
    (
        result.output.expect("an output")["steps"][0].clone(),
        records,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_denied_where_a_boss_above_is_not_granted_it() {
    let all: &[&[&str]] = &[&["cargo", "*"]];
    // The nearest that is not granted it is named. Where all are, only the worktree is missing.
    let table = [
        (vec![], "no worktree"),
        (vec![boss("ada", true, all)], "no worktree"),
        (
            vec![boss("ada", true, &[&["git", "log"], &["ls"]])],
            "grant `commands`: cargo test is not granted to boss ada, which delegated this ticket; a \
             ticket never brings more than its boss may do itself; granted to ada: git log | ls",
        ),
        (
            vec![boss("ada", true, all), boss("eve", false, &[])],
            "grant `commands`: cargo test is not granted to boss eve, which delegated ticket \
             00000000-0000-0000-0000-00000000004d above this one; a ticket never brings more than its \
             boss may do itself; granted to eve: nothing",
        ),
    ];
    for (bosses, said) in table {
        let (answer, _) = cargo_test(bosses, Vec::new()).await;
        let text = answer["error"]["text"].as_str().expect("an error");
        assert!(text.contains(said), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_the_journal_stands_whatever_the_grants_are_now() {
    let (denied, journal) = cargo_test(vec![boss("ada", true, &[])], Vec::new()).await;
    assert_eq!(denied["error"]["kind"], "denied");
    let (again, rest) = cargo_test(Vec::new(), journal).await;
    assert_eq!((again, rest), (denied, Vec::new()));
    let done = vec![Record::Done {
        index: 0,
        at: common::NOW,
        call: Call::WorktreeRun {
            command: vec!["cargo".to_owned(), "test".to_owned()],
            timeout_ms: None,
        },
        reply: Err(CallError::Deadline("it took too long".to_owned())),
    }];
    let (answer, _) = cargo_test(vec![boss("ada", true, &[])], done).await;
    assert_eq!(answer["error"]["kind"], "deadline");
}
