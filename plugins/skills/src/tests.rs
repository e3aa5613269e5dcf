//! The default team, and the ways in which a task fits or does not.

use adjutant_selector::{Agent, Confidence};

use super::*;

fn candidate(name: &str, skills: &[&str], description: &str) -> Candidate {
    Candidate {
        agent: Agent {
            id: format!("id-{name}"),
            name: name.into(),
            class: "scout".into(),
            skills: skills.iter().map(|skill| (*skill).to_string()).collect(),
            description: description.into(),
        },
        status: TrackingStatus::Idle,
        queued: 0,
    }
}

fn team() -> Vec<Candidate> {
    vec![
        candidate(
            "lines",
            &["count lines", "languages", "size of the code"],
            "",
        ),
        candidate("todos", &["TODO", "FIXME", "find markers"], ""),
        candidate(
            "history",
            &["git history", "who changed what", "authors"],
            "",
        ),
    ]
}

fn ask(title: &str, team: &[Candidate]) -> Vec<Choice> {
    let question = Question {
        title: title.into(),
        description: String::new(),
        request: "Count the lines by language. List every TODO and FIXME. Show who changed what."
            .into(),
        config_json: "{}".into(),
    };
    choose(&question, team)
}

#[test]
fn each_part_of_the_first_command_finds_its_agent() {
    for (part, agent) in [
        ("Count the lines by language.", "id-lines"),
        ("List every TODO and FIXME.", "id-todos"),
        ("Show who changed what most this month.", "id-history"),
    ] {
        let choices = ask(part, &team());
        assert_eq!(choices[0].agent, agent, "{part}: {choices:?}");
        assert_eq!(choices.len(), 1, "{part}: {choices:?}");
    }
}

#[test]
fn a_phrase_weighs_more_than_a_word_and_is_the_reason() {
    let choices = ask("Please count the changed lines", &team());
    assert_eq!(choices[0].agent, "id-lines");
    let choices = ask("Count lines, and mind the authors", &team());
    assert_eq!(choices[0].reason, "matches skill \"count lines\"; idle");
    assert_eq!(choices[0].confidence, Confidence::High);
    assert_eq!(choices[1].agent, "id-history");
    assert_eq!(choices[1].confidence, Confidence::Medium);
}

#[test]
fn nobody_fits_what_nobody_can_do() {
    assert_eq!(ask("Translate the README into French.", &team()), []);
    // Only words that any task may have.
    assert_eq!(ask("Find and list the code of the project", &team()), []);
    assert_eq!(ask("", &team()), []);
}

#[test]
fn forms_of_words_match() {
    assert_eq!(ask("Counting a line", &team())[0].agent, "id-lines");
}

#[test]
fn among_equals_the_idle_and_the_less_queued_come_first() {
    let mut busy = candidate("a", &["rust"], "");
    busy.status = TrackingStatus::Working;
    busy.queued = 1;
    let mut queued = candidate("b", &["rust"], "");
    queued.queued = 2;
    let idle = candidate("c", &["rust"], "");
    let order: Vec<_> = ask("Some Rust", &[busy, queued, idle])
        .into_iter()
        .map(|choice| (choice.agent, choice.reason))
        .collect();
    let reason = |load: &str| format!("matches skill \"rust\"; {load}");
    assert_eq!(
        order,
        [
            ("id-c".to_string(), reason("idle")),
            ("id-b".to_string(), reason("2 tickets before it")),
            ("id-a".to_string(), reason("1 ticket before it")),
        ]
    );
}

#[test]
fn the_order_of_the_candidates_does_not_matter() {
    let mut reversed = team();
    reversed.reverse();
    let task = "Count lines, TODO and authors";
    assert_eq!(ask(task, &team()), ask(task, &reversed));
}

#[test]
fn a_name_fits_and_a_description_needs_two_words() {
    let team = [
        candidate("ada", &[], "Knows parsers and grammars."),
        candidate("bob", &[], "Knows the build and its caches."),
    ];
    assert_eq!(
        ask("Ask Bob about it", &team)[0].reason,
        "the task names \"bob\"; idle"
    );
    let choices = ask("Why do parsers need a grammar?", &team);
    assert_eq!(
        (choices.len(), choices[0].confidence.clone()),
        (1, Confidence::Low)
    );
    assert_eq!(ask("Tame the caches", &team), []);
}
