// Generated from the contract's WIT. Do not edit.

import type { Draft, Filter, Ticket } from "./types.js";

/**
 * Make a child of this run's ticket, with nobody assigned: it stays `open`. Returns at once with
 * its id.
 *
 * Persists: the ticket and its event.
 * Errors: `invalid` where the title is empty or the schema is no schema; `limit` where a text is
 * too long, there are too many children, or a budget is used up; `unavailable` where the workspace
 * has too many tickets that are not over.
 */
export function create(draft: Draft): string;

/**
 * Give a ticket that this run has created to an agent (by id or name): a subordinate, or one that
 * this agent is granted to assign to. It is dispatched at once. Nobody waits for it: read it with
 * `get`, or, as a boss, with `await-reports`.
 *
 * Persists: the assignment, `delegated-by`, and their events.
 * Errors: `not-found`; `denied` where the grant is missing, of this agent or of one that delegated
 * this ticket or one above it, or for a cycle or a chain too deep; `invalid` where the ticket is
 * over or in progress.
 */
export function assign(ticket: string, agent: string): void;

/**
 * One ticket, as it is now. Returns at once.
 *
 * Persists: the answer, in the journal.
 * Errors: `not-found`.
 */
export function get(ticket: string): Ticket;

/**
 * The tickets of this run's tree that fit, in the order of their making; at most 1,000, and no
 * more than 4 MiB. Returns at once.
 *
 * Persists: the answer, in the journal.
 * Errors: none but `cancelled`.
 */
export function list(filter: Filter): Ticket[];

/**
 * Comment on a ticket: a message in its channel. Returns at once.
 *
 * Persists: the message.
 * Errors: `not-found`; `limit` as for `channels.post`.
 */
export function comment(ticket: string, text: string): void;

/**
 * Let another agent (by id or name) read and write this ticket's channel. Returns at once.
 *
 * Persists: the collaborator, and an event.
 * Errors: `not-found`; `limit` where there are too many.
 */
export function addCollaborator(agent: string): void;

/**
 * Note that this run's ticket has to do with another: `kind` is a word such as `relates`,
 * `duplicates` or `follows`. Returns at once.
 *
 * Persists: the link, on both tickets.
 * Errors: `not-found`; `invalid` where the kind is empty; `limit` where there are too many.
 */
export function link(ticket: string, kind: string): void;
