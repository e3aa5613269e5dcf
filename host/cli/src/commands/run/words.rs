//! Calls and answers in words: one line each, or whole.
//!
//! Invariant: what comes out is clean and, but for the whole form, short.

use crate::clean;
use adjutant_model::{Answer, Call, CallError, Reply, TaskReport};
use serde::Serialize;
use serde_json::Value;

/// Characters of a call's or an answer's line.
const LINE: usize = 140;
/// Characters of one text among several.
const PART: usize = 60;
/// Characters of the whole form; the API has all of it.
const WHOLE: usize = 1 << 20;

/// So many calls.
pub(super) fn calls(count: u32) -> String {
    match count {
        1 => "1 call".to_owned(),
        count => format!("{count} calls"),
    }
}

/// A call with its arguments.
pub(super) fn asked(call: &Call) -> String {
    let arguments = match content(call) {
        Value::Object(fields) => {
            let given: Vec<(String, Value)> = fields
                .into_iter()
                .filter(|(_, value)| !is_nothing(value))
                .collect();
            match given.as_slice() {
                [(_, Value::String(text))] => quoted(text, LINE),
                several => several
                    .iter()
                    .map(|(name, value)| format!("{name} {}", short(value)))
                    .collect::<Vec<_>>()
                    .join(", "),
            }
        }
        other => short(&other),
    };
    let text = format!("{} {arguments}", call.name());
    clean::line(text.trim_end(), LINE)
}

/// What was answered.
pub(super) fn answered(reply: &Reply) -> String {
    let text = match reply {
        Err(error) => format!("refused, {}: {error}", kind(error)),
        Ok(answer) => told(answer),
    };
    clean::line(&text, LINE)
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Unit => "done".to_owned(),
        Answer::Team(team) => {
            let names = team
                .iter()
                .map(|member| format!("{} ({})", member.name, plain(&member.status)));
            listed("member", names)
        }
        Answer::Delegated(all) => {
            let names = all.iter().map(|one| match one.reason.as_str() {
                "" => format!("{} has {}", one.assignee_name, one.ticket),
                reason => format!("{} has {} ({reason})", one.assignee_name, one.ticket),
            });
            listed("delegation", names)
        }
        Answer::Joined(joined) => {
            let reports = joined.reports.iter().map(report);
            let pending = match joined.pending.len() {
                0 => String::new(),
                more => format!("; {more} still to come"),
            };
            format!("{}{pending}", listed("report", reports))
        }
        Answer::External {
            outcome,
            summary,
            output,
        } => {
            let output = match output {
                Some(output) => format!("; output {}", quoted(&output.to_string(), PART)),
                None => String::new(),
            };
            format!("{}: {}{output}", outcome.as_str(), quoted(summary, LINE))
        }
        Answer::Message(id) => format!("message {id}"),
        Answer::Page { messages, .. } => {
            let texts = messages.iter().map(|message| quoted(&message.text, PART));
            listed("message", texts)
        }
        Answer::Answer { message, .. } => quoted(&message.text, LINE),
        Answer::Ticket(id) => format!("ticket {id}"),
        Answer::View(view) => format!("{} {}", view.status, quoted(&view.title, PART)),
        Answer::Views(views) => {
            let titles = views.iter().map(|view| quoted(&view.title, PART));
            listed("ticket", titles)
        }
        Answer::Bytes(None) => "nothing".to_owned(),
        Answer::Bytes(Some(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => quoted(text, LINE),
            Err(_) if bytes.len() == 1 => "1 byte".to_owned(),
            Err(_) => format!("{} bytes", bytes.len()),
        },
        Answer::Keys(keys) => listed("key", keys.iter().cloned()),
        Answer::Files(files) => listed("entry", files.iter().map(|file| file.name.clone())),
        Answer::Text(text) => quoted(text, LINE),
        Answer::Commit(None) => "nothing to commit".to_owned(),
        Answer::Commit(Some(id)) => format!("commit {id}"),
        Answer::Exit(exit) => {
            let code = exit.code.map_or("ended by a signal".to_owned(), |code| {
                format!("exit code {code}")
            });
            let said = [&exit.stdout, &exit.stderr].map(|text| text.trim());
            let said = said.into_iter().find(|text| !text.is_empty());
            let said = said.map_or(String::new(), |text| format!(": {}", quoted(text, LINE)));
            format!("{code} after {} ms{said}", exit.elapsed_ms)
        }
        other => short(&content(other)),
    }
}

fn report(report: &TaskReport) -> String {
    format!(
        "{} {}: {}",
        report.agent_name,
        report.outcome.as_str(),
        quoted(&report.summary, PART)
    )
}

/// How many, and which.
fn listed(what: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    let s = match (items.len(), what) {
        (1, _) => what.to_owned(),
        (_, "entry") => "entries".to_owned(),
        (_, what) => format!("{what}s"),
    };
    match items.len() {
        0 => format!("no {s}"),
        count => format!("{count} {s}: {}", items.join("; ")),
    }
}

/// The contract's word for an error.
fn kind(error: &CallError) -> String {
    match serde_json::to_value(error) {
        Ok(Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        _ => "other".to_owned(),
    }
    .replace('_', " ")
}

/// A call or a reply as JSON over several lines.
pub(super) fn whole(value: &impl Serialize, indent: usize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let text = clean::block(&text);
    let lines = text.lines().map(|line| format!("{:indent$}{line}", ""));
    let text = lines.collect::<Vec<_>>().join("\n");
    let end = text.floor_char_boundary(WHOLE);
    match text.len() > end {
        true => format!("{}…", &text[..end]),
        false => text,
    }
}

/// The fields of a tagged value.
fn content(value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) if fields.len() == 1 => fields
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, value)| value),
        _ => Value::Null,
    }
}

/// A value as a plain word.
fn plain(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word.replace('_', " "),
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value in a few words.
fn short(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text, PART),
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !is_nothing(value));
            let given: Vec<String> = given
                .map(|(name, value)| format!("{name} {}", short(value)))
                .collect();
            format!("{{{}}}", given.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(short).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

pub(super) fn quoted(text: &str, most: usize) -> String {
    format!("\"{}\"", clean::line(text, most))
}
