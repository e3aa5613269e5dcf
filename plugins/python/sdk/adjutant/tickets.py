"""The board: this run's ticket, those below it, and the rest of its tree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._host import function
from ._json import schema_text
from .types import Ticket, TicketStatus


@dataclass(frozen=True)
class _Draft:
    title: str
    description: str
    expected_output_schema_json: str | None
    key: str | None


@dataclass(frozen=True)
class _Filter:
    status: TicketStatus | None
    assignee: str | None
    parent: str | None


_Tickets = list[Ticket]
_create: Callable[[_Draft], str] = function("tickets", "create")
_assign: Callable[[str, str], None] = function("tickets", "assign")
_get: Callable[[str], Ticket] = function("tickets", "get")
_list: Callable[[_Filter], _Tickets] = function("tickets", "list")
_comment: Callable[[str, str], None] = function("tickets", "comment")
_add_collaborator: Callable[[str], None] = function("tickets", "add_collaborator")
_link: Callable[[str, str], None] = function("tickets", "link")


def create(
    title: str,
    description: str = "",
    *,
    expected_output_schema: dict[str, Any] | bool | str | None = None,
    key: str | None = None,
) -> str:
    """Make a child of this run's ticket, with nobody assigned: it stays `open`. Returns at once with
    its id. Two children of one ticket with the same key are the same: the second call gives back the
    first, also in a later attempt. The schema is a dictionary, or JSON text.

    Raises `Invalid` where the title is empty or the schema is no schema; `Limit` where a text is too
    long, there are too many children, or a budget is used up; `Unavailable` where the workspace has too
    many tickets that are not over.
    """
    return _create(_Draft(title, description, schema_text(expected_output_schema), key))


def assign(ticket: str, agent: str) -> None:
    """Give a ticket that this run has created to an agent (by id or name): a subordinate, or one that
    this agent is granted to assign to. It is dispatched at once. Nobody waits for it: read it with
    `get`, or, as a boss, with `delegation.await_reports`.

    Raises `NotFound`; `Denied` where the grant is missing, of this agent or of one that delegated this
    ticket or one above it, or for a cycle or a chain too deep; `Invalid` where the ticket is over or in
    progress.
    """
    _assign(ticket, agent)


def get(ticket: str) -> Ticket:
    """One ticket, as it is now. Returns at once. Raises `NotFound`."""
    return _get(ticket)


def list(
    *,
    status: TicketStatus | None = None,
    assignee: str | None = None,
    parent: str | None = None,
) -> _Tickets:
    """The tickets of this run's tree that fit all that is given, in the order of their making; at most
    1,000, and no more than 4 MiB. Returns at once."""
    return _list(_Filter(status, assignee, parent))


def comment(ticket: str, text: str) -> None:
    """Comment on a ticket: a message in its channel. Returns at once.

    Raises `NotFound`; `Limit` as for `channels.post`.
    """
    _comment(ticket, text)


def add_collaborator(agent: str) -> None:
    """Let another agent (by id or name) read and write this ticket's channel. Returns at once.

    Raises `NotFound`; `Limit` where there are too many.
    """
    _add_collaborator(agent)


def link(ticket: str, kind: str) -> None:
    """Note that this run's ticket has to do with another: `kind` is a word such as `relates`,
    `duplicates` or `follows`. Returns at once.

    Raises `NotFound`; `Invalid` where the kind is empty; `Limit` where there are too many.
    """
    _link(ticket, kind)
