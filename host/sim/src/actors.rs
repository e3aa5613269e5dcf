//! Executing runs in a simulation: scripted strategies on real sessions, with tasks that get lost.

use crate::dice::Dice;
use crate::outside::Outside;
use crate::script::{Role, Script};
use adjutant_dispatch::Execute;
use adjutant_model::{AgentId, Choice, Confidence, Limits, Member};
use adjutant_run::{Asked, Finished, Job, NoChoice, RunnerOptions, native};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// Executes scripts.
pub(crate) struct Actors {
    pub(crate) outside: Outside,
    pub(crate) seed: u64,
    pub(crate) options: RunnerOptions,
    pub(crate) limits: Arc<Limits>,
    pub(crate) dice: Mutex<Dice>,
    /// Of a hundred starts, how many are lost.
    pub(crate) lost: u64,
    /// Of a hundred looks, how many find no free place for others.
    pub(crate) crowded: u64,
}

impl Actors {
    fn dice(&self) -> Dice {
        self.dice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fork()
    }
}

#[async_trait]
impl Execute for Actors {
    async fn execute(&self, job: Job<String>) -> Finished {
        let role = match job.component.as_str() {
            "sha256:boss" => Role::Boss,
            "sha256:liaison" => Role::Liaison,
            _ => Role::Worker,
        };
        let run = job.run.id;
        let entries = &job.journal.entries;
        let answered = entries.iter().filter(|entry| entry.reply.is_some()).count();
        let start = self.outside.started(run, answered as u32);
        self.outside.trace(|| {
            let journaled = job.journal.entries.len();
            format!("run {run} starts ({start}), {journaled} calls in its journal")
        });
        let mut dice = self.dice();
        let lost = dice.chance(self.lost).then(|| dice.roll(5_000));
        let dice = Mutex::new(dice);
        let crowded = || {
            let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
            dice.chance(self.crowded)
        };
        let script = Script::new(self.outside.clone(), &job, role, self.seed, start);
        let limits = self.limits.clone();
        let work = native::execute(script, job, &self.options, limits, crowded);
        let finished = tokio::select! {
            biased;
            finished = work => finished,
            () = sleep(Duration::from_millis(lost.unwrap_or_default())), if lost.is_some() => {
                self.outside.trace(|| format!("the task of run {run} is lost"));
                // As a fault in the host would have it; without the hook that reports real ones.
                std::panic::resume_unwind(Box::new("lost"))
            }
        };
        self.outside.trace(|| match &finished {
            Finished::Ended { ending, .. } => format!("run {run} ends: {ending:?}"),
            Finished::Parked => format!("run {run} is parked"),
            Finished::Gone => format!("run {run} is gone"),
        });
        finished
    }

    async fn choose(
        &self,
        _selector: &str,
        _asked: &Asked<'_>,
        team: &[Member],
    ) -> Result<Vec<(AgentId, Choice)>, NoChoice> {
        let mut dice = self.dice();
        sleep(Duration::from_millis(dice.roll(50))).await;
        let choice = Choice {
            reason: "as the dice fell".to_owned(),
            confidence: Confidence::Low,
        };
        let at = usize::try_from(dice.roll(team.len().max(1) as u64)).unwrap_or_default();
        let nobody = || NoChoice::Nobody("there is nobody".to_owned());
        let member = team.get(at).ok_or_else(nobody)?;
        Ok(vec![(member.id, choice)])
    }
}
