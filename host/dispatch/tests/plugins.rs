//! Plugins on a host in this process: limits, and what is written when.

mod common;

use adjutant_dispatch::{HostError, HostOptions, How, NewPlugin, PluginState, Step};
use adjutant_model::{Limits, Refusal};
use common::Bench;
use std::sync::Arc;

/// A component that does nothing: enough to be registered. Each number is another one.
fn component(number: u8) -> Vec<u8> {
    let mut bytes = common::wasm("trapper");
    // A custom section: its id, its size, the length of its name, its name.
    bytes.extend([0, 2, 1, number]);
    bytes
}

fn how() -> How {
    How::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_limit_for_versions_and_one_for_the_history() {
    let folder = Arc::new(common::folder());
    let bench = Bench::start_in(folder.clone(), HostOptions::default()).await;
    let there = bench.host.plugin_views().len();
    bench.host.shutdown().await;
    let limits = Limits {
        plugins: there + 2,
        plugin_history: 3,
        ..Limits::default()
    };
    let options = HostOptions {
        limits,
        ..HostOptions::default()
    };
    let bench = Bench::start_in(folder, options).await;
    let add = |number: u8| {
        let new = NewPlugin::named("mine", &format!("{number}.0.0"), component(number));
        bench.host.add_plugin(new)
    };
    add(1).await.expect("there is room");
    add(2).await.expect("there is room for one more");
    let full = add(3).await.expect_err("there is none");
    assert!(
        matches!(&full, HostError::Refused(Refusal::Limit(why)) if why.contains("(`plugins`)")),
        "{full}"
    );
    // What is there already needs no room.
    add(2).await.expect("it changes nothing");
    for _ in 0..2 {
        for step in [Step::RollBack, Step::Activate("2.0.0".to_owned())] {
            bench
                .host
                .step_plugin("mine", step, &how())
                .await
                .expect("a step");
        }
    }
    let view = bench.host.rollout("mine").await.expect("it is there");
    assert_eq!(view.rollout.history.len(), 3, "{:?}", view.rollout.history);
    assert_eq!(view.rollout.revision, 6);
    let stale = How {
        unchanged_since: Some(5),
        ..how()
    };
    let refused = bench.host.step_plugin("mine", Step::Unpin, &stale).await;
    assert!(
        matches!(refused, Err(HostError::Refused(Refusal::Conflict(_)))),
        "{refused:?}"
    );
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_versions_stand_is_the_same_after_a_restart() {
    let bench = Bench::start().await;
    for number in 1..=4 {
        let new = NewPlugin::named("mine", &format!("{number}.0.0"), component(number));
        bench.host.add_plugin(new).await.expect("it is added");
    }
    for step in [
        Step::Drain("1.0.0".to_owned()),
        Step::Canary("2.0.0".to_owned(), 25),
    ] {
        bench
            .host
            .step_plugin("mine", step, &how())
            .await
            .expect("a step");
    }
    let stands = |bench: &Bench| {
        let mine = bench.host.plugin_views().into_iter();
        let mine = mine.filter(|view| view.plugin.name == "mine");
        mine.map(|view| view.state).collect::<Vec<_>>()
    };
    let drained = async |bench: &Bench| {
        while stands(bench)[0] == PluginState::Draining {
            tokio::task::yield_now().await;
        }
        stands(bench)
    };
    let wanted = [
        PluginState::Drained,
        PluginState::Canary(25),
        PluginState::Idle,
        PluginState::Active,
    ];
    assert_eq!(drained(&bench).await, wanted);
    let bench = bench.restart().await;
    assert_eq!(drained(&bench).await, wanted);
    // Without its plugin a name has no rollout, and begins anew.
    for version in ["1.0.0", "2.0.0", "3.0.0", "4.0.0"] {
        let removed = bench.host.remove_plugin("mine", version, false).await;
        removed.expect("nobody needs it");
    }
    assert!(bench.host.rollout("mine").await.is_err());
    let bench = bench.restart().await;
    let new = NewPlugin::named("mine", "1.0.0", component(1));
    bench.host.add_plugin(new).await.expect("it is new again");
    assert_eq!(stands(&bench), [PluginState::Active]);
    let view = bench.host.rollout("mine").await.expect("it is there");
    assert_eq!(view.rollout.history.len(), 1);
    bench.host.shutdown().await;
}
