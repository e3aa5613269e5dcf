//! Runs: what they are, what they asked the host, what they printed; and the plugins they run.

use super::{AgentRef, Author, CallState, JoinKind, RunStatus, WaitKind, time};
use crate::names::Names;
use adjutant_dispatch as dispatch;
use adjutant_model::{self as model, AgentId, Answer, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// One attempt at a ticket by an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// The ticket that it works on.
    pub ticket: Uuid,
    /// The agent that it works as.
    pub agent: AgentRef,
    /// 1 for the ticket's first run.
    pub attempt: u32,
    /// The plugin that it is pinned to.
    pub plugin: RunPlugin,
    /// Where it stands.
    pub status: RunStatus,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// Host calls journaled so far.
    pub calls: u32,
    /// Messages posted so far.
    pub messages: u32,
    /// Bytes in its log so far.
    pub log_bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it trapped, hit a limit or diverged: such a run can be resumed.
    #[serde(default)]
    pub broke: bool,
    /// The run that it goes on from, where it was resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<super::Resumed>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
}

/// The plugin that a run is pinned to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunPlugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `sha256:` and 64 hexadecimal digits, of the component's bytes.
    pub digest: String,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Wait {
    /// The journal index of the call that waits.
    pub index: u32,
    /// What for.
    pub kind: WaitKind,
    /// When it ends in any case.
    pub until: Option<Timestamp>,
    /// For reports: the children.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Vec<Uuid>>,
    /// For reports: the children that are over, in the order they ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Vec<Uuid>>,
    /// For reports: when it is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// For an answer: the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Uuid>,
    /// For an answer: who is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Author>,
}

/// When a wait for reports is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Join {
    /// How it is counted.
    pub kind: JoinKind,
    /// For a quorum: how many must have completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// For a deadline: after how many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

impl From<model::Join> for Join {
    fn from(join: model::Join) -> Self {
        let (kind, count, after_ms) = match join {
            model::Join::All => (JoinKind::All, None, None),
            model::Join::Any => (JoinKind::Any, None, None),
            model::Join::Quorum(count) => (JoinKind::Quorum, Some(count), None),
            model::Join::Deadline(after) => (JoinKind::Deadline, None, Some(after)),
        };
        Join {
            kind,
            count,
            after_ms,
        }
    }
}

impl Wait {
    fn new(wait: &model::Wait, names: &Names) -> Wait {
        let mut shown = Wait {
            index: wait.index,
            kind: WaitKind::External,
            until: wait.until.map(time),
            tickets: None,
            over: None,
            join: None,
            question: None,
            member: None,
        };
        match &wait.kind {
            model::WaitKind::Reports {
                tickets,
                join,
                over,
            } => {
                shown.kind = WaitKind::Reports;
                shown.tickets = Some(tickets.iter().map(|id| id.0).collect());
                shown.over = Some(over.iter().map(|id| id.0).collect());
                shown.join = Some((*join).into());
            }
            model::WaitKind::Answer { question, member } => {
                shown.kind = WaitKind::Answer;
                shown.question = Some(question.0);
                shown.member = Some(Author::new(member, names));
            }
            model::WaitKind::External => {}
        }
        shown
    }
}

impl Run {
    /// The agents that a run names.
    pub(crate) fn agents(run: &model::Run) -> impl Iterator<Item = AgentId> {
        let asked = run.wait.as_ref().and_then(|wait| match &wait.kind {
            model::WaitKind::Answer { member, .. } => Author::agent(member),
            model::WaitKind::Reports { .. } | model::WaitKind::External => None,
        });
        std::iter::once(run.agent).chain(asked)
    }

    /// Shows a run, but for its token. `names` knows its agents.
    pub(crate) fn new(run: &model::Run, names: &Names) -> Run {
        Run {
            id: run.id.0,
            ticket: run.ticket.0,
            agent: names.agent(run.agent),
            attempt: run.attempt,
            plugin: RunPlugin {
                name: run.plugin.name.clone(),
                version: run.plugin.version.clone(),
                digest: run.plugin.digest.clone(),
            },
            status: run.status.into(),
            wait: run.wait.as_ref().map(|wait| Wait::new(wait, names)),
            calls: run.calls,
            messages: run.messages,
            log_bytes: run.log_bytes,
            error: run.error.clone(),
            broke: run.broke,
            resumed: run.resumed.as_deref().map(super::Resumed::from),
            queued_at: time(run.queued_at),
            ended_at: run.ended_at.map(time),
        }
    }
}

/// A record of a run's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JournalRecord {
    /// The call's place among the run's calls, from 0. The answer to a call that waited has its index.
    pub index: u32,
    /// When it was answered, or began to wait.
    pub at: Timestamp,
    /// What the record says.
    pub state: CallState,
    /// The WIT function, as `interface.function`; missing in an answer to a call that waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What was asked, as it is journaled. Large contents are named by their digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// What was answered, as it is journaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Value>,
    /// Why the call failed: the case of the contract's error, and what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

