"""Write a strategy for Adjutant in Python.

A strategy is a function: of a subordinate, which does a task itself, of a boss, which has others do
it, or of a selector, which says whom a task fits::

    from adjutant import Report, Task, subordinate, worktree

    @subordinate
    def work(task: Task) -> Report:
        lines = worktree.read_text(task.text).count("\\n")
        return Report(f"{task.text} has {lines} lines.", output={"lines": lines})

It is plain, blocking code. A call to the host looks like any other call, and may take microseconds or
days; what was answered once is never asked again, even when the host was restarted in between. For
that to hold, a strategy asks the host for whatever is not in its task, and keeps no state elsewhere.

What the host offers are the modules `channels`, `delegation` (bosses only), `memory`, `reporting`,
`tickets` and `worktree`. A call that fails raises a :class:`HostError`; `errors` has a class for each
case. `raise Failure("why")` says that a task cannot be done.
"""

from . import errors
from .errors import Failure, HostError
from .strategy import boss, selector, subordinate
from .types import (
    Agent,
    Assignment,
    Author,
    BlockerPolicy,
    Budget,
    Candidate,
    Choice,
    Confidence,
    Delegated,
    Entry,
    EntryKind,
    Exit,
    ExternalReport,
    Join,
    Joined,
    Member,
    Message,
    MessageKind,
    Outcome,
    Page,
    PastAttempt,
    PlanPhase,
    PlanTask,
    Priority,
    Question,
    Report,
    Retry,
    Spend,
    Task,
    TaskReport,
    Ticket,
    TicketStatus,
    TrackingStatus,
    Violation,
    WorkPlan,
)

__all__ = [
    "Agent",
    "Assignment",
    "Author",
    "BlockerPolicy",
    "Budget",
    "Candidate",
    "Choice",
    "Confidence",
    "Delegated",
    "Entry",
    "EntryKind",
    "Exit",
    "ExternalReport",
    "Failure",
    "HostError",
    "Join",
    "Joined",
    "Member",
    "Message",
    "MessageKind",
    "Outcome",
    "Page",
    "PastAttempt",
    "PlanPhase",
    "PlanTask",
    "Priority",
    "Question",
    "Report",
    "Retry",
    "Spend",
    "Task",
    "TaskReport",
    "Ticket",
    "TicketStatus",
    "TrackingStatus",
    "Violation",
    "WorkPlan",
    "boss",
    "errors",
    "selector",
    "subordinate",
]
