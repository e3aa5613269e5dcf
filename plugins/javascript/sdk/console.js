// `console`: to the run's log, by way of stdout and stderr.

import stderr from "wasi:cli/stderr@0.2.12";
import stdout from "wasi:cli/stdout@0.2.12";
import { isRunning } from "./phase.js";
import { describe } from "./stack.js";

const MOST_AT_ONCE = 4096;
const MOST_DEPTH = 5;

/** Values as one line of text: strings as they are, everything else much as JSON has it. */
export function format(values) {
  return values.map((value) => (typeof value === "string" ? value : inspect(value, []))).join(" ");
}

function inspect(value, above) {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name || "anonymous"}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return describe(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (above.includes(value)) return "[circular]";
  if (above.length === MOST_DEPTH) return Array.isArray(value) ? "[array]" : "[object]";
  const inner = (part) => inspect(part, [...above, value]);
  if (value instanceof Map) {
    return `Map { ${Array.from(value, ([k, v]) => `${inner(k)} => ${inner(v)}`).join(", ")} }`;
  }
  if (value instanceof Set) return `Set { ${Array.from(value, inner).join(", ")} }`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  if (Array.isArray(value)) return `[${value.map(inner).join(", ")}]`;
  const fields = Object.entries(value).map(([key, part]) => `${key}: ${inner(part)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

function printer(stream) {
  return (...values) => {
    // While a module is loaded there is no log.
    if (!isRunning()) return;
    const bytes = new TextEncoder().encode(`${format(values)}\n`);
    const out = stream();
    for (let at = 0; at < bytes.length; at += MOST_AT_ONCE) {
      out.blockingWriteAndFlush(bytes.subarray(at, at + MOST_AT_ONCE));
    }
  };
}

const toStdout = printer(() => stdout.getStdout());
const toStderr = printer(() => stderr.getStderr());

export const console = {
  log: toStdout,
  info: toStdout,
  debug: toStdout,
  error: toStderr,
  warn: toStderr,
  trace: (...values) => toStderr(describe(Object.assign(new Error(format(values)), { name: "Trace" }))),
  assert: (holds, ...values) => {
    if (!holds) toStderr("Assertion failed:", ...values);
  },
};
