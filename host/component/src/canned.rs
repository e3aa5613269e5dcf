//! A host that gives every call its answer at once, from nothing: for measuring what a component and
//! its sandbox cost by themselves.

use crate::HostResult;
use crate::bindings::channels::{Message, Page};
use crate::bindings::delegation::{
    Assignment, Delegated, Join, Joined, Member, TaskReport, WorkPlan,
};
use crate::bindings::reporting::ExternalReport;
use crate::bindings::tickets::{Draft, Filter};
use crate::bindings::types::{Agent, Confidence, Error, Outcome, Ticket, TrackingStatus};
use crate::bindings::worktree::{Entry, Exit};
use crate::bindings::{channels, delegation, memory, reporting, tickets, types, worktree};

use std::time::Instant;
use tokio::sync::mpsc;

/// The host. Delegations are reported as completed, each with a summary of 200 bytes; posting works;
/// all else is denied.
#[derive(Clone, Debug, Default)]
pub struct Canned {
    /// How many members a team has.
    pub team: usize,
    /// Who is told when a strategy asks for its team, posts or notes its progress, which is what one does first.
    pub called: Option<Called>,
}

/// Who is told of a call.
#[derive(Clone, Debug)]
pub struct Called {
    /// Gets the moment of the call.
    pub tell: mpsc::UnboundedSender<Instant>,
    /// Whether the call never gets an answer, so that its instance stays in memory.
    pub hold: bool,
}

impl Canned {
    async fn told(&self) {
        let Some(Called { tell, hold }) = &self.called else {
            return;
        };
        // Whoever wanted to know may be gone.
        let _ = tell.send(Instant::now());
        if *hold {
            std::future::pending::<()>().await;
        }
    }
}

type Answer<T> = HostResult<Result<T, Error>>;

fn denied<T>() -> Answer<T> {
    Ok(Err(Error::Denied(
        "this host measures, and does nothing".to_owned(),
    )))
}

fn report(ticket: String) -> TaskReport {
    TaskReport {
        ticket,
        title: "a task".to_owned(),
        agent: "agent-0".to_owned(),
        agent_name: "agent".to_owned(),
        outcome: Outcome::Completed,
        summary: "r".repeat(200),
        output_json: None,
        violations: Vec::new(),
        text: String::new(),
        attempt: 1,
        history: Vec::new(),
        spent: types::Spend {
            guest_ms: 0,
            tokens: 0,
            cost_microusd: 0,
            children: 0,
        },
    }
}

impl types::Host for Canned {}

impl delegation::Host for Canned {
    async fn budget_left(&mut self) -> Answer<types::Budget> {
        Ok(Ok(types::Budget {
            wall_ms: None,
            guest_ms: None,
            tokens: None,
            cost_microusd: None,
            children: None,
            depth: None,
        }))
    }

    async fn team(&mut self) -> Answer<Vec<Member>> {
        self.told().await;
        let member = |n| Member {
            agent: Agent {
                id: format!("agent-{n}"),
                name: format!("agent {n}"),
                class: String::new(),
                skills: Vec::new(),
                description: String::new(),
            },
            status: TrackingStatus::Idle,
            current: Vec::new(),
            queued: 0,
            last_report_at: None,
        };
        Ok(Ok((0..self.team).map(member).collect()))
    }

    async fn propose_plan(&mut self, _plan: WorkPlan) -> Answer<()> {
        Ok(Ok(()))
    }

    async fn delegate(&mut self, assignments: Vec<Assignment>) -> Answer<Vec<Delegated>> {
        let one = |(n, assignment): (usize, Assignment)| Delegated {
            ticket: format!("ticket-{n}"),
            assignee: assignment.assignee.unwrap_or_default(),
            assignee_name: "agent".to_owned(),
            reason: String::new(),
            confidence: Confidence::High,
        };
        Ok(Ok(assignments.into_iter().enumerate().map(one).collect()))
    }

    async fn await_reports(
        &mut self,
        tickets: Vec<String>,
        _join: Join,
        _timeout_ms: Option<u64>,
    ) -> Answer<Joined> {
        let reports = tickets.into_iter().map(report).collect();
        Ok(Ok(Joined {
            met: true,
            reports,
            pending: Vec::new(),
        }))
    }

    async fn cancel(&mut self, _ticket: String, _reason: String) -> Answer<()> {
        denied()
    }

    async fn reassign(&mut self, _: String, _: String, _: String) -> Answer<()> {
        denied()
    }
}

impl reporting::Host for Canned {
    async fn progress(&mut self, _note: String) -> Answer<()> {
        self.told().await;
        Ok(Ok(()))
    }

    async fn submit_output(&mut self, _output_json: String) -> Answer<()> {
        denied()
    }

    async fn call_for_report(&mut self, _: String, _: Option<u64>) -> Answer<ExternalReport> {
        denied()
    }
}

impl channels::Host for Canned {
    async fn post(&mut self, _: Option<String>, _: String, _: Option<String>) -> Answer<String> {
        self.told().await;
        Ok(Ok("message-0".to_owned()))
    }

    async fn mention(&mut self, _members: Vec<String>, _text: String) -> Answer<String> {
        denied()
    }

    async fn read(&mut self, _: Option<String>, _: u64, _: u32) -> Answer<Page> {
        denied()
    }

    async fn ask(&mut self, _: String, _: String, _: Option<u64>) -> Answer<Message> {
        denied()
    }
}

impl tickets::Host for Canned {
    async fn create(&mut self, _draft: Draft) -> Answer<String> {
        denied()
    }

    async fn assign(&mut self, _ticket: String, _agent: String) -> Answer<()> {
        denied()
    }

    async fn get(&mut self, _ticket: String) -> Answer<Ticket> {
        denied()
    }

    async fn list(&mut self, _filter: Filter) -> Answer<Vec<Ticket>> {
        denied()
    }

    async fn comment(&mut self, _ticket: String, _text: String) -> Answer<()> {
        denied()
    }

    async fn add_collaborator(&mut self, _agent: String) -> Answer<()> {
        denied()
    }

    async fn link(&mut self, _ticket: String, _kind: String) -> Answer<()> {
        denied()
    }
}

impl memory::Host for Canned {
    async fn get(&mut self, _key: String) -> Answer<Option<Vec<u8>>> {
        denied()
    }

    async fn put(&mut self, _key: String, _value: Vec<u8>) -> Answer<()> {
        denied()
    }

    async fn remove(&mut self, _key: String) -> Answer<()> {
        denied()
    }

    async fn keys(&mut self, _prefix: String) -> Answer<Vec<String>> {
        denied()
    }
}

impl worktree::Host for Canned {
    async fn read(&mut self, _path: String) -> Answer<Vec<u8>> {
        denied()
    }

    async fn write(&mut self, _path: String, _content: Vec<u8>) -> Answer<()> {
        denied()
    }

    async fn remove(&mut self, _path: String) -> Answer<()> {
        denied()
    }

    async fn list(&mut self, _path: String) -> Answer<Vec<Entry>> {
        denied()
    }

    async fn diff(&mut self) -> Answer<String> {
        denied()
    }

    async fn commit(&mut self, _message: String) -> Answer<Option<String>> {
        denied()
    }

    async fn run(&mut self, _command: Vec<String>, _timeout_ms: Option<u64>) -> Answer<Exit> {
        denied()
    }
}
