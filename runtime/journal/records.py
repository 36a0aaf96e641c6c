"""What a store keeps: records of runs, and the rows derived from them that are read without folding.

A record is numbered from 1 without a gap within its run. Its body is JSON-able (string keys, lists rather than
tuples, no NaN) and is encoded once, by the store; whoever hands a body over does not change it afterwards.
Times are integer microseconds since the epoch (of 1970, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

__all__ = [
    "LIVE_STATUSES",
    "RESERVED_KEYS",
    "BeatRow",
    "LedgerRow",
    "LedgerState",
    "Mail",
    "MailKind",
    "MatterRow",
    "Owner",
    "QuestionRow",
    "Record",
    "ReuseRow",
    "RunRow",
    "RunStatus",
    "TurnRow",
    "format_time",
    "public_record",
]

LedgerState = Literal["intended", "sent", "confirmed", "in_doubt", "not_done", "undone"]
RunStatus = Literal["running", "completed", "failed", "parked", "cancelled", "budget_exhausted"]
MailKind = Literal["answer", "signal", "cancel"]

LIVE_STATUSES: frozenset[str] = frozenset({"running", "parked"})
"""Statuses of a run that still takes mail; every other status is an end."""

RESERVED_KEYS: frozenset[str] = frozenset({"seq", "time", "type"})
"""Keys that no record body may have: the public form of a record puts its own there."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Record:
    """One journal record: what happened, what was decided on it, and which commands it caused.

    Not frozen: it is made twice for each attempt, and in simulation that cost shows.
    """

    run: str
    seq: int
    time_us: int
    type: str
    body: dict[str, Any]

    def text(self) -> str | None:
        """Its body as compact ASCII JSON, where whoever made it spells it faster than an encoder does."""
        return None


@dataclass(slots=True, frozen=True)
class LedgerRow:
    """Where one effect stands, by (effect, key, generation); it outlives the run that owns it.

    ``joined`` are the other places, as [run, path] pairs, that got its receipt: while there are any it is not undone.
    """

    effect: str
    key: str
    generation: int
    state: LedgerState
    args_hash: str
    owner_run: str
    owner_place: str
    intent_seq: int
    receipt: Any
    time_us: int
    joined: list[list[str]] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class ReuseRow:
    """A verified value that may be used again until ``expires_us`` (None: for ever)."""

    key: str
    value: Any
    expires_us: int | None
    run: str
    place: str


@dataclass(slots=True, frozen=True)
class TurnRow:
    """A turn of a persistent session, numbered from 1 within it; it outlives the run that it was taken in.

    ``inputs`` None: ``output`` is a summary, which stands for ``folded`` turns. Turns below ``since`` are dropped with
    this one. ``tokens`` are what it takes of a context, as far as that is known.
    """

    session: str
    number: int
    inputs: Any
    output: Any
    tokens: int
    since: int
    run: str
    place: str
    time_us: int
    folded: int = 0


@dataclass(slots=True, frozen=True)
class RunRow:
    """What is known of a run without folding it. ``error`` is None or ``{"code", "message", "step"}``."""

    run: str
    flow: str
    plan_hash: str
    input: Any
    status: RunStatus
    result: Any
    error: Any
    created_us: int
    ended_us: int | None
    seed: int
    options: dict[str, Any]

    def ended(self, status: RunStatus, result: Any, error: Any, ended_us: int | None) -> RunRow:
        """The same run at its end; each run comes to it, and `dataclasses.replace` takes ten times as long."""
        begun = self.run, self.flow, self.plan_hash, self.input
        return RunRow(*begun, status, result, error, self.created_us, ended_us, self.seed, self.options)


@dataclass(slots=True, frozen=True)
class Mail:
    """Something put in from outside by a process that need not own the store.

    ``answer`` names run and place; ``signal`` names its name and key, and a run or None; ``cancel`` names a run.
    """

    id: int
    kind: MailKind
    run: str | None
    place: str | None
    name: str | None
    key: str | None
    value: Any
    by: str | None
    posted_us: int


@dataclass(slots=True, frozen=True)
class QuestionRow:
    """A question that waits for a person. ``expects`` and ``choices`` say, in JSON, what an answer may be.

    ``messages`` are those of channels that are bound to it: [channel, sender, values by name].
    """

    run: str
    place: str
    contract: str
    who: str
    inputs: Any
    expects: Any
    asked_us: int
    deadline_us: int | None
    choices: Any
    messages: list[Any] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class MatterRow:
    """What a run that has ended left for a person to put right: an undo that is stuck, or a doubt that nobody settled.

    It outlives its run, even where that is removed, until somebody says what became of it (``value``, JSON).
    """

    run: str
    place: str
    why: str
    time_us: int
    closed_by: str | None = None
    value: Any = None


@dataclass(slots=True, frozen=True)
class BeatRow:
    """The last heartbeat of an attempt at work: how much of it is done (0..1) and what it is at.

    ``time_us`` is of the system's clock, whatever the speed of the run. No part of the journal: it decides nothing.
    """

    run: str
    place: str
    attempt: int
    share: float
    note: str
    time_us: int


@dataclass(slots=True, frozen=True)
class Owner:
    """An engine that owns a store: its process, and which engine of that process.

    ``started`` tells a process from a later one with the same pid; see ``orchspec.runtime.journal.owner``.
    """

    pid: int
    host: str
    started: str
    instance: str = ""


def format_time(time_us: int) -> str:
    """``time_us`` (microseconds since the epoch) as RFC 3339 in UTC, exact to the microsecond."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def public_record(record: Record) -> dict[str, Any]:
    """The form of a record that ``orch journal`` prints: ``seq``, ``time``, ``type``, then its body."""
    return {"seq": record.seq, "time": format_time(record.time_us), "type": record.type, **record.body}
