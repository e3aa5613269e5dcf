//! The world of a test: the host's own decisions on a state in memory, and a script that plays everybody
//! else.
//!
//! Invariants: time stands still but for calls (a millisecond each) and waits (to whatever comes next);
//! ids are counted; so the same strategy and script give the same story.

use super::script::{self, Case, Script, fits};
use super::sense::Used;
use adjutant_model::{
    AgentId, AgentLimits, AgentSpec, Author, Authority, Call, CallError, Changes, ChannelId,
    Command, Context, Described, Effect, Ending, GuestCall, Journal, Limits, Member, Message,
    NewTicket, Outcome, Pending, Plugin, Plugins, Record, Reply, ReportOutcome, Run, RunId, State,
    TeamSpec, Terms, Ticket, TicketId, Timestamp, Tx, Violation, WorkResult, Workspace,
    WorkspaceId, WorkspaceSpec, World as Kind, schema,
};
use adjutant_run::{Called, Gone};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use uuid::Uuid;

/// When tests take place: 2026-01-01, 00:00 UTC.
const BEGINNING: Timestamp = 1_767_225_600_000;
/// The plugin of everybody else.
const SCRIPTED: &str = "scripted";
/// Milliseconds that the strategy may compute.
const GUEST_TIME_MS: u64 = 60_000;
/// Steps of the world that one test may take.
const MOST_STEPS: u32 = 100_000;

/// The world, as runs and the test's driver share it.
pub(super) struct World(Mutex<Inner>);

/// All that is in it.
pub(super) struct Inner {
    pub(super) state: State,
    plugins: Plugins,
    limits: Limits,
    script: Script,
    pub(super) now: Timestamp,
    ids: u128,
    steps: u32,
    pub(super) me: AgentId,
    pub(super) root: TicketId,
    journals: HashMap<RunId, Vec<Record>>,
    pub(super) channels: HashMap<ChannelId, Vec<Message>>,
    /// What calls name by its digest.
    pub(super) payloads: BTreeMap<String, Vec<u8>>,
    /// What is to come, in order.
    due: BTreeMap<(Timestamp, u64), Due>,
    dues: u64,
    /// Runs of the strategy under test that are to be started or brought back.
    pub(super) starts: VecDeque<RunId>,
    /// All its runs, in order.
    pub(super) runs: Vec<RunId>,
    /// Tickets whose next assignee is to be chosen, with how often they were tried.
    pub(super) choosing: Vec<(TicketId, u32)>,
    /// Nobody ever answers here. Dropped, they would say that the run is no longer wanted.
    parked: Vec<oneshot::Sender<(Timestamp, Reply)>>,
    pub(super) used: Used,
    asked: HashMap<&'static str, u32>,
}

/// Something that the script lets happen.
#[derive(Clone, Debug)]
enum Due {
    Report(RunId, script::Report),
    Message(TicketId, Author, String),
    External(RunId, script::External),
    Cancel,
}

/// Why a test's world cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Stuck(pub(super) String);

/// The strategy under test, as the world knows it.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) digest: &'a str,
    pub(super) world: Kind,
    /// What its component says of itself; only grants bound it where that is nothing.
    pub(super) described: Option<Arc<Described>>,
    pub(super) config: serde_json::Value,
    pub(super) grants: adjutant_model::Grants,
}

