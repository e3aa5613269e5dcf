//! Plugins on a host in this process: limits, and what is written when.

use crate::common::{self, Bench};
use adjutant_dispatch::{
    Became, HostError, HostOptions, How, NewPlugin, PluginState, SourceOptions, Step, WatchedFile,
};
use adjutant_model::{Limits, Refusal};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A component that does nothing: enough to be registered. Each number is another one.
fn component(number: u8) -> Vec<u8> {
    let mut bytes = common::wasm("trapper");
    // A custom section: its id, its size, the length of its name, its name.
    bytes.extend([0, 2, 1, number]);
    bytes
}

/// The same for one that does as its scripts say.
pub(crate) fn variant(number: u8) -> Vec<u8> {
    let mut bytes = common::wasm("scripted-sub");
    custom_section(&mut bytes, "n", &[number]);
    bytes
}

/// Adds a custom section to a component.
pub(crate) fn custom_section(component: &mut Vec<u8>, name: &str, content: &[u8]) {
    fn number(bytes: &mut Vec<u8>, mut number: usize) {
        while number > 0x7f {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    let mut section = Vec::new();
    number(&mut section, name.len());
    section.extend(name.as_bytes());
    section.extend(content);
    component.push(0);
    number(component, section.len());
    component.extend(section);
}

/// The name of a component's file.
pub(crate) fn hex(digest: &str) -> String {
    format!("{}.wasm", digest.trim_start_matches("sha256:"))
}

pub(crate) fn how() -> How {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_first_load_holds_up_no_other_components() {
    let bench = Bench::start().await;
    let mut digests = Vec::new();
    for (name, number) in [("slow", 1), ("quick", 2)] {
        let new = NewPlugin::named(name, "1.0.0", component(number));
        let added = bench.host.add_plugin(new).await.expect("added");
        digests.push(added.plugin.digest);
    }
    let plugins = bench.folder.path().join("plugins");
    let hex = digests[0].trim_start_matches("sha256:");
    let file = plugins.join(format!("{hex}.wasm"));
    bench.host.shutdown().await;
    // Reading its file takes until somebody writes it.
    std::fs::remove_file(&file).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.expect("mkfifo").success());
    let bench = Bench::start_in(bench.folder.clone(), HostOptions::default()).await;
    let agents = ["slow", "quick"].map(|name| common::agent(name, name, None));
    bench.team(agents.to_vec()).await;
    let held = bench.script("slow", json!([])).await;
    // Can be opened when somebody reads.
    let open = move || std::fs::OpenOptions::new().write(true).open(file);
    let pipe = tokio::task::spawn_blocking(open).await.expect("no panic");
    let mut pipe = pipe.expect("it is read");
    let other = bench.script("quick", json!([])).await;
    let summary = bench.over(other).await.summary;
    assert!(summary.contains("trap"), "{summary}");
    let write = move || std::io::Write::write_all(&mut pipe, &component(1));
    let written = tokio::task::spawn_blocking(write).await.expect("no panic");
    written.expect("it is still read");
    let summary = bench.over(held).await.summary;
    assert!(summary.contains("trap"), "{summary}");
    bench.host.shutdown().await;
}

/// A host that watches a folder, and has looked at what lies there.
async fn watching(folder: &Arc<tempfile::TempDir>, watched: &Path) -> Bench {
    let options = HostOptions {
        sources: SourceOptions {
            watch: Some(watched.to_owned()),
            ..SourceOptions::default()
        },
        ..HostOptions::default()
    };
    let bench = Bench::start_in(folder.clone(), options).await;
    bench.host.first_look().await;
    bench
}

fn is_plugin(file: &WatchedFile) -> bool {
    matches!(file.became, Became::Plugin(_))
}

/// What became of the only file, as soon as it is as wanted.
pub(crate) async fn became(bench: &Bench, wanted: impl Fn(&WatchedFile) -> bool) -> WatchedFile {
    let look = async {
        loop {
            let folder = bench.host.watched().await.expect("a folder");
            match folder.files.into_iter().find(&wanted) {
                Some(file) => return file,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), look).await;
    found.expect("it is looked at")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_removed_is_not_brought_back_by_its_file_at_the_next_start() {
    let folder = Arc::new(common::folder());
    let watched = folder.path().join("watched");
    std::fs::create_dir(&watched).expect("made");
    let file = watched.join("mine@1.0.0.wasm");
    std::fs::write(&file, component(1)).expect("written");
    let bench = watching(&folder, &watched).await;
    assert!(bench.host.plugin("mine@1.0.0").is_ok());
    became(&bench, is_plugin).await;
    let removed = bench.host.remove_plugin("mine", "1.0.0", false).await;
    removed.expect("nobody needs it");
    // What the folder shows follows at once.
    let gone = Became::Removed("mine@1.0.0".to_owned());
    became(&bench, |file| file.became == gone).await;
    bench.host.shutdown().await;

    let bench = watching(&folder, &watched).await;
    assert!(
        bench.host.plugin("mine").is_err(),
        "its file lies there still"
    );
    became(&bench, |file| file.became == gone).await;
    // When it is dropped once more it is wanted again.
    std::fs::write(&file, component(1)).expect("written");
    became(&bench, is_plugin).await;
    assert!(bench.host.plugin("mine@1.0.0").is_ok());
    bench.host.shutdown().await;
    let bench = watching(&folder, &watched).await;
    assert!(
        bench.host.plugin("mine@1.0.0").is_ok(),
        "it was not removed"
    );

    // When its file is gone nothing is remembered of it.
    std::fs::remove_file(&file).expect("removed");
    let removed = bench.host.remove_plugin("mine", "1.0.0", false).await;
    removed.expect("nobody needs it");
    bench.host.shutdown().await;
    watching(&folder, &watched).await.host.shutdown().await;
    std::fs::write(&file, component(1)).expect("written");
    let bench = watching(&folder, &watched).await;
    assert!(bench.host.plugin("mine@1.0.0").is_ok(), "it is new");
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_stays_so_under_other_names_and_while_one_of_equal_files_is_left() {
    let folder = Arc::new(common::folder());
    let watched = folder.path().join("watched");
    std::fs::create_dir(&watched).expect("made");
    // Which version it is says the component, whatever its file is called.
    let manifest =
        br#"{ "manifest": 1, "name": "mine", "version": "1.0.0", "world": "subordinate" }"#;
    let mut bytes = common::wasm("scripted-sub");
    custom_section(&mut bytes, "adjutant:manifest", manifest);
    for name in ["a.wasm", "b.wasm"] {
        std::fs::write(watched.join(name), &bytes).expect("written");
    }
    let bench = watching(&folder, &watched).await;
    let removed = bench.host.remove_plugin("mine", "1.0.0", false).await;
    removed.expect("nobody needs it");
    bench.host.shutdown().await;

    let move_on = |from: &str, to: &str| {
        std::fs::rename(watched.join(from), watched.join(to)).expect("renamed");
    };
    // What happens to the files while there is no host.
    let meanwhile: [&dyn Fn(); 5] = [
        &|| std::fs::remove_file(watched.join("b.wasm")).expect("removed"),
        &|| move_on("a.wasm", "c.wasm"),
        &|| {},
        &|| move_on("c.wasm", "a.wasm"),
        &|| {},
    ];
    for (start, happens) in meanwhile.into_iter().enumerate() {
        happens();
        let bench = watching(&folder, &watched).await;
        assert!(bench.host.plugin("mine").is_err(), "at start {start}");
        bench.host.shutdown().await;
    }
}
