//! A workspace to tell stories about: counted ids, a clock that the test moves, a small team.
//!
//! `kai` is a boss with `ada`, `bob` and `lead`; `lead` is a boss with `dev`. `sol` is alone.

#![allow(dead_code, reason = "the walk in `src/walk.rs` uses a part of it")]

use adjutant_model::{
    AgentId, AgentSpec, Answer, Assignment, Call, CallError, Changes, Choice, Command, Confidence,
    Context, Ending, EventKind, GuestCall, Join, Joined, Limits, Message, NewTicket, Outcome,
    Plugin, Plugins, Record, Refusal, Reply, ReportOutcome, Run, RunId, State, Status, TeamSpec,
    Ticket, TicketId, Timestamp, Tx, Validation, Violation, WorkResult, Workspace, WorkspaceId,
    WorkspaceSpec, World,
};
use serde_json::Value;
use uuid::Uuid;

/// A workspace, and all that it has said so far.
pub(crate) struct Story {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) plugins: Plugins,
    pub(crate) limits: Limits,
    counter: u128,
    /// What the last command that was carried out changed.
    pub(crate) last: Changes,
    /// All events so far.
    pub(crate) events: Vec<EventKind>,
    /// All messages so far, with the ticket of their channel.
    pub(crate) messages: Vec<(TicketId, Message)>,
    /// All journal records so far.
    pub(crate) journal: Vec<(RunId, Record)>,
}

fn plugin(name: &str, world: World) -> Plugin {
    Plugin {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        digest: format!("sha256:{name}"),
        world,
        size: 1,
        builtin: true,
        added_at: 0,
        source: Default::default(),
    }
}

/// An agent of the test's team.
pub(crate) fn spec(name: &str, plugin: &str, boss: Option<&str>) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        plugin: plugin.to_owned(),
        boss: boss.map(str::to_owned),
        ..AgentSpec::default()
    }
}

/// A task for someone by name, or for whom the selector finds.
pub(crate) fn task(title: &str) -> Assignment {
    Assignment {
        terms: adjutant_model::Terms::default(),
        blocked_by: Vec::new(),
        title: title.to_owned(),
        description: format!("do {title}"),
        assignee: None,
        notes: String::new(),
        expected_output_schema: None,
        validation: Validation::Strict,
        deadline_ms: None,
        key: None,
    }
}

impl Story {
    pub(crate) fn empty() -> Story {
        let mut plugins = Plugins::default();
        for (name, world) in [
            ("boss", World::Boss),
            ("worker", World::Subordinate),
            ("chooser", World::Selector),
        ] {
            plugins.add(plugin(name, world)).expect("new");
        }
        Story {
            state: State::new(Workspace {
                wip: adjutant_model::Wip::default(),
                id: WorkspaceId(Uuid::from_u128(1)),
                name: "default".to_owned(),
                repos: Vec::new(),
                created_at: 0,
            }),
            now: 1_000,
            plugins,
            limits: Limits::default(),
            counter: 1_000,
            last: Changes::default(),
            events: Vec::new(),
            messages: Vec::new(),
            journal: Vec::new(),
        }
    }

    pub(crate) fn new() -> Story {
        let mut story = Story::empty();
        let agents = vec![
            spec("kai", "boss", None),
            spec("ada", "worker", Some("kai")),
            spec("bob", "worker", Some("kai")),
            spec("lead", "boss", Some("kai")),
            spec("dev", "worker", Some("lead")),
            spec("sol", "worker", None),
        ];
        story.team(agents).expect("a good team");
        story
    }

    pub(crate) fn team(&mut self, agents: Vec<AgentSpec>) -> Result<Outcome, Refusal> {
        self.run(Command::SaveTeam(TeamSpec {
            workspace: WorkspaceSpec::default(),
            agents,
        }))
    }

