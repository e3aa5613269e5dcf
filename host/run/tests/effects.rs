//! What a run does outside, when it is told to be journaled, and where its limits are.

use crate::common::{Desk, agent, engine_of, job, runner, shared};
use adjutant_connect::ports::{
    Command, CommandOutput, Entry, Exit, OutputStream, OutsideError, Worktree,
};
use adjutant_model::{Answer, Call, Ending, Limits, Record};
use adjutant_run::{Finished, Job, RunnerOptions};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A worktree of which every file is large, and that notes what is done in it.
struct Folder {
    done: Mutex<Vec<String>>,
    desk: Arc<Desk>,
}

impl Folder {
    fn note(&self, what: String) {
        self.done.lock().expect("no test panics here").push(what);
    }

    /// Where all that came before must be on disk.
    fn note_visible(&self, what: &str) {
        let kept = self.desk.kept.lock().expect("no test panics here");
        let (journaled, durable) = kept
            .handed_in
            .last()
            .copied()
            .expect("something was handed in");
        assert!(
            durable,
            "{what} was seen before the disk had what came before it"
        );
        drop(kept);
        self.note(format!("{what} after {journaled}"));
    }
}

#[async_trait]
impl Worktree for Folder {
    async fn read(&self, path: &str) -> Result<Vec<u8>, OutsideError> {
        self.note(format!("read {path}"));
        Ok(vec![b'x'; 600 << 10])
    }
    async fn write(&self, path: &str, _: Vec<u8>) -> Result<(), OutsideError> {
        self.note(format!("write {path}"));
        Ok(())
    }
    async fn remove(&self, path: &str) -> Result<(), OutsideError> {
        Err(OutsideError::NotFound(format!("there is no {path}")))
    }
    async fn list(&self, _: &str) -> Result<Vec<Entry>, OutsideError> {
        Ok(Vec::new())
    }
    async fn diff(&self) -> Result<String, OutsideError> {
        Err(OutsideError::Unavailable("git fails".to_owned()))
    }
    async fn commit(&self, message: &str) -> Result<Option<String>, OutsideError> {
        self.note_visible(&format!("commit {message}"));
        Ok(Some("c0ffee".to_owned()))
    }
    async fn run(
        &self,
        command: &Command,
        output: &dyn CommandOutput,
        _: CancellationToken,
    ) -> Result<Exit, OutsideError> {
        self.note_visible(&format!("run {}", command.argv.join(" ")));
        output.chunk(OutputStream::Stdout, b"printed by a command\n");
        Ok(Exit {
            code: Some(3),
            stdout: "printed by a command\n".to_owned(),
            stderr: String::new(),
            truncated: false,
            elapsed: Duration::from_millis(1),
        })
    }
}

/// What came of a script: how it ended, its whole journal, and what was done in its worktree.
struct Came {
    ending: Ending,
    records: Vec<Record>,
    /// How many of them were journaled before the end.
    before_end: usize,
    done: Vec<String>,
    log: String,
}

async fn play(
    steps: &Value,
    journal: &[Record],
    limits: Limits,
    change: impl FnOnce(&mut Job),
) -> Came {
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let folder = Arc::new(Folder {
        done: Mutex::default(),
        desk: desk.clone(),
    });
    let mut agent = agent();
    agent.grants.commands = vec![vec!["count".to_owned(), "*".to_owned()]];
    let worktree: Arc<dyn Worktree> = folder.clone();
    let mut job = Job {
        agent: Arc::new(agent),
        worktree: Some(worktree),
        ..job(shared(), steps, journal.to_vec(), &desk)
    };
    change(&mut job);
    let finished = runner(shared(), RunnerOptions::default(), limits)
        .execute(job)
        .await;
    let Finished::Ended {
        pending, ending, ..
    } = finished
    else {
        panic!("the run ended, and not {finished:?}");
    };
    let kept = std::mem::take(&mut *desk.kept.lock().expect("no test panics here"));
    let before_end = kept.records.len();
    let mut records = kept.records;
    records.extend(pending.into_iter().map(|one| Record::Done {
        index: one.index,
        at: one.at,
        call: one.call,
        reply: one.reply,
    }));
    let done = std::mem::take(&mut *folder.done.lock().expect("no test panics here"));
    Came {
        ending,
        records,
        before_end,
        done,
        log: kept.output,
    }
}

