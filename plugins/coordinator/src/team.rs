//! What the coordinator asks of the host, as a trait, so that its flow can be tested without one.

use adjutant_sdk::{
    Assignment, Delegated, Error, Join, Joined, Member, WorkPlan, delegation, reporting,
};

/// A boss's means.
pub(crate) trait Team {
    fn members(&mut self) -> Result<Vec<Member>, Error>;
    fn propose(&mut self, plan: &WorkPlan) -> Result<(), Error>;
    fn delegate(&mut self, assignments: &[Assignment]) -> Result<Vec<Delegated>, Error>;
    fn wait(&mut self, tickets: &[String], join: &Join) -> Result<Joined, Error>;
    fn cancel(&mut self, ticket: &str, reason: &str) -> Result<(), Error>;
    fn note(&mut self, note: &str) -> Result<(), Error>;
}

/// The host's.
pub(crate) struct Host;

impl Team for Host {
    fn members(&mut self) -> Result<Vec<Member>, Error> {
        delegation::team()
    }

    fn propose(&mut self, plan: &WorkPlan) -> Result<(), Error> {
        delegation::propose_plan(plan)
    }

    fn delegate(&mut self, assignments: &[Assignment]) -> Result<Vec<Delegated>, Error> {
        delegation::delegate(assignments)
    }

    fn wait(&mut self, tickets: &[String], join: &Join) -> Result<Joined, Error> {
        delegation::await_reports(tickets, join, None)
    }

    fn cancel(&mut self, ticket: &str, reason: &str) -> Result<(), Error> {
        delegation::cancel(ticket, reason)
    }

    fn note(&mut self, note: &str) -> Result<(), Error> {
        reporting::progress(note)
    }
}
