//! Why a call to the host failed.

use std::fmt;

use crate::Violation;

/// Why a call to the host failed, told so that a strategy can decide what to do.
///
/// It displays as a sentence for people; [`Error::kind`] is its name in the contract. It turns into a
/// [`Failure`](crate::Failure) by `?`.
// Same shape as the contract's `error`: the bindings build it case by case.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Not granted. The text names the missing grant. Asking again will not help.
    Denied(String),
    /// What was named does not exist, or this run may not see it.
    NotFound(String),
    /// The arguments are wrong; each violation says where.
    Invalid(Vec<Violation>),
    /// A limit was reached. The text names it.
    Limit(String),
    /// The ticket was cancelled while the call was under way. Clean up and return.
    Cancelled(String),
    /// Time ran out before there was an answer.
    Deadline(String),
    /// Something outside did not answer; the same call may succeed later.
    Unavailable(String),
    /// Anything else, as a sentence.
    Other(String),
}

impl Error {
    /// The case's name in the contract, such as `not-found`.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Denied(_) => "denied",
            Error::NotFound(_) => "not-found",
            Error::Invalid(_) => "invalid",
            Error::Limit(_) => "limit",
            Error::Cancelled(_) => "cancelled",
            Error::Deadline(_) => "deadline",
            Error::Unavailable(_) => "unavailable",
            Error::Other(_) => "other",
        }
    }

    /// What is wrong with the arguments; empty for any other error.
    pub fn violations(&self) -> &[Violation] {
        match self {
            Error::Invalid(violations) => violations,
            Error::Denied(_)
            | Error::NotFound(_)
            | Error::Limit(_)
            | Error::Cancelled(_)
            | Error::Deadline(_)
            | Error::Unavailable(_)
            | Error::Other(_) => &[],
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, otherwise) = match self {
            Error::Invalid(violations) if violations.is_empty() => {
                return f.write_str("The arguments were refused.");
            }
            Error::Invalid(violations) => {
                for (i, violation) in violations.iter().enumerate() {
                    if i > 0 {
                        f.write_str("; ")?;
                    }
                    violation.fmt(f)?;
                }
                return Ok(());
            }
            Error::Denied(text) => (text, "This is not granted."),
            Error::NotFound(text) => (text, "There is no such thing."),
            Error::Limit(text) => (text, "A limit was reached."),
            Error::Cancelled(text) => (text, "The ticket was cancelled."),
            Error::Deadline(text) => (text, "Time ran out."),
            Error::Unavailable(text) => (text, "Something outside did not answer."),
            Error::Other(text) => (text, "The call failed."),
        };
        f.write_str(if text.is_empty() { otherwise } else { text })
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        let error = Error::Invalid(vec![
            Violation {
                path: "/0".into(),
                message: "nobody fits".into(),
            },
            Violation {
                path: String::new(),
                message: "too short".into(),
            },
        ]);
        assert_eq!(error.to_string(), "/0: nobody fits; too short");
        assert_eq!(error.kind(), "invalid");
        assert_eq!(
            Error::Limit(String::new()).to_string(),
            "A limit was reached."
        );
        assert_eq!(Error::Denied("no `git`".into()).to_string(), "no `git`");
    }
}
