/// <reference path="./globals.d.ts" />
import type { Candidate, Choice, Question } from "./generated/types.js";

/** A pure function that says who should do a task. */
export interface SelectorStrategy<Config = any> {
  /**
   * Whom to give the task to, best first; an empty array says that nobody fits. Throw where no choice can
   * be made at all. The same question gets the same answer.
   */
  choose(task: Question<Config>, candidates: Candidate[]): Choice[];
}

/** Makes a selector: `export default selector({ choose(task, candidates) { … } })`. */
export function selector<Config = any>(
  definition: SelectorStrategy<Config>,
): SelectorStrategy<Config>;

export { Failure } from "./errors.js";
export type * from "./generated/types.js";
