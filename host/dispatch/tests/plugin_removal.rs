//! What stays when a plugin's version is removed, what goes, and what keeps it from being removed.

use crate::common::{self, Bench, agent};
use crate::plugin_changes::with_stored;
use crate::plugins::{custom_section, hex, how, variant};
use adjutant_dispatch::{Activation, HostError, HostOptions, NewPlugin, PluginState, Step};
use adjutant_model::{
    AgentSpec, EventKind, Limits, Manifest, Plugin, Refusal, Status, Ticket, TicketId, World,
};
use adjutant_run::RunnerOptions;
use adjutant_store::records;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A host on which runs that wait leave memory at once.
async fn bench() -> Bench {
    let options = HostOptions {
        runner: RunnerOptions {
            park_after: Duration::ZERO,
            ..RunnerOptions::default()
        },
        ..HostOptions::default()
    };
    Bench::start_in(Arc::new(common::folder()), options).await
}

/// Adds a component; gives back its file.
async fn add(bench: &Bench, name: &str, version: &str, component: Vec<u8>) -> PathBuf {
    let new = NewPlugin::named(name, version, component);
    let added = bench.host.add_plugin(new).await.expect("it is added");
    bench
        .folder
        .path()
        .join("plugins")
        .join(hex(&added.plugin.digest))
}

async fn remove(bench: &Bench, name: &str, version: &str, force: bool) -> Result<(), HostError> {
    bench.host.remove_plugin(name, version, force).await
}

/// Waits until a file is gone.
async fn gone(file: &Path) {
    let gone = async {
        while file.exists() {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, gone).await;
    in_time.unwrap_or_else(|_| panic!("{} is kept", file.display()));
}

/// Waits until the host has looked at all that was removed: something that nobody needs is gone.
async fn looked(bench: &Bench, number: u8) {
    let file = add(bench, "nobodys", &format!("{number}.0.0"), variant(number)).await;
    assert!(file.exists());
    let removed = remove(bench, "nobodys", &format!("{number}.0.0"), false).await;
    removed.expect("nobody needs it");
    gone(&file).await;
}

/// Whether a component's machine code is kept.
fn is_compiled(file: &Path) -> bool {
    let hex = file
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let mut entries = std::fs::read_dir(cache).expect("the cache").flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().contains(&hex))
}

fn digest(file: &Path) -> String {
    let hex = file.file_stem().expect("a name").to_string_lossy();
    format!("sha256:{hex}")
}

async fn answered(bench: &Bench, id: TicketId) -> Ticket {
    let (author, text) = ("ann".to_owned(), "go on".to_owned());
    let host = &bench.host;
    let told = host.post_message(bench.workspace, id, author, text, None);
    told.await.expect("it is told");
    bench.over(id).await
}

