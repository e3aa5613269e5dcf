//! The conformance suite: the same scenarios for the components of every language, on real hosts.
//!
//! Each language has script interpreters for the three worlds, and a script says what to do (see
//! `SCRIPT.md`). A scenario asserts what matters; what a component saw is then compared with what the
//! first language's saw, ids and times aside. Components that were made for published versions of the
//! contract take part as languages of their own (see `kept.rs`). The matrix that comes of it is printed
//! and stands in `plugins/CONFORMANCE.md`, from the run:
//!
//!     cargo test -p adjutant --test conformance                              # run and compare
//!     ADJUTANT_CONFORMANCE=write cargo test -p adjutant --test conformance   # run and write the file
//!     ADJUTANT_CONFORMANCE_LANGUAGES=rust,go cargo test …                    # only these, no file
//!     ADJUTANT_CONFORMANCE_LANGUAGES=contract-0.1.0 cargo test …             # only what is kept of it

mod cast;
mod components;
mod contract;
mod crashes;
mod kept;
mod languages;
mod matrix;
mod normal;
mod scenarios;
mod steps;
#[allow(
    dead_code,
    unused_imports,
    reason = "the end-to-end tests use all of it"
)]
#[path = "../e2e/support/mod.rs"]
mod support;
mod teams;

use cast::Cast;
use components::Component;
use crashes::Player;
use languages::{Language, root};
use matrix::Matrix;
use scenarios::{Host, SCENARIOS, Scenario};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use support::{Repo, Server, Setup};
use teams::Three;

/// How many scenarios go on at a time.
const AT_ONCE: usize = 4;

/// A language that takes part, with its components.
struct Entry {
    language: Language,
    interpreters: Option<Vec<Component>>,
    examples: Option<Vec<Component>>,
}

#[test]
fn every_language_does_the_same() {
    let begun = Instant::now();
    let languages = languages::wanted();
    let mut matrix = Matrix::new(&languages);
    let entries = entries(&languages, &matrix);
    println!("components: {:.1} s", begun.elapsed().as_secs_f64());
    for scenario in SCENARIOS {
        matrix.row(scenario.name);
    }
    for (row, _) in crashes::ROWS {
        matrix.row(row);
    }
    for row in [teams::MIXED, teams::EXAMPLES, teams::MIXED_EXAMPLES] {
        matrix.row(row);
    }
    office(&entries, &matrix);
    println!("the office: {:.1} s", begun.elapsed().as_secs_f64());
    yard(&entries, &matrix);
    println!("the yard: {:.1} s", begun.elapsed().as_secs_f64());
    matrix.compare();
    tell(&languages, &matrix);
}

/// The languages' components, made for two languages at a time: much of it is waiting for a network.
fn entries(languages: &[Language], matrix: &Matrix) -> Vec<Entry> {
    let next = AtomicUsize::new(0);
    let make = || {
        let taken = || languages.get(next.fetch_add(1, Ordering::Relaxed));
        let of = |language: &Language| Entry {
            language: *language,
            interpreters: matrix.made(language, || Some(components::interpreters(language))),
            examples: matrix.made(language, || components::examples(language)),
        };
        std::iter::from_fn(|| taken().map(of)).collect::<Vec<Entry>>()
    };
    let mut entries = std::thread::scope(|scope| {
        let other = scope.spawn(make);
        let mut mine = make();
        mine.extend(other.join().expect("what panics is noted"));
        mine
    });
    entries.sort_by_key(|entry| {
        languages
            .iter()
            .position(|one| one.name == entry.language.name)
    });
    entries
}

/// A host with the components of all languages.
fn host(entries: &[Entry], config: &str) -> Server {
    let server = Server::with(Setup {
        config: Some(config.to_owned()),
        ..Setup::default()
    });
    for entry in entries {
        for component in entry.interpreters.iter().chain(&entry.examples).flatten() {
            let begun = Instant::now();
            let bytes = std::fs::read(&component.path).expect("it was built");
            let size = bytes.len() / 1024;
            server
                .upload(&component.name, &component.version, bytes)
                .ok();
            println!(
                "{}: {size} KiB, added in {:.1} s",
                component.name,
                begun.elapsed().as_secs_f64()
            );
        }
    }
    server
}

