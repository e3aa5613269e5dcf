//! Changes of the plugins that are cut off, or that meet damage.

use crate::common::gate::Gate;
use crate::common::{self, Bench, agent};
use crate::plugins::{custom_section, hex, how, variant};
use adjutant_dispatch::{Activation, HostError, HostOptions, NewPlugin, PluginState, Step};
use adjutant_model::{Change, EventKind, Manifest, Plugin, Refusal, Status, Ticket, World};
use adjutant_store::testing::{Call, SimDisk};
use adjutant_store::{Batch, CommitError, Options, RedbEngine, RedbOptions, Store, records};
use futures::FutureExt as _;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// Gives `worker` something to do, and waits for its end.
async fn worked(bench: &Bench) -> Ticket {
    let id = bench.script("worker", json!([{"greet": true}])).await;
    bench.over(id).await
}

/// The version that a ticket's last run took.
async fn version_of(bench: &Bench, ticket: &Ticket) -> String {
    let run = *ticket.runs.last().expect("it has had a run");
    let run = bench.host.run(bench.workspace, run).await.expect("the run");
    run.plugin.version.clone()
}

fn stands(bench: &Bench) -> Vec<(String, PluginState)> {
    let mine = bench.host.plugin_views().into_iter();
    let mine = mine.filter(|view| view.plugin.name == "mine");
    mine.map(|view| (view.plugin.version, view.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_caller_leaves_while_it_is_stored_is_on_disk_and_in_memory() {
    let (bench, gate) = gated(Arc::new(common::folder())).await;
    let add = |number: u8| {
        let new = NewPlugin::named("mine", &format!("{number}.0.0"), variant(number));
        bench.host.add_plugin(new)
    };
    add(1).await.expect("it is added");
    bench.team(vec![agent("worker", "mine", None)]).await;

    gate.left_by(add(2)).await;
    let second = |event: &EventKind| matches!(event, EventKind::PluginActivated { version, .. } if version == "2.0.0");
    bench.until(second).await;
    let ticket = worked(&bench).await;
    assert_eq!(ticket.status, Status::Done, "{ticket:#?}");
    assert_eq!(version_of(&bench, &ticket).await, "2.0.0");

    let back = how();
    gate.left_by(bench.host.step_plugin("mine", Step::RollBack, &back))
        .await;
    bench
        .until(|event| matches!(event, EventKind::PluginRolledBack { .. }))
        .await;
    gate.left_by(bench.host.remove_plugin("mine", "2.0.0", false))
        .await;
    bench
        .until(|event| matches!(event, EventKind::PluginRemoved { .. }))
        .await;
    let wanted = [("1.0.0".to_owned(), PluginState::Active)];
    assert_eq!(stands(&bench), wanted);
    let bench = bench.restart().await;
    assert_eq!(stands(&bench), wanted);
    let ticket = worked(&bench).await;
    assert_eq!(version_of(&bench, &ticket).await, "1.0.0");
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_may_be_on_disk_when_the_disk_fails_is_there_or_is_not_in_memory_as_on_disk()
{
    let disk = SimDisk::default();
    let open = async || {
        let engine = RedbEngine::with_backend(Arc::new(disk.clone()), RedbOptions::default());
        engine.await.expect("a database")
    };
    let folder = Arc::new(common::folder());
    let mut bench = Bench::start_on(folder.clone(), open().await, HostOptions::default()).await;
    for number in 1..=6_u8 {
        disk.fail_at(Call::Any, u64::from(number), false);
        let new = NewPlugin::named("mine", &format!("{number}.0.0"), variant(number));
        let added = bench.host.add_plugin(new).await;
        disk.mend();
        let there = stands(&bench);
        let is_there = there.iter().any(|(one, _)| *one == format!("{number}.0.0"));
        assert_eq!(added.is_ok(), is_there, "{number}: {added:?}");
        bench.host.shutdown().await;
        bench = Bench::start_on(folder.clone(), open().await, HostOptions::default()).await;
        assert_eq!(stands(&bench), there, "{number}: {added:?}");
    }
    assert!(disk.failures() >= 6);
    bench.host.shutdown().await;
}

/// A host behind a gate.
async fn gated(folder: Arc<TempDir>) -> (Bench, Gate) {
    let engine = RedbEngine::open(folder.path().join("store"), RedbOptions::default()).await;
    let gate = Gate::before(engine.expect("a database"));
    let bench = Bench::start_on(folder, gate.clone(), HostOptions::default()).await;
    (bench, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_on_disk_though_its_registering_was_told_to_have_failed_keeps_its_component()
 {
    let (bench, gate) = gated(Arc::new(common::folder())).await;
    let adding = bench.host.add_plugin(new(described("1.0.0")));
    let added = gate.unanswered(adding).await;
    assert!(matches!(added, Err(HostError::Unavailable(_))), "{added:?}");
    assert_eq!(stands(&bench), []);
    let digest = Sha256::digest(described("1.0.0"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = bench.folder.path().join("plugins").join(hex(&digest));
    assert!(file.exists());
    // What nobody needs goes meanwhile.
    let other = NewPlugin::named("nobodys", "1.0.0", variant(120));
    let other = bench
        .host
        .add_plugin(other)
        .await
        .expect("it is added")
        .plugin;
    let others = bench.folder.path().join("plugins").join(hex(&other.digest));
    let removed = bench.host.remove_plugin("nobodys", "1.0.0", false).await;
    removed.expect("nobody needs it");
    while others.exists() {
        tokio::task::yield_now().await;
    }
    let bench = bench.restart().await;
    assert_eq!(stands(&bench), [("1.0.0".to_owned(), PluginState::Active)]);
    assert!(file.exists(), "the version has its component");
    let view = bench.host.plugin("mine").expect("it is there");
    assert!(view.manifest.is_some(), "and what it says of itself");
    bench.team(vec![agent("worker", "mine", None)]).await;
    assert_eq!(worked(&bench).await.status, Status::Done);
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_ends_removes_no_files_any_more() {
    let (bench, gate) = gated(Arc::new(common::folder())).await;
    let added = bench.host.add_plugin(new(described("1.0.0"))).await;
    let digest = added.expect("it is added").plugin.digest;
    let file = bench.folder.path().join("plugins").join(hex(&digest));
    // The removal is stored, and what it lets go of is about to go.
    gate.close_after(1);
    let removed = bench.host.remove_plugin("mine", "1.0.0", false).await;
    removed.expect("nobody needs it");
    gate.holds_one().await;
    let told = async {
        // The store is closed when the wish to end was heard.
        loop {
            let batch = Batch::new(records::HOST, [3; 16], 0);
            if let Some(Err(CommitError::Closed)) = bench.store.commit(batch).now_or_never() {
                break;
            }
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    tokio::join!(biased; bench.host.shutdown(), told);
    // Comes after whoever removes files; its store is closed.
    assert!(bench.host.backup().await.is_err());
    assert!(file.exists(), "it is the next host's to remove");
    let bench = Bench::start_in(bench.folder, HostOptions::default()).await;
    while file.exists() {
        tokio::task::yield_now().await;
    }
    bench.host.shutdown().await;
}

/// A component with a manifest.
fn described(version: &str) -> Vec<u8> {
    let manifest = Manifest {
        description: "does as it is told".to_owned(),
        ..Manifest::new("mine", version, World::Subordinate)
    };
    let mut component = common::wasm("scripted-sub");
    custom_section(&mut component, "adjutant:manifest", &manifest.to_json());
    component
}

fn new(component: Vec<u8>) -> NewPlugin {
    NewPlugin {
        component,
        ..NewPlugin::default()
    }
}

/// Records by their keys.
pub(crate) type Stored = Vec<(Vec<u8>, Vec<u8>)>;

/// Stops the host, stores something of its own, and starts again.
pub(crate) async fn with_stored(bench: Bench, puts: Stored) -> Bench {
    bench.host.shutdown().await;
    let engine = RedbEngine::open(bench.folder.path().join("store"), RedbOptions::default()).await;
    let store = Store::open(Arc::new(engine.expect("a database")), Options::default()).await;
    let store = store.expect("a store");
    let epoch = store.acquire(records::HOST).await.expect("the partition");
    let op = *uuid::Uuid::now_v7().as_bytes();
    let mut batch = Batch::new(records::HOST, op, epoch);
    let puts = puts.into_iter();
    batch.put = puts.map(|(key, value)| (key, Some(value))).collect();
    store.commit(batch).await.expect("stored");
    store.close().await;
    Bench::start_in(bench.folder, HostOptions::default()).await
}

/// A component whose manifest no host takes now, as if it was registered before that was so; with what is
/// stored of it.
fn outdated(known: &Plugin) -> (Vec<u8>, Plugin, Stored) {
    let manifest = Manifest {
        config_schema: Some(json!({"type": 7})),
        ..Manifest::new("mine", "0.5.0", World::Subordinate)
    };
    let mut component = common::wasm("scripted-sub");
    custom_section(&mut component, "adjutant:manifest", &manifest.to_json());
    let digest = Sha256::digest(&component);
    let digest = digest.iter().map(|byte| format!("{byte:02x}"));
    let plugin = Plugin {
        version: manifest.version.clone(),
        digest: format!("sha256:{}", digest.collect::<String>()),
        ..known.clone()
    };
    let puts = vec![
        (
            records::plugin_key("mine", "0.5.0"),
            records::encode(&plugin),
        ),
        (
            records::manifest_key(&plugin.digest),
            records::encode(&manifest),
        ),
    ];
    (component, plugin, puts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_manifest_that_this_host_refuses_keeps_its_own_version_only_from_starting() {
    let bench = Bench::start().await;
    let added = bench.host.add_plugin(new(described("1.0.0"))).await;
    let (component, old, puts) = outdated(&added.expect("it is added").plugin);
    let file = bench.folder.path().join("plugins").join(hex(&old.digest));
    std::fs::write(&file, &component).expect("it is written");
    let bench = with_stored(bench, puts).await;
    let view = bench.host.plugin("mine@0.5.0").expect("it is there");
    let why = view.unusable.expect("it says why");
    assert!(why.contains("cannot be used by this host (/"), "{why}");
    let team = ["worker", "held", "other"].into_iter();
    let team = team.zip(["mine", "mine@0.5.0", "scripted-sub"]);
    let team = team.map(|(name, plugin)| agent(name, plugin, None));
    bench.team(team.collect()).await;
    bench.script("held", json!([{"greet": true}])).await;
    let held = bench.host.agent(bench.workspace, "held").await;
    let held = held.expect("the agent").held.expect("nothing starts");
    assert!(held.contains(&why) && held.contains("mine@0.5.0"), "{held}");
    for name in ["worker", "other"] {
        let id = bench.script(name, json!([{"greet": true}])).await;
        assert_eq!(bench.over(id).await.status, Status::Done);
    }
    // Whoever makes it active is told too, and so is who installs it.
    let step = Step::Activate("0.5.0".to_owned());
    let refused = bench.host.step_plugin("mine", step, &how()).await;
    assert!(
        matches!(&refused, Err(HostError::Refused(Refusal::Conflict(said))) if said.contains(&why)),
        "{refused:?}"
    );
    let refused = bench.host.add_plugin(new(component)).await;
    assert!(
        matches!(&refused, Err(HostError::Refused(Refusal::Invalid(_)))),
        "{refused:?}"
    );
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_of_a_manifest_is_read_from_the_component_or_mended_by_installing_it_again()
 {
    let bench = Bench::start().await;
    let added = bench.host.add_plugin(new(described("1.0.0"))).await;
    let digest = added.expect("it is added").plugin.digest;
    let agents = ["worker", "waiter"].map(|name| agent(name, "mine", None));
    bench.team(agents.to_vec()).await;
    let damaged = || vec![(records::manifest_key(&digest), vec![9, 1])];
    let bench = with_stored(bench, damaged()).await;
    let view = bench.host.plugin("mine").expect("it is there");
    assert!(view.unusable.is_none() && view.manifest.is_some());
    assert_eq!(worked(&bench).await.status, Status::Done);

    let waits = json!([{"ask": {"member": "ann", "text": "well?"}}]);
    let waits = bench.script("waiter", waits).await;
    bench
        .until(|event| matches!(event, EventKind::RunWaiting { .. }))
        .await;
    let file = bench.folder.path().join("plugins").join(hex(&digest));
    std::fs::write(&file, b"nothing of it").expect("it is damaged");
    let bench = with_stored(bench, damaged()).await;
    let view = bench.host.plugin("mine").expect("it is there");
    assert!(view.unusable.is_some() && view.manifest.is_none());
    let id = bench.script("worker", json!([{"greet": true}])).await;
    let held = bench.host.agent(bench.workspace, "worker").await;
    assert!(held.expect("the agent").held.is_some());
    // A run in flight does not go on without what bounds it.
    let (author, text) = ("ann".to_owned(), "go on".to_owned());
    let host = &bench.host;
    let told = host.post_message(bench.workspace, waits, author, text, None);
    told.await.expect("it is told");
    assert_eq!(bench.over(waits).await.status, Status::Failed);
    // Also where something is asked along with it that is refused.
    let again = NewPlugin {
        activation: Activation::Canary(10),
        ..new(described("1.0.0"))
    };
    let refused = bench.host.add_plugin(again).await;
    assert!(
        matches!(&refused, Err(HostError::Refused(Refusal::Conflict(_)))),
        "{refused:?}"
    );
    assert_eq!(bench.over(id).await.status, Status::Done);
    let bench = bench.restart().await;
    let view = bench.host.plugin("mine").expect("it is there");
    assert!(view.unusable.is_none() && view.manifest.is_some());
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_component_is_mended_by_installing_it_again() {
    let bench = Bench::start().await;
    let component = variant(1);
    let named = || NewPlugin::named("mine", "1.0.0", component.clone());
    let added = bench.host.add_plugin(named()).await.expect("it is added");
    bench.team(vec![agent("worker", "mine", None)]).await;
    let file: PathBuf = bench
        .folder
        .path()
        .join("plugins")
        .join(hex(&added.plugin.digest));
    let damages: [&dyn Fn(); 3] = [
        &|| std::fs::write(&file, b"nothing of it").expect("it is damaged"),
        &|| std::fs::write(&file, variant(2)).expect("it is another one"),
        &|| std::fs::remove_file(&file).expect("it is gone"),
    ];
    let mut bench = bench;
    for damage in damages {
        damage();
        bench = bench.restart().await;
        let ticket = worked(&bench).await;
        assert_eq!(ticket.status, Status::Failed, "{}", ticket.summary);
        bench
            .host
            .add_plugin(named())
            .await
            .expect("it is the same");
        assert_eq!(std::fs::read(&file).expect("it is there"), component);
        assert_eq!(worked(&bench).await.status, Status::Done);
        bench = bench.restart().await;
        assert_eq!(worked(&bench).await.status, Status::Done);
    }
    let another = NewPlugin::named("mine", "1.0.0", variant(2));
    let refused = bench.host.add_plugin(another).await;
    assert!(
        matches!(refused, Err(HostError::Refused(Refusal::Conflict(_)))),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&file).expect("it is there"), component);
    // What else is asked may be refused: it is whole again all the same.
    damages[0]();
    let refused = NewPlugin {
        activation: Activation::Canary(10),
        ..named()
    };
    let refused = bench.host.add_plugin(refused).await;
    assert!(
        matches!(&refused, Err(HostError::Refused(Refusal::Conflict(why)))
            if why.contains("is active already")),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&file).expect("it is there"), component);
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_there_is_tried_or_made_active_only_where_that_is_asked_for() {
    let bench = Bench::start().await;
    let add = async |bench: &Bench, number: u8, activation: Activation| {
        let named = NewPlugin::named("mine", &format!("{number}.0.0"), variant(number));
        let new = NewPlugin {
            activation,
            ..named
        };
        bench.host.add_plugin(new).await
    };
    let canary = PluginState::Canary;
    for number in [1, 2] {
        let added = add(&bench, number, Activation::Switch).await;
        assert!(!added.expect("it is added").known);
    }
    let back = bench.host.step_plugin("mine", Step::RollBack, &how()).await;
    back.expect("1.0.0 was before");
    let states = |bench: &Bench| {
        let states = stands(bench).into_iter();
        states.map(|(_, state)| state).collect::<Vec<_>>()
    };
    // The file of a version that was left lies in a watched folder still, or a script installs it again.
    for activation in [Activation::Switch, Activation::Keep] {
        let again = add(&bench, 2, activation).await.expect("the same again");
        assert!(again.known);
        assert_eq!(states(&bench), [PluginState::Active, PluginState::Idle]);
    }
    // To be tried it need not be new; the same again changes nothing.
    for percent in [10, 10, 30] {
        let tried = add(&bench, 2, Activation::Canary(percent)).await;
        assert!(tried.expect("it is tried").known);
        assert_eq!(states(&bench), [PluginState::Active, canary(percent)]);
    }
    let view = bench.host.rollout("mine").await.expect("it is there");
    let turns = view.rollout.history.iter();
    let started = turns.filter(|turn| turn.change == Change::CanaryStarted);
    assert_eq!(started.count(), 2);
    // What takes all runs cannot be tried, and that is told.
    let refused = add(&bench, 1, Activation::Canary(10)).await;
    assert!(
        matches!(&refused, Err(HostError::Refused(Refusal::Conflict(why)))
            if why.contains("mine@1.0.0 is active already")),
        "{refused:?}"
    );
    assert_eq!(states(&bench), [PluginState::Active, canary(30)]);
    let bench = bench.restart().await;
    assert_eq!(states(&bench), [PluginState::Active, canary(30)]);

    let active = add(&bench, 2, Activation::Activate).await;
    assert!(active.expect("it is made active").known);
    assert_eq!(states(&bench), [PluginState::Idle, PluginState::Active]);
    // A pin holds against both: one is kept as a new one is, the other is refused.
    let pinned = bench
        .host
        .step_plugin("mine", Step::Pin(None), &how())
        .await;
    pinned.expect("there is an active one");
    for number in [1, 3] {
        let kept = add(&bench, number, Activation::Activate).await;
        assert_eq!(kept.expect("it is kept").known, number == 1);
        let view = bench.host.plugin(&format!("mine@{number}.0.0"));
        let view = view.expect("it is there");
        assert_eq!(
            (view.state, view.pinned, view.pinned_to.as_deref()),
            (PluginState::Idle, false, Some("2.0.0"))
        );
    }
    let view = bench.host.plugin("mine").expect("it is there");
    assert_eq!((view.pinned, view.pinned_to), (true, None));
    let refused = add(&bench, 1, Activation::Canary(10)).await;
    assert!(
        matches!(&refused, Err(HostError::Refused(Refusal::Conflict(why)))
            if why.contains("unpin it first")),
        "{refused:?}"
    );
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_comes_with_the_host_takes_no_other_component() {
    let bench = Bench::start().await;
    let before = bench.host.plugin_views().len();
    let wasm = common::wasm("scripted-sub");
    let named = |version: &str, wasm: Vec<u8>| NewPlugin::named("scripted-sub", version, wasm);
    for activation in [Activation::Switch, Activation::Keep, Activation::Canary(10)] {
        let new = NewPlugin {
            activation,
            ..named("99.0.0", variant(1))
        };
        let refused = bench.host.add_plugin(new).await;
        assert!(
            matches!(&refused, Err(HostError::Refused(Refusal::Conflict(why)))
                if why.contains("scripted-sub comes with the host") && why.contains("another name")),
            "{refused:?}"
        );
    }
    assert_eq!(bench.host.plugin_views().len(), before);
    let own = bench.host.plugin("scripted-sub").expect("it is there");
    assert!(own.plugin.builtin && own.state == PluginState::Active);
    // The host's own component is known to it.
    let version = own.plugin.version.clone();
    let known = bench.host.add_plugin(named(&version, wasm)).await;
    assert!(known.expect("it is the same").known);
    bench.host.shutdown().await;
}
