//! The boss of the benchmark's fan-out: delegates `fan` tasks over its team, waits for all, and
//! combines the reports.
//!
//! Configuration: `{"fan": 8}`; with `"reads": 1000` it makes as many other calls first.

use adjutant_sdk::{Assignment, Boss, Failure, Report, Task, await_all, delegation, memory, text};
use serde::Deserialize;

struct BenchBoss;

/// The most that its answer may hold, in bytes.
const ANSWER_BYTES: usize = 2048;
/// The most tasks that one request may become.
const MOST: usize = 1024;

#[derive(Deserialize)]
struct Config {
    #[serde(default = "eight")]
    fan: usize,
    /// Calls that it makes first, for a journal that is long.
    #[serde(default)]
    reads: usize,
}

fn eight() -> usize {
    8
}

impl Boss for BenchBoss {
    fn work(task: Task) -> Result<Report, Failure> {
        let config = task.config::<Config>()?;
        for _ in 0..config.reads {
            memory::get("nothing")?;
        }
        let fan = config.fan.clamp(1, MOST);
        let team = delegation::team()?;
        if team.is_empty() {
            return Err(Failure::new("The benchmark's boss needs a team."));
        }
        let assignments: Vec<_> = team
            .iter()
            .cycle()
            .take(fan)
            .map(|member| Assignment::to(member.agent.id.as_str(), "Post once and report"))
            .collect();
        let joined = await_all(&delegation::delegate(&assignments)?)?;
        if let Some(bad) = joined.reports.iter().find(|report| !report.completed()) {
            return Err(Failure::new(format!(
                "{} failed: {}",
                bad.agent_name, bad.summary
            )));
        }
        let mut answer = String::with_capacity(ANSWER_BYTES);
        for report in &joined.reports {
            let room = ANSWER_BYTES.saturating_sub(answer.len() + 1);
            answer.push_str(text::head(&report.summary, room).0);
            answer.push('\n');
        }
        answer.truncate(ANSWER_BYTES);
        Ok(Report::new(answer))
    }
}

adjutant_sdk::boss!(BenchBoss);
