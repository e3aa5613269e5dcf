// Generated from the contract's WIT. Do not edit.

import type { Message, Page } from "./types.js";

/**
 * Post a message to a ticket's channel: this run's own where `ticket` is none. Returns at once
 * with the message's id. A name after an at sign (`@name`) in the text mentions that member.
 *
 * Persists: the message, with the run's next commit.
 * Errors: `not-found` where this agent is not in that channel; `limit` where the text is too long
 * or this run has posted too many messages.
 */
export function post(text: string, options?: { ticket?: string; replyTo?: string }): string;

/**
 * Draw members' attention: a message that mentions agents (by id or name) or people (by name).
 * Returns at once with the message's id.
 *
 * Persists: the message, with the run's next commit.
 * Errors: `not-found` where an agent is no member of this ticket's channel; `limit` as for `post`.
 */
export function mention(members: readonly string[], text: string): string;

/**
 * Read a ticket's channel (this run's own where `ticket` is none) from a cursor on, 0 being the
 * beginning. At most `limit` messages, and never more than 200 or 4 MiB. Returns at once.
 *
 * Persists: the answer, in the journal.
 * Errors: `not-found` where this agent is not in that channel.
 */
export function read(after: number, limit: number, options?: { ticket?: string }): Page;

/**
 * Ask a member of this ticket's channel (an agent's id or name, or a person's name) and wait for
 * the next message of theirs, unless that answers another message. Blocks: 600,000 ms unless told
 * otherwise, 1,800,000 at most.
 *
 * Persists: the question and the wait, then the answer.
 * Errors: `deadline` when the time is over; `not-found` where an agent is not a member;
 * `limit` as for `post`; `unavailable` where the agent is asked too often; `cancelled`.
 */
export function ask(member: string, text: string, options?: { timeoutMs?: number }): Message;
