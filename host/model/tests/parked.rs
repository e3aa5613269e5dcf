//! Waiting costs nothing: what ten thousand parked bosses hold in memory, to the byte.

use adjutant_model::{
    AgentLimits, AgentSpec, Answer, Assignment, Call, ChannelId, Command, Context, GuestCall, Join,
    Limits, NewTicket, Outcome, Plugin, Plugins, Run, RunId, RunStatus, State, TeamSpec, Ticket,
    TicketId, Tx, Validation, Wip, Workspace, WorkspaceId, WorkspaceSpec, World,
};
use allocation_counter::measure;
use serde_json::json;
use std::mem;
use uuid::Uuid;

const BOSSES: usize = 10_000;
/// What a parked run may hold, its ticket and all that is known of both counted in.
const BYTES_PER_RUN: i64 = 2_000;
/// What an allocator keeps for each allocation, about, beside what was asked for.
const EACH_ALLOCATION: i64 = 16;

/// A workspace whose bosses delegate to someone outside.
struct Office {
    state: State,
    plugins: Plugins,
    limits: Limits,
    ids: u128,
}

impl Office {
    fn new() -> Office {
        let mut plugins = Plugins::default();
        for (name, world) in [("boss", World::Boss), ("external", World::Subordinate)] {
            let plugin = Plugin {
                name: name.to_owned(),
                version: "0.1.0".to_owned(),
                digest: format!("sha256:{:064x}", 7),
                world,
                size: 100_000,
                builtin: true,
                added_at: 0,
                source: Default::default(),
            };
            plugins.add(plugin).expect("new");
        }
        let mut office = Office {
            state: State::new(Workspace {
                id: WorkspaceId(Uuid::from_u128(1)),
                name: "default".to_owned(),
                repos: Vec::new(),
                created_at: 0,
                wip: Wip::default(),
            }),
            plugins,
            limits: Limits::default(),
            ids: 0x0192_0000_0000_7000_8000_0000_0000_0000,
        };
        let agent = |name: &str, plugin: &str, boss: Option<&str>| AgentSpec {
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            boss: boss.map(ToOwned::to_owned),
            description: "Someone who knows how to wait for very long.".to_owned(),
            skills: vec!["patience".to_owned(), "endurance".to_owned()],
            config: Some(json!({"model": "none", "instructions": "Wait for it."})),
            limits: AgentLimits {
                max_concurrent: 1_000_000,
                ..AgentLimits::default()
            },
            ..AgentSpec::default()
        };
        office.run(Command::SaveTeam(TeamSpec {
            workspace: WorkspaceSpec::default(),
            agents: vec![
                agent("lead", "boss", None),
                agent("outside", "external", Some("lead")),
            ],
        }));
        office
    }

    fn run(&mut self, command: Command) -> Outcome {
        let ids = &mut self.ids;
        let mut next = || {
            *ids += 1;
            Uuid::from_u128(*ids)
        };
        let context = Context {
            now: 1_700_000_000_000,
            ids: &mut next,
            tokens: &mut Uuid::max,
            plugins: &self.plugins,
            limits: &self.limits,
            base_url: "http://localhost",
        };
        let done = Tx::run(&mut self.state, context, command);
        done.expect("nothing is refused").0
    }

    fn call(&mut self, ticket: TicketId, call: Call) -> Outcome {
        let run = self.run_of(ticket);
        let call = GuestCall {
            index: self.state.run(run).expect("a run").calls,
            call,
            payload: None,
            choices: Vec::new(),
            violations: Vec::new(),
        };
        self.run(Command::Guest {
            run,
            pending: Vec::new(),
            call: Some(call),
            guest_us: 0,
        })
    }

    fn run_of(&self, ticket: TicketId) -> RunId {
        let ticket = self.state.ticket(ticket).expect("a ticket");
        ticket.run.expect("it was started")
    }

