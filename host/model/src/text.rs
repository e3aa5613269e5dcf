//! Texts of a fixed form: what a subordinate is told, and what a boss is told back.
//!
//! The forms are those of the delegation guide that Adjutant is compatible with, so that agents and
//! models written for it work unchanged.

use crate::{Agent, AgentId, TaskReport, Ticket, TicketId, Token, Validation, Violation};
use std::fmt::Write as _;

/// The rule that sets the body off from what the host adds.
const RULE: &str = "---";

/// What an agent is told about a ticket.
///
/// A delegated ticket begins with `[DELEGATED TASK from boss "NAME" (ID)]`, and holds the task, the
/// boss's notes and the user's original request.
pub fn briefing(ticket: &Ticket, boss: Option<&Agent>, request: &str) -> String {
    let mut text = String::new();
    if let Some(boss) = boss {
        let _ = write!(
            text,
            "[DELEGATED TASK from boss \"{}\" ({})]\n\n",
            boss.name, boss.id
        );
    }
    text.push_str(&ticket.title);
    if !ticket.description.is_empty() && ticket.description != ticket.title {
        let _ = write!(text, "\n\n{}", ticket.description);
    }
    if !ticket.notes.is_empty() {
        let _ = write!(text, "\n\nNotes from your boss:\n{}", ticket.notes);
    }
    if boss.is_some()
        && !request.is_empty()
        && request != ticket.description
        && request != ticket.title
    {
        let _ = write!(text, "\n\nThe user's original request:\n{request}");
    }
    text
}

/// What a person started it all with: a root ticket's description, or its title.
pub fn request(root: &Ticket) -> &str {
    if root.description.is_empty() {
        &root.title
    } else {
        &root.description
    }
}

/// How to report from outside: the footer under a delegated task.
///
/// The delegation and the run's token travel in the URL, so that a late or foreign report is known.
pub fn report_footer(base_url: &str, agent: AgentId, ticket: &Ticket, token: Token) -> String {
    format!(
        "\n\n{RULE}\nThis task was delegated by your boss agent. When you finish, report completion \
         using:\ncurl -s -X POST '{base_url}/api/agents/{agent}/report-task?delegation={}&token={token}' \
         -H \"Content-Type: application/json\" \
         -d '{{\"summary\":\"Brief result summary\",\"status\":\"completed\"}}'",
        ticket.id
    )
}

/// Bytes of a schema that someone outside is shown.
const SCHEMA: usize = 8 << 10;

/// Violations that someone outside is shown, and bytes of each.
const VIOLATIONS: (usize, usize) = (20, 300);

/// What someone outside is told about the output that is expected: the schema, how to report an output,
/// and what was wrong with the last one. Empty where the ticket has no schema.
pub fn expected_output(ticket: &Ticket, violations: &[Violation]) -> String {
    let Some(schema) = &ticket.expected_output_schema else {
        return String::new();
    };
    let must = match ticket.validation {
        Validation::Strict => "must",
        Validation::Permissive => "should",
    };
    expected(ticket.id, &schema.to_string(), must, violations)
}

fn expected(id: TicketId, schema: &str, must: &str, violations: &[Violation]) -> String {
    let mut text = format!(
        "\n\nAn output is expected, beside the summary: -d '{{\"summary\":\"…\",\"status\":\"completed\",\
         \"output\":{{…}}}}'. It {must} fulfil this JSON Schema:\n{}",
        cut(schema, SCHEMA)
    );
    if schema.len() > SCHEMA {
        let _ = write!(
            text,
            "\nThat is not all of it: see `expected_output_schema` of ticket {id}."
        );
    }
    if violations.is_empty() {
        return text;
    }
    text.push_str("\n\nWhat was wrong with the last output:");
    let (most, bytes) = VIOLATIONS;
    for violation in violations.iter().take(most) {
        let line = violation.to_string().replace('\n', " ");
        let _ = write!(text, "\n- {}", cut(&line, bytes));
    }
    if violations.len() > most {
        let _ = write!(text, "\nand {} more", violations.len() - most);
    }
    text
}

/// Bytes of a failed attempt's reason in a report's text.
const ATTEMPT: usize = 300;

/// What a boss is told when a subordinate's task is over. Where it was tried more than once, a line for
/// each attempt that failed follows.
pub fn task_report(report: &TaskReport) -> String {
    let agent = report
        .agent
        .map(|id| format!(" ({id})"))
        .unwrap_or_default();
    let mut text = format!(
        "[TASK REPORT from {}{agent}]\nStatus: {}\nOriginal task: {}\nSummary: {}",
        report.agent_name,
        report.outcome.as_str().to_uppercase(),
        report.title,
        report.summary
    );
    if report.attempt > 1 {
        for past in &report.history {
            let reason = cut(past.reason.trim(), ATTEMPT).replace('\n', " ");
            let _ = write!(
                text,
                "\nAttempt {} by {} failed: {reason}",
                past.attempt, past.agent_name
            );
        }
    }
    text
}

/// A name as a part of a JSON pointer (RFC 6901).
pub fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A text cut to so many bytes, at a character's edge, with a mark where something is left out.
pub fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub("…".len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Mentions of one text that count.
const MENTIONS: usize = 50;

/// The names after at signs in a text, in order, each once.
pub fn mentions(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, _) in text.match_indices('@') {
        // `a@b` is an address, not a mention.
        if text[..at]
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric)
        {
            continue;
        }
        let name: String = text[at + 1..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        if names.len() == MENTIONS {
            break;
        }
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 5), "ab…");
        assert_eq!(cut("ééé", 5), "é…");
        assert_eq!(cut("ab", 1), "…");
    }

    #[test]
    fn what_someone_outside_is_told_of_an_output_is_bounded() {
        let id = TicketId(uuid::Uuid::nil());
        let fits = expected(id, &"s".repeat(SCHEMA), "must", &[]);
        assert!(fits.ends_with("ss"), "{fits}");
        let wrong = vec![Violation::new("/n", "v\n".repeat(1_000)); VIOLATIONS.0 + 3];
        let more = expected(id, &"s".repeat(SCHEMA + 1), "must", &wrong);
        let rest =
            format!("…\nThat is not all of it: see `expected_output_schema` of ticket {id}.");
        assert!(more.contains(&rest), "{more}");
        assert!(more.ends_with("…\nand 3 more"), "{more}");
        assert!(
            more.len() < SCHEMA + (VIOLATIONS.0 + 2) * VIOLATIONS.1,
            "{}",
            more.len()
        );
    }

    #[test]
    fn finds_mentions() {
        assert_eq!(
            mentions("@ada and @bob-2, mail me@x.org @ada"),
            ["ada", "bob-2"]
        );
        assert!(mentions("nobody @ all").is_empty());
    }
}
