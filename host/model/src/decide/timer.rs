//! What is due: deadlines of tickets, and ends of waits.

use super::Tx;
use crate::{Status, state::Timer};

impl Tx<'_> {
    /// Lets everything happen that was due by now. A point in time that no longer means anything (the
    /// ticket is over, the wait has been answered) is passed over.
    pub(super) fn tick(&mut self) {
        let now = self.context.now;
        while let Some((at, timer)) = self.state.timers.first().copied() {
            if at > now {
                return;
            }
            self.state.timers.pop_first();
            match timer {
                Timer::Run(run) => self.wait_is_up(run),
                Timer::Ticket(id) => {
                    let due = self.state.tickets.get(&id).is_some_and(|ticket| {
                        !ticket.status.is_over()
                            && ticket.deadline.is_some_and(|deadline| deadline <= now)
                    });
                    if due {
                        self.end_ticket(id, Status::Failed, "its deadline has passed");
                    }
                }
            }
        }
    }
}
