//! Interprets a script, so that a test can say in JSON what an agent does.
//!
//! A script is `{"steps": [step, …], "stop_on_error": false}`, from the ticket's description where that
//! begins with `{`, else from the agent's configuration. Each step is an object whose first known key
//! says what it does; the answers are collected in order. A call that fails answers
//! `{"error": {"kind", "text", "violations"}}` and the script goes on, unless it is to stop, or the
//! ticket was cancelled. A script that ends by itself reports `{"steps": [answers]}`. A step that does
//! not exist is a failure.
//!
//! A *ticket* is a child by its number (in the order of delegating and creating, from 0), `"self"`,
//! `"parent"`, or an id. Where a text is asked for, any other JSON is written as text.
//!
//! | step | answer |
//! |---|---|
//! | `{"post": text}`, `{"post": {"text", "ticket", "reply_to"}}` | the message's id |
//! | `{"progress": text}` | `null` |
//! | `{"mention": {"members": [..], "text"}}` | the message's id |
//! | `{"read_channel": {"ticket", "after", "limit"}}` | `{messages: [{id, index, author, kind, text, mentions, reply_to}], cursor, more}` |
//! | `{"ask": {"member", "text", "timeout_ms"}}` | a message |
//! | `{"submit": json}` | `null` |
//! | `{"call_for_report": text}`, or with `{"text", "timeout_ms"}` | `{outcome, summary, output}` |
//! | `{"create": {"title", "description", "schema"}}` | the ticket's id |
//! | `{"assign": {"ticket", "agent"}}` | `null` |
//! | `{"get_ticket": ticket}` | a ticket |
//! | `{"list_tickets": {"status", "assignee", "parent"}}` | a list of tickets |
//! | `{"comment": {"ticket", "text"}}`, `{"link": {"ticket", "kind"}}`, `{"add_collaborator": agent}` | `null` |
//! | `{"run": [argv]}`, `{"run": {"argv", "timeout_ms"}}` | `{code, stdout, stderr, truncated, elapsed_ms}` |
//! | `{"write": {"path", "text"}}`, `{"remove": path}` | `null` |
//! | `{"read": path}` | the text |
//! | `{"list": path}` | a list of `{name, kind, size}` |
//! | `{"diff": true}` | the diff |
//! | `{"commit": message}` | the commit's id, or `null` |
//! | `{"memory_put": [key, value]}`, `{"memory_remove": key}` | `null` |
//! | `{"memory_get": key}`, `{"memory_keys": prefix}` | the value or `null`; a list |
//! | `{"task": true}` | `{briefing, request, attempt, violations, agent, agent_name, ticket, title}` |
//! | `{"random": n}` | `{secure, insecure}`, `n` bytes each in hexadecimal |
//! | `{"clock": true}` | `{unix_ms, monotonic_ns}` |
//! | `{"print": text}`, `{"eprint": text}`, `{"print_bytes": n}` | `null` |
//! | `{"repeat": {"times", "steps"}}` | the last answer of each round |
//! | `{"on_attempt": {"attempt", "steps"}}` | the steps' answers, `null` on other attempts |
//! | `{"compute": millions}` | a number, after so many million steps |
//! | `{"sleep": ms}`, `{"spin": true}`, `{"allocate": bytes}`, `{"recurse": true}`, `{"panic": text}` | what the host makes of it |
//! | `{"report": {"summary", "output", "with_steps"}}` | ends well; `with_steps` puts the answers beside the output, as `{output, steps}` |
//! | `{"fail": text}`, `{"fail": {"summary", "output"}}` | ends as a failure |

mod steps;

use adjutant_sdk::{Error, Failure, Report, Task, Violation};
use serde_json::{Value, json};

/// Steps that only some worlds have.
pub trait Extra {
    /// Do a step; none where there is no such step.
    fn step(
        &mut self,
        name: &str,
        value: &Value,
        children: &mut Children,
    ) -> Option<Result<Value, Error>>;
}

/// No more steps than every world has.
pub struct NoTeam;

impl Extra for NoTeam {
    fn step(&mut self, _: &str, _: &Value, _: &mut Children) -> Option<Result<Value, Error>> {
        None
    }
}

/// The tickets that the script may name by number.
#[derive(Default)]
pub struct Children {
    ids: Vec<String>,
    own: String,
    parent: Option<String>,
}

impl Children {
    /// Note new children.
    pub fn extend(&mut self, ids: impl IntoIterator<Item = String>) {
        self.ids.extend(ids);
    }