fn output(ending: &Ending) -> &Value {
    match ending {
        Ending::Worked { result, .. } => result.output.as_ref().expect("an output"),
        Ending::Broke(why) | Ending::Faulted(why) => panic!("it broke: {why}"),
    }
}

fn calls(records: &[Record]) -> Vec<&Call> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Done { call, .. } | Record::Begun { call, .. } => Some(call),
            Record::Answered { .. } => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_whose_end_is_journaled_runs_again() {
    let steps = json!([
        {"progress": "one"}, {"write": {"path": "a", "text": "1"}}, {"run": ["count", "a"]},
        {"post": "half"}, {"remove": "a"}, {"commit": "first"}, {"diff": true},
        {"run": ["count", "b"]}, {"list": ""}, {"commit": "second"},
    ]);
    let whole = play(&steps, &[], Limits::default(), |_| {}).await;
    let wanted = [
        "write a",
        "run count a after 2",
        "commit first after 5",
        "run count b after 7",
        "commit second after 9",
    ];
    assert_eq!(
        whole.done, wanted,
        "all that came before a command is on disk before it starts"
    );
    assert_eq!(output(&whole.ending)["steps"][2]["code"], 3);
    assert_eq!(
        output(&whole.ending)["steps"][4]["error"]["kind"],
        "not-found"
    );
    assert_eq!(
        output(&whole.ending)["steps"][6]["error"]["kind"],
        "unavailable"
    );
    assert!(whole.log.contains("$ count a\n") && whole.log.contains("printed by a command"));

    // Which call each effect belongs to.
    let effects = [1, 2, 5, 7, 9];
    for cut in 0..=whole.records.len() {
        let again = play(&steps, &whole.records[..cut], Limits::default(), |_| {}).await;
        let left = effects.iter().filter(|call| **call >= cut).count();
        let names = |done: &[String]| -> Vec<String> {
            done.iter()
                .map(|one| one.split(" after ").next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(
            names(&again.done),
            names(&whole.done[whole.done.len() - left..]),
            "cut at {cut}"
        );
        assert_eq!(
            calls(&again.records),
            calls(&whole.records[cut..]),
            "cut at {cut}"
        );
        let (mut was, mut is) = (output(&whole.ending).clone(), output(&again.ending).clone());
        // A message that was not journaled gets another id.
        (was["steps"][3], is["steps"][3]) = (json!(0), json!(0));
        assert_eq!(is, was, "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_journaled_before_they_gather() {
    let steps =
        json!([{"read": "a"}, {"read": "b"}, {"read": "c"}, {"report": {"summary": "read"}}]);
    let came = play(&steps, &[], Limits::default(), |_| {}).await;
    assert_eq!(
        (came.before_end, came.records.len()),
        (2, 3),
        "two of 600 KiB are more than 1 MiB"
    );
    let many = json!([{"repeat": {"times": 70, "steps": [{"progress": "on"}]}}]);
    let came = play(&many, &[], Limits::default(), |_| {}).await;
    assert!(came.before_end >= 64 && came.records.len() == 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_repositories_there_is_no_worktree() {
    let steps = json!([{"read": "a"}, {"run": ["count", "a"]}, {"run": []}]);
    let came = play(&steps, &[], Limits::default(), |job| job.worktree = None).await;
    let steps = &output(&came.ending)["steps"];
    for step in [0, 1] {
        assert_eq!(steps[step]["error"]["kind"], "not-found", "{steps}");
    }
    assert_eq!(steps[2]["error"]["kind"], "invalid", "{steps}");
    assert_eq!(
        came.records.len(),
        3,
        "a failure is journaled like any answer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_counted_across_replays() {
    let steps = json!([
        {"progress": "one"}, {"post": "a much too long one"}, {"post": "two"}, {"progress": "three"},
    ]);
    let limits = Limits {
        messages_per_run: 2,
        message_bytes: 10,
        ..Limits::default()
    };
    let whole = play(&steps, &[], limits.clone(), |_| {}).await;
    for cut in 0..=whole.records.len() {
        let came = play(&steps, &whole.records[..cut], limits.clone(), |_| {}).await;
        let steps = &output(&came.ending)["steps"];
        assert!(
            steps[1]["error"]["text"]
                .to_string()
                .contains("message_bytes"),
            "{steps}"
        );
        assert!(steps[2].is_string(), "{steps}");
        assert!(
            steps[3]["error"]["text"]
                .to_string()
                .contains("messages_per_run"),
            "{steps}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_was_accepted_early_counts_after_a_replay_too() {
    let steps = json!([{"submit": {"n": 1}}, {"progress": "on"}, {"report": {"summary": "done"}}]);
    let whole = play(&steps, &[], Limits::default(), |_| {}).await;
    assert_eq!(*output(&whole.ending), json!({"n": 1}));
    for cut in 0..=whole.records.len() {
        let came = play(&steps, &whole.records[..cut], Limits::default(), |_| {}).await;
        assert_eq!(*output(&came.ending), json!({"n": 1}), "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_output_is_checked_against_the_schema() {
    let steps = json!([{"report": {"summary": "done", "output": {"n": "one"}}}]);
    let came = play(&steps, &[], Limits::default(), |job| {
        let mut ticket = (*job.ticket).clone();
        ticket.expected_output_schema =
            Some(json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]}));
        job.ticket = Arc::new(ticket);
    })
    .await;
    let Ending::Worked { violations, .. } = came.ending else {
        panic!("it worked")
    };
    assert_eq!(violations[0].path, "/n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_handed_in_while_the_guest_computes_and_its_time_is_bounded() {
    let steps = json!([{"print": "here"}, {"progress": "on my way"}, {"spin": true}]);
    let came = play(&steps, &[], Limits::default(), |job| {
        let mut agent = (*job.agent).clone();
        agent.limits.run_time_ms = 600;
        job.agent = Arc::new(agent);
    })
    .await;
    let Ending::Broke(why) = came.ending else {
        panic!("it spins")
    };
    assert!(
        why.contains("600 ms") && why.contains("run_time_ms"),
        "{why}"
    );
    assert_eq!((came.before_end, came.records.len()), (1, 1));
    assert!(came.log.contains("here"), "{}", came.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_keeps_what_was_said_before_it() {
    let came = play(
        &json!([{"progress": "on"}, {"panic": "on purpose"}]),
        &[],
        Limits::default(),
        |_| {},
    )
    .await;
    assert!(matches!(came.ending, Ending::Faulted(_)));
    assert_eq!(came.records.len(), 1);
    assert!(came.log.contains("on purpose"), "{}", came.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_gives_its_place_to_others_where_all_are_taken() {
    let on = engine_of(1);
    let steps = json!([{"ask": {"member": "ann", "text": "well?"}}]);
    let desk = Arc::new(Desk::new(BTreeMap::new()));
    let options = RunnerOptions {
        park_after: Duration::from_secs(3_600),
        flush_every: Duration::from_millis(1),
    };
    let patient = adjutant_run::Runner::new(on.0.clone(), options, Arc::new(Limits::default()));
    let finished = patient.execute(job(&on, &steps, Vec::new(), &desk)).await;
    assert!(matches!(finished, Finished::Parked), "{finished:?}");
    assert_eq!(on.0.permits().available_permits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn chance_follows_from_the_run_and_the_clock_from_the_journal() {
    let steps = json!([{"random": 16}, {"clock": true}, {"memory_get": "a"}, {"clock": true}]);
    let play = async |change: fn(&mut Job)| play(&steps, &[], Limits::default(), change).await;
    let (one, two) = (play(|_| {}).await, play(|_| {}).await);
    assert_eq!(output(&one.ending), output(&two.ending));
    let other = play(|job| job.run.id.0 = uuid::Uuid::from_u128(99)).await;
    assert_ne!(
        output(&one.ending)["steps"][0],
        output(&other.ending)["steps"][0]
    );
    let Record::Done {
        reply: Ok(Answer::Bytes(None)),
        ..
    } = one.records[0].clone()
    else {
        panic!("{:?}", one.records)
    };
    // Later answers move the clock on, and it never goes back.
    let mut late = one.records.clone();
    let Record::Done { at, .. } = &mut late[0] else {
        panic!("a call")
    };
    *at += 60_000;
    let came = self::play(&steps, &late, Limits::default(), |_| {}).await;
    let ms = |came: &Came, step: usize| output(&came.ending)["steps"][step]["unix_ms"].as_u64();
    assert_eq!(ms(&came, 1), ms(&one, 1));
    assert_eq!(ms(&came, 3), ms(&one, 3).map(|ms| ms + 60_000));
}
