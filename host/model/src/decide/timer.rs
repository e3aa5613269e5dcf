//! What is due: deadlines of tickets, and ends of waits.

use super::Tx;
use crate::{Status, state::Timer};

/// Points in time that one transition deals with at most.
const AT_ONCE: usize = 100;

impl Tx<'_> {
    /// Lets everything happen that was due by now. A point in time that no longer means anything (the
    /// ticket is over, the wait has been answered) is passed over.
    pub(super) fn tick(&mut self) {
        let now = self.context.now;
        let mut left = AT_ONCE;
        while let Some((at, timer)) = self.state.timers.first().copied() {
            // The rest is due still, and comes with the next tick: one batch holds only so much.
            if at > now || left == 0 {
                return;
            }
            left -= 1;
            self.state.timers.pop_first();
            match timer {
                Timer::Run(run) => self.wait_is_up(run),
                Timer::Retry(id) => self.pause_is_over(id),
                // They are looked at after each transition.
                Timer::Doomed => {}
                Timer::Silence(run) => self.silence_is_due(run),
                Timer::Ticket(id) => {
                    let due = self.state.tickets.get(&id).is_some_and(|ticket| {
                        !ticket.status.is_over()
                            && ticket.deadline.is_some_and(|deadline| deadline <= now)
                    });
                    if due {
                        let why = self.why_too_late(id);
                        self.end_ticket(id, Status::Failed, &why);
                    }
                }
            }
        }
    }
}
