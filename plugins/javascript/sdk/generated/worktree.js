// Generated from the contract's WIT. Do not edit.

import raw from "adjutant:agent/worktree@0.1.0";
import * as codec from "../codec.js";
import { host } from "../errors.js";
import * as types from "./types.js";

export function read(path) {
  return codec.bytes.lift(host(() => raw.read(codec.string.lower(path, "worktree.read: path"))));
}

export function write(path, content) {
  host(() => raw.write(codec.string.lower(path, "worktree.write: path"), codec.bytes.lower(content, "worktree.write: content")));
}

export function remove(path) {
  host(() => raw.remove(codec.string.lower(path, "worktree.remove: path")));
}

export function list(path) {
  return codec.list(types.Entry).lift(host(() => raw.list(codec.string.lower(path, "worktree.list: path"))));
}

export function diff() {
  return codec.string.lift(host(() => raw.diff()));
}

export function commit(message) {
  return codec.option(codec.string).lift(host(() => raw.commit(codec.string.lower(message, "worktree.commit: message"))));
}

export function run(command, given) {
  const { timeoutMs } = codec.options("worktree.run", given, ["timeoutMs"]);
  return types.Exit.lift(host(() => raw.run(codec.list(codec.string).lower(command, "worktree.run: command"), codec.option(codec.u64).lower(timeoutMs, "worktree.run: timeoutMs"))));
}
