//! Calls: answers, limits, failures and cancelling.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::*;
use adjutant_component::bindings::types::{Agent, Confidence, TrackingStatus};
use adjutant_component::bindings::{Candidate, Question};
use adjutant_component::{Allocation, Context, GuestLimits, GuestOutput, Stop, Stream};
use tokio::sync::Notify;

#[tokio::test]
async fn a_subordinate_calls_the_host_and_answers() {
    let engine = engine(2);
    assert_eq!(engine.allocation(), Allocation::Pooling);
    let prepared = prepare(&engine, &working(CALL_PROGRESS));
    let (answer, host) = prepared
        .work(Host::default(), Context::default(), &task())
        .await
        .unwrap_or_else(|stop| panic!("{stop}"));
    assert_eq!(answer.expect("a report").summary, "fine");
    assert_eq!(host.notes, ["fine"]);
}

#[tokio::test]
async fn a_selector_chooses() {
    // Answers ok with one choice: agent and reason "fine", confidence high.
    let body = r#"(data (i32.const 0) "fine")
        (func (export "choose") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
          (i32.store8 (i32.const 1024) (i32.const 0))
          (i32.store (i32.const 1028) (i32.const 2048))
          (i32.store (i32.const 1032) (i32.const 1))
          (i32.store (i32.const 2048) (i32.const 0))
          (i32.store (i32.const 2052) (i32.const 4))
          (i32.store (i32.const 2056) (i32.const 0))
          (i32.store (i32.const 2060) (i32.const 4))
          (i32.store8 (i32.const 2064) (i32.const 0))
          (i32.const 1024))"#;
    let engine = engine(2);
    let component = load(&engine, &component("selector", &module("", body)));
    let selector = engine
        .prepare_selector(&component)
        .unwrap_or_else(|error| panic!("{error}"));
    let question = Question {
        title: "T".to_owned(),
        description: String::new(),
        request: String::new(),
        config_json: "{}".to_owned(),
    };
    let agent = Agent {
        id: "a".to_owned(),
        name: "A".to_owned(),
        class: String::new(),
        skills: Vec::new(),
        description: String::new(),
    };
    let candidate = Candidate {
        agent,
        status: TrackingStatus::Idle,
        queued: 0,
    };
    let choices = selector
        .choose(Context::default(), &question, &[candidate])
        .await
        .unwrap_or_else(|stop| panic!("{stop}"))
        .expect("a choice");
    assert_eq!(choices[0].agent, "fine");
    assert_eq!(choices[0].confidence, Confidence::High);
    assert!(
        engine.prepare::<Host>(&component).is_err(),
        "it is no subordinate"
    );
}

const SPIN: &str = "(loop $again (br $again))";

#[tokio::test]
async fn an_endless_loop_is_cut_off_while_a_neighbour_goes_on() {
    let engine = engine(4);
    let spinning = prepare(&engine, &working(SPIN));
    let neighbour = prepare(&engine, &working(CALL_PROGRESS));
    // One thread for both: the neighbour only gets on because the other yields.
    let task = task();
    let context = Context {
        limits: short(),
        ..Context::default()
    };
    let spin = spinning.work(Host::default(), context, &task);
    let order = Mutex::new(Vec::new());
    let ((), ()) = tokio::join!(
        async {
            match spin.await {
                Err(Stop::GuestTime { limit }) => assert_eq!(limit, Duration::from_millis(100)),
                Err(other) => panic!("another end: {other}"),
                Ok(_) => panic!("it answered"),
            }
            order.lock().expect("one thread").push("spin");
        },
        async {
            for _ in 0..3 {
                answer(&neighbour, Host::default(), Context::default()).await;
            }
            order.lock().expect("one thread").push("neighbour");
        }
    );
    assert_eq!(*order.lock().expect("one thread"), ["neighbour", "spin"]);
}

