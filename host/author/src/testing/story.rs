//! What a strategy asked and was answered, as a text that a person reads and a snapshot keeps.
//!
//! Invariants: everything is there whole; ids are replaced by names, so that the text is the same however
//! ids are made; what is empty is left out.

use adjutant_model::{Answer, Call, CallError, Entry, Reply, State};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// Fields that say nothing to an author: times that the test made up, and the host's own bookkeeping.
const LEFT_OUT: [&str; 5] = ["at", "last_report_at", "run", "spent", "elapsed_ms"];
/// Characters of a text that stands in one line.
const ONE_LINE: usize = 100;

/// Names for ids.
pub(super) struct Names {
    known: HashMap<String, String>,
    messages: usize,
    others: usize,
}

impl Names {
    /// Those of a state: agents by their names, tickets in the order of their making.
    pub(super) fn of(state: &State) -> Names {
        let mut known: HashMap<String, String> = state
            .agents()
            .map(|agent| (agent.id.to_string(), agent.name.clone()))
            .collect();
        let mut tickets: Vec<_> = state.tickets().collect();
        tickets.sort_by_key(|ticket| ticket.id);
        for (place, ticket) in tickets.into_iter().enumerate() {
            known.insert(ticket.id.to_string(), format!("ticket-{}", place + 1));
        }
        Names {
            known,
            messages: 0,
            others: 0,
        }
    }

    /// The text with a name in place of each id.
    fn replace(&mut self, text: &str) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = find_id(rest) {
            replaced.push_str(&rest[..at]);
            let id = &rest[at..at + ID];
            if !self.known.contains_key(id) {
                self.others += 1;
                self.known
                    .insert(id.to_owned(), format!("id-{}", self.others));
            }
            replaced.push_str(&self.known[id]);
            rest = &rest[at + ID..];
        }
        replaced.push_str(rest);
        replaced
    }

    /// Takes note of messages that an answer names.
    fn meet(&mut self, reply: &Reply) {
        if let Ok(Answer::Message(id)) = reply {
            self.messages += 1;
            self.known
                .insert(id.to_string(), format!("message-{}", self.messages));
        }
    }
}

/// Characters of an id.
const ID: usize = 36;

/// Where the first id begins.
fn find_id(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_id = |window: &[u8]| {
        window.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    bytes.windows(ID).position(is_id)
}

/// One call with its answer.
pub(super) fn call(
    names: &mut Names,
    payloads: &BTreeMap<String, Vec<u8>>,
    index: u32,
    call: &Call,
    entry: Option<&Entry>,
    reply: &Reply,
) -> String {
    names.meet(reply);
    let mut text = format!("#{index} {}\n", call.name());
    text.push_str(&fields(&arguments(call, payloads), 3));
    let waited = entry.and_then(|entry| Some(entry.at.saturating_sub(entry.began?)));
    let waited = waited.map_or(String::new(), |ms| format!("after {ms} ms: "));
    text.push_str(&answered(&waited, reply));
    names.replace(&text)
}

/// What was printed, each line marked with its stream.
pub(super) fn printed(stream: &str, text: &str) -> String {
    let lines = text.trim_end_matches('\n').split('\n');
    lines
        .map(|line| format!("   {stream} | {line}\n"))
        .collect()
}

/// A value below a heading.
pub(super) fn value(names: &mut Names, value: &Value, indent: usize) -> String {
    let text = fields(value, indent);
    names.replace(&text)
}

/// A text with names.
pub(super) fn text(names: &mut Names, text: &str) -> String {
    names.replace(text)
}

fn arguments(call: &Call, payloads: &BTreeMap<String, Vec<u8>>) -> Value {
    let Value::Object(mut all) = json(call) else {
        return Value::Null;
    };
    let Some((_, Value::Object(mut arguments))) = std::mem::take(&mut all).into_iter().next()
    else {
        return Value::Null;
    };
    // What was written says more than its digest.
    let payload = arguments.get("digest").and_then(Value::as_str);
    if let Some(bytes) = payload.and_then(|digest| payloads.get(digest)) {
        let bytes = of_bytes(bytes);
        arguments.remove("digest");
        arguments.remove("bytes");
        arguments.insert("value".to_owned(), bytes);
    }
    Value::Object(arguments)
}

fn answered(waited: &str, reply: &Reply) -> String {
    let answer = match reply {
        Err(error) => return format!("   → {waited}refused, {}\n", refused(error)),
        Ok(answer) => answer,
    };
    let whole = match answer {
        Answer::Unit => return format!("   → {waited}done\n"),
        Answer::Bytes(None) | Answer::Commit(None) => return format!("   → {waited}nothing\n"),
        Answer::Bytes(Some(bytes)) => of_bytes(bytes),
        Answer::External { .. } | Answer::Page { .. } | Answer::Answer { .. } => inner(answer),
        other => inner(other),
    };
    match &whole {
        Value::Array(items) if items.is_empty() => format!("   → {waited}none\n"),
        Value::Array(_) | Value::Object(_) => format!("   → {waited}\n{}", fields(&whole, 6))
            .replace("→ \n", "→\n")
            .replace(": \n", ":\n"),
        Value::String(text) if text.contains('\n') => {
            format!("   → {waited}\n{}", lines(text, 6)).replace("→ \n", "→\n")
        }
        scalar => format!("   → {waited}{scalar}\n"),
    }
}

fn refused(error: &CallError) -> String {
    let kind = json(error);
    let kind = kind.as_object().and_then(|kind| kind.keys().next());
    let kind = kind.map_or(String::new(), |kind| kind.replace('_', "-"));
    format!("{kind}: {error}")
}

/// An answer without its case's name.
fn inner(answer: &Answer) -> Value {
    match json(answer) {
        Value::Object(all) if all.len() == 1 => all
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, value)| value),
        other => other,
    }
}

