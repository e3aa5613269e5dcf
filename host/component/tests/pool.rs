//! Many calls at a time: they wait for room, and leave the pool as it was.

use std::sync::Arc;

use crate::common::*;
use adjutant_component::bindings::Question;
use adjutant_component::{Allocation, Context, Engine, EngineOptions, Prepared, bench};
use tokio::sync::Notify;

#[tokio::test]
async fn more_calls_than_instances_wait_and_none_fails() {
    let engine = engine(2);
    let prepared = prepare(&engine, &working(CALL_PROGRESS));
    let calls = (0..40).map(|_| {
        let prepared = prepared.clone();
        tokio::spawn(async move { answer(&prepared, Host::default(), Context::default()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.expect("no panic"), "fine");
    }
    assert_eq!(engine.permits().available_permits(), 2);
}

/// Adds `count` instances of a core module to a component, at its end.
fn with_instances(mut component: Vec<u8>, module: &str, count: u8) -> Vec<u8> {
    let module = wat::parse_str(module).expect("the test's module is right");
    let modules = wasmparser::Parser::new(0)
        .parse_all(&component)
        .filter(|part| matches!(part, Ok(wasmparser::Payload::ModuleSection { .. })))
        .count();
    component.push(1);
    component.push(u8::try_from(module.len()).expect("a short module"));
    component.extend(module);
    let index = u8::try_from(modules).expect("few modules");
    let instance = [0, index, 0];
    let instances = instance.repeat(usize::from(count));
    component.extend([2, u8::try_from(instances.len()).expect("few") + 1, count]);
    component.extend(instances);
    component
}

/// Keeps as many calls as possible in their host call at the same time, then lets all go on.
async fn crowd(engine: &Engine, prepared: &Arc<Prepared<Host>>, calls: usize) {
    let permits = engine.permits().available_permits();
    let go = Arc::new(Notify::new());
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..calls {
        let prepared = prepared.clone();
        let host = Host {
            on_progress: OnProgress::Wait(go.clone()),
            ..Host::default()
        };
        crowd.spawn(async move { answer(&prepared, host, Context::default()).await });
    }
    for _ in 0..calls {
        tokio::task::yield_now().await;
    }
    loop {
        tokio::select! {
            biased;
            call = crowd.join_next() => match call {
                Some(call) => assert_eq!(call.expect("no panic"), "fine"),
                None => break,
            },
            () = tokio::task::yield_now() => go.notify_one(),
        }
    }
    assert_eq!(engine.permits().available_permits(), permits);
}

#[tokio::test]
async fn a_component_that_takes_much_of_the_pool_waits_and_does_not_fail() {
    // The pool has room for two memories for each permit, and this one has seven.
    let engine = engine(4);
    let memories = with_instances(working(CALL_PROGRESS), "(module (memory 1))", 6);
    crowd(&engine, &prepare(&engine, &memories), 12).await;
    // It has room for twenty core instances for each permit, which cannot be told beforehand.
    let instances = with_instances(working(CALL_PROGRESS), "(module)", 40);
    crowd(&engine, &prepare(&engine, &instances), 12).await;
}

#[tokio::test]
async fn a_thousand_calls_one_after_the_other_leave_the_pool_as_it_was() {
    let engine = engine(2);
    let prepared = prepare(&engine, &quick());
    let measured = bench::throughput(&prepared, &Arc::new(task()), 1_000, 1, |_| {
        (Host::default(), Context::default())
    })
    .await
    .unwrap_or_else(|stop| panic!("{stop}"));
    assert_eq!((measured.calls, measured.failures), (1_000, 0));
    assert!(measured.per_second() > 0.0 && measured.p50 <= measured.p99);
    assert_eq!(engine.permits().available_permits(), 2);
}

#[tokio::test]
async fn without_room_for_a_pool_it_goes_on_without() {
    // 200,000 memories of 4 GiB are more than any address space has.
    let options = EngineOptions {
        max_instances: 100_000,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).expect("an engine all the same");
    assert_eq!(engine.allocation(), Allocation::OnDemand);
    let prepared = prepare(&engine, &quick());
    assert_eq!(
        answer(&prepared, Host::default(), Context::default()).await,
        "fine"
    );

    let none = EngineOptions {
        max_instances: 0,
        ..EngineOptions::default()
    };
    assert!(Engine::new(&none).is_err());
}

#[tokio::test]
async fn a_run_that_waits_for_its_selector_gets_an_answer_where_all_places_are_taken_by_runs() {
    let engine = engine(1);
    let boss = prepare(&engine, &working(CALL_PROGRESS));
    let selector = load(&engine, &component("selector", &module("", NOBODY)));
    let selector = engine.prepare_selector(&selector).expect("it links");
    let (called, task) = (Arc::new(Notify::new()), task());
    let host = Host {
        on_progress: OnProgress::Hang(called.clone()),
        ..Host::default()
    };
    let running = boss.work(host, Context::default(), &task);
    tokio::pin!(running);
    tokio::select! {
        _ = &mut running => panic!("it is in a host call"),
        () = called.notified() => {}
    }
    assert!(engine.permits().is_crowded());
    let question = Question {
        title: "T".to_owned(),
        description: String::new(),
        request: String::new(),
        config_json: "{}".to_owned(),
    };
    // Not one of them waits for the run, however many there are.
    for _ in 0..100 {
        let choices = selector.choose(Context::default(), &question, &[]).await;
        let choices = choices.unwrap_or_else(|stop| panic!("{stop}"));
        assert!(choices.expect("an answer").is_empty());
    }
    assert!(engine.permits().is_crowded(), "the run still has its place");
}

/// Chooses nobody.
const NOBODY: &str = r#"(func (export "choose")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1032) (i32.const 0))
    (i32.const 1024))"#;

#[tokio::test]
async fn owners_take_turns_where_calls_wait_for_a_place() {
    let engine = engine(1);
    let prepared = prepare(&engine, &working(CALL_PROGRESS));
    let held = engine.permits().acquire(9, 1).await;
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut calls = tokio::task::JoinSet::new();
    for owner in [1, 1, 1, 1, 1, 1, 2] {
        let waiting = engine.permits().waiting();
        let (prepared, order) = (prepared.clone(), order.clone());
        calls.spawn(async move {
            let context = Context {
                owner,
                ..Context::default()
            };
            answer(&prepared, Host::default(), context).await;
            order.lock().expect("no panic").push(owner);
        });
        while engine.permits().waiting() == waiting {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    while let Some(call) = calls.join_next().await {
        call.expect("no panic");
    }
    assert_eq!(*order.lock().expect("no panic"), [1, 2, 1, 1, 1, 1, 1]);
}
