//! How well an agent fits a task.
//!
//! | what | points |
//! |---|---|
//! | a whole skill of several words, its words side by side | 40 for each word, and 20 |
//! | a whole skill of several words, anywhere in the task | 40 for each word |
//! | a whole skill of one word | 40 |
//! | some words of a skill | 10 for each |
//! | the agent's name, or its class | 30, 20 |
//! | words of the agent's description, from two on | 5 for each, six at most |
//! | whole skills that only the original request names | 1 for each, 5 at most |
//!
//! The original request counts only between agents that fit anyhow: it holds all the parts that the
//! task is one of, and so would make everybody fit.

use std::collections::BTreeSet;

use adjutant_selector::text::{stem, words};
use adjutant_selector::{Agent, Confidence};

/// The task's words as stems, in order.
pub(crate) struct Asked {
    /// Of its title and description.
    pub(crate) task: Vec<String>,
    /// Of what the person who started it all asked for.
    pub(crate) request: Vec<String>,
}

/// How well somebody fits, and why.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) points: u32,
    pub(crate) reason: String,
    pub(crate) confidence: Confidence,
}

/// Words that say nothing about what a task is about.
const STOP: &str = "a about after all also an and any are as at be been before but by can could do does \
    each every for from had has have how i if in into is it its last like me more most my new next no not \
    of on one only or other our out over own same should so some such than that the their them then there \
    these they this those to too two under up us use very was we were what when where which who whose why \
    will with would you your";

/// Words that ask for something, whatever it is. They count inside a whole skill only.
const WEAK: &str = "add answer check create display do explain find get give help list look make need \
    please print report run say see show summarize summary task tell test text thing try use want work \
    write file project repository repo code";

/// How well `agent` fits; none where nothing of it is in the task.
pub(crate) fn score(asked: &Asked, agent: &Agent) -> Option<Score> {
    let (stop, weak) = (stem_set(STOP), stem_set(WEAK));
    let meant: Vec<&String> = asked
        .task
        .iter()
        .filter(|word| !stop.contains(*word))
        .collect();
    let telling = |word: &String| meant.contains(&word) && !weak.contains(word);

    let mut points = 0;
    let mut whole: Vec<&str> = Vec::new();
    let mut several = false;
    let mut partly: BTreeSet<String> = BTreeSet::new();
    let mut requested = 0;
    for skill in &agent.skills {
        let all = stems_of(skill);
        let content: Vec<String> = all
            .iter()
            .filter(|word| !stop.contains(*word))
            .cloned()
            .collect();
        // A skill such as "who did what" is nothing but stop words: then all of them, side by side.
        if content.is_empty() {
            if holds_run(&asked.task.iter().collect::<Vec<_>>(), &all) {
                points += 40 * len(&all) + 20;
                several |= all.len() > 1;
                whole.push(skill);
            }
            continue;
        }
        if content.iter().all(|word| meant.contains(&word)) {
            points += 40 * len(&content);
            if content.len() > 1 {
                several = true;
                if holds_run(&meant, &content) {
                    points += 20;
                }
            }
            whole.push(skill);
        } else {
            partly.extend(content.iter().filter(|word| telling(word)).cloned());
            if content.iter().all(|word| asked.request.contains(word)) {
                requested += 1;
            }
        }
    }
    points += 10 * u32::try_from(partly.len()).unwrap_or(u32::MAX / 100);

    let named = |text: &str| {
        let content = stems_of(text);
        !content.is_empty() && content.iter().all(telling)
    };
    let (name, class) = (named(&agent.name), named(&agent.class));
    points += if name { 30 } else { 0 } + if class { 20 } else { 0 };

    let described: BTreeSet<String> = stems_of(&agent.description)
        .into_iter()
        .filter(telling)
        .collect();
    let described = if described.len() >= 2 {
        described
    } else {
        BTreeSet::new()
    };
    points += 5 * u32::try_from(described.len()).unwrap_or(6).min(6);
    if points == 0 {
        return None;
    }

    let reason = if !whole.is_empty() {
        let quoted: Vec<String> = whole
            .iter()
            .take(3)
            .map(|skill| format!("\"{skill}\""))
            .collect();
        format!(
            "matches skill{} {}",
            if whole.len() > 1 { "s" } else { "" },
            quoted.join(", ")
        )
    } else if name {
        format!("the task names \"{}\"", agent.name)
    } else if !partly.is_empty() {
        format!("matches part of its skills: {}", listed(&partly, asked))
    } else if class {
        format!("the task asks for a {}", agent.class)
    } else {
        format!("its description fits: {}", listed(&described, asked))
    };
    let confidence = if several || whole.len() > 1 {
        Confidence::High
    } else if whole.len() == 1 || name || points >= 30 {
        Confidence::Medium
    } else {
        Confidence::Low
    };
    Some(Score {
        points: points + requested.min(5),
        reason,
        confidence,
    })
}

fn listed(stems: &BTreeSet<String>, asked: &Asked) -> String {
    // In the task's order.
    let mut seen: Vec<&str> = Vec::new();
    for word in &asked.task {
        if stems.contains(word) && !seen.contains(&word.as_str()) && seen.len() < 5 {
            seen.push(word);
        }
    }
    seen.join(", ")
}

fn holds_run(words: &[&String], run: &[String]) -> bool {
    words
        .windows(run.len())
        .any(|window| window.iter().copied().eq(run.iter()))
}

fn stems_of(text: &str) -> Vec<String> {
    words(text).iter().map(|word| stem(word)).collect()
}

fn stem_set(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(stem).collect()
}

fn len(words: &[String]) -> u32 {
    u32::try_from(words.len()).unwrap_or(u32::MAX / 100)
}
