// Generated from the contract's WIT. Do not edit.

import raw from "adjutant:agent/tickets@0.1.0";
import * as codec from "../codec.js";
import { host } from "../errors.js";
import * as types from "./types.js";

export function create(draft) {
  return codec.string.lift(host(() => raw.create(types.Draft.lower(draft, "tickets.create: draft"))));
}

export function assign(ticket, agent) {
  host(() => raw.assign(codec.string.lower(ticket, "tickets.assign: ticket"), codec.string.lower(agent, "tickets.assign: agent")));
}

export function get(ticket) {
  return types.Ticket.lift(host(() => raw.get(codec.string.lower(ticket, "tickets.get: ticket"))));
}

export function list(filter) {
  return codec.list(types.Ticket).lift(host(() => raw.list(types.Filter.lower(filter, "tickets.list: filter"))));
}

export function comment(ticket, text) {
  host(() => raw.comment(codec.string.lower(ticket, "tickets.comment: ticket"), codec.string.lower(text, "tickets.comment: text")));
}

export function addCollaborator(agent) {
  host(() => raw.addCollaborator(codec.string.lower(agent, "tickets.addCollaborator: agent")));
}

export function link(ticket, kind) {
  host(() => raw.link(codec.string.lower(ticket, "tickets.link: ticket"), codec.string.lower(kind, "tickets.link: kind")));
}
