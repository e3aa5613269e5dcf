//! A random walk over one workspace: whatever is asked, in whatever order, the invariants hold.
//!
//! A failure prints its seed; `ADJUTANT_WALK_SEED` repeats that walk alone.

#[path = "../tests/common/mod.rs"]
mod common;

use crate::state::Timer;
use crate::{
    AgentId, Answer, Assignment, Author, Branch, Call, Changes, ChannelId, Command, Draft, Effect,
    Ending, Filter, GuestCall, Join, Journal, Limits, Message, MessageId, MessageKind, NewTicket,
    Pending, Record, Repo, ReportOutcome, RunId, RunStatus, State, Status, TicketId, Token,
    Validation, Violation, WaitKind, WorkResult,
};
use common::{Story, chosen, spec};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
            ..Limits::default()
        };
        let mut lost = spec("lost", "worker", Some("kai"));
        lost.limits.max_concurrent = 2;
        let mut kai = spec("kai", "boss", None);
        kai.limits.max_concurrent = 2;
        kai.grants.assign_to = vec!["sol".to_owned()];
        story.team(vec![lost, kai]).expect("a good team");
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
            95..96 => Command::Recover,
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
        Command::Guest { run, pending, call }
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
                self.check_state();
                self.forget(&changes);
            }
        }
    }

    /// All that differs is named, and streams have no gap.
    fn check_changes(&mut self, before: &State, changes: &Changes, command: &Command) {
        let after = &self.story.state;
        fn differs<K: Eq + std::hash::Hash + Copy, V: PartialEq>(
            before: &HashMap<K, V>,
            after: &HashMap<K, V>,
        ) -> HashSet<K> {
            after
                .iter()
                .filter(|(id, value)| before.get(id) != Some(value))
                .map(|(id, _)| *id)
                .collect()
        }
        let named = |ids: &HashSet<Uuid>, named: Vec<Uuid>, what: &str| {
            let set: HashSet<Uuid> = named.iter().copied().collect();
            assert_eq!(
                set.len(),
                named.len(),
                "a {what} is named twice: {command:?}"
            );
            let missing: Vec<&Uuid> = ids.difference(&set).collect();
            assert!(
                missing.is_empty(),
                "a changed {what} is not named: {missing:?} {command:?} {changes:#?}"
            );
        };
        let ids = |set: HashSet<TicketId>| set.into_iter().map(|id| id.0).collect();
        named(
            &ids(differs(&before.tickets, &after.tickets)),
            changes.tickets.iter().map(|id| id.0).collect(),
            "ticket",
        );
        // Which awaited children are over is derived, and not stored with the run.
        let stored = |state: &State| -> HashMap<RunId, crate::Run> {
            let mut runs = state.runs.clone();
            for run in runs.values_mut() {
                if let Some(WaitKind::Reports { over, .. }) =
                    run.wait.as_mut().map(|wait| &mut wait.kind)
                {
                    over.clear();
                }
            }
            runs
        };
        let runs = differs(&stored(before), &stored(after))
            .into_iter()
            .map(|id| id.0)
            .collect();
        named(&runs, changes.runs.iter().map(|id| id.0).collect(), "run");
        let agents = differs(&before.agents, &after.agents)
            .into_iter()
            .map(|id| id.0)
            .collect();
        named(
            &agents,
            changes.agents.iter().map(|id| id.0).collect(),
            "agent",
        );
        let active = differs(&before.activity, &after.activity)
            .into_iter()
            .map(|id| id.0)
            .collect();
        named(
            &active,
            changes.activity.iter().map(|id| id.0).collect(),
            "activity",
        );
        assert_eq!(before.workspace != after.workspace, changes.workspace);
        let mut memory = before.memory.clone();
        for (agent, key, value) in &changes.memory {
            let space = memory.entry(*agent).or_default();
            match value {
                Some(value) => space.insert(key.clone(), value.clone()),
                None => space.remove(key),
            };
        }
        memory.retain(|_, space| !space.is_empty());
        let mut now = after.memory.clone();
        now.retain(|_, space| !space.is_empty());
        assert_eq!(memory, now, "the memory is what the changes say");

        let mut roots: HashSet<TicketId> = before.live.keys().copied().collect();
        for (root, live) in &changes.roots {
            assert!(
                if *live {
                    roots.insert(*root)
                } else {
                    roots.remove(root)
                },
                "roots alternate"
            );
        }
        assert_eq!(
            roots,
            after.live.keys().copied().collect(),
            "live roots are what the changes say"
        );

        for (channel, index, message) in &changes.messages {
            let next = self.channels.entry(*channel).or_default();
            assert_eq!(index, next, "a channel is dense");
            *next += 1;
            self.messages.push(message.id);
        }
        for (run, index, records) in &changes.journal {
            let next = self.journal_len.entry(*run).or_default();
            assert_eq!(index, next, "a journal is dense");
            *next += 1;
            self.journals
                .entry(*run)
                .or_default()
                .extend(records.iter().cloned());
        }
        for (run, index, _) in &changes.logs {
            let next = self.logs.entry(*run).or_default();
            assert_eq!(index, next, "a log is dense");
            *next += 1;
        }
        for (run, ..) in &changes.journal {
            let record = &after.runs[run];
            let journal =
                Journal::from_records(self.journals[run].clone()).expect("a whole journal");
            assert_eq!(journal.entries.len(), record.calls as usize);
            assert_eq!(self.journal_len[run], record.journal_len);
            let open = journal
                .entries
                .last()
                .is_some_and(|entry| entry.reply.is_none());
            assert!(
                record.is_over() || open == record.wait.is_some(),
                "a wait is an open call: {record:?}"
            );
        }
        for event in &changes.events {
            let text = serde_json::to_value(&event.kind).expect("an event is JSON");
            for (field, value) in text.as_object().expect("an object") {
                let Some(id) = value.as_str().and_then(|text| Uuid::parse_str(text).ok()) else {
                    continue;
                };
                let known = match field.as_str() {
                    "ticket" | "parent" | "other" => after.tickets.contains_key(&TicketId(id)),
                    "run" => after.runs.contains_key(&RunId(id)),
                    "agent" | "assignee" | "from" | "delegated_by" => {
                        after.agents.contains_key(&AgentId(id))
                    }
                    "channel" => after.channels.contains_key(&ChannelId(id)),
                    _ => true,
                };
                assert!(known, "{field} of {:?} is unknown", event.kind);
            }
        }
        for effect in &changes.effects {
            match effect {
                Effect::Start(run) => assert!(after.runs.contains_key(run)),
                Effect::Wake { run, .. } => {
                    assert!(before.runs[run].wait.is_some(), "only a waiter is woken")
                }
                Effect::Stop(run) => assert!(after.runs[run].is_over()),
                Effect::Clean { ticket, .. } => assert!(after.tickets[ticket].status.is_over()),
            }
        }
    }

    fn check_state(&self) {
        let state = &self.story.state;
        let mut live: HashMap<TicketId, u32> = HashMap::new();
        let mut trees: HashMap<TicketId, usize> = HashMap::new();
        let mut timers = BTreeSet::new();
        let mut places: BTreeMap<TicketId, Vec<(&'static str, AgentId)>> = BTreeMap::new();
        for (agent, desk) in &state.desks {
            for id in &desk.queue {
                places.entry(*id).or_default().push(("queue", *agent));
            }
            for id in &desk.active {
                places.entry(*id).or_default().push(("active", *agent));
            }
            let free = (state.agents[agent].limits.max_concurrent as usize)
                .saturating_sub(desk.active.len());
            assert!(
                free == 0 || desk.queue.is_empty(),
                "a free agent has an empty queue"
            );
        }
        for ticket in state.tickets.values() {
            *trees.entry(ticket.root).or_default() += 1;
            let run = ticket.run.map(|run| &state.runs[&run]);
            let runs: Vec<&RunId> = state
                .runs
                .values()
                .filter(|run| run.ticket == ticket.id && !run.is_over())
                .map(|run| &run.id)
                .collect();
            assert!(runs.len() <= 1, "one live run: {ticket:?}");
            assert!(
                runs.iter().all(|run| ticket.run == Some(**run)),
                "the live run is the ticket's"
            );
            let has_run = run.is_some_and(|run| !run.is_over());
            let place = places.remove(&ticket.id).unwrap_or_default();
            if ticket.status.is_over() {
                assert!(
                    !has_run && place.is_empty(),
                    "what is over is nowhere: {ticket:?}"
                );
                assert!(ticket.ended_at.is_some());
                continue;
            }
            *live.entry(ticket.root).or_default() += 1;
            if let Some(deadline) = ticket.deadline {
                timers.insert((deadline, Timer::Ticket(ticket.id)));
            }
            let wanted = match (ticket.assignee, has_run, ticket.status) {
                (Some(agent), true, _) => vec![("active", agent)],
                (Some(agent), false, Status::Open) => vec![("queue", agent)],
                _ => Vec::new(),
            };
            assert_eq!(place, wanted, "{ticket:?}");
            if has_run {
                assert!(
                    !matches!(ticket.status, Status::Open | Status::Backlog),
                    "a run is at work: {ticket:?}"
                );
                assert_eq!(
                    run.map(|run| run.agent),
                    ticket.assignee,
                    "the run works as the assignee"
                );
            } else {
                assert_ne!(
                    ticket.status,
                    Status::InProgress,
                    "someone is at it: {ticket:?}"
                );
            }
        }
        assert!(
            places.is_empty(),
            "desks hold tickets that are here: {places:?}"
        );
        assert_eq!(live, state.live);
        assert_eq!(trees, state.trees);
        for run in state.runs.values() {
            assert_eq!(
                run.wait.is_some(),
                run.status == RunStatus::Waiting,
                "{run:?}"
            );
            assert_eq!(run.ended_at.is_some(), run.is_over());
            let Some(wait) = &run.wait else { continue };
            if let Some(until) = wait.until {
                timers.insert((until, Timer::Run(run.id)));
            }
            let WaitKind::Reports {
                tickets,
                join,
                over,
            } = &wait.kind
            else {
                assert!(wait.until.is_some(), "an answer may never come: {run:?}");
                continue;
            };
            let really: HashSet<&TicketId> = tickets
                .iter()
                .filter(|id| state.tickets[id].status.is_over())
                .collect();
            assert_eq!(
                really,
                over.iter().collect(),
                "it knows who is over: {run:?}"
            );
            assert_eq!(really.len(), over.len(), "each once");
            let done = over
                .iter()
                .filter(|id| state.tickets[id].status == Status::Done)
                .count();
            assert_eq!(
                join.evaluate(tickets.len(), done, over.len()),
                None,
                "a met join is answered: {run:?}"
            );
        }
        assert_eq!(
            timers, state.timers,
            "a timer for each thing that will be due, and no other"
        );
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

    /// A state made again from what is stored is the same, but for the order in queues.
    fn check_reload(&self) {
        let old = &self.story.state;
        let mut new = State::new(old.workspace.clone());
        for agent in old.agents.values() {
            new.load_agent(agent.clone(), old.activity(agent.id));
        }
        for root in old.trees.keys() {
            let tickets: Vec<_> = old
                .tickets
                .values()
                .filter(|ticket| ticket.root == *root)
                .cloned()
                .collect();
            let runs = old
                .runs
                .values()
                .filter(|run| tickets.iter().any(|ticket| ticket.id == run.ticket))
                .cloned()
                .collect();
            let channels: Vec<_> = tickets
                .iter()
                .map(|ticket| {
                    (
                        ticket.channel,
                        self.channels.get(&ticket.channel).copied().unwrap_or(0),
                    )
                })
                .collect();
            new.load_tree(tickets, runs, channels);
        }
        for (agent, memory) in &old.memory {
            new.load_memory(*agent, memory.clone());
        }
        let mut old = old.clone();
        for state in [&mut old, &mut new] {
            state
                .activity
                .retain(|_, activity| *activity != crate::Activity::default());
            state
                .desks
                .retain(|_, desk| !desk.queue.is_empty() || !desk.active.is_empty());
            // So for reports that came within one millisecond.
            for run in state.runs.values_mut() {
                if let Some(WaitKind::Reports { over, .. }) =
                    run.wait.as_mut().map(|wait| &mut wait.kind)
                {
                    over.sort_unstable();
                }
            }
            for desk in state.desks.values_mut() {
                desk.queue.make_contiguous().sort_unstable();
                desk.active.sort_unstable();
            }
        }
        assert_eq!(old.timers, new.timers);
        assert_eq!(old.desks, new.desks);
        assert_eq!(old.channels, new.channels);
        assert!(old == new, "reloaded:\n{new:#?}\nwas:\n{old:#?}");
    }
}

fn walk(seed: u64) -> (usize, usize) {
    let mut walk = Walk::new(seed);
    for step in 0..STEPS {
        walk.step();
        if step % 10 == 0 {
            walk.check_reload();
        }
    }
    (walk.done, walk.refused)
}

#[test]
fn whatever_is_asked_the_invariants_hold() {
    let seed = std::env::var("ADJUTANT_WALK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = seed.map_or_else(|| (1..=std::env::var("ADJUTANT_WALKS").ok().and_then(|n| n.parse().ok()).unwrap_or(WALKS)).collect(), |seed| vec![seed]);
    let (mut done, mut refused) = (0, 0);
    for seed in seeds.iter().copied() {
        let result = std::panic::catch_unwind(|| walk(seed));
        let Ok((one, other)) = result else {
            panic!("repeat with ADJUTANT_WALK_SEED={seed}");
        };
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
}
