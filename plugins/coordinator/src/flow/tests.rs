//! The flow against a scripted host.

use std::collections::BTreeMap;

use adjutant_sdk::{Agent, Confidence, Join, Violation};

use super::*;
use crate::config::Wait;

/// A host in which `skill` words decide who does what, and `endings` how a title ends for an agent.
#[derive(Default)]
struct Fake {
    members: Vec<Member>,
    /// `agent title` → how it ends; completed where there is none; none at all for `silent`.
    endings: BTreeMap<String, &'static str>,
    tickets: Vec<(String, Assignment)>,
    log: Vec<String>,
}

impl Team for &mut Fake {
    fn members(&mut self) -> Result<Vec<Member>, Error> {
        Ok(self.members.clone())
    }

    fn propose(&mut self, plan: &WorkPlan) -> Result<(), Error> {
        self.log.push(format!("plan {}", plan.phases.len()));
        Ok(())
    }

    fn delegate(&mut self, assignments: &[Assignment]) -> Result<Vec<Delegated>, Error> {
        self.log.push(format!("delegate {}", assignments.len()));
        let chosen: Vec<Option<&Member>> = assignments
            .iter()
            .map(|one| {
                self.members.iter().find(|member| match &one.assignee {
                    Some(id) => member.agent.id == *id,
                    None => one.description.contains(&member.agent.skills[0]),
                })
            })
            .collect();
        let violations: Vec<Violation> = chosen
            .iter()
            .enumerate()
            .filter(|(_, member)| member.is_none())
            .map(|(i, _)| Violation {
                path: format!("/{i}"),
                message: "No match.".into(),
            })
            .collect();
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let mut delegated = Vec::new();
        for (one, member) in assignments.iter().zip(chosen.into_iter().flatten()) {
            let name = member.agent.name.clone();
            self.tickets.push((name.clone(), one.clone()));
            delegated.push(Delegated {
                ticket: format!("t{}", self.tickets.len() - 1),
                assignee: member.agent.id.clone(),
                assignee_name: name,
                reason: String::new(),
                confidence: Confidence::High,
            });
        }
        Ok(delegated)
    }

    fn wait(&mut self, tickets: &[String], join: &Join) -> Result<Joined, Error> {
        self.log.push(format!("wait {} {join:?}", tickets.len()));
        let mut reports = Vec::new();
        let mut pending = Vec::new();
        // The last asked for reports first: the order of reports is not that of the request.
        for ticket in tickets.iter().rev() {
            let (name, one) = &self.tickets[ticket[1..].parse::<usize>().expect("a number")];
            let ending = self.endings.get(&format!("{name} {}", one.title)).copied();
            if ending == Some("silent") {
                pending.push(ticket.clone());
                continue;
            }
            reports.push(TaskReport {
                ticket: ticket.clone(),
                title: one.title.clone(),
                agent: format!("id-{name}"),
                agent_name: name.clone(),
                outcome: if ending.is_some() {
                    Ending::Failed
                } else {
                    Ending::Completed
                },
                summary: format!("{name} did {}", one.title),
                output_json: Some("[1]".into()),
                violations: Vec::new(),
                text: String::new(),
                attempt: 1,
                history: Vec::new(),
                spent: adjutant_sdk::Spend {
                    guest_ms: 0,
                    tokens: 0,
                    cost_microusd: 0,
                    children: 0,
                },
            });
        }
        Ok(Joined {
            met: pending.is_empty(),
            reports,
            pending,
        })
    }

    fn cancel(&mut self, ticket: &str, _reason: &str) -> Result<(), Error> {
        self.log.push(format!("cancel {ticket}"));
        Ok(())
    }

    fn note(&mut self, note: &str) -> Result<(), Error> {
        self.log.push(note.to_string());
        Ok(())
    }
}

fn team(skills: &[(&str, &str)]) -> Fake {
    let member = |(name, skill): &(&str, &str)| Member {
        agent: Agent {
            id: format!("id-{name}"),
            name: (*name).into(),
            class: String::new(),
            skills: vec![(*skill).into()],
            description: String::new(),
        },
        status: TrackingStatus::Idle,
        current: Vec::new(),
        queued: 0,
        last_report_at: None,
    };
    Fake {
        members: skills.iter().map(member).collect(),
        ..Fake::default()
    }
}

fn parts(titles: &[&str]) -> Vec<Asked> {
    titles
        .iter()
        .map(|title| Asked {
            title: (*title).into(),
            description: (*title).into(),
            ..Asked::default()
        })
        .collect()
}

fn statuses(outcomes: &[Outcome]) -> Vec<Status> {
    outcomes.iter().map(|one| one.status).collect()
}

#[test]
fn all_parts_are_delegated_at_once_and_answered_in_order() {
    let mut fake = team(&[("ada", "count"), ("bob", "list")]);
    let config = Config::default();
    let outcomes = Flow::new(&mut fake, &config, 1)
        .run(&parts(&["count x", "list y", "count z"]))
        .expect("done");
    assert_eq!(fake.log, ["plan 1", "delegate 3", "wait 3 Join::All"]);
    let who: Vec<_> = outcomes
        .iter()
        .filter_map(|one| one.agent_name.as_deref())
        .collect();
    assert_eq!(who, ["ada", "bob", "ada"]);
    assert_eq!(outcomes[2].summary, "ada did count z");
    assert_eq!(outcomes[0].output, Some(serde_json::json!([1])));
}

