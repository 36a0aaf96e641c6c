"""A journal under another plan than it was written under: whether it fits, and the first record that does not.

Two kernels fold the same records, one under the plan of then, one under the other. A place of one is the place of the
same path and kind in the other. A record fits if

* its place stands in both, and takes it: in the same state, attempt and dispatch afterwards, late in both or in none;
* whatever was chosen under the plan of then (an arm, a winner, a state, another round) is chosen under the other too;
* whatever was asked for under the plan of then has been asked for under the other by now, under the same key;
* the run ends under both, with the same status, or under none.

What the other plan asks for beside that is asked for when the run goes on: a step that was added, however early. What
has ended stands, whatever the other plan would have asked it with; what is under way keeps what it was asked with.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.errors import ReplayMismatch, UpgradeMisfit
from orchspec.runtime.kernel.carrying import kept_of
from orchspec.runtime.kernel.commands import (
    AskPerson,
    AwaitSignal,
    CheckEffect,
    ClaimEffect,
    RequestGrant,
    RunTask,
    TryEffect,
)
from orchspec.runtime.kernel.events import Event, PlanUpgraded
from orchspec.runtime.kernel.lines import command_text
from orchspec.runtime.kernel.table import STATE_NAMES
from orchspec.runtime.recording import Folded, Folding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.compiler.plan import Plan, Source
    from orchspec.runtime.journal.records import Record
    from orchspec.runtime.kernel.frames import Activity
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["refit"]

_ASKED: Final = (RequestGrant, RunTask, AskPerson, AwaitSignal, ClaimEffect, TryEffect, CheckEffect)
_CHOICES: Final = ("decided by", "route ", "enters", "ends", "handoff", "round ")
"""Decisions between ways to go on: what was chosen is chosen again."""
_Name = tuple[str, str, int]


def refit(old: Plan, new: Plan, run: str, records: Sequence[Record]) -> Folded:
    """Fold a journal that was written under `old`, under `new`.

    Returns:
        The run under the new plan, and the upgrade that is to be recorded before it goes on.

    Raises:
        UpgradeMisfit: the first record that does not fit. ReplayMismatch, CorruptStore: it does not fold under the old
        plan.
    """
    return _Refit(old, new, run, records).folded()


class _Places:
    """The places of a kernel by path, kind, and which of several with both."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.names: list[_Name] = [("", "", 0)]
        self.found: dict[_Name, int] = {}
        self._count: dict[tuple[str, str], int] = {}

    def learn(self) -> None:
        places = self.kernel.places
        for place in range(len(self.names), len(places)):
            kind = self.kernel.path(place), type(places[place]).__name__
            number = self._count[kind] = self._count.get(kind, 0) + 1
            self.names.append((*kind, number))
            self.found[self.names[-1]] = place


