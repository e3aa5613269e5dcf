"""The words that every module shares: what the contract's records and variants are in Python.

Times are milliseconds: `*_ms` is a span, `at` is Unix time. JSON that travels as text is in fields
named `*_json`, with a property beside that has it parsed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self

from ._json import output_text, parsed, schema_text


class Word(StrEnum):
    """An enumeration that is open: a newer host may use words that this version has no name for.

    Each is a string as well: `ticket.status == "in-progress"` holds.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_ = word._value_ = value
        return word

    @property
    def known(self) -> bool:
        """Whether this version has a name for it."""
        return self._value_ in type(self)._value2member_map_


class TicketStatus(Word):
    """Where a ticket stands."""

    BACKLOG = "backlog"
    OPEN = "open"
    IN_PROGRESS = "in-progress"
    BLOCKED = "blocked"
    IN_REVIEW = "in-review"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrackingStatus(Word):
    """What an agent is doing."""

    IDLE = "idle"
    WORKING = "working"
    WAITING_SUBORDINATES = "waiting-subordinates"
    NEEDS_REVIEW = "needs-review"
    BLOCKED = "blocked"
    ERROR = "error"


class Priority(Word):
    """How urgent something is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Confidence(Word):
    """How sure a choice is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Outcome(Word):
    """How a finished task went."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BlockerPolicy(Word):
    """What happens to a task when one that it waits for fails or is cancelled."""

    #: It fails too.
    FAIL = "fail"
    #: It starts all the same.
    RELEASE = "release"


class MessageKind(Word):
    """What a message is."""

    TEXT = "text"
    #: A note on how far the work is.
    PROGRESS = "progress"
    #: A question that waits for an answer.
    QUESTION = "question"
    #: A delegated task, as given to a subordinate.
    TASK = "task"
    #: A subordinate's report.
    REPORT = "report"


class EntryKind(Word):
    """What an entry of a folder is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong with a value."""

    #: Where, as a JSON pointer into the value (`/parts/0/name`); empty for the whole of it.
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass
class Budget:
    """What a ticket and all below it may spend. What is None is not limited here; what the ticket
    above has left always holds too. A cap, which reserves nothing."""

    #: From its making to its end.
    wall_ms: int | None = None
    #: Computing time of its guests.
    guest_ms: int | None = None
    #: Tokens of models.
    tokens: int | None = None
    #: Cost of models and the like, in millionths of a US dollar.
    cost_microusd: int | None = None
    #: Tickets below it.
    children: int | None = None
    #: Steps down from it.
    depth: int | None = None


@dataclass(frozen=True)
class Spend:
    """What a ticket and all below it have spent; units as in `Budget`."""

    guest_ms: int
    tokens: int
    cost_microusd: int
    children: int


@dataclass(frozen=True)
class PastAttempt:
    """A run that failed."""

    #: Which one it was, from 1.
    attempt: int
    #: The agent's id.
    agent: str
    at: int
    reason: str


@dataclass(frozen=True)
class Agent:
    """An agent, as far as others may know it."""

    id: str
    name: str
    #: A free label such as `builder` or `scout`; empty if none. (`class` in the contract.)
    class_: str
    #: What it is good at, in words.
    skills: list[str]
    #: A sentence for people and models; may be empty.
    description: str


@dataclass(frozen=True)
class Ticket:
    """A ticket, as far as this run may see it."""

    id: str
    title: str
    description: str
    status: TicketStatus
    #: The agent's id.
    assignee: str | None
    #: The ticket above it.
    parent: str | None
    #: The agent that delegated it, by id.
    delegated_by: str | None
    #: JSON Schema (draft 2020-12) that the output must fulfil.
    expected_output_schema_json: str | None
    #: The output, once there is one.
    output_json: str | None
    #: The last report's summary; empty until there is one.
    summary: str

    @property
    def expected_output_schema(self) -> Any:
        """The schema, parsed; None where there is none."""
        return parsed(self.expected_output_schema_json)

    @property
    def output(self) -> Any:
        """The output, parsed; None where there is none."""
        return parsed(self.output_json)


@dataclass(frozen=True)
class Task:
    """What a run is asked to do."""

    ticket: Ticket
    #: The agent that this run works as.
    agent: Agent
    #: The task as text for a person or a model. For a delegated ticket it holds the boss's task, the
    #: boss's notes and the user's original request.
    briefing: str
    #: What the person who started it all asked for.
    request: str
    #: The agent's own configuration, a JSON object.
    config_json: str
    #: 1 for the first run of this ticket, 2 after one more try, and so on.
    attempt: int
    #: What was wrong with the output that the run before this one gave; empty at first.
    violations: list[Violation]

    @property
    def config(self) -> dict[str, Any]:
        """The agent's own configuration. A new dictionary each time."""
        config: dict[str, Any] = parsed(self.config_json.strip() or "{}")
        return config

    @property
    def text(self) -> str:
        """What is to be done: the ticket's description, or its title where that is empty."""
        return self.ticket.description.strip() or self.ticket.title.strip()


