import type { Violation } from "./generated/types.js";

/** Why a call to the host failed, told so that a strategy can decide what to do. */
export class HostError extends Error {
  /**
   * - `denied`: not granted; the message names the missing grant. Asking again will not help.
   * - `not-found`: what was named does not exist, or this run may not see it.
   * - `invalid`: the arguments are wrong; `violations` says where.
   * - `limit`: a limit was reached; the message names it.
   * - `cancelled`: the ticket was cancelled while the call was under way. Clean up and return.
   * - `deadline`: time ran out before there was an answer.
   * - `unavailable`: something outside did not answer; the same call may succeed later.
   * - `other`: anything else.
   */
  readonly kind:
    | "denied"
    | "not-found"
    | "invalid"
    | "limit"
    | "cancelled"
    | "deadline"
    | "unavailable"
    | "other";
  /** The host's own words, without a default; empty where `kind` is `invalid`. */
  readonly text: string;
  /** What is wrong with the arguments; empty for any other kind. */
  readonly violations: Violation[];
}

/** Throw it to say that the task cannot be done. */
export class Failure extends Error {
  /**
   * @param summary For people, in Markdown: what went wrong, and what could be done about it.
   * @param more `output` is whatever structured result there is all the same.
   */
  constructor(summary: string, more?: { output?: unknown; outputJson?: string; cause?: unknown });
  output?: unknown;
  outputJson?: string;
}
