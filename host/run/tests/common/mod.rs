//! A dispatcher's port that keeps its journal in memory, and a runner with the real engine.

use adjutant_build::build_guests;
use adjutant_component::{Component, Engine, EngineOptions};
use adjutant_model::{
    Agent, AgentId, Answer, Author, Call, CallError, ChannelId, GuestCall, Journal, Limits, Member,
    Message, Pending, Plugin, PluginRef, Record, Reply, Run, RunId, RunStatus, Status, Ticket,
    TicketId, Timestamp, Token, Validation, WorkspaceId, World,
};
use adjutant_run::{Called, Clock, Finished, Gone, Job, Ledger, Runner, RunnerOptions};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// The time, which stands still.
pub(crate) const NOW: Timestamp = 5_000;

/// What was journaled, and the memory after each call.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) records: Vec<Record>,
    pub(crate) memories: Vec<BTreeMap<String, Vec<u8>>>,
    pub(crate) output: String,
    /// How each hand-in ended: calls journaled by then, and whether it waited for the disk.
    pub(crate) handed_in: Vec<(usize, bool)>,
    /// What had been computed at each hand-in.
    pub(crate) guest_us: Vec<u64>,
    waiting: Vec<oneshot::Sender<(Timestamp, Reply)>>,
}

/// Answers what a script asks: memory for real, questions never, all else not at all.
pub(crate) struct Desk {
    pub(crate) kept: Mutex<Kept>,
    memory: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Refuses everything, as when the run is over.
    pub(crate) closed: bool,
}

impl Desk {
    pub(crate) fn new(memory: BTreeMap<String, Vec<u8>>) -> Desk {
        Desk {
            kept: Mutex::default(),
            memory: Mutex::new(memory),
            closed: false,
        }
    }

    fn decide(&self, call: &Call, payload: Option<Vec<u8>>) -> Option<Reply> {
        let mut memory = self.memory.lock().expect("no test panics here");
        Some(Ok(match call {
            Call::MemoryGet { key } => Answer::Bytes(memory.get(key).cloned()),
            Call::MemoryPut { key, .. } => {
                memory.insert(key.clone(), payload.unwrap_or_default());
                Answer::Unit
            }
            Call::MemoryKeys { .. } => Answer::Keys(memory.keys().cloned().collect()),
            Call::SubmitOutput { .. } => Answer::Unit,
            Call::Ask { .. } => return None,
            other => return Some(Err(CallError::Denied(format!("no {} here", other.name())))),
        }))
    }

    fn keep(&self, record: Record) {
        let memory = self.memory.lock().expect("no test panics here").clone();
        let mut kept = self.kept.lock().expect("no test panics here");
        kept.records.push(record);
        kept.memories.push(memory);
    }
}

#[async_trait]
impl Ledger for Desk {
    async fn call(
        &self,
        _run: RunId,
        pending: Vec<Pending>,
        guest_us: u64,
        call: Option<GuestCall>,
        durable: bool,
    ) -> Result<Called, Gone> {
        if self.closed {
            return Err(Gone("the run is over".to_owned()));
        }
        self.kept
            .lock()
            .expect("no test panics here")
            .guest_us
            .push(guest_us);
        for Pending {
            index,
            at,
            call,
            reply,
            ..
        } in pending
        {
            self.keep(Record::Done {
                index,
                at,
                call,
                reply,
            });
        }
        let Some(GuestCall {
            index,
            call,
            payload,
            ..
        }) = call
        else {
            let mut kept = self.kept.lock().expect("no test panics here");
            let journaled = kept.records.len();
            kept.handed_in.push((journaled, durable));
            return Ok(Called::Journaled);
        };
        let Some(reply) = self.decide(&call, payload) else {
            self.keep(Record::Begun {
                index,
                at: NOW,
                call,
            });
            let (wake, answer) = oneshot::channel();
            self.kept
                .lock()
                .expect("no test panics here")
                .waiting
                .push(wake);
            return Ok(Called::Waiting(answer));
        };
        self.keep(Record::Done {
            index,
            at: NOW,
            call,
            reply: reply.clone(),
        });
        Ok(Called::Reply(NOW, reply))
    }

    async fn resume(&self, _run: RunId) -> Result<Called, Gone> {
        let reply = Err(CallError::Deadline("nobody answered".to_owned()));
        Ok(Called::Reply(NOW, reply))
    }

    async fn team(&self, _run: RunId) -> Result<Vec<Member>, Gone> {
        Ok(Vec::new())
    }

    async fn channel(
        &self,
        _run: RunId,
        _ticket: Option<TicketId>,
    ) -> Result<Result<ChannelId, CallError>, Gone> {
        Ok(Ok(ChannelId(Uuid::nil())))
    }

    async fn messages(
        &self,
        _channel: ChannelId,
        _from: u64,
        _limit: usize,
    ) -> Result<(Vec<Message>, bool), Gone> {
        Ok((Vec::new(), false))
    }

