// The steps that only a boss has.

import { type Assignment, delegation, type Join, type Task, type WorkPlan } from "adjutant/boss";
import { perform as performCommon, type Step as CommonStep, type Timed, timeout } from "./steps.js";
import { fromScript, type Scripted } from "./values.js";

type TeamStep =
  | { do: "delegation.team" | "delegation.budget-left" }
  | { do: "delegation.propose-plan"; plan: Scripted<WorkPlan> }
  | { do: "delegation.delegate"; assignments: Scripted<Assignment>[] }
  | ({ do: "delegation.await-reports"; tickets: string[]; join: Scripted<Join> } & Timed)
  | { do: "delegation.cancel"; ticket: string; reason: string }
  | { do: "delegation.reassign"; ticket: string; assignee: string; reason: string };

export type Step = TeamStep | CommonStep;

/** Does a step; gives back its answer. */
export function perform(step: Step, task: Task): unknown {
  switch (step.do) {
    case "delegation.team":
      return delegation.team();
    case "delegation.budget-left":
      return delegation.budgetLeft();
    case "delegation.propose-plan":
      return delegation.proposePlan(fromScript<WorkPlan>(step.plan));
    case "delegation.delegate":
      return delegation.delegate(fromScript<Assignment[]>(step.assignments));
    case "delegation.await-reports":
      return delegation.awaitReports(step.tickets, fromScript<Join>(step.join), timeout(step));
    case "delegation.cancel":
      return delegation.cancel(step.ticket, step.reason);
    case "delegation.reassign":
      return delegation.reassign(step.ticket, step.assignee, step.reason);
    default:
      return performCommon(step, task);
  }
}
