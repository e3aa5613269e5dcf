//! Interprets a script, step by step, as `tests/conformance/SCRIPT.md` says.
//!
//! [`run`] is the interpreter. What calls the host is in [`host`] and [`team`], a function for each
//! interface; how values are written as JSON is in [`values`].

pub mod host;
pub mod team;
pub mod values;

use adjutant_sdk::{Error, Failure, Report, Task};
use serde_json::{Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use values::{Json, number, text};

/// What a step comes to.
pub type Answer = Result<Value, Error>;

/// Do the task's script. `call` does a step that calls the host; none where it knows no such step.
pub fn run(task: &Task, call: impl Fn(&str, &Value) -> Option<Answer>) -> Result<Report, Failure> {
    let begun = Instant::now();
    let mut answers: Vec<Value> = Vec::new();
    for step in script(task)? {
        if !step["if-attempt"].is_null() && step["if-attempt"] != task.attempt {
            answers.push(Value::Null);
            continue;
        }
        let step = resolved(&step, &answers);
        let name = text(&step["do"]);
        let answer = match name.as_str() {
            "report" => {
                return Ok(Report {
                    summary: text(&step["summary"]),
                    output_json: output(&step),
                });
            }
            "fail" => {
                return Err(Failure {
                    summary: text(&step["summary"]),
                    output_json: output(&step),
                });
            }
            "task" => task.json(),
            "clock" => clock(begun),
            "random" => random()?,
            "print" => {
                println!("{}", text(&step["text"]));
                Value::Null
            }
            "eprint" => {
                eprintln!("{}", text(&step["text"]));
                Value::Null
            }
            "allocate" => allocate(number(&step["bytes"])),
            "trap" => panic!("{}", text(&step["text"])),
            "spin" => loop {
                std::hint::spin_loop();
            },
            _ => match call(&name, &step) {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => json!({"error": error.json()}),
                None => return Err(Failure::new(format!("unknown step: {name}"))),
            },
        };
        answers.push(answer);
    }
    Ok(Report::new("script done").output(&answers))
}

/// The steps: the ticket's description, or the configuration's.
fn script(task: &Task) -> Result<Vec<Value>, Failure> {
    let script = if task.ticket.description.starts_with('[') {
        serde_json::from_str(&task.ticket.description)?
    } else {
        let mut config: Value = serde_json::from_str(&task.config_json)?;
        config["script"].take()
    };
    match script {
        Value::Array(steps) => Ok(steps),
        _ => Err(Failure::new("There is no script.")),
    }
}

/// A value with all references in it replaced by what they stand for.
fn resolved(value: &Value, answers: &[Value]) -> Value {
    match value {
        Value::Object(fields) => match fields.get("$") {
            Some(path) => referred(path, answers),
            None => fields
                .iter()
                .map(|(name, one)| (name.clone(), resolved(one, answers)))
                .collect(),
        },
        Value::Array(all) => all.iter().map(|one| resolved(one, answers)).collect(),
        plain => plain.clone(),
    }
}

fn referred(path: &Value, answers: &[Value]) -> Value {
    let mut path = path.as_array().into_iter().flatten();
    let first = path.next().map_or(0, number);
    let mut at = &answers[usize::try_from(first).unwrap_or(usize::MAX)];
    for part in path {
        at = match part {
            Value::String(name) => &at[name],
            index => &at[usize::try_from(number(index)).unwrap_or(usize::MAX)],
        };
    }
    at.clone()
}

fn output(step: &Value) -> Option<String> {
    let output = &step["output"];
    (!output.is_null()).then(|| output.to_string())
}

fn clock(begun: Instant) -> Value {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    json!({
        "wall-ms": wall.as_millis().to_string(),
        "monotonic-ns": begun.elapsed().as_nanos().to_string(),
    })
}

fn random() -> Result<Value, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new(error.to_string()))?;
    Ok(values::hex(&bytes))
}

fn allocate(bytes: u64) -> Value {
    let block = vec![1_u8; usize::try_from(bytes).unwrap_or(usize::MAX)];
    std::hint::black_box(block).len().into()
}
