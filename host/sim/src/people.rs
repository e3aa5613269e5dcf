//! People and programs outside: they make tickets, change their minds, talk, and report, at the worst
//! moments, and remember what they were told.

use crate::dice::Dice;
use crate::outside::{Fate, Outside, Ticketed};
use crate::script::PERSON;
use adjutant_dispatch::{Host, HostError, Reported};
use adjutant_model::{
    AgentId, AgentSpec, Author, NewTicket, ReportOutcome, Spend, Status, TeamSpec, TicketId, Token,
    Validation, WaitKind, WorkspaceId, WorkspaceSpec,
};
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

/// A workspace's team before it exists.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) repos: bool,
    pub(crate) agents: Vec<AgentSpec>,
}

impl Plan {
    /// A boss with a team, at times with a boss below it.
    pub(crate) fn new(name: String, dice: &mut Dice) -> Plan {
        let repos = dice.chance(40);
        let mut agents = Vec::new();
        let mut agent = |name: &str, plugin: &str, boss: Option<&str>, at_once: u64| {
            let mut spec = AgentSpec {
                name: name.to_owned(),
                plugin: plugin.to_owned(),
                boss: boss.map(str::to_owned),
                ..AgentSpec::default()
            };
            spec.limits.max_concurrent = at_once as u32;
            // Longer than any strategy thinks, and an end for those that hang.
            spec.limits.run_time_ms = 300_000;
            spec.limits.max_rejections = 2;
            if repos {
                spec.grants.commands = vec![vec![crate::worktrees::DO.to_owned(), "*".to_owned()]];
            }
            agents.push(spec);
        };
        agent("boss", "boss", None, dice.between(1, 3));
        agent("ada", "worker", Some("boss"), dice.between(1, 2));
        agent("bob", "worker", Some("boss"), 1);
        agent("eve", "liaison", Some("boss"), dice.between(1, 2));
        if dice.chance(50) {
            agent("lead", "boss", Some("boss"), dice.between(1, 2));
            agent("dev", "worker", Some("lead"), 1);
            agent("ops", "liaison", Some("lead"), 1);
        }
        agent("sol", "worker", None, 1);
        Plan {
            name,
            repos,
            agents,
        }
    }

    pub(crate) fn spec(&self) -> TeamSpec {
        let repo = adjutant_model::Repo {
            name: "repo".to_owned(),
            path: "/repo".to_owned(),
            base: None,
        };
        let mut workspace = WorkspaceSpec::default();
        workspace.name.clone_from(&self.name);
        workspace.repos = self.repos.then(|| vec![repo]);
        TeamSpec {
            workspace,
            agents: self.agents.clone(),
        }
    }
}

/// Saves the teams, as often as it takes. What is saved already is saved once more.
pub(crate) async fn settle(host: &Host, plans: &[Plan], outside: &Outside) {
    for plan in plans {
        loop {
            match host.apply(plan.spec()).await {
                Ok((workspace, _)) => {
                    let mut memory = outside.lock();
                    let known = memory.workspaces.insert(plan.name.clone(), workspace.id);
                    drop(memory);
                    if known.is_some_and(|known| known != workspace.id) {
                        outside.violated(format!("there are two workspaces {:?}", plan.name));
                    }
                    break;
                }
                Err(HostError::Refused(why)) => {
                    outside.violated(format!("a good team was refused: {why}"));
                    break;
                }
                Err(_) => sleep(Duration::from_millis(300)).await,
            }
        }
    }
}

/// One person who does a few things.
pub(crate) struct Client {
    pub(crate) host: Host,
    pub(crate) outside: Outside,
    pub(crate) dice: Dice,
    pub(crate) plans: Vec<Plan>,
    pub(crate) actions: u64,
    /// Of a hundred actions, how many may interfere with work that is going on.
    pub(crate) meddles: u64,
}

impl Client {
    pub(crate) async fn work(mut self) {
        for _ in 0..self.actions {
            let most = [5, 200, 4_000][self.dice.roll(3) as usize];
            sleep(Duration::from_millis(self.dice.roll(most))).await;
            self.act().await;
        }
        self.outside.lock().people_left -= 1;
    }

    fn workspace(&mut self) -> Option<(WorkspaceId, Plan)> {
        let plan = self.dice.pick(&self.plans)?.clone();
        let id = self.outside.lock().workspaces.get(&plan.name).copied()?;
        Some((id, plan))
    }

    fn ticket(&mut self) -> Option<(WorkspaceId, TicketId)> {
        let memory = self.outside.lock();
        let tickets = &memory.tickets;
        // The newest are the ones that something happens to.
        let from = tickets.len().saturating_sub(8);
        self.dice.pick(&tickets[from..]).copied()
    }

    async fn act(&mut self) {
        self.outside.lock().counts.commands += 1;
        let calm = !self.dice.chance(self.meddles);
        match self.dice.roll(if calm { 11 } else { 20 }) {
            0..8 => self.create().await,
            8..11 => self.post().await,
            11..13 => self.cancel().await,
            13..15 => self.assign().await,
            15..18 => self.set_status().await,
            18 => self.collaborator().await,
            _ => self.retrain().await,
        }
    }

