//! Stories of one ticket: made, assigned, queued, worked on, ended, brought back. And of the team.

use crate::common::{Story, spec};
use adjutant_model::{
    Command, Effect, Ending, Join, NewTicket, Outcome, Refusal, Repo, RunStatus, Status, TeamSpec,
    TicketId, Tracking, WorkspaceSpec,
};
use serde_json::json;
use uuid::Uuid;

fn new(title: &str) -> NewTicket {
    NewTicket {
        title: title.to_owned(),
        ..NewTicket::default()
    }
}

fn path(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Invalid(violations) => &violations[0].path,
        other => panic!("not invalid: {other:?}"),
    }
}

#[test]
fn a_ticket_with_something_wrong_is_refused_and_says_where() {
    let mut story = Story::new();
    let parent = story.create(new("over"));
    story.cancel(parent);
    let table = [
        ("/title", new(" ")),
        ("/title", new(&"x".repeat(1_001))),
        (
            "/description",
            NewTicket {
                description: "x".repeat(100_000),
                ..new("a")
            },
        ),
        (
            "/expected_output_schema",
            NewTicket {
                expected_output_schema: Some(json!({"type": "strange"})),
                ..new("a")
            },
        ),
        (
            "/expected_output_schema",
            NewTicket {
                expected_output_schema: Some(json!({"const": "x".repeat(70_000)})),
                ..new("a")
            },
        ),
        (
            "/assignee",
            NewTicket {
                assignee: Some("nobody".to_owned()),
                ..new("a")
            },
        ),
        (
            "/collaborators",
            NewTicket {
                collaborators: vec!["nobody".to_owned()],
                ..new("a")
            },
        ),
        (
            "/parent",
            NewTicket {
                parent: Some(TicketId(Uuid::nil())),
                ..new("a")
            },
        ),
        (
            "/backlog",
            NewTicket {
                backlog: true,
                assignee: Some("ada".to_owned()),
                ..new("a")
            },
        ),
    ];
    for (wanted, ticket) in table {
        assert_eq!(path(&story.refused(Command::CreateTicket(ticket))), wanted);
    }
    let below = NewTicket {
        parent: Some(parent),
        ..new("a")
    };
    assert!(matches!(
        story.refused(Command::CreateTicket(below)),
        Refusal::Conflict(_)
    ));
}

#[test]
fn trees_and_workspaces_are_bounded() {
    let mut story = Story::new();
    story.limits.depth = 1;
    story.limits.children = 2;
    story.limits.tree_tickets = 3;
    let root = story.create(new("root"));
    let below = |parent| {
        Command::CreateTicket(NewTicket {
            parent: Some(parent),
            ..new("below")
        })
    };
    let child = story.create(NewTicket {
        parent: Some(root),
        ..new("child")
    });
    assert!(matches!(story.refused(below(child)), Refusal::Denied(why) if why.contains("`depth`")));
    story.run(below(root)).expect("the third of the tree");
    assert!(
        matches!(story.refused(below(root)), Refusal::Limit(why) if why.contains("`children`"))
    );
    story.limits.children = 9;
    assert!(
        matches!(story.refused(below(root)), Refusal::Limit(why) if why.contains("`tree_tickets`"))
    );
    story.limits.live_tickets = 3;
    assert!(matches!(
        story.refused(Command::CreateTicket(new("more"))),
        Refusal::Busy(_)
    ));
    story.cancel(child);
    story.create(new("there is room again"));
}

#[test]
fn a_busy_agent_queues_in_order_and_a_higher_limit_lets_more_start() {
    let mut story = Story::new();
    let all: Vec<TicketId> = (0..4)
        .map(|n| story.give("ada", &format!("part {n}")))
        .collect();
    assert_eq!(story.desk("ada"), (vec![all[0]], 3));
    assert_eq!(story.status(all[1]), Status::Open);
    story.done(all[0]);
    assert_eq!(story.desk("ada"), (vec![all[1]], 2));
    let mut ada = spec("ada", "worker", Some("kai"));
    ada.limits.max_concurrent = 2;
    story.team(vec![ada.clone()]).expect("saved");
    assert_eq!(story.desk("ada"), (vec![all[1], all[2]], 1));
    ada.limits.max_concurrent = 1;
    story.team(vec![ada]).expect("saved");
    story.done(all[1]);
    assert_eq!(
        story.desk("ada"),
        (vec![all[2]], 1),
        "the lower limit holds for what comes next"
    );
    story.done(all[2]);
    assert_eq!(story.desk("ada"), (vec![all[3]], 0));
}

