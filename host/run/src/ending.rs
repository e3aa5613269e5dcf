//! How one start of a run ends.

use crate::session::LastCall;
use adjutant_component::Stop;
use adjutant_model::{Call, Ending, Left, Pending};

/// How [`Runner::execute`](crate::Runner::execute) ended.
#[derive(Debug)]
pub enum Finished {
    /// The run is over. The last calls are still to be journaled, together with the end.
    Ended {
        /// Calls that are not journaled yet.
        pending: Vec<Pending>,
        /// Microseconds that this start has computed.
        guest_us: u64,
        /// How it ended.
        ending: Ending,
    },
    /// It waits, and its instance was dropped. It is started again when its wait is over.
    Parked,
    /// Nobody wants it any more.
    Gone,
}

/// Why a host call ended a run.
#[derive(Debug, thiserror::Error)]
pub enum RunStop {
    /// Nobody wants the run any more.
    #[error("the run is no longer wanted: {0}")]
    Gone(String),
    /// The replay asked something else than the journal has.
    #[error(
        "the run diverged from its journal at call {index}: the journal has {} and the replay asked \
         {}. A strategy must ask the same again when it is replayed; what it gets from the host, the \
         clock and randomness included, is the same",
        shown(.journaled), shown(.asked)
    )]
    Diverged {
        /// The call's place.
        index: u32,
        /// What the journal has.
        journaled: Box<Call>,
        /// What was asked.
        asked: Box<Call>,
    },
    /// The journal has more calls than the guest made before it ended.
    #[error(
        "the run diverged from its journal: it ended after {made} calls, and the journal has {} as \
         call {made}", shown(.journaled)
    )]
    EndedEarly {
        /// Calls made.
        made: u32,
        /// The next in the journal.
        journaled: Box<Call>,
    },
    /// An offline replay has come to where the run stood.
    #[error("the journal ends before call {index}, which asks {}", shown(.asked))]
    PastTheEnd {
        /// The call's place.
        index: u32,
        /// What is asked.
        asked: Box<Call>,
    },
    /// An offline replay has come to a wait that nobody has answered.
    #[error("call {index} waits still: {}", shown(.call))]
    StillWaits {
        /// The call's place.
        index: u32,
        /// What is waited for.
        call: Box<Call>,
    },
    /// Whoever looks on at an offline replay wants no more of it.
    #[error("the replay was stopped after call {0}")]
    Enough(u32),
    /// It made as many calls as it may.
    #[error("the run has made {0} host calls, which is its limit (`max_calls`)")]
    TooManyCalls(u32),
    /// Its journal is as large as it may be.
    #[error("the run's journal has reached {0} bytes, which is its limit (`journal_bytes`)")]
    JournalFull(u64),
    /// A budget has no guest time left for it.
    #[error(
        "the budget of ticket {} is used up: {} of {} ms of guest time were left (`guest_ms`), and the \
         run wanted more", .0.ticket, .0.amount(), .0.budget
    )]
    OutOfBudget(Left),
    /// It was busy for as long as it may be.
    #[error("the run was busy for {0} ms, which is its limit (`run_time_ms`)")]
    RunTime(u64),
}

impl RunStop {
    /// Whether it is the guest's own fault, and not that of whoever bounds or stops it.
    pub(crate) fn is_fault(&self) -> bool {
        match self {
            RunStop::Diverged { .. }
            | RunStop::EndedEarly { .. }
            | RunStop::TooManyCalls(_)
            | RunStop::JournalFull(_) => true,
            RunStop::Gone(_)
            | RunStop::PastTheEnd { .. }
            | RunStop::StillWaits { .. }
            | RunStop::Enough(_)
            | RunStop::OutOfBudget(_)
            | RunStop::RunTime(_) => false,
        }
    }
}

/// The most that is shown of one call in an error.
const SHOWN: usize = 1_000;

fn shown(call: &Call) -> String {
    let arguments = serde_json::to_string(call).unwrap_or_default();
    adjutant_model::text::cut(&format!("{} {arguments}", call.name()), SHOWN)
}

/// Frames of a backtrace that are told.
const FRAMES: usize = 16;

/// What is told of a stop: what happened, the guest's last output, its functions that were running, and
/// where it was among its host calls.
pub(crate) fn why(stop: &Stop, last_call: Option<LastCall>) -> String {
    let mut text = stop.to_string();
    if let Stop::Trapped { backtrace, .. } | Stop::Stack { backtrace } = stop {
        for frame in backtrace.iter().take(FRAMES) {
            text.push_str("\n  at ");
            text.push_str(frame);
        }
    }
    if let Some(LastCall {
        index,
        name,
        answered,
    }) = last_call
    {
        let relation = if answered { "after" } else { "in" };
        text.push_str(&format!("\n{relation} host call #{index} {name}"));
    } else if !matches!(stop, Stop::InstantiateFailed(_)) {
        text.push_str("\nbefore its first host call");
    }
    text
}
