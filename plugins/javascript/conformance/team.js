// The steps that only a boss has.

import { delegation } from "adjutant/boss";
import { timeout } from "./steps.js";
import { fromScript } from "./values.js";

export const team = {
  "delegation.team": () => delegation.team(),
  "delegation.budget-left": () => delegation.budgetLeft(),
  "delegation.propose-plan": (step) => delegation.proposePlan(fromScript(step.plan)),
  "delegation.delegate": (step) => delegation.delegate(step.assignments.map(fromScript)),
  "delegation.await-reports": (step) => delegation.awaitReports(step.tickets, fromScript(step.join), timeout(step)),
  "delegation.cancel": (step) => delegation.cancel(step.ticket, step.reason),
  "delegation.reassign": (step) => delegation.reassign(step.ticket, step.assignee, step.reason),
};
