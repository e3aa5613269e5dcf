//! A hostile strategy, for the benchmark and for tests: does one thing without end, whatever the host
//! answers.
//!
//! Configuration: `{"mode": "spin"}`; the modes are those of [`Mode`].

use std::hint::black_box;

use adjutant_sdk::{
    Assignment, Boss, Failure, Join, Report, Task, channels, delegation, memory, reporting,
    tickets, worktree,
};
use serde::Deserialize;

struct Hostile;

#[derive(Deserialize)]
struct Config {
    mode: Mode,
}

/// What it does.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Computes.
    Spin,
    /// Spins in the destructor of a value while it ends.
    SpinInDrop,
    /// Allocates a mebibyte at a time.
    Allocate,
    /// Allocates as much as it gets, asks, and says how much that was: another limit at its replay, and
    /// it says something else.
    AllocateAndAsk,
    /// Calls itself.
    Recurse,
    /// Panics.
    Panic,
    /// Ends the program with status 0.
    Exit,
    /// Prints.
    Print,
    /// Posts messages.
    Post,
    /// Writes notes of 60 KiB on its progress.
    Progress,
    /// Reads the board over and over, which fills the journal.
    Read,
    /// Makes tickets.
    Create,
    /// Delegates to all its team at once.
    Delegate,
    /// Asks a member and gives it a millisecond.
    Ask,
    /// Waits a millisecond for reports of nothing.
    Await,
    /// Waits a millisecond for a report from outside.
    CallForReport,
    /// Hands in outputs that break every schema.
    Submit,
    /// Fills its memory with keys.
    Remember,
    /// Writes files.
    Write,
    /// Runs commands that it is not granted.
    Run,
    /// Answers with 7 MiB.
    Answer,
    /// Says 7 MiB.
    Shout,
}

impl Boss for Hostile {
    fn work(task: Task) -> Result<Report, Failure> {
        let mode = task.config::<Config>()?.mode;
        match mode {
            Mode::Spin => spin(),
            Mode::SpinInDrop => drop(black_box(SpinsWhenDropped)),
            Mode::Allocate => allocate(),
            Mode::AllocateAndAsk => return allocate_and_ask(),
            Mode::Recurse => drop(black_box(recurse(1))),
            Mode::Panic => panic!("on purpose"),
            Mode::Exit => std::process::exit(0),
            Mode::Print => loop {
                println!("{}", black_box("a line that nobody wants to read"));
            },
            Mode::Answer => return Ok(Report::new("a".repeat(7 << 20))),
            _ => calls(mode, &task),
        }
        Ok(Report::new("It got away with it."))
    }
}

/// The modes that call the host. What it answers is ignored.
fn calls(mode: Mode, task: &Task) {
    let large = "x".repeat(60 << 10);
    let team = delegation::team().unwrap_or_default();
    for n in 0_u64.. {
        match mode {
            Mode::Post => drop(channels::post(None, "Hello!", None)),
            Mode::Progress => drop(reporting::progress(&large)),
            Mode::Read => drop(channels::read(None, 0, 200)),
            Mode::Create => drop(tickets::create(&tickets::Draft {
                key: None,
                title: format!("Ticket {n}"),
                description: String::new(),
                expected_output_schema_json: None,
            })),
            Mode::Delegate => {
                let each = |member: &delegation::Member| Assignment::to(&*member.agent.id, "More");
                let all: Vec<_> = team.iter().cycle().take(100).map(each).collect();
                drop(delegation::delegate(&all));
            }
            Mode::Ask => {
                let member = team
                    .first()
                    .map_or("nobody", |member| member.agent.name.as_str());
                drop(channels::ask(member, "Well?", Some(1)));
            }
            Mode::Await => drop(delegation::await_reports(&[], &Join::All, Some(1))),
            Mode::CallForReport => drop(reporting::call_for_report("Do it.", Some(1))),
            Mode::Submit => drop(reporting::submit_output("{\"n\": ")),
            Mode::Remember => drop(memory::put(&format!("{n}"), large.as_bytes())),
            Mode::Write => drop(worktree::write(&format!("{n}.txt"), large.as_bytes())),
            Mode::Run => {
                let command = [task.ticket.id.clone(), n.to_string()];
                drop(worktree::run(&command, Some(1)));
            }
            _ => drop(reporting::progress(&"x".repeat(7 << 20))),
        }
    }
}

struct SpinsWhenDropped;

impl Drop for SpinsWhenDropped {
    fn drop(&mut self) {
        spin();
    }
}

fn spin() {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn allocate() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn allocate_and_ask() -> Result<Report, Failure> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        hoard.push(black_box(block));
    }
    let got = hoard.len();
    drop(hoard);
    channels::post(None, &format!("I got {got} MiB"), None)?;
    let answer = channels::ask("ada", "And now?", None)?;
    Ok(Report::new(answer.text))
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX {
        return depth;
    }
    // The addition keeps it from becoming a loop.
    black_box(recurse(black_box(depth + 1))).wrapping_add(1)
}

adjutant_sdk::boss!(Hostile);
