// Between the contract's export and the author's function.

import { choices, failure, report, task as liftTask, team, question as liftQuestion } from "./contract.js";
import { Failure } from "./errors.js";
import { begin } from "./phase.js";
import { describe } from "./stack.js";

// What `strategy` has made, and nothing that only looks like it.
const made = new WeakSet();

/** Marks what a project exports by default; the build makes the component's export of it. */
export function strategy(world, method, definition) {
  const work = definition?.[method];
  if (typeof work !== "function") {
    throw new TypeError(`${world}(…) needs an object whose \`${method}\` is a function: ${example(world)}. ${given(method, definition)}`);
  }
  const marked = { world, [method]: (...values) => work.apply(definition, values) };
  made.add(marked);
  return marked;
}

/** The export of a component of this world. `file` is the author's main file. */
export function exported(world, strategy, file) {
  if (!made.has(strategy)) {
    throw new TypeError(`${file} must export its strategy by default: export default ${example(world)}`);
  }
  if (strategy.world !== world) {
    throw new TypeError(
      `plugin.toml says world = "${world}", and ${file} exports a ${strategy.world}: change the one or the other`,
    );
  }
  return world === "selector" ? chooser(strategy) : worker(strategy);
}

// What there is in place of the function.
function given(method, definition) {
  if (typeof definition === "function") return "It was given the function itself";
  if (definition === null || typeof definition !== "object") return `It was given ${kind(definition)}`;
  if (method in definition) return `Its \`${method}\` is ${kind(definition[method])}`;
  const names = Object.keys(definition).map((name) => `\`${name}\``);
  return `It was given an object ${names.length === 0 ? "with nothing in it" : `with ${names.join(", ")}`}`;
}

const kind = (value) => (value === null || value === undefined ? `${value}` : `of the type ${typeof value}`);

const example = (world) =>
  world === "selector" ? "selector({ choose(task, candidates) { … } })" : `${world}({ work(task) { … } })`;

const worker = (strategy) => (wire) => {
  begin();
  let answer;
  try {
    answer = report(finished(strategy.work(liftTask(wire)), "work"));
  } catch (error) {
    answer = failed(error);
    throw answer;
  }
  return answer;
};

const chooser = (strategy) => (wire, candidates) => {
  begin();
  try {
    return choices(finished(strategy.choose(liftQuestion(wire), team(candidates)), "choose"));
  } catch (error) {
    throw error instanceof Failure ? error.message.toWellFormed() : describe(error).toWellFormed();
  }
};

function finished(value, method) {
  if (typeof value?.then !== "function") return value;
  throw new TypeError(
    `${method} gave back a promise. Write it without async and await: calls to the host give back their answers themselves`,
  );
}

// What was thrown, as the contract's failure. An exception that nobody meant brings its stack.
function failed(error) {
  if (error instanceof Failure) {
    try {
      return failure({ summary: error.message, output: error.output, outputJson: error.outputJson });
    } catch (second) {
      return { summary: describe(second).toWellFormed(), outputJson: null };
    }
  }
  return { summary: indented(describe(error)).toWellFormed(), outputJson: null };
}

// The summary is Markdown: a stack is a block of code in it.
function indented(text) {
  const [first, ...rest] = text.split("\n");
  return rest.length === 0 ? first : `${first}\n\n${rest.join("\n")}`;
}
