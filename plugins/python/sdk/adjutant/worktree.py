"""The ticket's own copy of the workspace's repositories, on a branch of its own.

Paths are relative, separated by `/`. The first segment is the repository's name where the workspace
links more than one; where it links just one, paths start inside it. Where it links none every call
raises `NotFound`. These are the only files that there are: `open` finds nothing.
"""

from collections.abc import Callable, Sequence

from ._host import function
from .types import Entry, Exit

_Entries = list[Entry]
_read: Callable[[str], bytes] = function("worktree", "read")
_write: Callable[[str, bytes], None] = function("worktree", "write")
_remove: Callable[[str], None] = function("worktree", "remove")
_list: Callable[[str], _Entries] = function("worktree", "list")
_diff: Callable[[], str] = function("worktree", "diff")
_commit: Callable[[str], str | None] = function("worktree", "commit")
_run: Callable[[Sequence[str], int | None], Exit] = function("worktree", "run")


def read(path: str) -> bytes:
    """A file's bytes.

    Raises `NotFound`; `Denied` where the path leads out; `Invalid` where it is no file; `Limit` where
    it is too large.
    """
    return _read(path)


def read_text(path: str) -> str:
    """A file's text, which must be UTF-8. Raises as `read`, and UnicodeDecodeError."""
    return _read(path).decode()


def write(path: str, content: bytes | str) -> None:
    """Write a file, and the folders above it; replaces what was there. Text is written as UTF-8.

    Raises `Denied` where the path leads out; `Invalid` where it is a folder; `Limit` where it is too
    large.
    """
    _write(path, content.encode() if isinstance(content, str) else content)


def remove(path: str) -> None:
    """Remove a file or an empty folder.

    Raises `NotFound`; `Denied` where the path leads out; `Invalid` where a folder is not empty.
    """
    _remove(path)


def list(path: str = "") -> _Entries:
    """What is in a folder (`""` for the topmost), by name; at most 10,000 entries.

    Raises `NotFound`; `Denied` where the path leads out; `Limit` where there are too many.
    """
    return _list(path)


def diff() -> str:
    """What has changed against the commit that the ticket began at, new files included, as a unified
    diff.

    Raises `Limit` where it is too long; `Unavailable` where git fails.
    """
    return _diff()


def commit(message: str) -> str | None:
    """Commit all changes to the ticket's branch and give back the commit's id; None where nothing has
    changed. Where several repositories are linked, each that has changes gets a commit, and the ids are
    separated by spaces. The host makes the commit, with hooks off.

    Raises `Invalid` where the message is empty; `Unavailable` where git fails.
    """
    return _commit(message)


def run(command: Sequence[str], *, timeout_ms: int | None = None) -> Exit:
    """Run a command that this agent is granted, in the worktree: the program first, then its arguments,
    with no shell between. What it prints is streamed to the run's log as it comes. Blocks until it ends
    or its time is over (120,000 ms unless told otherwise); then it is ended with all that it started.
    An exit status other than 0 is no error.

    Raises `Denied` where no grant of this agent covers it, or none of an agent that delegated this
    ticket or one above it; `NotFound` where there is no such program; `Invalid` where the list is
    empty; `Deadline` when its time is over; `Cancelled`.
    """
    return _run(command, timeout_ms)
