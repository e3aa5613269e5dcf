"""Which function is the strategy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .types import Candidate, Choice, Question, Report, Task

Work = Callable[[Task], Report]
Choose = Callable[[Question, list[Candidate]], list[Choice]]


@dataclass(frozen=True)
class Marked:
    """A function that was marked as a strategy."""

    world: str
    function: Callable[..., Any]


#: All that were marked, in order. A component has exactly one.
MARKED: list[Marked] = []


def subordinate(work: Work) -> Work:
    """Marks the function that does a task itself. It is called once for each run."""
    MARKED.append(Marked("subordinate", work))
    return work


def boss(work: Work) -> Work:
    """Marks the function that does a task with a team. It is called once for each run."""
    MARKED.append(Marked("boss", work))
    return work


def selector(choose: Choose) -> Choose:
    """Marks the function that says whom to give a task to, best first; an empty list says that nobody
    fits. It is pure: the same question always has the same answer, and it calls nothing of the host's.
    """
    MARKED.append(Marked("selector", choose))
    return choose
