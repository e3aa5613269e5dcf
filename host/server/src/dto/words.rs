//! Words that have only some values, each the model's own. A value that the model gains is missing
//! here until it is added, and then this does not compile.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A word that is none of those there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {known}")]
pub struct UnknownWord {
    word: String,
    known: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $($(#[$case_doc])* #[serde(rename = $word)] $case),+
        }

        impl $name {
            /// The word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$case => $word),+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok($name::$case),)+
                    _ => Err(UnknownWord {
                        word: adjutant_model::text::cut(word, 100),
                        known: [$($word),+].join(", "),
                    }),
                }
            }
        }
    };
    ($(#[$doc:meta])* $name:ident = $model:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal),+ $(,)? }) => {
        words! { $(#[$doc])* $name { $($(#[$case_doc])* $case = $word),+ } }

        impl From<adjutant_model::$model> for $name {
            fn from(value: adjutant_model::$model) -> Self {
                match value {
                    $(adjutant_model::$model::$case => $name::$case),+
                }
            }
        }

        impl From<$name> for adjutant_model::$model {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$case => adjutant_model::$model::$case),+
                }
            }
        }
    };
}

words! {
    /// Where a ticket stands.
    Status = Status {
        /// Noted, not yet to be done.
        Backlog = "backlog",
        /// To be done.
        Open = "open",
        /// Being done.
        InProgress = "in_progress",
        /// Cannot go on for now.
        Blocked = "blocked",
        /// Done, and someone looks at it.
        InReview = "in_review",
        /// Over: done.
        Done = "done",
        /// Over: not done.
        Failed = "failed",
        /// Over: no longer wanted.
        Cancelled = "cancelled",
    }
}

words! {
    /// What an agent is doing.
    Tracking = Tracking {
        /// Nothing to do.
        Idle = "idle",
        /// A run is busy.
        Working = "working",
        /// All its runs wait for reports.
        WaitingSubordinates = "waiting_subordinates",
        /// A ticket of its is in review.
        NeedsReview = "needs_review",
        /// It waits for an answer or an outside report, or its ticket is blocked.
        Blocked = "blocked",
        /// Its last ticket failed, and it has no other.
        Error = "error",
    }
}

words! {
    /// Where a run stands.
    RunStatus = RunStatus {
        /// About to start.
        Queued = "queued",
        /// Its worktree is being made.
        Provisioning = "provisioning",
        /// Busy.
        Running = "running",
        /// Waits for reports, an answer or an outside report.
        Waiting = "waiting",
        /// Over: the strategy answered.
        Completed = "completed",
        /// Over: the strategy gave up, was stopped, or broke.
        Failed = "failed",
        /// Over: no longer wanted.
        Cancelled = "cancelled",
    }
}

words! {
    /// What happens when an output does not fulfil its schema.
    Validation = Validation {
        /// The violations go back to the agent; after too many refusals the ticket fails.
        Strict = "strict",
        /// The output is stored, with the violations as warnings.
        Permissive = "permissive",
    }
}

words! {
    /// How sure a choice is.
    Confidence = Confidence {
        /// Sure.
        High = "high",
        /// Likely.
        Medium = "medium",
        /// A guess.
        Low = "low",
    }
}

words! {
    /// What a component can be used as.
    World = World {
        /// Chooses assignees.
        Selector = "selector",
        /// Works.
        Subordinate = "subordinate",
        /// Works, and delegates.
        Boss = "boss",
    }
}

words! {
    /// What a message is.
    MessageKind = MessageKind {
        /// Anything.
        Text = "text",
        /// How far the work is.
        Progress = "progress",
        /// A question that waits for an answer.
        Question = "question",
        /// A delegated task, as given to a subordinate.
        Task = "task",
        /// A subordinate's report.
        Report = "report",
    }
}

words! {
    /// How urgent a task is.
    Priority = Priority {
        /// First.
        High = "high",
        /// As it comes.
        Medium = "medium",
        /// Last.
        Low = "low",
    }
}

words! {
    /// What happens to a ticket when one that it waits for fails or is cancelled.
    BlockerPolicy = BlockerPolicy {
        /// It fails too.
        Fail = "fail",
        /// It starts all the same.
        Release = "release",
    }
}

words! {
    /// How a reported task went.
    ReportStatus {
        /// It was done.
        Completed = "completed",
        /// It was not.
        Failed = "failed",
    }
}

words! {
    /// How the tasks of a phase run.
    Execution {
        /// One after the other.
        Sequential = "sequential",
        /// At the same time.
        Parallel = "parallel",
    }
}

words! {
    /// What a record of a journal says.
    CallState {
        /// A call and its answer.
        Done = "done",
        /// A call that waits.
        Begun = "begun",
        /// The answer to the call that waited.
        Answered = "answered",
    }
}

words! {
    /// What a run waits for.
    WaitKind {
        /// Reports of children.
        Reports = "reports",
        /// An answer in the ticket's channel.
        Answer = "answer",
        /// A report from outside.
        External = "external",
    }
}

words! {
    /// When a wait for reports is enough.
    JoinKind {
        /// When all are over.
        All = "all",
        /// When one has completed, or all are over.
        Any = "any",
        /// When so many have completed, or so many no longer can.
        Quorum = "quorum",
        /// After so many milliseconds, or earlier when all are over.
        Deadline = "deadline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_models_own() {
        for status in adjutant_model::Status::ALL {
            let word = Status::from(status);
            assert_eq!(word.as_str(), status.as_str());
            assert_eq!(status.as_str().parse(), Ok(word));
            assert_eq!(adjutant_model::Status::from(word), status);
        }
        assert_eq!(
            serde_json::json!(Tracking::WaitingSubordinates),
            adjutant_model::Tracking::WaitingSubordinates.to_string()
        );
    }

    #[test]
    fn an_unknown_word_is_told_the_known_ones() {
        let error = "maybe".parse::<Validation>().expect_err("unknown");
        assert_eq!(error.to_string(), "\"maybe\" is none of strict, permissive");
    }
}
