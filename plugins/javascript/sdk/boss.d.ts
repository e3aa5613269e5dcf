/// <reference path="./globals.d.ts" />
import type { Report, Task } from "./generated/types.js";

/** A strategy that does tasks with a team. */
export interface BossStrategy<Config = any> {
  /**
   * Does the task. Called once for each run, and again with the same task when the run is replayed: ask
   * the host for whatever is not in the task.
   *
   * @returns The report, or just its summary. Throw a `Failure` where the task cannot be done.
   */
  work(task: Task<Config>): Report | string;
}

/** Makes a boss: `export default boss({ work(task) { … } })`. */
export function boss<Config = any>(definition: BossStrategy<Config>): BossStrategy<Config>;

export * as delegation from "./delegation.js";
export { Failure, HostError } from "./errors.js";
export * as channels from "./generated/channels.js";
export * as reporting from "./generated/reporting.js";
export * as tickets from "./generated/tickets.js";
export type * from "./generated/types.js";
export * as memory from "./memory.js";
export * as worktree from "./worktree.js";
