//! Has each line of a task done by whoever fits, all at once, and gathers the reports.

use adjutant_sdk::delegation::{self, Assignment, WorkPlan};
use adjutant_sdk::{Boss, Failure, Report, Task, await_all};
use serde_json::json;

struct LineByLine;

impl Boss for LineByLine {
    fn work(task: Task) -> Result<Report, Failure> {
        let team = delegation::team()?;
        if team.is_empty() {
            return Err(Failure::new(
                "There is nobody to delegate to: this boss has no team.",
            ));
        }
        let lines: Vec<&str> = task
            .text()
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        let assignments: Vec<Assignment> = match lines.as_slice() {
            // One task: everybody does it.
            [line] => team
                .iter()
                .map(|one| Assignment::to(&one.agent.id, *line))
                .collect(),
            // Many: without an assignee the host asks this boss's selector.
            lines => lines.iter().map(|line| Assignment::new(*line)).collect(),
        };

        let titles = assignments.iter().map(|one| one.title.as_str());
        let plan = WorkPlan::new(&task.ticket.title, "").phase("All at once", titles);
        delegation::propose_plan(&plan)?;

        let delegated = delegation::delegate(&assignments)?;
        // The host may drop this component from memory now, and bring it back when all have reported.
        let joined = await_all(&delegated)?;

        let summary: Vec<String> = joined
            .reports
            .iter()
            .map(|one| format!("- {} ({}): {}", one.title, one.outcome, one.summary))
            .collect();
        let outputs: Vec<_> = joined
            .reports
            .iter()
            .map(|one| {
                json!({
                    "task": one.title,
                    "agent": one.agent_name,
                    "outcome": one.outcome.to_string(),
                    "output": one.output(),
                })
            })
            .collect();
        Ok(Report::new(summary.join("\n")).output(&outputs))
    }
}

adjutant_sdk::boss!(LineByLine);
