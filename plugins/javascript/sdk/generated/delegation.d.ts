// Generated from the contract's WIT. Do not edit.

import type { Assignment, Budget, Delegated, Join, Joined, Member, WorkPlan } from "./types.js";

/**
 * The direct subordinates with their live status. Returns at once.
 *
 * Persists: the answer, in the journal.
 * Errors: none but `cancelled`.
 */
export function team(): Member[];

/**
 * What this ticket has left to spend, on itself and all below it: the least of what its own budget
 * and those of the tickets above it leave. What is not named is not limited. `wall-ms` is the time
 * to its deadline. Returns at once; what is left shrinks as those below it spend.
 *
 * Persists: the answer, in the journal.
 * Errors: none but `cancelled`.
 */
export function budgetLeft(): Budget;

/**
 * Show people what is about to be delegated. Returns at once; a later plan replaces an earlier.
 *
 * Persists: the plan on the ticket, and an event.
 * Errors: `invalid` where ids repeat or a dependency names nothing; `limit` where it is too long.
 */
export function proposePlan(plan: WorkPlan): void;

/**
 * Hand out tasks: each becomes a child ticket, and all start at the same time, as far as the
 * subordinates are free. All or nothing. Returns when the delegations stand; does not wait for
 * reports.
 *
 * Persists: the child tickets, their events and the answer, together.
 * Errors: `not-found` where an assignee does not exist; `denied` where it is not a direct
 * subordinate of this boss, where it already works further up the same chain (a cycle), or where
 * the chain would be too deep; `invalid` where a title is empty, a schema is no schema, or nobody
 * was named and the selector found nobody (each violation's path is `/N`, the assignment's
 * index), or where `blocked-by`, `group` or `retry` cannot be; `limit` where the ticket or its tree would
 * become too large, or its budget or one above it has no room, naming it; `unavailable` where a queue
 * is full or one agent is asked too often: try again later.
 */
export function delegate(assignments: readonly Assignment[]): Delegated[];

/**
 * Wait for reports of delegated tickets: of those named, or, where none is, of all that this
 * ticket has delegated. Blocks, possibly for days: the component is dropped from memory meanwhile
 * and brought back when the join is met. `timeout-ms` ends the wait earlier, which is no error:
 * the answer has `met` false. A subordinate that dies is a failed report, never silence. Where the
 * reports are larger than 4 MiB together, the last ones have a short summary and no output;
 * `tickets.get` has them whole.
 *
 * Persists: the wait, then the answer.
 * Errors: `not-found` where a ticket is not a child of this one; `invalid` where a quorum is larger
 * than the number of tickets, the join is unknown, or a ticket named is assigned to nobody;
 * `cancelled` when this ticket is.
 */
export function awaitReports(tickets: readonly string[], join: Join, options?: { timeoutMs?: number }): Joined;

/**
 * Cancel a delegated ticket and all below it. Returns at once. One that is over stays as it is.
 *
 * Persists: the cancelling, and its events.
 * Errors: `not-found` where it is not a child of this ticket.
 */
export function cancel(ticket: string, reason: string): void;

/**
 * Take a delegated ticket from whoever has it and give it to another direct subordinate. Its run
 * ends, its worktree is kept, and a new run begins. Returns at once.
 *
 * Persists: the assignment, and its events.
 * Errors: `not-found`, `denied` and `unavailable` as for `delegate`; `invalid` where the ticket is
 * over.
 */
export function reassign(ticket: string, assignee: string, reason: string): void;
