//! One test of a selector: a question, and whom it chooses.

use super::script::Script;
use super::{Played, Tester, story};
use adjutant_component::Context;
use adjutant_component::bindings::{Candidate, Choice, Question, types};
use adjutant_model::Tracking;
use serde_json::{Value, json};

impl Tester<'_> {
    /// Asks twice: a selector is a pure function.
    pub(super) async fn choose(&self, script: &Script) -> Played {
        let mut played = Played::default();
        let config = match self.config(script) {
            Ok(config) => config,
            Err(why) => {
                played.failures.push(why);
                return played;
            }
        };
        let first = self.ask(script, &config).await;
        let second = self.ask(script, &config).await;
        if first != second {
            let told = "It is not deterministic: asked the same again, it chose otherwise. A selector is \
                        a pure function of its arguments.";
            played.failures.push(told.to_owned());
        }
        let names: Vec<&str> = script.team.iter().map(|one| one.name.as_str()).collect();
        let head = story::object([
            ("title", json!(script.task.title)),
            ("description", json!(script.task.description)),
            ("request", json!(script.task.request)),
            ("config", config),
            ("candidates", json!(names)),
        ]);
        let mut told = format!("Question\n{}\n", story::fields(&head, 3));
        let mut chosen = Vec::new();
        match first {
            Err(why) => {
                told.push_str(&format!("No choice: {why}\n"));
                if script.expect.choose.is_some() {
                    played.failures.push(format!("It made no choice: {why}"));
                }
            }
            Ok(choices) if choices.is_empty() => told.push_str("Nobody fits.\n"),
            Ok(choices) => {
                told.push_str("Chosen\n");
                for choice in choices {
                    let (id, reason, confidence) = choice;
                    let known = place_of(&id).and_then(|place| names.get(place).copied());
                    match known {
                        Some(name) => {
                            told.push_str(&format!("   {name} ({confidence}): {reason}\n"));
                            chosen.push(name.to_owned());
                        }
                        None => played.failures.push(format!(
                            "It chose \"{id}\", which is no candidate's agent id."
                        )),
                    }
                }
            }
        }
        if let Some(wanted) = &script.expect.choose
            && *wanted != chosen
        {
            played.failures.push(format!(
                "It was to choose {}, and chose {}.",
                listed(wanted),
                listed(&chosen)
            ));
        }
        played.story = told;
        played
    }

    async fn ask(
        &self,
        script: &Script,
        config: &Value,
    ) -> Result<Vec<(String, String, &'static str)>, String> {
        let prepared = self
            .engine
            .prepare_selector(&self.component)
            .map_err(|error| error.to_string())?;
        let question = Question {
            title: script.task.title.clone(),
            description: script.task.description.clone(),
            request: script.task.request.clone(),
            config_json: config.to_string(),
        };
        let candidates = script.team.iter().enumerate();
        let candidates: Vec<Candidate> = candidates
            .map(|(place, one)| Candidate {
                agent: types::Agent {
                    id: format!("agent-{}", place + 1),
                    name: one.name.clone(),
                    class: one.class.clone(),
                    skills: one.skills.clone(),
                    description: one.description.clone(),
                },
                status: tracking(one.status.unwrap_or(Tracking::Idle)),
                queued: one.queued,
            })
            .collect();
        let answer = prepared
            .choose(Context::default(), &question, &candidates)
            .await;
        let choices = answer.map_err(|stop| format!("it broke: {stop}"))??;
        Ok(choices.into_iter().map(told).collect())
    }
}

fn told(choice: Choice) -> (String, String, &'static str) {
    let confidence = match choice.confidence {
        types::Confidence::High => "high",
        types::Confidence::Medium => "medium",
        types::Confidence::Low => "low",
        types::Confidence::Other(_) => "other",
    };
    (choice.agent, choice.reason, confidence)
}

fn place_of(id: &str) -> Option<usize> {
    let number: usize = id.strip_prefix("agent-")?.parse().ok()?;
    number.checked_sub(1)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}

fn tracking(status: Tracking) -> types::TrackingStatus {
    match status {
        Tracking::Idle => types::TrackingStatus::Idle,
        Tracking::Working => types::TrackingStatus::Working,
        Tracking::WaitingSubordinates => types::TrackingStatus::WaitingSubordinates,
        Tracking::NeedsReview => types::TrackingStatus::NeedsReview,
        Tracking::Blocked => types::TrackingStatus::Blocked,
        Tracking::Error => types::TrackingStatus::Error,
    }
}
