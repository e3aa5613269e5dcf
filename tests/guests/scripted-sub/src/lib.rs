//! A subordinate that does what a script says; see the crate `script`. It has no `delegation`.

use adjutant_sdk::{Failure, Report, Subordinate, Task};

struct Scripted;

impl Subordinate for Scripted {
    fn work(task: Task) -> Result<Report, Failure> {
        script::run(task, &mut script::NoTeam)
    }
}

adjutant_sdk::subordinate!(Scripted);
