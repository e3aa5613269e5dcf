// A module is loaded once, when the component is built; there is no host then.

let running = false;
const first = [];

/** Has something done when a run begins. */
export const atBegin = (action) => first.push(action);

/** Called when a run begins. */
export function begin() {
  if (running) return;
  running = true;
  for (const action of first) action();
}

export const isRunning = () => running;

/** Refuses what only a run can do. */
export function needsRun(what) {
  if (running) return;
  throw new Error(
    `${what} is called while the module is loaded, which happens once, when it is built: call it in the strategy's function`,
  );
}
