"""The conformance suite's selector: see the end of `tests/conformance/SCRIPT.md`."""

import json

from adjutant import (
    Candidate,
    Choice,
    Confidence,
    Failure,
    Question,
    TrackingStatus,
    selector,
)
from values import to_json

SURE = {TrackingStatus.IDLE: Confidence.HIGH, TrackingStatus.WORKING: Confidence.MEDIUM}


@selector
def choose(task: Question, candidates: list[Candidate]) -> list[Choice]:
    if task.title == "trap":
        raise RuntimeError(task.description)
    if task.title.startswith("error: "):
        raise Failure(task.title.removeprefix("error: "))
    return [
        Choice(
            agent=candidate.agent.id,
            reason=json.dumps({"question": to_json(task), "candidate": to_json(candidate)}),
            confidence=SURE.get(candidate.status, Confidence.LOW),
        )
        for candidate in candidates
        if task.description in candidate.agent.skills
    ]
