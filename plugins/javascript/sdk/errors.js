// What a strategy catches, and what it throws.

import { needsRun } from "./phase.js";

/** A call to the host failed. */
export class HostError extends Error {
  constructor(kind, detail) {
    const violations = kind === "invalid" ? detail : [];
    const said = kind === "invalid" ? violations.map(sentence).join("; ") : detail;
    super(said || OTHERWISE[kind] || "The call failed.");
    this.kind = kind;
    this.text = kind === "invalid" ? "" : detail;
    this.violations = violations;
  }

  get name() {
    return "HostError";
  }
}

const OTHERWISE = {
  denied: "This is not granted.",
  "not-found": "There is no such thing.",
  invalid: "The arguments were refused.",
  limit: "A limit was reached.",
  cancelled: "The ticket was cancelled.",
  deadline: "Time ran out.",
  unavailable: "Something outside did not answer.",
};

const sentence = ({ path, message }) => (path === "" ? message : `${path}: ${message}`);

/** Thrown by `work`: the task cannot be done. */
export class Failure extends Error {
  constructor(summary, more = {}) {
    super(summary, more.cause === undefined ? undefined : { cause: more.cause });
    this.output = more.output;
    this.outputJson = more.outputJson;
  }

  get name() {
    return "Failure";
  }
}

/** Does a call to the host; its error comes as an exception. */
export function host(call) {
  needsRun("A function of the host");
  try {
    return call();
  } catch (error) {
    const payload = error?.payload;
    if (payload?.tag === undefined) throw error;
    throw new HostError(payload.tag, payload.val);
  }
}
