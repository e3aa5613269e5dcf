//! Budgets and grants: they only narrow on the way down, and what is spent is spent on all above.

use crate::common::{Story, task};
use adjutant_model::{
    Answer, Assignment, Budget, Call, CallError, Command, Draft, Ending, Join, NewTicket, Refusal,
    ReportOutcome, Spend, Status, Terms, TicketId, Token,
};

/// A budget with one thing in it.
fn tokens(tokens: u64) -> Budget {
    Budget {
        tokens: Some(tokens),
        ..Budget::default()
    }
}

fn within(budget: Budget) -> Terms {
    Terms {
        budget: Some(budget),
        ..Terms::default()
    }
}

/// A ticket for `kai` with a budget.
fn job(story: &mut Story, budget: Budget) -> TicketId {
    story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some("kai".to_owned()),
        terms: within(budget),
        ..NewTicket::default()
    })
}

fn part(story: &Story, to: &str, budget: Option<Budget>) -> Assignment {
    Assignment {
        assignee: Some(story.agent(to)),
        terms: Terms {
            budget,
            ..Terms::default()
        },
        ..task("part")
    }
}

fn limit(answer: Result<Vec<TicketId>, CallError>) -> String {
    match answer {
        Err(CallError::Limit(text)) => text,
        other => panic!("it was to be a limit: {other:?}"),
    }
}

/// A run has computed for so long, and the strategy does nothing else.
fn computes(story: &mut Story, ticket: TicketId, ms: u64) {
    let run = story.run_of(ticket);
    story
        .run(Command::Guest {
            run,
            pending: Vec::new(),
            guest_us: ms * 1_000,
            call: None,
        })
        .expect("a live run");
}

/// A report from outside on a ticket that waits for it, with what it took.
fn reports(story: &mut Story, ticket: TicketId, usage: Spend) {
    let run = story.live(ticket).expect("a live run");
    let (agent, token) = (run.agent, run.token);
    story
        .run(Command::ExternalReport {
            agent,
            delegation: Some(ticket),
            token: Some(token),
            outcome: ReportOutcome::Completed,
            summary: "done outside".to_owned(),
            output: None,
            usage,
        })
        .expect("a known agent");
}

fn used(tokens: u64, cost_microusd: u64) -> Spend {
    Spend {
        tokens,
        cost_microusd,
        ..Spend::default()
    }
}

