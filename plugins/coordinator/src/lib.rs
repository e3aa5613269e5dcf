//! A boss without a model: splits a request into parts, has the team do them, and sums up.
//!
//! Configuration, all of it optional:
//!
//! ```json
//! {
//!   "join": "all",
//!   "part_deadline_ms": 600000,
//!   "retry_failed": 1,
//!   "parts": ["Count the lines", {"title": "Review", "to": "ada", "schema": {"type": "object"}}]
//! }
//! ```
//!
//! `join` is `"all"`, `"any"`, `{"quorum": 2}` or `{"deadline_ms": 60000}`. Parts run at the same time,
//! but one that begins with "then" or "after that" begins when those before it are over.
//!
//! Its output is `{"parts": [{part, agent, agent_name, ticket, status, summary, output}], "failed":
//! [titles]}`; a status is `completed`, `failed`, `cancelled`, `not-needed` or `unassigned`.

mod answer;
mod config;
mod flow;
mod split;
mod team;

use adjutant_sdk::{Boss, Failure, Report, Task, text};

use config::{Config, Part};
use flow::{Asked, Flow};

struct Coordinator;

/// The most parts that one request may have.
const MOST_PARTS: usize = 64;
/// The most characters of a part's title.
const TITLE_CHARS: usize = 80;

impl Boss for Coordinator {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        let asked = asked(&config, &task.ticket.title, &task.ticket.description);
        if asked.is_empty() {
            return Err(Failure::new(
                "The request is empty: say what is to be done.",
            ));
        }
        if asked.len() > MOST_PARTS {
            return Err(Failure::new(format!(
                "The request has {} parts, and {MOST_PARTS} are the most. Ask for less at a time.",
                asked.len()
            )));
        }
        let outcomes = Flow::new(team::Host, &config, task.attempt).run(&asked)?;
        answer::answer(outcomes)
    }
}

/// The parts of a ticket.
fn asked(config: &Config, title: &str, description: &str) -> Vec<Asked> {
    if !config.parts.is_empty() {
        return config.parts.iter().map(configured).collect();
    }
    let (title, description) = (title.trim(), description.trim());
    let text = if description.is_empty() {
        title
    } else {
        description
    };
    let mut pieces = split::split(text);
    // A description of one part only says more about what the title names.
    let beginning = title.trim_end_matches(['…', '.', ' ']);
    if let [only] = &mut pieces[..]
        && !description.is_empty()
        && !text::clip(description, usize::MAX).starts_with(beginning)
    {
        return vec![Asked {
            title: text::clip(title, TITLE_CHARS),
            description: format!("{title}\n\n{}", only.text),
            ..Asked::default()
        }];
    }
    pieces
        .into_iter()
        .map(|piece| Asked {
            title: text::clip(&piece.text, TITLE_CHARS),
            description: piece.text,
            later: piece.later,
            ..Asked::default()
        })
        .collect()
}

fn configured(part: &Part) -> Asked {
    match part {
        Part::Text(text) => Asked {
            title: text::clip(text, TITLE_CHARS),
            description: text.clone(),
            ..Asked::default()
        },
        Part::Full {
            title,
            description,
            to,
            schema,
        } => Asked {
            title: text::clip(title, TITLE_CHARS),
            description: description.clone().unwrap_or_else(|| title.clone()),
            later: false,
            to: to.clone(),
            schema: schema.clone(),
        },
    }
}

adjutant_sdk::boss!(Coordinator);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_from_the_description_or_the_title() {
        let config = Config::default();
        let titles = |title: &str, description: &str| -> Vec<String> {
            asked(&config, title, description)
                .into_iter()
                .map(|part| part.title)
                .collect()
        };
        assert_eq!(titles("Count. List.", ""), ["Count.", "List."]);
        assert_eq!(titles("Weekly", "- Count\n- List"), ["Count", "List"]);
        assert_eq!(titles("Count the…", "Count the lines"), ["Count the lines"]);
        assert_eq!(titles(" ", ""), [""; 0]);
        let more = asked(&config, "Count lines", "of Rust only");
        assert_eq!(more[0].title, "Count lines");
        assert_eq!(more[0].description, "Count lines\n\nof Rust only");
    }

    #[test]
    fn configured_parts_win() {
        let config: Config =
            serde_json::from_str(r#"{"parts": ["a", {"title": "b", "to": "ada"}]}"#)
                .expect("valid");
        let parts = asked(&config, "x", "y. z.");
        assert_eq!((parts.len(), parts[1].to.as_deref()), (2, Some("ada")));
        assert_eq!(parts[1].description, "b");
    }

    #[test]
    fn a_long_part_gets_a_short_title() {
        let parts = asked(&Config::default(), &"word ".repeat(50), "");
        assert!(parts[0].title.chars().count() <= TITLE_CHARS && parts[0].title.ends_with('…'));
        assert!(parts[0].description.len() > 200);
    }
}