#[tokio::test]
async fn spinning_is_cut_off_at_the_start_and_after_the_answer_too() {
    let start = format!("{FINE} (func $spin {SPIN}) (start $spin)");
    let stop = stopped(&component("subordinate", &module("", &start)), short()).await;
    assert!(matches!(stop, Stop::GuestTime { .. }), "{stop}");

    let cleanup = format!(r#"{FINE} (func (export "cabi_post_work") (param i32) {SPIN})"#);
    let stop = stopped(&component("subordinate", &module("", &cleanup)), short()).await;
    assert!(matches!(stop, Stop::GuestTime { .. }), "{stop}");
}

#[tokio::test]
async fn calling_the_host_again_and_again_is_no_way_around_the_limit() {
    let stop = stopped(
        &working(&format!("(loop $a {CALL_PROGRESS} (br $a))")),
        short(),
    )
    .await;
    assert!(matches!(stop, Stop::GuestTime { .. }), "{stop}");
}

#[tokio::test]
async fn waiting_in_a_host_call_is_not_the_guests_time() {
    let engine = engine(2);
    let waiting = prepare(&engine, &working(CALL_PROGRESS));
    let spinning = prepare(&engine, &working(SPIN));
    let go = Arc::new(Notify::new());
    let host = Host {
        on_progress: OnProgress::Wait(go.clone()),
        ..Host::default()
    };
    let limits = GuestLimits {
        guest_time: Duration::from_millis(50),
        ..GuestLimits::default()
    };
    let context = Context {
        limits,
        ..Context::default()
    };
    // Twice as long as the one that waits may compute, the other does.
    let (summary, ()) = tokio::join!(answer(&waiting, host, context), async {
        let context = Context {
            limits: short(),
            ..Context::default()
        };
        assert!(
            spinning
                .work(Host::default(), context, &task())
                .await
                .is_err()
        );
        go.notify_one();
    });
    assert_eq!(summary, "fine");
}

#[tokio::test]
async fn growing_without_end_is_a_memory_error() {
    // Grows until it is refused, then gives up as a language's runtime does.
    let grow = "(loop $a (br_if $a (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) \
                unreachable";
    let limits = GuestLimits {
        memory: 8 << 20,
        ..GuestLimits::default()
    };
    let stop = stopped(&working(grow), limits).await;
    assert!(
        matches!(stop, Stop::Memory { limit } if limit == 8 << 20),
        "{stop}"
    );
    assert!(stop.to_string().contains("8 MiB"), "{stop}");

    // Wants too much from the beginning.
    let limits = GuestLimits {
        memory: 1 << 16,
        ..GuestLimits::default()
    };
    let stop = stopped_at_start(&quick(), limits).await;
    assert!(matches!(stop, Stop::Memory { .. }), "{stop}");
}

async fn stopped_at_start(bytes: &[u8], limits: GuestLimits) -> Stop {
    let engine = engine(2);
    let prepared = prepare(&engine, bytes);
    let context = Context {
        limits,
        ..Context::default()
    };
    prepared
        .work(Host::default(), context, &task())
        .await
        .err()
        .expect("it cannot start")
}

#[tokio::test]
async fn one_that_copes_with_less_memory_answers() {
    let grow = "(loop $a (br_if $a (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))";
    let engine = engine(2);
    let prepared = prepare(&engine, &working(grow));
    let limits = GuestLimits {
        memory: 8 << 20,
        ..GuestLimits::default()
    };
    let context = Context {
        limits,
        ..Context::default()
    };
    assert_eq!(answer(&prepared, Host::default(), context).await, "fine");
}

#[tokio::test]
async fn a_trap_says_what_where_and_what_was_printed_last() {
    let imports = r#"
      (import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
      (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))"#;
    let body = r#"(data (i32.const 0) "panicked at the disco\n")
      (func $deep unreachable)
      (func $work (export "work") (param i32) (result i32)
        (call $write (call $stderr) (i32.const 0) (i32.const 22) (i32.const 512))
        (call $deep) (i32.const 0))"#;
    #[derive(Default)]
    struct Log(Mutex<Vec<u8>>);
    impl GuestOutput for Log {
        fn write(&self, stream: Stream, bytes: &[u8]) {
            assert_eq!(stream, Stream::Stderr);
            self.0.lock().expect("no panic").extend(bytes);
        }
    }
    let log = Arc::new(Log::default());
    let engine = engine(2);
    let prepared = prepare(&engine, &clocked(imports, body));
    let context = Context {
        output: log.clone(),
        ..Context::default()
    };
    let stop = prepared
        .work(Host::default(), context, &task())
        .await
        .err()
        .expect("it traps");
    let text = stop.to_string();
    assert!(
        text.contains("unreachable") && text.contains("panicked at the disco"),
        "{text}"
    );
    let Stop::Trapped {
        backtrace,
        last_output,
        ..
    } = stop
    else {
        panic!("{text}")
    };
    assert_eq!(backtrace, ["deep", "work"]);
    assert_eq!(last_output, "panicked at the disco");
    assert_eq!(*log.0.lock().expect("no panic"), b"panicked at the disco\n");
}

#[tokio::test]
async fn endless_recursion_is_a_stack_error() {
    let body = format!("{FINE} (func $down (param i32) (call $down (local.get 0)))");
    let body = body.replace("(call $answer", "(call $down (i32.const 1)) (call $answer");
    let stop = stopped(&component("subordinate", &module("", &body)), short()).await;
    let Stop::Stack { backtrace } = stop else {
        panic!("{stop}")
    };
    assert!(
        !backtrace.is_empty() && backtrace.len() <= 32,
        "{}",
        backtrace.len()
    );
}

#[tokio::test]
async fn exit_and_garbage_are_the_components_failure() {
    let exit = r#"(import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))"#;
    let body = r#"(func (export "work") (param i32) (result i32)
        (call $exit (i32.const 1)) unreachable)"#;
    let stop = stopped(&clocked(exit, body), short()).await;
    assert!(stop.to_string().contains("exited with code 1"), "{stop}");

    // The answer lies outside of the memory.
    let body = r#"(func (export "work") (param i32) (result i32) (i32.const 0x7ffffff0))"#;
    let stop = stopped(&component("subordinate", &module("", body)), short()).await;
    assert!(matches!(stop, Stop::Trapped { .. }), "{stop}");

    // The answer is larger than a host call may carry.
    let body = r#"(func (export "work") (param i32) (result i32)
        (drop (memory.grow (i32.const 64)))
        (call $answer (i32.const 0) (i32.const 2000000)))"#;
    let limits = GuestLimits {
        hostcall: 1 << 20,
        ..GuestLimits::default()
    };
    let stop = stopped(&component("subordinate", &module("", body)), limits).await;
    assert!(matches!(stop, Stop::Trapped { .. }), "{stop}");
}