    async fn create(&mut self) {
        let Some((workspace, plan)) = self.workspace() else {
            return;
        };
        let agent = if self.dice.chance(60) {
            Some("boss".to_owned())
        } else {
            self.dice.pick(&plan.agents).map(|agent| agent.name.clone())
        };
        let title = self.outside.word("c-");
        let parent = self.ticket().filter(|(home, _)| *home == workspace);
        let deadlines = [Some(30), Some(3_000), Some(400_000)];
        let new = NewTicket {
            title: title.clone(),
            assignee: agent.filter(|_| self.dice.chance(92)),
            parent: parent.map(|one| one.1).filter(|_| self.dice.chance(10)),
            expected_output_schema: self
                .dice
                .chance(20)
                .then(|| serde_json::json!({"type": "object", "required": ["n"]})),
            validation: if self.dice.chance(30) {
                Validation::Permissive
            } else {
                Validation::Strict
            },
            deadline_ms: if self.dice.chance(15) {
                deadlines[self.dice.roll(3) as usize]
            } else {
                None
            },
            ..NewTicket::default()
        };
        let result = self.host.create_ticket(workspace, new).await;
        let fate = self.fate("create", &title, &result);
        let mut memory = self.outside.lock();
        memory.titles.insert(title, fate);
        if let Ok(ticket) = result {
            memory.tickets.push((workspace, ticket.id));
        }
    }

    fn fate<T>(&self, what: &str, about: &str, result: &Result<T, HostError>) -> Fate {
        let fate = fate_of(result);
        if fate == Fate::Refused {
            self.outside.lock().counts.refused += 1;
        }
        self.outside.trace(|| match result {
            Ok(_) => format!("person: {what} {about}: done"),
            Err(error) => format!("person: {what} {about}: {error}"),
        });
        fate
    }

    async fn post(&mut self) {
        let Some((workspace, ticket)) = self.ticket() else {
            return;
        };
        let text = self.outside.word("m-");
        let posted = self
            .host
            .post_message(workspace, ticket, PERSON.to_owned(), text.clone(), None)
            .await;
        let fate = self.fate("post", &text, &posted);
        let mut memory = self.outside.lock();
        memory.posts.insert(text, (ticket, fate));
        if let Ok(message) = posted {
            memory.messages.push((ticket, message.id));
        }
    }

    async fn cancel(&mut self) {
        let Some((workspace, ticket)) = self.ticket() else {
            return;
        };
        let reason = "changed my mind".to_owned();
        let cancelled = self.host.cancel_ticket(workspace, ticket, reason).await;
        if self.fate("cancel", &ticket.to_string(), &cancelled) == Fate::Acknowledged {
            self.outside.lock().cancelled.insert((workspace, ticket));
        }
    }

    async fn assign(&mut self) {
        let Some((workspace, ticket)) = self.ticket() else {
            return;
        };
        let plan = self.plans[0].agents.clone();
        let agent = self.dice.pick(&plan).map(|agent| agent.name.clone());
        let assigned = self
            .host
            .assign_ticket(
                workspace,
                ticket,
                agent.unwrap_or_default(),
                "you do it".to_owned(),
                None,
            )
            .await;
        self.fate("assign", &ticket.to_string(), &assigned);
    }

    async fn set_status(&mut self) {
        let Some((workspace, ticket)) = self.ticket() else {
            return;
        };
        let statuses = [
            Status::Open,
            Status::Open,
            Status::Blocked,
            Status::InReview,
            Status::InProgress,
            Status::InProgress,
            Status::Backlog,
            Status::Done,
            Status::Failed,
            Status::Cancelled,
        ];
        let status = statuses[self.dice.roll(10) as usize];
        let force = self.dice.chance(70);
        let set = self.host.set_status(workspace, ticket, status, force).await;
        self.fate("set", &format!("{ticket} to {status}"), &set);
    }

    async fn collaborator(&mut self) {
        if let Some((workspace, ticket)) = self.ticket() {
            let added = self
                .host
                .add_collaborator(workspace, ticket, "sol".to_owned())
                .await;
            self.fate("add sol to", &ticket.to_string(), &added);
        }
    }

    async fn retrain(&mut self) {
        let Some((_, mut plan)) = self.workspace() else {
            return;
        };
        for agent in &mut plan.agents {
            agent.description = self.outside.word("as ");
        }
        let saved = self.host.apply(plan.spec()).await;
        self.fate("save team", &plan.name, &saved);
    }
}

fn fate_of<T>(result: &Result<T, HostError>) -> Fate {
    match result {
        Ok(_) => Fate::Acknowledged,
        // The batch may be on disk, or may come there.
        Err(HostError::Unavailable(_) | HostError::Full { .. }) => Fate::Unknown,
        Err(_) => Fate::Refused,
    }
}

/// Someone who answers questions and reports from outside, rightly and wrongly, as long as the host
/// lives.
pub(crate) struct Reporter {
    pub(crate) host: Host,
    pub(crate) outside: Outside,
    pub(crate) dice: Dice,
}

