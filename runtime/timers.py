"""Timers: what an engine asks of whoever keeps its time, and the queue in which both drivers keep them.

The queue is a heap with lazy deletion: arming again moves a timer, dropping forgets it. Most deadlines are dropped long
before they come due, so what was dropped is thrown out of the heap as soon as it is the greater part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from orchspec.runtime.grants import Grant

__all__ = ["DEADLINES", "Due", "TimerQueue", "Timers"]

DEADLINES: Final = frozenset({"attempt", "within", "time"})
"""Timers that only end a wait. The others make something happen by themselves: retries, resends, rounds, graces."""
_LEAST: Final = 64
"""A heap of so few entries is not worth tidying."""


class Timers(Protocol):
    """Where a driver keeps timers. Arming again moves a timer; dropping one that is not there is nothing."""

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """Post TimerFired for it at `at_us`."""

    def drop(self, run: str, place: int, timer: str) -> None:
        """Forget it."""

    def tool_granted(self, grant: Grant) -> None:
        """A tool call that waited may go on; `grant.attempt` is that of `Engine.call_tool`."""


class Due(NamedTuple):
    """A timer that has come due."""

    run: str
    place: int
    timer: str
    attempt: int


_Entry: TypeAlias = list[Any]
"""[when, its number, run, place, timer, attempt] in the heap; the run is None once the timer is dropped or moved."""
_RUN: Final = 2


class TimerQueue:
    """Timers of runs; the `Timers` of an engine where it is told where grants of tool calls go (`granted`)."""

    __slots__ = ("_heap", "_of", "_sequence", "_tool_granted", "active", "armed")

    def __init__(self, granted: Callable[[Grant], None] | None = None) -> None:
        self._tool_granted = granted
        self._heap: list[_Entry] = []
        self._of: dict[str, dict[tuple[int, str], _Entry]] = {}
        self._sequence = 0
        self.armed = 0
        """How many timers are armed."""
        self.active = 0
        """How many of them are no deadlines."""

    def __len__(self) -> int:
        """How many entries are kept: at most twice as many as timers are armed, and a few."""
        return len(self._heap)

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """See `Timers`."""
        of = self._of.get(run)
        if of is None:
            of = self._of[run] = {}
        key = (place, timer)
        if key in of:
            of[key][_RUN] = None
        else:
            self.armed += 1
            if timer not in DEADLINES:
                self.active += 1
        self._sequence = number = self._sequence + 1
        entry = of[key] = [at_us, number, run, place, timer, attempt]
        heappush(self._heap, entry)

    def drop(self, run: str, place: int, timer: str) -> None:
        """See `Timers`."""
        of = self._of.get(run)
        entry = of.pop((place, timer), None) if of is not None else None
        if entry is None:
            return
        entry[_RUN] = None
        self.armed -= 1
        if timer not in DEADLINES:
            self.active -= 1
        if not of:
            del self._of[run]
        if len(self._heap) > _LEAST + 2 * self.armed:
            self._heap = [entry for entry in self._heap if entry[_RUN] is not None]
            heapify(self._heap)

    def tool_granted(self, grant: Grant) -> None:
        """See `Timers`."""
        assert self._tool_granted is not None
        self._tool_granted(grant)

    def forget(self, run: str) -> None:
        """Drop all timers of a run."""
        for place, timer in list(self._of.get(run, ())):
            self.drop(run, place, timer)

    def clear(self) -> None:
        """Drop all timers."""
        self._heap.clear()
        self._of.clear()
        self.armed = self.active = 0

    def has(self, run: str) -> bool:
        """Whether a timer of the run is armed."""
        return run in self._of

    def places(self, run: str) -> list[int]:
        """The places of a run that have timers."""
        return [place for place, _ in self._of.get(run, ())]

    def next_us(self) -> int | None:
        """When the next timer comes due, or None."""
        heap = self._heap
        while heap:
            if heap[0][_RUN] is not None:
                at_us: int = heap[0][0]
                return at_us
            heappop(heap)
        return None

    def due(self, now_us: int) -> list[Due]:
        """The timers that have come due, soonest first; they are armed no more."""
        found: list[Due] = []
        while True:
            at_us = self.next_us()
            if at_us is None or at_us > now_us:
                return found
            _, _, run, place, timer, attempt = heappop(self._heap)
            self.drop(run, place, timer)
            found.append(Due(run, place, timer, attempt))