fn text(result: Result<(), HostError>) -> String {
    match result {
        Err(HostError::Refused(Refusal::Conflict(why))) => why,
        other => panic!("it is refused, and not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_component_stays_while_a_run_waits_on_it_and_is_gone_from_the_disk_after_it() {
    let bench = bench().await;
    let file = add(&bench, "mine", "1.0.0", variant(30)).await;
    bench.team(vec![agent("worker", "mine", None)]).await;
    let waits =
        json!([{"post": "before"}, {"ask": {"member": "ann", "text": "well?"}}, {"greet": true}]);
    let id = bench.script("worker", waits).await;
    bench
        .until(|event| matches!(event, EventKind::RunWaiting { .. }))
        .await;
    remove(&bench, "mine", "1.0.0", true)
        .await
        .expect("by force");
    looked(&bench, 31).await;
    assert!(file.exists(), "the run is replayed with it");
    let bench = bench.restart().await;
    looked(&bench, 32).await;
    assert!(file.exists(), "the run is replayed with it");
    assert!(bench.host.component_bytes(&digest(&file)).await.is_ok());

    let ticket = answered(&bench, id).await;
    assert_eq!(ticket.status, Status::Done, "{ticket:#?}");
    gone(&file).await;
    let bytes = bench.host.component_bytes(&digest(&file)).await;
    assert!(
        matches!(bytes, Err(HostError::Refused(Refusal::NotFound(_)))),
        "{bytes:?}"
    );
    looked(&bench, 33).await;
    assert!(!is_compiled(&file), "its machine code is gone too");
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_component_stays_while_another_version_is_the_same() {
    let bench = bench().await;
    let file = add(&bench, "mine", "1.0.0", variant(40)).await;
    add(&bench, "other", "2.0.0", variant(40)).await;
    remove(&bench, "mine", "1.0.0", false)
        .await
        .expect("unneeded");
    looked(&bench, 41).await;
    assert!(file.exists(), "other@2.0.0 is the same component");
    bench.team(vec![agent("worker", "other", None)]).await;
    let id = bench.script("worker", json!([{"greet": true}])).await;
    assert_eq!(bench.over(id).await.status, Status::Done);
    // While a backup is there, all that it names is.
    let backup = bench.host.backup().await.expect("a backup");
    remove(&bench, "other", "2.0.0", true)
        .await
        .expect("by force");
    backup.write(std::io::sink()).expect("it is whole");
    assert!(file.exists());
    drop(backup);
    gone(&file).await;
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_component_stays_for_a_run_that_broke_until_its_ticket_has_gone_on() {
    let bench = bench().await;
    let file = add(&bench, "mine", "1.0.0", variant(50)).await;
    bench.team(vec![agent("worker", "mine", None)]).await;
    let id = bench.script("worker", json!([{"flaw": true}])).await;
    let ticket = bench.over(id).await;
    assert_eq!(ticket.status, Status::Failed);
    let broken = *ticket.runs.last().expect("a run");
    add(&bench, "mine", "2.0.0", common::wasm("scripted-mended")).await;
    remove(&bench, "mine", "1.0.0", false)
        .await
        .expect("unneeded");
    looked(&bench, 51).await;
    assert!(file.exists(), "the run can be looked into, and resumed");
    let bench = bench.restart().await;
    looked(&bench, 52).await;
    assert!(file.exists(), "the run can be looked into, and resumed");
    let resumed = bench
        .host
        .resume_run(broken, None)
        .await
        .expect("it goes on");
    assert_eq!(resumed.plugin.version, "2.0.0");
    let ended = |event: &EventKind| match event {
        EventKind::RunEnded { run, .. } => *run == resumed.id,
        _ => false,
    };
    bench.until(ended).await;
    looked(&bench, 53).await;
    gone(&file).await;
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_version_names_any_more_is_gone_after_the_next_start() {
    let bench = bench().await;
    let file = add(&bench, "mine", "1.0.0", variant(60)).await;
    let folder = bench.folder.clone();
    bench.host.shutdown().await;
    // Left by a host that died, and never registered.
    let stray = format!("{}.wasm", "ab".repeat(32));
    let strays = [stray, format!("{}.0.tmp", "cd".repeat(32))].map(|name| {
        let path = folder.path().join("plugins").join(name);
        std::fs::write(&path, b"x").expect("it is written");
        path
    });
    let bench = Bench::start_in(folder, HostOptions::default()).await;
    for stray in &strays {
        gone(stray).await;
    }
    assert!(file.exists());
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_version_comes_back_as_the_same_component_only() {
    let limits = Limits {
        removed_plugins: 2,
        ..Limits::default()
    };
    let options = || HostOptions {
        limits: limits.clone(),
        ..HostOptions::default()
    };
    let bench = Bench::start_in(Arc::new(common::folder()), options()).await;
    add(&bench, "mine", "1.0.0", variant(70)).await;
    remove(&bench, "mine", "1.0.0", false)
        .await
        .expect("unneeded");
    let refused = async |bench: &Bench| {
        let new = NewPlugin::named("mine", "1.0.0", variant(71));
        text(bench.host.add_plugin(new).await.map(drop))
    };
    let why = refused(&bench).await;
    assert!(
        why.contains("mine@1.0.0 was removed") && why.contains("a new version"),
        "{why}"
    );
    let folder = bench.folder.clone();
    bench.host.shutdown().await;
    let bench = Bench::start_in(folder, options()).await;
    assert_eq!(refused(&bench).await, why);
    add(&bench, "mine", "1.0.0", variant(70)).await;
    let known = refused(&bench).await;
    assert!(known.contains("already registered"), "{known}");
    remove(&bench, "mine", "1.0.0", false)
        .await
        .expect("unneeded");

    // The host remembers so many, and forgets the oldest.
    for number in 72..=73 {
        looked(&bench, number).await;
    }
    add(&bench, "mine", "1.0.0", variant(71)).await;
    bench.host.shutdown().await;
}

fn pinned(name: &str, plugin: &str, selector: &str) -> AgentSpec {
    AgentSpec {
        selector: (!selector.is_empty()).then(|| selector.to_owned()),
        ..agent(name, plugin, None)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_agents_are_pinned_to_is_not_removed() {
    let bench = bench().await;
    let file = add(&bench, "mine", "1.0.0", variant(80)).await;
    add(&bench, "mine", "2.0.0", variant(81)).await;
    add(&bench, "chooser", "1.0.0", common::wasm("skills")).await;
    // None of them has anything to do.
    bench
        .team(vec![
            pinned("by-version", "mine@1.0.0", ""),
            pinned("by-digest", &format!("mine@{}", digest(&file)), ""),
            pinned("by-name", "mine", ""),
            pinned("boss", "coordinator", "chooser@1.0.0"),
        ])
        .await;
    let why = text(remove(&bench, "mine", "1.0.0", false).await);
    assert!(
        why.contains("pinned to plugin mine@1.0.0 (default/by-digest, default/by-version)"),
        "{why}"
    );
    let why = text(remove(&bench, "chooser", "1.0.0", false).await);
    assert!(why.contains("(default/boss)"), "{why}");
    // By its digest it is the same version.
    let by_digest = remove(&bench, "mine", &digest(&file), false).await;
    assert_eq!(
        text(by_digest),
        text(remove(&bench, "mine", "1.0.0", false).await)
    );

    // What an operator has pinned is unpinned first, also by force.
    let pin = Step::Pin(None);
    let stepped = bench.host.step_plugin("mine", pin, &how()).await;
    stepped.expect("it is pinned");
    let why = text(remove(&bench, "mine", "2.0.0", true).await);
    assert!(why.contains("pinned to 2.0.0; unpin it first"), "{why}");
    assert!(file.exists());
    remove(&bench, "mine", "1.0.0", true)
        .await
        .expect("by force");
    gone(&file).await;
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_selector_of_bosses_that_name_none_is_not_removed_while_they_have_tickets() {
    let bench = bench().await;
    // From a time when others could have a name that comes with the host.
    let own = bench.host.plugin("skills").expect("it is there").plugin;
    let plugin = Plugin {
        version: "9.0.0".to_owned(),
        builtin: false,
        ..own
    };
    let key = records::plugin_key("skills", "9.0.0");
    let bench = with_stored(bench, vec![(key, records::encode(&plugin))]).await;
    let drain = Step::Drain("0.1.0".to_owned());
    let activate = Step::Activate("9.0.0".to_owned());
    let stepped = bench.host.step_plugin("skills", activate, &how()).await;
    stepped.expect("it is as good as any");
    let stepped = bench.host.step_plugin("skills", drain, &how()).await;
    stepped.expect("it takes no new choices");
    let lone = agent("lone", "scripted-sub", None);
    let boss = agent("boss", "scripted", None);
    let below = agent("below", "scripted-sub", Some("boss"));
    bench.team(vec![lone, boss, below]).await;
    let waits = || json!([{"ask": {"member": "ann", "text": "well?"}}]);
    for name in ["lone", "boss"] {
        bench.script(name, waits()).await;
    }
    let why = text(remove(&bench, "skills", "9.0.0", false).await);
    assert!(
        why.contains("skills@9.0.0 is needed") && why.contains("(default/boss)"),
        "{why}"
    );
    remove(&bench, "skills", "9.0.0", true)
        .await
        .expect("by force");
    bench.host.shutdown().await;
}

/// A component that says what its configuration has to be.
fn configured(version: &str, schema: Value) -> Vec<u8> {
    let manifest = Manifest {
        config_schema: Some(schema),
        ..Manifest::new("mine", version, World::Subordinate)
    };
    let mut component = common::wasm("scripted-sub");
    custom_section(&mut component, "adjutant:manifest", &manifest.to_json());
    component
}

/// A host on which `mine` has become 2.0.0, which agent `worker` fits, as it did not fit 1.0.0.
async fn outgrown() -> Bench {
    let limits = Limits {
        fault_window: 4,
        fault_runs: 2,
        ..Limits::default()
    };
    let options = HostOptions {
        limits,
        ..HostOptions::default()
    };
    let bench = Bench::start_in(Arc::new(common::folder()), options).await;
    let old = json!({"properties": {"depth": {"type": "integer"}}, "required": ["depth"]});
    for component in [configured("1.0.0", old), configured("2.0.0", json!({}))] {
        let new = NewPlugin {
            component,
            ..NewPlugin::default()
        };
        bench.host.add_plugin(new).await.expect("it is added");
    }
    let fits = AgentSpec {
        config: Some(json!({"depth": 1})),
        ..agent("fitting", "mine", None)
    };
    bench.team(vec![agent("worker", "mine", None), fits]).await;
    bench
}

/// What becomes of tickets of both agents.
async fn ends(bench: &Bench) -> [Ticket; 2] {
    let greet = json!([{"greet": true}]);
    let [one, two] = ["worker", "fitting"].map(|name| bench.script(name, greet.clone()));
    [bench.over(one.await).await, bench.over(two.await).await]
}

fn says_what_does_not_fit(ends: &[Ticket; 2]) {
    let [worker, fitting] = ends;
    assert_eq!(worker.status, Status::Failed);
    let why = &worker.summary;
    assert!(
        why.contains("does not fit plugin mine") && why.contains("depth"),
        "{why}"
    );
    assert_eq!(fitting.status, Status::Done, "{fitting:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_not_removed_where_agents_do_not_fit_the_one_in_its_place() {
    let bench = outgrown().await;
    let refused = remove(&bench, "mine", "2.0.0", false).await;
    let Err(HostError::Refused(Refusal::Invalid(wrong))) = refused else {
        panic!("it is refused, and not {refused:?}");
    };
    assert!(
        wrong[0].message.contains("agents do not fit mine@1.0.0"),
        "{wrong:?}"
    );
    let paths: Vec<&str> = wrong[1..].iter().map(|one| one.path.as_str()).collect();
    assert!(
        paths
            .iter()
            .all(|path| path.starts_with("/agents/default/worker/config"))
            && !paths.is_empty(),
        "{wrong:?}"
    );
    let view = bench.host.plugin("mine@2.0.0").expect("it is there");
    assert_eq!(view.state, PluginState::Active);
    remove(&bench, "mine", "2.0.0", true)
        .await
        .expect("by force");
    says_what_does_not_fit(&ends(&bench).await);
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_taken_back_says_which_agents_do_not_fit_the_one_before() {
    let bench = outgrown().await;
    for _ in 0..2 {
        let id = bench.script("worker", json!([{"flaw": true}])).await;
        assert_eq!(bench.over(id).await.status, Status::Failed);
    }
    let mut said = String::new();
    bench
        .until(|event| match event {
            EventKind::PluginTakenBack { reason, .. } => {
                said.clone_from(reason);
                true
            }
            _ => false,
        })
        .await;
    assert!(
        said.contains("agents do not fit 1.0.0") && said.ends_with("until they do: default/worker"),
        "{said}"
    );
    let view = bench.host.rollout("mine").await.expect("it is there");
    assert_eq!(view.rollout.active.as_deref(), Some("1.0.0"));
    assert_eq!(view.rollout.history.last().expect("a turn").reason, said);
    says_what_does_not_fit(&ends(&bench).await);
    bench.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_active_version_is_not_removed_where_none_would_be_active_then() {
    let bench = bench().await;
    add(&bench, "mine", "1.0.0", variant(90)).await;
    // Alone and used by nobody it may go, and comes back.
    remove(&bench, "mine", "1.0.0", false)
        .await
        .expect("unneeded");
    add(&bench, "mine", "1.0.0", variant(90)).await;
    // Used by its name it may not, though nobody has anything to do.
    bench.team(vec![agent("worker", "mine", None)]).await;
    let why = text(remove(&bench, "mine", "1.0.0", false).await);
    assert!(
        why.contains("the only version of mine") && why.contains("(default/worker)"),
        "{why}"
    );

    // Another version that was never active takes no place.
    let kept = NewPlugin {
        activation: Activation::Keep,
        ..NewPlugin::named("mine", "2.0.0", variant(91))
    };
    bench.host.add_plugin(kept).await.expect("it is added");
    let why = text(remove(&bench, "mine", "1.0.0", false).await);
    assert!(
        why.contains("none to go back to, so no version of mine would be for the agents that use it (default/worker)")
            && why.ends_with("then new tickets of the agents whose plugin it is wait")
            && why.contains("adjutant plugin activate mine@VERSION` (there are 2.0.0)"),
        "{why}"
    );
    let active = async |bench: &Bench| {
        let view = bench.host.rollout("mine").await.expect("it is there");
        view.rollout.active
    };
    assert_eq!(active(&bench).await.as_deref(), Some("1.0.0"));
    // One that was active before does: nothing is without a version, and what is idle goes at any time.
    let step = Step::Activate("2.0.0".to_owned());
    let stepped = bench.host.step_plugin("mine", step, &how()).await;
    stepped.expect("it is there");
    remove(&bench, "mine", "2.0.0", false)
        .await
        .expect("1.0.0 was active before");
    assert_eq!(active(&bench).await.as_deref(), Some("1.0.0"));

    // By force none is active, and what comes waits and says why.
    let kept = NewPlugin {
        activation: Activation::Keep,
        ..NewPlugin::named("mine", "3.0.0", variant(92))
    };
    bench.host.add_plugin(kept).await.expect("it is added");
    remove(&bench, "mine", "1.0.0", true)
        .await
        .expect("by force");
    assert_eq!(active(&bench).await, None);
    let id = bench.script("worker", json!([{"greet": true}])).await;
    let held = bench.host.held(bench.workspace, vec![id]).await;
    let held = held.expect("the host answers").remove(&id);
    assert!(
        held.as_ref()
            .is_some_and(|why| why.contains("mine has no active version")),
        "{held:?}"
    );
    let step = Step::Activate("3.0.0".to_owned());
    let stepped = bench.host.step_plugin("mine", step, &how()).await;
    stepped.expect("it is there");
    assert_eq!(bench.over(id).await.status, Status::Done);
    bench.host.shutdown().await;
}
