// What a boss imports.

import * as delegationModule from "./delegation.js";
import * as channelsModule from "./generated/channels.js";
import * as reportingModule from "./generated/reporting.js";
import * as ticketsModule from "./generated/tickets.js";
import * as memoryModule from "./memory.js";
import { named } from "./named.js";
import { strategy } from "./run.js";
import * as worktreeModule from "./worktree.js";

export const boss = (definition) => strategy("boss", "work", definition);

export { Failure, HostError } from "./errors.js";
export const delegation = named("delegation", delegationModule);
export const channels = named("channels", channelsModule);
export const reporting = named("reporting", reportingModule);
export const tickets = named("tickets", ticketsModule);
export const memory = named("memory", memoryModule);
export const worktree = named("worktree", worktreeModule);
