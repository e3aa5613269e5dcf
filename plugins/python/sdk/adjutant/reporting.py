"""Telling how the work goes."""

from collections.abc import Callable
from typing import Any

from ._host import function
from ._json import output_text
from .types import ExternalReport

_progress: Callable[[str], None] = function("reporting", "progress")
_submit: Callable[[str], None] = function("reporting", "submit_output")
_call_for_report: Callable[[str, int | None], ExternalReport] = function(
    "reporting", "call_for_report"
)


def progress(note: str) -> None:
    """A note on how far the work is, for whoever watches. Returns at once.

    Raises `Limit` where the note is too long or this run has posted too many messages.
    """
    _progress(note)


def submit_output(output: Any = None, *, output_json: str | None = None) -> None:
    """Hand in the output before the end, to learn whether it fulfils the ticket's schema: a value, or
    JSON text as `output_json`. The last output that was accepted counts where the report has none.
    Returns at once. After too many refused outputs (three, unless configured otherwise) the ticket
    fails.

    Raises `Invalid` with the violations; `Limit` where it is too large, or was refused too often.
    """
    text = output_text(output, output_json)
    _submit("null" if text is None else text)


def call_for_report(message: str, *, timeout_ms: int | None = None) -> ExternalReport:
    """Have the task done outside the host. Posts `message` in the ticket's channel, with the ticket's
    schema and the footer that says how to report (a `curl` line with this agent's URL and this run's
    token), and blocks until that report comes or the time is over.

    Raises `Deadline` when the time is over; `Limit` where the message is too long; `Cancelled`.
    """
    return _call_for_report(message, timeout_ms)
