//! Showing how work goes, while it goes: live on a terminal, as lines elsewhere, or not at all.

mod live;
mod markdown;
mod story;

pub(crate) use markdown::align_tables;
pub(crate) use story::{Story, elapsed};

use crate::exit::{Error, Result};
use crate::print;
use adjutant_model::Event;
use std::io::IsTerminal;

/// How progress is shown.
pub(crate) enum Display {
    /// As a tree that changes in place, on stderr.
    Live(live::Live),
    /// As lines, on stdout.
    Lines,
    /// Not at all.
    Silent,
}

impl Display {
    /// The one that fits where the output goes. With `json` the standard output is for the result
    /// alone.
    pub(crate) fn fitting(json: bool) -> Display {
        let smart = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        let live =
            smart && std::io::stderr().is_terminal() && (json || std::io::stdout().is_terminal());
        match (live, json) {
            (true, _) => Display::Live(live::Live::new()),
            (false, true) => Display::Silent,
            (false, false) => Display::Lines,
        }
    }

    /// Takes in what happened, and shows it.
    pub(crate) fn show(&mut self, story: &mut Story, event: &Event) -> Result<()> {
        let (lines, changed) = story.take(event);
        match self {
            Display::Live(live) => {
                if let Some(place) = changed {
                    live.update(story, place);
                }
                Ok(())
            }
            Display::Lines => {
                let told = lines
                    .iter()
                    .try_for_each(|line| print::text(&line.to_string()));
                match told {
                    // The work goes on, and its end still counts.
                    Err(Error::Closed) => *self = Display::Silent,
                    told => told?,
                }
                Ok(())
            }
            Display::Silent => Ok(()),
        }
    }

    /// Stops moving, so that something can be printed below.
    pub(crate) fn finish(&mut self) {
        if let Display::Live(live) = self {
            live.finish();
        }
    }
}