impl From<&Record> for JournalRecord {
    fn from(record: &Record) -> Self {
        let (index, at, state, call, reply) = match record {
            Record::Done {
                index,
                at,
                call,
                reply,
            } => (index, at, CallState::Done, Some(call), Some(reply)),
            Record::Begun { index, at, call } => (index, at, CallState::Begun, Some(call), None),
            Record::Answered { index, at, reply } => {
                (index, at, CallState::Answered, None, Some(reply))
            }
        };
        let (reply, error) = match reply {
            None => (None, None),
            Some(Ok(answer)) => (Some(answer_json(answer)), None),
            Some(Err(error)) => (None, Some(plain(error))),
        };
        JournalRecord {
            index: *index,
            at: time(*at),
            state,
            call: call.map(|call| call.name().to_owned()),
            arguments: call.map(|call| content(plain(call))),
            reply,
            error,
        }
    }
}

fn answer_json(answer: &Answer) -> Value {
    match answer {
        // Bytes as a list of numbers would be read by nobody.
        Answer::Bytes(bytes) => bytes.as_ref().map_or(
            Value::Null,
            |bytes| json!({"bytes": bytes.len(), "text": std::str::from_utf8(bytes).ok()}),
        ),
        Answer::Unit => Value::Null,
        other => content(plain(other)),
    }
}

fn plain(value: &impl Serialize) -> Value {
    // All of the model's values are JSON; were one not, its place stays empty.
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// What stands in a tagged value: the fields of its case.
fn content(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.len() == 1 => {
            fields.into_iter().next().map_or(Value::Null, |(_, v)| v)
        }
        Value::String(_) => json!({}),
        other => other,
    }
}

/// Something that a run's guest or command printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its place in the log, from 0.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// `stdout`, `stderr`, or a command's.
    pub stream: String,
    /// The text; not always whole lines.
    pub text: String,
}

impl From<&dispatch::LogLine> for LogLine {
    fn from(line: &dispatch::LogLine) -> Self {
        LogLine {
            index: line.index,
            at: time(line.at),
            stream: line.stream.clone(),
            text: line.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::names;
    use adjutant_model::{Call, CallError, RunId, TicketId, Token};

    fn run() -> model::Run {
        model::Run {
            id: RunId(Uuid::from_u128(1)),
            ticket: TicketId(Uuid::from_u128(2)),
            agent: AgentId(Uuid::from_u128(3)),
            attempt: 1,
            plugin: std::sync::Arc::new(model::Plugin {
                name: "coordinator".into(),
                version: "0.1.0".into(),
                digest: "sha256:00".into(),
                world: model::World::Boss,
                size: 1,
                builtin: true,
                added_at: 0,
                source: Default::default(),
            }),
            token: Token(Uuid::from_u128(0xdead_beef)),
            given: std::sync::Arc::default(),
            status: model::RunStatus::Waiting,
            wait: Some(model::Wait {
                index: 4,
                kind: model::WaitKind::Reports {
                    tickets: vec![TicketId(Uuid::from_u128(7))],
                    join: model::Join::Quorum(1),
                    over: vec![],
                },
                until: Some(0),
            }),
            calls: 4,
            journal_len: 5,
            messages: 0,
            log_bytes: 0,
            log_len: 0,
            guest_us: 0,
            over_us: 0,
            error: None,
            broke: false,
            resumed: None,
            queued_at: 0,
            ended_at: None,
        }
    }

    #[test]
    fn a_run_shows_what_it_waits_for_and_never_its_token() {
        let run = run();
        let shown = json!(Run::new(&run, &names(&[3])));
        assert_eq!(shown["agent"]["name"], "agent-3");
        assert_eq!(
            shown["wait"],
            json!({
                "index": 4,
                "kind": "reports",
                "until": "1970-01-01T00:00:00Z",
                "tickets": ["00000000-0000-0000-0000-000000000007"],
                "over": [],
                "join": {"kind": "quorum", "count": 1},
            })
        );
        assert!(!shown.to_string().contains(&run.token.to_string()));
    }

    #[test]
    fn records_show_call_and_answer() {
        let done = Record::Done {
            index: 0,
            at: 0,
            call: Call::Progress {
                note: "half".into(),
            },
            reply: Ok(Answer::Unit),
        };
        assert_eq!(
            json!(JournalRecord::from(&done)),
            json!({
                "index": 0,
                "at": "1970-01-01T00:00:00Z",
                "state": "done",
                "call": "reporting.progress",
                "arguments": {"note": "half"},
                "reply": null,
            })
        );
        let begun = JournalRecord::from(&Record::Begun {
            index: 1,
            at: 0,
            call: Call::Team,
        });
        assert_eq!((begun.state, begun.reply), (CallState::Begun, None));
        assert_eq!(begun.arguments, Some(json!({})));
        let answered = JournalRecord::from(&Record::Answered {
            index: 1,
            at: 0,
            reply: Err(CallError::Deadline("too late".into())),
        });
        assert_eq!(answered.call, None);
        assert_eq!(answered.error, Some(json!({"deadline": "too late"})));
        let bytes = JournalRecord::from(&Record::Answered {
            index: 1,
            at: 0,
            reply: Ok(Answer::Bytes(Some(b"hi".to_vec()))),
        });
        assert_eq!(bytes.reply, Some(json!({"bytes": 2, "text": "hi"})));
    }
}
