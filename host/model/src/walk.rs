//! A random walk over one workspace: whatever is asked, in whatever order, the invariants hold.
//!
//! A failure prints its seed; `ADJUTANT_WALK_SEED` repeats that walk alone, and `ADJUTANT_WALKS`
//! says how many to take.

mod checks;
#[path = "../tests/common/mod.rs"]
mod common;
mod progress;
mod terms;

use crate::{
    AgentId, Answer, Assignment, Author, Branch, Call, Changes, ChannelId, Command, Draft, Ending,
    Filter, GuestCall, Join, Limits, Message, MessageId, MessageKind, NewTicket, Pending, Record,
    Repo, ReportOutcome, RunId, Status, TicketId, Token, Validation, Violation, WorkResult,
};
use common::{Story, chosen, spec};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

const WALKS: u64 = 24;
const STEPS: usize = 250;

/// A small generator with a fixed stream.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.roll(from.len())].clone())
    }
}

const NAMES: [&str; 8] = ["kai", "ada", "bob", "lead", "dev", "sol", "lost", "nobody"];

struct Walk {
    story: Story,
    dice: Dice,
    /// Where each stream stands, as a store would know it.
    journals: HashMap<RunId, Vec<Record>>,
    journal_len: HashMap<RunId, u64>,
    channels: HashMap<ChannelId, u64>,
    logs: HashMap<RunId, u64>,
    messages: Vec<MessageId>,
    refused: usize,
    done: usize,
    /// Nothing has a deadline, so that only what happens ends a wait.
    calm: bool,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let mut story = Story::new();
        story.limits = Limits {
            children: 4,
            tree_tickets: 9,
            depth: 2,
            live_tickets: 30,
            collaborators: 2,
            messages_per_run: 6,
            memory_bytes: 40,
            memory_key_bytes: 8,
            memory_value_bytes: 20,
            log_bytes: 20,
            title_bytes: 40,
            budget_grace_ms: 2,
            ..Limits::default()
        };
        let mut lost = spec("lost", "worker", Some("kai"));
        lost.limits.max_concurrent = 2;
        let mut kai = spec("kai", "boss", None);
        // One that has time for one ticket only may wait for itself, by way of another boss.
        kai.limits.max_concurrent = 1 + u32::from(seed % 4 < 2);
        kai.grants.assign_to = vec!["sol".to_owned()];
        let mut sol = spec("sol", "boss", None);
        sol.grants.assign_to = vec!["kai".to_owned()];
        story.team(vec![lost, kai, sol]).expect("a good team");
        Walk {
            story,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            journals: HashMap::new(),
            journal_len: HashMap::new(),
            channels: HashMap::new(),
            logs: HashMap::new(),
            messages: Vec::new(),
            refused: 0,
            done: 0,
            calm: seed.is_multiple_of(2),
        }
    }

    fn a_ticket(&mut self) -> TicketId {
        let mut all: Vec<TicketId> = self.story.state.tickets.keys().copied().collect();
        all.sort_unstable();
        if self.dice.chance(3) || all.is_empty() {
            return TicketId(Uuid::from_u128(3));
        }
        self.dice.pick(&all).expect("some")
    }

    fn a_run(&mut self) -> RunId {
        let stale = self.dice.chance(6);
        let mut all: Vec<RunId> = self
            .story
            .state
            .runs
            .values()
            .filter(|run| stale || !run.is_over())
            .map(|run| run.id)
            .collect();
        all.sort_unstable();
        self.dice.pick(&all).unwrap_or(RunId(Uuid::from_u128(4)))
    }

    fn a_name(&mut self) -> String {
        NAMES[self.dice.roll(NAMES.len())].to_owned()
    }

    fn an_agent(&mut self) -> AgentId {
        let name = self.a_name();
        let known = self.story.state.find_agent(&name).map(|agent| agent.id);
        known.unwrap_or(AgentId(Uuid::from_u128(5)))
    }

    fn a_text(&mut self) -> String {
        let texts = [
            "",
            "well",
            "@ada look",
            "a rather long text that is too long for a title",
        ];
        texts[self.dice.roll(texts.len())].to_owned()
    }

    fn some_ms(&mut self) -> Option<u64> {
        if self.calm {
            return None;
        }
        let some = [None, Some(0), Some(5), Some(50), Some(u64::MAX)];
        some[self.dice.roll(some.len())]
    }

    fn a_status(&mut self) -> Status {
        Status::ALL[self.dice.roll(Status::ALL.len())]
    }

    fn violations(&mut self) -> Vec<Violation> {
        if self.dice.chance(50) {
            vec![Violation::new("/n", "no")]
        } else {
            Vec::new()
        }
    }

    fn command(&mut self) -> Command {
        match self.dice.roll(100) {
            0..16 => {
                let parent = self.dice.chance(25).then(|| self.a_ticket());
                Command::CreateTicket(NewTicket {
                    title: if self.dice.chance(90) {
                        "work".to_owned()
                    } else {
                        self.a_text()
                    },
                    assignee: self.dice.chance(85).then(|| {
                        if self.dice.chance(60) {
                            "kai".to_owned()
                        } else {
                            self.a_name()
                        }
                    }),
                    parent,
                    backlog: self.dice.chance(8),
                    deadline_ms: self.some_ms(),
                    validation: if self.dice.chance(30) {
                        Validation::Permissive
                    } else {
                        Validation::Strict
                    },
                    collaborators: if self.dice.chance(20) {
                        vec![self.a_name()]
                    } else {
                        Vec::new()
                    },
                    terms: self.a_terms(),
                    ..NewTicket::default()
                })
            }
            16..20 => Command::AssignTicket {
                ticket: self.a_ticket(),
                agent: self.a_name(),
                reason: self.a_text(),
                unchanged_since: self.dice.chance(20).then_some(self.story.now),
            },
            20..26 => Command::SetStatus {
                ticket: self.a_ticket(),
                status: self.a_status(),
                force: self.dice.chance(60),
            },
            26..28 => Command::CancelTicket {
                ticket: self.a_ticket(),
                reason: self.a_text(),
            },
            28..32 => Command::PostMessage {
                ticket: self.a_ticket(),
                author: if self.dice.chance(50) {
                    Author::Person("maria".to_owned())
                } else {
                    Author::Agent(self.an_agent())
                },
                text: self.a_text(),
                reply_to: if self.dice.chance(60) {
                    self.dice.pick(&self.messages)
                } else {
                    None
                },
            },
            32..34 => Command::AddCollaborator {
                ticket: self.a_ticket(),
                agent: self.a_name(),
            },
            34..37 => Command::Provisioned { run: self.a_run() },
            37..74 => self.guest(),
            74..86 => {
                let run = self.a_run();
                let pending = self.pending(run);
                let violations = self.violations();
                Command::EndRun {
                    run,
                    pending,
                    guest_us: self.guest_us(run),
                    ending: if self.dice.chance(85) {
                        Ending::Worked {
                            result: WorkResult {
                                completed: self.dice.chance(80),
                                summary: self.a_text(),
                                output: None,
                            },
                            violations,
                            branches: vec![Branch {
                                repo: "r".to_owned(),
                                branch: "b".to_owned(),
                                commit: format!("{}", self.dice.roll(2)),
                            }],
                        }
                    } else {
                        Ending::Broke("it broke".to_owned())
                    },
                }
            }
            86..88 => Command::Output {
                run: self.a_run(),
                stream: "stdout".to_owned(),
                text: "twelve bytes".to_owned(),
            },
            88..90 => Command::Branches {
                ticket: self.a_ticket(),
                branches: Vec::new(),
            },
            90..94 => {
                let runs = self.story.state.runs.values();
                let mut tokens: Vec<(RunId, Token)> = runs.map(|run| (run.id, run.token)).collect();
                tokens.sort_unstable();
                Command::ExternalReport {
                    agent: self.an_agent(),
                    delegation: self.dice.chance(30).then(|| self.a_ticket()),
                    token: if self.dice.chance(50) {
                        self.dice.pick(&tokens).map(|one| one.1)
                    } else {
                        None
                    },
                    outcome: ReportOutcome::Completed,
                    summary: self.a_text(),
                    output: None,
                    usage: crate::Spend {
                        tokens: self.dice.roll(60) as u64,
                        cost_microusd: self.dice.roll(60) as u64,
                        ..crate::Spend::default()
                    },
                }
            }
            94..95 => {
                let mut agents = vec![spec(
                    "lost",
                    if self.dice.chance(50) {
                        "worker"
                    } else {
                        "boss@9"
                    },
                    Some("kai"),
                )];
                let mut ada = spec("ada", "worker", Some("kai"));
                ada.limits.max_concurrent = self.dice.roll(3) as u32;
                agents.push(ada);
                Command::SaveTeam(crate::TeamSpec {
                    workspace: crate::WorkspaceSpec {
                        wip: self.a_wip(),
                        name: String::new(),
                        repos: self.dice.chance(50).then(|| {
                            vec![Repo {
                                name: "r".to_owned(),
                                path: "/r".to_owned(),
                                base: None,
                            }]
                        }),
                    },
                    agents,
                })
            }
            95 if self.dice.chance(50) => Command::Recover,
            95 => self.chosen(),
            96..98 => self.resume(),
            _ => {
                self.story.now += self.dice.roll(20) as u64;
                Command::Tick
            }
        }
    }

    fn pending(&mut self, run: RunId) -> Vec<Pending> {
        let calls = self.story.state.run(run).map_or(0, |run| run.calls);
        let from = if self.dice.chance(4) {
            calls + 1
        } else {
            calls
        };
        let author = self
            .story
            .state
            .run(run)
            .map_or(AgentId(Uuid::nil()), |run| run.agent);
        (0..self.dice.roll(3) as u32)
            .map(|i| {
                let id = MessageId(Uuid::from_u128(u128::from(self.dice.0) << 32));
                Pending {
                    index: from + i,
                    at: self.story.now,
                    call: Call::Progress {
                        note: "on".to_owned(),
                    },
                    reply: Ok(Answer::Unit),
                    message: Some(Message {
                        run: None,
                        attempt: None,
                        id,
                        author: Author::Agent(author),
                        kind: MessageKind::Progress,
                        text: "on".to_owned(),
                        mentions: Vec::new(),
                        reply_to: None,
                        at: self.story.now,
                    }),
                }
            })
            .collect()
    }

    fn guest(&mut self) -> Command {
        let run = self.a_run();
        let pending = if self.dice.chance(30) {
            self.pending(run)
        } else {
            Vec::new()
        };
        let record = self.story.state.run(run).cloned();
        let children: Vec<TicketId> = record
            .as_ref()
            .and_then(|run| self.story.state.ticket(run.ticket))
            .map(|ticket| ticket.children.clone())
            .unwrap_or_default();
        let child = if self.dice.chance(90) {
            self.dice.pick(&children)
        } else {
            None
        };
        let child = child.unwrap_or_else(|| self.a_ticket());
        let mut choices = Vec::new();
        let call = match self.dice.roll(24) {
            0..6 => {
                let assignments = (0..self.dice.roll(3) + 1).map(|_| {
                    let assignee = self.dice.chance(85).then(|| {
                        let record = record.as_ref();
                        let team = record
                            .map(|run| self.story.state.team(run.agent))
                            .unwrap_or_default();
                        let team: Vec<AgentId> = team.into_iter().map(|agent| agent.id).collect();
                        let one = if self.dice.chance(90) {
                            self.dice.pick(&team)
                        } else {
                            None
                        };
                        one.unwrap_or_else(|| self.an_agent())
                    });
                    choices.push(match assignee {
                        Some(_) => None,
                        None if self.dice.chance(70) => chosen(self.an_agent()),
                        None => Some(Err("nobody fits".to_owned())),
                    });
                    Assignment {
                        terms: self.a_terms(),
                        blocked_by: if self.dice.chance(30) {
                            ["same".to_owned(), self.a_ticket().to_string()][self.dice.roll(2)..]
                                [..1]
                                .to_vec()
                        } else {
                            Vec::new()
                        },
                        title: "part".to_owned(),
                        description: String::new(),
                        assignee,
                        notes: String::new(),
                        expected_output_schema: None,
                        validation: Validation::Strict,
                        deadline_ms: self.some_ms(),
                        key: self.dice.chance(20).then(|| "same".to_owned()),
                    }
                });
                Call::Delegate {
                    assignments: assignments.collect(),
                }
            }
            6..11 => Call::AwaitReports {
                tickets: match self.dice.roll(3) {
                    0 => Vec::new(),
                    1 => vec![child],
                    _ => children,
                },
                join: [Join::All, Join::Any, Join::Quorum(2), Join::Deadline(30)]
                    [self.dice.roll(4)],
                timeout_ms: self.some_ms(),
            },
            11 => Call::CancelDelegated {
                ticket: child,
                reason: self.a_text(),
            },
            12 => Call::Reassign {
                ticket: child,
                assignee: self.an_agent(),
                reason: self.a_text(),
            },
            13 => Call::SubmitOutput { output: 1.into() },
            14 => Call::CallForReport {
                message: "please".to_owned(),
                timeout_ms: self.some_ms(),
            },
            15 => Call::Ask {
                member: ["maria".to_owned(), self.a_name()][self.dice.roll(2)].clone(),
                text: self.a_text(),
                timeout_ms: self.some_ms(),
            },
            16 => Call::Post {
                ticket: Some(self.a_ticket()),
                text: "hello".to_owned(),
                reply_to: None,
            },
            17 => Call::Mention {
                members: vec![self.a_name()],
                text: "hello".to_owned(),
            },
            18 => Call::CreateTicket {
                draft: Draft {
                    key: self.dice.chance(20).then(|| "same".to_owned()),
                    title: self.a_text(),
                    description: String::new(),
                    expected_output_schema: None,
                },
            },
            19 => Call::AssignTicket {
                ticket: child,
                agent: self.a_name(),
            },
            20 => Call::LinkTicket {
                ticket: self.a_ticket(),
                kind: self.a_text(),
            },
            21 => Call::Comment {
                ticket: self.a_ticket(),
                text: "so".to_owned(),
            },
            22 => Call::MemoryPut {
                key: self.a_text(),
                bytes: 12,
                digest: String::new(),
            },
            _ => Call::ListTickets {
                filter: Filter::default(),
            },
        };
        let calls = record.map_or(0, |run| run.calls) + pending.len() as u32;
        let index = if self.dice.chance(3) {
            calls + self.dice.roll(3) as u32
        } else {
            calls
        };
        let violations = self.violations();
        let payload = Some(vec![1; self.dice.roll(24)]);
        let call = self.dice.chance(90).then_some(GuestCall {
            index,
            call,
            payload,
            choices,
            violations,
        });
        Command::Guest {
            run,
            pending,
            guest_us: self.guest_us(run),
            call,
        }
    }

    fn step(&mut self) {
        let before = self.story.state.clone();
        let command = self.command();
        match self.story.run(command.clone()) {
            // The story itself asserts that nothing has changed.
            Err(_) => self.refused += 1,
            Ok(_) => {
                self.done += 1;
                let changes = std::mem::take(&mut self.story.last);
                self.check_changes(&before, &changes, &command);
                let story = &self.story;
                crate::check::state(&story.state, story.now, &story.limits);
                self.forget(&changes);
            }
        }
    }

    /// What the dispatcher does once a tree is over, now and then.
    fn forget(&mut self, changes: &Changes) {
        for (root, live) in &changes.roots {
            if !live && self.dice.chance(50) {
                self.story.state.forget_tree(*root, |_| {});
                assert!(
                    !self.story.state.live.contains_key(root)
                        || self.story.state.tickets.contains_key(root)
                );
            }
        }
    }
}

