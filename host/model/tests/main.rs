//! Stories of a workspace: what is asked, and what follows.

mod authority;
mod blockers;
mod budgets;
mod cancelling;
mod common;
mod delegation;
mod held;
mod parked;
mod queues;
mod resuming;
mod retries;
mod rollouts;
mod runs;
mod silence;
mod standstill;
mod transitions;