#[test]
fn a_part_that_nobody_fits_is_left_out_and_says_what_the_team_can() {
    let mut fake = team(&[("ada", "count")]);
    let config = Config::default();
    let outcomes = Flow::new(&mut fake, &config, 1)
        .run(&parts(&["sing", "count x", "dance"]))
        .expect("done");
    assert_eq!(
        statuses(&outcomes),
        [Status::Unassigned, Status::Completed, Status::Unassigned]
    );
    assert_eq!(
        outcomes[0].summary,
        "Nobody in the team fits: No match. The team can: ada (count)."
    );
    assert_eq!(
        fake.log,
        ["plan 1", "delegate 3", "delegate 1", "wait 1 Join::All"]
    );
}

#[test]
fn a_failed_part_goes_to_another_member_that_fits() {
    let mut fake = team(&[("ada", "count"), ("bob", "list"), ("cyd", "count")]);
    fake.endings.insert("ada count x".into(), "fails");
    let config = Config {
        retry_failed: 2,
        ..Config::default()
    };
    let outcomes = Flow::new(&mut fake, &config, 1)
        .run(&parts(&["count x", "list y"]))
        .expect("done");
    assert_eq!(statuses(&outcomes), [Status::Completed, Status::Completed]);
    assert_eq!(outcomes[0].agent_name.as_deref(), Some("cyd"));
    assert!(
        fake.log
            .contains(&"Trying again: \"count x\" goes to cyd.".to_string())
    );
    // Keys differ, or the second try would be the first.
    let keys: Vec<_> = fake
        .tickets
        .iter()
        .filter_map(|(_, one)| one.key.clone())
        .collect();
    assert_eq!(
        keys,
        [
            "attempt-1-part-1-try-1",
            "attempt-1-part-2-try-1",
            "attempt-1-part-1-try-2"
        ]
    );
}

#[test]
fn no_other_member_means_no_other_try() {
    let mut fake = team(&[("ada", "count"), ("bob", "list")]);
    fake.endings.insert("ada count x".into(), "fails");
    let config = Config {
        retry_failed: 5,
        ..Config::default()
    };
    let outcomes = Flow::new(&mut fake, &config, 1)
        .run(&parts(&["count x"]))
        .expect("done");
    assert_eq!(statuses(&outcomes), [Status::Failed]);
    assert_eq!(fake.tickets.len(), 1);
}

#[test]
fn what_is_silent_at_the_end_of_the_wait_is_cancelled() {
    for (join, status) in [
        (Wait::Any, Status::NotNeeded),
        (Wait::DeadlineMs(5), Status::Failed),
    ] {
        let mut fake = team(&[("ada", "count"), ("bob", "list")]);
        fake.endings.insert("bob list y".into(), "silent");
        let config = Config {
            join,
            ..Config::default()
        };
        let outcomes = Flow::new(&mut fake, &config, 1)
            .run(&parts(&["count x", "list y"]))
            .expect("done");
        assert_eq!(statuses(&outcomes), [Status::Completed, status]);
        assert_eq!(fake.log.last().map(String::as_str), Some("cancel t1"));
    }
}

#[test]
fn a_later_part_waits_and_is_told_what_was_before() {
    let mut fake = team(&[("ada", "count"), ("bob", "list")]);
    let mut asked = parts(&["count x", "then list y"]);
    asked[1].later = true;
    let config = Config::default();
    Flow::new(&mut fake, &config, 1).run(&asked).expect("done");
    assert_eq!(
        fake.log,
        [
            "plan 2",
            "delegate 1",
            "wait 1 Join::All",
            "delegate 1",
            "wait 1 Join::All"
        ]
    );
    assert!(
        fake.tickets[1]
            .1
            .notes
            .contains("- count x: ada did count x")
    );
}

#[test]
fn a_named_member_gets_its_part_and_an_unknown_one_fails_it() {
    let mut fake = team(&[("ada", "count"), ("bob", "list")]);
    let mut asked = parts(&["sing", "dance"]);
    asked[0].to = Some("bob".into());
    asked[1].to = Some("zoe".into());
    let config = Config::default();
    let outcomes = Flow::new(&mut fake, &config, 1).run(&asked).expect("done");
    assert_eq!(outcomes[0].agent_name.as_deref(), Some("bob"));
    assert!(
        outcomes[1]
            .summary
            .starts_with("There is no \"zoe\" in the team")
    );
}

#[test]
fn without_a_team_it_says_so() {
    let mut fake = team(&[]);
    let config = Config::default();
    let failure = Flow::new(&mut fake, &config, 1)
        .run(&parts(&["x"]))
        .expect_err("no team");
    assert!(failure.summary.contains("no team"));
}
