//! The boss of the benchmark's chain: passes its task to its first member and its report back up.
//! Without a team it reports at once.

use adjutant_sdk::{Assignment, Boss, Failure, Report, Task, await_all, delegation};

struct BenchChain;

impl Boss for BenchChain {
    fn work(_task: Task) -> Result<Report, Failure> {
        let Some(first) = delegation::team()?.into_iter().next() else {
            return Ok(Report::new("The end of the chain."));
        };
        let delegated = delegation::delegate(&[Assignment::to(first.agent.id, "Pass it on")])?;
        match await_all(&delegated)?.reports.pop() {
            Some(report) if report.completed() => Ok(Report::new(report.summary)),
            Some(report) => Err(Failure::new(report.summary)),
            None => Err(Failure::new("The wait ended without a report.")),
        }
    }
}

adjutant_sdk::boss!(BenchChain);
