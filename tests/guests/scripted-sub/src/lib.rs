//! A subordinate that does what a script says; see the crate `script`. It has no `delegation`.
//!
//! Two steps of its own are as its next version, `scripted-mended`, has them no more: `{"flaw": true}`
//! panics, and `{"greet": true}` posts `Hello.`

use adjutant_sdk::{Error, Failure, Report, Subordinate, Task, channels};
use script::{Children, Extra};
use serde_json::Value;

struct Scripted;

impl Subordinate for Scripted {
    fn work(task: Task) -> Result<Report, Failure> {
        script::run(task, &mut Flawed)
    }
}

/// The steps that the next version has otherwise.
struct Flawed;

impl Extra for Flawed {
    fn step(&mut self, name: &str, _: &Value, _: &mut Children) -> Option<Result<Value, Error>> {
        match name {
            "flaw" => panic!("the flaw of this version"),
            "greet" => Some(channels::post(None, "Hello.", None).map(Value::from)),
            _ => None,
        }
    }
}

adjutant_sdk::subordinate!(Scripted);
