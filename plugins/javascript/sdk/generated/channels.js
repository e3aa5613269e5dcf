// Generated from the contract's WIT. Do not edit.

import raw from "adjutant:agent/channels@0.1.0";
import * as codec from "../codec.js";
import { host } from "../errors.js";
import * as types from "./types.js";

export function post(text, given) {
  const { ticket, replyTo } = codec.options("channels.post", given, ["ticket", "replyTo"]);
  return codec.string.lift(host(() => raw.post(codec.option(codec.string).lower(ticket, "channels.post: ticket"), codec.string.lower(text, "channels.post: text"), codec.option(codec.string).lower(replyTo, "channels.post: replyTo"))));
}

export function mention(members, text) {
  return codec.string.lift(host(() => raw.mention(codec.list(codec.string).lower(members, "channels.mention: members"), codec.string.lower(text, "channels.mention: text"))));
}

export function read(after, limit, given) {
  const { ticket } = codec.options("channels.read", given, ["ticket"]);
  return types.Page.lift(host(() => raw.read(codec.option(codec.string).lower(ticket, "channels.read: ticket"), codec.u64.lower(after, "channels.read: after"), codec.u32.lower(limit, "channels.read: limit"))));
}

export function ask(member, text, given) {
  const { timeoutMs } = codec.options("channels.ask", given, ["timeoutMs"]);
  return types.Message.lift(host(() => raw.ask(codec.string.lower(member, "channels.ask: member"), codec.string.lower(text, "channels.ask: text"), codec.option(codec.u64).lower(timeoutMs, "channels.ask: timeoutMs"))));
}
