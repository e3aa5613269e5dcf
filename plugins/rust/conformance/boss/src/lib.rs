//! A boss that does what a script says.

use adjutant_sdk::{Boss, Failure, Report, Task};

struct Scripted;

impl Boss for Scripted {
    fn work(task: Task) -> Result<Report, Failure> {
        script::run(&task, |name, step| {
            script::host::step(name, step).or_else(|| script::team::step(name, step))
        })
    }
}

adjutant_sdk::boss!(Scripted);
