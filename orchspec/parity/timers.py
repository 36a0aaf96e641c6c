"""Timers that ring early, late or twice: the queue of the runtime, struck as that of a simulation is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.events import TimerFired
from orchspec.runtime.timers import Due, TimerQueue
from orchspec.simulator.timing import AGAIN_US, rings_us

if TYPE_CHECKING:
    from orchspec.runtime.grants import Grant
    from orchspec.simulator.faults import Faults

__all__ = ["StruckTimers"]


class StruckTimers(TimerQueue):
    """A queue of one engine.

    Args:
        granted: see `TimerQueue`.
        faults: what strikes timers.
        now_us: the present of the world.
        loop: gives the loop of the engine.
        later: calls back at a time.
    """

    __slots__ = ("_faults", "_later", "_loop", "_now_us", "_twice")

    def __init__(
        self,
        granted: Callable[[Grant], None] | None,
        faults: Faults,
        now_us: Callable[[], int],
        loop: Callable[[], Any],
        later: Callable[..., None],
    ) -> None:
        super().__init__(granted)
        self._faults = faults
        self._now_us = now_us
        self._loop = loop
        self._later = later
        self._twice: set[tuple[str, int, str]] = set()

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """See `Timers`."""
        loop = self._loop()
        key = loop.engine.kernels[run].draw_key(place)
        strike = self._faults.strike("orchestrator", key, attempt, self._now_us())
        late_us = strike.timer_us if strike is not None else 0
        self._twice.discard((run, place, timer))
        if strike is not None and strike.timer_twice:
            self._twice.add((run, place, timer))
        super().arm(run, place, timer, rings_us(at_us, loop.clock.now_us(), late_us), attempt)

    def due(self, now_us: int) -> list[Due]:
        """The timers that have come due; those that ring twice will once more."""
        found = super().due(now_us)
        for each in found:
            if each[:3] in self._twice:
                self._twice.discard(each[:3])
                self._later(self._now_us() + AGAIN_US, self._again, self._loop(), each)
        return found

    def _again(self, loop: Any, due: Due) -> None:
        if not loop.closed and due.run in loop.engine.kernels:
            loop.post(due.run, TimerFired(0, due.place, due.timer, due.attempt))
