// The contract's memory, and values in it as JSON.

import { get, put } from "./generated/memory.js";

export * from "./generated/memory.js";

export function getJson(key) {
  const bytes = get(key);
  return bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes));
}

export function putJson(key, value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError("JSON has no such value");
  put(key, text);
}
