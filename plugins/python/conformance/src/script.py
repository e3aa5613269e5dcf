"""The script interpreter of a subordinate; a boss's has the `delegation.*` steps besides. See
`tests/conformance/SCRIPT.md`."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from adjutant import (
    Failure,
    HostError,
    Report,
    Task,
    TicketStatus,
    channels,
    errors,
    memory,
    reporting,
    tickets,
    worktree,
)
from values import from_json, to_json

Step = dict[str, Any]
Call = Callable[[Step], Any]


def _milliseconds(step: Step) -> int | None:
    value: int | None = from_json(step.get("timeout-ms"), int | None)
    return value


def _create(step: Step) -> str:
    draft = step["draft"]
    return tickets.create(
        draft["title"],
        draft["description"],
        expected_output_schema=draft.get("expected-output-schema-json"),
        key=draft.get("key"),
    )


def _list(step: Step) -> Any:
    wanted = step["filter"]
    return tickets.list(
        status=from_json(wanted.get("status"), TicketStatus | None),
        assignee=wanted.get("assignee"),
        parent=wanted.get("parent"),
    )


CALLS: dict[str, Call] = {
    "reporting.progress": lambda s: reporting.progress(s["note"]),
    "reporting.submit-output": lambda s: reporting.submit_output(output_json=s["output-json"]),
    "reporting.call-for-report": lambda s: reporting.call_for_report(
        s["message"], timeout_ms=_milliseconds(s)
    ),
    "channels.post": lambda s: channels.post(
        s["text"], ticket=s.get("ticket"), reply_to=s.get("reply-to")
    ),
    "channels.mention": lambda s: channels.mention(s["members"], s["text"]),
    "channels.read": lambda s: channels.read(
        int(s["after"]), int(s["limit"]), ticket=s.get("ticket")
    ),
    "channels.ask": lambda s: channels.ask(s["member"], s["text"], timeout_ms=_milliseconds(s)),
    "tickets.create": _create,
    "tickets.assign": lambda s: tickets.assign(s["ticket"], s["agent"]),
    "tickets.get": lambda s: tickets.get(s["ticket"]),
    "tickets.list": _list,
    "tickets.comment": lambda s: tickets.comment(s["ticket"], s["text"]),
    "tickets.add-collaborator": lambda s: tickets.add_collaborator(s["agent"]),
    "tickets.link": lambda s: tickets.link(s["ticket"], s["kind"]),
    "memory.get": lambda s: memory.get(s["key"]),
    "memory.put": lambda s: memory.put(s["key"], bytes.fromhex(s["value"])),
    "memory.remove": lambda s: memory.remove(s["key"]),
    "memory.keys": lambda s: memory.keys(s["prefix"]),
    "worktree.read": lambda s: worktree.read(s["path"]),
    "worktree.write": lambda s: worktree.write(s["path"], bytes.fromhex(s["content"])),
    "worktree.remove": lambda s: worktree.remove(s["path"]),
    "worktree.list": lambda s: worktree.list(s["path"]),
    "worktree.diff": lambda s: worktree.diff(),
    "worktree.commit": lambda s: worktree.commit(s["message"]),
    "worktree.run": lambda s: worktree.run(s["command"], timeout_ms=_milliseconds(s)),
}


def run(task: Task, more: Mapping[str, Call]) -> Report:
    """Does what the task's script says."""
    calls = CALLS | dict(more)
    answers: list[Any] = []
    for step in _script(task):
        if step.get("if-attempt", task.attempt) != task.attempt:
            answers.append(None)
            continue
        step = _referred(step, answers)
        do = step["do"]
        if do == "report":
            return Report(step["summary"], output=step.get("output"))
        if do == "fail":
            raise Failure(step["summary"], output=step.get("output"))
        if do in calls:
            answers.append(_asked(calls[do], step))
        else:
            answers.append(_done(do, step, task))
    return Report("script done", output=answers)


def _script(task: Task) -> list[Step]:
    text = task.ticket.description
    script = json.loads(text) if text.startswith("[") else task.config.get("script")
    if script is None:
        raise Failure("There is no script.")
    steps: list[Step] = script
    return steps


def _referred(value: Any, answers: list[Any]) -> Any:
    """The value with its references replaced."""
    if isinstance(value, list):
        return [_referred(one, answers) for one in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["$"]:
        found: Any = answers
        for part in value["$"]:
            found = found[part]
        return found
    return {name: _referred(one, answers) for name, one in value.items()}


def _asked(call: Call, step: Step) -> Any:
    """A host call's answer; an error is one too."""
    try:
        return to_json(call(step))
    except errors.Invalid as error:
        return {"error": {"invalid": to_json(error.violations)}}
    except HostError as error:
        return {"error": {error.kind: error.text}}


def _done(do: str, step: Step, task: Task) -> Any:
    """The answer of a step that calls nobody."""
    match do:
        case "task":
            return to_json(task)
        case "clock":
            wall, monotonic = time.time_ns() // 1_000_000, time.monotonic_ns()
            return {"wall-ms": str(wall), "monotonic-ns": str(monotonic)}
        case "random":
            return os.urandom(16).hex()
        case "print" | "eprint":
            print(step["text"], file=sys.stdout if do == "print" else sys.stderr, flush=True)
            return None
        case "allocate":
            memory = bytearray(int(step["bytes"]))
            for page in range(0, len(memory), 4096):
                memory[page] = 1
            return step["bytes"]
        case "trap":
            raise RuntimeError(step["text"])
        case "spin":
            while True:
                pass
        case _:
            raise Failure(f"unknown step: {do}")
