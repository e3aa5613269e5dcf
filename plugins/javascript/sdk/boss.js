// What a boss imports.

import { strategy } from "./run.js";

export const boss = (definition) => strategy("boss", "work", definition);

export * as delegation from "./delegation.js";
export { Failure, HostError } from "./errors.js";
export * as channels from "./generated/channels.js";
export * as reporting from "./generated/reporting.js";
export * as tickets from "./generated/tickets.js";
export * as memory from "./memory.js";
export * as worktree from "./worktree.js";
