//! Tiny guests for the tests: core modules as text, made into components of Adjutant's worlds.

#![allow(dead_code, reason = "each test file uses its own part")]

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
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Makes a component of core module text. `world` is one of the contract's, or one of `extra`.
pub(crate) fn component_of(world: &str, extra: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
        .expect("the contract");
    let package = match extra {
        "" => package,
        text => resolve
            .push_source("extra.wit", text)
            .expect("the test's WIT is right"),
    };
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("the world exists");
    let mut module = wat::parse_str(core).expect("the test's module is right");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("metadata can be added");
    ComponentEncoder::default()
        .module(&module)
        .expect("the module fits its world")
        .validate(true)
        .encode()
        .expect("a component can be made")
}

pub(crate) fn component(world: &str, core: &str) -> Vec<u8> {
    component_of(world, "", core)
}

/// A core module with a memory, an allocator that never frees, `$answer(ptr, len)` that makes an
/// `ok(report)` of a text, and `body` as the rest. Address 0 to 1023 is the body's; the answer is
/// at 1024.
pub(crate) fn module(imports: &str, body: &str) -> String {
    format!(
        r#"(module
  {imports}
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 2)))))
    (local.get $at))
  (func $answer (param $ptr i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (local.get $ptr))
    (i32.store (i32.const 1032) (local.get $len))
    (i32.store8 (i32.const 1036) (i32.const 0))
    (i32.const 1024))
  {body}
)"#
    )
}

/// A subordinate that answers `fine` at once.
pub(crate) fn quick() -> Vec<u8> {
    component("subordinate", &module("", FINE))
}

pub(crate) const FINE: &str = r#"(data (i32.const 0) "fine")
  (func (export "work") (param i32) (result i32) (call $answer (i32.const 0) (i32.const 4)))"#;

/// A subordinate whose `work` is `instructions`; they leave nothing on the stack.
pub(crate) fn working(instructions: &str) -> Vec<u8> {
    let body = format!(
        r#"(data (i32.const 0) "fine")
  (func $work (export "work") (param i32) (result i32)
    {instructions}
    (call $answer (i32.const 0) (i32.const 4)))"#
    );
    component("subordinate", &module(PROGRESS, &body))
}

/// Imports `progress`, to be called with a text and a place for the result.
pub(crate) const PROGRESS: &str = r#"(import "adjutant:agent/reporting@0.1.0" "progress"
    (func $progress (param i32 i32 i32)))"#;

pub(crate) const CALL_PROGRESS: &str =
    "(call $progress (i32.const 0) (i32.const 4) (i32.const 512))";

/// The few WASI interfaces that a test guest calls itself.
pub(crate) const WASI: &str = r#"package test:guest;
world clocked {
    include adjutant:agent/subordinate@0.1.0;
    import wasi:clocks/wall-clock@0.2.3;
    import wasi:clocks/monotonic-clock@0.2.3;
    import wasi:random/random@0.2.3;
    import wasi:random/insecure@0.2.3;
    import wasi:random/insecure-seed@0.2.3;
    import wasi:cli/stdout@0.2.3;
    import wasi:cli/stderr@0.2.3;
    import wasi:cli/exit@0.2.3;
    import wasi:sockets/tcp-create-socket@0.2.3;
    import wasi:filesystem/preopens@0.2.3;
}
package wasi:clocks@0.2.3 {
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
    }
    interface monotonic-clock {
        use wasi:io/poll@0.2.3.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }
}
package wasi:random@0.2.3 {
    interface random { get-random-u64: func() -> u64; }
    interface insecure { get-insecure-random-u64: func() -> u64; }
    interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
}
package wasi:io@0.2.3 {
    interface error { resource error; }
    interface poll { resource pollable { block: func(); } }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }
}
package wasi:cli@0.2.3 {
    interface stdout {
        use wasi:io/streams@0.2.3.{output-stream};
        get-stdout: func() -> output-stream;
    }
    interface stderr {
        use wasi:io/streams@0.2.3.{output-stream};
        get-stderr: func() -> output-stream;
    }
    interface exit { exit: func(status: result); }
}
package wasi:filesystem@0.2.3 {
    interface types { resource descriptor; }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }
}
package wasi:sockets@0.2.3 {
    interface network {
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
            concurrency-conflict, not-in-progress, would-block, invalid-state,
            new-socket-limit, address-not-bindable, address-in-use, remote-unreachable,
            connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
        }
        enum ip-address-family { ipv4, ipv6 }
    }
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
    }
}
"#;

/// A subordinate that may import what `WASI` has.
pub(crate) fn clocked(imports: &str, body: &str) -> Vec<u8> {
    component_of("clocked", WASI, &module(imports, body))
}

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
