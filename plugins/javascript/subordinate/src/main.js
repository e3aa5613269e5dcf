// Counts the words of a task, and remembers how many tickets it has done.

import { memory, reporting, subordinate } from "adjutant/subordinate";

export default subordinate({
  work(task) {
    // The host fills in the default of plugin.toml.
    const { minimum } = task.config;
    reporting.progress("counting words");
    const words = countWords(task.text, minimum);

    const tickets = (memory.getJson("tickets") ?? 0) + 1;
    memory.putJson("tickets", tickets);

    return {
      summary: `The task has ${words} words. Tickets done so far: ${tickets}.`,
      output: { words, tickets },
    };
  },
});

/**
 * @param {string} text
 * @param {number} minimum
 */
function countWords(text, minimum) {
  return text.split(/\s+/).filter((word) => word !== "" && [...word].length >= minimum).length;
}
