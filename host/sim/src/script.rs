//! Strategies: what runs do in a simulated world. Each follows from its ticket and attempt, and from
//! what it is answered, as a component would; some are broken on purpose.

use crate::dice::Dice;
use crate::outside::Outside;
use crate::worktrees::DO;
use adjutant_component::bindings::{
    Failure, Report, Task, channels, delegation, memory, reporting, tickets, types, worktree,
};
use adjutant_component::{HostResult, Stop};
use adjutant_model::{RunId, WorkspaceId};
use adjutant_run::native::{Guest, Strategy};
use async_trait::async_trait;
use channels::Host as _;
use delegation::Host as _;
use memory::Host as _;
use reporting::Host as _;
use std::fmt::Debug;
use std::time::Duration;
use tickets::Host as _;
use tokio::time::sleep;
use worktree::Host as _;

/// The person who is asked.
pub(crate) const PERSON: &str = "maria";
/// A key of agents' memories that counts.
pub(crate) const COUNT: &str = "count";

/// What an agent is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Boss,
    Worker,
    /// Waits for reports from outside.
    Liaison,
}

/// How an answer ends, as a strategy gives it.
type Answer = Result<Result<Report, Failure>, Stop>;

/// One start of one run.
pub(crate) struct Script {
    outside: Outside,
    workspace: WorkspaceId,
    run: RunId,
    role: Role,
    /// The same at every start of the run.
    dice: Dice,
    /// Another at every start: what a strategy must not follow.
    start: u32,
    /// The next call's place.
    index: u32,
    /// Answered calls in the journal that it starts with.
    journaled: u32,
    /// Whether the last call of that journal still waits.
    open: bool,
    has_worktree: bool,
}

impl Script {
    pub(crate) fn new(
        outside: Outside,
        job: &adjutant_run::Job<String>,
        role: Role,
        seed: u64,
        start: u32,
    ) -> Script {
        let mut dice = Dice::named(seed, job.ticket.id.0.as_bytes());
        for _ in 0..job.run.attempt {
            dice = dice.fork();
        }
        let entries = &job.journal.entries;
        let open = entries.last().is_some_and(|entry| entry.reply.is_none());
        Script {
            outside,
            workspace: job.agent.workspace,
            run: job.run.id,
            role,
            dice,
            start,
            index: 0,
            journaled: entries.len() as u32 - u32::from(open),
            open,
            has_worktree: job.worktree.is_some(),
        }
    }

    /// A call was answered, or has ended the run.
    fn seen<T: Debug>(&mut self, answer: HostResult<T>) -> Result<T, Stop> {
        let answer = answer.map_err(Stop::of_call)?;
        let replayed = self.index < self.journaled;
        let shown = format!("{answer:?}");
        self.outside.viewed(self.run, self.index, replayed, &shown);
        self.index += 1;
        Ok(answer)
    }

    /// A text that this call alone says.
    fn words(&self) -> String {
        format!("p-{}-{}", self.run, self.index)
    }

