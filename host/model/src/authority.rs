//! What a ticket's run may use beside what its own agent may: authority only narrows on the way down.
//!
//! Invariants:
//! - What a ticket has left is the least of what it and each ticket above it have left.
//! - A run may do what its agent is granted, and what every agent is that delegated the ticket or one
//!   above it. Where a person gave a ticket to an agent, the chain begins anew.

use crate::{Budget, Grants, Manifest, Spend, State, Ticket, TicketId, Timestamp};
use std::fmt;
use std::sync::Arc;

/// What a run may use at most, whatever its own agent is granted. The default narrows nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Authority {
    /// The agents that delegated the ticket and those above it, the nearest first.
    pub bosses: Vec<Granter>,
    /// The guest time that is left, where a budget limits it.
    pub guest_time: Option<Left>,
    /// The manifest of the run's plugin, where it has one: what it does not want is denied.
    pub manifest: Option<Arc<Manifest>>,
}

/// An agent that delegated a ticket, with what it may do itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Granter {
    /// Its name.
    pub name: String,
    /// What it may do; nothing where the agent is not there any more.
    pub grants: Grants,
    /// The ticket that it delegated.
    pub ticket: TicketId,
    /// Whether that is the run's own ticket, and not one above it.
    pub direct: bool,
}

impl Granter {
    /// A refusal's sentence: what was asked for, and that this boss is not granted it.
    pub fn lacks(&self, grant: &str, what: &str) -> String {
        let which = if self.direct {
            "this ticket".to_owned()
        } else {
            format!("ticket {} above this one", self.ticket)
        };
        format!(
            "grant `{grant}`: {what} is not granted to boss {}, which delegated {which}; a ticket \
             never brings more than its boss may do itself",
            self.name
        )
    }
}

/// What is left of one dimension of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which dimension.
    pub what: Dimension,
    /// The ticket whose budget has the least left.
    pub ticket: TicketId,
    /// What that budget was.
    pub budget: u64,
    /// What is spent of it.
    pub spent: u64,
}

impl Left {
    /// How much is left.
    pub fn amount(&self) -> u64 {
        self.budget.saturating_sub(self.spent)
    }

    /// Whether something was spent and nothing is left.
    pub fn is_used_up(&self) -> bool {
        self.amount() == 0 && self.spent > 0
    }
}

impl fmt::Display for Left {
    /// A sentence for when it is used up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the budget of ticket {} is used up: {} of {} {} are spent (`{}`)",
            self.ticket,
            self.spent,
            self.budget,
            self.what.unit(),
            self.what.name()
        )
    }
}

/// What a budget limits, but for wall time, which is a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Milliseconds that guests compute.
    GuestTime,
    /// Tokens of models.
    Tokens,
    /// Millionths of a US dollar.
    Cost,
    /// Tickets below.
    Children,
    /// Steps down.
    Depth,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 5] = [
        Dimension::GuestTime,
        Dimension::Tokens,
        Dimension::Cost,
        Dimension::Children,
        Dimension::Depth,
    ];

    /// The budget's field.
    pub fn name(self) -> &'static str {
        match self {
            Dimension::GuestTime => "guest_ms",
            Dimension::Tokens => "tokens",
            Dimension::Cost => "cost_microusd",
            Dimension::Children => "children",
            Dimension::Depth => "depth",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Dimension::GuestTime => "ms of guest time",
            Dimension::Tokens => "tokens",
            Dimension::Cost => "millionths of a dollar",
            Dimension::Children => "tickets",
            Dimension::Depth => "steps down",
        }
    }

    /// What a budget says of it.
    pub fn of(self, budget: &Budget) -> Option<u64> {
        match self {
            Dimension::GuestTime => budget.guest_ms,
            Dimension::Tokens => budget.tokens,
            Dimension::Cost => budget.cost_microusd,
            Dimension::Children => budget.children.map(u64::from),
            Dimension::Depth => budget.depth.map(u64::from),
        }
    }

    fn spent(self, of: &Ticket, depth: u32) -> u64 {
        match self {
            Dimension::GuestTime => of.spent.guest_ms,
            Dimension::Tokens => of.spent.tokens,
            Dimension::Cost => of.spent.cost_microusd,
            Dimension::Children => u64::from(of.spent.children),
            Dimension::Depth => u64::from(depth.saturating_sub(of.depth)),
        }
    }
}

impl Spend {
    /// Adds what was spent more.
    pub fn add(&mut self, more: Spend) {
        self.guest_ms = self.guest_ms.saturating_add(more.guest_ms);
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.cost_microusd = self.cost_microusd.saturating_add(more.cost_microusd);
        self.children = self.children.saturating_add(more.children);
    }
}

impl State {
    /// What a run of a ticket may use at most.
    pub fn authority(&self, id: TicketId) -> Authority {
        let delegated = self
            .line(id)
            .map_while(|ticket| ticket.delegated_by.map(|boss| (ticket.id, boss)));
        let bosses = delegated.map(|(ticket, boss)| {
            let agent = self.agent(boss);
            Granter {
                name: agent.map_or_else(|| boss.to_string(), |agent| agent.name.clone()),
                grants: agent.map(|agent| agent.grants.clone()).unwrap_or_default(),
                ticket,
                direct: ticket == id,
            }
        });
        Authority {
            bosses: bosses.collect(),
            guest_time: self.left(id, Dimension::GuestTime),
            manifest: None,
        }
    }

    /// What a ticket has left of one dimension; none where nothing limits it.
    pub fn left(&self, id: TicketId, what: Dimension) -> Option<Left> {
        let depth = self.ticket(id)?.depth;
        let budgets = self.line(id).filter_map(|ticket| {
            Some(Left {
                what,
                ticket: ticket.id,
                budget: what.of(ticket.terms.as_ref()?.budget.as_ref()?)?,
                spent: what.spent(ticket, depth),
            })
        });
        budgets.min_by_key(Left::amount)
    }

    /// What a ticket has left altogether. Wall time is what its deadline leaves.
    pub fn budget_left(&self, id: TicketId, now: Timestamp) -> Budget {
        let amount = |what| self.left(id, what).map(|left| left.amount());
        let small = |what| amount(what).map(|left| u32::try_from(left).unwrap_or(u32::MAX));
        Budget {
            wall_ms: self
                .ticket(id)
                .and_then(|ticket| ticket.deadline)
                .map(|deadline| deadline.saturating_sub(now)),
            guest_ms: amount(Dimension::GuestTime),
            tokens: amount(Dimension::Tokens),
            cost_microusd: amount(Dimension::Cost),
            children: small(Dimension::Children),
            depth: small(Dimension::Depth),
        }
    }

    /// A ticket and those above it, from below.
    pub(crate) fn line(&self, id: TicketId) -> impl Iterator<Item = &Ticket> {
        std::iter::successors(self.ticket(id), |ticket| {
            ticket.parent.and_then(|parent| self.ticket(parent))
        })
    }
}
