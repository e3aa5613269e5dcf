//! The torture test: a host under load is killed with -9 at random moments and started again, round
//! after round; then its log is audited.
//!
//! A handful of rounds are among the tests. For more:
//!
//! ```text
//! ADJUTANT_TORTURE_ROUNDS=200 ADJUTANT_TORTURE_SEED=7 \
//!     cargo test -p adjutant --test e2e torture -- --nocapture
//! ```
//!
//! The seed decides what is asked for and when the host is killed, not what the machine makes of it: a
//! failure is shown with its seed, and with the data of the tickets that it is about.
//!
//! Invariant: whatever the clients are told is written into a [`Book`] and nothing else: the audit
//! compares the book, what commands left outside, and the user's repository with what the host says.

mod audit;
mod load;

use crate::support::{Client, Repo, Server, agent, boss, command, folder, hand, team, text};
use audit::Audit;
use load::{Load, reporter};
use serde_json::json;
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Rounds that are part of the tests.
const ROUNDS: u64 = 5;

/// How long all that was begun may take to end once nobody kills the host any more.
const SETTLE: Duration = Duration::from_secs(180);

/// Tickets that may be live before no more are made.
const MOST_LIVE: u64 = 40;

/// Random numbers that a seed decides (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below another.
    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let most = u64::try_from(from.len()).ok().filter(|most| *most > 0)?;
        from.get(usize::try_from(self.below(most)).ok()?)
    }

    /// Other dice for somebody else.
    fn other(&mut self) -> Dice {
        Dice(self.next())
    }
}

/// What the clients were told, and what they asked for without being told.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Root tickets whose making was acknowledged.
    roots: Vec<String>,
    /// Messages of people that were acknowledged: ticket and text.
    messages: Vec<(String, String)>,
    /// Tickets whose cancelling was acknowledged.
    cancelled: Vec<String>,
    /// Tickets that somebody asked to cancel: the host may have done it without being able to say so.
    asked_to_cancel: Vec<String>,
    /// Reports from outside that were accepted: ticket and summary.
    reports: Vec<(String, String)>,
    /// Reports that were refused, with a reason.
    refused: u64,
    /// Requests that got no answer.
    unanswered: u64,
}

impl Book {
    fn take(&mut self, other: Book) {
        self.roots.extend(other.roots);
        self.messages.extend(other.messages);
        self.cancelled.extend(other.cancelled);
        self.asked_to_cancel.extend(other.asked_to_cancel);
        self.reports.extend(other.reports);
        self.refused += other.refused;
        self.unanswered += other.unanswered;
    }

    fn acknowledged(&self) -> usize {
        self.roots.len() + self.messages.len() + self.cancelled.len() + self.reports.len()
    }
}

/// A host whose agents leave a line outside for each command that they run.
pub(crate) struct Yard {
    server: Server,
    repo: Repo,
    outside: TempDir,
    /// What every command does.
    script: String,
    ids: HashMap<String, String>,
    book: Book,
    /// Hosts that were killed while they served.
    kills: u64,
    /// Hosts that were killed before they could say that they were up.
    stillborn: u64,
    slowest_start: Duration,
}

impl Yard {
    fn new() -> Yard {
        let (repo, outside) = (Repo::new(), folder());
        let file = text(outside.path().join("lines"));
        // Each execution has a name of its own, outside and in its output.
        let script = format!("id=$$-$(date +%s%N); echo \"$1 $id\" >> '{file}'; echo $id");
        let may = ["sh", "-c", &script, "sh", "*"];
        let agents = [
            boss("lead-1").may_run(&may),
            hand("a1", "lead-1").at_once(4).may_run(&may),
            hand("a2", "lead-1").at_once(2).may_run(&may),
            agent("outside", "external").under("lead-1").at_once(8),
            boss("lead-2").may_run(&may),
            hand("b1", "lead-2").at_once(4).may_run(&may),
            boss("middle").under("lead-2").may_run(&may),
            hand("c1", "middle").at_once(4).may_run(&may),
            hand("clerk", "lead-2").at_once(8),
        ];
        let server = Server::start();
        server.add(&["scripted", "scripted-sub"]);
        let ids = server.apply(&team(Some(&repo), agents));
        Yard {
            server,
            repo,
            outside,
            script,
            ids,
            book: Book::default(),
            kills: 0,
            stillborn: 0,
            slowest_start: Duration::ZERO,
        }
    }

