// Interprets a script, step by step, as tests/conformance/SCRIPT.md says.

import { Failure, HostError } from "adjutant/errors";
import type { Report, Task } from "adjutant/interfaces";
import { type Json, type JsonObject, toScript } from "./values.js";

/** The configuration of an agent that does a script. */
export interface Config {
  script?: Json;
  greeting: string;
}

/** The steps that end a script. */
type Ending = { do: "report" | "fail"; summary: string; output?: Json };

/** A step as it is written: with references, and not for every attempt. */
type Written = JsonObject & { "if-attempt"?: number | null };

/** Does the task's script; `perform` does one step that does not end it, and gives back its answer. */
export function run<Step extends { do: string }>(
  task: Task<Config>,
  perform: (step: Step, task: Task<Config>) => unknown,
): Report {
  const answers: Json[] = [];
  for (const written of script(task)) {
    const attempt = written["if-attempt"] ?? task.attempt;
    if (attempt !== task.attempt) {
      answers.push(null);
      continue;
    }
    // Scripts are trusted to give steps their arguments; what is done may have a name that nobody knows.
    const step = resolved(written, answers) as unknown as Step | Ending;
    if (isEnding(step)) return ended(step);
    answers.push(answer(() => perform(step, task)));
  }
  return { summary: "script done", output: answers };
}

function script(task: Task<Config>): Written[] {
  const text = task.ticket.description;
  const steps: unknown = text.startsWith("[") ? JSON.parse(text) : task.config?.script;
  if (!Array.isArray(steps)) throw new Failure("There is no script.");
  return steps;
}

function isEnding(step: { do: string }): step is Ending {
  return step.do === "report" || step.do === "fail";
}

function ended({ do: how, summary, output }: Ending): Report {
  const given = output ?? undefined;
  if (how === "fail") throw new Failure(summary, { output: given });
  return { summary, output: given };
}

function answer(call: () => unknown): Json {
  try {
    return toScript(call());
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const detail = error.kind === "invalid" ? toScript(error.violations) : error.text;
    return { error: { [error.kind]: detail } };
  }
}

/** A value with what references stand for in their place. */
function resolved(value: Json, answers: Json[]): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => resolved(one, answers));
  if (Array.isArray(value.$)) return value.$.reduce(part, answers);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, resolved(one, answers)]));
}

function part(whole: Json, name: Json): Json {
  const found = Array.isArray(whole) ? whole[Number(name)] : (whole as JsonObject)[String(name)];
  if (found === undefined) throw new Error(`A reference leads nowhere: ${JSON.stringify(name)}`);
  return found;
}