class Report:
    """What `work` answers when the task is done.

    `summary` is for people: what was done, in Markdown. `output` is the structured result, any value
    that JSON can express; where the ticket has a schema, it must fulfil that. `output_json` is for one
    that is JSON text already.
    """

    def __init__(
        self, summary: str, *, output: Any = None, output_json: str | None = None
    ) -> None:
        self.summary = summary
        self.output_json = output_text(output, output_json)

    @property
    def output(self) -> Any:
        """The structured result; None where there is none."""
        return parsed(self.output_json)

    def __repr__(self) -> str:
        return f"Report({self.summary!r}, output_json={self.output_json!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return NotImplemented
        return (self.summary, self.output_json) == (other.summary, other.output_json)


@dataclass(frozen=True)
class Question:
    """The task that someone is wanted for: what a selector is asked."""

    title: str
    description: str
    #: What the person who started it all asked for.
    request: str
    #: The boss's configuration, a JSON object.
    config_json: str

    @property
    def config(self) -> dict[str, Any]:
        """The boss's configuration. A new dictionary each time."""
        config: dict[str, Any] = parsed(self.config_json.strip() or "{}")
        return config

    @property
    def text(self) -> str:
        """The description, or the title where that is empty."""
        return self.description.strip() or self.title.strip()


@dataclass(frozen=True)
class Candidate:
    """Someone who could do it."""

    agent: Agent
    status: TrackingStatus
    #: Tickets that are assigned to it and not over, the one it works on included.
    queued: int


@dataclass
class Choice:
    """Someone chosen."""

    #: The candidate's agent id.
    agent: str
    #: Why, as a sentence for people.
    reason: str
    confidence: Confidence = Confidence.MEDIUM


@dataclass(frozen=True)
class Author:
    """Who wrote a message."""

    #: `agent`, `person`, `host` or `other`.
    kind: str
    #: An agent's id, a person's name; None for the host.
    value: str | None = None


@dataclass(frozen=True)
class Message:
    """A message of a ticket's channel."""

    id: str
    #: Its place in the channel, from 0.
    index: int
    author: Author
    kind: MessageKind
    text: str
    #: Ids of the agents, and names of the people, that it mentions.
    mentions: list[str]
    #: The message that it answers, by id.
    reply_to: str | None
    at: int


@dataclass(frozen=True)
class Page:
    """What is in a channel after a cursor."""

    messages: list[Message]
    #: Pass it as `after` to get what comes next.
    cursor: int
    #: Whether there is more already.
    more: bool


@dataclass(frozen=True)
class ExternalReport:
    """A report that came from outside, through `POST /api/agents/{id}/report-task`."""

    outcome: Outcome
    summary: str
    #: The structured result, where the report has one. It is not checked yet.
    output_json: str | None

    @property
    def output(self) -> Any:
        """The structured result, parsed; None where there is none."""
        return parsed(self.output_json)


@dataclass(frozen=True)
class Entry:
    """What is in a folder of the worktree."""

    #: The last segment of its path.
    name: str
    kind: EntryKind
    #: Bytes, for a file.
    size: int


@dataclass(frozen=True)
class Exit:
    """A command that is over."""

    #: The exit status; None where a signal ended it.
    code: int | None
    #: Its output so far as it is kept, invalid UTF-8 replaced.
    stdout: str
    stderr: str
    #: Whether output was left out because there was too much.
    truncated: bool
    elapsed_ms: int

    @property
    def ok(self) -> bool:
        """Whether the exit status is 0."""
        return self.code == 0


@dataclass(frozen=True)
class Member:
    """A direct subordinate, as it is now."""

    agent: Agent
    status: TrackingStatus
    #: The tickets it works on, by id: the 20 that it took up first, where there are more.
    current: list[str]
    #: Tickets that wait for it.
    queued: int
    #: When it last reported, Unix milliseconds.
    last_report_at: int | None


@dataclass
class PlanTask:
    """A task of a work plan."""

    id: str
    description: str
    #: A class of agent that would fit; empty if it doesn't matter.
    suggested_class: str = ""
    #: The id of the agent meant to do it.
    assign_to_agent: str | None = None
    priority: Priority = Priority.MEDIUM
    #: Ids of tasks that must be over before this one.
    blocked_by: Sequence[str] = ()


