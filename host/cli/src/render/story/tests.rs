//! A story from the events of the first command of the README, and what must not happen to it.

use super::*;
use adjutant_model::{ChannelId, MessageId, RunId, RunStatus, Violation};
use uuid::Uuid;

const BOSS: u128 = 1;
const COUNTER: u128 = 2;
const SEARCHER: u128 = 3;

fn agent(n: u128) -> AgentId {
    AgentId(Uuid::from_u128(n))
}

fn ticket(n: u128) -> TicketId {
    TicketId(Uuid::from_u128(n))
}

fn run(n: u128) -> RunId {
    RunId(Uuid::from_u128(n))
}

fn story() -> Story {
    let names = [
        (BOSS, "coordinator"),
        (COUNTER, "counter"),
        (SEARCHER, "searcher\u{1b}[2J"),
    ];
    Story::new(&names.map(|(n, name)| (agent(n), name.to_owned())).into())
}

fn created(n: u128, title: &str, parent: Option<u128>, assignee: u128) -> EventKind {
    EventKind::TicketCreated {
        ticket: ticket(n),
        title: title.into(),
        parent: parent.map(ticket),
        assignee: Some(agent(assignee)),
    }
}

fn delegated(n: u128, assignee: u128, reason: &str) -> EventKind {
    EventKind::TicketDelegated {
        ticket: ticket(n),
        parent: ticket(10),
        delegated_by: agent(BOSS),
        assignee: agent(assignee),
        reason: reason.into(),
        confidence: Confidence::High,
    }
}

fn started(n: u128, by: u128, attempt: u32) -> EventKind {
    EventKind::TicketStarted {
        ticket: ticket(n),
        agent: agent(by),
        run: run(n),
        attempt,
    }
}

fn said(n: u128, by: u128, kind: MessageKind, text: &str) -> EventKind {
    EventKind::MessagePosted {
        ticket: ticket(n),
        channel: ChannelId(Uuid::from_u128(n)),
        message: MessageId(Uuid::from_u128(99)),
        author: Author::Agent(agent(by)),
        kind,
        text: text.into(),
    }
}

fn printed(n: u128, text: &str) -> EventKind {
    EventKind::RunOutput {
        ticket: ticket(n),
        run: run(n),
        stream: "stdout".into(),
        text: text.into(),
    }
}

fn tell(story: &mut Story, events: Vec<EventKind>) -> Vec<String> {
    let mut lines = Vec::new();
    for (i, kind) in events.into_iter().enumerate() {
        let at = 1_000_000 + 150 * i as u64;
        let (told, _) = story.take(&Event { at, kind });
        lines.extend(told.iter().map(ToString::to_string));
    }
    lines
}

#[test]
fn the_first_command_as_plain_lines() {
    let mut story = story();
    let lines = tell(
        &mut story,
        vec![
            created(10, "Count the lines. List every TODO.", None, BOSS),
            EventKind::TicketAssigned {
                ticket: ticket(10),
                assignee: agent(BOSS),
            },
            started(10, BOSS, 1),
            EventKind::RunProvisioning {
                ticket: ticket(10),
                run: run(10),
            },
            EventKind::WorkPlanProposed {
                ticket: ticket(10),
                run: run(10),
            },
            created(11, "Count the lines.", Some(10), COUNTER),
            delegated(11, COUNTER, "matches skill \"count lines\"; idle"),
            created(12, "List every TODO.", Some(10), SEARCHER),
            delegated(12, SEARCHER, ""),
            EventKind::RunWaiting {
                ticket: ticket(10),
                run: run(10),
                what: "2 reports".into(),
            },
            started(11, COUNTER, 1),
            started(12, SEARCHER, 1),
            said(11, BOSS, MessageKind::Task, "[DELEGATED TASK]"),
            said(11, COUNTER, MessageKind::Progress, "running `sh`\nand more"),
            EventKind::RunOutput {
                ticket: ticket(11),
                run: run(11),
                stream: "command".into(),
                text: "$ sh -c a\nb\n".into(),
            },
            printed(11, "Rust\t12"),
            printed(11, "0\nTotal\t120\n"),
            EventKind::TicketCompleted {
                ticket: ticket(11),
                summary: "| language | lines |".into(),
            },
            EventKind::RunEnded {
                ticket: ticket(11),
                run: run(11),
                status: RunStatus::Completed,
            },
            said(10, COUNTER, MessageKind::Report, "[TASK REPORT]"),
            EventKind::OutputRefused {
                ticket: ticket(12),
                run: run(12),
                rejections: 1,
                violations: vec![Violation::new("/n", "it is missing")],
            },
            started(12, SEARCHER, 2),
            EventKind::BranchReady {
                ticket: ticket(12),
                repo: "app".into(),
                branch: "adjutant/12".into(),
                commit: "c".into(),
            },
            EventKind::TicketFailed {
                ticket: ticket(12),
                reason: "git is gone\nfor good".into(),
            },
            EventKind::RunResumed {
                ticket: ticket(10),
                run: run(10),
            },
            EventKind::TicketCompleted {
                ticket: ticket(10),
                summary: "One of two parts.".into(),
            },
        ],
    );
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(story.count(), (2, 2));
    assert_eq!(story.part(0).stage, Stage::Done);
    assert_eq!((story.part(1).stage, story.part(1).depth), (Stage::Done, 1));
    assert_eq!(story.part(2).stage, Stage::Failed);
    assert_eq!(story.part(2).note, "git is gone");
    assert!(!lines.join("").contains('\u{1b}'));
}

#[test]
fn a_flood_of_output_is_told_briefly() {
    let mut story = story();
    let mut events = vec![created(10, "x", None, BOSS)];
    events.extend((0..1_000).map(|n| printed(10, &format!("line {n}\n"))));
    let lines = tell(&mut story, events);
    assert_eq!(lines.len(), MOST_OUTPUT);
    assert!(lines[MOST_OUTPUT - 1].ends_with("| … and more"));
    assert_eq!(story.part(0).note, "line 999");
}

#[test]
fn output_without_line_ends_does_not_pile_up() {
    let mut story = story();
    let mut events = vec![created(10, "x", None, BOSS)];
    events.extend((0..100).map(|_| printed(10, &"y".repeat(1_000))));
    tell(&mut story, events);
    let waiting: usize = story.unfinished.values().map(String::len).sum();
    assert!(waiting <= MOST_UNFINISHED, "{waiting}");
}

#[test]
fn what_is_said_of_an_unknown_ticket_or_agent_does_no_harm() {
    let mut story = story();
    let lines = tell(
        &mut story,
        vec![
            EventKind::TicketCompleted {
                ticket: ticket(77),
                summary: "x".into(),
            },
            printed(77, "x\n"),
            created(10, "x", None, 0xabcd_ef01),
            started(10, 0xabcd_ef01, 1),
            EventKind::WorkspaceSaved { name: "x".into() },
        ],
    );
    assert_eq!(lines, ["00.4s agent …abcdef01: started"]);
}

#[test]
fn times_are_for_people() {
    let table = [
        (0, "00.0s"),
        (450, "00.4s"),
        (12_345, "12.3s"),
        (59_999, "59.9s"),
        (60_000, "1m00s"),
        (3_725_000, "62m05s"),
    ];
    for (ms, text) in table {
        assert_eq!(elapsed(ms), text);
    }
}
