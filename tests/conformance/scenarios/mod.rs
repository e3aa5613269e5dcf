//! What every language must do. Each scenario asserts what matters, and gives back what was seen, which
//! is then compared with what the first language's components saw.

mod delegating;
mod hostile;
mod joining;
mod refusals;
mod reporting;
mod steady;
mod talking;
mod working;

use crate::cast::Cast;
use crate::support::{Repo, Server};
use crate::teams::Three;
use serde_json::{Value, json};

/// One row of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    /// What a component must do.
    pub(crate) name: &'static str,
    /// Does it, and gives back what was seen. It panics where something is wrong.
    pub(crate) run: fn(&Cast<'_>) -> Value,
    /// Which host it needs.
    pub(crate) host: Host,
}

/// Which host a scenario runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// One without repositories, whose waiting runs leave memory quickly.
    Office,
    /// One with a repository.
    Yard,
}

macro_rules! scenarios {
    ($($host:ident: $($name:literal => $run:path,)*)*) => {
        /// All scenarios, in the order of the matrix.
        pub(crate) const SCENARIOS: &[Scenario] = &[
            $($(Scenario { name: $name, run: $run, host: Host::$host },)*)*
        ];
    };
}

scenarios! {
    Office:
    "the task arrives whole" => talking::task,
    "any text goes through unchanged" => talking::any_text,
    "numbers up to 2^53" => refusals::numbers,
    "numbers above 2^53" => refusals::large_numbers,
    "script from the configuration" => talking::config,
    "team: who is there and at what" => delegating::team,
    "delegate: every field" => delegating::every_field,
    "delegate: the selector chooses" => delegating::selector,
    "delegate: blockers and policies" => delegating::blockers,
    "delegate: retries and history" => delegating::retries,
    "plan, and a plan that cannot be" => delegating::plan,
    "join: all" => joining::all,
    "join: any" => joining::any,
    "join: quorum" => joining::quorum,
    "join: deadline" => joining::deadline,
    "join: timeout" => joining::timeout,
    "cancel and reassign" => delegating::cancel_and_reassign,
    "budgets" => refusals::budgets,
    "schema: mended by the next attempt" => reporting::mended,
    "schema: refused to the end" => reporting::refused_to_the_end,
    "schema: permissive" => reporting::permissive,
    "schema: submit-output" => reporting::submit_output,
    "failure with an output" => reporting::failure,
    "call-for-report" => reporting::call_for_report,
    "channels: post, read, reply" => talking::channel,
    "channels: mention" => talking::mention,
    "channels: ask a person" => talking::ask_person,
    "channels: ask the boss" => talking::ask_boss,
    "channels: ask in vain" => talking::ask_in_vain,
    "tickets" => talking::tickets,
    "memory" => talking::memory,
    "errors as values" => refusals::errors,
    "stdout and stderr" => talking::prints,
    "clock and randomness, the same on replay" => steady::clock_and_randomness,
    "eviction and wake" => steady::eviction,
    "a thousand calls replayed" => steady::many_calls,
    "large values" => steady::large_values,
    "cancelled while it waits" => steady::cancelled,
    "trap" => hostile::trap,
    "trap in a selector" => hostile::selector_trap,
    "endless loop" => hostile::spin,
    "too much memory" => hostile::allocate,
    Yard:
    "worktree: files, diff, commit" => working::files,
    "worktree: commands" => working::commands,
    "worktree: paths that lead out" => working::paths,
}

/// A language's agents for the scenarios: a boss, a boss below it, hands, and somebody apart.
pub(crate) fn cast<'a>(server: &'a Server, three: &Three, repo: Option<&Repo>) -> Cast<'a> {
    let (boss, hand, selector) = (&three.boss, &three.subordinate, &three.selector);
    let commands = json!([
        ["sh", "-c", "*", "*"],
        ["sh", "-c", "*"],
        ["no-such-program"]
    ]);
    let grants = json!({"commands": commands});
    let own = json!({"script": [{"do": "task"}]});
    let hand = |name: &str, more: Value| {
        let mut agent = json!({
            "name": name, "plugin": hand, "boss": "lead", "config": own, "grants": grants,
            "limits": {"max_concurrent": 8},
        });
        for (name, value) in more.as_object().expect("fields") {
            agent[name] = value.clone();
        }
        agent
    };
    let agents = [
        json!({"name": "lead", "plugin": boss, "selector": selector, "grants": grants,
            "limits": {"max_concurrent": 16}}),
        hand(
            "one",
            json!({"class": "builder", "skills": ["alpha", "rust 🦀"], "description": "The first."}),
        ),
        hand("two", json!({"skills": ["alpha", "beta"]})),
        hand("three", json!({})),
        json!({"name": "deputy", "plugin": boss, "boss": "lead", "limits": {"max_concurrent": 4}}),
        hand(
            "narrow",
            json!({"limits": {"max_concurrent": 1, "max_queued": 1}}),
        ),
        hand(
            "frail",
            json!({"limits": {"guest_time_ms": 2_000, "memory_bytes": 128 << 20}}),
        ),
        hand("apart", json!({"boss": null})),
        // A team that only one scenario talks to.
        json!({"name": "captain", "plugin": boss}),
        hand(
            "mate",
            json!({"boss": "captain", "class": "sailor", "skills": ["knots"]}),
        ),
        hand(
            "cook",
            json!({"boss": "captain", "limits": {"max_concurrent": 1}}),
        ),
    ];
    let repos = match repo {
        Some(repo) => json!([{"name": "app", "path": repo.text()}]),
        None => json!([]),
    };
    Cast::new(server, three.key, repos, &agents)
}
