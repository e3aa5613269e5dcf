"""The script interpreter as a boss."""

import script
from adjutant import Assignment, Join, Report, Task, WorkPlan, boss, delegation
from values import from_json

CALLS: dict[str, script.Call] = {
    "delegation.team": lambda s: delegation.team(),
    "delegation.budget-left": lambda s: delegation.budget_left(),
    "delegation.propose-plan": lambda s: delegation.propose_plan(from_json(s["plan"], WorkPlan)),
    "delegation.delegate": lambda s: delegation.delegate(
        from_json(s["assignments"], list[Assignment])
    ),
    # To the contract, no tickets are all.
    "delegation.await-reports": lambda s: delegation.await_reports(
        s["tickets"] or None,
        from_json(s["join"], Join),
        timeout_ms=from_json(s.get("timeout-ms"), int | None),
    ),
    "delegation.cancel": lambda s: delegation.cancel(s["ticket"], s["reason"]),
    "delegation.reassign": lambda s: delegation.reassign(s["ticket"], s["assignee"], s["reason"]),
}


@boss
def work(task: Task) -> Report:
    return script.run(task, CALLS)
