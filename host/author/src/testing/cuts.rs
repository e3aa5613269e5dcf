//! Whether a strategy asks the same again: a replay from a journal that is cut off after each call.
//!
//! A host brings a strategy back wherever it stopped. One that keeps a clock, a random number or a state of
//! its own would go another way then; here it is found before that.

use super::Tester;
use super::world::Stuck;
use adjutant_model::{Call, Ending, Journal};
use adjutant_run::{Onlooker, Recording, ReplayEnd, Replayed, Stage};
use async_trait::async_trait;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Places that are tried; of a longer journal so many, spread over it.
const MOST_CUTS: usize = 200;
/// Characters of a call that an error shows.
const SHOWN: usize = 300;

impl Tester<'_> {
    /// Tries the places. Gives back how many, and what went another way.
    pub(super) async fn cut(&self, recording: &Recording) -> Result<(u32, Option<String>), Stuck> {
        let entries = &recording.journal.entries;
        let every = entries.len().div_ceil(MOST_CUTS).max(1);
        let mut tried = 0;
        for cut in (0..entries.len()).step_by(every) {
            let shorter = Recording {
                journal: Journal {
                    entries: entries[..cut].to_vec(),
                },
                ..recording.clone()
            };
            let replayed = self
                .runner
                .replay(shorter, self.component.clone(), Arc::new(Nobody))
                .await
                .map_err(|error| Stuck(error.to_string()))?;
            tried += 1;
            if let Some(why) = went_another_way(cut, &entries[cut].call, &replayed) {
                return Ok((tried, Some(why)));
            }
        }
        Ok((tried, None))
    }
}

/// What is wrong with a replay of the whole journal.
pub(super) fn differs(recording: &Recording, replayed: &Replayed) -> Option<String> {
    let whole = recording.journal.entries.len();
    match &replayed.end {
        ReplayEnd::Diverged {
            index,
            journaled,
            asked,
        } => Some(not_the_same(
            *index,
            journaled,
            &format!("asked {}", shown(asked)),
        )),
        ReplayEnd::EndedEarly { journaled, ending } => {
            Some(not_the_same(replayed.calls, journaled, &ended(ending)))
        }
        // Where it was stopped from outside, it would have gone on.
        ReplayEnd::Asks { asked } if recording.run.error.is_none() => Some(format!(
            "It is not deterministic: the run ended after {whole} calls, and its replay goes on and asks \
             {}. {ADVICE}",
            shown(asked)
        )),
        _ => None,
    }
}

fn went_another_way(cut: usize, next: &Call, replayed: &Replayed) -> Option<String> {
    let index = u32::try_from(cut).unwrap_or(u32::MAX);
    let another = match &replayed.end {
        ReplayEnd::Asks { asked } if **asked == *next => return None,
        ReplayEnd::Asks { asked } => format!("asked {}", shown(asked)),
        ReplayEnd::Diverged {
            index,
            journaled,
            asked,
        } => {
            return Some(not_the_same(
                *index,
                journaled,
                &format!("asked {}", shown(asked)),
            ));
        }
        ReplayEnd::Ended(ending) | ReplayEnd::EndedEarly { ending, .. } => ended(ending),
        ReplayEnd::Waits { .. } | ReplayEnd::Stopped => return None,
    };
    Some(not_the_same(index, next, &another))
}

const ADVICE: &str = "Whatever is not in the task has to come from the host, or from the clock and the \
                      random numbers that it gives";

fn not_the_same(index: u32, journaled: &Call, instead: &str) -> String {
    format!(
        "It is not deterministic: as call #{index} it asked {}, and when it was brought back and replayed \
         it {instead} instead. {ADVICE}.",
        shown(journaled)
    )
}

fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Worked { result, .. } => format!("ended with \"{}\"", result.summary),
        Ending::Broke(why) | Ending::Faulted(why) => {
            format!("ended: {}", why.lines().next().unwrap_or_default())
        }
    }
}

fn shown(call: &Call) -> String {
    let json = serde_json::to_value(call).unwrap_or_default();
    let arguments = json.as_object().and_then(|call| call.values().next());
    let arguments = arguments.map(ToString::to_string).unwrap_or_default();
    let text = format!("{} {arguments}", call.name());
    adjutant_model::text::cut(text.trim_end(), SHOWN)
}

/// Does not look on.
struct Nobody;

#[async_trait]
impl Onlooker for Nobody {
    async fn see(&self, _: Stage<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(key: &str) -> Call {
        Call::MemoryGet {
            key: key.to_owned(),
        }
    }

    fn at(end: ReplayEnd) -> Option<String> {
        went_another_way(3, &get("a"), &Replayed { calls: 3, end })
    }

    #[test]
    fn another_way_is_told_with_both_sides() {
        let asks = |key| ReplayEnd::Asks {
            asked: Box::new(get(key)),
        };
        assert_eq!(at(asks("a")), None);
        let told = at(asks("b")).expect("it differs");
        assert!(
            told.contains("as call #3 it asked memory.get {\"key\":\"a\"}"),
            "{told}"
        );
        assert!(
            told.contains("it asked memory.get {\"key\":\"b\"} instead"),
            "{told}"
        );
        let told = at(ReplayEnd::Ended(Ending::Broke(
            "out of luck\nat x".to_owned(),
        )));
        let told = told.expect("it differs");
        assert!(told.contains("it ended: out of luck instead"), "{told}");
    }
}
