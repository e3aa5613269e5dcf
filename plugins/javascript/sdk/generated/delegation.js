// Generated from the contract's WIT. Do not edit.

import raw from "adjutant:agent/delegation@0.1.0";
import * as codec from "../codec.js";
import { host } from "../errors.js";
import * as types from "./types.js";

export function team() {
  return codec.list(types.Member).lift(host(() => raw.team()));
}

export function budgetLeft() {
  return types.Budget.lift(host(() => raw.budgetLeft()));
}

export function proposePlan(plan) {
  host(() => raw.proposePlan(types.WorkPlan.lower(plan, "delegation.proposePlan: plan")));
}

export function delegate(assignments) {
  return codec.list(types.Delegated).lift(host(() => raw.delegate(codec.list(types.Assignment).lower(assignments, "delegation.delegate: assignments"))));
}

export function awaitReports(tickets, join, given) {
  const { timeoutMs } = codec.options("delegation.awaitReports", given, ["timeoutMs"]);
  return types.Joined.lift(host(() => raw.awaitReports(codec.list(codec.string).lower(tickets, "delegation.awaitReports: tickets"), types.Join.lower(join, "delegation.awaitReports: join"), codec.option(codec.u64).lower(timeoutMs, "delegation.awaitReports: timeoutMs"))));
}

export function cancel(ticket, reason) {
  host(() => raw.cancel(codec.string.lower(ticket, "delegation.cancel: ticket"), codec.string.lower(reason, "delegation.cancel: reason")));
}

export function reassign(ticket, assignee, reason) {
  host(() => raw.reassign(codec.string.lower(ticket, "delegation.reassign: ticket"), codec.string.lower(assignee, "delegation.reassign: assignee"), codec.string.lower(reason, "delegation.reassign: reason")));
}