@dataclass
class PlanPhase:
    """Tasks that belong together."""

    id: str
    name: str
    tasks: Sequence[PlanTask]
    #: Whether its tasks run at the same time or one after the other.
    parallel: bool = True
    #: Ids of phases that must be over before this one.
    depends_on: Sequence[str] = ()


@dataclass
class WorkPlan:
    """What a boss means to do, shown to people before it delegates. A preview, not a contract."""

    name: str
    description: str
    phases: Sequence[PlanPhase]


@dataclass
class Retry:
    """How often a task is tried, and by whom. After the last failure its report is a failed one, with
    the history."""

    #: Runs that one assignee gets, the first included; at least 1.
    attempts: int
    #: The pause before the second run; each further one is twice as long, up to `max_backoff_ms`.
    backoff_ms: int = 0
    max_backoff_ms: int = 0
    #: How often it is then given to another subordinate, whom the boss's selector chooses among those
    #: that have not tried it.
    reassign: int = 0


@dataclass
class Assignment:
    """One task to delegate."""

    title: str
    #: All that the subordinate needs to know.
    description: str = ""
    #: A direct subordinate's id; where there is none, the host asks the boss's selector.
    assignee: str | None = None
    #: The boss's notes for the subordinate.
    notes: str = ""
    #: JSON Schema (draft 2020-12) that the output must fulfil: a dictionary, or JSON text.
    expected_output_schema: dict[str, Any] | bool | str | None = None
    #: Where true, an output that does not fulfil the schema is stored with warnings instead of being
    #: refused.
    permissive: bool = False
    #: How long it may take; when it is over, the ticket fails.
    deadline_ms: int | None = None
    #: Two assignments of one ticket with the same key are the same delegation: the second gives back
    #: the first.
    key: str | None = None
    #: An agent's queue has the urgent ones first.
    priority: Priority = Priority.MEDIUM
    #: Tickets of a workspace with the same word here are never worked on at the same time.
    group: str | None = None
    #: What must be over before it starts: keys of other assignments of this call that stand before it,
    #: or ids of tickets that this run can see.
    blocked_by: Sequence[str] = ()
    on_blocker_failure: BlockerPolicy = BlockerPolicy.FAIL
    #: Where there is none, its first failure is its last.
    retry: Retry | None = None
    #: What it and all below it may spend; at most what this ticket has left.
    budget: Budget | None = None
    #: How long its run may be silent (no host call, no output, no report) before it fails, waits for
    #: reports and answers not counted.
    silence_ms: int | None = None

    @property
    def expected_output_schema_json(self) -> str | None:
        """The schema as the contract has it."""
        return schema_text(self.expected_output_schema)


@dataclass(frozen=True)
class Delegated:
    """A delegation that stands."""

    #: The child ticket's id.
    ticket: str
    #: The agent's id.
    assignee: str
    assignee_name: str
    #: Why this one: the selector's reason; empty where the boss named it.
    reason: str
    confidence: Confidence


@dataclass(frozen=True)
class Join:
    """When waiting for reports is over: `Join.ALL`, `Join.ANY`, `Join.quorum(2)`,
    `Join.deadline(60_000)`."""

    #: As in the contract: `all`, `any`, `quorum`, `deadline` or `other`.
    kind: str
    value: int | str | None = field(default=None)

    #: When all are over.
    ALL: ClassVar["Join"]
    #: When one has completed, or all are over.
    ANY: ClassVar["Join"]

    @classmethod
    def quorum(cls, count: int) -> "Join":
        """When so many have completed, or so many no longer can."""
        return cls("quorum", count)

    @classmethod
    def deadline(cls, ms: int) -> "Join":
        """After so many milliseconds with whatever there is, or earlier when all are over."""
        return cls("deadline", ms)


Join.ALL = Join("all")
Join.ANY = Join("any")


@dataclass(frozen=True)
class TaskReport:
    """How a delegated task ended."""

    ticket: str
    title: str
    #: The agent's id.
    agent: str
    agent_name: str
    outcome: Outcome
    summary: str
    output_json: str | None
    #: What is wrong with the output: the reason where it was refused, warnings otherwise.
    violations: list[Violation]
    #: The report as text for a model: `[TASK REPORT from NAME (ID)]` and its lines.
    text: str
    #: Its last run's number, from 1; 0 where it never ran.
    attempt: int
    #: Its runs that failed, the oldest first.
    history: list[PastAttempt]
    #: What it and all below it have spent.
    spent: Spend

    @property
    def output(self) -> Any:
        """The output, parsed; None where there is none."""
        return parsed(self.output_json)


@dataclass(frozen=True)
class Joined:
    """What waiting for reports gives."""

    #: Whether the join was met, and not just given up.
    met: bool
    #: The reports that are in, in the order they came.
    reports: list[TaskReport]
    #: The tickets that are not over, by id.
    pending: list[str]
