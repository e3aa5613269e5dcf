// Has each line of a task done by whoever fits, all at once, and gathers the reports.

import { boss, delegation, Failure } from "adjutant/boss";

export default boss({
  work(task) {
    const team = delegation.team();
    if (team.length === 0) {
      throw new Failure("There is nobody to delegate to: this boss has no team.");
    }
    const lines = task.text.split("\n").map((line) => line.trim()).filter(Boolean);
    const assignments =
      lines.length === 1
        ? // One task: everybody does it.
          team.map(({ agent }) => ({ title: lines[0], assignee: agent.id }))
        : // Many: without an assignee the host asks this boss's selector.
          lines.map((line) => ({ title: line }));

    const tasks = assignments.map(({ title }, i) => ({ id: `task-1-${i + 1}`, description: title }));
    const phases = [{ id: "phase-1", name: "All at once", tasks }];
    delegation.proposePlan({ name: task.ticket.title, phases });

    const delegated = delegation.delegate(assignments);
    // The host may drop this component from memory now, and bring it back when all have reported.
    const { reports } = delegation.awaitAll(delegated);

    return {
      summary: reports.map((one) => `- ${one.title} (${one.outcome}): ${one.summary}`).join("\n"),
      output: reports.map((one) => ({
        task: one.title,
        agent: one.agentName,
        outcome: one.outcome,
        output: one.output ?? null,
      })),
    };
  },
});