fn of_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => Value::String(format!("{} bytes: {}", bytes.len(), bytes.escape_ascii())),
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A value as indented lines: `name: value` for each field, `-` before each item.
pub(super) fn fields(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    match value {
        Value::Object(all) => {
            for (name, value) in all.iter().filter(|(name, value)| is_told(name, value)) {
                let _ = write!(text, "{:indent$}{name}:", "");
                text.push_str(&after_name(value, indent));
            }
        }
        Value::Array(items) => {
            for item in items {
                text.push_str(&listed(item, indent));
            }
        }
        Value::String(all) if all.contains('\n') => text = lines(all, indent),
        Value::Null => {}
        scalar => {
            let _ = writeln!(text, "{:indent$}{scalar}", "");
        }
    }
    text
}

fn after_name(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(all) if all.is_empty() => " {}\n".to_owned(),
        Value::Array(all) if all.is_empty() => " []\n".to_owned(),
        Value::Array(all) if is_short(all) => format!(" {value}\n"),
        Value::Object(_) | Value::Array(_) => format!("\n{}", fields(value, indent + 2)),
        Value::String(text) if text.contains('\n') => format!("\n{}", lines(text, indent + 2)),
        scalar => format!(" {scalar}\n"),
    }
}

fn listed(item: &Value, indent: usize) -> String {
    let below = fields(item, indent + 2);
    if below.is_empty() {
        return format!("{:indent$}-\n", "");
    }
    let rest = &below[(indent + 2).min(below.len())..];
    format!("{:indent$}- {rest}", "")
}

/// Scalars that fit into a line.
fn is_short(all: &[Value]) -> bool {
    let scalars = all.iter().all(|one| !one.is_object() && !one.is_array());
    scalars && Value::Array(all.to_vec()).to_string().len() <= ONE_LINE
}

fn lines(text: &str, indent: usize) -> String {
    let text = text.trim_end_matches('\n');
    text.split('\n').fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{:indent$}| {line}", "");
        all
    })
}

fn is_told(name: &str, value: &Value) -> bool {
    let empty = match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    !empty && !LEFT_OUT.contains(&name)
}

/// An object, for a story's head.
pub(super) fn object<const N: usize>(all: [(&str, Value); N]) -> Value {
    let fields = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_told_in_lines() {
        let value = json!({
            "title": "one", "notes": "", "items": [{"a": 1, "b": "x\ny"}, "two"], "tags": ["a", "b"],
        });
        let told = "   items:\n     - a: 1\n       b:\n         | x\n         | y\n     - \"two\"\n   \
                    tags: [\"a\",\"b\"]\n   title: \"one\"\n";
        assert_eq!(fields(&value, 3), told);
    }

    #[test]
    fn ids_become_names() {
        let mut names = Names {
            known: HashMap::new(),
            messages: 0,
            others: 0,
        };
        let (a, b) = (
            "01900000-0000-7000-8000-000000000001",
            "01900000-0000-7000-8000-000000000002",
        );
        names.known.insert(a.to_owned(), "ada".to_owned());
        let told = names.replace(&format!("{a} asks {b} ä, {b}"));
        assert_eq!(told, "ada asks id-1 ä, id-1");
    }
}
