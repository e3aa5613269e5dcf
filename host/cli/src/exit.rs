//! Exit codes, and the one error type that leads to them.
//!
//! Invariant: nothing else in this crate decides how the process ends.

use adjutant_model::Violation;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

/// How the process ends; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// It was done.
    Ok = 0,
    /// It was not done: a ticket failed, or the host could not.
    Failed = 1,
    /// What was asked for makes no sense: arguments, a file, a value that the host refuses.
    Usage = 2,
    /// What was named is not there.
    NotFound = 3,
    /// It does not fit how things stand now.
    Conflict = 5,
    /// There is no host to talk to.
    Unreachable = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code as u8)
    }
}

/// Why something did not work: a sentence for the user, and an exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
    /// Nobody answers.
    #[error(
        "no host answers at {url} ({why}); start one with `adjutant serve`, or name another with --host"
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// The host said no.
    #[error("{0}")]
    Host(Problem),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Whoever reads the output has gone; there is nobody to tell.
    #[error("the output was closed")]
    Closed,
}

/// What the host answers instead of a result (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What kind of problem.
    pub(crate) title: String,
    /// This very problem.
    pub(crate) detail: String,
    /// What is wrong with what was sent.
    pub(crate) violations: Vec<Violation>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.detail.as_str(), self.title.as_str()) {
            ("", "") => write!(f, "the host answered with status {}", self.status)?,
            ("", title) => f.write_str(title)?,
            (detail, _) => f.write_str(detail)?,
        }
        // A single violation is usually what the detail says already.
        for violation in &self.violations {
            if !self.detail.contains(&violation.message) {
                write!(f, "\n  {violation}")?;
            }
        }
        Ok(())
    }
}

impl Error {
    /// The exit code for it.
    pub(crate) fn code(&self) -> Code {
        match self {
            Error::Usage(_) => Code::Usage,
            Error::Failed(_) => Code::Failed,
            Error::Unreachable { .. } => Code::Unreachable,
            Error::Interrupted => Code::Interrupted,
            Error::Closed => Code::Ok,
            Error::Host(problem) => match problem.status {
                404 | 410 => Code::NotFound,
                409 | 412 => Code::Conflict,
                400 | 403 | 405 | 413 | 414 | 415 | 422 => Code::Usage,
                _ => Code::Failed,
            },
        }
    }

    /// The same for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "message": self.to_string(), "exit_code": self.code() as u8 });
        if let Error::Host(problem) = self {
            error["message"] = json!(if problem.detail.is_empty() {
                &problem.title
            } else {
                &problem.detail
            });
            error["status"] = json!(problem.status);
            error["violations"] = json!(problem.violations);
        }
        json!({ "error": error })
    }
}

/// The result of everything that a command does.
pub(crate) type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    fn host(status: u16) -> Error {
        Error::Host(Problem {
            status,
            ..Problem::default()
        })
    }

    #[test]
    fn every_error_has_its_code() {
        let unreachable = Error::Unreachable {
            url: "http://127.0.0.1:1".into(),
            why: "refused".into(),
        };
        let table = [
            (Error::Usage("x".into()), 2),
            (Error::Failed("x".into()), 1),
            (unreachable, 6),
            (Error::Interrupted, 130),
            (Error::Closed, 0),
            (host(400), 2),
            (host(403), 2),
            (host(404), 3),
            (host(409), 5),
            (host(412), 5),
            (host(413), 2),
            (host(415), 2),
            (host(422), 2),
            (host(429), 1),
            (host(500), 1),
            (host(503), 1),
        ];
        for (error, code) in table {
            assert_eq!(error.code() as u8, code, "{error:?}");
            assert_eq!(error.to_json()["error"]["exit_code"], code, "{error:?}");
        }
    }

    #[test]
    fn a_problem_says_each_thing_once() {
        let problem = Problem {
            status: 422,
            title: "Unprocessable Content".into(),
            detail: "/title: a ticket has a title".into(),
            violations: vec![
                Violation::new("/title", "a ticket has a title"),
                Violation::new("/assignee", "there is no agent \"x\""),
            ],
        };
        assert_eq!(
            Error::Host(problem).to_string(),
            "/title: a ticket has a title\n  /assignee: there is no agent \"x\""
        );
        assert_eq!(host(500).to_string(), "the host answered with status 500");
    }
}
