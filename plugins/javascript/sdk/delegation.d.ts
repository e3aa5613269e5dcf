import type { Delegated, Joined } from "./generated/types.js";

export * from "./generated/delegation.js";

/** Waits until all of these are over, for as long as it takes. None at all are over at once. */
export function awaitAll(delegated: readonly Pick<Delegated, "ticket">[]): Joined;
