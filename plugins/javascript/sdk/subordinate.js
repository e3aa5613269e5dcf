// What a subordinate imports.

import { strategy } from "./run.js";

export const subordinate = (definition) => strategy("subordinate", "work", definition);

export { Failure, HostError } from "./errors.js";
export * as channels from "./generated/channels.js";
export * as reporting from "./generated/reporting.js";
export * as tickets from "./generated/tickets.js";
export * as memory from "./memory.js";
export * as worktree from "./worktree.js";
