//! What a test says that checks nothing: a call that there is not, words for another world, and answers that
//! nobody ever asked for. Each is a mistake of the test's, and fails it.

use super::script::{Failing, Script};
use crate::contract;
use adjutant_component::World;
use std::collections::HashMap;
use std::fmt::Write as _;

/// How often each entry of a script was used, by the name of its list and its place there.
pub(super) type Used = HashMap<(&'static str, usize), u32>;

/// Host calls that no script lets fail, and what to do instead: the run answers them by itself.
const OWN: [(&str, &str); 3] = [
    ("worktree.", "leave the file or the command out of the test"),
    ("reporting.progress", "it fails at the host's limits only"),
    ("channels.read", "it fails for what it is asked only"),
];

/// What is wrong with a test before it is played, as a sentence.
pub(super) fn refused(script: &Script, world: World) -> Option<String> {
    let foreign: Vec<&str> = foreign(script, world);
    if !foreign.is_empty() {
        return Some(format!(
            "The test says {}, which means nothing for a {world}: leave it out.",
            foreign.join(", ")
        ));
    }
    if let Some(zeroth) = zeroth(script) {
        return Some(zeroth);
    }
    let known = contract::calls(world);
    let mut errors = script.errors.iter().enumerate();
    errors.find_map(|(place, failing)| unknown(failing, &known, world, place + 1))
}

/// An entry that counts from 0.
fn zeroth(script: &Script) -> Option<String> {
    let nths = script.errors.iter().map(|one| one.nth);
    let attempts = script.reports.iter().map(|one| one.attempt);
    let nths = nths
        .enumerate()
        .map(|(place, nth)| ("errors", "nth", place, nth));
    let attempts = attempts.enumerate();
    let attempts = attempts.map(|(place, attempt)| ("reports", "attempt", place, attempt));
    let mut zeroths = nths
        .chain(attempts)
        .filter(|(.., counted)| *counted == Some(0));
    let (list, field, place, _) = zeroths.next()?;
    Some(format!(
        "[[{list}]] {} says {field} = 0, and they are counted from 1: write {field} = 1 for the first.",
        place + 1
    ))
}

fn unknown(failing: &Failing, known: &[String], world: World, nth: usize) -> Option<String> {
    let call = &failing.call;
    if !known.contains(call) {
        return Some(format!(
            "[[errors]] {nth} is about the call `{call}`, and a {world} has no such call; it has {}.",
            known.join(", ")
        ));
    }
    let own = OWN.iter().find(|(prefix, _)| call.starts_with(prefix));
    own.map(|(_, instead)| {
        format!("[[errors]] {nth} is about `{call}`, which a test cannot let fail: {instead}.")
    })
}

/// The parts of a test that are for another world.
fn foreign(script: &Script, world: World) -> Vec<&'static str> {
    let task = &script.task;
    let expect = &script.expect;
    let parts = if world == World::Selector {
        vec![
            ("task.schema", task.schema.is_some()),
            ("task.deadline_ms", task.deadline_ms.is_some()),
            ("task.budget", task.budget.is_some()),
            ("[agent]", script.agent != Default::default()),
            ("[[others]]", !script.others.is_empty()),
            ("[memory]", !script.memory.is_empty()),
            ("[files]", script.files.is_some()),
            ("[grants]", script.grants.is_some()),
            ("selector", script.selector.is_some()),
            ("[[reports]]", !script.reports.is_empty()),
            ("[[answers]]", !script.answers.is_empty()),
            ("[[external]]", !script.external.is_empty()),
            ("[[commands]]", !script.commands.is_empty()),
            ("[[errors]]", !script.errors.is_empty()),
            ("cancel_after_ms", script.cancel_after_ms.is_some()),
            ("expect.outcome", expect.outcome.is_some()),
            ("expect.summary", expect.summary.is_some()),
            ("expect.output", expect.output.is_some()),
        ]
    } else {
        let mut agents = script.team.iter().chain(&script.others);
        vec![
            ("task.request", !task.request.is_empty()),
            ("status or queued of an agent", {
                agents.any(|agent| agent.status.is_some() || agent.queued > 0)
            }),
            ("[[team]]", world != World::Boss && !script.team.is_empty()),
            (
                "selector",
                world != World::Boss && script.selector.is_some(),
            ),
            ("expect.choose", expect.choose.is_some()),
        ]
    };
    let said = parts.into_iter().filter(|(_, said)| *said);
    said.map(|(name, _)| name).collect()
}

