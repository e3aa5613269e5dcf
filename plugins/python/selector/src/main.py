"""Picks whose skills share most words with the task."""

import re

from adjutant import Candidate, Choice, Confidence, Question, selector


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


@selector
def choose(task: Question, candidates: list[Candidate]) -> list[Choice]:
    wanted = words(f"{task.title} {task.description}")
    shared = [
        (sorted(wanted & words(" ".join(candidate.agent.skills))), candidate.agent)
        for candidate in candidates
    ]
    # The sort is stable: of equals, the one that the host named first.
    shared.sort(key=lambda pair: len(pair[0]), reverse=True)
    return [
        Choice(agent.id, f"{agent.name} can {', '.join(named)}", confidence(len(named)))
        for named, agent in shared
        if named
    ]


def confidence(shared: int) -> Confidence:
    match shared:
        case 1:
            return Confidence.LOW
        case 2:
            return Confidence.MEDIUM
        case _:
            return Confidence.HIGH
