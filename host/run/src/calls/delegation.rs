//! `delegation`: team, plan, delegate, await, cancel, reassign.

use super::{answer, converted};
use crate::convert::{self, Converted};
use crate::session::Session;
use adjutant_component::HostResult;
use adjutant_component::bindings::delegation::{
    Assignment, Delegated, Host, Join, Joined, Member, WorkPlan,
};
use adjutant_component::bindings::types::{Budget, Error};
use adjutant_model::{Answer, Call};

impl Host for Session {
    async fn team(&mut self) -> HostResult<Result<Vec<Member>, Error>> {
        let reply = self.decided(Call::Team).await?;
        Ok(answer!(reply, Answer::Team(team) => team.into_iter().map(convert::member).collect()))
    }

    async fn budget_left(&mut self) -> HostResult<Result<Budget, Error>> {
        let reply = self.decided(Call::BudgetLeft).await?;
        Ok(answer!(reply, Answer::Budget(budget) => convert::budget_left(&budget)))
    }

    async fn propose_plan(&mut self, plan: WorkPlan) -> HostResult<Result<(), Error>> {
        let plan = converted!(convert::plan(plan));
        let reply = self.decided(Call::ProposePlan { plan }).await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn delegate(
        &mut self,
        assignments: Vec<Assignment>,
    ) -> HostResult<Result<Vec<Delegated>, Error>> {
        let assignments = assignments.into_iter().enumerate();
        let assignments: Converted<Vec<_>> = assignments
            .map(|(at, given)| convert::assignment(at, given))
            .collect();
        let assignments = converted!(assignments);
        let choices = if self.is_replaying() {
            Vec::new()
        } else {
            self.choose_for(&assignments).await?
        };
        let reply = self
            .decided_with(Call::Delegate { assignments }, None, choices)
            .await?;
        Ok(answer!(reply, Answer::Delegated(list) => {
            list.into_iter().map(convert::delegated).collect()
        }))
    }

    async fn await_reports(
        &mut self,
        tickets: Vec<String>,
        join: Join,
        timeout_ms: Option<u64>,
    ) -> HostResult<Result<Joined, Error>> {
        let tickets = converted!(convert::tickets(&tickets));
        let join = converted!(convert::join(join));
        let reply = self
            .decided(Call::AwaitReports {
                tickets,
                join,
                timeout_ms,
            })
            .await?;
        Ok(answer!(reply, Answer::Joined(joined) => convert::joined(joined)))
    }

    async fn cancel(&mut self, ticket: String, reason: String) -> HostResult<Result<(), Error>> {
        let ticket = converted!(convert::id("ticket", &ticket));
        let reply = self
            .decided(Call::CancelDelegated { ticket, reason })
            .await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }

    async fn reassign(
        &mut self,
        ticket: String,
        assignee: String,
        reason: String,
    ) -> HostResult<Result<(), Error>> {
        let ticket = converted!(convert::id("ticket", &ticket));
        let assignee = converted!(convert::id("agent", &assignee));
        let reply = self
            .decided(Call::Reassign {
                ticket,
                assignee,
                reason,
            })
            .await?;
        Ok(answer!(reply, Answer::Unit => ()))
    }
}
