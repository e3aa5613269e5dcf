// What subordinates and bosses have in common: for modules that both use.

export * as channels from "./generated/channels.js";
export * as reporting from "./generated/reporting.js";
export * as tickets from "./generated/tickets.js";
export * as memory from "./memory.js";
export * as worktree from "./worktree.js";
