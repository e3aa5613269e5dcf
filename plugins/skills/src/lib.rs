//! A selector without a model: matches the words of a task to what each candidate says that it can do.
//!
//! It takes no configuration. See [`score`] for how a candidate is scored.

mod score;

use adjutant_selector::text::{stem, words};
use adjutant_selector::{Candidate, Choice, Question, Selector, TrackingStatus};

use score::{Asked, score};

struct Skills;

/// The most characters of a task that are looked at; enough for any real task, and an end to the work.
const MOST_CHARS: usize = 20_000;

impl Selector for Skills {
    fn choose(task: Question, candidates: Vec<Candidate>) -> Result<Vec<Choice>, String> {
        Ok(choose(&task, &candidates))
    }
}

/// Best first; of equals the idle before the busy, then the shorter queue, then by name and id, so
/// that the answer does not depend on the order of the candidates.
fn choose(task: &Question, candidates: &[Candidate]) -> Vec<Choice> {
    let asked = Asked {
        task: stems(&format!("{}\n{}", task.title, task.description)),
        request: stems(&task.request),
    };
    let mut fitting: Vec<_> = candidates
        .iter()
        .filter_map(|candidate| Some((score(&asked, &candidate.agent)?, candidate)))
        .collect();
    fitting.sort_by(|(a, x), (b, y)| {
        let order = |candidate: &Candidate| (!is_idle(candidate), candidate.queued);
        (b.points.cmp(&a.points))
            .then_with(|| order(x).cmp(&order(y)))
            .then_with(|| x.agent.name.cmp(&y.agent.name))
            .then_with(|| x.agent.id.cmp(&y.agent.id))
    });
    fitting
        .into_iter()
        .map(|(score, candidate)| Choice {
            agent: candidate.agent.id.clone(),
            reason: format!("{}; {}", score.reason, load(candidate)),
            confidence: score.confidence,
        })
        .collect()
}

fn stems(text: &str) -> Vec<String> {
    let end = text
        .char_indices()
        .nth(MOST_CHARS)
        .map_or(text.len(), |(end, _)| end);
    words(&text[..end]).iter().map(|word| stem(word)).collect()
}

fn is_idle(candidate: &Candidate) -> bool {
    matches!(candidate.status, TrackingStatus::Idle)
}

fn load(candidate: &Candidate) -> String {
    match (is_idle(candidate), candidate.queued) {
        (true, 0) => "idle".to_string(),
        (false, 0) => "busy".to_string(),
        (_, 1) => "1 ticket before it".to_string(),
        (_, more) => format!("{more} tickets before it"),
    }
}

adjutant_selector::selector!(Skills);

#[cfg(test)]
mod tests;