#[test]
fn a_reassigned_ticket_stops_its_run_and_its_token_is_worth_nothing() {
    let mut story = Story::new();
    let ticket = story.give("ada", "a");
    let next = story.give("ada", "b");
    let old = story.run_of(ticket);
    let command = |reason: &str| Command::AssignTicket {
        ticket,
        agent: "bob".to_owned(),
        reason: reason.to_owned(),
        unchanged_since: None,
    };
    assert!(matches!(story.refused(command("")), Refusal::Conflict(why) if why.contains("ada")));
    story
        .run(command("ada is ill"))
        .expect("a reason was given");
    assert!(story.last.effects.contains(&Effect::Stop(old)));
    assert_eq!(
        story.state.run(old).map(|run| run.status),
        Some(RunStatus::Cancelled)
    );
    assert_eq!(story.desk("bob").0, [ticket]);
    assert_eq!(
        story.desk("ada").0,
        [next],
        "the place that is free is used"
    );
    let late = Command::EndRun {
        run: old,
        pending: Vec::new(),
        guest_us: 0,
        ending: Ending::Broke("late".to_owned()),
    };
    assert!(matches!(story.refused(late), Refusal::Conflict(_)));
    assert!(matches!(
        story.assign(ticket, "bob"),
        Err(Refusal::Conflict(_))
    ));
    let stale = Command::AssignTicket {
        ticket,
        agent: "sol".to_owned(),
        reason: "x".to_owned(),
        unchanged_since: Some(1),
    };
    assert!(matches!(story.refused(stale), Refusal::Conflict(why) if why.contains("meanwhile")));
}

#[test]
fn ten_thousand_queued_tickets_of_a_plugin_that_is_gone_all_fail() {
    let mut story = Story::new();
    let mut tickets = vec![story.give("sol", "first")];
    // Made one after the other, with no copy of the state for each.
    let spare = std::mem::take(&mut story.plugins);
    for n in 0..10_000u128 {
        let mut ids = || Uuid::from_u128((1 << 64) + n * 16);
        let mut tokens = || Uuid::from_u128(9);
        let context = adjutant_model::Context {
            now: 2_000,
            ids: &mut ids,
            tokens: &mut tokens,
            plugins: &spare,
            limits: &story.limits,
            base_url: "",
        };
        let command = Command::CreateTicket(NewTicket {
            assignee: Some("sol".to_owned()),
            ..new("more")
        });
        let (outcome, _) =
            adjutant_model::Tx::run(&mut story.state, context, command).expect("room");
        let Outcome::Ticket(ticket) = outcome else {
            panic!("a ticket")
        };
        tickets.push(ticket.id);
    }
    let begun = std::time::Instant::now();
    story.done(tickets[0]);
    assert!(begun.elapsed().as_secs() < 10, "took {:?}", begun.elapsed());
    assert!(
        tickets[1..]
            .iter()
            .all(|id| story.status(*id) == Status::Failed)
    );
    assert!(story.ticket(tickets[9]).summary.contains("cannot start"));
    assert_eq!(story.desk("sol"), (Vec::new(), 0));
    assert_eq!(story.state.live_tickets(), 0);
}

