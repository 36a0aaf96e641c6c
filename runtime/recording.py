"""Records and their folding: an event, what the kernel decided on it, and the commands it caused; and back.

Folding hands the recorded events to a fresh kernel and holds what it decides and commands against what was recorded.
A difference means that plan or kernel is not the one that wrote the journal: the run stops there, and says where.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchspec.runtime.compact import json_text, quoted
from orchspec.runtime.errors import CorruptStore, ReplayMismatch
from orchspec.runtime.grants import Outcome
from orchspec.runtime.kernel.commands import Command, HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.events import (
    EVENT_TYPES,
    Event,
    PlanUpgraded,
    RunStarted,
    TaskEnrolled,
    event_body,
    event_from_body,
)
from orchspec.runtime.kernel.kernel import KERNEL_VERSION, Kernel
from orchspec.runtime.kernel.lines import LINES
from orchspec.runtime.kernel.spelling import event_fields
from orchspec.runtime.kernel.steps import FanOutStep
from orchspec.runtime.kernel.table import ImpossibleEvent
from orchspec.runtime.kernel.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import Record
    from orchspec.runtime.kernel.frames import Activity

__all__ = ["EventRecord", "Folded", "Folding", "began_as", "event_of", "fold", "folding_of", "is_verified"]


def is_verified(place: int, commands: Iterable[Command]) -> bool:
    """Whether an event at `place` with these commands fulfilled a task: its grant is given back for it."""
    return any(isinstance(each, ReleaseGrant) and each.place == place and each.outcome == "ok" for each in commands)


class EventRecord:
    """A record that spells its body only when somebody reads it: a store that encodes it, or a person.

    The body holds `place` (the path) and `at` (the place's integer), the fields of the event, `decided`, and
    `commands` as lines.
    """

    __slots__ = ("commands", "decided", "event", "kernel", "run", "seq", "time_us")

    def __init__(self, run: str, seq: int, event: Event, kernel: Kernel, commands: list[Command]) -> None:
        self.run = run
        self.seq = seq
        self.time_us = kernel.now
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
            body["commands"] = self.lines()
        return body

    def text(self) -> str:
        """The body as compact JSON."""
        event = self.event
        place = event.place
        path = ""
        text = event_fields(event)
        if place:
            path = self.kernel.path(place)
            text = f'"place":{quoted(path)},"at":{place},{text}' if text else f'"place":{quoted(path)},"at":{place}'
        rest = f'"decided":{json_text(self.decided)}' if self.decided else ""
        if self.commands:
            path_of = self.kernel.path
            lines = ",".join(
                [
                    quoted(LINES[type(command)](command, path if command.place == place else path_of(command.place)))
                    for command in self.commands
                ]
            )
            rest = f'{rest},"commands":[{lines}]' if rest else f'"commands":[{lines}]'
        return f"{{{text},{rest}}}" if text and rest else f"{{{text}{rest}}}"

    def lines(self) -> list[str]:
        """The commands, as they are written."""
        path_of = self.kernel.path
        return [LINES[type(command)](command, path_of(command.place)) for command in self.commands]


class Folded:
    """A run folded from its journal.

    The kernel as it was after the last record, and what the dispatcher learns from it. `upgrade`: what is to be
    recorded before it goes on, if it was folded under a plan that the journal does not know yet.
    """

    __slots__ = ("kernel", "outcomes", "seq", "upgrade")

    def __init__(self, kernel: Kernel, seq: int, outcomes: list[Outcome], upgrade: PlanUpgraded | None = None) -> None:
        self.kernel = kernel
        self.seq = seq
        self.outcomes = outcomes
        self.upgrade = upgrade


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


def began_as(run: str, records: Sequence[Record | EventRecord]) -> str:
    """The name that the first record of a run was written under: another one if it is a fork."""
    first = next((record for record in records if record.type == "RunForked"), None)
    return run if first is None else str(getattr(event_of(first), "began_as", run))


class Folding:
    """A journal that is being folded, record by record, into `kernel`.

    Records before the last upgrade were written under other plans. They go to the places of their paths, and
    were held against the plan when it was upgraded to; those after it are held against what they say.
    """

    def __init__(self, plan: Plan, run: str, records: Sequence[Record | EventRecord], *, refit: bool = False) -> None:
        self.kernel = Kernel(plan, began_as(run, records))
        self.run = run
        self.seq = 0
        self.outcomes: list[Outcome] = []
        last = None if refit else next((each for each in reversed(records) if each.type == "PlanUpgraded"), None)
        self.upgraded_at = len(records) + 1 if refit else last.seq if last is not None else 0
        moved = getattr(event_of(last), "moved", None) if last is not None else None
        self.moved: dict[str, int] = moved if isinstance(moved, dict) else {}
        self._held: dict[tuple[int, int], tuple[str, tuple[str, ...], int, str]] = {}
        self._asked: dict[tuple[int, int], RequestGrant] = {}
        self._paths: dict[str, int] = {}
        self._known = 1
        self._named = 1

    def step(self, record: Record | EventRecord, event: Event) -> list[Command]:
        """One record. Raises ReplayMismatch, CorruptStore."""
        commands = self.handle(record, event)
        self._learn(event, commands)
        return commands

    def handle(self, record: Record | EventRecord, event: Event) -> list[Command]:
        """One record, of which a dispatcher has nothing to learn. Raises ReplayMismatch, CorruptStore."""
        run, kernel = self.run, self.kernel
        if record.seq != self.seq + 1:
            raise CorruptStore(f"run {run} has a gap in its journal: record {self.seq + 1} is missing")
        if isinstance(event, RunStarted) and event.kernel != KERNEL_VERSION:
            raise ReplayMismatch(
                f"run {run} was begun by version {event.kernel} of the kernel, and this is version {KERNEL_VERSION}: "
                "resume it with the version of Orch that began it"
            )
        try:
            commands = kernel.handle(event)
        except (ImpossibleEvent, AssertionError, KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
            raise ReplayMismatch(f"run {run} does not fold: record {record.seq} ({record.type}): {error}") from None
        self.seq = record.seq
        return commands

    def follow(self, record: EventRecord) -> None:
        """One record that its kernel has handled already, as an engine."""
        self.seq = record.seq
        self._learn(record.event, record.commands)

    def _learn(self, event: Event, commands: list[Command]) -> None:
        held, asked = self._held, self._asked
        if isinstance(event, TaskEnrolled):
            where = event.place, event.attempt
            request = asked.pop(where, None)
            gates, watch = (request.gates, request.watch) if request is not None else ((), None)
            held[where] = event.agent, gates, event.time, watch[0] if watch is not None else ""
        for command in commands:
            if isinstance(command, RequestGrant):
                if command.gates or command.watch is not None:
                    asked[command.place, command.attempt] = command
            elif isinstance(command, HoldGrant):
                held[command.place, command.attempt] = command.agent, command.gates, event.time, ""
            elif isinstance(command, ReleaseGrant):
                asked.pop((command.place, command.attempt), None)
                taken = held.pop((command.place, command.attempt), None)
                if taken is not None and command.outcome != "stopped":
                    agent, gates, taken_us, contract = taken
                    self.outcomes.append((event.time, agent, command.outcome, event.time - taken_us, contract))
                    self.outcomes.extend((event.time, gate, command.outcome, -1, "") for gate in gates)

    def hold(self, record: Record | EventRecord, event: Event, commands: list[Command]) -> None:
        """Hold what a record has folded to against what it says. Raises ReplayMismatch."""
        if record.seq > self.upgraded_at and not self._repeats(record, commands):
            _compare(self.run, record, EventRecord(self.run, record.seq, event, self.kernel, commands))

    def _repeats(self, record: Record | EventRecord, commands: list[Command]) -> bool:
        """Whether a record that is still in memory has come out as before, as far as can be told without spelling it.

        Of the same program, the same places with the same decisions and commands spell the same.
        """
        kernel = self.kernel
        if not isinstance(record, EventRecord) or record.kernel.program is not kernel.program:
            return False
        was, now, named = record.kernel.places, kernel.places, self._named
        if len(was) < len(now):
            return False
        while named < len(now) and _is_named_alike(was[named], now[named]):
            named += 1
        self._named = named
        return named == len(now) and record.decided == kernel.decided and record.commands == commands

    def place_of(self, path: str) -> int | None:
        """The first place of that path, if there is one by now."""
        places = self.kernel.places
        while self._known < len(places):
            self._paths.setdefault(self.kernel.path(self._known), self._known)
            self._known += 1
        return self._paths.get(path)

    def event(self, record: Record | EventRecord) -> Event:
        """The event of a record, for this plan. Raises ReplayMismatch where the plan has no such place."""
        if record.seq >= self.upgraded_at:
            return record.event if type(record) is EventRecord else event_of(record)
        event = event_of(record)
        if isinstance(event, PlanUpgraded):
            return replace(event, kept={}, moved={})
        if event.place:
            path = str(record.body.get("place", ""))
            place = self.moved.get(str(record.seq)) or self.place_of(path)
            if place is None:
                raise ReplayMismatch(f"run {self.run} does not fold: record {record.seq} is of {path}, which is not")
            event = replace(event, place=place)
        return event


def _is_named_alike(was: Activity | None, now: Activity | None) -> bool:
    """Whether two activities spell the same path; of places before theirs that is known."""
    if was is None or now is None:
        return was is now
    if type(was) is Task and type(now) is Task and was.label == now.label:
        theirs, ours = was.owner, now.owner
        if type(theirs) is FanOutStep and type(ours) is FanOutStep and theirs.place == ours.place:
            return True  # nothing of it needs to be spelled
    return was.path() == now.path()


def fold(plan: Plan, run: str, records: Iterable[Record | EventRecord]) -> Folded:
    """Fold a journal.

    Raises ReplayMismatch at the first record that the plan does not reproduce, CorruptStore for one that is none.
    """
    folding = folding_of(plan, run, records if isinstance(records, list) else list(records))
    return Folded(folding.kernel, folding.seq, folding.outcomes)


def folding_of(plan: Plan, run: str, records: Sequence[Record | EventRecord]) -> Folding:
    """A journal, folded to its end, to which more may be added. Raises as `fold` does."""
    folding = Folding(plan, run, records)
    for record in records:
        event = folding.event(record)
        folding.hold(record, event, folding.step(record, event))
    return folding


def _compare(run: str, recorded: Record | EventRecord, again: EventRecord) -> None:
    was, place = recorded.body, again.event.place
    now: dict[str, Any] = {"decided": again.decided or None, "commands": again.lines() or None}
    now["place"] = again.kernel.path(place) if place else None
    for part in ("place", "decided", "commands"):
        if was.get(part) != now[part]:
            raise ReplayMismatch(
                f"run {run} does not fold: record {recorded.seq} ({recorded.type}) has {part} {was.get(part)!r}, "
                f"folding it gives {now[part]!r}; the plan or the kernel is not the one that wrote it"
            )
