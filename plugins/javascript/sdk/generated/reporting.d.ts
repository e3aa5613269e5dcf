// Generated from the contract's WIT. Do not edit.

import type { ExternalReport } from "./types.js";

/**
 * A note on how far the work is, for whoever watches. Returns at once.
 *
 * Persists: a message of kind `progress` in the ticket's channel, with the run's next commit.
 * Errors: `limit` where the note is too long or this run has posted too many messages.
 */
export function progress(note: string): void;

/**
 * Hand in the output before the end, to learn whether it fulfils the ticket's schema. The last
 * output that was accepted counts where the report has none. Returns at once. After too many
 * refused outputs (three, unless configured otherwise) the ticket fails.
 *
 * Persists: the output where it is accepted, the count of refusals where not.
 * Errors: `invalid` with the violations; `limit` where it is too large, or was refused too often.
 */
export function submitOutput(output: unknown): void;

/** The same with JSON as text. See {@link submitOutput}. */
export function submitOutputJson(outputJson: string): void;

/**
 * Have the task done outside the host. Posts `message` in the ticket's channel, with the ticket's
 * schema and what was wrong with the last output, where there are such, and with the footer that
 * says how to report (a `curl` line with this agent's URL and this run's token), and blocks
 * until that report comes or the time is over.
 *
 * Persists: the message and the wait, then the report.
 * Errors: `deadline` when the time is over; `limit` where the message is too long; `cancelled`.
 */
export function callForReport(message: string, options?: { timeoutMs?: number }): ExternalReport;