    /// The id of a ticket as a script names it. What is no child is given to the host as it is.
    pub fn ticket(&self, value: &Value) -> String {
        match value {
            Value::Number(n) => {
                let index = n.as_u64().and_then(|n| usize::try_from(n).ok());
                index
                    .and_then(|n| self.ids.get(n))
                    .cloned()
                    .unwrap_or_else(|| n.to_string())
            }
            Value::String(text) if text == "self" => self.own.clone(),
            Value::String(text) if text == "parent" => self.parent.clone().unwrap_or_default(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// How a script goes on after a step.
enum Next {
    Answer(Value),
    End(Result<Report, Failure>),
}

struct Script<'a> {
    task: &'a Task,
    extra: &'a mut dyn Extra,
    children: Children,
    stop_on_error: bool,
}

/// Do what the task's script says.
pub fn run(task: Task, extra: &mut dyn Extra) -> Result<Report, Failure> {
    let described = task.ticket.description.trim_start().starts_with('{');
    let source = if described {
        &task.ticket.description
    } else {
        &task.config_json
    };
    let source: Value = serde_json::from_str(source)
        .map_err(|error| Failure::new(format!("The script is no JSON: {error}.")))?;
    let children = Children {
        ids: Vec::new(),
        own: task.ticket.id.clone(),
        parent: task.ticket.parent.clone(),
    };
    let stop_on_error = flag(&source, "stop_on_error");
    let mut script = Script {
        task: &task,
        extra,
        children,
        stop_on_error,
    };
    let mut answers = Vec::new();
    let steps = source["steps"].as_array().cloned().unwrap_or_default();
    if let Some(end) = script.all(&steps, &mut answers) {
        return end;
    }
    let summary = format!("{} steps done", answers.len());
    Ok(Report::new(summary).output(&json!({"steps": answers})))
}

impl Script<'_> {
    /// Do steps until one ends the script.
    fn all(
        &mut self,
        steps: &[Value],
        answers: &mut Vec<Value>,
    ) -> Option<Result<Report, Failure>> {
        for step in steps {
            match self.one(step, answers) {
                Next::Answer(answer) => answers.push(answer),
                Next::End(end) => return Some(end),
            }
        }
        None
    }

    fn one(&mut self, step: &Value, answers: &[Value]) -> Next {
        let Some(object) = step.as_object() else {
            return unknown(step);
        };
        for (name, value) in object {
            let answer = match name.as_str() {
                "report" => return Next::End(Ok(report(value, answers))),
                "fail" => return Next::End(Err(failure(value))),
                "repeat" => return self.repeat(value),
                "on_attempt" => return self.on_attempt(value),
                "task" => Ok(self.about()),
                _ => match steps::step(name, value, &mut self.children) {
                    Some(answer) => answer,
                    None => match self.extra.step(name, value, &mut self.children) {
                        Some(answer) => answer,
                        None => continue,
                    },
                },
            };
            return match answer {
                Ok(answer) => Next::Answer(answer),
                Err(error) if self.stop_on_error || error.kind() == "cancelled" => Next::End(Err(
                    Failure::new(format!("{name}: {error}")).output(&failed(&error)),
                )),
                Err(error) => Next::Answer(failed(&error)),
            };
        }
        unknown(step)
    }

    fn repeat(&mut self, value: &Value) -> Next {
        let steps = value["steps"].as_array().cloned().unwrap_or_default();
        let mut last = Vec::new();
        for _ in 0..number(value, "times").unwrap_or(1) {
            let mut answers = Vec::new();
            if let Some(end) = self.all(&steps, &mut answers) {
                return Next::End(end);
            }
            last.push(answers.pop().unwrap_or(Value::Null));
        }
        Next::Answer(last.into())
    }

    fn on_attempt(&mut self, value: &Value) -> Next {
        if number(value, "attempt") != Some(u64::from(self.task.attempt)) {
            return Next::Answer(Value::Null);
        }
        let steps = value["steps"].as_array().cloned().unwrap_or_default();
        let mut answers = Vec::new();
        match self.all(&steps, &mut answers) {
            Some(end) => Next::End(end),
            None => Next::Answer(answers.into()),
        }
    }

    fn about(&self) -> Value {
        let task = self.task;
        json!({
            "briefing": task.briefing, "request": task.request, "attempt": task.attempt,
            "violations": violations(&task.violations), "agent": task.agent.id,
            "agent_name": task.agent.name, "ticket": task.ticket.id, "title": task.ticket.title,
        })
    }
}

fn unknown(step: &Value) -> Next {
    Next::End(Err(Failure::new(format!(
        "The script has a step that does not exist: {step}"
    ))))
}

fn report(value: &Value, answers: &[Value]) -> Report {
    let report = Report::new(text(value, "summary").unwrap_or_else(|| "done".into()));
    match (&value["output"], flag(value, "with_steps")) {
        (output, true) => report.output(&json!({"output": output, "steps": answers})),
        (Value::Null, false) => report,
        (output, false) => report.output(output),
    }
}

fn failure(value: &Value) -> Failure {
    let failure = Failure::new(
        text(value, "summary")
            .or_else(|| as_text(value))
            .unwrap_or_else(|| "failed".into()),
    );
    match &value["output"] {
        Value::Null => failure,
        output => failure.output(output),
    }
}

fn failed(error: &Error) -> Value {
    json!({"error": {
        "kind": error.kind(),
        "text": error.to_string(),
        "violations": violations(error.violations()),
    }})
}

/// Violations as JSON.
pub fn violations(all: &[Violation]) -> Value {
    all.iter()
        .map(|one| json!({"path": one.path, "message": one.message}))
        .collect()
}

/// A field as text; any JSON but null is written as text.
pub fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(as_text)
}

/// A value as text; none for null.
pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A field as a whole number.
pub fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

/// A field as a truth, false where it is missing.
pub fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A schema as the text that the host takes.
pub fn schema(value: &Value) -> Option<String> {
    text(value, "schema")
}

/// A list of texts; empty where it is none.
pub fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|all| all.iter().filter_map(as_text).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