fn walk(seed: u64) -> (usize, usize, BTreeSet<&'static str>) {
    let mut walk = Walk::new(seed);
    for step in 0..STEPS {
        walk.step();
        if step % 10 == 0 {
            walk.check_reload();
        }
    }
    walk.check_progress();
    (walk.done, walk.refused, terms::seen(&walk.story.events))
}

#[test]
fn whatever_is_asked_the_invariants_hold() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seeds: Vec<u64> = match given("ADJUTANT_WALK_SEED") {
        Some(seed) => vec![seed],
        None => (1..=given("ADJUTANT_WALKS").unwrap_or(WALKS)).collect(),
    };
    let (mut done, mut refused) = (0, 0);
    let mut seen = BTreeSet::new();
    for seed in seeds.iter().copied() {
        let result = std::panic::catch_unwind(|| walk(seed));
        let Ok((one, other, some)) = result else {
            panic!("repeat with ADJUTANT_WALK_SEED={seed}");
        };
        seen.extend(some);
        done += one;
        refused += other;
    }
    // The walk is of use only where both kinds are common.
    assert!(
        done > seeds.len() * STEPS / 3,
        "{done} done, {refused} refused"
    );
    assert!(
        refused > seeds.len() * STEPS / 10,
        "{done} done, {refused} refused"
    );
    if seeds.len() >= WALKS as usize {
        assert_eq!(seen.len(), terms::ALL.len(), "only {seen:?} happened");
    }
}
