// Has each line of a task done by whoever fits, all at once, and gathers the reports.

import { type Assignment, boss, delegation, Failure, type Member, type WorkPlan } from "adjutant/boss";

export default boss({
  work(task) {
    const team = delegation.team();
    if (team.length === 0) {
      throw new Failure("There is nobody to delegate to: this boss has no team.");
    }
    const parts = assignments(task.text, team);
    delegation.proposePlan(plan(task.ticket.title, parts));

    const delegated = delegation.delegate(parts);
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

function assignments(text: string, team: Member[]): Assignment[] {
  const [first = "", ...others] = text.split("\n").map((line) => line.trim()).filter(Boolean);
  // One task: everybody does it.
  if (others.length === 0) return team.map(({ agent }) => ({ title: first, assignee: agent.id }));
  // Many: without an assignee the host asks this boss's selector.
  return [first, ...others].map((title) => ({ title }));
}

function plan(name: string, parts: Assignment[]): WorkPlan {
  const tasks = parts.map(({ title }, i) => ({ id: `task-1-${i + 1}`, description: title }));
  return { name, phases: [{ id: "phase-1", name: "All at once", tasks }] };
}