impl Reporter {
    pub(crate) async fn work(mut self) {
        loop {
            let most = if self.outside.lock().people_left == 0 {
                90_000
            } else {
                3_000
            };
            sleep(Duration::from_millis(100 + self.dice.roll(most))).await;
            let Ok(worlds) = self.host.look_inside().await else {
                continue;
            };
            let mut waiting = Vec::new();
            for inside in worlds {
                self.answer(&inside).await;
                for run in inside.state.live_runs() {
                    let ticketed = Ticketed {
                        workspace: inside.workspace,
                        run: run.id,
                        agent: run.agent,
                        ticket: run.ticket,
                        token: run.token,
                    };
                    let kind = run.wait.as_ref().map(|wait| &wait.kind);
                    if kind == Some(&WaitKind::External) {
                        waiting.push(ticketed);
                    }
                    let mut memory = self.outside.lock();
                    if !memory.reporters.contains(&ticketed) {
                        memory.reporters.push(ticketed);
                        memory.reporters.sort_unstable_by_key(|one| one.run);
                    }
                }
            }
            waiting.sort_unstable_by_key(|one| one.run);
            self.report(&waiting).await;
        }
    }

    /// Answers one of the questions that someone waits with.
    async fn answer(&mut self, inside: &adjutant_dispatch::Inside) {
        let runs = inside.state.live_runs();
        let mut asked: Vec<(TicketId, adjutant_model::MessageId)> = runs
            .filter_map(|run| match run.wait.as_ref().map(|wait| &wait.kind) {
                Some(WaitKind::Answer { question, member })
                    if *member == Author::Person(PERSON.to_owned()) =>
                {
                    Some((run.ticket, *question))
                }
                _ => None,
            })
            .collect();
        asked.sort_unstable();
        let Some((ticket, question)) = self.dice.pick(&asked).copied() else {
            return;
        };
        if self.dice.chance(40) {
            return;
        }
        let text = self.outside.word("m-");
        let reply_to = self.dice.chance(60).then_some(question);
        let answered = self
            .host
            .post_message(
                inside.workspace,
                ticket,
                PERSON.to_owned(),
                text.clone(),
                reply_to,
            )
            .await;
        let fate = fate_of(&answered);
        self.outside.lock().posts.insert(text, (ticket, fate));
    }

    /// Reports: rightly, with what belongs to another, too late, or twice.
    async fn report(&mut self, waiting: &[Ticketed]) {
        let reporters = self.outside.lock().reporters.clone();
        let from = reporters.len().saturating_sub(10);
        let among = if !waiting.is_empty() && self.dice.chance(70) {
            waiting
        } else if self.dice.chance(30) {
            &reporters[from..]
        } else {
            return;
        };
        let Some(right) = self.dice.pick(among).copied() else {
            return;
        };
        let mut shown = right;
        let mut wrong = false;
        match self.dice.roll(8) {
            0 => {
                let other = self.dice.pick(&reporters).copied().unwrap_or(right);
                wrong = other.agent != right.agent;
                shown.agent = other.agent;
            }
            1 => {
                let other = self.dice.pick(&reporters).copied().unwrap_or(right);
                wrong = other.ticket != right.ticket;
                shown.ticket = other.ticket;
            }
            2 => {
                shown.token = Token(Uuid::from_u128(7));
                wrong = true;
            }
            _ => {}
        }
        // A run that is over stays so: whoever reports on it now is too late.
        let over = match self.host.run(right.workspace, right.run).await {
            Ok(run) => run.is_over(),
            Err(_) => false,
        };
        let times = if self.dice.chance(25) { 2 } else { 1 };
        for _ in 0..times {
            self.report_once(right, shown, wrong || over).await;
        }
    }

    async fn report_once(&mut self, right: Ticketed, shown: Ticketed, wrong: bool) {
        let summary = self.outside.word("r-");
        let outcome = if self.dice.chance(80) {
            ReportOutcome::Completed
        } else {
            ReportOutcome::Failed
        };
        let agent: AgentId = shown.agent;
        let reported = self
            .host
            .external_report(
                right.workspace,
                agent,
                Some(shown.ticket),
                Some(shown.token),
                Reported {
                    outcome,
                    summary: summary.clone(),
                    output: Some(serde_json::json!({"said": summary})),
                    usage: Spend::default(),
                },
            )
            .await;
        self.outside.trace(|| {
            let what = format!("report {summary} for run {}", right.run);
            match &reported {
                Ok(Ok(_)) => format!("outside: {what}: taken"),
                Ok(Err(why)) => format!("outside: {what}: {why}"),
                Err(error) => format!("outside: {what}: {error}"),
            }
        });
        let fate = match &reported {
            Ok(Err(_)) => Fate::Refused,
            other => fate_of(other),
        };
        if fate == Fate::Acknowledged && wrong {
            self.outside.violated(format!(
                "a report that is stale or foreign was taken for run {}",
                right.run
            ));
        }
        let mut memory = self.outside.lock();
        memory.counts.commands += 1;
        memory.counts.refused += u64::from(fate == Fate::Refused);
        memory.reports.insert(summary, (Some(right.run), fate));
    }
}
