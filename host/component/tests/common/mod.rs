//! What the tests share: tiny guests, a host for them, and calls of `work`.

use std::sync::Arc;
use std::time::Duration;

use adjutant_component::bindings::channels::{Message, Page};
use adjutant_component::bindings::delegation::{
    Assignment, Delegated, Join, Joined, Member, WorkPlan,
};
use adjutant_component::bindings::reporting::ExternalReport;
use adjutant_component::bindings::tickets::{Draft, Filter, Ticket};
use adjutant_component::bindings::types::{Agent, Error, TicketStatus};
use adjutant_component::bindings::worktree::{Entry, Exit};
use adjutant_component::bindings::{
    Task, channels, delegation, memory, reporting, tickets, types, worktree,
};
use adjutant_component::{
    Component, Context, Engine, EngineOptions, GuestLimits, HostResult, HostStop, Prepared, Stop,
};
use tokio::sync::Notify;

pub(crate) mod assemble;
pub(crate) mod hostile;
pub(crate) use assemble::*;

pub(crate) fn engine(max_instances: u32) -> Engine {
    Engine::new(&EngineOptions {
        max_instances,
        ..EngineOptions::default()
    })
    .expect("an engine")
}

pub(crate) fn load(engine: &Engine, bytes: &[u8]) -> Arc<Component> {
    engine.load(bytes).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn prepare(engine: &Engine, bytes: &[u8]) -> Arc<Prepared<Host>> {
    Arc::new(
        engine
            .prepare(&load(engine, bytes))
            .unwrap_or_else(|error| panic!("{error}")),
    )
}

pub(crate) fn task() -> Task {
    let agent = Agent {
        id: "agent-1".to_owned(),
        name: "Worker".to_owned(),
        class: String::new(),
        skills: vec!["testing".to_owned()],
        description: String::new(),
    };
    let ticket = types::Ticket {
        id: "ticket-1".to_owned(),
        title: "A title".to_owned(),
        description: String::new(),
        status: TicketStatus::InProgress,
        assignee: Some("agent-1".to_owned()),
        parent: None,
        delegated_by: None,
        expected_output_schema_json: None,
        output_json: None,
        summary: String::new(),
    };
    Task {
        ticket,
        agent,
        briefing: "Do it.".to_owned(),
        request: "Do it.".to_owned(),
        config_json: "{}".to_owned(),
        attempt: 1,
        violations: Vec::new(),
    }
}

/// What the host does when a guest calls `progress`.
#[derive(Clone, Default)]
pub(crate) enum OnProgress {
    #[default]
    Answer,
    /// Waits until it is told to go on.
    Wait(Arc<Notify>),
    /// Tells that it was called and never answers.
    Hang(Arc<Notify>),
    /// Ends the run with a `Reason`.
    Stop,
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the ticket was cancelled by {0}")]
pub(crate) struct Reason(pub(crate) String);

/// A host that counts notes; everything else is refused.
#[derive(Clone, Default)]
pub(crate) struct Host {
    pub(crate) on_progress: OnProgress,
    pub(crate) notes: Vec<String>,
    /// Lives as long as the host does.
    #[expect(dead_code, reason = "who gave it counts how many there are")]
    pub(crate) alive: Arc<()>,
}

impl reporting::Host for Host {
    async fn progress(&mut self, note: String) -> HostResult<Result<(), Error>> {
        self.notes.push(note);
        match &self.on_progress {
            OnProgress::Answer => {}
            OnProgress::Wait(go) => go.notified().await,
            OnProgress::Hang(called) => {
                called.notify_one();
                std::future::pending::<()>().await;
            }
            OnProgress::Stop => return Err(HostStop::new(Reason("Ada".to_owned())).into()),
        }
        Ok(Ok(()))
    }

    async fn submit_output(&mut self, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn call_for_report(
        &mut self,
        _: String,
        _: Option<u64>,
    ) -> HostResult<Result<ExternalReport, Error>> {
        refused()
    }
}

fn refused<T>() -> HostResult<Result<T, Error>> {
    Ok(Err(Error::Denied("not in this test".to_owned())))
}

impl types::Host for Host {}

impl channels::Host for Host {
    async fn post(
        &mut self,
        _: Option<String>,
        _: String,
        _: Option<String>,
    ) -> HostResult<Result<String, Error>> {
        refused()
    }

    async fn mention(&mut self, _: Vec<String>, _: String) -> HostResult<Result<String, Error>> {
        refused()
    }

    async fn read(&mut self, _: Option<String>, _: u64, _: u32) -> HostResult<Result<Page, Error>> {
        refused()
    }

    async fn ask(
        &mut self,
        _: String,
        _: String,
        _: Option<u64>,
    ) -> HostResult<Result<Message, Error>> {
        refused()
    }
}

impl tickets::Host for Host {
    async fn create(&mut self, _: Draft) -> HostResult<Result<String, Error>> {
        refused()
    }

    async fn assign(&mut self, _: String, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn get(&mut self, _: String) -> HostResult<Result<Ticket, Error>> {
        refused()
    }

    async fn list(&mut self, _: Filter) -> HostResult<Result<Vec<Ticket>, Error>> {
        refused()
    }

    async fn comment(&mut self, _: String, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn add_collaborator(&mut self, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn link(&mut self, _: String, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }
}

impl memory::Host for Host {
    async fn get(&mut self, _: String) -> HostResult<Result<Option<Vec<u8>>, Error>> {
        refused()
    }

    async fn put(&mut self, _: String, _: Vec<u8>) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn remove(&mut self, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn keys(&mut self, _: String) -> HostResult<Result<Vec<String>, Error>> {
        refused()
    }
}

impl worktree::Host for Host {
    async fn read(&mut self, _: String) -> HostResult<Result<Vec<u8>, Error>> {
        refused()
    }

    async fn write(&mut self, _: String, _: Vec<u8>) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn remove(&mut self, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn list(&mut self, _: String) -> HostResult<Result<Vec<Entry>, Error>> {
        refused()
    }

    async fn diff(&mut self) -> HostResult<Result<String, Error>> {
        refused()
    }

    async fn commit(&mut self, _: String) -> HostResult<Result<Option<String>, Error>> {
        refused()
    }

    async fn run(&mut self, _: Vec<String>, _: Option<u64>) -> HostResult<Result<Exit, Error>> {
        refused()
    }
}

impl delegation::Host for Host {
    async fn budget_left(&mut self) -> HostResult<Result<types::Budget, Error>> {
        refused()
    }

    async fn team(&mut self) -> HostResult<Result<Vec<Member>, Error>> {
        refused()
    }

    async fn propose_plan(&mut self, _: WorkPlan) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn delegate(&mut self, _: Vec<Assignment>) -> HostResult<Result<Vec<Delegated>, Error>> {
        refused()
    }

    async fn await_reports(
        &mut self,
        _: Vec<String>,
        _: Join,
        _: Option<u64>,
    ) -> HostResult<Result<Joined, Error>> {
        refused()
    }

    async fn cancel(&mut self, _: String, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }

    async fn reassign(&mut self, _: String, _: String, _: String) -> HostResult<Result<(), Error>> {
        refused()
    }
}

/// Calls `work` and gives back the report's summary.
pub(crate) async fn answer(prepared: &Prepared<Host>, host: Host, context: Context) -> String {
    let (answer, _) = prepared
        .work(host, context, &task())
        .await
        .unwrap_or_else(|stop| panic!("no answer: {stop}"));
    answer.expect("a report").summary
}

/// Calls `work`, which must end without an answer, and sees that the engine is none the worse.
pub(crate) async fn stopped(bytes: &[u8], limits: GuestLimits) -> Stop {
    let engine = engine(2);
    let prepared = prepare(&engine, bytes);
    let context = Context {
        limits,
        ..Context::default()
    };
    let stop = match prepared.work(Host::default(), context, &task()).await {
        Ok((answer, _)) => panic!("it answered {answer:?}"),
        Err(stop) => stop,
    };
    assert_eq!(
        engine.permits().available_permits(),
        2,
        "the permit came back"
    );
    let again = prepare(&engine, &quick());
    assert_eq!(
        answer(&again, Host::default(), Context::default()).await,
        "fine"
    );
    stop
}

/// The default limits with little time to compute.
pub(crate) fn short() -> GuestLimits {
    GuestLimits {
        guest_time: Duration::from_millis(100),
        ..GuestLimits::default()
    }
}