    /// Carries out a command; one that is refused must have changed nothing.
    pub(crate) fn run(&mut self, command: Command) -> Result<Outcome, Refusal> {
        let before = self.state.clone();
        let counter = std::cell::Cell::new(self.counter);
        let mut next = || {
            counter.set(counter.get() + 1);
            Uuid::from_u128(counter.get())
        };
        let mut tokens = || Uuid::from_u128(counter.get() << 64 | 7);
        let context = Context {
            now: self.now,
            ids: &mut next,
            tokens: &mut tokens,
            plugins: &self.plugins,
            limits: &self.limits,
            base_url: "http://localhost:7777",
        };
        let shown = format!("{command:?}");
        let result = Tx::run(&mut self.state, context, command);
        self.counter = counter.get();
        match result {
            Ok((outcome, changes)) => {
                self.events
                    .extend(changes.events.iter().map(|event| event.kind.clone()));
                for (channel, _, message) in &changes.messages {
                    self.messages.push((TicketId(channel.0), message.clone()));
                }
                for (run, _, records) in &changes.journal {
                    let records = records.iter().cloned();
                    self.journal.extend(records.map(|record| (*run, record)));
                }
                self.last = changes;
                Ok(outcome)
            }
            Err(refusal) => {
                assert!(before == self.state, "refused, and yet changed: {shown}");
                Err(refusal)
            }
        }
    }

    /// Carries out a command that must be refused, and gives the reason.
    pub(crate) fn refused(&mut self, command: Command) -> Refusal {
        match self.run(command.clone()) {
            Err(refusal) => refusal,
            Ok(outcome) => panic!("{command:?} was not refused: {outcome:?}"),
        }
    }

    pub(crate) fn later(&mut self, ms: u64) {
        self.now += ms;
        self.run(Command::Tick).expect("time passes");
    }

    pub(crate) fn agent(&self, name: &str) -> AgentId {
        self.state.find_agent(name).expect("a known agent").id
    }

    pub(crate) fn ticket(&self, id: TicketId) -> &Ticket {
        self.state.ticket(id).expect("a known ticket")
    }

    pub(crate) fn status(&self, id: TicketId) -> Status {
        self.ticket(id).status
    }

    /// The live run of a ticket.
    pub(crate) fn live(&self, id: TicketId) -> Option<&Run> {
        let run = self.state.run(self.ticket(id).run?)?;
        (!run.is_over()).then_some(run)
    }

    pub(crate) fn run_of(&self, id: TicketId) -> RunId {
        self.live(id)
            .unwrap_or_else(|| panic!("{:?} has a live run", self.ticket(id)))
            .id
    }

    /// What an agent works on, and how many wait in its queue.
    pub(crate) fn desk(&self, name: &str) -> (Vec<TicketId>, u32) {
        let agent = self.state.find_agent(name).expect("a known agent");
        let member = self.state.member(agent);
        (member.current, member.queued)
    }

    pub(crate) fn create(&mut self, new: NewTicket) -> TicketId {
        match self.run(Command::CreateTicket(new)).expect("a good ticket") {
            Outcome::Ticket(ticket) => ticket.id,
            other => panic!("{other:?}"),
        }
    }

    /// A new ticket for an agent.
    pub(crate) fn give(&mut self, to: &str, title: &str) -> TicketId {
        self.create(NewTicket {
            title: title.to_owned(),
            assignee: Some(to.to_owned()),
            ..NewTicket::default()
        })
    }

    pub(crate) fn assign(&mut self, ticket: TicketId, to: &str) -> Result<Outcome, Refusal> {
        self.run(Command::AssignTicket {
            ticket,
            agent: to.to_owned(),
            reason: "because".to_owned(),
            unchanged_since: None,
        })
    }

    pub(crate) fn set(&mut self, ticket: TicketId, status: Status, force: bool) {
        self.run(Command::SetStatus {
            ticket,
            status,
            force,
        })
        .expect("a possible status");
    }

    pub(crate) fn cancel(&mut self, ticket: TicketId) {
        self.run(Command::CancelTicket {
            ticket,
            reason: "no need".to_owned(),
        })
        .expect("can be cancelled");
    }

