// The contract's own records at the edges of a run.

import { list } from "./codec.js";
import * as types from "./generated/types.js";

export const task = types.Task.lift;
export const question = types.Question.lift;
export const team = list(types.Candidate).lift;

/** What `work` gave back: a report, or just its summary. */
export const report = (value) =>
  types.Report.lower(typeof value === "string" ? { summary: value } : value, "the report");

export const choices = (value) => list(types.Choice).lower(value, "the choices");
export const failure = (value) => types.Failure.lower(value, "the failure");
