// Chooses by the rule of the conformance suite.

import { type Candidate, type Choice, type Confidence, Failure, selector } from "adjutant/selector";
import { toScript } from "../../values.js";

const ERROR = "error: ";

export default selector({
  choose(task, candidates): Choice[] {
    if (task.title === "trap") throw new Error(task.description);
    if (task.title.startsWith(ERROR)) throw new Failure(task.title.slice(ERROR.length));
    return candidates
      .filter(({ agent }) => agent.skills.includes(task.description))
      .map((candidate) => ({
        agent: candidate.agent.id,
        reason: JSON.stringify({ question: toScript(task), candidate: toScript(candidate) }),
        confidence: confidence(candidate),
      }));
  },
});

function confidence({ status }: Candidate): Confidence {
  switch (status) {
    case "idle":
      return "high";
    case "working":
      return "medium";
    default:
      return "low";
  }
}