    /// Takes its time, unless it is only repeating itself.
    async fn think(&mut self) {
        let ms = match self.dice.roll(10) {
            0..5 => 0,
            5..8 => self.dice.roll(20),
            8 => self.dice.roll(2_000),
            _ => self.dice.roll(20_000),
        };
        if self.index >= self.journaled && ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Small things that any agent does.
    async fn busy(&mut self, guest: &mut Guest, most: u64) -> Result<(), Stop> {
        for _ in 0..self.dice.roll(most + 1) {
            self.think().await;
            match self.dice.roll(if self.has_worktree { 15 } else { 11 }) {
                0..3 => {
                    let note = self.words();
                    let answer = guest.calls().progress(note).await;
                    let _ = self.seen(answer)?;
                }
                3 => {
                    let text = self.words();
                    let answer = guest.calls().post(None, text, None).await;
                    let _ = self.seen(answer)?;
                }
                4..7 => self.count(guest).await?,
                7 => {
                    let after = self.dice.roll(3);
                    let answer = channels::Host::read(guest.calls(), None, after, 5).await;
                    let _ = self.seen(answer)?;
                }
                8 => self.ask(guest).await?,
                9 => {
                    let output = if self.dice.chance(50) {
                        "{\"n\":1}"
                    } else {
                        "{}"
                    };
                    let answer = guest.calls().submit_output(output.to_owned()).await;
                    let _ = self.seen(answer)?;
                }
                10 => {
                    let all = tickets::Filter {
                        status: None,
                        assignee: None,
                        parent: None,
                    };
                    let answer = tickets::Host::list(guest.calls(), all).await;
                    let _ = self.seen(answer)?;
                }
                _ => self.effect(guest).await?,
            }
        }
        Ok(())
    }

    /// Counts in its memory: no count may be lost, and none be made twice.
    async fn count(&mut self, guest: &mut Guest) -> Result<(), Stop> {
        let answer = memory::Host::get(guest.calls(), COUNT.to_owned()).await;
        let Ok(value) = self.seen(answer)? else {
            return Ok(());
        };
        let bytes = value.unwrap_or_default().try_into().unwrap_or_default();
        let count = u64::from_be_bytes(bytes) + 1;
        let answer = guest
            .calls()
            .put(COUNT.to_owned(), count.to_be_bytes().to_vec())
            .await;
        let _ = self.seen(answer)?;
        Ok(())
    }

    async fn ask(&mut self, guest: &mut Guest) -> Result<(), Stop> {
        let timeout = [Some(0), Some(40), Some(3_000), Some(60_000), None];
        let timeout = timeout[self.dice.roll(5) as usize];
        let text = self.words();
        let answer = guest.calls().ask(PERSON.to_owned(), text, timeout).await;
        let _ = self.seen(answer)?;
        Ok(())
    }

    /// Something outside that must not happen twice once it is known to have happened.
    async fn effect(&mut self, guest: &mut Guest) -> Result<(), Stop> {
        if !self.has_worktree {
            return Ok(());
        }
        if self.dice.chance(40) {
            let name = format!("file-{}", self.index);
            let answer = guest.calls().write(name, vec![1]).await;
            let _ = self.seen(answer)?;
        }
        let command = [
            DO.to_owned(),
            self.workspace.to_string(),
            self.run.to_string(),
            self.index.to_string(),
        ];
        let answer = guest.calls().run(command.to_vec(), None).await;
        let _ = self.seen(answer)?;
        Ok(())
    }

    /// Asks at each start something else, as a broken strategy may.
    async fn stray(&mut self, guest: &mut Guest) -> Result<(), Stop> {
        let note = format!("{} at start {}", self.words(), self.start);
        let journaled = self.journaled + u32::from(self.open);
        let in_journal = self.index < journaled;
        let answer = guest.calls().progress(note).await;
        if in_journal && self.start > 1 {
            let mut memory = self.outside.lock();
            memory.counts.diverged += 1;
            memory.diverged.insert(self.run);
            drop(memory);
            if answer.is_ok() {
                self.outside.violated(format!(
                    "run {} asked something else as call {} and was answered",
                    self.run, self.index
                ));
            }
        }
        let _ = self.seen(answer)?;
        Ok(())
    }

    async fn lead(&mut self, task: &Task, guest: &mut Guest) -> Result<(), Stop> {
        for _ in 0..1 + self.dice.roll(2) {
            let answer = guest.calls().team().await;
            let team = self.seen(answer)?.unwrap_or_default();
            if self.dice.chance(20) {
                self.plan(guest).await?;
            }
            let given = self.delegate(guest, &team, &task.ticket.title).await?;
            if self.dice.chance(15) {
                self.draft(guest, &team).await?;
            }
            self.busy(guest, 1).await?;
            self.wait_for(guest, &team, given).await?;
        }
        Ok(())
    }

    async fn plan(&mut self, guest: &mut Guest) -> Result<(), Stop> {
        let plan = delegation::WorkPlan {
            name: self.words(),
            description: String::new(),
            phases: Vec::new(),
        };
        let answer = guest.calls().propose_plan(plan).await;
        let _ = self.seen(answer)?;
        Ok(())
    }

    /// A ticket of its own that it gives to someone, or to nobody.
    async fn draft(&mut self, guest: &mut Guest, team: &[delegation::Member]) -> Result<(), Stop> {
        let draft = tickets::Draft {
            key: None,
            title: format!("d-{}-{}-0", self.run, self.index),
            description: String::new(),
            expected_output_schema_json: None,
        };
        let answer = guest.calls().create(draft).await;
        let Ok(ticket) = self.seen(answer)? else {
            return Ok(());
        };
        if self.dice.chance(70)
            && let Some(member) = self.dice.pick(team).map(|member| member.agent.id.clone())
        {
            let answer = guest.calls().assign(ticket, member).await;
            let _ = self.seen(answer)?;
        }
        Ok(())
    }

    async fn delegate(
        &mut self,
        guest: &mut Guest,
        team: &[delegation::Member],
        title: &str,
    ) -> Result<Vec<String>, Stop> {
        let mut assignments = Vec::new();
        for part in 0..1 + self.dice.roll(3) {
            let member = self.dice.pick(team).map(|member| member.agent.id.clone());
            let schema = self.dice.chance(25);
            let deadlines = [Some(50), Some(5_000), Some(600_000)];
            assignments.push(delegation::Assignment {
                title: format!("d-{}-{}-{part}", self.run, self.index),
                description: String::new(),
                // Nobody chooses here: this one is refused, and all with it.
                assignee: member.filter(|_| !self.dice.chance(2)),
                notes: String::new(),
                expected_output_schema_json: schema
                    .then(|| "{\"type\":\"object\",\"required\":[\"n\"]}".to_owned()),
                permissive: self.dice.chance(30),
                deadline_ms: if self.dice.chance(20) {
                    deadlines[self.dice.roll(3) as usize]
                } else {
                    None
                },
                key: self.dice.chance(20).then(|| format!("{title}-key")),
                priority: types::Priority::Medium,
                group: self.dice.chance(10).then(|| "alone".to_owned()),
                blocked_by: Vec::new(),
                on_blocker_failure: delegation::BlockerPolicy::Fail,
                retry: self.dice.chance(25).then_some(delegation::Retry {
                    attempts: 2,
                    backoff_ms: 500,
                    max_backoff_ms: 5_000,
                    reassign: 0,
                }),
                budget: None,
                silence_ms: None,
            });
        }
        let answer = guest.calls().delegate(assignments).await;
        let given = self.seen(answer)?.unwrap_or_default();
        Ok(given.into_iter().map(|one| one.ticket).collect())
    }

    async fn wait_for(
        &mut self,
        guest: &mut Guest,
        team: &[delegation::Member],
        given: Vec<String>,
    ) -> Result<(), Stop> {
        let mut pending = given;
        for _ in 0..3 {
            if pending.is_empty() || self.dice.chance(10) {
                return Ok(());
            }
            let join = match self.dice.roll(6) {
                0..3 => delegation::Join::All,
                3 => delegation::Join::Any,
                4 => delegation::Join::Quorum(1 + self.dice.roll(2) as u32),
                _ => delegation::Join::Deadline(self.dice.roll(30_000)),
            };
            let timeouts = [None, None, None, Some(0), Some(700), Some(90_000)];
            let timeout = timeouts[self.dice.roll(6) as usize];
            let answer = guest
                .calls()
                .await_reports(pending.clone(), join, timeout)
                .await;
            match self.seen(answer)? {
                Ok(joined) => pending = joined.pending,
                Err(_) => return Ok(()),
            }
            let Some(one) = self.dice.pick(&pending).cloned() else {
                continue;
            };
            match self.dice.roll(6) {
                0 => {
                    let answer = guest.calls().cancel(one, "no need".to_owned()).await;
                    let _ = self.seen(answer)?;
                }
                1 => {
                    let to = self.dice.pick(team).map(|member| member.agent.id.clone());
                    let to = to.unwrap_or_default();
                    let answer = guest.calls().reassign(one, to, "slow".to_owned()).await;
                    let _ = self.seen(answer)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn relay(&mut self, guest: &mut Guest) -> Result<(), Stop> {
        for _ in 0..1 + self.dice.roll(2) {
            let timeouts = [Some(0), Some(500), Some(20_000), Some(600_000), None];
            let timeout = timeouts[self.dice.roll(5) as usize];
            let message = self.words();
            let answer = guest.calls().call_for_report(message, timeout).await;
            let _ = self.seen(answer)?;
        }
        Ok(())
    }

    /// How it ends, well or badly.
    async fn end(&mut self, attempt: u32) -> Answer {
        let summary = format!("end of {} with {} calls", self.run, self.index);
        let roll = self.dice.roll(if attempt > 2 { 70 } else { 100 });
        let output_json = match self.dice.roll(4) {
            0 => None,
            1 => Some("{\"n\":2}".to_owned()),
            2 => Some("{}".to_owned()),
            _ => Some("no json".to_owned()),
        };
        match roll {
            0..82 => Ok(Ok(Report {
                summary,
                output_json,
            })),
            82..92 => Ok(Err(Failure {
                summary,
                output_json: None,
            })),
            92..97 => Err(Stop::Trapped {
                message: "unreachable".to_owned(),
                backtrace: Vec::new(),
                last_output: String::new(),
            }),
            _ => {
                // It hangs; its time limit ends it.
                std::future::pending::<()>().await;
                unreachable!("nothing ends this wait")
            }
        }
    }
}

#[async_trait]
impl Strategy for Script {
    async fn work(&mut self, task: &Task, guest: &mut Guest) -> Answer {
        // Once in a while it breaks off somewhere in the middle.
        let strays = self.dice.chance(6);
        self.busy(guest, 2).await?;
        if strays {
            self.stray(guest).await?;
        }
        match self.role {
            Role::Boss => self.lead(task, guest).await?,
            Role::Worker => self.busy(guest, 4).await?,
            Role::Liaison => self.relay(guest).await?,
        }
        self.think().await;
        self.end(task.attempt).await
    }
}