#[test]
fn people_move_tickets_along_the_graph_or_by_force() {
    let mut story = Story::new();
    let ticket = story.give("ada", "a");
    let set = |ticket, status, force| Command::SetStatus {
        ticket,
        status,
        force,
    };
    assert!(
        matches!(story.refused(set(ticket, Status::Open, false)), Refusal::Conflict(why) if why.contains("it can become"))
    );
    story.set(ticket, Status::Blocked, false);
    assert_eq!(story.state.tracking(story.agent("ada")), Tracking::Blocked);
    story.set(ticket, Status::InProgress, false);
    story.set(ticket, Status::InReview, false);
    assert_eq!(
        story.state.tracking(story.agent("ada")),
        Tracking::NeedsReview
    );
    story.set(ticket, Status::Done, false);
    assert_eq!(story.ticket(ticket).summary, "closed by hand");
    let run = story
        .ticket(ticket)
        .run
        .and_then(|run| story.state.run(run))
        .expect("a run");
    assert_eq!(
        run.status,
        RunStatus::Cancelled,
        "it has not failed, it is not wanted"
    );
    assert!(
        matches!(story.refused(set(ticket, Status::Open, false)), Refusal::Conflict(why) if why.contains("nothing else"))
    );
    assert!(matches!(
        story.refused(set(ticket, Status::Blocked, true)),
        Refusal::Conflict(_)
    ));
    story.set(ticket, Status::Open, true);
    assert_eq!(
        story.live(ticket).map(|run| run.attempt),
        Some(2),
        "reopened and started again"
    );

    let idle = story.create(new("nobody's"));
    assert!(matches!(
        story.refused(set(idle, Status::InProgress, true)),
        Refusal::Conflict(_)
    ));
    let queued = story.give("ada", "queued");
    story.set(queued, Status::Backlog, true);
    assert_eq!(
        story.desk("ada"),
        (vec![ticket], 0),
        "what is in the backlog is in no queue"
    );
    story.set(queued, Status::Open, false);
    assert_eq!(story.desk("ada"), (vec![ticket], 1));
}

#[test]
fn a_ticket_forced_back_to_open_begins_anew_and_to_backlog_lets_the_next_one_start() {
    let mut story = Story::new();
    let first = story.give("ada", "a");
    let second = story.give("ada", "b");
    let run = story.run_of(first);
    story.set(first, Status::Backlog, true);
    assert!(story.last.effects.contains(&Effect::Stop(run)));
    assert!(story.live(first).is_none());
    assert_eq!(story.desk("ada"), (vec![second], 0));
    let run = story.run_of(second);
    story.set(second, Status::Open, true);
    assert_ne!(story.run_of(second), run, "a run of its own");
    assert_eq!(story.status(second), Status::InProgress);
}

#[test]
fn what_was_done_and_is_cancelled_by_hand_takes_along_all_below() {
    let mut story = Story::new();
    let parent = story.give("kai", "all of it");
    let child = story.create(NewTicket {
        title: "a part that nobody delegated".to_owned(),
        assignee: Some("ada".to_owned()),
        parent: Some(parent),
        ..NewTicket::default()
    });
    story.done(parent);
    assert_eq!(story.status(child), Status::InProgress, "left to itself");
    story.set(parent, Status::Cancelled, true);
    assert_eq!(story.status(child), Status::Cancelled);
}

#[test]
fn a_failed_child_that_is_called_done_by_hand_meets_a_join() {
    let mut story = Story::new();
    let parent = story.give("kai", "all of it");
    let tasks = [("ada", "one"), ("bob", "two")];
    let children = story.delegate(parent, &tasks).expect("delegated");
    let run = story.run_of(parent);
    let any = story.awaits(&children, Join::Any);
    story.waits(parent, any);
    story.fails(children[0]);
    assert!(story.answered(run).is_none());
    story.set(children[0], Status::Done, true);
    assert!(story.joined(run).met);
}

#[test]
fn a_child_is_not_reopened_below_a_parent_that_is_over() {
    let mut story = Story::new();
    let parent = story.create(new("parent"));
    let child = story.create(NewTicket {
        parent: Some(parent),
        ..new("child")
    });
    story.cancel(parent);
    assert_eq!(story.status(child), Status::Cancelled);
    let reopen = |ticket| Command::SetStatus {
        ticket,
        status: Status::Open,
        force: true,
    };
    assert!(
        matches!(story.refused(reopen(child)), Refusal::Conflict(why) if why.contains("first"))
    );
    story.run(reopen(parent)).expect("reopened");
    story.run(reopen(child)).expect("reopened");
    assert_eq!(story.state.live_tickets(), 2);
}

