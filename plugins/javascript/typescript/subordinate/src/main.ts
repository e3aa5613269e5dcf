// Counts the words of a task, and remembers how many tickets it has done.

import { memory, reporting, subordinate } from "adjutant/subordinate";

interface Config {
  /** The host fills in the default of plugin.toml. */
  minimum: number;
}

export default subordinate<Config>({
  work(task) {
    reporting.progress("counting words");
    const words = countWords(task.text, task.config.minimum);

    const tickets = (memory.getJson<number>("tickets") ?? 0) + 1;
    memory.putJson("tickets", tickets);

    return {
      summary: `The task has ${words} words. Tickets done so far: ${tickets}.`,
      output: { words, tickets },
    };
  },
});

function countWords(text: string, minimum: number): number {
  return text.split(/\s+/).filter((word) => word !== "" && [...word].length >= minimum).length;
}
