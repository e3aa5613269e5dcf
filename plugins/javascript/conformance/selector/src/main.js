// Chooses by the rule of the conformance suite.

import { Failure, selector } from "adjutant/selector";
import { toScript } from "../../values.js";

const CONFIDENCES = { idle: "high", working: "medium" };

export default selector({
  choose(task, candidates) {
    if (task.title === "trap") throw new Error(task.description);
    if (task.title.startsWith("error: ")) throw new Failure(task.title.slice("error: ".length));
    return candidates
      .filter(({ agent }) => agent.skills.includes(task.description))
      .map((candidate) => ({
        agent: candidate.agent.id,
        reason: JSON.stringify({ question: toScript(task), candidate: toScript(candidate) }),
        confidence: CONFIDENCES[candidate.status] ?? "low",
      }));
  },
});
