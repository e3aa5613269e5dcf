//! The next version of `scripted-sub`: it does the same, but for the steps in which that one has a flaw.
//!
//! | step | here | in `scripted-sub` |
//! |---|---|---|
//! | `{"flaw": true}` | answers `"mended"` | panics |
//! | `{"greet": true}` | posts `Good day.` | posts `Hello.` |

use adjutant_sdk::{Error, Failure, Report, Subordinate, Task, channels};
use script::{Children, Extra};
use serde_json::Value;

struct Mended;

impl Subordinate for Mended {
    fn work(task: Task) -> Result<Report, Failure> {
        script::run(task, &mut Differently)
    }
}

/// The steps that are not as they were.
struct Differently;

impl Extra for Differently {
    fn step(&mut self, name: &str, _: &Value, _: &mut Children) -> Option<Result<Value, Error>> {
        match name {
            "flaw" => Some(Ok(Value::from("mended"))),
            "greet" => Some(channels::post(None, "Good day.", None).map(Value::from)),
            _ => None,
        }
    }
}

adjutant_sdk::subordinate!(Mended);
