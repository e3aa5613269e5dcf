// Generated from the contract's WIT. Do not edit.

import raw from "adjutant:agent/memory@0.1.0";
import * as codec from "../codec.js";
import { host } from "../errors.js";

export function get(key) {
  return codec.option(codec.bytes).lift(host(() => raw.get(codec.string.lower(key, "memory.get: key"))));
}

export function put(key, value) {
  host(() => raw.put(codec.string.lower(key, "memory.put: key"), codec.bytes.lower(value, "memory.put: value")));
}

export function remove(key) {
  host(() => raw.remove(codec.string.lower(key, "memory.remove: key")));
}

export function keys(prefix) {
  return codec.list(codec.string).lift(host(() => raw.keys(codec.string.lower(prefix, "memory.keys: prefix"))));
}