impl World {
    /// A world with its agents, and the task given.
    ///
    /// # Errors
    /// What a host would refuse of it.
    pub(super) fn new(script: &Script, subject: Subject<'_>) -> Result<World, Stuck> {
        let mut plugins = Plugins::default();
        let plugin = |name: &str, version: &str, digest: &str, world| Plugin {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: digest.to_owned(),
            world,
            size: 0,
            builtin: false,
            added_at: BEGINNING,
            source: Default::default(),
        };
        let own = plugin(subject.name, subject.version, subject.digest, subject.world);
        for plugin in [
            own,
            plugin(SCRIPTED, "1.0.0", "sha256:scripted", Kind::Boss),
        ] {
            plugins
                .add(plugin)
                .map_err(|refusal| Stuck(refusal.to_string()))?;
        }
        if let Some(described) = &subject.described {
            plugins.describe(subject.digest, described.clone());
        }
        let mut inner = Inner {
            state: State::new(Workspace {
                wip: adjutant_model::Wip::default(),
                id: WorkspaceId(Uuid::from_u128(1)),
                name: "default".to_owned(),
                repos: Vec::new(),
                created_at: BEGINNING,
            }),
            plugins,
            limits: Limits::default(),
            script: script.clone(),
            now: BEGINNING,
            ids: 0,
            steps: 0,
            me: AgentId(Uuid::nil()),
            root: TicketId(Uuid::nil()),
            journals: HashMap::new(),
            channels: HashMap::new(),
            payloads: BTreeMap::new(),
            due: BTreeMap::new(),
            dues: 0,
            starts: VecDeque::new(),
            runs: Vec::new(),
            choosing: Vec::new(),
            parked: Vec::new(),
            used: Used::new(),
            asked: HashMap::new(),
        };
        inner.begin(subject)?;
        Ok(World(Mutex::new(inner)))
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn begin(&mut self, subject: Subject<'_>) -> Result<(), Stuck> {
        let script = self.script.clone();
        let me = if script.agent.name.is_empty() {
            subject.name.to_owned()
        } else {
            script.agent.name.clone()
        };
        let mut agents = vec![AgentSpec {
            name: me.clone(),
            class: script.agent.class.clone(),
            description: script.agent.description.clone(),
            skills: script.agent.skills.clone(),
            plugin: subject.name.to_owned(),
            config: Some(subject.config),
            grants: subject.grants,
            limits: AgentLimits {
                guest_time_ms: GUEST_TIME_MS,
                ..AgentLimits::default()
            },
            ..AgentSpec::default()
        }];
        let boss = (subject.world == Kind::Boss).then(|| me.clone());
        for (others, boss) in [(&script.team, boss), (&script.others, None)] {
            agents.extend(others.iter().map(|other| AgentSpec {
                name: other.name.clone(),
                class: other.class.clone(),
                description: other.description.clone(),
                skills: other.skills.clone(),
                plugin: SCRIPTED.to_owned(),
                boss: boss.clone(),
                ..AgentSpec::default()
            }));
        }
        self.run(Command::SaveTeam(TeamSpec {
            workspace: WorkspaceSpec::default(),
            agents,
        }))?;
        self.me = self.state.find_agent(&me).map_or(self.me, |agent| agent.id);
        let memory = script.memory.iter();
        let memory = memory.map(|(key, value)| (key.clone(), value.clone().into_bytes()));
        self.state.load_memory(self.me, memory.collect());
        let task = &script.task;
        let outcome = self.run(Command::CreateTicket(NewTicket {
            title: task.title.clone(),
            description: task.description.clone(),
            assignee: Some(me),
            expected_output_schema: task.schema.clone(),
            validation: task.validation,
            deadline_ms: task.deadline_ms,
            terms: Terms {
                budget: task.budget,
                ..Terms::default()
            },
            ..NewTicket::default()
        }))?;
        if let Outcome::Ticket(ticket) = outcome {
            self.root = ticket.id;
        }
        if let Some(after) = script.cancel_after_ms {
            self.after(after, Due::Cancel);
        }
        Ok(())
    }

    /// Carries out a command as a host would.
    ///
    /// # Errors
    /// The host would refuse it.
    pub(super) fn run(&mut self, command: Command) -> Result<Outcome, Stuck> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(Stuck(format!(
                "the test does not end: {MOST_STEPS} steps were taken"
            )));
        }
        let counter = std::cell::Cell::new(self.ids);
        let next = || {
            counter.set(counter.get() + 1);
            id(counter.get())
        };
        let (mut ids, mut tokens) = (next, next);
        let context = Context {
            now: self.now,
            ids: &mut ids,
            tokens: &mut tokens,
            plugins: &self.plugins,
            limits: &self.limits,
            base_url: "http://127.0.0.1:5174",
        };
        let result = Tx::run(&mut self.state, context, command);
        self.ids = counter.get();
        let (outcome, changes) = result.map_err(|refusal| Stuck(refusal.to_string()))?;
        self.take(changes);
        Ok(outcome)
    }

    fn take(&mut self, changes: Changes) {
        for (channel, _, message) in changes.messages {
            self.channels.entry(channel).or_default().push(message);
        }
        for (run, _, records) in changes.journal {
            self.journals.entry(run).or_default().extend(records);
        }
        for effect in changes.effects {
            match effect {
                Effect::Start(run) => self.started(run),
                Effect::Wake { run, .. } if self.runs.contains(&run) => self.starts.push_back(run),
                Effect::Stop(run) => {
                    self.starts.retain(|start| *start != run);
                    self.due
                        .retain(|_, due| !matches!(due, Due::Report(of, _) if *of == run));
                }
                Effect::Choose { ticket, tried } => self.choosing.push((ticket, tried)),
                Effect::Wake { .. } | Effect::Clean { .. } | Effect::Count { .. } => {}
            }
        }
    }

    fn started(&mut self, id: RunId) {
        let Some(run) = self.state.run(id) else {
            return;
        };
        if run.agent == self.me {
            self.runs.push(id);
            self.starts.push_back(id);
            return;
        }
        let title = self
            .state
            .ticket(run.ticket)
            .map_or("", |ticket| &ticket.title)
            .to_owned();
        let name = self
            .state
            .agent(run.agent)
            .map_or("", |agent| &agent.name)
            .to_owned();
        let attempt = run.attempt;
        let found = self.pick(
            "reports",
            |script| &script.reports,
            |report| {
                let times = report.times;
                let fitting = fits(report.agent.as_ref(), &name)
                    && fits(report.title.as_ref(), &title)
                    && report.attempt.is_none_or(|wanted| wanted == attempt);
                (fitting, times)
            },
        );
        let report = found.unwrap_or_else(|| script::Report {
            agent: None,
            title: None,
            attempt: None,
            outcome: ReportOutcome::Completed,
            summary: format!("done: {title}"),
            output: None,
            after_ms: 1_000,
            never: false,
            times: None,
        });
        if !report.never {
            self.after(report.after_ms, Due::Report(id, report));
        }
    }

    /// The first entry of a list that fits and is not used up.
    fn pick<T: Clone>(
        &mut self,
        list: &'static str,
        of: impl Fn(&Script) -> &Vec<T>,
        fits: impl Fn(&T) -> (bool, Option<u32>),
    ) -> Option<T> {
        for (place, entry) in of(&self.script).iter().enumerate() {
            let used = self.used.entry((list, place)).or_default();
            let (fitting, times) = fits(entry);
            if fitting && times.is_none_or(|times| *used < times) {
                *used += 1;
                return Some(entry.clone());
            }
        }
        None
    }

    fn after(&mut self, ms: u64, due: Due) {
        self.dues += 1;
        self.due
            .insert((self.now.saturating_add(ms), self.dues), due);
    }

    /// Lets the next thing happen, whatever it is; false where nothing ever will.
    ///
    /// # Errors
    /// The script lets happen what a host would refuse.
    pub(super) fn step(&mut self) -> Result<bool, Stuck> {
        let scripted = self.due.first_key_value().map(|(key, _)| key.0);
        let timer = self.state.next_timer();
        let at = match (scripted, timer) {
            (None, None) => return Ok(false),
            (Some(at), None) | (None, Some(at)) => at,
            (Some(a), Some(b)) => a.min(b),
        };
        self.now = self.now.max(at);
        if scripted != Some(at) {
            self.run(Command::Tick)?;
            return Ok(true);
        }
        if let Some((_, due)) = self.due.pop_first() {
            self.happen(due)?;
        }
        Ok(true)
    }

    fn happen(&mut self, due: Due) -> Result<(), Stuck> {
        let command = match due {
            Due::Report(run, report) => self.report(run, report),
            Due::Message(ticket, author, text) => Command::PostMessage {
                ticket,
                author,
                text,
                reply_to: None,
            },
            Due::External(run, report) => Command::ExternalReport {
                agent: self.me,
                delegation: self.state.run(run).map(|run| run.ticket),
                token: self.state.run(run).map(|run| run.token),
                outcome: report.outcome,
                summary: report.summary,
                output: report.output,
                usage: adjutant_model::Spend::default(),
            },
            Due::Cancel => {
                self.used.insert(("cancel_after_ms", 0), 1);
                Command::CancelTicket {
                    ticket: self.root,
                    reason: "cancelled by the test".to_owned(),
                }
            }
        };
        self.run(command).map(drop)
    }

    fn report(&self, run: RunId, report: script::Report) -> Command {
        let ticket = self
            .state
            .run(run)
            .and_then(|run| self.state.ticket(run.ticket));
        let schema = ticket.and_then(|ticket| ticket.expected_output_schema.as_ref());
        let violations = schema::check_output(schema, report.output.as_ref());
        Command::EndRun {
            run,
            pending: Vec::new(),
            guest_us: 0,
            ending: Ending::Worked {
                result: WorkResult {
                    completed: report.outcome == ReportOutcome::Completed,
                    summary: report.summary,
                    output: report.output,
                },
                violations,
                branches: Vec::new(),
            },
        }
    }

    /// What the script makes of a call before it is decided: an error, where it says so.
    fn scripted_error(&mut self, call: &Call) -> Option<CallError> {
        let name = call.name();
        let nth = self.asked.entry(name).or_default();
        *nth += 1;
        let nth = *nth;
        let mut errors = self.script.errors.iter().enumerate();
        let (place, failing) = errors.find(|(_, failing)| {
            failing.call == name && failing.nth.is_none_or(|wanted| wanted == nth)
        })?;
        *self.used.entry(("errors", place)).or_default() += 1;
        let text = if failing.text.is_empty() {
            "the test lets this call fail".to_owned()
        } else {
            failing.text.clone()
        };
        Some(match failing.error {
            Case::Denied => CallError::Denied(text),
            Case::NotFound => CallError::NotFound(text),
            Case::Invalid => CallError::Invalid(vec![Violation::new("", text)]),
            Case::Limit => CallError::Limit(text),
            Case::Cancelled => CallError::Cancelled(text),
            Case::Deadline => CallError::Deadline(text),
            Case::Unavailable => CallError::Unavailable(text),
            Case::Other => CallError::Other(text),
        })
    }

    /// Whoever is asked answers, as the script has it.
    fn waits(&mut self, run: RunId, call: &Call) {
        match call {
            Call::Ask { member, text, .. } => {
                let found = self.pick(
                    "answers",
                    |script| &script.answers,
                    |answer| {
                        let fitting = fits(answer.member.as_ref(), member)
                            && fits(answer.question.as_ref(), text);
                        (fitting, answer.times)
                    },
                );
                let ticket = self.state.run(run).map(|run| run.ticket);
                if let (Some(answer), Some(ticket)) = (found, ticket) {
                    let author = match self.state.find_agent(member) {
                        Some(agent) => Author::Agent(agent.id),
                        None => Author::Person(member.clone()),
                    };
                    self.after(answer.after_ms, Due::Message(ticket, author, answer.text));
                }
            }
            Call::CallForReport { .. } => {
                let found = self.pick(
                    "external",
                    |script| &script.external,
                    |external| (true, external.times),
                );
                if let Some(external) = found {
                    self.after(external.after_ms, Due::External(run, external));
                }
            }
            _ => {}
        }
    }

    /// Journals answered calls, and decides on one more.
    pub(super) fn call(
        &mut self,
        run: RunId,
        mut pending: Vec<Pending>,
        mut call: Option<GuestCall>,
    ) -> Result<Called, Gone> {
        let mut refused = None;
        if let Some(asked) = &call {
            self.now += 1;
            if let Some(payload) = &asked.payload
                && let Call::MemoryPut { digest, .. } = &asked.call
            {
                self.payloads.insert(digest.clone(), payload.clone());
            }
            if let Some(error) = self.scripted_error(&asked.call) {
                pending.push(Pending {
                    index: asked.index,
                    at: self.now,
                    call: asked.call.clone(),
                    reply: Err(error.clone()),
                    message: None,
                });
                refused = Some(error);
                call = None;
            }
        }
        let asked = call.as_ref().map(|call| call.call.clone());
        let command = Command::Guest {
            run,
            pending,
            // What it computes is never the same twice.
            guest_us: 0,
            call,
        };
        let outcome = self.run(command).map_err(|Stuck(why)| Gone(why))?;
        if let Some(error) = refused {
            return Ok(Called::Reply(self.now, Err(error)));
        }
        match outcome {
            Outcome::Reply(at, reply) => Ok(Called::Reply(at, reply)),
            Outcome::Waiting => {
                if let Some(asked) = &asked {
                    self.waits(run, asked);
                }
                // It is parked at once and brought back from its journal, as a host does it.
                let (sender, receiver) = oneshot::channel();
                self.parked.push(sender);
                Ok(Called::Waiting(receiver))
            }
            _ => Ok(Called::Journaled),
        }
    }

    /// A run's journal so far.
    ///
    /// # Errors
    /// It does not fit together, which would be a fault of the host's.
    pub(super) fn journal(&self, run: RunId) -> Result<Journal, Stuck> {
        let records = self.journals.get(&run).into_iter().flatten().cloned();
        Journal::from_records(records).map_err(|error| Stuck(error.to_string()))
    }

    /// A run with its ticket.
    pub(super) fn of_run(&self, run: RunId) -> Option<(&Run, &Ticket)> {
        let run = self.state.run(run)?;
        Some((run, self.state.ticket(run.ticket)?))
    }

    /// What a run may use at most: as on a host, also no more than its plugin's manifest wants.
    pub(super) fn authority(&self, run: &Run) -> Authority {
        let described = self.plugins.described(&run.plugin.digest);
        Authority {
            manifest: described.map(|described| described.manifest.clone()),
            ..self.state.authority(run.ticket)
        }
    }

    /// The agents that may have a ticket next.
    pub(super) fn team(&self) -> Vec<Member> {
        let team = self.state.team(self.me);
        team.into_iter()
            .map(|agent| self.state.member(agent))
            .collect()
    }
}

impl Inner {
    /// A new id, greater than those before.
    pub(super) fn id(&mut self) -> Uuid {
        self.ids += 1;
        id(self.ids)
    }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n)
}
