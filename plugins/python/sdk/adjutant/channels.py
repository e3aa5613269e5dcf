"""The conversation that belongs to a ticket: its assignee, its collaborators, the boss and people."""

from collections.abc import Callable, Sequence

from ._host import function
from .types import Message, Page

_post: Callable[[str | None, str, str | None], str] = function("channels", "post")
_mention: Callable[[Sequence[str], str], str] = function("channels", "mention")
_read: Callable[[str | None, int, int], Page] = function("channels", "read")
_ask: Callable[[str, str, int | None], Message] = function("channels", "ask")


def post(text: str, *, ticket: str | None = None, reply_to: str | None = None) -> str:
    """Post a message to a ticket's channel: this run's own where `ticket` is None. Returns at once with
    the message's id. A name after an at sign (`@name`) in the text mentions that member.

    Raises `NotFound` where this agent is not in that channel; `Limit` where the text is too long or
    this run has posted too many messages.
    """
    return _post(ticket, text, reply_to)


def mention(members: Sequence[str], text: str) -> str:
    """Draw members' attention: a message that mentions agents (by id or name) or people (by name).
    Returns at once with the message's id.

    Raises `NotFound` where an agent is no member of this ticket's channel; `Limit` as for `post`.
    """
    return _mention(members, text)


def read(after: int = 0, limit: int = 200, *, ticket: str | None = None) -> Page:
    """Read a ticket's channel (this run's own where `ticket` is None) from a cursor on, 0 being the
    beginning. At most `limit` messages, and never more than 200 or 4 MiB. Returns at once.

    Raises `NotFound` where this agent is not in that channel.
    """
    return _read(ticket, after, limit)


def ask(member: str, text: str, *, timeout_ms: int | None = None) -> Message:
    """Ask a member of this ticket's channel (an agent's id or name, or a person's name) and wait for
    the next message of theirs, unless that answers another message. Blocks: 600,000 ms unless told
    otherwise, 1,800,000 at most.

    Raises `Deadline` when the time is over; `NotFound` where an agent is not a member; `Limit` as for
    `post`; `Unavailable` where the agent is asked too often; `Cancelled`.
    """
    return _ask(member, text, timeout_ms)
