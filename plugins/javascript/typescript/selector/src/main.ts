// Picks whose skills share most words with the task.

import { type Candidate, type Choice, type Confidence, selector } from "adjutant/selector";

export default selector({
  choose(task, candidates): Choice[] {
    const wanted = words(`${task.title} ${task.description}`);
    const fitting = candidates
      .map(({ agent }: Candidate) => ({
        agent,
        shared: words(agent.skills.join(" ")).filter((word) => wanted.includes(word)),
      }))
      .filter(({ shared }) => shared.length > 0);
    // The sort is stable: of equals, the one that the host named first.
    fitting.sort((a, b) => b.shared.length - a.shared.length);
    return fitting.map(({ agent, shared }) => ({
      agent: agent.id,
      reason: `${agent.name} can ${shared.join(", ")}`,
      confidence: confidence(shared.length),
    }));
  },
});

function confidence(shared: number): Confidence {
  switch (shared) {
    case 1:
      return "low";
    case 2:
      return "medium";
    default:
      return "high";
  }
}

/** The words of a text, each once, in order. */
function words(text: string): string[] {
  return [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))].sort();
}
