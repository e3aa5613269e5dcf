"""A boss's team: see it, plan, delegate, wait for reports."""

from collections.abc import Callable, Iterable, Sequence

from ._host import function
from .types import Assignment, Budget, Delegated, Join, Joined, Member, WorkPlan

_team: Callable[[], list[Member]] = function("delegation", "team")
_budget_left: Callable[[], Budget] = function("delegation", "budget_left")
_propose_plan: Callable[[WorkPlan], None] = function("delegation", "propose_plan")
_delegate: Callable[[Sequence[Assignment]], list[Delegated]] = function("delegation", "delegate")
_await: Callable[[Sequence[str], Join, int | None], Joined] = function(
    "delegation", "await_reports"
)
_cancel: Callable[[str, str], None] = function("delegation", "cancel")
_reassign: Callable[[str, str, str], None] = function("delegation", "reassign")


def team() -> list[Member]:
    """The direct subordinates with their live status. Returns at once."""
    return _team()


def budget_left() -> Budget:
    """What this ticket has left to spend, on itself and all below it: the least of what its own budget
    and those of the tickets above it leave. `wall_ms` is the time to its deadline. Returns at once; what
    is left shrinks as those below it spend."""
    return _budget_left()


def propose_plan(plan: WorkPlan) -> None:
    """Show people what is about to be delegated. Returns at once; a later plan replaces an earlier.

    Raises `Invalid` where ids repeat or a dependency names nothing; `Limit` where it is too long.
    """
    _propose_plan(plan)


def delegate(assignments: Sequence[Assignment]) -> list[Delegated]:
    """Hand out tasks: each becomes a child ticket, and all start at the same time, as far as the
    subordinates are free. All or nothing. Returns when the delegations stand; does not wait for
    reports.

    Raises `NotFound` where an assignee does not exist; `Denied` where it is not a direct subordinate of
    this boss, where it already works further up the same chain (a cycle), or where the chain would be
    too deep; `Invalid` where a title is empty, a schema is no schema, or nobody was named and the
    selector found nobody (each violation's path is `/N`, the assignment's index); `Limit` where the
    ticket or its tree would become too large, or a budget has no room; `Unavailable` where a queue is
    full or one agent is asked too often: try again later.
    """
    return _delegate(assignments)


def await_reports(
    tickets: Iterable[Delegated | str] | None = None,
    join: Join = Join.ALL,
    *,
    timeout_ms: int | None = None,
) -> Joined:
    """Wait for reports of delegated tickets: of those given, or, where None is, of all that this ticket
    has delegated. Blocks, possibly for days: the component is dropped from memory meanwhile and brought
    back when the join is met. `timeout_ms` ends the wait earlier, which is no error: the answer has
    `met` false. A subordinate that dies is a failed report, never silence.

    Raises `NotFound` where a ticket is not a child of this one; `Invalid` where a quorum is larger than
    the number of tickets, the join is unknown, or a ticket named is assigned to nobody; `Cancelled`
    when this ticket is.
    """
    if tickets is None:
        return _await([], join, timeout_ms)
    named = [one.ticket if isinstance(one, Delegated) else one for one in tickets]
    if not named:
        # To the host, no tickets would be all that were ever delegated.
        return Joined(met=True, reports=[], pending=[])
    return _await(named, join, timeout_ms)


def cancel(ticket: Delegated | str, reason: str) -> None:
    """Cancel a delegated ticket and all below it. Returns at once. One that is over stays as it is.

    Raises `NotFound` where it is not a child of this ticket.
    """
    _cancel(ticket.ticket if isinstance(ticket, Delegated) else ticket, reason)


def reassign(ticket: Delegated | str, assignee: str, reason: str) -> None:
    """Take a delegated ticket from whoever has it and give it to another direct subordinate (by id). Its
    run ends, its worktree is kept, and a new run begins. Returns at once.

    Raises `NotFound`, `Denied` and `Unavailable` as for `delegate`; `Invalid` where the ticket is over.
    """
    _reassign(ticket.ticket if isinstance(ticket, Delegated) else ticket, assignee, reason)
