"""Why a call to the host failed, as exceptions, and `Failure`.

One that a strategy does not catch ends its work as a failure with the same sentence.
"""

from typing import Any, ClassVar

from ._json import output_text
from .types import Violation


class HostError(Exception):
    """A call to the host failed. Its text is a sentence for people."""

    #: The case's name in the contract, such as `not-found`.
    kind: ClassVar[str] = "other"
    _otherwise: ClassVar[str] = "The call failed."

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text or self._otherwise


class Denied(HostError):
    """Not granted. The text names the missing grant. Asking again will not help."""

    kind = "denied"
    _otherwise = "This is not granted."


class NotFound(HostError):
    """What was named does not exist, or this run may not see it."""

    kind = "not-found"
    _otherwise = "There is no such thing."


class Invalid(HostError):
    """The arguments are wrong; `violations` says where."""

    kind = "invalid"
    _otherwise = "The arguments were refused."

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(str(violation) for violation in violations))
        self.violations = violations


class Limit(HostError):
    """A limit was reached. The text names it."""

    kind = "limit"
    _otherwise = "A limit was reached."


class Cancelled(HostError):
    """The ticket was cancelled while the call was under way. Clean up and return."""

    kind = "cancelled"
    _otherwise = "The ticket was cancelled."


class Deadline(HostError):
    """Time ran out before there was an answer."""

    kind = "deadline"
    _otherwise = "Time ran out."


class Unavailable(HostError):
    """Something outside did not answer; the same call may succeed later."""

    kind = "unavailable"
    _otherwise = "Something outside did not answer."


class Other(HostError):
    """Anything else, as a sentence."""


class Failure(Exception):
    """Raise it where the task cannot be done: what went wrong, and what could be done about it.

    `output` is whatever structured result there is all the same: any value that JSON can express.
    `output_json` is for one that is JSON text already. In a selector the summary alone counts: why no
    choice could be made at all.
    """

    def __init__(
        self, summary: str, *, output: Any = None, output_json: str | None = None
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.output_json = output_text(output, output_json)
