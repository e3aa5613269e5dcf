// The contract's delegation, and what strategies do most with it.

import { awaitReports } from "./generated/delegation.js";

export * from "./generated/delegation.js";

export function awaitAll(delegated) {
  // No tickets would mean all that were ever delegated.
  if (delegated.length === 0) return { met: true, reports: [], pending: [] };
  return awaitReports(
    delegated.map(({ ticket }) => ticket),
    "all",
  );
}