fn left(story: &mut Story, ticket: TicketId) -> Budget {
    match story.call(ticket, Call::BudgetLeft) {
        Ok(Answer::Budget(left)) => left,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_boss_with_three_children_to_spend_cannot_make_a_fourth() {
    let mut story = Story::new();
    let budget = Budget {
        children: Some(3),
        ..Budget::default()
    };
    let job = job(&mut story, budget);
    let four = [("ada", "1"), ("bob", "2"), ("ada", "3"), ("bob", "4")];
    let why = limit(story.delegate(job, &four));
    assert_eq!(
        why,
        format!(
            "4 more tickets are asked for, and ticket {job} has 3 tickets left (`children`, budget of \
             {job}: 3)"
        )
    );
    assert_eq!(story.ticket(job).children, [], "all or nothing");
    let two = story
        .delegate(job, &four[..2])
        .expect("two are fewer than three");
    assert_eq!(left(&mut story, job).children, Some(1));
    let last = story.delegate(job, &[("lead", "3")]).expect("the last")[0];
    limit(story.delegate(job, &four[3..]));
    // What is below those below counts too.
    let deeper = limit(story.delegate(last, &[("dev", "deeper")]));
    assert!(
        deeper.contains(&format!("ticket {last} has 0 tickets left")),
        "{deeper}"
    );
    // What is over is spent all the same.
    for ticket in two {
        story.done(ticket);
    }
    limit(story.delegate(job, &four[3..]));
    assert_eq!(story.ticket(job).spent.children, 3);
}

#[test]
fn the_same_key_again_spends_nothing() {
    let mut story = Story::new();
    let budget = Budget {
        children: Some(1),
        ..Budget::default()
    };
    let job = job(&mut story, budget);
    let keyed = |story: &Story| Assignment {
        key: Some("once".to_owned()),
        ..part(story, "ada", None)
    };
    let both = vec![keyed(&story), keyed(&story)];
    let first = story.delegate_all(job, both).expect("one ticket, twice");
    assert_eq!(first[0], first[1]);
    let again = vec![keyed(&story)];
    assert_eq!(
        story.delegate_all(job, again).expect("it stands"),
        first[..1]
    );
    assert_eq!(story.ticket(job).spent.children, 1);
}

#[test]
fn a_share_is_at_most_what_the_boss_has_left() {
    let all = Budget {
        wall_ms: Some(10_000),
        guest_ms: Some(500),
        tokens: Some(1_200),
        cost_microusd: Some(40),
        children: Some(5),
        depth: Some(2),
    };
    // What one of two assignments asks for, and what is said; nothing where it is granted.
    let table: [(Budget, Option<&str>); 12] = [
        (tokens(1_200), None),
        (
            tokens(1_201),
            Some("/1/budget/tokens: 1201 asked, ticket {job} has 1200 left"),
        ),
        (
            Budget {
                guest_ms: Some(500),
                ..Budget::default()
            },
            None,
        ),
        (
            Budget {
                guest_ms: Some(501),
                ..Budget::default()
            },
            Some("/1/budget/guest_ms: 501 asked, ticket {job} has 500 left"),
        ),
        (
            Budget {
                cost_microusd: Some(40),
                ..Budget::default()
            },
            None,
        ),
        (
            Budget {
                cost_microusd: Some(41),
                ..Budget::default()
            },
            Some("/1/budget/cost_microusd: 41 asked, ticket {job} has 40 left"),
        ),
        // Two of the five are these two.
        (
            Budget {
                children: Some(3),
                ..Budget::default()
            },
            None,
        ),
        (
            Budget {
                children: Some(4),
                ..Budget::default()
            },
            Some("/1/budget/children: 4 asked, ticket {job} has 3 left"),
        ),
        (
            Budget {
                depth: Some(1),
                ..Budget::default()
            },
            None,
        ),
        (
            Budget {
                depth: Some(2),
                ..Budget::default()
            },
            Some("/1/budget/depth: 2 asked, ticket {job} has 1 left"),
        ),
        (
            Budget {
                wall_ms: Some(9_000),
                ..Budget::default()
            },
            None,
        ),
        (
            Budget {
                wall_ms: Some(9_001),
                ..Budget::default()
            },
            Some("/1/budget/wall_ms: 9001 asked, ticket {job} has 9000 left until its deadline"),
        ),
    ];
    for (share, said) in table {
        let mut story = Story::new();
        let job = job(&mut story, all);
        story.later(1_000);
        let assignments = vec![part(&story, "ada", None), part(&story, "bob", Some(share))];
        let answer = story.delegate_all(job, assignments);
        match said {
            None => {
                answer.unwrap_or_else(|error| panic!("{share:?}: {error}"));
            }
            Some(said) => {
                let said = said.replace("{job}", &job.to_string());
                let why = limit(answer);
                assert!(why.starts_with(&said), "{why}");
                assert!(story.ticket(job).children.is_empty(), "all or nothing");
            }
        }
    }
}

#[test]
fn people_too_cannot_give_a_child_more_than_there_is() {
    let mut story = Story::new();
    let job = job(&mut story, tokens(10));
    let below = |budget| {
        Command::CreateTicket(NewTicket {
            title: "below".to_owned(),
            parent: Some(job),
            terms: within(budget),
            ..NewTicket::default()
        })
    };
    let refusal = story.refused(below(tokens(11)));
    let Refusal::Limit(why) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(why.starts_with("/budget/tokens: 11 asked"), "{why}");
    story.run(below(tokens(10))).expect("as much as there is");
}

#[test]
fn what_reports_take_is_spent_on_all_above_and_stops_the_next_delegation() {
    let mut story = Story::new();
    let job = job(&mut story, tokens(1_000));
    let lead = story.delegate(job, &[("lead", "half")]).expect("delegated")[0];
    let dev = story
        .delegate(lead, &[("dev", "quarter")])
        .expect("delegated")[0];
    let wait = Call::CallForReport {
        message: "please".to_owned(),
        timeout_ms: None,
    };
    story.waits(dev, wait);
    reports(&mut story, dev, used(1_200, 7));
    for ticket in [dev, lead, job] {
        assert_eq!(story.ticket(ticket).spent.tokens, 1_200, "it has happened");
        assert_eq!(story.ticket(ticket).spent.cost_microusd, 7);
    }
    assert_eq!(story.ticket(job).spent.children, 2);
    assert_eq!(left(&mut story, lead).tokens, Some(0));
    let why =
        format!("the budget of ticket {job} is used up: 1200 of 1000 tokens are spent (`tokens`)");
    assert_eq!(limit(story.delegate(lead, &[("dev", "more")])), why);
    let draft = Call::CreateTicket {
        draft: Draft {
            title: "more".to_owned(),
            description: String::new(),
            expected_output_schema: None,
            key: None,
        },
    };
    assert_eq!(story.call(job, draft), Err(CallError::Limit(why)));
    // It can still answer.
    story.done(dev);
    story.done(lead);
    story.done(job);
    assert_eq!(story.status(job), Status::Done);
}

#[test]
fn a_refused_report_spends_nothing() {
    let mut story = Story::new();
    let job = job(&mut story, tokens(1_000));
    let ada = story.delegate(job, &[("ada", "part")]).expect("delegated")[0];
    let agent = story.agent("ada");
    story
        .run(Command::ExternalReport {
            agent,
            delegation: Some(ada),
            token: Some(Token(uuid::Uuid::nil())),
            outcome: ReportOutcome::Completed,
            summary: String::new(),
            output: None,
            usage: used(5, 5),
        })
        .expect("it is answered");
    assert_eq!(story.ticket(job).spent.tokens, 0);
}

#[test]
fn guest_time_counts_once_whatever_is_replayed() {
    let mut story = Story::new();
    let job = job(&mut story, Budget::default());
    let ada = story.delegate(job, &[("ada", "part")]).expect("delegated")[0];
    let mut after = |ms, expected| {
        computes(&mut story, ada, ms);
        assert_eq!(story.ticket(ada).spent.guest_ms, expected);
        assert_eq!(story.ticket(job).spent.guest_ms, expected);
    };
    after(30, 30);
    // A start of its own: it replays, and goes on.
    after(10, 30);
    after(30, 30);
    after(45, 45);
    // Another run of the same ticket is new work.
    story.set(ada, Status::Open, true);
    computes(&mut story, ada, 5);
    assert_eq!(story.ticket(ada).spent.guest_ms, 50);
}

#[test]
fn what_is_spent_does_not_disturb_whoever_edits_the_ticket() {
    let mut story = Story::new();
    let job = job(&mut story, Budget::default());
    let ada = story.delegate(job, &[("ada", "part")]).expect("delegated")[0];
    let seen = story.ticket(job).updated_at;
    story.later(50);
    computes(&mut story, ada, 20);
    assert_eq!(story.ticket(job).spent.guest_ms, 20);
    assert_eq!(story.ticket(job).updated_at, seen);
}

#[test]
fn a_run_that_goes_on_when_the_guest_time_is_used_up_ends_and_its_boss_can_answer() {
    let mut story = Story::new();
    story.limits.budget_grace_ms = 50;
    let budget = Budget {
        guest_ms: Some(100),
        ..Budget::default()
    };
    let job = job(&mut story, budget);
    computes(&mut story, job, 1);
    let children = story
        .delegate(job, &[("ada", "spins"), ("bob", "spins")])
        .expect("delegated");
    let boss = story.run_of(job);
    let join = story.awaits(&children, Join::All);
    story.waits(job, join);
    computes(&mut story, children[0], 60);
    computes(&mut story, children[1], 60);
    assert_eq!(
        story.status(children[0]),
        Status::InProgress,
        "it has its grace"
    );
    computes(&mut story, children[0], 111);
    assert_eq!(story.status(children[0]), Status::Failed);
    computes(&mut story, children[1], 110);
    computes(&mut story, children[1], 111);
    assert_eq!(story.status(children[1]), Status::Failed);
    let joined = story.joined(boss);
    let said = &joined.reports[0].summary;
    assert!(
        said.contains(&format!("the budget of ticket {job} is used up: "))
            && said.contains("of 100 ms of guest time are spent (`guest_ms`)"),
        "{said}"
    );
    assert_eq!(joined.reports[0].spent.guest_ms, 111);
    // It may not begin anything new, but it may answer.
    limit(story.delegate(job, &[("ada", "once more")]));
    computes(&mut story, job, 20);
    story.done(job);
    assert_eq!(story.status(job), Status::Done);
    assert_eq!(story.ticket(job).spent.guest_ms, 20 + 111 + 111);
}

#[test]
fn a_call_of_a_run_whose_grace_is_over_is_answered_with_the_reason() {
    let mut story = Story::new();
    story.limits.budget_grace_ms = 10;
    let budget = Budget {
        guest_ms: Some(5),
        ..Budget::default()
    };
    let job = job(&mut story, budget);
    computes(&mut story, job, 6);
    let (run, call) = (story.run_of(job), story.next_call(job, Call::Team));
    let outcome = story.run(Command::Guest {
        run,
        pending: Vec::new(),
        guest_us: 17_000,
        call: Some(call),
    });
    let shown = format!("{outcome:?}");
    assert!(
        shown.contains("Limit") && shown.contains("`guest_ms`"),
        "{shown}"
    );
    assert_eq!(story.status(job), Status::Failed);
    assert!(story.ticket(job).summary.contains("is used up"));
}

#[test]
fn wall_time_is_a_deadline_that_holds_for_all_below() {
    let mut story = Story::new();
    let budget = Budget {
        wall_ms: Some(1_000),
        ..Budget::default()
    };
    let job = job(&mut story, budget);
    story.later(200);
    let long = Assignment {
        deadline_ms: Some(60_000),
        ..part(&story, "ada", None)
    };
    let short = Assignment {
        deadline_ms: Some(100),
        ..part(&story, "bob", None)
    };
    let children = story
        .delegate_all(job, vec![long, short])
        .expect("delegated");
    let end = story.ticket(job).deadline;
    assert_eq!(end, Some(story.now + 800));
    assert_eq!(
        story.ticket(children[0]).deadline,
        end,
        "cut to its parent's"
    );
    assert_eq!(story.ticket(children[1]).deadline, Some(story.now + 100));
    assert_eq!(left(&mut story, job).wall_ms, Some(800));
    story.later(100);
    assert_eq!(story.ticket(children[1]).summary, "its deadline has passed");
    story.later(700);
    assert_eq!(story.status(job), Status::Failed);
    assert_eq!(
        story.ticket(job).summary,
        format!("the budget of ticket {job} is used up: it had 1000 ms of wall time (`wall_ms`)")
    );
    assert_eq!(story.status(children[0]), Status::Cancelled);
}

#[test]
fn what_is_left_is_the_least_of_all_above() {
    let mut story = Story::new();
    let budget = Budget {
        tokens: Some(100),
        depth: Some(2),
        ..Budget::default()
    };
    let job = job(&mut story, budget);
    let share = Budget {
        tokens: Some(80),
        cost_microusd: Some(9),
        ..Budget::default()
    };
    let parts = vec![part(&story, "lead", Some(share)), part(&story, "ada", None)];
    let parts = story.delegate_all(job, parts).expect("delegated");
    let wait = || Call::CallForReport {
        message: "please".to_owned(),
        timeout_ms: None,
    };
    story.waits(parts[1], wait());
    reports(&mut story, parts[1], used(50, 0));
    let lead = left(&mut story, parts[0]);
    assert_eq!(lead.tokens, Some(50), "of 80 of its own, and 50 above");
    assert_eq!(lead.cost_microusd, Some(9));
    assert_eq!(lead.depth, Some(1));
    assert_eq!(
        (lead.guest_ms, lead.children, lead.wall_ms),
        (None, None, None)
    );
    let dev = story
        .delegate(parts[0], &[("dev", "deep")])
        .expect("one more step")[0];
    let deeper = Command::CreateTicket(NewTicket {
        title: "deeper".to_owned(),
        parent: Some(dev),
        ..NewTicket::default()
    });
    let refusal = story.refused(deeper).to_string();
    assert!(refusal.contains("0 steps down left (`depth`"), "{refusal}");
}

#[test]
fn a_budget_of_nothing_that_nobody_spends_is_no_hindrance() {
    let mut story = Story::new();
    let job = job(&mut story, tokens(0));
    story
        .delegate(job, &[("ada", "without a model")])
        .expect("it takes no tokens");
}

#[test]
fn a_failed_run_whose_budget_is_used_up_is_not_tried_again() {
    let mut story = Story::new();
    let budget = Budget {
        guest_ms: Some(10),
        ..Budget::default()
    };
    let job = story.create(NewTicket {
        title: "job".to_owned(),
        assignee: Some("ada".to_owned()),
        terms: Terms {
            retry: Some(adjutant_model::Retry {
                attempts: 3,
                backoff_ms: 0,
                ..Default::default()
            }),
            ..within(budget)
        },
        ..NewTicket::default()
    });
    computes(&mut story, job, 11);
    story.end(job, Ending::Broke("out of time".to_owned()));
    assert_eq!(story.status(job), Status::Failed);
    assert_eq!(story.ticket(job).attempts, 1);
}

#[test]
fn what_is_brought_back_has_no_more_time_than_the_ticket_above_it() {
    let mut story = Story::new();
    let budget = Budget {
        wall_ms: Some(1_000),
        ..Budget::default()
    };
    let root = job(&mut story, budget);
    let until = story.ticket(root).deadline;
    let mut short = part(&story, "ada", None);
    short.deadline_ms = Some(100);
    let child = story.delegate_all(root, vec![short]).expect("delegated")[0];
    story.later(100);
    assert_eq!(story.status(child), Status::Failed);
    story.set(child, Status::Open, true);
    assert_eq!(story.ticket(child).deadline, until);
    story.later(900);
    assert_eq!(story.status(root), Status::Failed);
    assert_ne!(story.status(child), Status::InProgress);
    assert_eq!(story.state.next_timer(), None);
}