#[tokio::test]
async fn what_a_host_call_ends_the_run_with_comes_back_as_it_was() {
    let engine = engine(2);
    let prepared = prepare(&engine, &working(CALL_PROGRESS));
    let host = Host {
        on_progress: OnProgress::Stop,
        ..Host::default()
    };
    let stop = prepared
        .work(host, Context::default(), &task())
        .await
        .err()
        .expect("it is ended");
    assert!(stop.to_string().contains("cancelled by Ada"), "{stop}");
    let Stop::HostStopped(reason) = stop else {
        panic!("{stop}")
    };
    assert_eq!(
        *reason.downcast::<Reason>().expect("the same type"),
        Reason("Ada".to_owned())
    );
}

#[tokio::test]
async fn dropping_the_future_frees_everything() {
    let engine = engine(1);
    let prepared = prepare(&engine, &working(CALL_PROGRESS));
    let called = Arc::new(Notify::new());
    let alive = Arc::new(());
    let host = Host {
        on_progress: OnProgress::Hang(called.clone()),
        alive: alive.clone(),
        ..Host::default()
    };
    let task = task();
    tokio::select! {
        _ = prepared.work(host, Context::default(), &task) => {
            panic!("the host never answers")
        }
        () = called.notified() => {}
    }
    assert_eq!(Arc::strong_count(&alive), 1, "the host is gone");
    assert_eq!(engine.permits().available_permits(), 1);
    assert_eq!(
        answer(&prepared, Host::default(), Context::default())
            .await
            .len(),
        4
    );
}
