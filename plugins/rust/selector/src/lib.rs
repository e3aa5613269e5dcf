//! Picks whose skills share most words with the task.

use std::collections::BTreeSet;

use adjutant_selector::text::words;
use adjutant_selector::{Candidate, Choice, Confidence, Question, Selector};

struct Skills;

impl Selector for Skills {
    fn choose(task: Question, candidates: Vec<Candidate>) -> Result<Vec<Choice>, String> {
        let task: BTreeSet<String> = words(&format!("{} {}", task.title, task.description))
            .into_iter()
            .collect();
        let mut fitting: Vec<(usize, Choice)> = candidates
            .into_iter()
            .filter_map(|candidate| {
                let skills = words(&candidate.agent.skills.join(" "));
                let shared: BTreeSet<_> = skills.into_iter().filter(|w| task.contains(w)).collect();
                if shared.is_empty() {
                    return None;
                }
                let named: Vec<String> = shared.iter().cloned().collect();
                let choice = Choice {
                    agent: candidate.agent.id,
                    reason: format!("{} can {}", candidate.agent.name, named.join(", ")),
                    confidence: confidence(shared.len()),
                };
                Some((shared.len(), choice))
            })
            .collect();
        // The sort is stable: of equals, the one that the host named first.
        fitting.sort_by_key(|(shared, _)| usize::MAX - shared);
        Ok(fitting.into_iter().map(|(_, choice)| choice).collect())
    }
}

fn confidence(shared: usize) -> Confidence {
    match shared {
        1 => Confidence::Low,
        2 => Confidence::Medium,
        _ => Confidence::High,
    }
}

adjutant_selector::selector!(Skills);
