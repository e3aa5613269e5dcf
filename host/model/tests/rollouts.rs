//! What new runs take: the active version, a canary's share, what a drained version leaves, and which
//! ends of runs count for a version.

use crate::common::{Story, spec};
use adjutant_model::{
    Answer, Call, CallError, Command, Described, Draft, Effect, Ending, EventKind, Lot, Manifest,
    Moment, Plugin, PluginRef, Plugins, Refusal, Removed, Run, RunId, RunStatus, Status, TicketId,
    WantedAgent, World,
};
use serde_json::json;
use std::sync::Arc;

const AT: Moment<'static> = Moment {
    now: 1,
    reason: "",
    keep: 50,
};

/// Another version of a plugin that is there.
fn version(plugins: &Plugins, version: &str) -> Plugin {
    let worker = plugins
        .versions("worker")
        .next()
        .expect("the common worker");
    Plugin {
        version: version.to_owned(),
        digest: format!("sha256:{version}"),
        ..Plugin::clone(worker)
    }
}

/// A story in which `worker` has the versions 1.0.0 and 2.0.0, and an agent that follows them.
fn story() -> Story {
    let mut story = Story::new();
    let second = version(&story.plugins, "2.0.0");
    story.plugins.add(second).expect("it is new");
    let mut ada = spec("ada", "worker", None);
    ada.limits.max_concurrent = 1_000;
    story.team(vec![ada]).expect("a good team");
    story
}

fn give(story: &mut Story) -> TicketId {
    story.give("ada", "Do it")
}

/// A ticket's run, over or not.
fn run_of(story: &Story, ticket: TicketId) -> &Run {
    let run = story.ticket(ticket).run.expect("it has had one");
    story.state.run(run).expect("it is here")
}

/// The version that a ticket's run took.
fn taken(story: &Story, ticket: TicketId) -> String {
    run_of(story, ticket).plugin.version.clone()
}

fn change(story: &mut Story, change: impl FnOnce(&mut adjutant_model::Rollout)) {
    let mut rollout = story.plugins.rollout_of("worker");
    change(&mut rollout);
    story.plugins.set_rollout(rollout);
}

#[test]
fn new_runs_take_the_active_version_and_runs_in_flight_stay() {
    let mut story = story();
    let first = give(&mut story);
    assert_eq!(taken(&story, first), "2.0.0", "the one added last");
    change(&mut story, |rollout| {
        rollout.roll_back(AT).expect("to the first");
    });
    let second = give(&mut story);
    assert_eq!(
        (
            taken(&story, first).as_str(),
            taken(&story, second).as_str()
        ),
        ("2.0.0", "1.0.0")
    );
    change(&mut story, |rollout| {
        rollout.try_out("2.0.0", 50, AT).expect("a canary");
    });
    let some: Vec<String> = (0..60)
        .map(|_| {
            let id = give(&mut story);
            taken(&story, id)
        })
        .collect();
    let share = some.iter().filter(|version| *version == "2.0.0").count();
    assert!((10..50).contains(&share), "{share} of 60");
}

#[test]
fn an_agent_without_an_active_version_and_with_nothing_to_do_is_held_by_nothing() {
    let mut story = story();
    change(&mut story, |rollout| {
        rollout.drain("2.0.0", AT).expect("the first is left");
        rollout.drain("1.0.0", AT).expect("none is left");
    });
    let (ada, id) = (story.agent("ada"), give(&mut story));
    assert!(story.state.held(story.now).agent(ada).is_some());
    story.cancel(id);
    assert_eq!(story.state.held(story.now).agent(ada), None);
}

#[test]
fn without_an_active_version_tickets_wait_and_go_on_when_there_is_one() {
    let mut story = story();
    change(&mut story, |rollout| {
        rollout.drain("2.0.0", AT).expect("the first is left");
        rollout.drain("1.0.0", AT).expect("none is left");
    });
    let id = give(&mut story);
    assert_eq!(story.ticket(id).status, Status::Open);
    let ada = story.agent("ada");
    let why = story.state.held(story.now).agent(ada).expect("it is held");
    assert_eq!(story.state.held(story.now).ticket(id), Some(why.clone()));
    assert!(why.contains("worker has no active version"), "{why}");
    let told = story.last.events.iter();
    assert!(
        told.clone().any(
            |event| matches!(&event.kind, EventKind::AgentHeld { reason, .. } if *reason == why)
        )
    );
    // Nothing starts by itself, and what is told comes in the log.
    story.run(Command::Tick).expect("time passes");
    assert_eq!(story.ticket(id).status, Status::Open);
    change(&mut story, |rollout| {
        rollout.activate("1.0.0", AT).expect("it is there");
    });
    let news = vec![EventKind::PluginPinned {
        plugin: "worker".to_owned(),
        version: "1.0.0".to_owned(),
    }];
    story
        .run(Command::PluginsChanged { news: news.clone() })
        .expect("it is told");
    assert_eq!(story.last.events[0].kind, news[0]);
    assert_eq!(story.ticket(id).status, Status::InProgress);
    assert_eq!(taken(&story, id), "1.0.0");
    assert_eq!(story.state.held(story.now).agent(ada), None);
}

