// Interprets a script, step by step, as tests/conformance/SCRIPT.md says.

import { Failure, HostError } from "adjutant/errors";
import { toHex, toScript } from "./values.js";

/** Does the task's script; `calls` are the steps that call the host, by name. */
export function run(task, calls) {
  const answers = [];
  for (const written of script(task)) {
    if (written["if-attempt"] != null && written["if-attempt"] !== task.attempt) {
      answers.push(null);
      continue;
    }
    const step = resolved(written, answers);
    const output = step.output ?? undefined;
    if (step.do === "report") return { summary: step.summary, output };
    if (step.do === "fail") throw new Failure(step.summary, { output });
    const own = Object.hasOwn(others, step.do) ? others[step.do] : undefined;
    const call = own ?? (Object.hasOwn(calls, step.do) ? calls[step.do] : undefined);
    if (call === undefined) throw new Failure(`unknown step: ${step.do}`);
    answers.push(answer(() => call(step, task)));
  }
  return { summary: "script done", output: answers };
}

function script(task) {
  const text = task.ticket.description;
  const steps = text.startsWith("[") ? JSON.parse(text) : task.config?.script;
  if (!Array.isArray(steps)) throw new Failure("There is no script.");
  return steps;
}

function answer(call) {
  try {
    return toScript(call());
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const detail = error.kind === "invalid" ? toScript(error.violations) : error.text;
    return { error: { [error.kind]: detail } };
  }
}

function resolved(value, answers) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => resolved(one, answers));
  if (value.$ !== undefined) return value.$.reduce((at, part) => at[part], answers);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, resolved(one, answers)]));
}

const others = {
  task: (_, task) => task,
  clock: () => ({
    wallMs: String(Date.now()),
    monotonicNs: String(Math.round(performance.now() * 1e6)),
  }),
  random: () => toHex(crypto.getRandomValues(new Uint8Array(16))),
  print: ({ text }) => console.log(text),
  eprint: ({ text }) => console.error(text),
  allocate({ bytes }) {
    const block = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 4096) block[at] = 1;
    return block.length;
  },
  trap({ text }) {
    throw new Error(text);
  },
  spin() {
    for (;;);
  },
};