class _Refit:
    def __init__(self, old: Plan, new: Plan, run: str, records: Sequence[Record]) -> None:
        self.run = run
        self.sources = old.source, new.source
        self.records = records
        self.was = Folding(old, run, records)
        self.now = Folding(new, run, records, refit=True)
        self.places_then = _Places(self.was.kernel)
        self.places_now = _Places(self.now.kernel)
        self.asked: set[str] = set()
        self.chosen: set[tuple[str, str | None]] = set()
        self.moved: dict[str, int] = {}

    def folded(self) -> Folded:
        for record in self.records:
            self._step(record)
        was, now = self.was.kernel, self.now.kernel
        kept: dict[str, Any] = {}
        for place in was.open_places():
            twin = self._twin(place)
            if twin is None or not _alike(was.places[place], now.places[twin]):
                self._misfit(self.records[-1], place, twin)
                continue
            activity = was.places[place]
            assert activity is not None
            if parameters := kept_of(activity):
                kept[str(twin)] = parameters
        event = PlanUpgraded(was.now, now.program.plan.hash, was.program.plan.hash, kept, self.moved)
        return Folded(now, self.now.seq, self.now.outcomes, event)

    def _step(self, record: Record) -> None:
        was, now = self.was, self.now
        event = was.event(record)
        ignored = was.kernel.ignored, now.kernel.ignored
        caused = was.step(record, event)
        self.places_then.learn()
        twin = self._twin(event.place)
        if twin is None:
            self._misfit(record, event.place, None)
            return
        try:
            known = now.event(record).place
        except ReplayMismatch:
            known = 0
        if known != twin:
            self.moved[str(record.seq)] = twin
        try:
            again = now.step(record, _moved(event, twin))
        except ReplayMismatch as error:
            self._misfit(record, event.place, twin, str(error).partition("): ")[2] or str(error))
            return
        self.places_now.learn()
        self._hold(record, event, twin, (ignored[0] < was.kernel.ignored, ignored[1] < now.kernel.ignored))
        self.chosen.update((str(what), detail) for what, detail in now.kernel.decided)
        for what, detail in was.kernel.decided:
            if str(what).startswith(_CHOICES) and (str(what), detail) not in self.chosen:
                self._misfit(record, event.place, twin)
        self.asked.update(_named(command, now.kernel) for command in again if isinstance(command, _ASKED))
        for command in caused:
            if isinstance(command, _ASKED) and _named(command, was.kernel) not in self.asked:
                self._misfit(record, command.place, self._twin(command.place), asked=_named(command, was.kernel))

    def _hold(self, record: Record, event: Event, twin: int, late: tuple[bool, bool]) -> None:
        was, now = self.was.kernel, self.now.kernel
        if late[0] != late[1] or not _alike(was.places[event.place], now.places[twin]):
            self._misfit(record, event.place, twin)
        if was.status != now.status or (was.outcome is None) != (now.outcome is None):
            self._misfit(record, event.place, twin, _standing(now))

    def _twin(self, place: int) -> int | None:
        return self.places_now.found.get(self.places_then.names[place]) if place else 0

    def _misfit(self, record: Record, place: int, twin: int | None, why: str = "", asked: str = "") -> None:
        was, now = self.was.kernel, self.now.kernel
        path = was.path(place)
        then = asked or _told(was, place)
        today = why or (
            f"does not ask for that, {_told(now, twin)}"
            if asked and twin is not None
            else "has no such place by then"
            if twin is None
            else _told(now, twin)
        )
        here, there = _line(self.sources[0], was, place), _line(self.sources[1], now, twin)
        message = (
            f"run {self.run} does not fit the new plan: record {record.seq} ({record.type}) at {path or 'the run'}: "
            f"the old plan{here and f' ({here})'}: {then}; the new plan{there and f' ({there})'}: {today}. Nothing was "
            "written; without --upgrade it goes on under the old plan"
        )
        found = {
            "seq": record.seq,
            "type": record.type,
            "place": path,
            "old": then,
            "new": today,
            "old_line": here or None,
            "new_line": there or None,
        }
        raise UpgradeMisfit(message, found)


def _moved(event: Event, place: int) -> Event:

    if isinstance(event, PlanUpgraded):
        return replace(event, kept={}, moved={})
    return event if event.place == place else replace(event, place=place)


def _alike(then: Activity | None, now: Activity | None) -> bool:
    """Whether two places stand in the same state, attempt and dispatch."""
    return all(getattr(then, name, 0) == getattr(now, name, 0) for name in ("state", "attempt", "dispatch"))


def _named(command: Any, kernel: Kernel) -> str:
    path = kernel.path(command.place)
    if isinstance(command, RequestGrant):
        return f"RequestGrant {path} {command.attempt}"  # whom it may get is the plan's to say
    if isinstance(command, ClaimEffect):
        return f"{command_text(command, path)} {command.args_hash[:16]}"
    return command_text(command, path)


def _told(kernel: Kernel, place: int | None) -> str:
    """How a place stands, and what was decided last."""
    activity: Any = kernel.places[place] if place else None
    stands = _standing(kernel) if activity is None else STATE_NAMES.get(activity.state, "not begun")
    attempt = getattr(activity, "attempt", 1)
    tried = f", attempt {attempt}" if isinstance(attempt, int) and attempt > 1 else ""
    decided = "; ".join(f"{what}: {detail}" if detail else str(what) for what, detail in kernel.decided)
    return f"{stands}{tried}{f' ({decided[:300]})' if decided else ''}"


def _standing(kernel: Kernel) -> str:
    if kernel.status is None and kernel.outcome is None:
        return "the run goes on"
    return f"the run is {kernel.status or kernel.outcome[0]}"  # type: ignore[index]


def _line(source: Source, kernel: Kernel, place: int | None) -> str:
    """Where the statement of a place stands in its spec, as `file:line`; empty where that is not known."""
    activity: Any = kernel.places[place] if place else None
    node = getattr(getattr(activity, "op", None), "node", None)
    if not isinstance(node, int) or not 0 <= node < len(source.spans):
        return ""
    line, _, _, _, file = source.spans[node]
    name = source.files[file] if file < len(source.files) else ""
    return f"{name}:{line}".strip(":")