/// Does the scenarios of a host for all languages, several at a time.
fn play(entries: &[Entry], matrix: &Matrix, casts: &[Option<Cast<'_>>], host: Host) {
    let mut jobs: VecDeque<(&Scenario, usize)> = VecDeque::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.host == host) {
        for (at, entry) in entries.iter().enumerate() {
            let mut exceptions = entry.language.exceptions.iter();
            if let Some((_, why)) = exceptions.find(|(row, _)| *row == scenario.name) {
                matrix.not(scenario.name, &entry.language, why);
                continue;
            }
            if casts[at].is_some() {
                jobs.push_back((scenario, at));
            }
        }
    }
    let jobs = Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().expect("no panic holds it").pop_front();
                    let Some((scenario, at)) = job else { return };
                    let cast = casts[at].as_ref().expect("it has interpreters");
                    let begun = Instant::now();
                    let language = &entries[at].language;
                    matrix.fill(scenario.name, language, || (scenario.run)(cast));
                    let took = begun.elapsed().as_secs_f64();
                    if took > 10.0 {
                        println!("{}, {}: {took:.1} s", language.name, scenario.name);
                    }
                }
            });
        }
    });
}

fn casts<'a>(server: &'a Server, entries: &[Entry], repo: Option<&Repo>) -> Vec<Option<Cast<'a>>> {
    let cast = |entry: &Entry| {
        let three = Three::new(&entry.language, entry.interpreters.as_ref()?);
        Some(scenarios::cast(server, &three, repo))
    };
    entries.iter().map(cast).collect()
}

/// A host without repositories, whose waiting runs leave memory at once.
fn office(entries: &[Entry], matrix: &Matrix) {
    let config = "[runs]\npark_after_ms = 100\n[limits]\nmessage_bytes = 8000\n";
    let server = host(entries, config);
    play(
        entries,
        matrix,
        &casts(&server, entries, None),
        Host::Office,
    );
    let threes = |components: fn(&Entry) -> &Option<Vec<Component>>| -> Vec<Three> {
        let of = |entry| {
            components(entry)
                .as_ref()
                .map(|all| Three::new(&entry.language, all))
        };
        entries.iter().filter_map(of).collect()
    };
    let scripted = threes(|entry| &entry.interpreters);
    let examples = threes(|entry| &entry.examples);
    for entry in entries {
        let language = &entry.language;
        let find = |all: &[Three]| all.iter().position(|three| three.key == language.key);
        if let Some(at) = find(&scripted) {
            matrix.fill(teams::MIXED, language, || {
                teams::mixed(&server, &scripted, at)
            });
        }
        match find(&examples) {
            Some(at) => {
                matrix.fill(teams::EXAMPLES, language, || {
                    teams::examples(&server, &examples[at])
                });
                matrix.fill(teams::MIXED_EXAMPLES, language, || {
                    teams::mixed_examples(&server, &examples, at)
                });
            }
            None if language.examples.is_some() => {}
            None => {
                for row in [teams::EXAMPLES, teams::MIXED_EXAMPLES] {
                    matrix.not(row, language, "What is kept is the script interpreters.");
                }
            }
        }
    }
}

/// A host with a repository, which is killed again and again.
fn yard(entries: &[Entry], matrix: &Matrix) {
    let repo = Repo::new();
    let mut server = host(entries, "[runs]\npark_after_ms = 100\n");
    let players: Vec<Player> = {
        let casts = casts(&server, entries, Some(&repo));
        play(entries, matrix, &casts, Host::Yard);
        let all = entries.iter().zip(&casts);
        all.filter_map(|(entry, cast)| Some(Player::new(entry.language, cast.as_ref()?)))
            .collect()
    };
    crashes::run(&mut server, &repo, &players, matrix);
}

/// Prints the matrix, compares it with the file, and fails where anything did.
fn tell(languages: &[Language], matrix: &Matrix) {
    let table = matrix.markdown();
    println!("{table}");
    let failures = matrix.failures();
    assert!(
        failures.is_empty(),
        "{} failed:\n\n{}\n",
        failures.len(),
        failures.join("\n\n")
    );
    assert_eq!(
        contract::never_played(),
        Vec::<String>::new(),
        "every function of the contract is in a scenario"
    );
    if languages.len() < languages::all().len() {
        return;
    }
    let path = root().join("plugins/CONFORMANCE.md");
    let text = format!("{HEAD}{table}");
    if std::env::var("ADJUTANT_CONFORMANCE").is_ok_and(|mode| mode == "write") {
        std::fs::write(&path, text).expect("written");
    } else {
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            there, text,
            "plugins/CONFORMANCE.md is not what this run found; write it anew with ADJUTANT_CONFORMANCE=write"
        );
    }
}

const HEAD: &str = "\
# What every language can do

Written by the conformance suite from its run: `cargo test -p adjutant --test conformance`. Each
scenario runs on the real host, with a component that was written with the language's SDK. *pass* means
that it did what it must, and that it saw exactly what the first language's component saw. The columns
that begin with *contract* are components that were made for that published version of the contract,
and never built again: see `tests/contract`.

";