/// What of a script was never used, as a sentence.
pub(super) fn unused(script: &Script, used: &Used) -> Option<String> {
    let mut left: Vec<String> = Vec::new();
    let mut list = |name: &'static str, entries: Vec<String>| {
        for (place, about) in entries.into_iter().enumerate() {
            if used.get(&(name, place)).is_none_or(|times| *times == 0) {
                left.push(format!("[[{name}]] {}{about}", place + 1));
            }
        }
    };
    let reports = script.reports.iter().map(|one| {
        let attempt = one.attempt.map(|attempt| attempt.to_string());
        about(&[
            ("agent", &one.agent),
            ("title", &one.title),
            ("attempt", &attempt),
        ])
    });
    list("reports", reports.collect());
    let answers = script.answers.iter();
    let answers = answers.map(|one| about(&[("member", &one.member), ("question", &one.question)]));
    list("answers", answers.collect());
    list(
        "external",
        script.external.iter().map(|_| String::new()).collect(),
    );
    let commands = script.commands.iter();
    let commands = commands.map(|one| about(&[("run", &Some(one.run.join(" ")))]));
    list("commands", commands.collect());
    let errors = script.errors.iter().map(|one| {
        let nth = one.nth.map(|nth| nth.to_string());
        about(&[("call", &Some(one.call.clone())), ("nth", &nth)])
    });
    list("errors", errors.collect());
    if script.cancel_after_ms.is_some() && !used.contains_key(&("cancel_after_ms", 0)) {
        left.push("cancel_after_ms (the ticket was over before)".to_owned());
    }
    if left.is_empty() {
        return None;
    }
    let each = if left.len() == 1 {
        "it checks"
    } else {
        "they check"
    };
    Some(format!(
        "Never used in this test, so {each} nothing: {}. Mend what is wrong in it, or leave it out.",
        left.join("; ")
    ))
}

/// What an entry is about, in brackets.
fn about(fields: &[(&str, &Option<String>)]) -> String {
    let mut told = String::new();
    for (name, value) in fields {
        if let Some(value) = value {
            let joint = if told.is_empty() { " (" } else { ", " };
            let _ = write!(told, "{joint}{name} \"{value}\"");
        }
    }
    if !told.is_empty() {
        told.push(')');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        toml::from_str(&format!("[task]\ntitle = \"x\"\n{text}")).expect("a test")
    }

    #[test]
    fn an_error_of_a_call_that_there_is_not_names_those_that_there_are() {
        let errors = |call: &str| {
            let script = script(&format!(
                "[[errors]]\ncall = \"memory.get\"\nerror = \"denied\"\n\
                 [[errors]]\ncall = \"{call}\"\nerror = \"unavailable\"\n"
            ));
            refused(&script, World::Subordinate)
        };
        assert_eq!(errors("tickets.create"), None);
        for call in ["memory.gett", "get", "", "delegation.team"] {
            let told = errors(call).expect(call);
            assert!(
                told.starts_with(&format!(
                    "[[errors]] 2 is about the call `{call}`, and a subordinate has no such call; it has "
                )),
                "{told}"
            );
            assert!(told.contains("memory.get, memory.put"), "{told}");
        }
        for call in ["worktree.read", "reporting.progress", "channels.read"] {
            let told = errors(call).expect(call);
            assert!(told.contains("cannot let fail"), "{told}");
        }
    }

    #[test]
    fn what_is_for_another_world_is_refused() {
        let choose = script("[expect]\nchoose = []\n");
        assert_eq!(refused(&choose, World::Selector), None);
        let told = refused(&choose, World::Boss).expect("it is wrong");
        assert!(
            told.contains("expect.choose, which means nothing for a boss"),
            "{told}"
        );
        let reports = script("[memory]\na = \"b\"\n[[reports]]\nsummary = \"x\"\n");
        assert_eq!(refused(&reports, World::Boss), None);
        let told = refused(&reports, World::Selector).expect("it is wrong");
        assert!(told.contains("[memory], [[reports]]"), "{told}");
    }

    #[test]
    fn a_subordinate_has_no_team() {
        let team = script("[[team]]\nname = \"ada\"\n");
        assert_eq!(refused(&team, World::Boss), None);
        assert_eq!(refused(&team, World::Selector), None);
        let told = refused(&team, World::Subordinate).expect("it is wrong");
        assert!(
            told.contains("[[team]], which means nothing for a subordinate"),
            "{told}"
        );
    }

    #[test]
    fn what_is_counted_is_counted_from_1() {
        let errors = script(
            "[[errors]]\ncall = \"memory.get\"\nnth = 1\nerror = \"denied\"\n\
             [[errors]]\ncall = \"memory.get\"\nnth = 0\nerror = \"denied\"\n",
        );
        let told = refused(&errors, World::Boss).expect("it is wrong");
        assert!(told.starts_with("[[errors]] 2 says nth = 0"), "{told}");
        let reports = script("[[reports]]\nattempt = 0\n");
        let told = refused(&reports, World::Boss).expect("it is wrong");
        assert!(told.starts_with("[[reports]] 1 says attempt = 0"), "{told}");
    }

    #[test]
    fn what_was_never_used_is_named_with_its_place() {
        let script = script(
            "[[reports]]\nagent = \"ada\"\n[[reports]]\nagent = \"adda\"\ntitle = \"Write*\"\n\
             [[external]]\nsummary = \"x\"\n\
             [[errors]]\ncall = \"memory.get\"\nnth = 3\nerror = \"denied\"\n",
        );
        let mut used = Used::from([(("reports", 0), 1), (("external", 0), 1)]);
        assert_eq!(
            unused(&script, &used).as_deref(),
            Some(
                "Never used in this test, so they check nothing: [[reports]] 2 (agent \"adda\", title \
                 \"Write*\"); [[errors]] 1 (call \"memory.get\", nth \"3\"). Mend what is wrong in it, \
                 or leave it out."
            )
        );
        used.extend([(("reports", 1), 1), (("errors", 0), 1)]);
        assert_eq!(unused(&script, &used), None);
    }
}