#[test]
fn only_ends_that_say_something_of_the_plugin_count() {
    let counted = |story: &Story| -> Vec<Option<bool>> {
        let effects = story.last.effects.iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Count { plugin, fault } => {
                    assert_eq!(plugin.version, "2.0.0");
                    Some(*fault)
                }
                _ => None,
            })
            .collect()
    };
    let mut story = story();
    let id = give(&mut story);
    story.end(id, Ending::Faulted("it trapped".to_owned()));
    assert_eq!(counted(&story), [Some(true)]);
    assert!(run_of(&story, id).broke, "it can be resumed");
    let id = give(&mut story);
    story.end(
        id,
        Ending::Broke("its worktree could not be made".to_owned()),
    );
    assert_eq!(counted(&story), [None]);
    let id = give(&mut story);
    story.fails(id);
    assert_eq!(counted(&story), [Some(false)]);
    let id = give(&mut story);
    story
        .run(Command::CancelTicket {
            ticket: id,
            reason: String::new(),
        })
        .expect("it is cancelled");
    assert_eq!(counted(&story), [None]);
    assert_eq!(run_of(&story, id).status, RunStatus::Cancelled);
}

#[test]
fn what_a_run_is_given_has_the_defaults_of_its_version() {
    let mut story = story();
    let mut manifest = Manifest::new("worker", "2.0.0", World::Subordinate);
    manifest.config_schema = Some(json!({
        "properties": {"depth": {"type": "integer", "default": 3}}
    }));
    let described = Described::new(manifest).expect("a schema");
    story.plugins.describe("sha256:2.0.0", Arc::new(described));
    let id = give(&mut story);
    assert_eq!(run_of(&story, id).given.config_json, r#"{"depth":3}"#);
    change(&mut story, |rollout| {
        rollout.roll_back(AT).expect("to the first");
    });
    let id = give(&mut story);
    assert_eq!(run_of(&story, id).given.config_json, "{}");
}

#[test]
fn a_manifest_bounds_whom_tickets_are_assigned_to() {
    let mut story = story();
    let mut ada = spec("ada", "worker", None);
    ada.grants.assign_to = vec!["bob".to_owned(), "sol".to_owned()];
    story.team(vec![ada]).expect("a good team");
    let mut manifest = Manifest::new("worker", "2.0.0", World::Subordinate);
    manifest.wants.assign_to = vec![WantedAgent {
        agent: "bob".to_owned(),
        why: String::new(),
    }];
    let described = Described::new(manifest).expect("no schema");
    story.plugins.describe("sha256:2.0.0", Arc::new(described));
    let id = give(&mut story);
    let assign = |story: &mut Story, agent: &str| {
        let draft = Call::CreateTicket {
            draft: Draft {
                title: "For another".to_owned(),
                description: String::new(),
                expected_output_schema: None,
                key: None,
            },
        };
        let Ok(Answer::Ticket(child)) = story.call(id, draft) else {
            panic!("a ticket")
        };
        let agent = agent.to_owned();
        story.call(
            id,
            Call::AssignTicket {
                ticket: child,
                agent,
            },
        )
    };
    assert_eq!(assign(&mut story, "bob"), Ok(Answer::Unit));
    let Err(CallError::Denied(why)) = assign(&mut story, "sol") else {
        panic!("it is not wanted")
    };
    assert!(
        why.contains("sol is granted under `assign_to`, but the manifest of worker@2.0.0"),
        "{why}"
    );
    let Err(CallError::Denied(why)) = assign(&mut story, "kai") else {
        panic!("it is not granted")
    };
    assert!(why.contains("no grant `assign_to` names it"), "{why}");
}

#[test]
fn nothing_starts_on_what_is_not_signed_where_that_is_required() {
    let mut story = story();
    let signed = |story: &mut Story, version: &str, key: &str| {
        let found = story
            .plugins
            .versions("worker")
            .find(|one| one.version == version);
        let mut plugin = Plugin::clone(found.expect("it is there"));
        plugin.source.signed_by = Some(key.to_owned());
        plugin.builtin = false;
        assert!(story.plugins.vouch(plugin));
    };
    signed(&mut story, "1.0.0", "A");
    signed(&mut story, "2.0.0", "A");
    change(&mut story, |rollout| {
        rollout.activate("1.0.0", AT).expect("it is there");
        rollout.try_out("2.0.0", 99, AT).expect("it may be tried");
    });
    story.plugins.require_signers(["B".to_owned()]);
    let waits = give(&mut story);
    assert_eq!(story.ticket(waits).run, None, "neither key counts");
    // The canary's share goes to the active version, which has a signature that counts now.
    signed(&mut story, "1.0.0", "B");
    let told = story.run(Command::PluginsChanged { news: Vec::new() });
    told.expect("it is told");
    assert_eq!(taken(&story, waits), "1.0.0");
    for _ in 0..20 {
        let ticket = give(&mut story);
        assert_eq!(taken(&story, ticket), "1.0.0");
    }
    signed(&mut story, "2.0.0", "B");
    let mut versions: Vec<String> = Vec::new();
    for _ in 0..20 {
        let ticket = give(&mut story);
        versions.push(taken(&story, ticket));
    }
    assert!(versions.contains(&"2.0.0".to_owned()), "{versions:?}");
}

#[test]
fn a_removed_version_names_the_same_component_for_ever() {
    let mut plugins = story().plugins;
    let second = version(&plugins, "2.0.0");
    let another = Plugin {
        digest: "sha256:another".to_owned(),
        ..second.clone()
    };
    let removed = |at| Removed {
        digest: second.digest.clone(),
        at,
    };
    plugins.remove("worker", "2.0.0", AT).expect("it was there");
    plugins.note_removed("worker", "2.0.0", removed(7));
    let refused = plugins.register(another.clone());
    assert!(
        matches!(&refused, Err(Refusal::Conflict(why)) if why.contains("worker@2.0.0 was removed")),
        "{refused:?}"
    );
    assert_eq!(plugins.register(second.clone()), Ok(true));
    assert_eq!(plugins.removed("worker", "2.0.0"), None);
    // The oldest are forgotten where there are too many.
    for (at, version) in [(9, "9.0.0"), (8, "8.0.0"), (7, "2.0.0")] {
        plugins.note_removed("worker", version, removed(at));
    }
    assert_eq!(plugins.removed_beyond(3), []);
    let owned = |version: &str| ("worker".to_owned(), version.to_owned());
    assert_eq!(plugins.removed_beyond(1), [owned("2.0.0"), owned("8.0.0")]);
    plugins.remove("worker", "2.0.0", AT).expect("it was there");
    plugins.forget_removed("worker", "2.0.0");
    assert_eq!(plugins.register(another), Ok(true));
}

#[test]
fn nothing_starts_on_a_version_whose_manifest_cannot_be_used() {
    let mut story = story();
    let digest = version(&story.plugins, "2.0.0").digest;
    story.plugins.bar_unusable(&digest, "no host reads it");
    let id = give(&mut story);
    assert_eq!(story.ticket(id).run, None);
    let ada = story.agent("ada");
    let held = story.state.held(story.now).agent(ada).expect("it is held");
    assert!(
        held.contains("worker@2.0.0") && held.contains("no host reads it"),
        "{held}"
    );
    // A canary that cannot be used is not drawn.
    change(&mut story, |rollout| {
        rollout.activate("1.0.0", AT).expect("it is there");
        rollout.try_out("2.0.0", 99, AT).expect("it is there");
    });
    let worker = PluginRef::parse("worker");
    let taken = (0..50).map(|n| {
        story
            .plugins
            .take(&worker, Lot::of_run(RunId(uuid::Uuid::from_u128(n))), false)
    });
    for plugin in taken {
        assert_eq!(plugin.expect("the active one").version, "1.0.0");
    }
    let manifest = Manifest::new("worker", "2.0.0", World::Subordinate);
    let described = Described::new(manifest).expect("it is one");
    story.plugins.describe(&digest, Arc::new(described));
    assert_eq!(story.plugins.unusable(&digest), None);
}
