//! Scripts, as `SCRIPT.md` says what they look like. Whoever writes one names what matters; these
//! helpers fill in the fields that have to be there.

use serde_json::{Value, json};

/// The part of an earlier answer: the step's number, then fields and indexes.
pub(crate) fn from(path: Value) -> Value {
    json!({ "$": path })
}

pub(crate) fn post(text: impl Into<Value>) -> Value {
    json!({"do": "channels.post", "text": text.into()})
}

pub(crate) fn ask(member: &str, text: &str) -> Value {
    json!({"do": "channels.ask", "member": member, "text": text})
}

pub(crate) fn read() -> Value {
    json!({"do": "channels.read", "after": 0, "limit": 200})
}

pub(crate) fn report(summary: &str, output: Value) -> Value {
    json!({"do": "report", "summary": summary, "output": output})
}

pub(crate) fn fail(summary: &str) -> Value {
    json!({"do": "fail", "summary": summary})
}

/// A script as a ticket's description.
pub(crate) fn script(steps: &Value) -> String {
    assert!(steps.is_array(), "a script is a list: {steps}");
    let script = steps.to_string();
    crate::contract::played(&script);
    script
}

/// An assignment with these fields, and plain ones for the rest.
pub(crate) fn assignment(fields: Value) -> Value {
    let mut all = json!({
        "title": "Part", "description": "", "notes": "", "permissive": false, "priority": "medium",
        "blocked-by": [], "on-blocker-failure": "fail",
    });
    for (name, value) in fields.as_object().expect("fields") {
        all[name] = value.clone();
    }
    all
}

/// An assignment of a script.
pub(crate) fn part(title: &str, assignee: &str, steps: Value) -> Value {
    assignment(json!({"title": title, "assignee": assignee, "description": script(&steps)}))
}

pub(crate) fn delegate(assignments: Value) -> Value {
    json!({"do": "delegation.delegate", "assignments": assignments})
}

/// Waits for all that was delegated.
pub(crate) fn wait(join: Value) -> Value {
    json!({"do": "delegation.await-reports", "tickets": [], "join": join})
}

pub(crate) fn wait_for(tickets: Value, join: Value, timeout_ms: u64) -> Value {
    json!({"do": "delegation.await-reports", "tickets": tickets, "join": join, "timeout-ms": timeout_ms})
}

/// Bytes as scripts have them.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
