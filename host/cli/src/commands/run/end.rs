//! How a run ended, how its replay did, and whether that is the same.

use super::words::{self, quoted};
use crate::clean;
use adjutant_model::{Call, Ending, Run, RunStatus, Status, Ticket, WorkResult};
use adjutant_run::{Recording, ReplayEnd, Replayed, RunStop};
use serde::Serialize;

/// Characters of an end's line.
const LINE: usize = 400;

/// Whether a replay did the same.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// Whether it did.
    pub(super) same: bool,
    /// Calls that were the same.
    pub(super) calls: u32,
    /// The same in words.
    pub(super) text: String,
    /// Where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) difference: Option<Difference>,
}

/// The first difference, with both sides.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    /// The call's place; the number of calls where it is the end that differs.
    pub(super) call: u32,
    /// What the journal has there, or how the run ended.
    pub(super) run: String,
    /// What the replay asked there, or how it ended.
    pub(super) replay: String,
}

/// How a recorded run ended.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// The strategy answered; with what, where the ticket still tells it.
    Answered(Option<WorkResult>),
    /// It broke.
    Broke(String),
    /// It was stopped from outside, or goes on still.
    Stood(String),
}

impl End {
    fn of(recording: &Recording) -> End {
        let run = &recording.run;
        match (run.status, run.broke) {
            (RunStatus::Completed, _) => End::Answered(answer(run, &recording.ticket)),
            (_, true) => End::Broke(run.error.clone().unwrap_or_default()),
            (status, false) => End::Stood(match &run.error {
                Some(why) => format!("{status}: {why}"),
                None => status.to_string(),
            }),
        }
    }

    fn told(&self) -> String {
        match self {
            End::Answered(Some(result)) => ended(result),
            End::Answered(None) => "its strategy answered".to_owned(),
            End::Broke(why) => format!("broke: {}", clean::first_line(why, LINE)),
            End::Stood(how) => how.clone(),
        }
    }
}

/// What a run answered, where its ticket ended with that.
fn answer(run: &Run, ticket: &Ticket) -> Option<WorkResult> {
    let completed = match ticket.status {
        Status::Done => true,
        // Where the output was refused, the ticket tells of that and not of the answer.
        Status::Failed if ticket.violations.is_empty() => false,
        _ => return None,
    };
    (ticket.runs.last() == Some(&run.id)).then(|| WorkResult {
        completed,
        summary: said(run, ticket).to_owned(),
        output: ticket.output.clone(),
    })
}

/// What the strategy said. Where the ticket was tried before, the host has added to it.
fn said<'a>(run: &Run, ticket: &'a Ticket) -> &'a str {
    let past = ticket.history.iter().find(|past| past.run == Some(run.id));
    past.map(|past| past.reason.as_str())
        .filter(|reason| ticket.summary.starts_with(reason))
        .unwrap_or(&ticket.summary)
}

fn ended(result: &WorkResult) -> String {
    let how = if result.completed {
        "completed"
    } else {
        "gave up"
    };
    match &result.output {
        None => format!("{how}: {}", quoted(&result.summary, LINE)),
        Some(output) => format!("{how}: {} with {output}", quoted(&result.summary, LINE)),
    }
}

/// How a run ended: in a line, or with all that is known of it.
pub(super) fn of_run(recording: &Recording, full: bool) -> String {
    match &recording.run.error {
        Some(error) if full => clean::block(error),
        Some(error) if error.contains('\n') => {
            format!("{} (--full shows where)", End::of(recording).told())
        }
        _ => clean::line(&End::of(recording).told(), LINE),
    }
}

/// Holds a replay against its recording. None where it was not played to its end.
pub(super) fn verdict(recording: &Recording, replayed: &Replayed) -> Option<Verdict> {
    let (calls, end) = (replayed.calls, End::of(recording));
    let played = words::calls(calls);
    let differs = |call: u32, run: String, replay: String| {
        let (run, replay) = (clean::line(&run, LINE), clean::line(&replay, LINE));
        let at_the_end = call as usize >= recording.journal.entries.len();
        let place = if at_the_end {
            format!("at the end, after {played}")
        } else {
            format!("at call {call}")
        };
        Verdict {
            same: false,
            calls,
            text: format!("it differs {place}:\n  the run     {run}\n  the replay  {replay}"),
            difference: Some(Difference { call, run, replay }),
        }
    };
    let same = |text: String| Verdict {
        same: true,
        calls,
        text,
        difference: None,
    };
    let asks = |call: &Call| format!("asks {}", words::asked(call));
    Some(match (&replayed.end, &end) {
        (ReplayEnd::Stopped, _) => return None,
        (
            ReplayEnd::Diverged {
                index,
                journaled,
                asked,
            },
            _,
        ) => {
            let stop = RunStop::Diverged {
                index: *index,
                journaled: journaled.clone(),
                asked: asked.clone(),
            };
            if end == End::Broke(stop.to_string()) {
                same(format!(
                    "the same {played} and the same end: it diverges at call {index}\n  the journal \
                     {}\n  and it asks  {}",
                    words::asked(journaled),
                    words::asked(asked)
                ))
            } else {
                differs(*index, asks(journaled), asks(asked))
            }
        }
        (ReplayEnd::EndedEarly { journaled, ending }, _) => {
            differs(calls, asks(journaled), ending_told(ending))
        }
        (ReplayEnd::Ended(ending), End::Stood(how)) => same(format!(
            "the same {played}; the run was then {}. Left alone it ends: {}",
            clean::line(how, LINE),
            clean::line(&ending_told(ending), LINE)
        )),
        (ReplayEnd::Ended(ending), end) if is_same(ending, end) => same(format!(
            "the same {played} and the same end: {}",
            clean::line(&ending_told(ending), LINE)
        )),
        (ReplayEnd::Ended(ending), end) => differs(calls, end.told(), ending_told(ending)),
        (ReplayEnd::Asks { asked }, End::Stood(how)) => same(format!(
            "the same {played}, and here the run stood ({}): next it {}",
            clean::line(how, LINE),
            asks(asked)
        )),
        (ReplayEnd::Waits { call }, End::Stood(how)) => same(format!(
            "the same {played}, and here the run stood ({}): it waits in {}",
            clean::line(how, LINE),
            words::asked(call)
        )),
        (ReplayEnd::Asks { asked: call } | ReplayEnd::Waits { call }, end) => {
            differs(calls, end.told(), format!("goes on and {}", asks(call)))
        }
    })
}

fn ending_told(ending: &Ending) -> String {
    match ending {
        Ending::Worked { result, .. } => ended(result),
        Ending::Broke(why) | Ending::Faulted(why) => {
            format!("broke: {}", clean::first_line(why, LINE))
        }
    }
}

fn is_same(ending: &Ending, end: &End) -> bool {
    match (ending, end) {
        (Ending::Worked { .. }, End::Answered(None)) => true,
        (Ending::Worked { result, .. }, End::Answered(Some(told))) => {
            result.completed == told.completed
                && result.output == told.output
                && is_same_text(&result.summary, &told.summary)
        }
        // The first line says what happened; below are places in the code, which any version moves.
        (Ending::Broke(why) | Ending::Faulted(why), End::Broke(told)) => {
            why.lines().next() == told.lines().next()
        }
        _ => false,
    }
}

/// Whether a text is what the host has kept of it.
fn is_same_text(text: &str, kept: &str) -> bool {
    text == kept
        || kept
            .strip_suffix('…')
            .is_some_and(|beginning| text.starts_with(beginning))
}