    /// Load, a kill somewhere in it, and a new start.
    fn round(&mut self, round: u64, dice: &mut Dice) {
        let alive_for = Duration::from_millis(match dice.below(4) {
            0 => dice.below(60),
            1 => dice.below(400),
            _ => 300 + dice.below(2_500),
        });
        let stop = AtomicBool::new(false);
        let client: Client = (*self.server).clone();
        let books = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for thread in 0..2 {
                let load = Load {
                    client: &client,
                    stop: &stop,
                    name: format!("{round}.{thread}"),
                    script: &self.script,
                    dice: dice.other(),
                    known: self.book.roots.iter().rev().take(12).cloned().collect(),
                    book: Book::default(),
                };
                threads.push(scope.spawn(move || load.run()));
            }
            let (outside, dice) = (&self.ids["outside"], dice.other());
            threads.push(scope.spawn(|| reporter(&client, &stop, outside, dice)));
            // No synchronisation: the moment of the crash.
            std::thread::sleep(alive_for);
            self.server.kill();
            stop.store(true, Ordering::Relaxed);
            let books = threads.into_iter().map(|thread| thread.join());
            books.map(|book| book.expect("it ends")).collect::<Vec<_>>()
        });
        self.kills += 1;
        for book in books {
            self.book.take(book);
        }
        if dice.below(6) == 0 {
            self.start_and_kill(Duration::from_millis(dice.below(400)));
        }
        let begin = Instant::now();
        self.server.restart();
        self.slowest_start = self.slowest_start.max(begin.elapsed());
    }

    /// A host that dies while it starts.
    fn start_and_kill(&mut self, after: Duration) {
        let mut child = command(self.server.data())
            .args(["--json", "serve", "--addr", "127.0.0.1:0", "--data"])
            .arg(self.server.data())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the host starts");
        std::thread::sleep(after);
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
        self.stillborn += 1;
    }

    /// Lets everything come to its end: whoever works outside goes on reporting.
    fn settle(&mut self, dice: &mut Dice) {
        let stop = AtomicBool::new(false);
        let client: Client = (*self.server).clone();
        let (outside, dice) = (&self.ids["outside"], dice.other());
        let book = std::thread::scope(|scope| {
            let reporter = scope.spawn(|| reporter(&client, &stop, outside, dice));
            let end = Instant::now() + SETTLE;
            let settled = loop {
                let status = client.get("/v1/status").ok();
                if status["tickets"]["live"] == json!(0) {
                    break true;
                }
                if Instant::now() > end {
                    break false;
                }
                std::thread::sleep(Duration::from_millis(100));
            };
            stop.store(true, Ordering::Relaxed);
            let book = reporter.join().expect("it ends");
            if !settled {
                let live = client.get("/v1/tickets?status=in_progress&limit=5").ok();
                panic!("these tickets do not end: {live:#}");
            }
            book
        });
        self.book.take(book);
    }
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a number, and not {value:?}")))
}

#[test]
fn torture_nothing_is_lost_and_nothing_happens_twice() {
    let rounds = number("ADJUTANT_TORTURE_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("ADJUTANT_TORTURE_SEED").unwrap_or(1);
    eprintln!("torture: seed {seed}, {rounds} rounds");
    let begin = Instant::now();
    let mut dice = Dice(seed);
    let mut yard = Yard::new();
    for round in 0..rounds {
        yard.round(round, &mut dice);
        // Otherwise the work grows faster than it is done, and the rounds are about queues only.
        if round % 10 == 9 {
            yard.settle(&mut dice);
            eprintln!(
                "torture: round {}, {} s, {} roots acknowledged",
                round + 1,
                begin.elapsed().as_secs(),
                yard.book.roots.len()
            );
        }
    }
    yard.settle(&mut dice);
    let loaded = begin.elapsed();
    let figures = Audit::of(&yard).all();
    let book = &yard.book;
    eprintln!(
        "torture: seed {seed}: {rounds} rounds in {} s, audit {} s\n\
         torture: {} kills while it served, {} while it started; slowest start {:.1} s\n\
         torture: {} requests acknowledged ({} tickets, {} messages, {} cancellings, {} reports), \
         {} reports refused, {} requests unanswered\n\
         torture: {figures}",
        loaded.as_secs(),
        (begin.elapsed() - loaded).as_secs(),
        yard.kills,
        yard.stillborn,
        yard.slowest_start.as_secs_f32(),
        book.acknowledged(),
        book.roots.len(),
        book.messages.len(),
        book.cancelled.len(),
        book.reports.len(),
        book.refused,
        book.unanswered,
    );
}
