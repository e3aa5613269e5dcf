//! A subordinate that does what a script says.

use adjutant_sdk::{Failure, Report, Subordinate, Task};

struct Scripted;

impl Subordinate for Scripted {
    fn work(task: Task) -> Result<Report, Failure> {
        script::run(&task, script::host::step)
    }
}

adjutant_sdk::subordinate!(Scripted);
