//! How the contract's values are written as JSON: fields and cases as in the contract, bytes in
//! hexadecimal, numbers that not every language can hold as text.

use adjutant_sdk::channels::{Author, Message, MessageKind, Page};
use adjutant_sdk::reporting::ExternalReport;
use adjutant_sdk::worktree::{Entry, EntryKind, Exit};
use adjutant_sdk::{
    Agent, BlockerPolicy, Budget, Confidence, Delegated, Error, Joined, Member, Outcome,
    PastAttempt, Priority, Spend, Task, TaskReport, Ticket, TicketStatus, TrackingStatus,
    Violation,
};
use serde_json::{Value, json};

/// The largest whole number that every language reads from JSON as it is.
const LARGEST: u64 = (1 << 53) - 1;

/// What can be written as JSON.
pub trait Json {
    /// It as JSON.
    fn json(&self) -> Value;
}

/// What can be read from JSON.
pub trait FromJson {
    /// It from JSON.
    fn from_json(value: &Value) -> Self;
}

/// A text; empty where there is none.
pub fn text(value: &Value) -> String {
    maybe(value).unwrap_or_default()
}

/// A text, or nothing.
pub fn maybe(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// The elements of a list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A list of texts.
pub fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

/// A number, or nothing.
pub fn maybe_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A number; 0 where there is none.
pub fn number(value: &Value) -> u64 {
    maybe_number(value).unwrap_or_default()
}

/// A number of 32 bits, or nothing.
pub fn maybe_small(value: &Value) -> Option<u32> {
    maybe_number(value).and_then(|number| u32::try_from(number).ok())
}

/// A number of 32 bits; 0 where there is none.
pub fn small(value: &Value) -> u32 {
    maybe_small(value).unwrap_or_default()
}

/// Bytes from hexadecimal digits.
pub fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value);
    let two = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map_while(two).collect()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> Value {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}

impl Json for u64 {
    fn json(&self) -> Value {
        if *self > LARGEST {
            self.to_string().into()
        } else {
            (*self).into()
        }
    }
}

impl<T: Json> Json for Option<T> {
    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Json::json)
    }
}

impl<T: Json> Json for Vec<T> {
    fn json(&self) -> Value {
        self.iter().map(Json::json).collect()
    }
}

/// Variants whose only payload is that of `other`.
macro_rules! variants {
    ($($type:ident { $($case:ident = $name:literal),* })*) => {
        $(impl Json for $type {
            fn json(&self) -> Value {
                match self {
                    $($type::$case => $name.into(),)*
                    $type::Other(other) => json!({"other": other}),
                }
            }
        }

        impl FromJson for $type {
            fn from_json(value: &Value) -> Self {
                match value.as_str() {
                    $(Some($name) => $type::$case,)*
                    _ => $type::Other(text(&value["other"])),
                }
            }
        })*
    };
}

variants! {
    TicketStatus {
        Backlog = "backlog", Open = "open", InProgress = "in-progress", Blocked = "blocked",
        InReview = "in-review", Done = "done", Failed = "failed", Cancelled = "cancelled"
    }
    TrackingStatus {
        Idle = "idle", Working = "working", WaitingSubordinates = "waiting-subordinates",
        NeedsReview = "needs-review", Blocked = "blocked", Error = "error"
    }
    Priority { High = "high", Medium = "medium", Low = "low" }
    Confidence { High = "high", Medium = "medium", Low = "low" }
    Outcome { Completed = "completed", Failed = "failed", Cancelled = "cancelled" }
    BlockerPolicy { Fail = "fail", Release = "release" }
    EntryKind { File = "file", Directory = "directory", Symlink = "symlink" }
    MessageKind {
        Text = "text", Progress = "progress", Question = "question", Task = "task",
        Report = "report"
    }
}

impl Json for Author {
    fn json(&self) -> Value {
        match self {
            Author::Agent(id) => json!({"agent": id}),
            Author::Person(name) => json!({"person": name}),
            Author::Host => "host".into(),
            Author::Other(other) => json!({"other": other}),
        }
    }
}

impl Json for Error {
    fn json(&self) -> Value {
        match self {
            Error::Denied(text) => json!({"denied": text}),
            Error::NotFound(text) => json!({"not-found": text}),
            Error::Invalid(violations) => json!({"invalid": violations.json()}),
            Error::Limit(text) => json!({"limit": text}),
            Error::Cancelled(text) => json!({"cancelled": text}),
            Error::Deadline(text) => json!({"deadline": text}),
            Error::Unavailable(text) => json!({"unavailable": text}),
            Error::Other(text) => json!({"other": text}),
        }
    }
}

/// Records: which fields are written, and how. `=` is for what JSON has itself.
macro_rules! records {
    ($($type:ident { $($name:literal $kind:tt $field:ident),* $(,)? })*) => {
        $(impl Json for $type {
            fn json(&self) -> Value {
                json!({ $($name: records!(@ $kind self.$field)),* })
            }
        })*
    };
    (@ = $value:expr) => { $value };
    (@ : $value:expr) => { $value.json() };
}

records! {
    Violation { "path" = path, "message" = message }
    Agent {
        "id" = id, "name" = name, "class" = class, "skills" = skills, "description" = description
    }
    Ticket {
        "id" = id, "title" = title, "description" = description, "status": status,
        "assignee" = assignee, "parent" = parent, "delegated-by" = delegated_by,
        "expected-output-schema-json" = expected_output_schema_json,
        "output-json" = output_json, "summary" = summary
    }
    Task {
        "ticket": ticket, "agent": agent, "briefing" = briefing, "request" = request,
        "config-json" = config_json, "attempt" = attempt, "violations": violations
    }
    Budget {
        "wall-ms": wall_ms, "guest-ms": guest_ms, "tokens": tokens,
        "cost-microusd": cost_microusd, "children" = children, "depth" = depth
    }
    Spend {
        "guest-ms": guest_ms, "tokens": tokens, "cost-microusd": cost_microusd,
        "children" = children
    }
    PastAttempt { "attempt" = attempt, "agent" = agent, "at": at, "reason" = reason }
    ExternalReport { "outcome": outcome, "summary" = summary, "output-json" = output_json }
    Message {
        "id" = id, "index": index, "author": author, "kind": kind, "text" = text,
        "mentions" = mentions, "reply-to" = reply_to, "at": at
    }
    Page { "messages": messages, "cursor": cursor, "more" = more }
    Entry { "name" = name, "kind": kind, "size": size }
    Exit {
        "code" = code, "stdout" = stdout, "stderr" = stderr, "truncated" = truncated,
        "elapsed-ms": elapsed_ms
    }
    Member {
        "agent": agent, "status": status, "current" = current, "queued" = queued,
        "last-report-at": last_report_at
    }
    Delegated {
        "ticket" = ticket, "assignee" = assignee, "assignee-name" = assignee_name,
        "reason" = reason, "confidence": confidence
    }
    TaskReport {
        "ticket" = ticket, "title" = title, "agent" = agent, "agent-name" = agent_name,
        "outcome": outcome, "summary" = summary, "output-json" = output_json,
        "violations": violations, "text" = text, "attempt" = attempt, "history": history,
        "spent": spent
    }
    Joined { "met" = met, "reports": reports, "pending" = pending }
}