    async fn output(&self, _run: RunId, _stream: &'static str, text: String) {
        self.kept
            .lock()
            .expect("no test panics here")
            .output
            .push_str(&text);
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

fn engine() -> &'static (Engine, Arc<Component>) {
    static ENGINE: OnceLock<(Engine, Arc<Component>)> = OnceLock::new();
    ENGINE.get_or_init(|| engine_of(50))
}

/// An engine with so many places, and the guest that does what scripts say.
pub(crate) fn engine_of(max_instances: u32) -> (Engine, Arc<Component>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let manifest = root.join("tests/guests/Cargo.toml");
    let built = build_guests(&manifest, &target.join("guests"), &["scripted-sub"]);
    let wasm = std::fs::read(&built.expect("the guest builds")[0].path).expect("the guest");
    let options = EngineOptions {
        max_instances,
        cache_dir: Some(target.join("compiled")),
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("an engine");
    let component = engine.load(&wasm).expect("a component");
    (engine, component)
}

/// Runs a script from a journal on.
pub(crate) async fn execute(
    steps: &Value,
    journal: Vec<Record>,
    desk: &Arc<Desk>,
    change: impl FnOnce(&mut Agent),
) -> Finished {
    let mut agent = agent();
    change(&mut agent);
    let runner = runner(engine(), RunnerOptions::default(), Limits::default());
    let job = Job {
        agent: Arc::new(agent),
        ..job(engine(), steps, journal, desk)
    };
    runner.execute(job).await
}

/// A runner that parks at once what waits.
pub(crate) fn runner(
    on: &(Engine, Arc<Component>),
    options: RunnerOptions,
    limits: Limits,
) -> Runner {
    let options = RunnerOptions {
        park_after: Duration::ZERO,
        ..options
    };
    Runner::new(on.0.clone(), options, Arc::new(limits))
}

/// A start of a script from a journal on.
pub(crate) fn job(
    on: &(Engine, Arc<Component>),
    steps: &Value,
    journal: Vec<Record>,
    desk: &Arc<Desk>,
) -> Job {
    let (ticket, agent) = (ticket(steps), agent());
    let ledger: Arc<dyn Ledger> = desk.clone();
    Job {
        run: run(&ticket, &agent),
        ticket: Arc::new(ticket),
        agent: Arc::new(agent),
        boss: None,
        request: String::new(),
        component: on.1.clone(),
        chooser: Err("there is none".to_owned()),
        journal: Journal::from_records(journal).expect("a journal"),
        worktree: None,
        ledger,
        clock: Arc::new(Still),
        authority: Default::default(),
        cancel: tokio_util::sync::CancellationToken::new(),
    }
}

/// The engine that most tests share.
pub(crate) fn shared() -> &'static (Engine, Arc<Component>) {
    engine()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn ticket(steps: &Value) -> Ticket {
    Ticket {
        id: TicketId(id(1)),
        workspace: WorkspaceId(id(2)),
        title: "a script".to_owned(),
        description: json!({ "steps": steps }).to_string(),
        notes: String::new(),
        status: Status::InProgress,
        assignee: Some(AgentId(id(3))),
        parent: None,
        root: TicketId(id(1)),
        depth: 0,
        children: Vec::new(),
        delegated_by: None,
        choice: None,
        expected_output_schema: None,
        validation: Validation::Strict,
        output: None,
        summary: String::new(),
        violations: Vec::new(),
        rejections: 0,
        attempts: 1,
        run: Some(RunId(id(4))),
        runs: vec![RunId(id(4))],
        channel: ChannelId(id(1)),
        conversation_mode: "chat".to_owned(),
        collaborators: Vec::new(),
        links: Vec::new(),
        deadline: None,
        terms: None,
        history: Vec::new(),
        not_before: None,
        tries: None,
        spent: Default::default(),
        key: None,
        plan: None,
        branches: Vec::new(),
        created_by: Author::Host,
        created_at: NOW,
        updated_at: NOW,
        started_at: Some(NOW),
        ended_at: None,
    }
}

pub(crate) fn agent() -> Agent {
    Agent {
        id: AgentId(id(3)),
        workspace: WorkspaceId(id(2)),
        name: "sub".to_owned(),
        class: String::new(),
        description: String::new(),
        skills: Vec::new(),
        plugin: PluginRef::parse("scripted-sub"),
        selector: None,
        config: json!({}),
        boss: None,
        limits: Default::default(),
        grants: Default::default(),
        created_at: NOW,
    }
}

fn run(ticket: &Ticket, agent: &Agent) -> Run {
    Run {
        id: RunId(id(4)),
        ticket: ticket.id,
        agent: agent.id,
        attempt: 1,
        plugin: std::sync::Arc::new(Plugin {
            name: "scripted-sub".to_owned(),
            version: "0.1.0".to_owned(),
            digest: String::new(),
            world: World::Subordinate,
            size: 0,
            builtin: true,
            added_at: NOW,
            source: Default::default(),
        }),
        token: Token(id(5)),
        given: Default::default(),
        status: RunStatus::Running,
        wait: None,
        calls: 0,
        journal_len: 0,
        messages: 0,
        log_bytes: 0,
        log_len: 0,
        guest_us: 0,
        over_us: 0,
        error: None,
        broke: false,
        resumed: None,
        queued_at: NOW,
        ended_at: None,
    }
}
