//! A selector that chooses by the rule of the conformance suite.

use adjutant_selector::{Agent, Candidate, Choice, Confidence, Question, Selector, TrackingStatus};
use serde_json::{Value, json};

struct Ruled;

impl Selector for Ruled {
    fn choose(task: Question, candidates: Vec<Candidate>) -> Result<Vec<Choice>, String> {
        if task.title == "trap" {
            panic!("{}", task.description);
        }
        if let Some(why) = task.title.strip_prefix("error: ") {
            return Err(why.to_owned());
        }
        let fits = |one: &&Candidate| one.agent.skills.contains(&task.description);
        let chosen = candidates.iter().filter(fits).map(|one| Choice {
            agent: one.agent.id.clone(),
            reason: json!({"question": question(&task), "candidate": candidate(one)}).to_string(),
            confidence: match one.status {
                TrackingStatus::Idle => Confidence::High,
                TrackingStatus::Working => Confidence::Medium,
                _ => Confidence::Low,
            },
        });
        Ok(chosen.collect())
    }
}

fn question(task: &Question) -> Value {
    json!({
        "title": task.title,
        "description": task.description,
        "request": task.request,
        "config-json": task.config_json,
    })
}

fn candidate(one: &Candidate) -> Value {
    let Agent {
        id,
        name,
        class,
        skills,
        description,
    } = &one.agent;
    json!({
        "agent": {"id": id, "name": name, "class": class, "skills": skills, "description": description},
        "status": status(&one.status),
        "queued": one.queued,
    })
}

fn status(status: &TrackingStatus) -> Value {
    let name = match status {
        TrackingStatus::Idle => "idle",
        TrackingStatus::Working => "working",
        TrackingStatus::WaitingSubordinates => "waiting-subordinates",
        TrackingStatus::NeedsReview => "needs-review",
        TrackingStatus::Blocked => "blocked",
        TrackingStatus::Error => "error",
        TrackingStatus::Other(other) => return json!({"other": other}),
    };
    name.into()
}

adjutant_selector::selector!(Ruled);