    /// A boss gets a task, delegates it, and waits; the other one waits for a report from outside.
    fn park(&mut self, number: usize) -> TicketId {
        let outside = self.state.find_agent("outside").expect("an agent").id;
        let new = NewTicket {
            title: format!("Request number {number}"),
            description: "Find out whether the shipment has arrived.".to_owned(),
            assignee: Some("lead".to_owned()),
            ..NewTicket::default()
        };
        let Outcome::Ticket(ticket) = self.run(Command::CreateTicket(new)) else {
            panic!("a ticket");
        };
        let part = Assignment {
            title: "Ask the harbour".to_owned(),
            description: "Call them, and say when it will be here.".to_owned(),
            assignee: Some(outside),
            notes: String::new(),
            expected_output_schema: None,
            validation: Validation::Strict,
            deadline_ms: None,
            key: None,
            terms: Default::default(),
            blocked_by: Vec::new(),
        };
        let assignments = vec![part];
        let Outcome::Reply(_, Ok(Answer::Delegated(parts))) =
            self.call(ticket.id, Call::Delegate { assignments })
        else {
            panic!("delegated");
        };
        let part = parts[0].ticket;
        let message = "Please call the harbour.".to_owned();
        let report = Call::CallForReport {
            message,
            timeout_ms: None,
        };
        assert!(matches!(self.call(part, report), Outcome::Waiting));
        let reports = Call::AwaitReports {
            tickets: vec![part],
            join: Join::All,
            timeout_ms: None,
        };
        assert!(matches!(self.call(ticket.id, reports), Outcome::Waiting));
        part
    }
}

/// What dropping a value gives back, the allocator's own included.
fn bytes_of<T>(value: T) -> i64 {
    let freed = measure(|| drop(value));
    -freed.bytes_current - freed.count_current * EACH_ALLOCATION
}

fn waiting(state: &State) -> usize {
    let runs = state.live_runs();
    runs.filter(|run| run.status == RunStatus::Waiting).count()
}

/// All trees again, as a start of the host reads them.
fn read_again(office: &Office) -> State {
    let mut fresh = Office::new().state;
    let tickets: Vec<Ticket> = office.state.tickets().cloned().collect();
    let runs: Vec<Run> = office.state.live_runs().cloned().collect();
    // As it is read: nothing is shared yet.
    let runs = runs.into_iter().map(|mut run| {
        run.plugin = Plugin::clone(&run.plugin).into();
        run.given = adjutant_model::Given::clone(&run.given).into();
        run
    });
    let channels: Vec<(ChannelId, u64)> = tickets.iter().map(|t| (t.channel, 1)).collect();
    fresh.load_tree(tickets.clone(), runs.collect(), channels);
    fresh
}

#[test]
fn ten_thousand_parked_bosses_hold_less_than_two_kilobytes_each() {
    let idle = bytes_of(Office::new().state);
    let mut office = Office::new();
    for number in 0..BOSSES {
        office.park(number);
    }
    let parked = waiting(&office.state) as i64;
    assert_eq!(
        parked,
        2 * BOSSES as i64,
        "each boss, and whom it waits for"
    );
    let again = read_again(&office);
    assert_eq!(waiting(&again) as i64, parked);
    for (how, state) in [("as they came", office.state), ("read again", again)] {
        let each = (bytes_of(state) - idle) / parked;
        println!("{how}: {each} bytes for each of {parked} parked runs");
        assert!(
            (1..=BYTES_PER_RUN).contains(&each),
            "{how}: {each} bytes for each parked run; {BYTES_PER_RUN} is the goal"
        );
    }
}

#[test]
fn what_is_over_is_given_back() {
    let mut office = Office::new();
    let mut parts = Vec::new();
    for number in 0..1_000 {
        parts.push(office.park(number));
    }
    let roots: Vec<TicketId> = parts
        .iter()
        .filter_map(|part| office.state.ticket(*part)?.parent)
        .collect();
    for root in &roots {
        office.run(Command::CancelTicket {
            ticket: *root,
            reason: String::new(),
        });
        office.state.forget_tree(*root, |_| {});
    }
    assert_eq!(waiting(&office.state), 0);
    assert_eq!(office.state.tickets().count(), 0);
    let left = bytes_of(mem::replace(&mut office.state, Office::new().state));
    // Maps keep the places that they had.
    let places = 1_000 * 700;
    let idle = bytes_of(Office::new().state);
    assert!(left < idle + places, "{left} bytes are left of {idle}");
}