    /// A guest's call in full.
    pub(crate) fn guest(&mut self, ticket: TicketId, call: GuestCall) -> Option<Reply> {
        let run = self.run_of(ticket);
        match self
            .run(Command::Guest {
                run,
                pending: Vec::new(),
                guest_us: 0,
                call: Some(call),
            })
            .expect("a live run")
        {
            Outcome::Reply(_, reply) => Some(reply),
            Outcome::Waiting => None,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn next_call(&self, ticket: TicketId, call: Call) -> GuestCall {
        GuestCall {
            index: self.live(ticket).map_or(0, |run| run.calls),
            call,
            payload: None,
            choices: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// A guest's call that is answered at once.
    pub(crate) fn call(&mut self, ticket: TicketId, call: Call) -> Result<Answer, CallError> {
        let call = self.next_call(ticket, call);
        self.guest(ticket, call).expect("an answer at once")
    }

    /// A guest's call that waits.
    pub(crate) fn waits(&mut self, ticket: TicketId, call: Call) {
        let call = self.next_call(ticket, call);
        let reply = self.guest(ticket, call);
        assert!(reply.is_none(), "it was to wait: {reply:?}");
    }

    pub(crate) fn delegate(
        &mut self,
        ticket: TicketId,
        to: &[(&str, &str)],
    ) -> Result<Vec<TicketId>, CallError> {
        let assignments = to
            .iter()
            .map(|(name, title)| Assignment {
                assignee: Some(self.agent(name)),
                ..task(title)
            })
            .collect();
        self.delegate_all(ticket, assignments)
    }

    pub(crate) fn delegate_all(
        &mut self,
        ticket: TicketId,
        assignments: Vec<Assignment>,
    ) -> Result<Vec<TicketId>, CallError> {
        match self.call(ticket, Call::Delegate { assignments })? {
            Answer::Delegated(all) => Ok(all.into_iter().map(|one| one.ticket).collect()),
            other => panic!("{other:?}"),
        }
    }

    /// Delegates with what the selector found.
    pub(crate) fn delegate_chosen(
        &mut self,
        ticket: TicketId,
        assignments: Vec<Assignment>,
        choices: Vec<Option<Result<(AgentId, Choice), String>>>,
    ) -> Result<Answer, CallError> {
        let mut call = self.next_call(ticket, Call::Delegate { assignments });
        call.choices = choices;
        self.guest(ticket, call).expect("an answer at once")
    }

    pub(crate) fn awaits(&self, tickets: &[TicketId], join: Join) -> Call {
        Call::AwaitReports {
            tickets: tickets.to_vec(),
            join,
            timeout_ms: None,
        }
    }

    /// The answer that a run's last wait got.
    pub(crate) fn answered(&self, run: RunId) -> Option<&Reply> {
        self.journal
            .iter()
            .rev()
            .find_map(|(owner, record)| match record {
                Record::Answered { reply, .. } if *owner == run => Some(reply),
                _ => None,
            })
    }

    pub(crate) fn joined(&self, run: RunId) -> Joined {
        match self.answered(run) {
            Some(Ok(Answer::Joined(joined))) => joined.clone(),
            other => panic!("no join was answered: {other:?}"),
        }
    }

    /// The strategy answers.
    pub(crate) fn end(&mut self, ticket: TicketId, ending: Ending) {
        let run = self.run_of(ticket);
        self.run(Command::EndRun {
            run,
            pending: Vec::new(),
            guest_us: 0,
            ending,
        })
        .expect("a live run");
    }

    pub(crate) fn done(&mut self, ticket: TicketId) {
        self.works(ticket, true, None, Vec::new());
    }

    pub(crate) fn fails(&mut self, ticket: TicketId) {
        self.works(ticket, false, None, Vec::new());
    }

    pub(crate) fn works(
        &mut self,
        ticket: TicketId,
        completed: bool,
        output: Option<Value>,
        violations: Vec<Violation>,
    ) {
        let summary = if completed { "all good" } else { "no luck" };
        self.end(
            ticket,
            Ending::Worked {
                result: WorkResult {
                    completed,
                    summary: summary.to_owned(),
                    output,
                },
                violations,
                branches: Vec::new(),
            },
        );
    }

    pub(crate) fn texts(&self, ticket: TicketId) -> Vec<&str> {
        self.messages
            .iter()
            .filter(|(channel, _)| *channel == ticket)
            .map(|(_, message)| message.text.as_str())
            .collect()
    }

    pub(crate) fn report(
        &mut self,
        agent: &str,
        delegation: Option<TicketId>,
        token: Option<adjutant_model::Token>,
    ) -> Result<Option<AgentId>, String> {
        let agent = self.agent(agent);
        let outcome = self.run(Command::ExternalReport {
            agent,
            delegation,
            token,
            outcome: ReportOutcome::Completed,
            summary: "done outside".to_owned(),
            output: None,
            usage: adjutant_model::Spend::default(),
        });
        match outcome.expect("a known agent") {
            Outcome::External { boss, refused } => refused.map_or(Ok(boss), Err),
            other => panic!("{other:?}"),
        }
    }
}

/// What a selector might say.
pub(crate) fn chosen(agent: AgentId) -> Option<Result<(AgentId, Choice), String>> {
    Some(Ok((
        agent,
        Choice {
            reason: "it fits".to_owned(),
            confidence: Confidence::Medium,
        },
    )))
}
