// Picks whose skills share most words with the task.

import { selector } from "adjutant/selector";

export default selector({
  choose(task, candidates) {
    const wanted = words(`${task.title} ${task.description}`);
    const fitting = candidates
      .map(({ agent }) => ({ agent, shared: words(agent.skills.join(" ")).filter((word) => wanted.includes(word)) }))
      .filter(({ shared }) => shared.length > 0);
    // The sort is stable: of equals, the one that the host named first.
    fitting.sort((a, b) => b.shared.length - a.shared.length);
    return fitting.map(({ agent, shared }) => ({
      agent: agent.id,
      reason: `${agent.name} can ${shared.join(", ")}`,
      confidence: shared.length > 2 ? "high" : shared.length === 2 ? "medium" : "low",
    }));
  },
});

/**
 * The words of a text, each once, in order.
 *
 * @param {string} text
 */
function words(text) {
  return [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))].sort();
}
