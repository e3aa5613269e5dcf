//! Counts the words of a task, and remembers how many tickets it has done.

use adjutant_sdk::{Failure, Report, Subordinate, Task, memory, reporting};
use serde::{Deserialize, Serialize};

struct WordCounter;

#[derive(Deserialize)]
struct Config {
    /// Words with fewer letters are not counted. The host fills in the default of plugin.toml.
    minimum: usize,
}

#[derive(Serialize)]
struct Counted {
    words: usize,
    tickets: u64,
}

impl Subordinate for WordCounter {
    fn work(task: Task) -> Result<Report, Failure> {
        let config: Config = task.config()?;
        reporting::progress("counting words")?;
        let words = task
            .text()
            .split_whitespace()
            .filter(|word| word.chars().count() >= config.minimum)
            .count();

        let tickets = match memory::get("tickets")? {
            Some(bytes) => String::from_utf8(bytes)?.parse::<u64>()? + 1,
            None => 1,
        };
        memory::put("tickets", tickets.to_string().as_bytes())?;

        let summary = format!("The task has {words} words. Tickets done so far: {tickets}.");
        Ok(Report::new(summary).output(&Counted { words, tickets }))
    }
}

adjutant_sdk::subordinate!(WordCounter);