#[test]
fn a_deadline_fails_a_ticket_once_and_old_timers_do_nothing() {
    let mut story = Story::new();
    let due = |to: Option<&str>| NewTicket {
        deadline_ms: Some(100),
        assignee: to.map(str::to_owned),
        ..new("due")
    };
    let late = story.create(due(Some("ada")));
    let early = story.create(due(Some("bob")));
    let unassigned = story.create(due(None));
    let run = story.run_of(late);
    story.done(early);
    story.later(99);
    assert_eq!(story.status(late), Status::InProgress);
    assert_eq!(story.state.next_timer(), Some(story.now + 1));
    story.later(1);
    assert_eq!(story.status(late), Status::Failed);
    assert_eq!(story.ticket(late).summary, "its deadline has passed");
    assert!(story.last.effects.contains(&Effect::Stop(run)));
    assert_eq!(story.status(unassigned), Status::Failed);
    assert_eq!(story.status(early), Status::Done);
    assert_eq!(story.state.next_timer(), None);
    story.set(late, Status::Open, true);
    story.later(1_000);
    assert_eq!(
        story.status(late),
        Status::InProgress,
        "a reopened ticket has no deadline"
    );
}

#[test]
fn a_team_is_saved_whole_or_not_at_all() {
    let mut story = Story::new();
    let good = || spec("zoe", "worker", Some("kai"));
    let mut idle = spec("x", "worker", None);
    idle.limits.max_concurrent = 0;
    let mut config = spec("x", "worker", None);
    config.config = Some(json!([]));
    let mut selector = spec("x", "boss", None);
    selector.selector = Some("worker".to_owned());
    let mut command = spec("x", "worker", None);
    command.grants.commands = vec![vec!["*".to_owned()]];
    let table = [
        ("/agents/1/name", spec("", "worker", None)),
        ("/agents/1/name", spec("-x", "worker", None)),
        ("/agents/1/name", spec("a/b", "worker", None)),
        ("/agents/1/name", spec("zoe", "worker", None)),
        (
            "/agents/1/name",
            spec("0190a1b2-0000-7000-8000-000000000000", "worker", None),
        ),
        ("/agents/1/boss", spec("x", "worker", Some("nobody"))),
        ("/agents/1/boss", spec("x", "worker", Some("x"))),
        ("/agents/1/boss", spec("kai", "boss", Some("dev"))),
        ("/agents/1/plugin", spec("x", "nothing", None)),
        ("/agents/1/plugin", spec("x", "worker@9.9", None)),
        ("/agents/1/plugin", spec("x", "chooser", None)),
        ("/agents/1/selector", selector),
        ("/agents/1/limits/max_concurrent", idle),
        ("/agents/1/config", config),
        ("/agents/1/grants/commands/0", command),
    ];
    for (wanted, bad) in table {
        let refusal = story.team(vec![good(), bad]).expect_err(wanted);
        assert_eq!(path(&refusal), wanted, "{refusal}");
        assert!(story.state.find_agent("zoe").is_none());
    }
    story.limits.agents = 6;
    assert!(matches!(story.team(vec![good()]), Err(Refusal::Limit(_))));
    story.limits.agents = 7;
    story.team(vec![good()]).expect("saved");
    story.team(vec![good()]).expect("saved again");
    assert!(
        story.last.is_empty(),
        "nothing has changed: {:?}",
        story.last
    );
}

#[test]
fn a_workspace_links_only_so_many_repositories() {
    let mut story = Story::new();
    let link = |story: &mut Story, count: usize, at: &str| {
        let repo = |n: usize| Repo {
            name: format!("r{n}"),
            path: format!("{at}/{n}"),
            base: None,
        };
        story.run(Command::SaveTeam(TeamSpec {
            workspace: WorkspaceSpec {
                repos: Some((0..count).map(repo).collect()),
                ..WorkspaceSpec::default()
            },
            ..TeamSpec::default()
        }))
    };
    let most = story.limits.repos;
    let refusal = link(&mut story, most + 1, "/a").expect_err("one too many");
    assert!(
        matches!(&refusal, Refusal::Limit(why) if why.contains("at most 32 repositories (limit `repos`)")),
        "{refusal}"
    );
    link(&mut story, most, "/a").expect("as many as there may be");
    // A lower limit leaves alone what is linked.
    story.limits.repos = 1;
    link(&mut story, most, "/a").expect("nothing is changed");
    link(&mut story, most, "/b").expect_err("others are too many");
}
