"""Has each line of a task done by whoever fits, all at once, and gathers the reports."""

from adjutant import (
    Assignment,
    Failure,
    Member,
    PlanPhase,
    PlanTask,
    Report,
    Task,
    WorkPlan,
    boss,
    delegation,
)


def assignments(text: str, team: list[Member]) -> list[Assignment]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        # One task: everybody does it.
        return [Assignment(lines[0], assignee=member.agent.id) for member in team]
    # Many: without an assignee the host asks this boss's selector.
    return [Assignment(line) for line in lines]


def plan(name: str, parts: list[Assignment]) -> WorkPlan:
    tasks = [PlanTask(f"task-1-{i}", part.title) for i, part in enumerate(parts, start=1)]
    return WorkPlan(name, "", [PlanPhase("phase-1", "All at once", tasks)])


@boss
def work(task: Task) -> Report:
    team = delegation.team()
    if not team:
        raise Failure("There is nobody to delegate to: this boss has no team.")

    parts = assignments(task.text, team)
    delegation.propose_plan(plan(task.ticket.title, parts))
    delegated = delegation.delegate(parts)
    # The host may drop this component from memory now, and bring it back when all have reported.
    joined = delegation.await_reports(delegated)

    return Report(
        "\n".join(f"- {one.title} ({one.outcome}): {one.summary}" for one in joined.reports),
        output=[
            {
                "task": one.title,
                "agent": one.agent_name,
                "outcome": one.outcome,
                "output": one.output,
            }
            for one in joined.reports
        ],
    )
