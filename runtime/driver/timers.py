"""Timers of an engine, in a heap with lazy deletion: arming again moves a timer, dropping forgets it."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, NamedTuple

from orchspec.runtime.dispatcher import Grant

__all__ = ["DEADLINES", "Due", "TimerQueue"]

DEADLINES: Final = frozenset({"attempt", "within", "time"})
"""Timers that only end a wait. The others make something happen by themselves: retries, resends, rounds, graces."""


class Due(NamedTuple):
    """A timer that has come due."""

    run: str
    place: int
    timer: str
    attempt: int


class TimerQueue:
    """The `Timers` of an engine. Grants of tool calls go to `granted`."""

    __slots__ = ("_at", "_heap", "_sequence", "_tool_granted", "active")

    def __init__(self, granted: Callable[[Grant], None]) -> None:
        self._tool_granted = granted
        self._heap: list[tuple[int, int, str, int, str, int]] = []
        self._at: dict[tuple[str, int, str], int] = {}
        self._sequence = 0
        self.active = 0
        """How many timers are armed that are no deadlines."""

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """See `engine.Timers`."""
        key = (run, place, timer)
        if key not in self._at and timer not in DEADLINES:
            self.active += 1
        self._sequence += 1
        self._at[key] = self._sequence
        heappush(self._heap, (at_us, self._sequence, run, place, timer, attempt))

    def drop(self, run: str, place: int, timer: str) -> None:
        """See `engine.Timers`."""
        if self._at.pop((run, place, timer), None) is not None and timer not in DEADLINES:
            self.active -= 1

    def tool_granted(self, grant: Grant) -> None:
        """See `engine.Timers`."""
        self._tool_granted(grant)

    def forget(self, run: str) -> None:
        """Drop all timers of a run."""
        for _, place, timer in [key for key in self._at if key[0] == run]:
            self.drop(run, place, timer)

    def next_us(self) -> int | None:
        """When the next timer comes due, or None."""
        heap = self._heap
        while heap:
            at_us, sequence, run, place, timer, _ = heap[0]
            if self._at.get((run, place, timer)) == sequence:
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
