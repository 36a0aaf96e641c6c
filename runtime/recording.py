"""Records and their folding: an event, what the kernel decided on it, and the commands it caused; and back.

Folding hands the recorded events to a fresh kernel and holds what it decides and commands against what was recorded.
A difference means that plan or kernel is not the one that wrote the journal: the run stops there, and says where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import CorruptStore, ReplayMismatch
from orchspec.runtime.kernel.commands import Command, ReleaseGrant, RequestGrant, command_text
from orchspec.runtime.kernel.events import EVENT_TYPES, Event, RunStarted, TaskEnrolled, event_body, event_from_body
from orchspec.runtime.kernel.kernel import KERNEL_VERSION, Kernel
from orchspec.runtime.kernel.table import ImpossibleEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import Record

__all__ = ["EventRecord", "Folded", "event_of", "fold"]


class EventRecord:
    """A record that spells its body only when somebody reads it: a store that encodes it, or a person.

    The body holds `place` (the path) and `at` (the place's integer), the fields of the event, `decided`, and
    `commands` as lines.
    """

    __slots__ = ("commands", "decided", "event", "kernel", "run", "seq", "time_us")

    def __init__(self, run: str, seq: int, event: Event, kernel: Kernel, commands: list[Command]) -> None:
        self.run = run
        self.seq = seq
        self.time_us = event.time
        self.event = event
        self.kernel = kernel
        self.decided = kernel.decided
        self.commands = commands

    @property
    def type(self) -> str:
        """The event's name."""
        return type(self.event).__name__

    @property
    def body(self) -> dict[str, Any]:
        """What is written, beside number, time and type."""
        kernel = self.kernel
        event = self.event
        body: dict[str, Any] = {}
        if event.place:
            body["place"] = kernel.path(event.place)
            body["at"] = event.place
        body.update(event_body(event))
        if self.decided:
            body["decided"] = self.decided
        if self.commands:
            paths: dict[int, str] = {}
            lines = []
            for command in self.commands:
                place = command.place
                path = paths.get(place)
                if path is None:
                    path = paths[place] = kernel.path(place)
                lines.append(command_text(command, path))
            body["commands"] = lines
        return body


class Folded:
    """A run folded from its journal.

    The kernel as it was after the last record, and what the dispatcher learns from it.
    """

    __slots__ = ("kernel", "outcomes", "seq")

    def __init__(self, kernel: Kernel, seq: int, outcomes: list[tuple[int, str, str]]) -> None:
        self.kernel = kernel
        self.seq = seq
        self.outcomes = outcomes


def event_of(record: Record | EventRecord) -> Event:
    """The event of a record. Raises CorruptStore for one that no version of ours writes."""
    if isinstance(record, EventRecord):
        return record.event
    body = record.body
    if record.type not in EVENT_TYPES:
        raise CorruptStore(
            f"record {record.seq} of run {record.run} is a {record.type!r}, which this version does not know"
        )
    try:
        return event_from_body(record.type, record.time_us, int(body.get("at", 0)), body)
    except (TypeError, ValueError, KeyError) as error:
        raise CorruptStore(f"record {record.seq} of run {record.run} is no {record.type}: {error}") from None


def fold(plan: Plan, run: str, records: Iterable[Record | EventRecord]) -> Folded:
    """Fold a journal.

    Raises ReplayMismatch at the first record that the plan does not reproduce, CorruptStore for one that is none.
    """
    kernel = Kernel(plan, run)
    agents: dict[tuple[int, int], tuple[str, ...]] = {}
    gates: dict[tuple[int, int], tuple[str, ...]] = {}
    outcomes: list[tuple[int, str, str]] = []
    seq = 0
    for record in records:
        event = event_of(record)
        if record.seq != seq + 1:
            raise CorruptStore(f"run {run} has a gap in its journal: record {seq + 1} is missing")
        if isinstance(event, RunStarted) and event.kernel != KERNEL_VERSION:
            raise ReplayMismatch(
                f"run {run} was begun by version {event.kernel} of the kernel, and this is version {KERNEL_VERSION}: "
                "resume it with the version of Orch that began it"
            )
        try:
            commands = kernel.handle(event)
        except (ImpossibleEvent, AssertionError, KeyError, IndexError, AttributeError, TypeError) as error:
            raise ReplayMismatch(f"run {run} does not fold: record {record.seq} ({record.type}): {error}") from None
        seq = record.seq
        _compare(run, record, EventRecord(run, seq, event, kernel, commands))
        if isinstance(event, TaskEnrolled):
            where = event.place, event.attempt
            agents[where] = (event.agent, *gates.pop(where, ()))
        for command in commands:
            if isinstance(command, RequestGrant):
                if command.gates:
                    gates[command.place, command.attempt] = command.gates
            elif isinstance(command, ReleaseGrant):
                held = agents.pop((command.place, command.attempt), ())
                if command.outcome != "stopped":
                    outcomes.extend((event.time, pool, command.outcome) for pool in held)
    return Folded(kernel, seq, outcomes)


def _compare(run: str, recorded: Record | EventRecord, again: EventRecord) -> None:
    was, now = recorded.body, again.body
    for part in ("place", "decided", "commands"):
        if was.get(part) != now.get(part):
            raise ReplayMismatch(
                f"run {run} does not fold: record {recorded.seq} ({recorded.type}) has {part} {was.get(part)!r}, "
                f"folding it gives {now.get(part)!r}; the plan or the kernel is not the one that wrote it"
            )
